"""Journal first, then the writer: the one way in which anything becomes durable.

A record is appended to the journal before it is sent to the writer. When too much has been sent
and is not committed, the writer is sent only the sequence to read up to, so that memory stays
bounded whatever the database does.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Protocol
from uuid import UUID

from actors.actor import Mailbox
from actors.errors import JournalFailed, JournalFull
from actors.messages import FactSeen, ReadJournal, TradesSeen
from actors.model import facts
from actors.model.connection import GapCause
from actors.model.conversion import chunks
from actors.model.facts import Entry, Hole
from actors.model.trade import Rejection, TokenId, Trade, size_in_trades

FACT_TOKENS = 1_000
"""The most tokens in one fact."""
MOST_FACTS = 10_000
"""The most facts that wait for space."""

TokenFact = type[facts.TokensWanted] | type[facts.TokensUnwanted]


class Journal(Protocol):
    """The journal, as actors see it. Sequences count from 1, and none is used twice."""

    @property
    def journal_id(self) -> UUID:
        """Return the identity of the journal."""

    @property
    def next_seq(self) -> int:
        """Return the sequence that the next record gets."""

    @property
    def oldest_seq(self) -> int:
        """Return the lowest sequence that can still be read."""

    @property
    def unacknowledged_seq(self) -> int:
        """Return the lowest sequence assigned since a database acknowledged this journal.

        No watermark of this journal can be above it.
        """

    def acknowledge(self) -> None:
        """Record that a database knows this journal as it is."""

    def renew(self) -> None:
        """Take a new identity, so that a database sees another journal. Sequences go on.

        Raises:
            JournalFull: There is no space for it.
        """

    @property
    def opened_at_seq(self) -> int:
        """Return the first sequence of this process."""

    @property
    def watermark(self) -> int:
        """Return the highest watermark that was released; at first the oldest sequence."""

    def append(self, body: bytes, *, weight: int = 0) -> int:
        """Write one record at once and return its sequence.

        Raises:
            JournalFull: The disk or the cap leaves no space; nothing was written.
            RecordTooLarge: The body is longer than a record may be; nothing was written.
            JournalFailed: The disk does not take it; the process must end.
        """

    def read(self, from_seq: int) -> Iterator[Entry | Hole]:
        """Yield entries from this sequence on, and holes where they cannot be read."""

    def release(self, watermark: int) -> None:
        """Delete the segments that are wholly below the watermark, which is committed."""


class Recorder:
    """Appends records and sends the writer each of them, in the order of one actor.

    Shared by all connections and the supervisor; each calls it in its own thread.

    Args:
        inflight_max: The most trades, rejections and facts that are sent to the writer in full
            before they are committed; a rejection counts by its bytes.
    """

    def __init__(self, journal: Journal, writer: Mailbox, *, inflight_max: int) -> None:
        self._journal = journal
        self._writer = writer
        self._lock = Lock()
        self._in_flight = InFlight(inflight_max)

    def fact(self, fact: facts.Fact) -> int:
        """Append a fact about coverage, send it to the writer, and return its sequence.

        Raises:
            JournalFull, JournalFailed: See `Journal.append`; nothing was sent.
        """
        # First the journal: when a Pykka actor dies, what is left in its mailbox is dropped without
        # an error to the sender (1,000 of 1,000 messages in a test).
        seq = self._journal.append(facts.encode(fact))
        self._send(FactSeen(seq=seq, fact=fact), 1)
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
            trades: The trades in them, with their occurrences.
            hashes: The `trade_hash` of each trade.
            rejections: What in them could not be read.

        Raises:
            JournalFull, JournalFailed, RecordTooLarge: See `Journal.append`; nothing was sent.
        """
        weight = len(trades) + len(rejections)
        seq = self._journal.append(facts.encode(record), weight=weight)
        seen = TradesSeen(
            seq=seq,
            connection=record.connection,
            trades=trades,
            rejections=rejections,
            hashes=hashes,
            epoch=record.epoch,
        )
        # By their bytes, as a rejected frame may be long. In the accounting each is one.
        self._send(seen, len(trades) + size_in_trades(rejections) if rejections else weight)

    def _send(self, message: TradesSeen | FactSeen, weight: int) -> None:
        with self._lock:
            over = self._in_flight.appended(message.seq, weight, self._journal.watermark)
        # Outside of the lock. Messages of two connections may change places here; the watermark of
        # the writer allows that.
        self._writer.tell(ReadJournal(seq=message.seq) if over else message)


