"""The screen of a demo: what was stored last, beside the counters; as tall as the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from actors.cli.latest_table import last_resolutions, last_trades
from actors.cli.status_table import (
    COLOURS,
    Sparkline,
    checked,
    connection_table,
    proven,
    proven_until,
)
from actors.health.document import Health, state_line
from actors.model.conversion import terminal_safe
from actors.model.storage import MOST_LATEST

HEAD_ROWS = 2
"""Usual number of lines that stand above it, and stay there."""
FIXED_ROWS = 12
"""Its own lines without trades, resolutions and connections; the last of the terminal is free."""
LEAST_TRADES, LEAST_RESOLUTIONS = 3, 2


class DemoScreen:
    """One document, drawn into the height of the terminal; no line is wrapped.

    Args:
        document: The status document.
        head_rows: Lines that stand above it.

    Raises:
        PayloadRejected: The document is that of a tracker of another version.
    """

    def __init__(self, document: Mapping[str, Any], head_rows: int = HEAD_ROWS) -> None:
        self._health = checked(document)
        self._head_rows = head_rows

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Return its lines."""
        health = self._health
        trades, resolutions, connections = shares(
            console.size.height - self._head_rows - FIXED_ROWS
        )
        state = state_line(health)
        yield _line(state, style=f"bold {COLOURS.get(health.state, 'yellow')}")
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="bold", no_wrap=True, min_width=11)
        facts.add_column(no_wrap=True, overflow="ellipsis")
        for name, fact in _facts(health):
            facts.add_row(name, Text(terminal_safe(fact)))
        facts.add_row("each minute", Sparkline(health.trades.minutes))
        yield facts
        yield Text()
        yield from last_trades(health.latest, trades)
        yield Text()
        yield from last_resolutions(health.latest, resolutions)
        if connections and health.connections.each:
            yield Text()
            yield from connection_table(health.connections.each, connections)


def shares(rows: int) -> tuple[int, int, int]:
    """Return how many trades, resolutions and connections fit into so many rows."""
    trades = min(MOST_LATEST, max(LEAST_TRADES, rows - rows // 3))
    resolutions = min(MOST_LATEST, max(LEAST_RESOLUTIONS, rows - trades))
    # An empty line, the names of the columns, and how many connections are left out.
    return trades, resolutions, max(0, rows - trades - resolutions - 3)


def _facts(health: Health) -> Iterator[tuple[str, str]]:
    """Yield the counters, each short enough for 80 columns."""
    trades, connections, found = health.trades, health.connections, health.resolutions
    live = f"{connections.live:,} of {connections.wanted:,} live"
    tokens = (
        f"{health.assets.covered:,} of {health.assets.wanted:,} tokens{proven_until(health.assets)}"
    )
    yield "trades", f"{trades.total:,} stored, {trades.last_minute:,} in the last minute"
    yield "connections", f"{live}, {connections.reconnects_total:,} reconnects"
    yield "coverage", f"{tokens}; {proven(health.coverage)}"
    yield "resolutions", f"{found.recorded:,} recorded, {found.pending_total:,} markets pending"
    yield "restarts", f"{health.restarts.total:,}; database {health.database.state}"


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
