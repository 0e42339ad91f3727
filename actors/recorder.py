"""Journal first, then tell the writer: the one way in which anything becomes durable."""

import msgspec

from actors.logic import record
from actors.messages import FactSeen, Journalled, TradesSeen
from actors.ports import Journal
from actors.shell import Mailbox


class Recorder:
    """Appends records and tells the writer of each, in the order of one actor.

    When more than `inflight_max` records wait for the database, the writer is
    told only where to read: memory stays bounded whatever the database does.
    """

    def __init__(self, journal: Journal, writer: Mailbox, *, inflight_max: int) -> None:
        self._journal = journal
        self._writer = writer
        self._inflight_max = inflight_max

    def fact(self, fact: record.Fact) -> int:
        """Append a fact about coverage and give its sequence.

        Raises:
            JournalFull, JournalFailed: See `ports.Journal.append`; nobody was told.
        """
        seq = self._journal.append(record.encode(fact))
        self._tell(FactSeen(seq=seq, fact=fact))
        return seq

    def frame(self, frame: record.FrameSeen, trades: TradesSeen, *, weight: int) -> None:
        """Append a frame and tell `trades` under its sequence.

        `weight` is the number of prints and refusals in it.

        Raises:
            JournalFull, JournalFailed: See `ports.Journal.append`; nobody was told.
        """
        seq = self._journal.append(record.encode(frame), weight=weight)
        self._tell(msgspec.structs.replace(trades, seq=seq))

    def _tell(self, message: TradesSeen | FactSeen) -> None:
        crowded = self._journal.in_flight > self._inflight_max
        self._writer.tell(Journalled(seq=message.seq) if crowded else message)
