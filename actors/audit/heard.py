"""What the stream of all markets told of late: a bounded sample, and when the stream was alive.

A market is kept or not by a hash of its id, so what is kept of a market is all of it. When too
much is kept, half of the markets are dropped; when it is little for long, they are kept again from
then on. What was told twice is kept once. An hour of a market is told as whole only if the stream
was alive, and the market kept, all the time. In the thread of whoever holds its lock.
"""

from collections import Counter, deque
from collections.abc import Iterator
from hashlib import blake2b
from random import Random
from typing import Final

from actors.model.audit import Fill, Told
from actors.model.trade import ConditionId

MOST_KEPT: Final = 20_000
"""Matches; 16 MB. At 33 a second those of one market in sixteen."""
KEPT_MS: Final = 9_000_000
"""Two hours and a half: an hour is compared within one after its end."""
LEVELS: Final = 33
MOST_NAMED: Final = 20_000
"""So many market ids are known to be named already."""
MOST_HINTS: Final = 1_000
_FEW: Final = 4
"""With less than one in so many of what may be kept, twice as many markets are kept."""


def rank(condition_id: ConditionId) -> int:
    """Return how long a market is kept while more and more are dropped: half of all at each."""
    number = int.from_bytes(blake2b(condition_id.encode(), digest_size=8).digest())
    return min((number & -number).bit_length() - 1 if number else LEVELS, LEVELS - 1)


