"""Every message that passes between actors, by sender and receiver.

Commands are imperatives, events are past participles, reports and hints are nouns. `Get…` and
`Drain` are asked: their answer is what the handler returns. All are immutable. `child` and
`incarnation` name one run of one child of the supervisor. `now` and `*_at` are monotonic seconds,
`*_s` seconds, `*_ns` and `*_ms` wall clock (nanoseconds and milliseconds since 1970, UTC). `seq`
is a journal sequence.
"""

import msgspec

from actors.model.assumptions import Violations
from actors.model.audit import Audit, AuditAnswer, AuditQuestion, AuditSummary, StreamFigures, Told
from actors.model.facts import Fact
from actors.model.histogram import Histogram
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    EndedMarkets,
    Market,
    Observation,
    Recheck,
    Resolution,
    StoredEvidence,
    TimeWindow,
    Transition,
)
from actors.model.storage import DayStored, RecordedOutcome, TokenName
from actors.model.trade import Busiest, ConditionId, MissedTrade, Rejection, TokenId, Trade


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages."""


# -------------------------------------- from the main thread and the status thread
class Tick(Message, frozen=True, kw_only=True):
    """Main thread → supervisor → all actors: time went on. The only clock that actors have.

    Attributes:
        exchange_silent: More than half of all connections receive no data at the same time,
            as the supervisor sees it.
        allowance_ms: How far proofs must stay behind, by what arrived late on any connection.
        trackers: So many trackers of this host, this one included, ask the same sources.
    """

    now: float
    wall_ns: int
    exchange_silent: bool = False
    allowance_ms: int = 0
    trackers: int = 1


class StopListening(Message, frozen=True, kw_only=True):
    """Main thread → supervisor: end every connection in good order; start no child again."""


class GetListening(Message, frozen=True, kw_only=True):
    """Main thread → supervisor: how many connections still run?"""


class GetHealth(Message, frozen=True, kw_only=True):
    """Status, metrics, watchdog thread → supervisor: answer with a `health.document.Health`."""


class GetConnections(Message, frozen=True, kw_only=True):
    """Status thread → supervisor: answer with (name, address) of those that listen, or begin to."""


class GetCoverage(Message, frozen=True, kw_only=True):
    """Status thread → connection: answer with a `Covered`."""


class Covered(Message, frozen=True, kw_only=True):
    """The answer to `GetCoverage`: what one connection covers at this moment.

    Attributes:
        proven_until_ns: Until then everything was received; 0 while nothing is proven.
        tokens: (covered since, digests of 8 bytes of the tokens, one after the other).
    """

    connection: str
    proven_until_ns: int
    tokens: tuple[tuple[int, bytes], ...]


class Flush(Message, frozen=True, kw_only=True):
    """Main thread → writer: the batch window is over; commit what is gathered."""


class Drain(Message, frozen=True, kw_only=True):
    """Main thread → writer: commit all of the journal; was the database there?"""


# ------------------------------------------------------- from an actor to itself
class Connect(Message, frozen=True, kw_only=True):
    """Connection → itself: open the socket, shake hands, subscribe."""


class Open(Message, frozen=True, kw_only=True):
    """Writer → itself: reach the database."""


class CatchUp(Message, frozen=True, kw_only=True):
    """Writer → itself: commit one more range of the journal."""


class SendMarkets(Message, frozen=True, kw_only=True):
    """Writer → itself: send one more page of the open markets."""


class Poll(Message, frozen=True, kw_only=True):
    """Catalog → itself: do one more bounded step of the work that is due."""


class MailboxDrained(Message, frozen=True, kw_only=True):
    """Supervisor → itself, behind all messages of a run that is over: they were all handled."""

    child: str
    incarnation: int


# ---------------------------------------------------------- reactor → connection
# `gc=False`: in no reference cycle, and so many that the collector should not visit them.
class FramesReceived(Message, frozen=True, kw_only=True, gc=False):
    """Reactor → connection: frames that may matter, oldest first, with their time of receipt."""

    received_at_ns: int
    frames: tuple[bytes, ...]


class SocketClosed(Message, frozen=True, kw_only=True):
    """Reactor → connection: the socket is closed.

    Attributes:
        reason: A stable word, such as `reset` or `closed_1013`.
        detail: For people, e.g. what the exchange wrote into its CLOSE frame.
    """

    reason: str
    detail: str


# ------------------------------------------------------- supervisor → connection
class Subscribe(Message, frozen=True, kw_only=True):
    """Supervisor → connection: listen to these tokens too.

    Attributes:
        announced: Perhaps the exchange does not know them yet: ask for them again and again.
    """

    tokens: tuple[TokenId, ...]
    announced: bool = False


class Unsubscribe(Message, frozen=True, kw_only=True):
    """Supervisor → connection: release these tokens once they are proven until `since_ns`.

    Attributes:
        cause: Why they are released, as it is written down.
        since_ns: They are unwanted since then.
    """

    tokens: tuple[TokenId, ...]
    cause: str
    since_ns: int


class RecheckCoverage(Message, frozen=True, kw_only=True):
    """Supervisor → connection: others received these; withdraw what you claim and did not."""

    trades: tuple[Trade, ...]


class ChangeCanary(Message, frozen=True, kw_only=True):
    """Supervisor → connection: your canary trades no more; take this one."""

    token: TokenId


class HeardElsewhere(Message, frozen=True, kw_only=True):
    """Supervisor → connection, which is silent: other connections received these trades.

    Attributes:
        trades: (token, exchange time in milliseconds).
    """

    trades: tuple[tuple[TokenId, int], ...]


class Renew(Message, frozen=True, kw_only=True):
    """Supervisor → connection: subscribe the tokens again whose coverage a silence ended."""


class Retire(Message, frozen=True, kw_only=True):
    """Supervisor → connection: end in good order, with this reason.

    Attributes:
        at_once: Do not wait for tokens whose release is not proven yet.
    """

    reason: str
    at_once: bool = False


class RenewEpoch(Message, frozen=True, kw_only=True):
    """Supervisor → connection: begin an epoch, with all that is confirmed, on the same socket."""


# ----------------------------------------------- connection, supervisor → writer
class TradesSeen(Message, frozen=True, kw_only=True, gc=False):
    """Connection → writer: what one journal record holds; commit it, then move the watermark.

    Attributes:
        hashes: The `trade_hash` of each trade.
        epoch: That of the connection.
    """

    seq: int
    connection: str
    trades: tuple[Trade, ...]
    rejections: tuple[Rejection, ...]
    hashes: tuple[int, ...]
    epoch: int = 0


class FactSeen(Message, frozen=True, kw_only=True):
    """Connection, supervisor → writer: one journal record about coverage."""

    seq: int
    fact: Fact


class ReadJournal(Message, frozen=True, kw_only=True):
    """Connection, supervisor → writer: too much is in flight; read this record in the journal."""

    seq: int


class ConnectionNoted(Message, frozen=True, kw_only=True):
    """Supervisor → writer: an event of a connection, for the table `connection_events`."""

    at_ns: int
    connection: str
    event: str
    reason: str


# --------------------------------------------- connection → catalog, resolution
class NewMarketSeen(Message, frozen=True, kw_only=True):
    """Connection → catalog: the feed announced a market. Stream → catalog: a trade names it.

    Attributes:
        market: What the event says of it, when that is enough to listen to it.
    """

    condition_id: ConditionId
    market: Market | None = None


class ResolutionHint(Message, frozen=True, kw_only=True):
    """Connection → resolution: the feed reports that this market resolved; poll it soon."""

    condition_id: ConditionId


class RequestStreamed(Message, frozen=True, kw_only=True):
    """Audit → stream: what did the stream of all markets tell of an hour? Answered by `Streamed`.

    Attributes:
        since_ms, until_ms: It must have been alive from before the hour until after it.
    """

    hour_ms: int
    end_ms: int
    since_ms: int
    until_ms: int


class Streamed(Message, frozen=True, kw_only=True):
    """Stream → audit: what it told of one market; None: there is no further one.

    Attributes:
        request: The very object that was asked.
    """

    request: RequestStreamed
    condition_id: ConditionId | None = None
    told: Told | None = None


# ---------------------------------------- catalog, resolution: which markets count
class UniverseChanged(Message, frozen=True, kw_only=True):
    """Catalog → supervisor, resolution: markets to watch from now on, and to stop watching.

    Attributes:
        unwanted: Tokens of removed markets that an earlier process wanted and this
            one never subscribed to, so that the receiver cannot know them.
        overlooked: (market of `added`, since when it could have been watched, nanoseconds since
            1970): it was not discovered until now.
        is_first: The catalog has not read all listings yet, so an earlier process may have watched
            what is added.
    """

    added: tuple[Market, ...]
    removed: tuple[ConditionId, ...]
    unwanted: tuple[TokenId, ...] = ()
    overlooked: tuple[tuple[ConditionId, int], ...] = ()
    is_first: bool = False


class MarketsSettled(Message, frozen=True, kw_only=True):
    """Resolution, writer → catalog: the resolutions of these are stored; stop watching them."""

    condition_ids: tuple[ConditionId, ...]


# ------------------------------------------------- catalog, resolution → writer
# What carries a ticket is not in the journal: see `actor.Outbox`.
class MarketsSeen(Message, frozen=True, kw_only=True):
    """Catalog → writer: store these, then send `TicketsStored`."""

    ticket: int
    markets: tuple[Market, ...]


class MarketStateChanged(Message, frozen=True, kw_only=True):
    """Resolution → writer: a market changed its state; store it, then send `TicketsStored`."""

    ticket: int
    transition: Transition


class ResolutionObserved(Message, frozen=True, kw_only=True):
    """Resolution → writer: store this observation, then send `TicketsStored`."""

    ticket: int
    observation: Observation


class MarketResolved(Message, frozen=True, kw_only=True):
    """Resolution → writer: record this resolution, then send `TicketsStored`."""

    ticket: int
    resolution: Resolution


class ResolutionConflict(Message, frozen=True, kw_only=True):
    """Resolution → writer: store this contradiction, then send `TicketsStored`."""

    ticket: int
    contradiction: Contradiction


class ResolutionConfirmed(Message, frozen=True, kw_only=True):
    """Resolution → writer: store this confirmation, then send `TicketsStored`."""

    ticket: int
    confirmation: Confirmation


class ConflictCleared(Message, frozen=True, kw_only=True):
    """Resolution → writer: store this clearance, then send `TicketsStored`."""

    ticket: int
    clearance: Clearance


class AuditMade(Message, frozen=True, kw_only=True):
    """Audit → writer: store this, then send `TicketsStored`."""

    ticket: int
    audit: Audit


class RequestAuditData(Message, frozen=True, kw_only=True):
    """Audit → writer: answer this question out of the database.

    It answers with `AuditDataRead` while the journal is stored, else not at all.
    """

    question: AuditQuestion


class RequestMarkets(Message, frozen=True, kw_only=True):
    """Catalog, resolution → writer: send `MarketsRestored` again.

    Every incarnation but the first needs it: what the one before received is lost with it.
    """


class RequestReview(Message, frozen=True, kw_only=True):
    """Catalog → writer: which markets behind this condition id are not known?

    It answers with `MarketsReviewed` once the journal is stored, else not at all.
    """

    after: ConditionId


class RequestUnresolved(Message, frozen=True, kw_only=True):
    """Resolution → writer: which markets behind this condition id ended without a resolution?

    It answers with `UnresolvedRestored`; not at all while the database is away.
    """

    after: ConditionId


class RequestConflicts(Message, frozen=True, kw_only=True):
    """Resolution → writer: which contradictions are open? Answered with `ConflictsRestored`."""


class RequestRechecks(Message, frozen=True, kw_only=True):
    """Resolution → writer: send the recorded resolutions whose recheck falls due in this time."""

    window: TimeWindow


# ------------------------------------------------------------- writer → the others
class StoreOpened(Message, frozen=True, kw_only=True):
    """Writer → supervisor, catalog, resolution, audit: the database answers; send again what waits.

    Attributes:
        server: Its version and address for people, without secrets.
        identity: Which database this is, whatever its address.
        unsafe: Settings by which what is stored is at risk, `name=value`.
        unverified: Servers that nothing proves to be the right ones.
    """

    server: str
    identity: str = ""
    unsafe: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()


class DayRestored(Message, frozen=True, kw_only=True):
    """Writer → supervisor: the journal is read to its end, and the database knows this of today."""

    found: DayStored


class DatabaseServerEnded(Message, frozen=True, kw_only=True):
    """Main thread → supervisor: the embedded database has ended, or cannot be started again.

    Attributes:
        reason: How, as one sentence.
    """

    reason: str


class CoverageForgotten(Message, frozen=True, kw_only=True):
    """Writer → supervisor: the database lacks what was told of coverage: tell it the plan again.

    Attributes:
        since_ns: What the database knows reaches until then, wall clock; 0: it knows nothing.
        is_earlier: An earlier process told it, so wishes are lacking, too, of markets that the
            catalog has not found in this process yet.
    """

    since_ns: int = 0
    is_earlier: bool = False


class StoreLost(Message, frozen=True, kw_only=True):
    """Writer → supervisor: the database is away; the journal keeps everything meanwhile."""

    reason: str


class BatchWritten(Message, frozen=True, kw_only=True):
    """Writer → supervisor: one transaction was committed.

    Attributes:
        stored: Trades that are new in the table.
        duplicates: Trades that were there already (the other feed, a replay).
        rejected: Events stored in `rejected_messages`.
        recovered: How many of all these an earlier process had journalled.
        watermark: Lowest journal sequence not yet committed.
        oldest_received_ns: When the oldest of its trades was received; 0 without trades.
        rejected_rows: Rows of any kind that the database could not hold.
        took_s: How long the transaction took.
        ages: How old trades were when they were committed.
    """

    stored: int
    duplicates: int
    rejected: int
    recovered: int
    watermark: int
    oldest_received_ns: int
    rejected_rows: int = 0
    took_s: float = 0.0
    ages: Histogram = Histogram()


class LatestStored(Message, frozen=True, kw_only=True):
    """Writer → supervisor, on Tick: the last trades and resolutions that were committed since.

    Attributes:
        trades: A few; one that several connections received may be there several times.
        names: Of their tokens, as far as the database has them.
    """

    trades: tuple[Trade, ...]
    names: tuple[TokenName, ...]
    resolutions: tuple[RecordedOutcome, ...]


class TradesMissed(Message, frozen=True, kw_only=True):
    """Writer → supervisor: trades that fewer slots reported than should have."""

    missed: tuple[MissedTrade, ...]


class TicketsStored(Message, frozen=True, kw_only=True):
    """Writer → catalog, resolution or audit: the messages with these tickets are committed.

    Attributes:
        unproven: Markets whose resolution was not recorded, since the database lacks its evidence.
    """

    tickets: tuple[int, ...]
    unproven: tuple[ConditionId, ...] = ()


class AuditDataRead(Message, frozen=True, kw_only=True):
    """Writer → audit: the answer to this question."""

    question: AuditQuestion
    answer: AuditAnswer


class MarketsRestored(Message, frozen=True, kw_only=True):
    """Writer → catalog, resolution: stored markets that have no resolution yet."""

    markets: tuple[Market, ...]


class MarketsReviewed(Message, frozen=True, kw_only=True):
    """Writer → catalog: conditions of one range that have tokens and no market.

    Attributes:
        until: The last condition id of the range. None: there is no further one.
    """

    unknown: tuple[ConditionId, ...]
    until: ConditionId | None


class EvidenceRestored(Message, frozen=True, kw_only=True):
    """Writer → resolution: the stored evidence on markets that have no resolution.

    Sent before the `MarketsRestored` of the same markets.
    """

    evidence: StoredEvidence


class UnresolvedRestored(Message, frozen=True, kw_only=True):
    """Writer → resolution: markets that ended and have no resolution; their evidence came before.

    Attributes:
        until: The last condition id that was looked at; None after the last of all.
    """

    markets: tuple[Market, ...]
    until: ConditionId | None


class ConflictsRestored(Message, frozen=True, kw_only=True):
    """Writer → resolution: the contradictions that are open, as the database has them.

    Attributes:
        total: How many markets have one.
        open: (market, kind) of the first thousand.
        rechecks: Of those among them that have a resolution.
    """

    total: int
    open: tuple[tuple[ConditionId, ContradictionKind], ...]
    rechecks: tuple[Recheck, ...]


class RechecksRestored(Message, frozen=True, kw_only=True):
    """Writer → resolution: resolutions to recheck.

    Attributes:
        until_ms: All that fall due until then have been sent. None: more follow.
    """

    rechecks: tuple[Recheck, ...]
    until_ms: int | None = None


# ---------------------------------------------------------- children → supervisor
class Report(Message, frozen=True, kw_only=True):
    """Child → supervisor, on Tick: how it is. A child that sends none is taken for stuck.

    By itself: the writer's, while a transaction goes on that takes long.

    Attributes:
        now: Of the Tick.
        violations: How often each assumption about Polymarket was seen to be false, since
            this incarnation began.
        clock_offset_s: The clock of the exchange minus ours; 0 where that is not known.
    """

    child: str
    incarnation: int
    now: float
    violations: Violations = ()
    clock_offset_s: float = 0.0


class ConnectionReport(Report, frozen=True, kw_only=True):
    """Connection → supervisor, on Tick. Counters only rise within one epoch.

    Attributes:
        state: `subscribing`, `listening` or `ended`.
        epoch: The journal sequence of its `ListeningOpened`; 0 before there is one.
        tokens: Tokens that are subscribed.
        confirmed: How many of them have received their first `book`.
        bytes_total: Bytes received.
        last_data_at: When the last data frame arrived; 0.0: never.
        proven_until_ns: Until then everything was received; 0 while nothing is proven.
        unknown_total: Events of unknown kinds.
        doubtful_total: Rejected events that may be trades.
        left_out_total: Rejected events that were not kept, as enough of their kind were.
        busy: Its busiest tokens, a few.
        traded: Its tokens of which trades came in the last minute or two.
        unanswered: Tokens that were subscribed several times, and no `book` came.
        waiting: All tokens whose first `book` did not come yet.
        waiting_longest: (token, since when it was subscribed) of a few of them, longest first.
        misses_trades: It has missed trades too often and should be replaced.
        heard: (token, exchange time in milliseconds) of a few trades since the last report,
            those of canaries included.
        awaits_renewal: A silence ended the coverage of tokens, and it waits for `Renew`.
        wakes_at: When it needs the next Tick at the latest; 0.0: as soon as possible.
        lateness: How many trades were late by how much; see `feed.lateness`.
        allowance_ms: How far its proof stays behind because of them.
        silence_proven_at: When it last asked for snapshots that prove that nothing happened to
            its tokens; 0.0: never.
    """

    state: str
    epoch: int
    tokens: int
    confirmed: int
    trades_total: int
    rejected_total: int
    frames_total: int
    bytes_total: int
    last_data_at: float
    proven_until_ns: int
    unknown_total: int
    doubtful_total: int = 0
    left_out_total: int = 0
    busy: Busiest = ()
    traded: frozenset[TokenId] = frozenset()
    unanswered: tuple[TokenId, ...] = ()
    waiting: frozenset[TokenId] = frozenset()
    waiting_longest: tuple[tuple[TokenId, float], ...] = ()
    misses_trades: bool = False
    heard: tuple[tuple[TokenId, int], ...] = ()
    awaits_renewal: bool = False
    wakes_at: float = 0.0
    lateness: Histogram = Histogram()
    allowance_ms: int = 0
    silence_proven_at: float = 0.0


class WriterReport(Report, frozen=True, kw_only=True):
    """Writer → supervisor, on Tick.

    Attributes:
        state: One of those in `model/storage.py`.
        waiting: Journal records that are gathered and not committed.
        miscounts_total: Batches of which the database reported what does not add up, since the
            writer started.
        chores_failed_total: How often a chore of housekeeping failed, since the writer started.
        chores_failing: Those whose last try failed, each with the reason.
        rejected_trades: Trades that the database had rejected and that are not taken in.
    """

    state: str
    waiting: int
    miscounts_total: int = 0
    chores_failed_total: int = 0
    chores_failing: tuple[str, ...] = ()
    rejected_trades: int = 0


class CatalogReport(Report, frozen=True, kw_only=True):
    """Catalog → supervisor, on Tick.

    Attributes:
        markets: Markets that are watched.
        last_sweep_at: When the last complete sweep ended; None: there was none.
        last_error: Why markets cannot be listed; empty when they can.
        waiting: Messages to the writer that are not stored.
        requests: (kind of request to Gamma, or `places` for markets, `ok` or its last error).
        keyset_error: Why `/markets/keyset` does not lead through listings, so that they go
            another way; empty when it does.
    """

    markets: int
    last_sweep_at: float | None
    last_error: str
    waiting: int
    requests: tuple[tuple[str, str], ...] = ()
    keyset_error: str = ""


class ResolutionReport(Report, frozen=True, kw_only=True):
    """Resolution → supervisor, on Tick.

    Attributes:
        recorded_total: Resolutions that are stored.
        conflicts_total: Contradictions that were found.
        pending: (reason, markets without a stored resolution that wait for it).
        sources: (source, `ok`, its last error, or `unknown` before it answered).
        waiting: Messages to the writer that are not stored.
        requests: (source, requests since the start, of the last ten seconds, failures since the
            start).
        conflicts_open: Markets about which a contradiction is open.
        conflicts_by: (source, open contradictions that its answers have shown to this process).
        final: (source, its final answers that were news, since the start).
        mute: The sources that answer, and have nothing final where others have.
        ended: How many markets ended, and are overdue; None while that is not known.
    """

    recorded_total: int
    conflicts_total: int
    pending: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, str], ...]
    waiting: int
    requests: tuple[tuple[str, int, int, int], ...] = ()
    conflicts_open: int = 0
    conflicts_by: tuple[tuple[str, int], ...] = ()
    final: tuple[tuple[str, int], ...] = ()
    mute: tuple[str, ...] = ()
    ended: EndedMarkets | None = None


class AuditReport(Report, frozen=True, kw_only=True):
    """Audit → supervisor, on Tick.

    Attributes:
        summary: What the audits of the last 24 hours found; None while that is not known.
        made_total: Audits that were made and stored since this incarnation began.
        witnesses: (witness, `unknown` before it was asked, `ok` or its last error).
        waiting: Messages to the writer that are not stored.
        doing: What it does: `waiting`, `asking` a witness, or `reading` what is stored.
        rows_rejected: Rows of witnesses that could not be used.
    """

    summary: AuditSummary | None
    made_total: int
    witnesses: tuple[tuple[str, str], ...]
    waiting: int
    doing: str = "waiting"
    rows_rejected: int = 0


class StreamReport(Report, frozen=True, kw_only=True):
    """Stream → supervisor, on Tick."""

    figures: StreamFigures


class AnnouncedConfirmed(Message, frozen=True, kw_only=True):
    """Connection → supervisor: the first `book` of these announced tokens arrived."""

    tokens: tuple[TokenId, ...]


class ConnectionEnded(Message, frozen=True, kw_only=True):
    """Connection → supervisor: this run ended for an expected reason.

    Attributes:
        reason: A stable word.
        detail: For people.
        retry_after_s: How long the next run should wait; None: as usual.
    """

    child: str
    incarnation: int
    epoch: int
    reason: str
    detail: str
    retry_after_s: float | None


class ChildDied(Message, frozen=True, kw_only=True):
    """Child → supervisor: an unexpected error ended this run.

    Attributes:
        traceback: For the log.
        exit_code: Set when the process cannot go on (`errors.Fatal`).
    """

    child: str
    incarnation: int
    reason: str
    traceback: str
    exit_code: int | None = None
