"""Fakes of the edges: the smallest things that behave like the real ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from actors.errors import FeedLost, JournalFull, StorePoisoned, StoreUnavailable
from actors.model.batch import Batch, Committed, Opened
from actors.model.facts import Entry, Hole
from actors.model.journal_stats import JournalStats
from actors.model.market import Market
from actors.model.outcome import Recheck, StoredEvidence, TimeWindow
from actors.model.trade import ConditionId, Trade

JOURNAL_ID = UUID("00000000-0000-4000-8000-000000000001")


class FakeSocket:
    """A socket that keeps what was sent; a test acts for the reactor."""

    def __init__(
        self,
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> None:
        self.on_frames = on_frames
        self.on_end = on_end
        self.sent: list[str] = []
        self.markers: tuple[bytes, ...] = ()
        self.ended: tuple[str, str] | None = None
        self.sample: tuple[int, bytes] | None = None
        self.handled_bytes = 0
        self.last_byte_at = 0.0
        self.last_data_at = 0.0
        self.stalled_since = 0.0
        self.bytes_total = 0
        self.frames_total = 0

    def handled(self, size: int) -> None:
        self.handled_bytes += size

    def send_text(self, text: str) -> None:
        self.sent.append(text)

    def take_sample(self) -> tuple[int, bytes] | None:
        sample, self.sample = self.sample, None
        return sample

    def set_markers(self, markers: tuple[bytes, ...]) -> None:
        self.markers = markers

    def close(self, code: int, reason: str) -> None:
        self.ended = ("close", f"{code} {reason}".strip())

    def abort(self, reason: str) -> None:
        self.ended = ("abort", reason)


class FakeDialler:
    """Returns fake sockets, or raises the error that a test puts in."""

    def __init__(self) -> None:
        self.sockets: list[FakeSocket] = []
        self.fail_next: FeedLost | None = None

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> FakeSocket:
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error
        socket = FakeSocket(on_frames, on_end)
        socket.set_markers(markers)
        self.sockets.append(socket)
        return socket


class FakeJournal:
    """A journal in memory; `full` makes it reject, holes can be dug."""

    def __init__(self, opened_at_seq: int = 1) -> None:
        self.journal_id = JOURNAL_ID
        self.bodies: dict[int, bytes] = {}
        self.weights: dict[int, int] = {}
        self.next_seq = 1
        self.opened_at_seq = opened_at_seq
        self.oldest_seq = 1
        self.unmet_since: int | None = opened_at_seq
        self.watermark = 1
        self.full = False
        self.holes: list[Hole] = []

    @property
    def unmet_seq(self) -> int:
        return self.next_seq if self.unmet_since is None else self.unmet_since

    def met(self) -> None:
        self.unmet_since = None

    def renew(self) -> None:
        self.journal_id = UUID(int=self.journal_id.int + 1)

    def append(self, body: bytes, *, weight: int = 0) -> int:
        if self.full:
            raise JournalFull
        seq = self.next_seq
        self.next_seq += 1
        self.bodies[seq] = body
        self.weights[seq] = weight
        return seq

    def read(self, from_seq: int) -> Iterator[Entry | Hole]:
        for seq in range(from_seq, self.next_seq):
            hole = next((h for h in self.holes if h.first == seq), None)
            if hole is not None:
                yield hole
            elif seq in self.bodies:
                yield Entry(seq, self.bodies[seq])

    def dig(self, first: int, last: int) -> None:
        """Make a stretch unreadable."""
        for seq in range(first, last + 1):
            del self.bodies[seq]
        self.holes.append(Hole(first=first, last=last, bytes_lost=1))

    def release(self, watermark: int) -> None:
        self.watermark = max(self.watermark, watermark)


def journal_stats(**figures: Any) -> JournalStats:
    """Return what a journal measures, with these figures."""
    values: dict[str, Any] = {
        "bytes": 100,
        "cap_bytes": 1_000,
        "free_bytes": 1 << 40,
        "sync_p99_s": 0.004,
        "oldest_ns": None,
        "weight_appended": 0,
    }
    return JournalStats(**{**values, **figures})


class FakeStore:
    """A database in memory: keyed trades, the mark moves with the batch."""

    def __init__(self) -> None:
        self.trades: dict[tuple[object, ...], Trade] = {}
        self.batches: list[Batch] = []
        self.marks: dict[UUID, int] = {}
        self.journal_id = JOURNAL_ID
        self.opens = 0
        self.away = False
        self.poisoned = False
        self.forgets_commit = False
        self.remembered: tuple[Market, ...] = ()
        self.said = StoredEvidence()
        self.verdicts: tuple[Recheck, ...] = ()
        self.stretches: list[TimeWindow] = []
        self.closed = True

    @property
    def mark(self) -> int:
        return self.marks.get(self.journal_id, 0)

    @mark.setter
    def mark(self, mark: int) -> None:
        self.marks[self.journal_id] = mark

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        self.opens += 1
        if self.away:
            raise StoreUnavailable("connection refused")
        self.closed = False
        self.journal_id = journal_id
        self.marks.setdefault(journal_id, first_seq)
        return Opened(server="FakeSQL 1", timescale=False, watermark=self.mark)

    def commit(self, batch: Batch) -> Committed:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        if self.poisoned:
            raise StorePoisoned("the database rejected 101 rows in a row: check violated")
        before = len(self.trades)
        for trade in batch.trades:
            key = (
                trade.token_id,
                trade.traded_at_ms,
                trade.price,
                trade.size,
                trade.side,
                trade.transaction_hash,
                trade.occurrence,
            )
            self.trades.setdefault(key, trade)
        self.batches.append(batch)
        self.mark = max(self.mark, batch.watermark or 0)
        if self.forgets_commit:
            self.forgets_commit = False
            raise StoreUnavailable("cut during COMMIT")
        stored = len(self.trades) - before
        return Committed(
            stored=stored,
            duplicates=len(batch.trades) - stored,
            rejected=len(batch.rejections),
            watermark=self.mark,
        )

    def open_markets(self) -> Iterator[tuple[Market, ...]]:
        if self.remembered:
            yield self.remembered

    def stored_evidence(self, conditions: Sequence[ConditionId]) -> StoredEvidence:
        assert set(conditions) == {market.condition_id for market in self.remembered}
        return self.said

    def resolutions_to_check(self, stretch: TimeWindow) -> Iterator[tuple[Recheck, ...]]:
        self.stretches.append(stretch)
        if self.away:
            raise StoreUnavailable("server closed the connection")
        if self.verdicts:
            yield self.verdicts

    def close(self) -> None:
        self.closed = True
