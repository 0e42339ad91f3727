"""The trades in the journal of a killed tracker: acknowledged, so they must be stored."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from actors.journal.journal import Journal
from actors.model import facts
from actors.model.facts import Entry
from actors.model.trade import Trade
from actors.polymarket import channel
from tests.chaos.server import OwnServer

Key = tuple[str, int, str, int]
"""(token, exchange ms, transaction hash or '', occurrence)."""

_ROWS = """
    select token_id, (extract(epoch from traded_at) * 1000)::bigint,
           coalesce(transaction_hash, ''), occurrence
    from trades
"""


def journalled(directory: Path, read_to: int) -> tuple[set[Key], int]:
    """Read a copy of a killed tracker's journal; return its trades and the next sequence number."""
    if not directory.exists():
        return set(), read_to
    copy = directory.parent.with_name("copy")  # not beside it, where the disk may be full
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("reserve"))
    journal = Journal.open(copy, max_bytes=1 << 40, reserve_bytes=0, sync_interval_s=3600)
    try:
        found = set(_keys(journal, read_to))
        return found, journal.next_seq
    finally:
        journal.close()
        shutil.rmtree(copy, ignore_errors=True)


def _keys(journal: Journal, read_to: int) -> Iterator[Key]:
    for item in journal.read(read_to):
        if not isinstance(item, Entry):
            continue
        kept = facts.decode(item.body)
        if isinstance(kept, facts.FramesSeen):
            trades = channel.decode(kept.raws, kept.received_at_ns).trades
            for found, occurrence in zip(trades, kept.occurrences, strict=True):
                if occurrence:  # else another connection records it
                    yield _key(found, occurrence)


def _key(found: Trade, occurrence: int) -> Key:
    return found.token_id, found.traded_at_ms, found.transaction_hash or "", occurrence


def stored_keys(server: OwnServer, dsn: str) -> set[Key]:
    """Return the key of every stored trade."""
    return {(row[0], row[1], row[2], row[3]) for row in server.ask(_ROWS, db=dsn)}
