"""The screen of a demo fits the terminal, whatever markets are called."""

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from actors.cli.demo_screen import HEAD_ROWS, DemoScreen, shares
from actors.errors import PayloadRejected
from tests.cli.status_samples import health
from tests.cli.test_latest_table import HOSTILE

HEIGHTS = (24, 30, 40, 60)


def full(**texts: str) -> Any:
    """Return a document with ten trades, ten resolutions and many connections."""
    document = health(traded=True)
    latest = document["latest"]
    for name in ("trades", "resolutions"):
        one = latest[name][0]
        latest[name] = [
            {**one, **{field: text for field, text in texts.items() if field in one}}
            for _ in range(10)
        ]
    one = document["connections"]["list"][0]
    document["connections"]["list"] = [{**one, "id": f"a-{n:04}"} for n in range(50)]
    document["reasons"] = ["z" * 300]
    return document


def lines(document: Any, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), highlight=False,
                      force_terminal=True, color_system=None)  # fmt: skip
    with console.capture() as captured:
        console.print(DemoScreen(document))
    return captured.get().splitlines()


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("kind", ["usual", *sorted(HOSTILE)])
def test_the_screen_fits(kind: str, width: int, height: int) -> None:
    text = HOSTILE.get(kind, "Up or down?")
    shown = lines(full(question=text, outcome=text, winner=text), width, height)
    assert len(shown) + HEAD_ROWS < height
    assert max(map(cell_len, shown)) <= width
    assert all(line.isprintable() for line in shown)


def test_a_small_terminal_shows_trades_resolutions_and_counters() -> None:
    shown = "\n".join(lines(health(traded=True)))
    for word in ("each minute", "last trades", "0.941", "resolved", "Down", "1,234 stored"):
        assert word in shown


@pytest.mark.parametrize("rows", range(10, 80))
def test_a_taller_terminal_shows_no_less(rows: int) -> None:
    assert all(less <= more for less, more in zip(shares(rows), shares(rows + 1), strict=True))
    assert sum(shares(rows)) <= rows


def test_a_tall_terminal_shows_all_of_them_and_connections() -> None:
    shown = lines(full(), height=60)
    assert sum("BUY" in line for line in shown) == 10
    assert sum(line.strip().startswith("a-00") for line in shown) > 10


def test_before_the_first_trade_there_is_a_screen_too() -> None:
    document = health()
    document["connections"]["list"] = []
    assert any("each minute" in line for line in lines(document))


def test_another_version_is_named() -> None:
    with pytest.raises(PayloadRejected):
        DemoScreen({"state": "healthy"})
