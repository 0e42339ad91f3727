"""The rows of a database in plain values, so that they can be stored and compared.

Numbers that differ from database to database (`asset_key`, `journal_key`) are replaced by the ids
that they stand for, and the times at which the database stored a row, and by whom, are left out.
"""

import json
from collections.abc import Mapping
from typing import Any

import psycopg

from tests.stored_copies import read_json, trade_now

Row = dict[str, Any]
Table = list[Row]
Names = Mapping[int, str]

NOT_FROM_JOURNAL = (
    "markets", "resolutions", "resolution_observations", "resolution_conflicts",
    "connection_events",
)  # fmt: skip
"""Relations that are not filled from a journal."""
FROM_JOURNAL = (
    "trades", "assets", "coverage", "rejected_messages", "unresolved_markets",
    "journal_progress", "process_life", "wanted",
)  # fmt: skip
"""Relations that are filled from a journal. Not those that hold only what is not settled yet."""
GAPS = """select a.token_id, g.gap, g.cause from assets a
    cross join lateral coverage_gaps(a.token_id, '2026-03-01 12:00+00', '2026-03-01 12:20+00') g"""
TOKENS = "select asset_key, token_id from assets"
JOURNALS = "select journal_key, journal_id::text from tracker.journals"
STORED_AT = {
    "recorded_at",
    "clearance_recorded_at",
    "first_seen_at",
    "updated_at",
    "moved_at",
    "known_at",
    "session",
}


def rows(dsn: str, *names: str) -> dict[str, Table]:
    """Return all rows of some tables or views, and of `coverage_gaps`, each in one order."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set timezone to 'UTC'")
        connection.execute("set search_path to public, tracker")
        tokens: Names = dict(connection.execute(TOKENS).fetchall())
        journals: Names = dict(connection.execute(JOURNALS).fetchall())
        found = {}
        for name in names:
            source = f"({GAPS})" if name == "coverage_gaps" else name
            query = f"select to_jsonb(t)::text from {source} t"  # noqa: S608 - names from above
            texts = connection.execute(query.encode()).fetchall()
            plain = [_plain(read_json(text), tokens, journals) for (text,) in texts]
            plain = [trade_now(row) for row in plain] if name == "trades" else plain
            found[name] = sorted(plain, key=json.dumps)
        return found


def _plain(row: Row, tokens: Names, journals: Names) -> Row:
    key, journal = row.pop("asset_key", None), row.pop("journal_key", None)
    row = {name: value for name, value in row.items() if name not in STORED_AT}
    if key is not None:
        row["token_id"] = tokens[key]
    if journal is not None:
        row["journal_id"] = journals[journal]
    return dict(sorted(row.items()))


def packed(tables: Mapping[str, Table]) -> dict[str, Any]:
    """Return tables with each column name given once, for compact storage."""
    return {
        name: {"columns": list(some[0]), "rows": [list(row.values()) for row in some]}
        for name, some in tables.items()
        if some
    }


def unpacked(stored: Mapping[str, Any], *names: str) -> dict[str, Table]:
    """Return the tables that were packed; a table without a row is not in `stored`."""
    found = {}
    for name in names:
        table = stored.get(name, {"columns": [], "rows": []})
        found[name] = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    return found


def as_stored(now: Mapping[str, Table], stored: Mapping[str, Table]) -> dict[str, Table]:
    """Return current tables with only the columns that the stored ones have."""
    return {
        name: sorted(
            ({key: row[key] for key in row if key in stored[name][0]} for row in some),
            key=json.dumps,
        )
        if stored[name]
        else some
        for name, some in now.items()
    }
