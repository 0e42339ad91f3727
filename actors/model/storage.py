"""What the writer, the database and the journal tell each other about what is stored."""

from typing import NamedTuple

import msgspec

from actors.model.audit import Audit
from actors.model.facts import DayMeasured, Fact
from actors.model.histogram import Histogram
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    Market,
    Observation,
    Recheck,
    Resolution,
    Transition,
)
from actors.model.trade import ConditionId, Rejection, TokenId, Trade


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rejection and its position in the journal, so that a replay stores it once.

    Attributes:
        seq: Journal sequence of the record that holds it.
        index: Its position among the rejections of that record, from 0.
        epoch: That of its connection; 0: it came from none.
        doubts: The token of the trade that it may be, None if that may be any; empty when it is
            no trade.
        uncovered_ns: Of a trade that the database could not hold the time in which its token does
            not count as covered, from when until when: wall clock, None of all else.
    """

    seq: int
    index: int
    connection: str
    rejection: Rejection
    epoch: int = 0
    doubts: tuple[TokenId | None, ...] = ()
    uncovered_ns: tuple[int, int] | None = None


class ConnectionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a connection; kept for people who examine the past."""

    at_ns: int
    connection: str
    event: str
    reason: str

    @classmethod
    def of(cls, note: object) -> "ConnectionEvent":
        """Make an event from an object that has an attribute of the same name for each field."""
        return msgspec.convert(note, cls, from_attributes=True)


