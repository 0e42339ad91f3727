"""What one connection makes of a frame: prints to record, tokens confirmed, hints to pass on."""

from collections.abc import Iterable

import msgspec

from actors.logic import feed
from actors.logic.coverage import Listening
from actors.logic.lane import LaneSpec
from actors.logic.record import FrameSeen
from actors.logic.trade import Print, TokenId
from actors.logic.twins import TwinCounter


class Taken(msgspec.Struct, frozen=True):
    """One frame, understood.

    Attributes:
        record: What the journal keeps of it, or None when it holds nothing to keep.
        prints: Numbered; those of pulse tokens left out.
        confirmed: Tokens whose first `book` this was.
    """

    decoded: feed.Decoded
    record: FrameSeen | None
    prints: tuple[Print, ...]
    confirmed: tuple[TokenId, ...]

    @property
    def weight(self) -> int:
        """Give the number of prints and refusals to record."""
        return len(self.prints) + len(self.decoded.refusals)


class Intake:
    """Decodes, numbers twins, keeps the coverage book; one for each epoch."""

    def __init__(self, lane: LaneSpec, epoch: int) -> None:
        self.listening = Listening(epoch)
        self._lane = lane
        self._pulse = frozenset(lane.pulse)
        self._twins = TwinCounter()

    def take(self, raw: bytes, received_at_ns: int) -> Taken:
        """Understand one frame. Never raises, whatever the feed sends."""
        decoded = feed.decode(raw, received_at_ns)
        prints = self._twins.number([p for p in decoded.prints if p.token_id not in self._pulse])
        for trade in prints:
            self.listening.printed(trade.token_id, trade.traded_at_ms)
        confirmed = tuple(
            token for token in decoded.books if self.listening.book(token, received_at_ns)
        )
        return Taken(decoded, self._record(raw, received_at_ns, decoded, prints), prints, confirmed)

    def own(self, tokens: Iterable[TokenId]) -> None:
        """Record the prints of these from now on, though one may have been a pulse."""
        self._pulse = self._pulse.difference(tokens)

    def missed(self, trade: Print) -> bool:
        """Tell whether this connection claims to have heard a print that never arrived here."""
        claimed = self.listening.claims(trade.token_id, trade.traded_at_ms)
        return claimed and not self._twins.heard(trade)

    def _record(
        self, raw: bytes, received_at_ns: int, decoded: feed.Decoded, prints: tuple[Print, ...]
    ) -> FrameSeen | None:
        if not prints and not decoded.refusals:
            return None
        numbers = iter(prints)
        return FrameSeen(
            epoch=self.listening.epoch,
            connection=self._lane.lane,
            received_at_ns=received_at_ns,
            occurrences=tuple(
                0 if p.token_id in self._pulse else next(numbers).occurrence for p in decoded.prints
            ),
            raw=raw,
        )
