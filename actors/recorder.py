"""Journal first, then tell the writer: the one way in which anything becomes durable."""

from collections.abc import Sequence
from itertools import chain

from actors.logic import record
from actors.logic.intake import Taken
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

    def frames(self, connection: str, taken: Sequence[Taken]) -> None:
        """Append frames, all or none, and tell what is in them.

        Args:
            connection: Who heard them.
            taken: One or more, each with a record.

        Raises:
            JournalFull, JournalFailed: See `ports.Journal.append`; nobody was told.
        """
        bodies = [record.encode(each.record) for each in taken if each.record is not None]
        weight = sum([each.weight for each in taken])
        first = self._journal.extend(bodies, weight=weight)
        if any(each.decoded.refusals for each in taken):
            for seq, each in enumerate(taken, first):
                self._tell(_seen(seq, connection, (each,)))
        else:
            self._tell(_seen(first, connection, taken))

    def _tell(self, message: TradesSeen | FactSeen) -> None:
        crowded = self._journal.in_flight > self._inflight_max
        self._writer.tell(Journalled(seq=message.seq) if crowded else message)


def _seen(seq: int, connection: str, taken: Sequence[Taken]) -> TradesSeen:
    return TradesSeen(
        seq=seq,
        connection=connection,
        prints=tuple(chain.from_iterable([each.prints for each in taken])),
        refusals=tuple(chain.from_iterable([each.decoded.refusals for each in taken])),
        hashes=tuple(chain.from_iterable([each.hashes for each in taken])),
        records=len(taken),
    )
