"""Bytes of tables and indexes: of a trade, and of coverage as a share of trades."""

from typing import Any

import psycopg

from tests.years.size import DAY_S, MARKETS_A_DAY, TRADES_PER_S, Size

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
NEWEST = "_traded_at"
"""The end of the name of the index that only a day that is written has."""
KEPT = ("tracker.coverage_ranges", "tracker.wanted")
OPEN = ("tracker.epochs", "tracker.listening")


def report(dsn: str, size: Size) -> tuple[list[str], list[str], str]:
    """Return lines for people, what is beyond the bounds, and the figures in one line."""
    lines: list[str] = []
    totals: dict[str, float] = {}
    trades = newest = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(b"set search_path to pg_catalog")
        for name, table_bytes, rows in connection.execute(_TABLES).fetchall():
            indexes = connection.execute(_INDEXES, (name,)).fetchall()
            totals[name] = table_bytes + sum(each for _, each in indexes)
            lines += _lines(name, table_bytes, rows, indexes)
            if name.startswith("tracker.trades_"):
                trades += int(totals[name])
                newest += sum(each for index, each in indexes if index.endswith(NEWEST))
    return lines, *judged(totals, trades - newest, newest, size)


def _lines(name: str, table: int, rows: int, indexes: list[tuple[Any, ...]]) -> list[str]:
    total = table + sum(each for _, each in indexes)
    head = f"{name:44} {total / 1e6:9.1f} MB {max(rows, 0):12,} rows"
    found = [
        f"{head} {total / max(rows, 1):7.0f} bytes a row, {table / max(rows, 1):.0f} in the table"
    ]
    found += [f"  {index:42} {each / 1e6:9.1f} MB" for index, each in indexes]
    return found


def judged(totals: dict[str, float], trades: int, newest: int, size: Size) -> tuple[list[str], str]:
    """Return what is beyond the bounds, and the figures in one line.

    Coverage is compared day by day, since there are more days of it than of trades here: what the
    tokens of a day leave, with what the trades of a day take.

    Args:
        totals: Bytes of each table with its indexes.
        trades: Bytes of all trades without the index of the newest days.
        newest: Bytes of that.
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
        f"{a_trade:.0f} bytes a trade, {newest / size.trades:.0f} more while its day is written;"
        f" coverage: {a_token:.0f} bytes a token for ever, {share:.1%} of the trades of a day,"
        f" and {open_now / 1e6:.0f} MB that are open now"
    )
    return broken, note
