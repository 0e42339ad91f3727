"""What one connection makes of frames: trades to record, tokens confirmed, markets announced.

`Ingest` decodes frames that arrived together, numbers identical trades with
`OccurrenceCounter` and builds the journal record. It writes nothing itself.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, compress, islice
from typing import Final, NamedTuple

import msgspec

from actors.feed.coverage import CoverageBook, Slip
from actors.feed.doubts import Doubts, Withdrawn
from actors.feed.lateness import Lateness
from actors.feed.samples import Samples, without
from actors.model.connection import ConnectionSpec
from actors.model.facts import FramesSeen, RejectedEvent, rejected_numbers
from actors.model.trade import TokenId, Trade, trade_hashes
from actors.polymarket import channel
from actors.polymarket.alike import MOST_ALIKE, set_aside
from actors.polymarket.fields import DAY_MS, LATEST_MS

FRAMES_AT_ONCE: Final = 256
"""Most frames that are ingested together."""
BYTES_AT_ONCE: Final = 1 << 20
"""Most bytes of frames that are ingested together; a longer frame is ingested alone. So a
frame that fits the journal alone also fits it together with others, and damage to the journal
costs no more."""


def portions(frames: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Split frames that arrived together, in their order, into parts that may be one record."""
    if len(frames) > FRAMES_AT_ONCE:
        starts = range(0, len(frames), FRAMES_AT_ONCE)
        parts = [portions(frames[start : start + FRAMES_AT_ONCE]) for start in starts]
        return list(chain.from_iterable(parts))
    if len(frames) > 1 and sum(map(len, frames)) > BYTES_AT_ONCE:
        middle = len(frames) // 2
        return [*portions(frames[:middle]), *portions(frames[middle:])]
    return [frames] if frames else []


class Ingested(msgspec.Struct, frozen=True, gc=False):
    """Frames that arrived together, decoded.

    Attributes:
        record: What the journal keeps of them, or None when they hold nothing to keep.
        trades: Each with its occurrence; those of canary tokens left out, and those that are
            rejected because so many are alike.
        hashes: The `trade_hash` of each.
        confirmed: Tokens whose first `book` is among them.
        since_ns: From then on those are covered.
        slipped: Tokens that were confirmed earlier, and are covered from later on than assumed.
        withdrawn: Tokens that are in doubt: a message that may be their trade was not read.
        left_out: How many rejected events were not kept, as enough of their kind were.
        left_out_doubtful: How many of them may be trades.
    """

    decoded: channel.Decoded
    record: FramesSeen | None
    trades: tuple[Trade, ...]
    hashes: tuple[int, ...]
    confirmed: tuple[TokenId, ...]
    since_ns: int = 0
    slipped: tuple[Slip, ...] = ()
    left_out: int = 0
    left_out_doubtful: int = 0
    withdrawn: tuple[Withdrawn, ...] = ()


