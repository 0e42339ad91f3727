"""Every message that passes between actors, but for what children say of themselves (`reports.py`).

Commands are imperatives, facts are past participles, questions begin with Get.
All are immutable. `child` and `incarnation` name one life of one child of the
supervisor. Times: `now` is monotonic seconds, `*_ns`/`*_ms` are wall clock.
"""

import msgspec

from actors.model.facts import Fact
from actors.model.market import Market
from actors.model.trade import ConditionId, Print, Refusal, TokenId
from actors.resolution.quorum import Contradiction, Observation, Resolution
from actors.resolution.rechecks import Recheck, Stretch
from actors.resolution.standing import LastWords, Transition
from actors.writer.feed_comparison import Missed


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


class Doubt(Message, frozen=True, kw_only=True):
    """Supervisor → connection: others heard these; take back what you claim and did not hear."""

    prints: tuple[Print, ...]


class StopListening(Message, frozen=True, kw_only=True):
    """Main thread → supervisor: end every connection in good order; nobody is born again."""


class Drain(Message, frozen=True, kw_only=True):
    """Main thread asks the writer: commit all of the journal; was the database there?"""


# --------------------------------------------------------------------- facts


class FramesReceived(Message, frozen=True, kw_only=True, gc=False):
    """Reactor → connection: frames that may matter, oldest first, with their time of receipt."""

    received_at_ns: int
    frames: tuple[bytes, ...]


class WireEnded(Message, frozen=True, kw_only=True):
    """Reactor → connection: the socket is gone, for this reason."""

    reason: str
    detail: str


class TradesSeen(Message, frozen=True, kw_only=True, gc=False):
    """Connection → writer: a journal record with prints or refusals; commit, then acknowledge.

    Attributes:
        hashes: The `print_hash` of each print.
    """

    seq: int
    connection: str
    prints: tuple[Print, ...]
    refusals: tuple[Refusal, ...]
    hashes: tuple[int, ...]


class FactSeen(Message, frozen=True, kw_only=True):
    """Connection, supervisor → writer: one journal record about coverage."""

    seq: int
    fact: Fact


class Journalled(Message, frozen=True, kw_only=True):
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
        stored: Prints that are new in the table.
        repeated: Prints that were there already (the other leg, a replay).
        refused: Events set aside in `rejected_messages`.
        recovered: How many of all these an earlier process had journalled.
        mark: Lowest journal sequence not yet committed.
        oldest_received_ns: When the oldest of its prints was received; 0 without prints.
    """

    stored: int
    repeated: int
    refused: int
    recovered: int
    mark: int
    oldest_received_ns: int


class PrintsMissed(Message, frozen=True, kw_only=True):
    """Writer → supervisor: prints that fewer lanes reported than should have."""

    missed: tuple[Missed, ...]


class StoreOpened(Message, frozen=True, kw_only=True):
    """Writer → supervisor, catalogue, resolution: the database answers; tell again what waits."""

    server: str


class StoreLost(Message, frozen=True, kw_only=True):
    """Writer → supervisor: the database is away; the journal keeps everything meanwhile."""

    reason: str


class MarketsRemembered(Message, frozen=True, kw_only=True):
    """Writer → catalogue, resolution: markets of earlier days that have no resolution yet."""

    markets: tuple[Market, ...]


class RecallMarkets(Message, frozen=True, kw_only=True):
    """Catalogue, resolution → writer, in every life but the first: say `MarketsRemembered` again.

    What was told to the life before died with it.
    """


class MarketsSeen(Message, frozen=True, kw_only=True):
    """Catalogue → writer: write these down, then say `TicketsStored`."""

    ticket: int
    markets: tuple[Market, ...]


class EvidenceRemembered(Message, frozen=True, kw_only=True):
    """Writer → resolution: what earlier lives heard last of markets that have no resolution.

    Told before the `MarketsRemembered` of the same markets.
    """

    said: LastWords


class RecallVerdicts(Message, frozen=True, kw_only=True):
    """Resolution → writer: which recorded verdicts fall due for another look in this stretch?"""

    stretch: Stretch


class VerdictsRemembered(Message, frozen=True, kw_only=True):
    """Writer → resolution: these; with `until_ms`, that was all until then."""

    verdicts: tuple[Recheck, ...]
    until_ms: int | None = None


class MarketMoved(Message, frozen=True, kw_only=True):
    """Resolution → writer: a market stands elsewhere now; keep it, then say `TicketsStored`."""

    ticket: int
    transition: Transition


class ResolutionObserved(Message, frozen=True, kw_only=True):
    """Resolution → writer: keep this evidence, then say `TicketsStored`."""

    ticket: int
    observation: Observation


class MarketResolved(Message, frozen=True, kw_only=True):
    """Resolution → writer: record this verdict for ever, then say `TicketsStored`."""

    ticket: int
    resolution: Resolution


class ResolutionConflict(Message, frozen=True, kw_only=True):
    """Resolution → writer: keep this contradiction, then say `TicketsStored`."""

    ticket: int
    contradiction: Contradiction


class TicketsStored(Message, frozen=True, kw_only=True):
    """Writer → catalogue or resolution: what these tickets carried is committed."""

    tickets: tuple[int, ...]


class NewMarketSeen(Message, frozen=True, kw_only=True):
    """Connection → catalogue: the feed announced a market."""

    condition_id: ConditionId


class ResolutionHint(Message, frozen=True, kw_only=True):
    """Connection → resolution: the feed says that this market resolved; look soon."""

    condition_id: ConditionId


class UniverseChanged(Message, frozen=True, kw_only=True):
    """Catalogue → supervisor, resolution: markets to watch from now on, and to let go.

    Attributes:
        unwanted: Tokens of removed markets that an earlier process wanted and
            this one never asked for, so that nobody else knows which they are.
    """

    added: tuple[Market, ...]
    removed: tuple[ConditionId, ...]
    unwanted: tuple[TokenId, ...] = ()


class MarketsSettled(Message, frozen=True, kw_only=True):
    """Resolution → catalogue: these have a stored verdict; they need no more watching."""

    condition_ids: tuple[ConditionId, ...]


# ----------------------------------------------------------------- questions


class GetListening(Message, frozen=True, kw_only=True):
    """Main thread → supervisor: how many connections still live?"""


class GetHealth(Message, frozen=True, kw_only=True):
    """Status thread → supervisor: answer with a `health.Health`."""
