"""Every reason has its screen in docs/screens, and the screens are those of this version."""

import pytest

from actors.health import rules
from tests.cli import screens
from tests.cli.screens import FOLDER, SPOILS, text

ALL = screens.screens()


def test_every_reason_has_a_screen() -> None:
    assert set(SPOILS) == {code for code, _ in rules.RULES}


@pytest.mark.parametrize("code", sorted(SPOILS))
def test_a_screen_shows_its_reason_and_no_other(code: str) -> None:
    assert ALL[f"degraded-{code}"][0] == (code,)


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_screens_in_the_docs_are_up_to_date(name: str) -> None:
    assert (FOLDER / f"{name}.txt").read_text() == text(ALL[name][1]), "renew them: make screens"
    assert (FOLDER / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", sorted(ALL))
def test_eighty_columns_suffice(name: str) -> None:
    lines = text(ALL[name][1]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith((name.partition("-")[0], "tracker-status:"))


def test_nothing_lies_beside_the_screens() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(ALL)