class Ingest:
    """Decodes frames, numbers identical trades, fills the coverage book; one for each epoch.

    Attributes:
        coverage: The coverage book.
        canary_confirmed: Canaries that have received their first `book`.
        dumped_ms: The latest change before the first snapshots; 0: none is known.
        first_books: The last change before the first snapshot of tokens.
    """

    def __init__(
        self,
        spec: ConnectionSpec,
        epoch: int,
        lateness: Lateness | None = None,
        samples: Samples | None = None,
    ) -> None:
        self.coverage = CoverageBook(epoch, lateness)
        self._spec = spec
        self._canary = frozenset(spec.canary)
        self._occurrences = OccurrenceCounter()
        self.doubts = Doubts(self.coverage)
        # Two, so that a flood of what is no trade does not make the counts of the others forgotten.
        self._doubtful = PayloadCounter()
        self._strange = PayloadCounter(most_keys=100)
        self._samples = samples or Samples()
        self.canary_confirmed: frozenset[TokenId] = frozenset()
        self.dumped_ms = 0
        self.first_books: dict[TokenId, int] = {}

    def take(self, frames: Sequence[bytes], received_at_ns: int) -> Ingested:
        """Decode frames that arrived together. Never raises, whatever the feed sends."""
        coverage = self.coverage
        # By the exchange's clock: no trade is rejected because ours is wrong.
        latest_ms = self.latest_ms(received_at_ns)
        decoded = channel.decode(frames, received_at_ns, latest_ms)
        left_out: tuple[str, ...] = ()  # the kind of each
        if decoded.rejections:
            # Before any are left out: what is not kept counts among those that are alike, too.
            decoded = self._numbered(decoded, received_at_ns)
            decoded, left_out = self._sampled(decoded, received_at_ns, latest_ms)
        trades, hashes, most = self._occurrences.number(self._own(decoded.trades))
        record = None
        if trades or decoded.rejections:
            record = self._record(decoded, trades, hashes, received_at_ns, latest_ms)
        if most > MOST_ALIKE:
            decoded = set_aside(decoded, self._numbers(decoded.trades, trades))
            within = [trade.occurrence <= MOST_ALIKE for trade in trades]
            trades, hashes = tuple(compress(trades, within)), tuple(compress(hashes, within))
        # Before the books: a trade in front of the first `book` of its token does not count.
        withdrawn: tuple[Withdrawn, ...] = ()
        if decoded.doubts:
            withdrawn = self.doubts.take(decoded, self._canary, received_at_ns)
        else:
            coverage.add_trades(trades, received_at_ns)
        slipped: tuple[Slip, ...] = ()
        if decoded.exchange_ms is not None:
            slipped = coverage.compare_clocks(received_at_ns, decoded.exchange_ms)
        since_ns, confirmed = received_at_ns, tuple[TokenId, ...]()
        if decoded.books:
            since_ns = coverage.begins_ns(received_at_ns)
            confirmed = self._confirmed(decoded, since_ns)
        return Ingested(
            decoded,
            record,
            trades,
            hashes,
            confirmed,
            since_ns=since_ns,
            slipped=slipped,
            left_out=len(left_out),
            left_out_doubtful=left_out.count(""),
            withdrawn=withdrawn,
        )

    def _sampled(
        self, decoded: channel.Decoded, received_at_ns: int, latest_ms: int
    ) -> tuple[channel.Decoded, tuple[str, ...]]:
        """Leave out what is rejected when enough of its kind is kept; return the kinds of that."""
        samples = self._samples
        taken = [
            samples.takes(kind, len(rejection.payload), received_at_ns)
            if kind
            else samples.takes_doubtful(len(rejection.payload), received_at_ns)
            for kind, rejection in zip(decoded.kinds, decoded.rejections, strict=True)
        ]
        if all(taken):
            return decoded, ()
        fewer = without(
            decoded, taken, lambda raw: channel.decode((raw,), received_at_ns, latest_ms)
        )
        return fewer, tuple((Counter(decoded.kinds) - Counter(fewer.kinds)).elements())

    def _numbered(self, decoded: channel.Decoded, received_at_ns: int) -> channel.Decoded:
        numbers = [
            (self._strange if kind else self._doubtful).number(rejection.payload, received_at_ns)
            for kind, rejection in zip(decoded.kinds, decoded.rejections, strict=True)
        ]
        pairs = zip(decoded.rejections, numbers, strict=True)
        numbered = tuple([msgspec.structs.replace(each, occurrence=k) for each, k in pairs])
        return msgspec.structs.replace(decoded, rejections=numbered)

    def latest_ms(self, received_at_ns: int) -> int:
        """Return the last time that an event received then may carry: a day ahead of now.

        Now is what the exchange's clock shows, as far as it is known. Before it is known every
        time up to the year 2100 is taken: no trade is rejected because our clock is wrong.
        """
        clock, proven_ns = self.coverage.clock, self.coverage.proven_until_ns
        if not clock.known:
            return LATEST_MS
        present_ns = received_at_ns + max(0, clock.offset_ms) * 1_000_000
        return max(present_ns, proven_ns) // 1_000_000 + DAY_MS

    def record_tokens(self, tokens: Iterable[TokenId]) -> None:
        """Record the trades of these from now on, though one may have been a canary."""
        self._canary = self._canary.difference(tokens)
        self.canary_confirmed = self.canary_confirmed.difference(tokens)

    def add_canary(self, token: TokenId) -> None:
        """Leave the trades of a token to the connection that records them."""
        self._canary |= {token}

    def drop_canary(self, token: TokenId) -> None:
        """Forget that a canary was confirmed; its last trades are still left out."""
        self.canary_confirmed -= {token}

    def missed(self, trade: Trade) -> bool:
        """Return whether this connection claims to have received a trade that never arrived."""
        claimed = self.coverage.claims(trade.token_id, trade.traded_at_ms)
        return claimed and not self._occurrences.seen(trade)

    def _own(self, received: tuple[Trade, ...]) -> tuple[Trade, ...]:
        if not self._canary:
            return received
        return tuple([trade for trade in received if trade.token_id not in self._canary])

    def _confirmed(self, decoded: channel.Decoded, at_ns: int) -> tuple[TokenId, ...]:
        own = tuple([token for token in decoded.books if self.coverage.add_book(token, at_ns)])
        canaries = self._canary.intersection(decoded.books) - self.canary_confirmed
        if own or canaries:
            first = canaries.union(own)
            self.canary_confirmed |= canaries
            changed = {token: at_ms for token, at_ms in decoded.changes if token in first}
            self.first_books.update(changed)
            self.dumped_ms = max(self.dumped_ms, *changed.values(), 0)
        return own

    def _record(
        self,
        decoded: channel.Decoded,
        trades: tuple[Trade, ...],
        hashes: tuple[int, ...],
        received_at_ns: int,
        latest_ms: int,
    ) -> FramesSeen:
        rejected = [each.occurrence for each in decoded.rejections]
        if len(decoded.trades) > len(trades):  # frames with nothing but canaries are kept by others
            parts = [channel.decode((raw,), received_at_ns, latest_ms) for raw in decoded.kept]
            parts = [part for part in parts if part.rejections or self._own(part.trades)]
            decoded = sum(parts, channel.Decoded())
        raws = decoded.kept
        # A replay pairs numbers and trades by position, so a trade of a canary keeps its place.
        occurrences = self._numbers(decoded.trades, trades)
        if rejected:
            # All rejections are kept, in their order, whatever was left out around them.
            occurrences += rejected_numbers(map(RejectedEvent, decoded.rejected_after, rejected))
        epoch, connection = self.coverage.epoch, self._spec.name
        return FramesSeen(epoch, connection, received_at_ns, occurrences, raws, hashes)

    def _numbers(self, received: Sequence[Trade], own: Sequence[Trade]) -> tuple[int, ...]:
        """Return the occurrence of each trade that was received; 0 for that of a canary."""
        if len(received) == len(own):
            return tuple([trade.occurrence for trade in own])
        numbered = iter(own)
        return tuple(
            0 if trade.token_id in self._canary else next(numbered).occurrence for trade in received
        )


