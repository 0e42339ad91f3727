"""Reading the journal back: open the database for it, and read a range for one transaction.

Does this database know this journal as it is? A state directory that was restored from a
copy is older than the database. Its next records would get sequences that the database
believes to hold already, and would be dropped as stored. So such a journal takes another
identity, under which all of it is sent once more: trades that were stored are found to be
duplicates, the others are not lost. Nobody has to act. The same is done when the watermark is
higher than any that this process has sent, and when a commit fails because another process stores
under this identity: the directory was copied, or the machine was set back while it ran.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from actors.errors import JournalFailed
from actors.journal.recorder import Journal
from actors.journal.watermark import Watermark
from actors.model.audit import AuditAnswer, AuditQuestion
from actors.model.facts import Entry, Hole, RangeLost
from actors.model.market import Market, Recheck, StoredEvidence, TimeWindow
from actors.model.storage import (
    Batch,
    Committed,
    DayStored,
    Housekept,
    OpenConflicts,
    Opened,
    RecordedOutcome,
    Review,
    TakenIn,
    TokenName,
    Unresolved,
)
from actors.model.trade import ConditionId, TokenId
from actors.writer.gather import TradeBatch

log = logging.getLogger(__name__)


class Store(Protocol):
    """The database, as the writer sees it. In the thread of the writer.

    Every method but `close` raises `StoreUnavailable` when the database does not answer.
    """

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        """Connect and return the watermark of this journal.

        Args:
            journal_id: The identity of the journal.
            first_seq: The watermark of a journal that is new to this database.

        Raises:
            StoreUnavailable: Try again later.
            SchemaNewer: A newer version is to store the journal.
            SchemaMismatch: A person must act.
        """

    def commit(self, batch: Batch) -> Committed:
        """Store all of it and move the watermark, in one transaction.

        Raises:
            StoreUnavailable: It may or may not be committed; open again and see the watermark.
            StorePoisoned: Too many rows were rejected; nothing was stored. Open again, later.
            SchemaNewer: It was migrated meanwhile; nothing was stored.
        """

    def settle(self) -> bool:
        """Move a little of what is final in coverage; return whether nothing is left to move.

        Raises:
            StoreUnavailable: What was not moved is moved later.
            SchemaNewer: It was migrated meanwhile; nothing was moved.
        """

    def housekeep(self) -> Housekept:
        """Delete some of what is kept for a time only; raises `SchemaNewer` as `commit` does."""

    def compute_coverage(self) -> Housekept:
        """Compute some of the coverage by market and day; raises `SchemaNewer` as `commit` does."""

    def take_in(self, after: int) -> TakenIn:
        """Take in some trades that the database had rejected, those behind this one.

        Raises:
            StoreUnavailable: They are taken in later.
            SchemaNewer, SchemaMismatch: It was migrated meanwhile.
        """

    def day_stored(self, day: int, opened_at_seq: int) -> DayStored:
        """Return what is known of a day (days since 1970), and of the processes before this one."""

    def open_markets(self) -> Iterator[tuple[Market, ...]]:
        """Yield the markets that have no resolution yet, in chunks."""

    def review(self, after: ConditionId) -> Review:
        """Return what is not known of one range of condition ids."""

    def unresolved_after(self, after: ConditionId) -> Unresolved:
        """Return the markets of one range of condition ids that ended and have no resolution."""

    def open_conflicts(self) -> OpenConflicts:
        """Return the contradictions that are open, a thousand at most, and their number."""

    def stored_evidence(self, conditions: Sequence[ConditionId]) -> StoredEvidence:
        """Return the stored evidence on these markets."""

    def recheck_window(self, window: TimeWindow) -> TimeWindow:
        """Return the first part of this time, short enough to be asked about at once."""

    def resolutions_to_check(self, window: TimeWindow) -> Iterator[tuple[Recheck, ...]]:
        """Yield the resolutions whose recheck falls due in this time, in chunks."""

    def named(
        self, tokens: Sequence[TokenId], conditions: Sequence[ConditionId]
    ) -> tuple[tuple[TokenName, ...], tuple[RecordedOutcome, ...]]:
        """Return the names of these tokens, and the stored resolutions of these markets."""

    def for_audit(self, question: AuditQuestion) -> AuditAnswer:
        """Return the answer to a question of the audit."""

    def close(self) -> None:
        """Close the connection."""


def open_store(store: Store, journal: Journal, possible: Sequence[int] = ()) -> Opened:
    """Open the database for this journal, under a new identity of the journal if need be.

    Args:
        store: The database.
        journal: The journal.
        possible: The watermark that this process knows to be committed, and that of a commit whose
            answer was lost; empty before the first one.

    Raises:
        StoreUnavailable: Try again later.
        SchemaNewer: A newer version is to store the journal.
        JournalFull: The journal has no space for another identity.
        JournalFailed: The journal cannot take another identity.
    """
    opened = store.open(journal.journal_id, first_seq=journal.oldest_seq)
    if possible:
        is_foreign = opened.watermark > possible[0] and opened.watermark not in possible
    else:
        is_foreign = opened.watermark > journal.unacknowledged_seq
    if is_foreign:
        renew(journal, opened.watermark)
        opened = store.open(journal.journal_id, first_seq=journal.oldest_seq)
        if opened.watermark > journal.unacknowledged_seq:
            raise JournalFailed(
                "the database already has a watermark for the new journal id;"
                " two trackers may use one state directory"
            )
    journal.acknowledge()
    return opened


def renew(journal: Journal, watermark: int | None = None) -> None:
    """Change the identity of the journal, under which all that is in it is stored; log it.

    Args:
        journal: The journal.
        watermark: That of the database, which is not its own; None: another process stores it.

    Raises:
        JournalFailed: The journal cannot take another identity.
    """
    before = journal.journal_id
    journal.renew()
    extra = {
        "journal_id": str(journal.journal_id),
        "before": str(before),
        "watermark": watermark,
        "next_seq": journal.next_seq,
    }
    log.warning("journal_renewed", extra=extra)


class Forgotten(NamedTuple):
    """What the database lacks of coverage, and never gets from the journal.

    Attributes:
        since_ns: It knows what was until then, wall clock; 0: nothing.
        is_earlier: An earlier process told it.
    """

    since_ns: int
    is_earlier: bool


def forgotten(opened: Opened, journal: Journal) -> Forgotten | None:
    """Return what the database lacks because the journal has deleted it as committed; or None.

    It is new or was restored. What this process tells a new one is all that it wants, unless that
    was deleted, too.
    """
    is_earlier = journal.oldest_seq <= journal.opened_at_seq
    if opened.is_new:
        return None if is_earlier else Forgotten(0, is_earlier=False)
    if opened.watermark >= journal.oldest_seq:
        return None
    since_ns = opened.moved_at_ms * 1_000_000
    return Forgotten(since_ns, opened.watermark < journal.opened_at_seq)


def read_range(
    journal: Journal, watermark: Watermark, *, most_trades: int, most_records: int
) -> TradeBatch:
    """Return from the watermark on what fits into one transaction, up to the journal's end.

    What cannot be read is stepped over, with a log line and a fact for coverage: trades that
    were recorded there are lost, and must not count as received.
    """
    gathered = TradeBatch()
    first_unknown = before_ns = 0
    for entry in journal.read(watermark.seq):
        if isinstance(entry, Hole):
            # What was committed before it was damaged is not lost.
            lost = not entry.skipped and not watermark.covers(entry.first, entry.last)
            watermark.done(entry.first, entry.last)
            level = logging.INFO if entry.skipped else logging.ERROR
            extra = {
                "first": entry.first,
                "last": entry.last,
                "skipped": entry.skipped,
                "bytes_lost": entry.bytes_lost,
            }
            log.log(level, "journal_hole", extra=extra)
            if lost:
                gathered.add_fact(entry.first, RangeLost(entry.first, entry.last))
                before_ns = before_ns or _written_ns(journal, entry.first - 1)
                gathered.lost = gathered.lost or (entry.first, before_ns)
            continue
        before_ns = entry.at_ns or before_ns
        gathered.add_entry(entry, opened_at_seq=journal.opened_at_seq)
        if gathered.unknown and not first_unknown:
            first_unknown = entry.seq
        trades, records = gathered.size
        if trades >= most_trades or records >= most_records:
            break
    else:
        gathered.to_end = True
    if gathered.unknown:
        found = {
            "records": gathered.unknown.total(),
            "first": first_unknown,
            "kinds": dict(gathered.unknown),
        }
        log.error("journal_records_unknown", extra=found)
    return gathered


def _written_ns(journal: Journal, seq: int) -> int:
    """Return when a record was written; 0 when that is not known, or it is deleted."""
    if seq < journal.oldest_seq:
        return 0
    entry = next(iter(journal.read(seq)), None)
    return entry.at_ns if isinstance(entry, Entry) and entry.seq == seq else 0
