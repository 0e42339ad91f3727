"""How a journal is, in numbers."""

import msgspec


class JournalStats(msgspec.Struct, frozen=True, kw_only=True):
    """How the journal is.

    Attributes:
        bytes: What the segments take.
        max_bytes: The cap for segments and reserve together.
        sync_p99_s: Of the last 512 syncs.
        oldest_ns: When the record at the mark was written; None when nothing waits.
        truncated_bytes: Torn tail that was cut off when the journal was opened.
        holes: Damaged or missing stretches that reading has met.
    """

    next_seq: int
    durable_seq: int
    mark: int
    bytes: int
    max_bytes: int
    segments: int
    free_bytes: int
    reserve_bytes: int
    sync_p99_s: float
    oldest_ns: int | None
    truncated_bytes: int
    holes: int
    weight_appended: int