# Ten seconds each by default. Only whole slices are forgotten, so some counts stay 10 s longer.
_SLICES: Final = 60


class Numbered(NamedTuple):
    """Trades, each with its occurrence, the `trade_hash` of each, and the largest occurrence."""

    trades: tuple[Trade, ...]
    hashes: tuple[int, ...]
    most: int = 1


class OccurrenceCounter:
    """Numbers identical trades on one connection; each epoch has a counter of its own.

    The feed has no trade id, and two real trades may look the same. The k-th identical trade
    on one connection is the k-th on every other, so that number, with all that a trade says,
    is its identity.

    Counts are kept by exchange time, in slices. A slice is forgotten when all of it lies more
    than `window_ms` behind the newest time seen, and the oldest go first when more than
    `most_keys` trades are remembered. An identical trade that comes later than that counts as
    a first one, and the unique key in the database then takes it for a duplicate.

    Args:
        window_ms: How far back in exchange time identical trades are recognised.
        most_keys: How many distinct trades are remembered, about 100 bytes each.
    """

    def __init__(self, *, window_ms: int = 600_000, most_keys: int = 50_000) -> None:
        self._window_ms = window_ms
        self._slice_ms = max(1, window_ms // _SLICES)
        self._most_keys = most_keys
        self._slices: dict[int, dict[int, int]] = {}
        self._later_ms = 0  # the first time behind the newest slice
        self._keys = 0

    def __len__(self) -> int:
        """Return how many distinct trades are remembered."""
        return self._keys

    def number(self, trades: Sequence[Trade]) -> Numbered:
        """Return the trades, in the same order, each with its occurrence.

        Args:
            trades: As decoded: each the first of its kind.
        """
        digests = trade_hashes(trades)
        counts = self._count(trades, digests)
        # Nearly always. The hashes were computed for occurrence 1, so they are right already.
        if counts.count(1) == len(counts):
            return Numbered(tuple(trades), digests)
        numbered = tuple(
            trade if count == 1 else msgspec.structs.replace(trade, occurrence=count)
            for trade, count in zip(trades, counts, strict=True)
        )
        # The occurrence is part of the hash, or the second of two identical trades would be dropped
        # by the unique key.
        return Numbered(numbered, trade_hashes(numbered), max(counts))

    def seen(self, trade: Trade) -> bool:
        """Return whether this trade, with its occurrence, is among those that are remembered."""
        counts = self._slices.get(trade.traded_at_ms // self._slice_ms, {})
        # Trades are counted as decoded, before they have a number; all
        # identical ones share that key.
        first = (msgspec.structs.replace(trade, occurrence=1),)
        (key,) = _keys(first, trade_hashes(first))
        return counts.get(key, 0) >= trade.occurrence

    def _count(self, trades: Sequence[Trade], digests: Sequence[int]) -> list[int]:
        found: list[int] = []
        for trade, key in zip(trades, _keys(trades, digests), strict=True):
            place = trade.traded_at_ms // self._slice_ms
            counts = self._slices.get(place)
            if counts is None:
                counts = self._slices[place] = {}
            count = counts[key] = counts.get(key, 0) + 1
            found.append(count)
            if count == 1:
                self._keys += 1
                if trade.traded_at_ms >= self._later_ms or self._keys > self._most_keys:
                    # A trade may carry a time of tomorrow; it must not push today out.
                    self._forget(min(trade.traded_at_ms, trade.received_at_ns // 1_000_000))
        return found

    def _forget(self, now_ms: int) -> None:
        if now_ms >= self._later_ms:
            self._later_ms = (now_ms // self._slice_ms + 1) * self._slice_ms
            oldest = (now_ms - self._window_ms) // self._slice_ms
            for place in [place for place in self._slices if place < oldest]:
                self._keys -= len(self._slices.pop(place))
        while self._keys > self._most_keys:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        place = min(self._slices)
        counts = self._slices.pop(place)
        self._keys -= len(counts)
        if not self._slices:
            # All in one slice: the later half of it stays.
            later = dict(islice(counts.items(), (len(counts) + 1) // 2, None))
            self._slices[place] = later
            self._keys = len(later)


class PayloadCounter:
    """Numbers rejected events with the same bytes, as `OccurrenceCounter` numbers trades.

    A count is forgotten once its event did not come again for one to two times `window_s`, or
    when more than `most_keys` others came since. In a flood, which may come on every connection at
    once, it is kept for `flood_s` only: events that are alike have the same exchange time, so they
    come close together.

    Args:
        window_s: In seconds of the receipt.
        flood_s: The same where `few_keys` or more came within that time.
        few_keys: So many distinct events in `flood_s` are a flood.
        most_keys: How many distinct events are remembered, twice, about 100 bytes each.
    """

    def __init__(
        self,
        *,
        window_s: int = 600,
        flood_s: int = 10,
        few_keys: int = 200,
        most_keys: int = 10_000,
    ) -> None:
        self._window_ns = window_s * 1_000_000_000
        self._flood_ns = flood_s * 1_000_000_000
        self._few_keys = few_keys
        self._most_keys = most_keys
        self._since_ns = 0
        self._now: dict[int, int] = {}
        self._before: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many distinct events are remembered."""
        return len(self._now) + len(self._before)

    def number(self, payload: bytes, received_at_ns: int) -> int:
        """Return k for the k-th event with these bytes."""
        keys = len(self._now)
        window_ns = self._flood_ns if keys >= self._few_keys else self._window_ns
        if received_at_ns - self._since_ns >= window_ns or keys >= self._most_keys:
            self._since_ns = received_at_ns
            self._now, self._before = {}, self._now
        key = hash(payload)
        count = self._now.get(key) or self._before.get(key, 0)
        self._now[key] = count + 1
        return count + 1


def _keys(firsts: Sequence[Trade], digests: Sequence[int]) -> list[int]:
    # A hash has 64 bits again, and a third of the memory of what goes into it.
    identities = zip(
        [first.token_id for first in firsts],
        [first.traded_at_ms for first in firsts],
        digests,
        strict=True,
    )
    return list(map(hash, identities))
