"""What is absent: final answers about markets that ended, and final answers of single sources.

A source that fails shows; one that answers and never has anything useful does not, and nor do
markets of which nobody ever says how they ended. Both are counted here, market by market as things
happen, so that nothing passes through all markets. What is counted belongs to this process: the
database does not say what was counted before, and resolved markets are not read back.

`now` is monotonic seconds, `*_ms` wall clock milliseconds since 1970, all passed in.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from functools import cache

import msgspec

from actors.model.market import ALL, EndedMarkets, Market, Observation, Source
from actors.model.trade import ConditionId
from actors.polymarket.contract.chain import is_on_chain

NO_SOURCE: frozenset[Source] = frozenset()

OVERDUE_S = 3_600.0
"""So long after its end a market should have a final answer of some source."""
COUNTED_S = 86_400.0
"""The markets of so long a time are counted together."""
BUCKET_S = 300.0
STEP_S = 60.0
"""A clock that differs by more from one tick to the next was set, or the machine has slept."""
MOST_ENDED = 100_000
"""Markets that are kept, 20 MB at most with their ids; what ends beyond them is not counted."""

WAIT_POLLS = 14
"""A source is judged about a market so many poll intervals after another one called it final: at
60 s within a quarter of an hour, and after the first recheck, in which all sources are asked."""
MUTE_AFTER = 20
"""Without a final answer about so many markets in a row a source is mute."""
KEPT_S = 7_200.0
"""So long a final answer that comes late shows that its source is not mute."""
MOST_CALLED = 20_000


class OverdueLabels:
    """Counts the markets that ended, and those of which no source has had a final answer.

    A market is counted from when its end is noticed, in steps of five minutes. Only what ends while
    this process runs is counted: of the markets that ended before, those with a resolution are not
    read back, and the share of the others would be wrong. For the same reason the count says
    nothing before it has a whole day, unless there is no final answer at all, about any market.
    A step of the clock begins it again.
    """

    def __init__(self) -> None:
        self._now = self._offset_s = self._began = 0.0
        self._began_ms: int | None = None
        self._wall_ms = 0
        self._any_final = False
        self._bucket_of: dict[ConditionId, int] = {}
        self._buckets: OrderedDict[int, dict[ConditionId, frozenset[Source]]] = OrderedDict()
        self._due_to = 0  # buckets before this one are counted
        self._counts: Counter[frozenset[Source]] = Counter()

    def tick(self, now: float, wall_ms: int) -> None:
        """Record the time, and move on by the buckets that are over."""
        offset_s = wall_ms / 1000 - now
        if self._began_ms is None or abs(offset_s - self._offset_s) > STEP_S:
            self._begin(now, wall_ms)
        self._now, self._wall_ms, self._offset_s = now, wall_ms, offset_s
        due_to = _bucket(now - OVERDUE_S)
        for number in range(self._due_to, due_to) if self._buckets else ():
            self._counts.update(self._buckets.get(number, {}).values())
        self._due_to = max(self._due_to, due_to)
        gone_before = _bucket(now - OVERDUE_S - COUNTED_S)
        while self._buckets and next(iter(self._buckets)) < gone_before:
            _, markets = self._buckets.popitem(last=False)
            self._counts.subtract(markets.values())
            for condition_id in markets:
                del self._bucket_of[condition_id]

    def _begin(self, now: float, wall_ms: int) -> None:
        self._began, self._began_ms = now, wall_ms
        self._any_final = False
        self._bucket_of.clear()
        self._buckets.clear()
        self._counts.clear()

    def is_new(self, condition_id: ConditionId, end_ms: int) -> bool:
        """Return whether a market that ended then is to be counted, and is not yet."""
        if self._began_ms is None or condition_id in self._bucket_of:
            return False
        # What ended longer ago was counted, and is forgotten: it may be checked for days.
        first_ms = max(self._began_ms, self._wall_ms - int(COUNTED_S * 1000))
        last_ms = self._wall_ms + int(STEP_S * 1000)
        return first_ms <= end_ms <= last_ms and len(self._bucket_of) < MOST_ENDED

    def ended(self, condition_id: ConditionId, final: frozenset[Source]) -> None:
        """Count a market for which `is_new` holds; `final` are the sources that call it final."""
        number = _bucket(self._now)
        self._bucket_of[condition_id] = number
        self._buckets.setdefault(number, {})[condition_id] = _shared(final)

    def called_final(self, condition_id: ConditionId, source: Source) -> None:
        """Record that a source has a final answer about a market, whether that is counted or not.

        One that takes it back later has had it all the same.
        """
        self._any_final = True
        number = self._bucket_of.get(condition_id)
        if number is None or source in self._buckets[number][condition_id]:
            return
        before = self._buckets[number][condition_id]
        after = self._buckets[number][condition_id] = _shared(before | {source})
        if number < self._due_to:
            self._counts[before] -= 1
            self._counts[after] += 1

    def goes_on(self, condition_id: ConditionId) -> None:
        """Count a market no more, since it is listed as open with a later end or none."""
        number = self._bucket_of.get(condition_id)
        if number is None or self._buckets[number][condition_id]:
            return
        del self._bucket_of[condition_id], self._buckets[number][condition_id]
        if number < self._due_to:
            self._counts[NO_SOURCE] -= 1

    def count(self) -> EndedMarkets | None:
        """Return the count; None while nothing can be said, in the first 25 hours."""
        whole = self._now - self._began >= OVERDUE_S + COUNTED_S
        if self._began_ms is None or (self._any_final and not whole):
            return None
        return EndedMarkets(
            ended=self._counts.total(),
            overdue=self._counts[NO_SOURCE],
            without=tuple((each, self._without(each)) for each in Source),
        )

    def _without(self, source: Source) -> int:
        return sum(count for final, count in self._counts.items() if source not in final)


def _bucket(now: float) -> int:
    return int(now // BUCKET_S)


@cache
def _shared(final: frozenset[Source]) -> frozenset[Source]:
    """Return the same object for equal sets, of which there are few."""
    return final


class _Called(msgspec.Struct):
    """A market that some source called final.

    Attributes:
        at: When the first one did; monotonic seconds.
        expected: The sources that should come to do so.
        final: Those that have done so.
        answered: Those that have answered about it since.
    """

    at: float
    expected: frozenset[Source]
    final: frozenset[Source]
    answered: frozenset[Source] = NO_SOURCE


class MuteSources:
    """Finds the sources that answer and have nothing final, where others have.

    A source is judged about each market `WAIT_POLLS` polls after another one called it final, if
    it has answered about it since: one that fails is not judged. It is mute after `MUTE_AFTER`
    markets in a row of which it called none final, and no more when it calls one final again.

    Args:
        poll_s: Seconds between two polls of a market.
    """

    def __init__(self, poll_s: float) -> None:
        self._wait_s = WAIT_POLLS * poll_s
        self._kept_s = max(KEPT_S, 2 * self._wait_s)
        self._now = 0.0
        self._called: OrderedDict[ConditionId, _Called] = OrderedDict()
        self._to_judge: deque[_Called] = deque()
        self._missed: Counter[Source] = Counter()

    def tick(self, now: float) -> None:
        """Record the time, judge the sources about the markets that are due, forget old ones."""
        self._now = now
        while self._to_judge and now >= self._to_judge[0].at + self._wait_s:
            called = self._to_judge.popleft()
            self._missed.update((called.expected & called.answered) - called.final)
        while self._called and now >= next(iter(self._called.values())).at + self._kept_s:
            self._called.popitem(last=False)

    @property
    def mute(self) -> tuple[Source, ...]:
        """Return the sources that are mute."""
        return tuple(each for each in Source if self._missed[each] >= MUTE_AFTER)

    def knows(self, condition_id: ConditionId) -> bool:
        """Return whether it is kept that this market was called final, and when."""
        return condition_id in self._called

    def add(
        self, condition_id: ConditionId, expected: frozenset[Source], final: frozenset[Source]
    ) -> None:
        """Take in a market that some source calls final only now, and that is not known here.

        Args:
            condition_id: Of the market.
            expected: The sources that should come to call it final.
            final: Those that did so before.
        """
        called = self._called[condition_id] = _Called(self._now, expected, final)
        self._to_judge.append(called)
        if len(self._called) > MOST_CALLED:
            self._called.popitem(last=False)

    def called_final(self, condition_id: ConditionId, source: Source) -> None:
        """Record that a source calls a market final; of one that is not known here ignore it.

        What it repeats of old markets does not show that it has anything about new ones.
        """
        called = self._called.get(condition_id)
        if called is not None and source not in called.final:
            called.final |= {source}
            self._missed[source] = 0

    def answered(self, source: Source, ids: Iterable[ConditionId], made_at: float) -> None:
        """Record that a source has answered about these markets, whatever it said.

        Args:
            source: That was asked.
            ids: The markets that it was asked about.
            made_at: When the answer was made; one out of a cache is older than the question.
        """
        for condition_id in ids:
            called = self._called.get(condition_id)
            if called is not None and made_at >= called.at:
                called.answered |= {source}


def expected_of(
    observation: Observation, market: Market, *, public_nodes: bool
) -> frozenset[Source]:
    """Return the sources that should come to call a market final that one of them does."""
    expected = {Source.GAMMA, Source.DATA}
    winner = ALL in (share for _, share in observation.payouts or ())
    # The CLOB flags winners, so it has nothing to say of a split, and knows few of V2.
    if market.version == "v1" and winner:
        expected.add(Source.CLOB)
    if is_on_chain(market) and not public_nodes:
        expected.add(Source.CHAIN)
    return frozenset(expected)
