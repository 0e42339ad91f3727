"""What the next transaction will carry, gathered from messages or from the journal."""

import msgspec

from actors.logic import feed, record
from actors.logic.batch import Batch, ConnectionEvent, SetAside
from actors.logic.market import Market
from actors.logic.outcome import Contradiction, Observation, Resolution
from actors.logic.standing import Transition
from actors.logic.trade import Print, Refusal, print_hash

Evidence = Observation | Transition | Resolution | Contradiction


class Gathered:
    """Prints, refusals and facts with the journal sequences they came under.

    Attributes:
        hashes: The `print_hash` of each print.
        stretches: First and last sequence of records in a row.
        records: How many there are in all.
        recovered: Prints and refusals that an earlier process journalled.
    """

    def __init__(self) -> None:
        self.prints: list[Print] = []
        self.hashes: list[int] = []
        self.refusals: list[SetAside] = []
        self.facts: list[tuple[int, record.Fact]] = []
        self.stretches: list[tuple[int, int]] = []
        self.records = 0
        self.recovered = 0
        self._tokens = 0

    def frames(
        self, seq: int, records: int, prints: tuple[Print, ...], hashes: tuple[int, ...]
    ) -> None:
        """Add the prints of frames, which stand in so many records from this sequence on."""
        self._count(seq, records)
        self.prints.extend(prints)
        self.hashes.extend(hashes or map(print_hash, prints))

    def frame(
        self, seq: int, connection: str, prints: tuple[Print, ...], refusals: tuple[Refusal, ...]
    ) -> None:
        """Add what one frame held."""
        self.frames(seq, 1, prints, ())
        self.refusals.extend(
            SetAside(seq=seq, index=index, connection=connection, refusal=refusal)
            for index, refusal in enumerate(refusals)
        )

    def fact(self, seq: int, fact: record.Fact) -> None:
        """Add one fact about coverage."""
        self._count(seq, 1)
        self.facts.append((seq, fact))
        self._tokens += len(getattr(fact, "tokens", ()))

    def entry(self, entry: record.Entry, *, opened_at_seq: int) -> None:
        """Add a record as the journal gives it back; one that says nothing is set aside."""
        before, ours = self._weight, entry.seq >= opened_at_seq
        try:
            said = record.decode(entry.body)
        except msgspec.DecodeError:
            unread = Refusal(
                reason="journal record of an unknown kind", payload=entry.body, received_at_ns=0
            )
            self.frame(entry.seq, "journal", (), (unread,))
        else:
            self._read(entry.seq, said, ours=ours)
        if not ours:
            self.recovered += self._weight - before

    def _read(self, seq: int, said: record.Record, *, ours: bool) -> None:
        if not isinstance(said, record.FrameSeen):
            self.fact(seq, said)
            return
        prints, refusals = replay(said)
        if refusals or not ours or len(said.hashes) != len(prints):
            # What another version found in the frame, this one may read otherwise.
            self.frame(seq, said.connection, prints, refusals)
        else:
            self.frames(seq, 1, prints, said.hashes)

    def _count(self, seq: int, records: int) -> None:
        self.records += records
        last = seq + records - 1
        if self.stretches and self.stretches[-1][1] == seq - 1:
            seq, _ = self.stretches.pop()
        self.stretches.append((seq, last))

    @property
    def _weight(self) -> int:
        return len(self.prints) + len(self.refusals)

    @property
    def full_of(self) -> tuple[int, int]:
        """Give (prints, records); a record that names tokens is a row of each of them too."""
        return len(self.prints), self.records + self._tokens


class Knowledge:
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
    gathered: Gathered, knowledge: Knowledge, events: tuple[ConnectionEvent, ...], mark: int
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


def replay(frame: record.FrameSeen) -> tuple[tuple[Print, ...], tuple[Refusal, ...]]:
    """Decode a journalled frame again; its prints keep the occurrence they were given.

    A print beyond the numbers (a decoder that finds more than the one that
    journalled the frame) is the first of its kind.
    """
    decoded = feed.decode(frame.raw, frame.received_at_ns)
    if frame.occurrences.count(1) == len(frame.occurrences):
        return decoded.prints, decoded.refusals
    numbers = (*frame.occurrences, *(1 for _ in decoded.prints[len(frame.occurrences) :]))
    prints = tuple(
        msgspec.structs.replace(trade, occurrence=number)
        for trade, number in zip(decoded.prints, numbers, strict=False)
        if number
    )
    return prints, decoded.refusals
