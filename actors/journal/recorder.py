"""Journal first, then tell the writer: the one way in which anything becomes durable."""

from collections import deque
from collections.abc import Iterator
from threading import Lock
from typing import Protocol
from uuid import UUID

from actors.actor import Mailbox
from actors.errors import JournalFailed, JournalFull
from actors.messages import FactSeen, ReadJournal, TradesSeen
from actors.model import facts
from actors.model.chunks import chunks
from actors.model.facts import Entry, Hole
from actors.model.trade import Rejection, TokenId, Trade

# MERGED: How much is told to the writer and not yet stored, and whether that is too
# much. Counted in trades, rejections and facts, not in records: one record may hold hundreds.


class InFlight:
    """Remembers what is in flight up to a bound, and of what is beyond it only where it ends.

    Args:
        most: What may be in flight.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._records: deque[tuple[int, int]] = deque()
        self._beyond = 0  # the highest sequence that is not remembered though it was not stored

    def __len__(self) -> int:
        """Return how many records are remembered."""
        return len(self._records)

    def appended(self, seq: int, weight: int, mark: int) -> bool:
        """Take note of a record; tell whether more than the bound is in flight with it.

        Args:
            seq: They come nearly in order.
            weight: How much is in it.
            mark: The lowest sequence that is not stored.
        """
        self._records.append((seq, weight))
        self._held += weight
        while self._records and self._records[0][0] < mark:
            self._held -= self._records.popleft()[1]
        while self._held > self._most:
            older, some = self._records.popleft()
            self._held -= some
            self._beyond = max(self._beyond, older)
        return mark <= self._beyond


class Journal(Protocol):
    """Where everything goes first. Sequences count from 1 and are never used twice."""

    @property
    def journal_id(self) -> UUID:
        """Which journal this is, for ever."""

    @property
    def next_seq(self) -> int:
        """The sequence that the next record will get."""

    @property
    def oldest_seq(self) -> int:
        """The lowest sequence that can still be read."""

    @property
    def unmet_seq(self) -> int:
        """The lowest sequence given out since a database was met; no mark may be above it."""

    def met(self) -> None:
        """Note that the database and this journal belong together."""

    def renew(self) -> None:
        """Take another identity: to a database this is another journal now. Sequences go on."""

    @property
    def opened_at_seq(self) -> int:
        """The first sequence of this process."""

    @property
    def mark(self) -> int:
        """Highest mark that was released; at first the oldest sequence there is."""

    def append(self, body: bytes, *, weight: int = 0) -> int:
        """Write one record at once; give its sequence.

        Raises:
            JournalFull: The disk or the cap leaves no room; nothing was written.
            JournalFailed: The disk does not take it; the process must end.
        """

    def read(self, from_seq: int) -> Iterator[Entry | Hole]:
        """Return entries from this sequence on, and holes where they cannot be read."""

    def release(self, mark: int) -> None:
        """Everything below `mark` is committed: its segments may go."""


class Recorder:
    """Appends records and tells the writer of each, in the order of one actor.

    When more than `inflight_max` trades wait for the database, the writer is
    told only where to read: memory stays bounded whatever the database does.
    """

    def __init__(self, journal: Journal, writer: Mailbox, *, inflight_max: int) -> None:
        self._journal = journal
        self._writer = writer
        self._lock = Lock()
        self._in_flight = InFlight(inflight_max)

    def fact(self, fact: facts.Fact) -> int:
        """Append a fact about coverage and give its sequence.

        Raises:
            JournalFull, JournalFailed: See `ports.Journal.append`; nobody was told.
        """
        seq = self._journal.append(facts.encode(fact))
        self._tell(FactSeen(seq=seq, fact=fact), 1)
        return seq

    def frames(
        self,
        record: facts.FramesSeen,
        trades: tuple[Trade, ...],
        hashes: tuple[int, ...],
        rejections: tuple[Rejection, ...],
    ) -> None:
        """Append frames as one record, then send the writer what is in them.

        Args:
            record: The frames as they are journalled.
            trades: The trades in them, numbered.
            hashes: The `trade_hash` of each.
            rejections: What in them could not be read.

        Raises:
            JournalFull, JournalFailed: See `Journal.append`; nothing was sent.
        """
        weight = len(trades) + len(rejections)
        seq = self._journal.append(facts.encode(record), weight=weight)
        seen = TradesSeen(
            seq=seq,
            connection=record.connection,
            trades=trades,
            rejections=rejections,
            hashes=hashes,
        )
        self._tell(seen, weight)

    def _tell(self, message: TradesSeen | FactSeen, weight: int) -> None:
        with self._lock:
            crowded = self._in_flight.appended(message.seq, weight, self._journal.mark)
        self._writer.tell(ReadJournal(seq=message.seq) if crowded else message)


# MERGED: The backlog: facts that wait for room in the journal, in order.
FACT_TOKENS = 1_000
MOST_FACTS = 10_000
OfTokens = type[facts.TokensWanted] | type[facts.TokensUnwanted]


class FactQueue:
    """Writes facts down at once, or as soon as the disk has room for them.

    Only changes of the plan and unexpected deaths end up here, so that `MOST_FACTS`
    are days of a full disk; then the process gives up, and the catalogue of the
    next one brings the plan again.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._facts: deque[facts.Fact] = deque()

    def __len__(self) -> int:
        """Return how many facts wait."""
        return len(self._facts)

    def add(self, fact: facts.Fact) -> None:
        """Let a fact wait behind those that wait already.

        Raises:
            JournalFailed: Too many wait.
        """
        if len(self._facts) >= MOST_FACTS:
            raise JournalFailed(f"the disk has had no room for {MOST_FACTS} facts")
        self._facts.append(fact)

    def add_tokens(self, kind: OfTokens, at_ns: int, tokens: tuple[TokenId, ...]) -> None:
        """Let facts about tokens wait, in records of bounded size.

        Raises:
            JournalFailed: See `add`.
        """
        for some in chunks(tokens, FACT_TOKENS):
            self.add(kind(at_ns=at_ns, tokens=some))

    def alive(self, at_ns: int) -> None:
        """Note a sign of life; behind facts that wait it would be out of date, so it is let go.

        Raises:
            JournalFailed: See `add`.
        """
        if self.write():
            self.add(facts.ProcessAlive(at_ns=at_ns))
            if not self.write():
                self._facts.pop()

    def write(self) -> bool:
        """Journal what waits, oldest first; give False when there was no room for all.

        Raises:
            JournalFailed: The disk does not take it.
        """
        while self._facts:
            try:
                self._recorder.fact(self._facts[0])
            except JournalFull:
                return False
            self._facts.popleft()
        return True
