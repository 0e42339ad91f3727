"""What one transaction of the writer carries, and what the database says to it."""

import msgspec

from actors.model.facts import Fact
from actors.model.market import Market
from actors.model.outcome import Contradiction, Observation, Resolution, Transition
from actors.model.trade import Rejection, Trade


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rejection and where in the journal it stands, so that a replay keeps it once.

    Attributes:
        seq: Journal sequence of the record it came in.
        index: Its place among the rejections of that record, from 0.
    """

    seq: int
    index: int
    connection: str
    rejection: Rejection


class ConnectionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a connection, for people who look back."""

    at_ns: int
    connection: str
    event: str
    reason: str

    @classmethod
    def of(cls, note: object) -> "ConnectionEvent":
        """Take down a note that says the same in attributes of these names."""
        return msgspec.convert(note, cls, from_attributes=True)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """All that is committed together; any of it may be empty.

    Attributes:
        hashes: The `trade_hash` of each trade, or nothing when nobody knows them.
        facts: (journal sequence, fact). Applied in the order of the sequence.
        watermark: Lowest journal sequence that is not yet committed once this batch
            is; None leaves the mark where it is. It never moves back.
    """

    trades: tuple[Trade, ...] = ()
    hashes: tuple[int, ...] = ()
    rejections: tuple[RejectedRow, ...] = ()
    facts: tuple[tuple[int, Fact], ...] = ()
    events: tuple[ConnectionEvent, ...] = ()
    markets: tuple[Market, ...] = ()
    observations: tuple[Observation, ...] = ()
    transitions: tuple[Transition, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    watermark: int | None = None

    @property
    def rows(self) -> int:
        """Return how many rows of all kinds the database is offered."""
        lists = (self.trades, self.facts, self.events, self.markets)
        told = (self.observations, self.transitions, self.resolutions, self.contradictions)
        return sum(map(len, (*lists, *told)))


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The database answers.

    Attributes:
        server: Its version and address for people, without secrets.
        timescale: The TimescaleDB extension is installed in it.
        watermark: Lowest sequence of this journal that is not yet committed; 1 at first.
    """

    server: str
    timescale: bool
    watermark: int


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """A batch is in the database for good.

    stored + duplicates + rejected = trades + rejections of the batch.

    Attributes:
        stored: Trades that are new in the table.
        duplicates: Trades that were there already.
        rejected: Rejections, and trades that the database could not hold; all of
            them stand in `rejected_messages`.
        watermark: The mark as it stands in the database now.
    """

    stored: int
    duplicates: int
    rejected: int
    watermark: int