class Heard:
    """What the stream told of late.

    Args:
        most: How many matches are kept.
        kept_ms: How long.

    Attributes:
        rejected_total: Messages that could not be used.
    """

    def __init__(self, most: int = MOST_KEPT, kept_ms: int = KEPT_MS) -> None:
        self._most, self._kept_ms = most, kept_ms
        self._level = 0
        self._changed_ms: int | None = None
        # Since when markets of each rank are kept; None: they are not.
        self._since: list[int | None] = [None] * LEVELS
        # By market, then by receipt: (when it was received, match).
        self._kept: dict[ConditionId, dict[Fill, int]] = {}
        self._order: deque[tuple[int, ConditionId, Fill]] = deque()
        self._spans: deque[list[int]] = deque()
        self._is_open = False
        self._rejected: deque[tuple[int, ConditionId | None, str]] = deque(maxlen=MOST_HINTS)
        self._cut_ms = 0
        self._given: dict[tuple[ConditionId, int], None] = {}
        self._named: dict[ConditionId, None] = {}
        self._hints: deque[ConditionId] = deque(maxlen=MOST_HINTS)
        self.rejected_total = 0

    def __len__(self) -> int:
        return len(self._order)

    @property
    def markets(self) -> int:
        """Return of how many markets something is kept."""
        return len(self._kept)

    @property
    def share(self) -> float:
        """Return which share of all markets is kept."""
        return 1.0 / (1 << self._level)

    # ------------------------------------------------------------- the stream

    def alive(self, at_ms: int) -> None:
        """Record that the stream told something: it is alive since it did so before."""
        if self._changed_ms is None:
            self._changed_ms = at_ms
            self._since = [at_ms] * LEVELS
        if self._is_open and self._spans[-1][1] <= at_ms:
            self._spans[-1][1] = at_ms
        else:  # our clock may have stepped back
            self._spans.append([at_ms, at_ms])
            self._is_open = True

    def lost(self) -> None:
        """Record that the stream ended, or was frozen since it told something last."""
        self._is_open = False

    def add(self, at_ms: int, condition_id: ConditionId, fill: Fill) -> None:
        """Take in a match, received at that time."""
        self._name(condition_id)
        if rank(condition_id) < self._level:
            return
        known = self._kept.setdefault(condition_id, {})
        if fill in known:
            return
        known[fill] = at_ms
        self._order.append((at_ms, condition_id, fill))
        while len(self._order) > self._most:
            self._raise(at_ms)

    def reject(self, at_ms: int, condition_id: ConditionId | None, why: str) -> None:
        """Record that a message could not be used."""
        self.rejected_total += 1
        if len(self._rejected) == self._rejected.maxlen:
            self._cut_ms = self._rejected[0][0]
        self._rejected.append((at_ms, condition_id, why))

    def forget(self, now_ms: int) -> None:
        """Forget what is old; keep more markets when there is space for long."""
        until = now_ms - self._kept_ms
        while self._order and self._order[0][0] < until:
            _, condition_id, fill = self._order.popleft()
            known = self._kept.get(condition_id)
            if known is not None:
                known.pop(fill, None)
                if not known:
                    del self._kept[condition_id]
        while self._spans and self._spans[0][1] < until:
            self._spans.popleft()
        self._is_open = self._is_open and bool(self._spans)
        while self._rejected and self._rejected[0][0] < until:
            self._rejected.popleft()
        self._given = {each: None for each in self._given if each[1] >= until - self._kept_ms}
        rested = self._changed_ms is not None and now_ms - self._changed_ms >= self._kept_ms
        if rested and self._level and len(self._order) < self._most // _FEW:
            self._level -= 1
            self._since[self._level] = self._changed_ms = now_ms

    def _raise(self, at_ms: int) -> None:
        """Drop half of the markets."""
        self._since[self._level] = None
        self._level += 1
        self._changed_ms = at_ms
        if self._level >= LEVELS:  # one market is too much: nothing is left of it either
            self._level = LEVELS - 1
            self._kept.clear()
            self._order.clear()
            return
        self._kept = {each: f for each, f in self._kept.items() if rank(each) >= self._level}
        self._order = deque(each for each in self._order if each[1] in self._kept)

    # ------------------------------------------------------------------- hours

    def draw(self, since_ms: int, until_ms: int, rng: Random) -> ConditionId | None:
        """Return a market that was traded in this time, by chance, and each once."""
        found = sorted(
            condition_id
            for condition_id, known in self._kept.items()
            if (condition_id, since_ms) not in self._given
            and any(since_ms <= fill.at_ms < until_ms for fill in known)
        )
        if not found:
            return None
        drawn = rng.choice(found)
        self._given[drawn, since_ms] = None
        return drawn

    def told(self, condition_id: ConditionId, since_ms: int, until_ms: int, now_ms: int) -> Told:
        """Return what the stream told of a market, as of now; whole if it was there all the time.

        Args:
            condition_id: The market.
            since_ms: From then on.
            until_ms: It must have been alive until then: what was traded before had been told.
            now_ms: Wall clock.
        """
        known = self._kept.get(condition_id, {})
        kept_since = self._since[rank(condition_id)]
        is_kept = kept_since is not None and kept_since <= since_ms
        return Told(
            fills=tuple(each for each in known if each.at_ms >= since_ms),
            made_at_ms=now_ms,
            is_whole=is_kept and self._was_alive(since_ms, until_ms),
            is_known=bool(known),
            rejected=tuple(sorted(Counter(self._rejections(condition_id, since_ms)).items())),
            pages=1,
        )

    def _was_alive(self, since_ms: int, until_ms: int) -> bool:
        return any(begin <= since_ms and until_ms <= end for begin, end in self._spans)

    def _rejections(self, condition_id: ConditionId, since_ms: int) -> Iterator[str]:
        if self._cut_ms >= since_ms:
            yield "too many rejected"
        for at_ms, whose, why in self._rejected:
            if at_ms >= since_ms and whose in (None, condition_id):
                yield why

    # ------------------------------------------------------------------- hints

    def _name(self, condition_id: ConditionId) -> None:
        """Note that the stream names a market: it exists."""
        if condition_id in self._named:
            return
        if len(self._named) >= MOST_NAMED:
            del self._named[next(iter(self._named))]
        self._named[condition_id] = None
        self._hints.append(condition_id)

    def hints(self, most: int) -> tuple[ConditionId, ...]:
        """Return some of the markets that were named for the first time, each once."""
        return tuple(self._hints.popleft() for _ in range(min(most, len(self._hints))))
