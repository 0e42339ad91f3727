"""Storage: bytes a trade costs in its table and all indexes, beside the naive schema of text.

The naive schema is that of `ordinary.py`; beside it is what the unique key adds that it
would need to reject duplicates. With TRACKER_TEST_TIMESCALE_URL
also after compression.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from actors.database.schema import migrate
from actors.database.store import Store
from actors.model.conversion import chunks, instant
from actors.model.storage import Batch
from actors.model.trade import Trade
from tests.bench.comparison import Figure, Findings
from tests.bench.database import Server, served
from tests.bench.market_trades import made
from tests.bench.rivals_venv import InstalledRivals

ROWS = 200_000
BATCH = 5_000
NAIVE = b"""
create table trades (
  traded_at timestamptz not null, received_at timestamptz not null, token_id text not null,
  condition_id text not null, price numeric not null, size numeric not null, side text not null,
  fee_rate_bps integer, transaction_hash text);
create index on trades (token_id, traded_at)
"""
UNIQUE = b"""
create unique index twice on trades (transaction_hash, token_id, price, size, side, traded_at)
"""
COMPRESS = b"select compress_chunk(chunk) from show_chunks('tracker.trades') chunk"


def _ours(dsn: str, trades: Sequence[Trade]) -> None:
    store = Store(dsn)
    store.open(uuid4())
    for some in chunks(trades, BATCH):
        store.commit(Batch(trades=tuple(some)))
    store.close()


def _naive(dsn: str, trades: Sequence[Trade]) -> tuple[float, float]:
    with psycopg.connect(dsn) as connection:
        connection.execute(NAIVE)
        with connection.cursor().copy("copy trades from stdin") as copy:
            for p in trades:
                copy.write_row(
                    (
                        *(instant(p.traded_at_ms * 1_000_000),),
                        *(instant(p.received_at_ns), p.token_id, p.condition_id),
                        *(p.price, p.size, p.side, p.fee_rate_bps, p.transaction_hash),
                    )
                )
        plain = _size(connection, "pg_total_relation_size('trades')")
        connection.execute(UNIQUE)
        return plain, _size(connection, "pg_relation_size('twice')")


def _size(connection: psycopg.Connection[Any], what: str) -> float:
    row = connection.execute(f"select {what}".encode()).fetchone()
    assert row is not None
    return float(row[0]) / ROWS


def _plain(server: Server, trades: Sequence[Trade]) -> tuple[float, float, float]:
    with server.fresh() as dsn:
        _ours(dsn, trades)
        with psycopg.connect(dsn) as connection:
            return (
                _size(connection, "pg_relation_size('tracker.trades')"),
                _size(connection, "pg_indexes_size('tracker.trades')"),
                _size(connection, "pg_total_relation_size('assets')"),
            )


def _compressed(trades: Sequence[Trade]) -> tuple[float, float] | None:
    dsn = os.environ.get("TRACKER_TEST_TIMESCALE_URL")
    if not dsn:
        return None
    migrate.apply(dsn)
    _ours(dsn, trades)
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = _size(connection, "hypertable_size('tracker.trades')")
        connection.execute(COMPRESS)
        return before, _size(connection, "hypertable_size('tracker.trades')")


def measure(_: InstalledRivals, __: Path, ___: int) -> Findings:
    """Store the same trades both ways."""
    trades = made(ROWS)
    with served() as server:
        heap, indexes, names = _plain(server, trades)
        with server.fresh(migrated=False) as dsn:
            naive, unique = _naive(dsn, trades)
    rows: list[Sequence[Any]] = [
        ("table", heap),
        ("indexes", indexes),
        ("names of 3,000 tokens", names),
        ("naive schema of text", naive),
        ("its unique key", unique),
    ]
    findings = Findings()
    compressed = _compressed(trades)
    if compressed:
        rows += [("hypertable", compressed[0]), ("hypertable, compressed", compressed[1])]
    else:
        findings.absent.append("TimescaleDB: TRACKER_TEST_TIMESCALE_URL is not set")
    findings.tables.append(("Storage", ("", "bytes a trade"), rows))
    findings.figures.append(Figure("bytes_per_trade", "bytes", [heap + indexes], [naive]))
    return findings
