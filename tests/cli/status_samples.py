"""A status document as the tracker makes it, for the tests of its readers."""

from typing import Any

import msgspec

from actors.health.state import HealthState
from actors.messages import BatchWritten, ConnectionReport, StoreOpened
from actors.model.storage import JournalStats
from tests.health.health_samples import latest, writer

WALL = 1_780_000_000_000_000_000
Told = dict[str, Any]
JOURNAL = JournalStats(
    next_seq=9,
    durable_seq=8,
    bytes=3 << 20,
    cap_bytes=20 << 30,
    free_bytes=100 << 30,
    sync_p99_s=0.0042,
    oldest_ns=None,
    weight_appended=1239,
)


def health(*, live: bool = True, reason: str = "reset", traded: bool = False) -> Told:
    """Return the document of a tracker that has two connections and one batch.

    `traded`: with its last trades and resolutions.
    """
    state = HealthState(version="1.2.3", host="here", pid=7, now=0.0, wall_ns=WALL)
    state.universe_planned(wanted=10)
    opened = StoreOpened(server="PostgreSQL 18.6")
    state.store_opened(StoreOpened(server=opened.server))
    state.writer_reported(writer(), at=0.0)
    for child in ("a-0001", "b-0001"):
        state.connection_wanted(child, feed=int(child[3]), at=0.0)
        state.connection_reported(_report(child), at=1.0)
    if not live:
        for child in ("a-0001", "b-0001"):
            state.connection_ended(child, reason=reason, at=50.0)
    written = BatchWritten(
        stored=1234, duplicates=5, rejected=0, recovered=0, watermark=9, oldest_received_ns=0
    )
    state.batch_written(written, at=60.0, wall_ns=WALL)
    if traded:
        state.latest.stored(latest())
    state.journal_sampled(JOURNAL, full=False, oldest_s=0.0)
    found: Told = msgspec.to_builtins(state.document(70.0, WALL + 70 * 10**9))
    return found


def _report(child: str) -> ConnectionReport:
    return ConnectionReport(
        child=child,
        incarnation=1,
        now=0.0,
        state="listening",
        epoch=1,
        tokens=10,
        confirmed=10,
        trades_total=620,
        rejected_total=0,
        frames_total=0,
        bytes_total=0,
        last_data_at=69.0,
        proven_until_ns=0,
        unknown_total=0,
    )
