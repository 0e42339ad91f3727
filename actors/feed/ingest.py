"""What one connection makes of frames: prints to record, tokens confirmed, hints to pass on."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec

from actors.feed.coverage import Listening
from actors.feed.twins import TwinCounter
from actors.model.connection import LaneSpec
from actors.model.facts import FramesSeen
from actors.model.trade import Print, TokenId
from actors.polymarket import channel

FRAMES_AT_ONCE: Final = 256
"""Most frames that are taken together."""

BYTES_AT_ONCE: Final = 1 << 20
"""Most bytes of frames that are taken together; a longer frame is taken alone. So whatever
fits the journal by itself fits it in company, and damage to the journal costs no more."""


def portions(frames: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Part what arrived together, in its order."""
    for start in range(0, len(frames), FRAMES_AT_ONCE):
        yield from _halves(frames[start : start + FRAMES_AT_ONCE])


def _halves(frames: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    if len(frames) == 1 or sum(map(len, frames)) <= BYTES_AT_ONCE:
        yield frames
    else:
        middle = len(frames) // 2
        yield from _halves(frames[:middle])
        yield from _halves(frames[middle:])


class Taken(msgspec.Struct, frozen=True, gc=False):
    """Some frames that arrived together, understood.

    Attributes:
        record: What the journal keeps of them, or None when they hold nothing to keep.
        prints: Numbered; those of pulse tokens left out.
        hashes: The `print_hash` of each.
        confirmed: Tokens whose first `book` is among them.
    """

    decoded: channel.Decoded
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
        decoded = channel.decode(frames, received_at_ns)
        prints, hashes = self._twins.number(self._own(decoded.prints))
        self.listening.printed(prints)  # before the books: what came before one does not count
        confirmed = self._confirmed(decoded.books, received_at_ns) if decoded.books else ()
        kept = None
        if prints or decoded.refusals:
            kept = self._record(decoded, prints, hashes, received_at_ns)
        return Taken(decoded, kept, prints, hashes, confirmed)

    def _record(
        self,
        decoded: channel.Decoded,
        prints: tuple[Print, ...],
        hashes: tuple[int, ...],
        received_at_ns: int,
    ) -> FramesSeen:
        heard, raws = decoded.prints, decoded.kept
        if len(heard) > len(prints):  # frames with nothing but pulses are for others to keep
            parts = [channel.decode((raw,), received_at_ns) for raw in raws]
            parts = [part for part in parts if part.refusals or self._own(part.prints)]
            raws = tuple(chain.from_iterable(part.kept for part in parts))
            heard = tuple(chain.from_iterable(part.prints for part in parts))
        numbers = self._occurrences(heard, prints)
        epoch, lane = self.listening.epoch, self._lane.lane
        return FramesSeen(epoch, lane, received_at_ns, numbers, raws, hashes)

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
