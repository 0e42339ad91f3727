"""Every reason has its screen in docs/evidence/screens, and all are up to date."""

import html
import re

import pytest
from rich.console import RenderableType

from actors.health import rules
from tests.cli import screens
from tests.cli.screens import FOLDER, SHOWN, SPOILS, picture, text

NAMES = sorted(screens.names())
"""What each is, is found out by the test that looks at it: to collect tests must cost nothing."""
NAMESPACE = "http://www.w3.org/2000/svg"


def screen(name: str) -> RenderableType:
    _, found = screens.screens()[name]
    return found


def test_every_reason_has_a_screen() -> None:
    assert set(SPOILS) == {rule.code for rule in rules.RULES}


def test_each_screen_is_made_once() -> None:
    assert list(screens.screens()) == screens.names()


@pytest.mark.parametrize("code", sorted(SPOILS))
def test_a_screen_shows_its_reason_and_no_other(code: str) -> None:
    assert screens.screens()[screens.named(code)][0] == (code,)


@pytest.mark.parametrize("name", NAMES)
def test_the_screens_in_the_docs_are_up_to_date(name: str) -> None:
    assert (FOLDER / f"{name}.txt").read_text() == text(screen(name)), "renew them: make screens"


def test_the_picture_in_the_docs_is_up_to_date_and_small() -> None:
    drawn = picture(SHOWN, screen(SHOWN))
    assert (FOLDER / f"{SHOWN}.svg").read_text() == drawn, "renew it: make screens"
    assert len(drawn) < 60_000


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_the_same_words_as_the_text_and_loads_nothing(name: str) -> None:
    drawn = picture(name, screen(name))
    shown = html.unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn)))
    assert set(text(screen(name)).split()) <= set(shown.split())
    named = set(re.findall(r"https?://[^\s\"'<]+", drawn))
    assert named <= {NAMESPACE, "https://www.textualize.io"}


@pytest.mark.parametrize("name", NAMES)
def test_eighty_columns_suffice(name: str) -> None:
    lines = text(screen(name)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith((name.partition("-")[0], "tracker-status:"))


def test_the_directory_holds_nothing_but_the_screens() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{SHOWN}.svg",
        *(f"{name}.txt" for name in NAMES),
    }