class InFlight:
    """What was sent to the writer and is not committed, and whether that is too much.

    Counted in trades, rejections and facts and not in records, since one record may hold
    hundreds (`size_in_trades`). Records are remembered up to the bound; of those beyond it only
    the last sequence.

    Args:
        most: The bound.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._records: deque[tuple[int, int]] = deque()
        self._beyond = 0  # the highest sequence that was dropped from the records uncommitted

    def __len__(self) -> int:
        """Return how many records are remembered."""
        return len(self._records)

    def appended(self, seq: int, weight: int, watermark: int) -> bool:
        """Add a record; return whether more than the bound is in flight with it.

        Args:
            seq: Nearly in order from call to call.
            weight: How much is in the record.
            watermark: The lowest sequence that is not committed.
        """
        self._records.append((seq, weight))
        self._held += weight
        while self._records and self._records[0][0] < watermark:
            self._held -= self._records.popleft()[1]
        while self._held > self._most:
            older, some = self._records.popleft()
            self._held -= some
            self._beyond = max(self._beyond, older)
        # Small records too: as long as older ones wait beyond the bound, the writer reads the
        # journal anyway and finds them there.
        return watermark <= self._beyond


class FactQueue:
    """Facts that wait until the journal has space for them, in order. Owned by the supervisor.

    The first of a process is that it started. After it only changes of the plan and unexpected
    deaths of connections come here, so `MOST_FACTS` are enough for days of a full disk. Then the
    process ends, and the catalog of the next process supplies the plan again.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._facts: deque[facts.Fact] = deque()

    def __len__(self) -> int:
        """Return how many facts wait."""
        return len(self._facts)

    def add(self, fact: facts.Fact) -> None:
        """Add a fact behind those that wait.

        Raises:
            JournalFailed: Too many facts wait.
        """
        if len(self._facts) >= MOST_FACTS:
            raise JournalFailed(f"the disk has had no space for {MOST_FACTS} facts")
        self._facts.append(fact)

    def add_tokens(self, kind: TokenFact, at_ns: int, tokens: tuple[TokenId, ...]) -> None:
        """Add facts of this kind about tokens, each with at most `FACT_TOKENS` of them.

        Raises:
            JournalFailed: See `add`.
        """
        for some in chunks(tokens, FACT_TOKENS):
            self.add(kind(at_ns=at_ns, tokens=some))

    def add_overlooked(self, overlooked: Iterable[tuple[int, tuple[TokenId, ...]]]) -> None:
        """Add that tokens were wanted since a time, and not discovered.

        Those with one time together, since each page of a listing may bring thousands.

        Args:
            overlooked: Since when, in nanoseconds since 1970, and which.

        Raises:
            JournalFailed: See `add`.
        """
        found: dict[int, list[TokenId]] = {}
        for since_ns, tokens in overlooked:
            found.setdefault(since_ns, []).extend(tokens)
        for since_ns, theirs in found.items():
            for some in chunks(tuple(theirs), FACT_TOKENS):
                self.add(facts.TokensWanted(at_ns=since_ns, tokens=some))
                self.add(facts.TokensConfirmed(facts.NO_EPOCH, since_ns, some))
                cause = GapCause.NOT_DISCOVERED.value
                self.add(facts.TokensReleased(facts.NO_EPOCH, since_ns, some, cause))

    def alive(self, at_ns: int, day: facts.DayMeasured | None = None) -> None:
        """Write down that the process is alive, and its day; do nothing while other facts wait.

        The fact does not wait itself, since it would be out of date when it is written.

        Raises:
            JournalFailed: See `add`.
        """
        if self.write():
            self.add(facts.ProcessAlive(at_ns=at_ns, day=day))
            if not self.write():
                self._facts.pop()

    def write(self) -> bool:
        """Append what waits, oldest first; return False when there was no space for all of it.

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