OtherRow = (
    Market
    | Observation
    | Transition
    | Resolution
    | Confirmation
    | Contradiction
    | Clearance
    | Audit
    | ConnectionEvent
)
"""A row that is neither a trade nor a fact about coverage."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is committed together; any of it may be empty.

    Attributes:
        hashes: The `trade_hash` of each trade, or nothing when they are not known.
        origins: Of each trade the epoch in which it was received, and its sequence there; epoch 0,
            or nothing at all, when they are not known.
        facts: (journal sequence, fact), to be applied in the order of the sequences.
        watermark: Lowest journal sequence that is not committed once this batch is. None leaves
            the watermark of the database as it is; it never moves back.
    """

    trades: tuple[Trade, ...] = ()
    hashes: tuple[int, ...] = ()
    origins: tuple[tuple[int, int], ...] = ()
    rejections: tuple[RejectedRow, ...] = ()
    facts: tuple[tuple[int, Fact], ...] = ()
    events: tuple[ConnectionEvent, ...] = ()
    markets: tuple[Market, ...] = ()
    observations: tuple[Observation, ...] = ()
    transitions: tuple[Transition, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    clearances: tuple[Clearance, ...] = ()
    audits: tuple[Audit, ...] = ()
    watermark: int | None = None

    @property
    def rows(self) -> int:
        """Return the number of rows of all kinds, without rejections."""
        recorded = (self.trades, self.facts, self.events, self.markets)
        resolved = (self.observations, self.transitions, self.resolutions, self.confirmations)
        contradicted = (self.contradictions, self.clearances, self.audits)
        return sum(map(len, (*recorded, *resolved, *contradicted)))


WITHOUT_TRIGGERS = "session_replication_role=replica"
"""By it triggers do not run, and nothing else is different."""


COVERAGE_CHORE = "market_coverage"
"""The chore that deletes nothing old, but computes coverage by market and day."""


def failing_sentence(failing: tuple[str, ...]) -> str:
    """Return what follows from chores that fail, each with its reason; empty: none does."""
    old = [each for each in failing if not each.startswith(COVERAGE_CHORE)]
    late = [each for each in failing if each.startswith(COVERAGE_CHORE)]
    parts = (("what is old stays in the database", old), ("days are not computed", late))
    return "; ".join(f"{what}: {'; '.join(each)}" for what, each in parts if each)


def unsafe_sentence(unsafe: tuple[str, ...]) -> str:
    """Return the sentence about settings by which what is stored is at risk."""
    of_power = ", ".join(each for each in unsafe if each != WITHOUT_TRIGGERS)
    said = [f"a loss of power may damage the database: {of_power}"] if of_power else []
    if WITHOUT_TRIGGERS in unsafe:
        said.append(
            "its triggers do not run, so no history of markets is kept and recorded rows may be"
            f" changed: {WITHOUT_TRIGGERS}"
        )
    return "; ".join(said)


def unverified_sentence(unverified: tuple[str, ...]) -> str:
    """Return the sentence about servers that nothing proves to be the right ones."""
    servers = ", ".join(unverified)
    return f"nothing proves that the database is the right one: {servers}" if servers else ""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An open database.

    Attributes:
        server: Its version and address as text, without secrets.
        identity: Which database this is, whatever its address.
        timescale: Whether the TimescaleDB extension is installed.
        watermark: Lowest sequence of this journal that is not committed; 1 at first.
        is_new: The database did not know this journal.
        moved_at_ms: When the watermark was stored, by the clock of the database.
        unsafe: Settings by which what is stored is at risk, `name=value`.
        unverified: Servers that nothing proves to be the right ones.
        rejected_trades: How many trades it had rejected that are not taken in, of all trackers.
    """

    server: str
    identity: str
    timescale: bool
    watermark: int
    is_new: bool = False
    moved_at_ms: int = 0
    unsafe: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    rejected_trades: int = 0


class EarlierRun(NamedTuple):
    """One process before this one.

    Attributes:
        started_ns, seen_ns: When it started, and was last known to run.
        day: What it had measured of its day by then; None: nothing.
    """

    started_ns: int
    seen_ns: int
    day: DayMeasured | None


class DayStored(msgspec.Struct, frozen=True, kw_only=True):
    """What the database knows of the present day, whichever process it is from.

    Attributes:
        day: Which day: days since 1970, UTC.
        trades: Rows of trades that this journal has added on it.
        resolutions: Recorded on it, by whomever, before this process began.
        runs: The processes with this journal before this one that ran on it, oldest first; before
            them, the last one that ran earlier.
    """

    day: int
    trades: int
    resolutions: int
    runs: tuple[EarlierRun, ...] = ()


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """A committed batch. stored + duplicates + rejected = its trades + its rejections.

    All that is rejected is in `rejected_messages`.

    Attributes:
        stored: Trades that are new in the table.
        duplicates: Trades that were there already.
        rejected: Rejections, and trades that the database could not hold.
        watermark: The watermark of the database now.
        unproven: Markets whose resolution was not recorded, because the database lacks the
            evidence on it; it is in `rejected_messages`.
        mapping_changed: Markets whose listing tells other names of tokens than before, so that
            a contradiction was opened.
        resolved: Markets that a listing calls open and whose resolution is recorded: its answer
            is old.
        rejected_rows: (kind, how many) of all rows that the database could not hold.
        rejected_because: Why, of the first of them.
        took_s: How long the transaction took.
        ages: How old trades were, from their time at the exchange to the commit; of the copies
            of one trade only that which was sent to the database counts.
    """

    stored: int
    duplicates: int
    rejected: int
    watermark: int
    unproven: tuple[ConditionId, ...] = ()
    mapping_changed: tuple[ConditionId, ...] = ()
    resolved: tuple[ConditionId, ...] = ()
    rejected_rows: tuple[tuple[str, int], ...] = ()
    rejected_because: str = ""
    took_s: float = 0.0
    ages: Histogram = Histogram()


MOST_LATEST = 10
"""So many of the last trades and of the last resolutions are shown."""


class TokenName(msgspec.Struct, frozen=True, kw_only=True):
    """What the database knows of a token, for people; texts are cut, what it does not know is None.

    Attributes:
        slug, question: Of its market.
    """

    token_id: TokenId
    slug: str | None
    question: str | None
    outcome: str | None


class RecordedOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A stored resolution, for people; texts are cut, what the database does not know is None.

    Attributes:
        winner: Its name; empty for a split.
    """

    condition_id: ConditionId
    slug: str | None
    question: str | None
    winner: str | None
    resolved_at_ms: int
    recorded_at_ms: int


class Housekept(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of housekeeping did.

    Attributes:
        what: Which old rows it looked for.
        deleted: How many it deleted.
        is_last: There is nothing more to do for now.
        permitted: Whether the role may delete them.
        failed: Why they could not be deleted, in one line; empty when all went well.
        is_slow: It took too long, and is tried again with fewer rows.
    """

    what: str
    deleted: int = 0
    is_last: bool = False
    permitted: bool = True
    failed: str = ""
    is_slow: bool = False


class TakenIn(msgspec.Struct, frozen=True, kw_only=True):
    """What one step has done to take in trades that the database had rejected.

    Attributes:
        until: The next step begins behind it; None: there is no further one.
        trades: How many were taken in.
        reason: Why others still cannot be held, of one of them; empty when there are none.
        left: How many in all are not taken in now, of all trackers.
    """

    until: int | None = None
    trades: int = 0
    reason: str = ""
    left: int = 0


TRADE = "trade"
"""The kind of trades among rejected rows."""


class Unresolved(msgspec.Struct, frozen=True, kw_only=True):
    """The markets of one range of condition ids that ended and have no resolution.

    Attributes:
        until: The last condition id of the range. None: there is no further one.
    """

    markets: tuple[Market, ...] = ()
    until: ConditionId | None = None


class OpenConflicts(msgspec.Struct, frozen=True, kw_only=True):
    """The contradictions that are open.

    Attributes:
        total: How many markets have one.
        open: (market, kind), as many as are read at once.
        rechecks: Of those among them that have a resolution.
    """

    total: int = 0
    open: tuple[tuple[ConditionId, ContradictionKind], ...] = ()
    rechecks: tuple[Recheck, ...] = ()


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What one range of condition ids lacks.

    Attributes:
        unknown: Conditions with tokens and without a market, or whose tokens have no names.
        until: The last condition id of the range. None: there is no further one.
    """

    unknown: tuple[ConditionId, ...] = ()
    until: ConditionId | None = None


AWAY = "away"
"""It does not answer."""
STOPPED = "stopped"
"""It rejected so many rows that the writer does not write for a while."""
OUTDATED = "outdated"
"""A newer version migrated it, and this one must not write to it."""
MISMATCH = "mismatch"
"""It is not one that this version can write to: empty, half restored, older or foreign."""
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
        syncs: How long all syncs of this process took.
        oldest_ns: When the oldest record that is not committed was written, wall clock;
            None when every record is committed.
        weight_appended: Trades and rejections that this process appended.
        gone: Why the next process would not find the journal; empty when it would.
        watermark: No record below it waits; until the database has told what it holds, the first
            one that the disk still has.
        exposed: Why the next process would not start in the state directory: others may change
            what is in it. Empty when it would.
    """

    next_seq: int
    durable_seq: int
    bytes: int
    cap_bytes: int
    free_bytes: int
    sync_p99_s: float
    oldest_ns: int | None
    weight_appended: int
    syncs: Histogram = Histogram()
    gone: str = ""
    watermark: int = 0
    exposed: str = ""
