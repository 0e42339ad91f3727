"""Every message that passes between actors, but for what children say of themselves (`reports.py`).

Commands are imperatives, facts are past participles, questions begin with Get.
All are immutable. `child` and `incarnation` name one life of one child of the
supervisor. Times: `now` is monotonic seconds, `*_ns`/`*_ms` are wall clock.
"""

import msgspec

from actors.model.facts import Fact
from actors.model.market import Market
from actors.model.outcome import (
    Contradiction,
    Observation,
    Recheck,
    Resolution,
    StoredEvidence,
    TimeWindow,
    Transition,
)
from actors.model.trade import Busiest, ConditionId, MissedTrade, Rejection, TokenId, Trade


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all messages."""


# ------------------------------------------------------------------ commands
class Tick(Message, frozen=True, kw_only=True):
    """Main thread → supervisor → everyone: time went on. The only clock that actors have.

    `exchange_silent`: the supervisor says that more than half of all connections
    are without data at the same time.
    """

    now: float
    wall_ns: int
    exchange_silent: bool = False


class Connect(Message, frozen=True, kw_only=True):
    """Connection → itself: open the socket, shake hands, subscribe."""


class Open(Message, frozen=True, kw_only=True):
    """Writer → itself: reach the database."""


class Flush(Message, frozen=True, kw_only=True):
    """Writer → itself: the batch window is over; commit what is there."""


class CatchUp(Message, frozen=True, kw_only=True):
    """Writer → itself: commit one more stretch of the journal."""


class Poll(Message, frozen=True, kw_only=True):
    """Catalogue, resolution → themselves: one more bounded step of the work that is due."""


class Subscribe(Message, frozen=True, kw_only=True):
    """Supervisor → connection: listen to these tokens too."""

    tokens: tuple[TokenId, ...]


class Unsubscribe(Message, frozen=True, kw_only=True):
    """Supervisor → connection: these are unwanted since `since_ns`; hear them to that end."""

    tokens: tuple[TokenId, ...]
    cause: str
    since_ns: int


class Retire(Message, frozen=True, kw_only=True):
    """Supervisor → connection: end in good order, with this reason.

    `at_once`: do not wait for tokens that are still to be heard to their end.
    """

    reason: str
    at_once: bool = False


class RecheckCoverage(Message, frozen=True, kw_only=True):
    """Supervisor → connection: others heard these; take back what you claim and did not hear."""

    trades: tuple[Trade, ...]


class StopListening(Message, frozen=True, kw_only=True):
    """Main thread → supervisor: end every connection in good order; nobody is born again."""


class Drain(Message, frozen=True, kw_only=True):
    """Main thread asks the writer: commit all of the journal; was the database there?"""


# --------------------------------------------------------------------- facts
class FramesReceived(Message, frozen=True, kw_only=True, gc=False):
    """Reactor → connection: frames that may matter, oldest first, with their time of receipt."""

    received_at_ns: int
    frames: tuple[bytes, ...]


class SocketClosed(Message, frozen=True, kw_only=True):
    """Reactor → connection: the socket is gone, for this reason."""

    reason: str
    detail: str


class TradesSeen(Message, frozen=True, kw_only=True, gc=False):
    """Connection → writer: a journal record with trades or rejections; commit, then acknowledge.

    Attributes:
        hashes: The `trade_hash` of each trade.
    """

    seq: int
    connection: str
    trades: tuple[Trade, ...]
    rejections: tuple[Rejection, ...]
    hashes: tuple[int, ...]


class FactSeen(Message, frozen=True, kw_only=True):
    """Connection, supervisor → writer: one journal record about coverage."""

    seq: int
    fact: Fact


class ReadJournal(Message, frozen=True, kw_only=True):
    """Connection, supervisor → writer: too much is in flight; read this record in the journal."""

    seq: int


class ConnectionNoted(Message, frozen=True, kw_only=True):
    """Supervisor → writer: something happened to a connection, for `connection_events`."""

    at_ns: int
    connection: str
    event: str
    reason: str


class BatchWritten(Message, frozen=True, kw_only=True):
    """Writer → supervisor: one transaction committed.

    Attributes:
        stored: Trades that are new in the table.
        duplicates: Trades that were there already (the other feed, a replay).
        rejected: Events set aside in `rejected_messages`.
        recovered: How many of all these an earlier process had journalled.
        watermark: Lowest journal sequence not yet committed.
        oldest_received_ns: When the oldest of its trades was received; 0 without trades.
    """

    stored: int
    duplicates: int
    rejected: int
    recovered: int
    watermark: int
    oldest_received_ns: int


class TradesMissed(Message, frozen=True, kw_only=True):
    """Writer → supervisor: trades that fewer slots reported than should have."""

    missed: tuple[MissedTrade, ...]


class StoreOpened(Message, frozen=True, kw_only=True):
    """Writer → supervisor, catalogue, resolution: the database answers; tell again what waits."""

    server: str


class StoreLost(Message, frozen=True, kw_only=True):
    """Writer → supervisor: the database is away; the journal keeps everything meanwhile."""

    reason: str


class MarketsRestored(Message, frozen=True, kw_only=True):
    """Writer → catalog, resolution: stored markets that have no resolution yet."""

    markets: tuple[Market, ...]


class RequestMarkets(Message, frozen=True, kw_only=True):
    """Catalog, resolution → writer: send `MarketsRestored` again.

    Every incarnation but the first needs it: what the one before received is lost with it.
    """


class MarketsSeen(Message, frozen=True, kw_only=True):
    """Catalog → writer: store these, then send `TicketsStored`."""

    ticket: int
    markets: tuple[Market, ...]


class EvidenceRestored(Message, frozen=True, kw_only=True):
    """Writer → resolution: the stored evidence on markets that have no resolution.

    Sent before the `MarketsRestored` of the same markets.
    """

    evidence: StoredEvidence


class RequestRechecks(Message, frozen=True, kw_only=True):
    """Resolution → writer: send the recorded resolutions whose recheck falls due in this time."""

    window: TimeWindow


class RechecksRestored(Message, frozen=True, kw_only=True):
    """Writer → resolution: resolutions to recheck.

    Attributes:
        until_ms: All that fall due until then have been sent. None: more follow.
    """

    rechecks: tuple[Recheck, ...]
    until_ms: int | None = None


class MarketMoved(Message, frozen=True, kw_only=True):
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


class TicketsStored(Message, frozen=True, kw_only=True):
    """Writer → catalog or resolution: the messages with these tickets are committed."""

    tickets: tuple[int, ...]


class NewMarketSeen(Message, frozen=True, kw_only=True):
    """Connection → catalog: the feed announced a market."""

    condition_id: ConditionId


class ResolutionHint(Message, frozen=True, kw_only=True):
    """Connection → resolution: the feed reports that this market resolved; poll it soon."""

    condition_id: ConditionId


class UniverseChanged(Message, frozen=True, kw_only=True):
    """Catalog → supervisor, resolution: markets to watch from now on, and to stop watching.

    Attributes:
        unwanted: Tokens of removed markets that an earlier process wanted and this
            one never subscribed to, so that the receiver cannot know them.
    """

    added: tuple[Market, ...]
    removed: tuple[ConditionId, ...]
    unwanted: tuple[TokenId, ...] = ()


class MarketsSettled(Message, frozen=True, kw_only=True):
    """Resolution → catalog: the resolutions of these are stored; stop watching them."""

    condition_ids: tuple[ConditionId, ...]


# ----------------------------------------------------------------- questions
class GetListening(Message, frozen=True, kw_only=True):
    """Main thread → supervisor: how many connections still live?"""


class GetHealth(Message, frozen=True, kw_only=True):
    """Status thread → supervisor: answer with a `health.Health`."""


# MERGED: what children tell their supervisor of their own lives. `child` and
# `incarnation` name one life of one child. `now` is monotonic seconds, `*_ns` wall clock.


class ConnectionReport(Message, frozen=True, kw_only=True):
    """Connection → supervisor, on Tick: how it is. Counters only rise within one epoch.

    Attributes:
        busy: Its busiest tokens, a few.
        unanswered: Tokens that were subscribed several times, and no `book` came.
        misses_trades: It has missed trades too often and should be replaced.
        wakes_at: When it is to be told the time again, at the latest; 0.0: soon.
    """

    child: str
    incarnation: int
    now: float
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
    busy: Busiest = ()
    unanswered: tuple[TokenId, ...] = ()
    misses_trades: bool = False
    wakes_at: float = 0.0


class ConnectionEnded(Message, frozen=True, kw_only=True):
    """Connection → supervisor: this life is over, in a way that was to be expected."""

    child: str
    incarnation: int
    epoch: int
    reason: str
    detail: str
    retry_after_s: float | None


class WriterReport(Message, frozen=True, kw_only=True):
    """Writer → supervisor, on Tick."""

    child: str
    incarnation: int
    now: float
    state: str
    waiting: int


class CatalogReport(Message, frozen=True, kw_only=True):
    """Catalog → supervisor, on Tick."""

    child: str
    incarnation: int
    now: float
    markets: int
    last_sweep_at: float | None
    last_error: str
    waiting: int


class ResolutionReport(Message, frozen=True, kw_only=True):
    """Resolution → supervisor, on Tick.

    Attributes:
        pending: (reason, markets without a stored resolution that wait for it).
        requests: (source, requests since the start, requests of the last ten seconds).
    """

    child: str
    incarnation: int
    now: float
    recorded_total: int
    conflicts_total: int
    pending: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, str], ...]
    waiting: int
    requests: tuple[tuple[str, int, int], ...] = ()


class ChildDied(Message, frozen=True, kw_only=True):
    """A shell → supervisor: an unexpected error killed this life; `traceback` is for the log.

    `exit_code` is set when the process cannot go on (`errors.Fatal`).
    """

    child: str
    incarnation: int
    reason: str
    traceback: str
    exit_code: int | None = None


class MailboxDrained(Message, frozen=True, kw_only=True):
    """Supervisor → itself, behind all that a life told which is over: now it has no more to say."""

    child: str
    incarnation: int
