"""Fakes of what actors need from outside: the smallest objects that behave like the real ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from actors.errors import (
    ConfigError,
    FeedLost,
    JournalBusy,
    JournalFull,
    JournalTaken,
    RecordTooLarge,
    SchemaMismatch,
    SchemaNewer,
    StoreMiscounts,
    StorePoisoned,
    StoreUnavailable,
)
from actors.model.audit import (
    AuditAnswer,
    AuditQuestion,
    AuditSummary,
    HourQuestion,
    Sample,
    SampleQuestion,
    StoredHour,
    SummaryQuestion,
)
from actors.model.facts import LARGEST_RECORD_BYTES, Entry, Hole
from actors.model.market import Market, Recheck, StoredEvidence, TimeWindow
from actors.model.storage import (
    Batch,
    Committed,
    DayStored,
    Housekept,
    JournalStats,
    OpenConflicts,
    Opened,
    RecordedOutcome,
    Review,
    TakenIn,
    TokenName,
    Unresolved,
)
from actors.model.trade import ConditionId, TokenId, Trade

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
        self.unfinished_bytes = 0
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
        self.changes: dict[TokenId, int] | None = {}
        self.questions: list[tuple[TokenId, ...]] = []

    def last_changes(self, tokens: Sequence[TokenId]) -> dict[TokenId, int] | None:
        self.questions.append(tuple(tokens))
        return self.changes

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
    """A journal in memory.

    `full` makes it reject records and another identity, `largest` long ones, `dig` makes holes, and
    no descriptor is left to read the record `busy_at` with. `readings`: so often it was read.
    """

    def __init__(self, opened_at_seq: int = 1) -> None:
        self.journal_id = JOURNAL_ID
        self.bodies: dict[int, bytes] = {}
        self.weights: dict[int, int] = {}
        self.next_seq = 1
        self.opened_at_seq = opened_at_seq
        self.oldest_seq = 1
        self.unacknowledged_since: int | None = opened_at_seq
        self.watermark = 1
        self.readings = 0
        self.full = False
        self.largest = LARGEST_RECORD_BYTES
        self.busy_at: int | None = None
        self.holes: list[Hole] = []

    @property
    def unacknowledged_seq(self) -> int:
        return self.next_seq if self.unacknowledged_since is None else self.unacknowledged_since

    def acknowledge(self) -> None:
        self.unacknowledged_since = None

    def renew(self) -> None:
        if self.full:
            raise JournalFull
        self.journal_id = UUID(int=self.journal_id.int + 1)

    def append(self, body: bytes, *, weight: int = 0) -> int:
        if len(body) > self.largest:
            raise RecordTooLarge(f"a record of {len(body):,} bytes is too large")
        if self.full:
            raise JournalFull
        seq = self.next_seq
        self.next_seq += 1
        self.bodies[seq] = body
        self.weights[seq] = weight
        return seq

    def read(self, from_seq: int) -> Iterator[Entry | Hole]:
        self.readings += 1
        for seq in range(from_seq, self.next_seq):
            if seq == self.busy_at:
                raise JournalBusy
            hole = next((h for h in self.holes if h.first == seq), None)
            if hole is not None:
                yield hole
            elif seq in self.bodies:
                yield Entry(seq, self.bodies[seq], at_ns=seq * 1_000)

    def dig(self, first: int, last: int) -> None:
        """Make records unreadable."""
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
    """A database in memory: trades by key, and a watermark that moves with each batch.

    Attributes:
        newer: Why this version must not write.
        mismatch: Why it is not one that this version can write to.
        loses_answer: The next commit is stored, but its caller gets an error.
        unresolved: The markets to return.
        evidence, rechecks: What to return about them.
        reviewed: What to return of a range; `reviews`: behind what it was asked for.
        days: The days that were asked for, each with the first sequence of the process.
        ended: The markets of one range that ended; `ranges`: behind what they were asked for.
        conflicts: The open contradictions.
        chores: What the next steps of housekeeping return.
        computed: What the next steps of computing coverage return.
        rejected_trades: How many trades were rejected before; `taken_in`: what the next steps that
            take them in return, and behind which message each began.
        windows: The time windows for which rechecks were requested.
        unproven, mapping_changed, resolved, rejected_rows: What the next commits return.
        taken: Another process stores the journal that was opened last.
        moved_at_ms: When the watermark of the journals was stored.
        unsettled: So many steps of settling are left; `settled`: so many were done.
        unsafe, unverified: What the next opening returns of the server.
        unusable: Why a person must act before it can be used.
        full, miscounts: Every commit fails for this reason.
        audit_questions: What an audit asked; `audit_answers`: what is answered, by its kind.
    """

    def __init__(self) -> None:
        self.trades: dict[tuple[object, ...], Trade] = {}
        self.batches: list[Batch] = []
        self.watermarks: dict[UUID, int] = {}
        self.journal_id = JOURNAL_ID
        self.opens = 0
        self.days: list[tuple[int, int]] = []
        self.away = False
        self.poisoned = False
        self.newer = self.mismatch = ""
        self.loses_answer = False
        self.unresolved: tuple[Market, ...] = ()
        self.evidence = StoredEvidence()
        self.rechecks: tuple[Recheck, ...] = ()
        self.windows: list[TimeWindow] = []
        self.recheck_part: TimeWindow | None = None
        self.ended = Unresolved()
        self.ranges: list[ConditionId] = []
        self.conflicts = OpenConflicts()
        self.unproven: tuple[ConditionId, ...] = ()
        self.mapping_changed: tuple[ConditionId, ...] = ()
        self.resolved: tuple[ConditionId, ...] = ()
        self.unsettled = self.settled = 0
        self.taken = False
        self.moved_at_ms = 0
        self.chores: list[Housekept] = []
        self.computed: list[Housekept] = []
        self.rejected_trades = 0
        self.taken_in: list[TakenIn] = []
        self.taken_after: list[int] = []
        self.rejected_rows: tuple[tuple[str, int], ...] = ()
        self.reviewed = Review()
        self.names: tuple[TokenName, ...] = ()
        self.outcomes: tuple[RecordedOutcome, ...] = ()
        self.asked_names: list[tuple[tuple[TokenId, ...], tuple[ConditionId, ...]]] = []
        self.reviews: list[ConditionId] = []
        self.unsafe: tuple[str, ...] = ()
        self.unverified: tuple[str, ...] = ()
        self.unusable = ""
        self.full = self.miscounts = False
        self.audit_questions: list[AuditQuestion] = []
        self.audit_answers: dict[type[AuditQuestion], AuditAnswer] = {
            HourQuestion: StoredHour(),
            SampleQuestion: Sample(),
            SummaryQuestion: AuditSummary(),
        }
        self.closed = True

    @property
    def watermark(self) -> int:
        return self.watermarks.get(self.journal_id, 0)

    @watermark.setter
    def watermark(self, watermark: int) -> None:
        self.watermarks[self.journal_id] = watermark

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        self.opens += 1
        if self.away:
            raise StoreUnavailable("connection refused")
        self._check_usable()
        self.closed = False
        self.journal_id = journal_id
        is_new = journal_id not in self.watermarks
        self.watermarks.setdefault(journal_id, first_seq)
        return Opened(
            server="FakeSQL 1",
            identity="f4ke",
            timescale=False,
            watermark=self.watermark,
            is_new=is_new,
            moved_at_ms=self.moved_at_ms,
            unsafe=self.unsafe,
            unverified=self.unverified,
            rejected_trades=self.rejected_trades,
        )

    def _check_usable(self) -> None:
        if self.unusable:
            raise ConfigError(self.unusable)
        if self.newer:
            raise SchemaNewer(self.newer)
        if self.mismatch:
            raise SchemaMismatch(self.mismatch)

    def settle(self) -> bool:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        if self.unsettled:
            self.unsettled -= 1
            self.settled += 1
        return self.unsettled == 0

    def commit(self, batch: Batch) -> Committed:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        self._check_usable()
        if self.taken:
            self.taken = False
            raise JournalTaken("another process stores a copy")
        if self.full:
            raise StoreUnavailable("could not extend file: No space left", sqlstate="53100")
        if self.miscounts:
            raise StoreMiscounts("the database has lost 8 of 10 trades")
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
        self.watermark = max(self.watermark, batch.watermark or 0)
        if self.loses_answer:
            self.loses_answer = False
            raise StoreUnavailable("cut during COMMIT")
        stored = len(self.trades) - before
        return Committed(
            stored=stored,
            duplicates=len(batch.trades) - stored,
            rejected=len(batch.rejections),
            watermark=self.watermark,
            unproven=self.unproven,
            mapping_changed=self.mapping_changed,
            resolved=self.resolved,
            rejected_rows=self.rejected_rows,
            rejected_because="value out of range" if self.rejected_rows else "",
        )

    def housekeep(self) -> Housekept:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        return self.chores.pop(0) if self.chores else Housekept(what="samples", is_last=True)

    def compute_coverage(self) -> Housekept:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        done = Housekept(what="market_coverage", is_last=True)
        return self.computed.pop(0) if self.computed else done

    def take_in(self, after: int) -> TakenIn:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        self.taken_after.append(after)
        return self.taken_in.pop(0) if self.taken_in else TakenIn(left=self.rejected_trades)

    def open_markets(self) -> Iterator[tuple[Market, ...]]:
        if self.unresolved:
            yield self.unresolved

    def review(self, after: ConditionId) -> Review:
        self.reviews.append(after)
        if self.away:
            raise StoreUnavailable("server closed the connection")
        return self.reviewed

    def unresolved_after(self, after: ConditionId) -> Unresolved:
        self.ranges.append(after)
        if self.away:
            raise StoreUnavailable("server closed the connection")
        return self.ended

    def day_stored(self, day: int, opened_at_seq: int) -> DayStored:
        self.days.append((day, opened_at_seq))
        if self.away:
            raise StoreUnavailable("server closed the connection")
        return DayStored(day=day, trades=len(self.trades), resolutions=0)

    def open_conflicts(self) -> OpenConflicts:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        return self.conflicts

    def stored_evidence(self, conditions: Sequence[ConditionId]) -> StoredEvidence:
        rechecked = (each.market for each in (*self.rechecks, *self.conflicts.rechecks))
        known = (*self.unresolved, *self.ended.markets, *rechecked)
        assert set(conditions) <= {market.condition_id for market in known}
        return self.evidence

    def named(
        self, tokens: Sequence[TokenId], conditions: Sequence[ConditionId]
    ) -> tuple[tuple[TokenName, ...], tuple[RecordedOutcome, ...]]:
        if self.away:
            raise StoreUnavailable("server closed the connection")
        self.asked_names.append((tuple(tokens), tuple(conditions)))
        return (
            tuple(each for each in self.names if each.token_id in tokens),
            tuple(each for each in self.outcomes if each.condition_id in conditions),
        )

    def for_audit(self, question: AuditQuestion) -> AuditAnswer:
        self.audit_questions.append(question)
        if self.away:
            raise StoreUnavailable("server closed the connection")
        return self.audit_answers[type(question)]

    def recheck_window(self, window: TimeWindow) -> TimeWindow:
        return self.recheck_part or window

    def resolutions_to_check(self, window: TimeWindow) -> Iterator[tuple[Recheck, ...]]:
        self.windows.append(window)
        if self.away:
            raise StoreUnavailable("server closed the connection")
        if self.rechecks:
            yield self.rechecks

    def close(self) -> None:
        self.closed = True
