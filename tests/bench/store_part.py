"""Store: rows committed a second by one writer, in transactions of 5,000.

Of trades of which half are duplicates it takes 10,000 to fill one, and that is what the
tracker gathers with two feeds.

Every run has a database of its own on the same server. Raw COPY gets the same
rows prepared, with their keys and hashes, and removes no duplicates: it is the limit
rather than a rival. The tracker's store gets what connections send, trades and their
hashes, of tokens that the catalog has stored before. Python's garbage collector runs as
often as in the tracker (`YOUNG_OBJECTS` of `actors.cli.run`), for all of them.
"""

import contextlib
import gc
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

from actors.cli.run import YOUNG_OBJECTS
from actors.database import columns, queries
from actors.database.store import Store
from actors.model.conversion import chunks
from actors.model.facts import TokensWanted
from actors.model.market import Asset, Market
from actors.model.storage import Batch
from actors.model.trade import ConditionId, Trade, trade_hashes
from tests.bench.comparison import Figure, Findings, Run, alternate
from tests.bench.database import Server, served
from tests.bench.market_trades import made, on_two_feeds
from tests.bench.rivals_venv import HERE, PYTHON, SOURCES, InstalledRivals

ROWS = 60_000
BATCH = 5_000
FIELDS = (
    *("traded", "received", "hashes", "epochs", "sequences", "assets", "occurrences", "fees"),
    *("buys", "prices", "sizes", "transactions", "trade_ids", "extras"),
)
TYPES = (
    *("timestamptz", "timestamptz", "int8", "int8", "int8", "int4", "int2", "int4"),
    *("bool", "numeric", "numeric", "bytea", "text", "jsonb"),
)


def _ours(server: Server, trades: Sequence[Trade], rows: int) -> float:
    hashes = list(trade_hashes(trades))
    batch = BATCH * len(trades) // rows
    batches = zip(chunks(trades, batch), chunks(hashes, batch), strict=True)
    committed = [(tuple(some), tuple(theirs)) for some, theirs in batches]
    with server.fresh() as dsn:
        store = Store(dsn)
        store.open(uuid4())
        store.commit(_catalog(trades))
        began = time.perf_counter()
        stored = sum(
            store.commit(Batch(trades=some, hashes=theirs, watermark=mark)).stored
            for mark, (some, theirs) in enumerate(committed, 3)
        )
        took = time.perf_counter() - began
        store.close()
    if stored != rows:
        raise RuntimeError(f"{stored} rows of {rows} are stored")
    return rows / took


def _catalog(trades: Sequence[Trade]) -> Batch:
    """Return what is in the database before the first trade of these tokens can arrive."""
    conditions = {each.token_id: each.condition_id for each in trades}
    sides: dict[ConditionId, list[Asset]] = {}
    for token, condition in conditions.items():
        known = sides.setdefault(condition, [])
        known.append(Asset(token_id=token, outcome="Yes", outcome_index=len(known)))
    return Batch(
        facts=((1, TokensWanted(at_ns=0, tokens=tuple(conditions))),),
        markets=tuple(
            Market(condition_id=condition, question="?", slug="", assets=tuple(assets))
            for condition, assets in sides.items()
        ),
        watermark=2,
    )


def _copied(server: Server, rows: Sequence[tuple[Any, ...]]) -> float:
    with server.fresh() as dsn, psycopg.connect(dsn) as connection:
        began = time.perf_counter()
        for some in chunks(rows, BATCH):
            with connection.cursor().copy(queries.COPY_TRADES) as copy:
                copy.set_types(TYPES)
                for row in some:
                    copy.write_row(row)
            connection.commit()
        return len(rows) / (time.perf_counter() - began)


def _ready(trades: Sequence[Trade]) -> list[tuple[Any, ...]]:
    tokens = {each.token_id for each in trades}
    keys: dict[str, int] = {token: key for key, token in enumerate(tokens)}
    given = columns.trades(trades, keys, [(0, 0)] * len(trades), 0)
    return list(zip(*(given[name] for name in FIELDS), strict=True))


def _cryptofeed(server: Server, source: Path) -> float:
    with server.fresh(migrated=False) as dsn:
        where = conninfo_to_dict(dsn)
        said = subprocess.run(
            [
                str(PYTHON),
                str(HERE / "rivals" / "write_cryptofeed.py"),
                *map(str, (where["host"], where["port"], where["user"], where["dbname"], source)),
            ],
            env={**os.environ, "PYTHONPATH": SOURCES},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        result = json.loads(said.stdout)
    if result["rows"] != ROWS:
        raise RuntimeError(f"cryptofeed stored {result['rows']} rows of {ROWS}")
    return ROWS / float(result["wall_s"])


def _written_down(trades: Sequence[Trade], path: Path) -> Path:
    rows = [
        (p.token_id, p.side, str(p.size), str(p.price), p.transaction_hash, p.traded_at_ms / 1000)
        for p in trades
    ]
    path.write_text(json.dumps(rows))
    return path


@contextlib.contextmanager
def _collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def measure(rivals: InstalledRivals, folder: Path, turns: int) -> Findings:
    """Store new rows, rows of which half are duplicates, and the same beside the rivals."""
    trades = made(ROWS)
    twice = list(on_two_feeds(trades))
    findings = Findings()
    with served() as server, _collector():
        runs: dict[str, Run] = {
            "new": partial(_ours, server, trades, ROWS),
            "half": partial(_ours, server, twice, ROWS),
            "copy": partial(_copied, server, _ready(trades)),
        }
        if rivals.has("cryptofeed"):
            path = _written_down(trades, folder / "trades.json")
            runs["cryptofeed"] = partial(_cryptofeed, server, path)
        else:
            findings.absent.append("cryptofeed: not installed")
        found = alternate(runs, turns)
    for name, ours, rival, wanted in (
        ("store_copy", "new", "copy", ">= 0.8"),
        ("store_copy_half_duplicates", "half", "copy", ">= 0.6"),
        ("store_cryptofeed", "new", "cryptofeed", ">= 3"),
    ):
        if rival in found:
            findings.figures.append(
                Figure(name, "rows committed/s", found[ours], found[rival], wanted)
            )
    return findings
