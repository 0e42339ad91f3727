"""Watched on any terminal, the status fits, shows what is worst, and says what is hidden."""

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from actors.cli.watch_screen import WatchScreen
from actors.errors import PayloadRejected
from tests.cli.status_samples import health


def many(*, trouble: int = 0, reasons: int = 0) -> Any:
    """Return a document of 50 connections, so many of them in trouble, and so many reasons."""
    document = health(traded=True)
    one = document["connections"]["list"][0]
    document["connections"]["list"] = [
        {**one, "id": f"a-{n:04}", "state": "ended" if n >= 50 - trouble else "listening"}
        for n in range(50)
    ]
    if reasons:
        document["state"] = "degraded"
        document["reasons"] = [f"reason {n} " + "z" * 60 for n in range(reasons)]
        document["codes"] = ["disk_low"] * reasons
        document["levels"] = ["degraded"] * reasons
    return document


def lines(document: Any, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), highlight=False,
                      force_terminal=True, color_system=None)  # fmt: skip
    with console.capture() as captured:
        console.print(WatchScreen(document))
    return captured.get().splitlines()


@pytest.mark.parametrize("height", [10, 16, 24, 40, 100])
@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("trouble", [0, 3, 40])
@pytest.mark.parametrize("reasons", [0, 1, 30])
def test_it_fits_every_terminal(width: int, height: int, trouble: int, reasons: int) -> None:
    shown = lines(many(trouble=trouble, reasons=reasons), width, height)
    assert len(shown) <= height
    assert max(map(cell_len, shown)) <= width


def test_connections_in_trouble_are_never_behind_figures() -> None:
    shown = "\n".join(lines(many(trouble=3)))
    for name in ("a-0047", "a-0048", "a-0049", "trades", "coverage", "database"):
        assert name in shown


def test_what_is_hidden_is_counted() -> None:
    shown = lines(many(trouble=3, reasons=30))
    assert shown[0].startswith("degraded: reason 0")
    assert shown[-1].startswith("hidden: ")
    assert "more lines of reasons" in shown[-1]
    assert lines(many())[-1].startswith("hidden: 50 connections")
    drawn = [line for line in lines(many(trouble=3)) if line.lstrip().startswith("a-00")]
    assert f"and {50 - len(drawn)} more: --json shows all" in lines(many(trouble=3))


def test_on_a_tall_terminal_nothing_is_hidden() -> None:
    shown = lines(many(), height=100)
    assert not [line for line in shown if "hidden" in line]
    assert sum(line.lstrip().startswith("a-00") for line in shown) == 50
    assert "last trades" in "\n".join(shown)


def test_a_document_of_another_version_is_named() -> None:
    with pytest.raises(PayloadRejected):
        WatchScreen({"state": "healthy"})
