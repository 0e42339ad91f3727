"""The markets of the catalog on their way to the database.

Three quarters of a market are its details, which only readers of the data need. They are sent while
few messages wait, and are not kept here: a market that may be stored without them counts as not
stored, so that they are sent with its next listing.
"""

from collections.abc import Iterable
from typing import Final

from actors.actor import Mailbox, Outbox
from actors.catalog.universe import Universe
from actors.messages import MarketsSeen
from actors.model.conversion import chunks
from actors.model.market import Market, without_details

SEEN_CHUNK: Final = 500
"""Markets in one message."""
OUTBOX_MAX: Final = 200
"""Messages that may wait to be stored, and as many that are kept after it."""
DETAILED_MAX: Final = 20
"""So many of those that wait may have details: the writer's mailbox may hold all of them."""


class MarketOutbox:
    """Sends markets to the writer until they are stored. In the thread of its actor.

    Args:
        writer: The writer.
        universe: Learns which markets are to be sent again when they are listed.
        incarnation: The number of the run of the catalog.

    Attributes:
        overflowed: Markets were not sent since too many waited; the owner resets it.
    """

    def __init__(self, writer: Mailbox, universe: Universe, *, incarnation: int) -> None:
        self.overflowed = False
        self._writer = writer
        self._universe = universe
        self._outbox = Outbox(incarnation=incarnation, keep=OUTBOX_MAX)
        self._bare: set[int] = set()  # tickets that wait, and were sent without details

    def __len__(self) -> int:
        return len(self._outbox)

    def send(self, markets: tuple[Market, ...]) -> None:
        """Send listed markets; while too many wait, the next sweep finds them again."""
        for chunk in chunks(markets, SEEN_CHUNK):
            if self._overflows(chunk, OUTBOX_MAX):
                continue
            detailed = len(self._outbox) < DETAILED_MAX
            message = self._put(without_details(chunk))
            if detailed:
                message = MarketsSeen(ticket=message.ticket, markets=chunk)
            else:
                self._bare.add(message.ticket)
            self._writer.tell(message)

    def send_unlisted(self, markets: tuple[Market, ...]) -> None:
        """Send markets that perhaps no listing tells again, and keep their details.

        While too many wait, the next review finds them again.
        """
        for chunk in chunks(markets, SEEN_CHUNK):
            if not self._overflows(chunk, DETAILED_MAX):
                self._writer.tell(self._put(chunk))

    def send_again(self) -> None:
        """Send what may not be stored, each market only as it was sent last."""
        messages = self._outbox.to_send_again()
        # As it was before, it would undo what is stored.
        last = {each.condition_id: m.ticket for m in messages for each in m.markets}
        for m in messages:
            markets = tuple(each for each in m.markets if last[each.condition_id] == m.ticket)
            self._writer.tell(MarketsSeen(ticket=m.ticket, markets=markets))
            self._universe.not_stored(markets)

    def stored(self, tickets: Iterable[int], now: float) -> None:
        """Take in what is stored; `now` is in monotonic seconds."""
        for message in self._outbox.stored(tickets, now):
            if message.ticket in self._bare:
                self._bare.remove(message.ticket)
                self._universe.not_stored(message.markets)

    def _put(self, markets: tuple[Market, ...]) -> MarketsSeen:
        return self._outbox.put(lambda ticket: MarketsSeen(ticket=ticket, markets=markets))

    def _overflows(self, markets: tuple[Market, ...], most: int) -> bool:
        if len(self._outbox) < most:
            return False
        self._universe.not_stored(markets)
        self.overflowed = True
        return True
