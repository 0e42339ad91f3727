"""What the next transaction will carry, gathered from messages or from the journal."""

from collections.abc import Sequence

import msgspec

from actors.model import facts
from actors.model.batch import Batch, ConnectionEvent, RejectedRow
from actors.model.market import Market
from actors.model.outcome import Contradiction, Observation, Resolution, Transition
from actors.model.trade import Rejection, Trade, trade_hashes
from actors.polymarket import channel

Evidence = Observation | Transition | Resolution | Contradiction


class TradeBatch:
    """Prints, rejections and facts with the journal sequences they came under.

    Attributes:
        hashes: The `trade_hash` of each trade.
        stretches: First and last sequence of records in a row.
        records: How many there are in all.
        recovered: Trades and rejections that an earlier process journalled.
    """

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.hashes: list[int] = []
        self.rejections: list[RejectedRow] = []
        self.facts: list[tuple[int, facts.Fact]] = []
        self.stretches: list[tuple[int, int]] = []
        self.records = 0
        self.recovered = 0
        self._tokens = 0

    def frames(
        self,
        seq: int,
        connection: str,
        trades: Sequence[Trade],
        hashes: Sequence[int],
        rejections: Sequence[Rejection] = (),
    ) -> None:
        """Add what the frames of one record held, with the `trade_hash` of each trade."""
        self._count(seq)
        self.trades.extend(trades)
        self.hashes.extend(hashes)
        self.rejections.extend(
            RejectedRow(seq=seq, index=index, connection=connection, rejection=rejection)
            for index, rejection in enumerate(rejections)
        )

    def fact(self, seq: int, fact: facts.Fact) -> None:
        """Add one fact about coverage."""
        self._count(seq)
        self.facts.append((seq, fact))
        self._tokens += len(getattr(fact, "tokens", ()))

    def entry(self, entry: facts.Entry, *, opened_at_seq: int) -> None:
        """Add a record as the journal gives it back; one that says nothing is set aside."""
        before, ours = self._weight, entry.seq >= opened_at_seq
        try:
            said = facts.decode(entry.body)
        except msgspec.DecodeError:
            unread = Rejection(
                reason="journal record of an unknown kind", payload=entry.body, received_at_ns=0
            )
            self.frames(entry.seq, "journal", (), (), (unread,))
        else:
            self._read(entry.seq, said, ours=ours)
        if not ours:
            self.recovered += self._weight - before

    def _read(self, seq: int, said: facts.Record, *, ours: bool) -> None:
        if isinstance(said, facts.FrameSeen):
            said = said.as_frames
        if not isinstance(said, facts.FramesSeen):
            self.fact(seq, said)
            return
        trades, rejections = replay(said)
        # What another version found in the frames, this one may read otherwise.
        known = ours and not rejections and len(said.hashes) == len(trades)
        hashes = said.hashes if known else trade_hashes(trades)
        self.frames(seq, said.connection, trades, hashes, rejections)

    def _count(self, seq: int) -> None:
        self.records += 1
        first = seq
        if self.stretches and self.stretches[-1][1] == seq - 1:
            first, _ = self.stretches.pop()
        self.stretches.append((first, seq))

    @property
    def _weight(self) -> int:
        return len(self.trades) + len(self.rejections)

    @property
    def full_of(self) -> tuple[int, int]:
        """Return (trades, records); a record that names tokens is a row of each of them too."""
        return len(self.trades), self.records + self._tokens


class FindingsBatch:
    """Facts that the journal does not carry, with the tickets of who told them."""

    def __init__(self) -> None:
        self.markets: list[Market] = []
        self.observations: list[Observation] = []
        self.transitions: list[Transition] = []
        self.resolutions: list[Resolution] = []
        self.contradictions: list[Contradiction] = []
        self.catalog_tickets: list[int] = []
        self.resolution_tickets: list[int] = []

    def keep(self, ticket: int, evidence: Evidence) -> None:
        """Add what resolution told."""
        self.resolution_tickets.append(ticket)
        match evidence:
            case Observation():
                self.observations.append(evidence)
            case Transition():
                self.transitions.append(evidence)
            case Resolution():
                self.resolutions.append(evidence)
            case Contradiction():
                self.contradictions.append(evidence)

    def __bool__(self) -> bool:
        return bool(self.catalog_tickets or self.resolution_tickets)


def batch(
    gathered: TradeBatch, knowledge: FindingsBatch, events: tuple[ConnectionEvent, ...], mark: int
) -> Batch:
    """Return one transaction; facts in the order of their sequence."""
    return Batch(
        trades=tuple(gathered.trades),
        hashes=tuple(gathered.hashes),
        rejections=tuple(gathered.rejections),
        facts=tuple(sorted(gathered.facts, key=lambda fact: fact[0])),
        events=events,
        markets=tuple(knowledge.markets),
        observations=tuple(knowledge.observations),
        transitions=tuple(knowledge.transitions),
        resolutions=tuple(knowledge.resolutions),
        contradictions=tuple(knowledge.contradictions),
        watermark=mark,
    )


def replay(frames: facts.FramesSeen) -> tuple[tuple[Trade, ...], tuple[Rejection, ...]]:
    """Decode journalled frames again; their trades keep the occurrence they were given.

    A trade beyond the numbers (a decoder that finds more than the one that
    journalled the frames) is the first of its kind.
    """
    decoded = channel.decode(frames.raws, frames.received_at_ns)
    if frames.occurrences.count(1) == len(frames.occurrences):
        return decoded.trades, decoded.rejections
    numbers = (*frames.occurrences, *(1 for _ in decoded.trades[len(frames.occurrences) :]))
    trades = tuple(
        msgspec.structs.replace(trade, occurrence=number)
        for trade, number in zip(decoded.trades, numbers, strict=False)
        if number
    )
    return trades, decoded.rejections
