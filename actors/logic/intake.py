"""What one connection makes of frames: prints to record, tokens confirmed, hints to pass on."""

from collections.abc import Iterable, Sequence

import msgspec

from actors.logic import feed
from actors.logic.coverage import Listening
from actors.logic.lane import LaneSpec
from actors.logic.record import FramesSeen
from actors.logic.trade import Print, TokenId
from actors.logic.twins import TwinCounter


class Taken(msgspec.Struct, frozen=True, gc=False):
    """Some frames that arrived together, understood.

    Attributes:
        record: What the journal keeps of them, or None when they hold nothing to keep.
        prints: Numbered; those of pulse tokens left out.
        hashes: The `print_hash` of each.
        confirmed: Tokens whose first `book` is among them.
    """

    decoded: feed.Decoded
    record: FramesSeen | None
    prints: tuple[Print, ...]
    hashes: tuple[int, ...]
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

    def take(self, frames: Sequence[bytes], received_at_ns: int) -> Taken:
        """Understand frames that arrived together. Never raises, whatever the feed sends."""
        decoded = feed.decode(frames, received_at_ns)
        prints, hashes = self._twins.number(self._own(decoded.prints))
        self.listening.printed(prints)  # before the books: what came before one does not count
        confirmed = self._confirmed(decoded.books, received_at_ns) if decoded.books else ()
        kept = None
        if prints or decoded.refusals:
            numbers = self._occurrences(decoded.prints, prints)
            epoch, lane = self.listening.epoch, self._lane.lane
            kept = FramesSeen(epoch, lane, received_at_ns, numbers, decoded.kept, hashes)
        return Taken(decoded, kept, prints, hashes, confirmed)

    def own(self, tokens: Iterable[TokenId]) -> None:
        """Record the prints of these from now on, though one may have been a pulse."""
        self._pulse = self._pulse.difference(tokens)

    def missed(self, trade: Print) -> bool:
        """Tell whether this connection claims to have heard a print that never arrived here."""
        claimed = self.listening.claims(trade.token_id, trade.traded_at_ms)
        return claimed and not self._twins.heard(trade)

    def _own(self, heard: tuple[Print, ...]) -> tuple[Print, ...]:
        if not self._pulse:
            return heard
        return tuple([each for each in heard if each.token_id not in self._pulse])

    def _confirmed(self, books: tuple[TokenId, ...], at_ns: int) -> tuple[TokenId, ...]:
        return tuple([token for token in books if self.listening.book(token, at_ns)])

    def _occurrences(self, heard: tuple[Print, ...], prints: tuple[Print, ...]) -> tuple[int, ...]:
        if len(heard) == len(prints):
            return tuple([trade.occurrence for trade in prints])
        numbers = iter(prints)
        return tuple(0 if p.token_id in self._pulse else next(numbers).occurrence for p in heard)
