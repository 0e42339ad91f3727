"""Bytes of tables and indexes: of a trade, of coverage as a share of trades, after retention."""

from typing import Any

import psycopg

from actors.database.upkeep.housekeeping import EVENTS_KEPT, SAMPLES_KEPT
from tests.years.size import (
    CONNECTIONS_A_FEED,
    DAY_S,
    EVENTS_A_CONNECTION,
    FEEDS,
    MARKETS_A_DAY,
    SAMPLES_A_DAY,
    TRADES_PER_S,
    YEAR_DAYS,
    Size,
)

TRADE_BYTES = 190
COVERAGE_SHARE = 0.05
_TABLES = b"""
select n.nspname || '.' || c.relname, pg_table_size(c.oid), c.reltuples::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname in ('public', 'tracker') and pg_table_size(c.oid) > 65536
order by pg_total_relation_size(c.oid) desc"""
_INDEXES = b"""
select i.indexrelid::regclass::text, pg_relation_size(i.indexrelid)
from pg_index i where i.indrelid = %s::regclass order by 2 desc"""
EVENTS, SAMPLES = "public.connection_events", "public.rejected_messages"
KEPT = ("tracker.coverage_ranges", "tracker.wanted")
OPEN = ("tracker.epochs", "tracker.listening")
OF_TOKENS = ("public.assets", *KEPT)
"""There are rows of all markets; other tables may have those of the newest markets alone."""


def report(dsn: str, size: Size) -> tuple[list[str], list[str], str]:
    """Return lines for people, what is beyond the bounds, and the figures in one line."""
    lines: list[str] = []
    totals: dict[str, float] = {}
    trades = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(b"set search_path to pg_catalog")
        for name, table_bytes, rows in connection.execute(_TABLES).fetchall():
            indexes = connection.execute(_INDEXES, (name,)).fetchall()
            totals[name] = table_bytes + sum(each for _, each in indexes)
            lines += _lines(name, table_bytes, rows, indexes)
            if name.startswith("tracker.trades_"):
                trades += int(totals[name])
    broken, note = judged(totals, trades, size)
    return lines, broken, f"{note}; {after_retention(totals, trades, size)}"


def _lines(name: str, table: int, rows: int, indexes: list[tuple[Any, ...]]) -> list[str]:
    total = table + sum(each for _, each in indexes)
    head = f"{name:44} {total / 1e6:9.1f} MB {max(rows, 0):12,} rows"
    found = [
        f"{head} {total / max(rows, 1):7.0f} bytes a row, {table / max(rows, 1):.0f} in the table"
    ]
    found += [f"  {index:42} {each / 1e6:9.1f} MB" for index, each in indexes]
    return found


def after_retention(totals: dict[str, float], trades: int, size: Size) -> str:
    """Return what a year of the whole exchange leaves, and what of it goes again, in one line.

    Args:
        totals: Bytes of each table with its indexes.
        trades: Bytes of all trades with all indexes.
        size: What was filled.
    """
    a_market = sum(
        each / (size.markets if name in OF_TOKENS else size.described_markets)
        for name, each in totals.items()
        if name not in (*OPEN, EVENTS, SAMPLES) and not name.startswith("tracker.trades_")
    )
    a_year = DAY_S * YEAR_DAYS * TRADES_PER_S * trades / size.trades
    markets = MARKETS_A_DAY * YEAR_DAYS * a_market
    a_day = EVENTS_A_CONNECTION * CONNECTIONS_A_FEED * FEEDS
    events = EVENTS_KEPT.days * a_day * totals.get(EVENTS, 0) / size.events
    samples = SAMPLES_KEPT.days * SAMPLES_A_DAY * totals.get(SAMPLES, 0) / size.samples
    return (
        f"after retention a year leaves {a_year / 1e9:.0f} GB of trades and"
        f" {markets / 1e9:.0f} GB about markets, and for a time {events / 1e6:.0f} MB of events"
        f" and {samples / 1e6:.1f} MB of samples"
    )


def judged(totals: dict[str, float], trades: int, size: Size) -> tuple[list[str], str]:
    """Return what is beyond the bounds, and the figures in one line.

    Coverage is compared day by day, since there are more days of it than of trades here: what the
    tokens of a day leave, with what the trades of a day take.

    Args:
        totals: Bytes of each table with its indexes.
        trades: Bytes of all trades with all indexes.
        size: What was filled.
    """
    a_trade = trades / size.trades
    a_token = sum(totals.get(name, 0) for name in KEPT) / (2 * size.markets)
    open_now = sum(totals.get(name, 0) for name in OPEN)
    share = a_token * 2 * MARKETS_A_DAY / (TRADES_PER_S * DAY_S * a_trade)
    broken = []
    if a_trade >= TRADE_BYTES:
        broken.append(f"a trade takes {a_trade:.0f} bytes, not less than {TRADE_BYTES}")
    if share >= COVERAGE_SHARE:
        broken.append(f"coverage takes {share:.1%} of trades, not less than {COVERAGE_SHARE:.0%}")
    note = (
        f"{a_trade:.0f} bytes a trade; coverage: {a_token:.0f} bytes a token for ever,"
        f" {share:.1%} of the trades of a day,"
        f" and {open_now / 1e6:.0f} MB that are open now"
    )
    return broken, note
