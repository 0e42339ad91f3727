"""The last trades and resolutions as tables for people, one line each.

Questions, slugs and names of outcomes are written by anybody, and a terminal obeys what is written
to it: they are cleaned, and cut where the line ends.
"""

import re
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from actors.health.latest import Latest, LatestResolution, LatestTrade
from actors.model.conversion import terminal_safe

LONGEST = 200
"""Characters of a text that are looked at; the document cuts them likewise."""
OUTCOME_CELLS, NUMBER_CELLS = 14, 12
UNKNOWN = "?"
SPLIT = "split"
# They change the picture before them, and with it the width of the line, as the terminal likes.
_PICTURE_FORMS = re.compile("[\ufe00-\ufe0f]")


def last_trades(latest: Latest, rows: int) -> Iterator[Table]:
    """Yield a table of so many trades, newest first; nothing while there is none."""
    if not latest.trades or rows < 1:
        return
    table = _table("last trades", "market", "outcome")
    table.add_column("side", no_wrap=True)
    for name in ("price", "size"):
        table.add_column(name, justify="right", no_wrap=True, max_width=NUMBER_CELLS)
    for each in latest.trades[:rows]:
        numbers = (each.side, each.price, each.size)
        table.add_row(
            _time(each.traded_at), _market(each), _cell(each.outcome), *map(_cell, numbers)
        )
    yield table


def last_resolutions(latest: Latest, rows: int) -> Iterator[Table]:
    """Yield a table of so many resolutions, newest first; nothing while there is none."""
    if not latest.resolutions or rows < 1:
        return
    table = _table("resolved", "market", "winner")
    for each in latest.resolutions[:rows]:
        winner = SPLIT if each.winner == "" else each.winner
        table.add_row(_time(each.recorded_at), _market(each), _cell(winner))
    yield table


def one_line(text: str) -> str:
    """Return a text from outside as a piece of one line that changes nothing around it."""
    return terminal_safe(_PICTURE_FORMS.sub("", " ".join(text[:LONGEST].split())))


def _table(time: str, market: str, outcome: str) -> Table:
    table = Table(
        box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="bold",
        expand=True,
    )  # fmt: skip
    table.add_column(time, no_wrap=True, min_width=len("last trades"))
    table.add_column(market, no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(outcome, no_wrap=True, overflow="ellipsis", max_width=OUTCOME_CELLS)
    return table


def _time(at: str | None) -> str:
    """Return the time of day of a time in the document."""
    return UNKNOWN if at is None else one_line(at)[11:19]


def _market(each: LatestTrade | LatestResolution) -> Text:
    """Return what the market asks, or what else is known of it."""
    token = each.token_id if isinstance(each, LatestTrade) else None
    named = each.question or each.market_slug or (f"token {token}" if token else None)
    return _cell(named)


def _cell(text: str | None) -> Text:
    return Text(UNKNOWN if text is None else one_line(text))
