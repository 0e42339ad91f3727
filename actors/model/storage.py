"""The state of the database and of the journal, as values."""

import msgspec

AWAY = "away"
"""It does not answer."""
STOPPED = "stopped"
"""It rejected so many rows that the writer does not write for a while."""
BEHIND = "behind"
"""The writer reads the journal, until it has caught up."""
LIVE = "live"
"""The writer commits what connections send it."""


class JournalStats(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal measures of itself at one moment; health shows it.

    Attributes:
        next_seq: The sequence that the next record gets.
        durable_seq: Every record up to this one survives a loss of power.
        bytes: Size of all segments.
        cap_bytes: Most that the segments and the reserve may take together.
        free_bytes: Free space of the file system.
        sync_p99_s: 99th percentile of how long the last 512 syncs took.
        oldest_ns: When the oldest record that is not committed was written, wall clock;
            None when every record is committed.
        weight_appended: Trades and rejections that this process appended.
    """

    next_seq: int
    durable_seq: int
    bytes: int
    cap_bytes: int
    free_bytes: int
    sync_p99_s: float
    oldest_ns: int | None
    weight_appended: int
