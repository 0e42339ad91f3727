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
    """Prints, refusals and facts with the journal sequences they came under.

    Attributes:
        hashes: The `print_hash` of each print.
        stretches: First and last sequence of records in a row.
        records: How many there are in all.
        recovered: Prints and refusals that an earlier process journalled.
    """

    def __init__(self) -> None:
        self.prints: list[Trade] = []
        self.hashes: list[int] = []
        self.refusals: list[RejectedRow] = []
        self.facts: list[tuple[int, facts.Fact]] = []
        self.stretches: list[tuple[int, int]] = []
        self.records = 0
        self.recovered = 0
        self._tokens = 0

    def frames(
        self,
        seq: int,
        connection: str,
        prints: Sequence[Trade],
        hashes: Sequence[int],
        refusals: Sequence[Rejection] = (),
    ) -> None:
        """Add what the frames of one record held, with the `print_hash` of each print."""
        self._count(seq)
        self.prints.extend(prints)
        self.hashes.extend(hashes)
        self.refusals.extend(
            RejectedRow(seq=seq, index=index, connection=connection, refusal=refusal)
            for index, refusal in enumerate(refusals)
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
        prints, refusals = replay(said)
        # What another version found in the frames, this one may read otherwise.
        known = ours and not refusals and len(said.hashes) == len(prints)
        hashes = said.hashes if known else trade_hashes(prints)
        self.frames(seq, said.connection, prints, hashes, refusals)

    def _count(self, seq: int) -> None:
        self.records += 1
        first = seq
        if self.stretches and self.stretches[-1][1] == seq - 1:
            first, _ = self.stretches.pop()
        self.stretches.append((first, seq))

    @property
    def _weight(self) -> int:
        return len(self.prints) + len(self.refusals)

    @property
    def full_of(self) -> tuple[int, int]:
        """Give (prints, records); a record that names tokens is a row of each of them too."""
        return len(self.prints), self.records + self._tokens


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
    """Give one transaction; facts in the order of their sequence."""
    return Batch(
        prints=tuple(gathered.prints),
        hashes=tuple(gathered.hashes),
        refusals=tuple(gathered.refusals),
        facts=tuple(sorted(gathered.facts, key=lambda fact: fact[0])),
        events=events,
        markets=tuple(knowledge.markets),
        observations=tuple(knowledge.observations),
        transitions=tuple(knowledge.transitions),
        resolutions=tuple(knowledge.resolutions),
        contradictions=tuple(knowledge.contradictions),
        mark=mark,
    )


def replay(frames: facts.FramesSeen) -> tuple[tuple[Trade, ...], tuple[Rejection, ...]]:
    """Decode journalled frames again; their prints keep the occurrence they were given.

    A print beyond the numbers (a decoder that finds more than the one that
    journalled the frames) is the first of its kind.
    """
    decoded = channel.decode(frames.raws, frames.received_at_ns)
    if frames.occurrences.count(1) == len(frames.occurrences):
        return decoded.prints, decoded.refusals
    numbers = (*frames.occurrences, *(1 for _ in decoded.prints[len(frames.occurrences) :]))
    prints = tuple(
        msgspec.structs.replace(trade, occurrence=number)
        for trade, number in zip(decoded.prints, numbers, strict=False)
        if number
    )
    return prints, decoded.refusals
