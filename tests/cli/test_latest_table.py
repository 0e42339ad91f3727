"""The last trades and resolutions in a terminal: texts of strangers change nothing around them."""

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from actors.cli import status_table
from actors.cli.latest_table import one_line
from tests.cli.status_samples import health

HOSTILE = {
    "escape": "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "lines": "one\ntwo\r\nthree\x0bfour\u2028five\x85six",
    "long": "x" * 5_000,
    "wide": "\u6f22" * 5_000,
    "pictures": "\N{TRUMPET}\ufe0f\u2764\ufe0f\U0001f468\u200d\U0001f469\u200d\U0001f467" * 99,
    "direction": "\u202e evil \u2066 x \u200f",
    "marks": "[red]bold[/red] [link=file:///etc]x[/link]",
    "stacked": "a" + "\u0300" * 3_000,
    "surrogate": "\ud800 half",
    "empty": "",
}
WHERE = ("market_slug", "question", "outcome", "winner", "side", "price", "size", "traded_at")


def lines(document: Any, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False, force_terminal=True,
                      color_system=None)  # fmt: skip
    with console.capture() as captured:
        console.print(status_table.render(document))
    return captured.get().splitlines()


def spoiled(field: str, text: str | None) -> Any:
    document = health(traded=True)
    latest = document["latest"]
    for name in ("trades", "resolutions"):
        latest[name] = [{**each, field: text} if field in each else each for each in latest[name]]
    return document


def test_the_last_trades_and_resolutions_are_shown() -> None:
    shown = [" ".join(line.split()) for line in lines(health(traded=True))]
    assert "21:28:00 Bitcoin Up or Down - May 28, 4:25PM ET Up BUY 0.53 120" in shown
    assert "21:27:30 Bitcoin Up or Down - May 28, 4:20PM ET Down" in shown


@pytest.mark.parametrize("kind", sorted(HOSTILE))
@pytest.mark.parametrize("field", WHERE)
def test_no_text_changes_what_is_around_it(field: str, kind: str) -> None:
    usual, found = lines(health(traded=True)), lines(spoiled(field, HOSTILE[kind]))
    assert len(found) == len(usual)
    assert max(map(cell_len, found)) <= 80
    assert all(line.isprintable() for line in found)


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_a_text_becomes_a_piece_of_one_line(kind: str) -> None:
    shown = one_line(HOSTILE[kind])
    assert len(shown) <= 200
    assert shown == " ".join(shown.split())


def test_marks_are_shown_as_they_are() -> None:
    document = spoiled("question", "[red]is[/red] it?")
    assert any("[red]is[/red] it?" in line for line in lines(document))


def test_what_is_not_known_is_said() -> None:
    document = spoiled("question", None)
    assert any("new-york-above-30-on-may-28" in line for line in lines(document))
    document["latest"]["trades"][0] |= {"market_slug": None, "outcome": None}
    assert any("token 81 " in line and " ? " in line for line in lines(document))
    assert any("split" in line for line in lines(spoiled("winner", "")))


def test_a_table_without_anything_to_show_is_left_out() -> None:
    document = health(traded=True)
    document["latest"] = {"trades": [], "resolutions": []}
    assert not any("last trades" in line or "resolved" in line for line in lines(document))


def test_a_narrow_terminal_is_enough() -> None:
    assert max(map(cell_len, lines(spoiled("question", HOSTILE["wide"]), 60))) <= 60
