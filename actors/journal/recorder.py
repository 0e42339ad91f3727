"""Journal first, then tell the writer: the one way in which anything becomes durable."""

from threading import Lock

from actors.actor import Mailbox
from actors.feed.ingest import Taken
from actors.feed.ports import Journal
from actors.journal.inflight import InFlight
from actors.messages import FactSeen, Journalled, TradesSeen
from actors.model import facts


class Recorder:
    """Appends records and tells the writer of each, in the order of one actor.

    When more than `inflight_max` prints wait for the database, the writer is
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

    def frames(self, connection: str, taken: Taken) -> None:
        """Append frames that have a record, and tell what is in them.

        Args:
            connection: Who heard them.
            taken: What is in them.

        Raises:
            JournalFull, JournalFailed: See `ports.Journal.append`; nobody was told.
        """
        if taken.record is None:
            return
        seq = self._journal.append(facts.encode(taken.record), weight=taken.weight)
        seen = TradesSeen(
            seq=seq,
            connection=connection,
            prints=taken.prints,
            refusals=taken.decoded.refusals,
            hashes=taken.hashes,
        )
        self._tell(seen, taken.weight)

    def _tell(self, message: TradesSeen | FactSeen, weight: int) -> None:
        with self._lock:
            crowded = self._in_flight.appended(message.seq, weight, self._journal.mark)
        self._writer.tell(Journalled(seq=message.seq) if crowded else message)
