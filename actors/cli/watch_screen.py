"""The status, drawn into the height of a terminal: what is worst first, and how much is hidden."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from actors.cli.latest_table import last_trades
from actors.cli.status_table import (
    MINUTES,
    checked,
    connection_table,
    figure_table,
    figures_of,
    head_line,
)
from actors.health.parts import Connection
from actors.model.connection import LISTENING

Line = list[Segment]

IMPORTANT = (
    *("trades", "connections", "coverage", "database", "journal", "resolutions", "sources"),
    *(MINUTES, "reconnects", "restarts", "accounting", "assumptions", "catalog", "tracker"),
)
"""Figures, those that are left out last first."""
TABLE_ROWS = 3
"""Of a table: an empty line, the names of the columns, and how many rows are left out."""
LEAST_FIGURES = 6
"""So many lines of figures are shown before connections that listen."""
MOST_TRADES = 5


class WatchScreen:
    """One document, drawn into the height of the terminal.

    The state with its reasons always has its place, up to half of the terminal; then connections
    in trouble and the most important figures share what is left.

    Args:
        document: The status document.

    Raises:
        PayloadRejected: The document is that of a tracker of another version.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._health = checked(document)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Return its lines."""
        health, height = self._health, console.size.height

        def lines(what: RenderableType) -> list[Line]:
            return console.render_lines(what, options, pad=False)

        head = lines(head_line(health))
        figures = {name: lines(figure_table([(name, said)])) for name, said in figures_of(health)}
        each = health.connections.each
        left = height - 1 - min(len(head), height // 2)  # the last line says what is hidden
        shown = _shown(figures, left - _rows_of_connections(each, left))
        left -= sum(len(figures[name]) for name in shown)
        connections = min(len(each), max(0, left - TABLE_ROWS))
        left -= connections + TABLE_ROWS if connections else 0
        yield from _drawn(head[: height // 2])
        yield from _drawn([line for name in figures if name in shown for line in figures[name]])
        if connections:
            yield Text()
            yield from connection_table(each, connections)
        for table in last_trades(health.latest, min(MOST_TRADES, left - TABLE_ROWS)):
            yield Text()
            yield table
        # Where some are shown, the table itself says how many more there are.
        left_out = 0 if connections else len(each)
        hidden = _hidden(len(head) - height // 2, figures.keys() - shown, left_out)
        if hidden:
            yield Text(hidden, style="dim", no_wrap=True, overflow="ellipsis")


def _rows_of_connections(each: Sequence[Connection], left: int) -> int:
    """Return how many lines are kept free for connections in trouble."""
    trouble = sum(one.state != LISTENING for one in each)
    return min(trouble + TABLE_ROWS, max(0, left - LEAST_FIGURES)) if trouble else 0


def _shown(figures: Mapping[str, Sequence[Line]], left: int) -> set[str]:
    """Return the names of the figures that fit, those that are important before the others."""
    shown: set[str] = set()
    for name in (*IMPORTANT, *(figures.keys() - set(IMPORTANT))):
        size = len(figures.get(name, ()))
        if size <= left:
            shown.add(name)
            left -= size
    return shown & figures.keys()


def _drawn(lines: Sequence[Line]) -> Iterator[RenderableType]:
    for line in lines:
        yield Text.assemble(*((segment.text, segment.style or "") for segment in line))


def _hidden(reasons: int, figures: set[str], connections: int) -> str:
    """Return what does not fit, as one line; empty when all does."""
    parts = []
    if reasons > 0:
        parts.append(f"{reasons} more lines of reasons")
    if figures:
        parts.append(f"{len(figures)} figures ({', '.join(sorted(figures))})")
    if connections:
        parts.append(f"{connections:,} connections")
    return f"hidden: {', '.join(parts)}; a taller terminal shows more" if parts else ""
