"""Every reason has its screen in docs/evidence/screens, and all are up to date."""

import html
import re

import pytest

from actors.health import rules
from tests.cli import screens
from tests.cli.screens import FOLDER, SHOWN, SPOILS, picture, text

ALL = screens.screens()
NAMESPACE = "http://www.w3.org/2000/svg"


def test_every_reason_has_a_screen() -> None:
    assert set(SPOILS) == {rule.code for rule in rules.RULES}


@pytest.mark.parametrize("code", sorted(SPOILS))
def test_a_screen_shows_its_reason_and_no_other(code: str) -> None:
    assert ALL[screens.named(code)][0] == (code,)


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_screens_in_the_docs_are_up_to_date(name: str) -> None:
    assert (FOLDER / f"{name}.txt").read_text() == text(ALL[name][1]), "renew them: make screens"


def test_the_picture_in_the_docs_is_up_to_date_and_small() -> None:
    drawn = picture(SHOWN, ALL[SHOWN][1])
    assert (FOLDER / f"{SHOWN}.svg").read_text() == drawn, "renew it: make screens"
    assert len(drawn) < 60_000


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_picture_has_the_same_words_as_the_text_and_loads_nothing(name: str) -> None:
    drawn = picture(name, ALL[name][1])
    shown = html.unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn)))
    assert set(text(ALL[name][1]).split()) <= set(shown.split())
    named = set(re.findall(r"https?://[^\s\"'<]+", drawn))
    assert named <= {NAMESPACE, "https://www.textualize.io"}


@pytest.mark.parametrize("name", sorted(ALL))
def test_eighty_columns_suffice(name: str) -> None:
    lines = text(ALL[name][1]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith((name.partition("-")[0], "tracker-status:"))


def test_the_directory_holds_nothing_but_the_screens() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{SHOWN}.svg",
        *(f"{name}.txt" for name in ALL),
    }
