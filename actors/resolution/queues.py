"""Which source is asked about which market next.

A market that is due waits in a queue of each source that is to be asked about it, in each once.
Each source takes its batches at its own pace, so one that is slow, fails or has used up its rate
limit delays only itself: what it was not asked about stays in its queue until it is able. A queue
is bounded by the markets that wait for their outcome.

A poll of a market begins when it is due and ends when every source that was asked has answered
or is not able to; then its state is judged. So two answers of one poll that arrive one after the
other make no state that lasts a tenth of a second.

Times are monotonic seconds, passed in.
"""

from collections import OrderedDict, deque
from collections.abc import Container, Iterable
from enum import IntEnum

import msgspec

from actors.errors import PayloadRejected, SourceUnavailable
from actors.model.market import Source
from actors.model.trade import ConditionId
from actors.polymarket.pagination import is_answer
from actors.resolution.polling import PageRequest, Request

LONGEST_POLL_S = 600.0
"""After so long a poll ends, although a source that answers has not come to this market."""


class Urgency(IntEnum):
    """Why a market is polled. Each class of markets has its turns, so none delays another.

    Attributes:
        NEW: It ended, is reported as closed or resolved, changed, or its hold ends.
        AGAIN: Its interval is over.
        RECHECK: It has a resolution, which is compared with the sources.
        IDLE: Only while the source has nothing else to do.
    """

    NEW = 0
    AGAIN = 1
    RECHECK = 2
    IDLE = 3


_TURNS = (Urgency.NEW, Urgency.AGAIN, Urgency.NEW, Urgency.RECHECK)
"""The classes from which the markets of batches are taken, over and over; empty ones are passed."""


class SourceQueue:
    """The markets about which one source is to be asked, each once."""

    def __init__(self) -> None:
        # An OrderedDict, since taking the first of a dict passes all that were taken before.
        self._classes = {each: OrderedDict[ConditionId, None]() for each in Urgency}
        self._urgency: dict[ConditionId, Urgency] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._urgency)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._urgency

    @property
    def urgency(self) -> Urgency | None:
        """Return the most urgent class in which a market waits, or None when none does."""
        return next((each for each, found in self._classes.items() if found), None)

    def put(self, condition_id: ConditionId, urgency: Urgency, *, first: bool = False) -> None:
        """Add a market; one that waits keeps its place, unless it is more urgent now.

        Args:
            condition_id: Of the market.
            urgency: Its class.
            first: Whether it goes before the others of its class.
        """
        before = self._urgency.get(condition_id)
        if before is not None:
            if before <= urgency:
                return
            del self._classes[before][condition_id]
        self._urgency[condition_id] = urgency
        self._classes[urgency][condition_id] = None
        if first:
            self._classes[urgency].move_to_end(condition_id, last=False)

    def take(self, most: int) -> tuple[ConditionId, ...]:
        """Take at most so many markets, from each class in its turn, the oldest first."""
        taken: list[ConditionId] = []
        idle = self.urgency is Urgency.IDLE
        while len(taken) < most and (urgency := self.urgency) is not None:
            if urgency is Urgency.IDLE:
                if not idle:
                    break
            else:
                urgency, self._turn = _TURNS[self._turn], (self._turn + 1) % len(_TURNS)
            if self._classes[urgency]:
                taken.append(self._classes[urgency].popitem(last=False)[0])
                del self._urgency[taken[-1]]
        return tuple(taken)

    def remove(self, condition_id: ConditionId) -> None:
        """Forget a market."""
        urgency = self._urgency.pop(condition_id, None)
        if urgency is not None:
            del self._classes[urgency][condition_id]


class DueMarket(msgspec.Struct, frozen=True, kw_only=True):
    """A market that is to be polled.

    Attributes:
        on_chain: Whether it may be on the contract that the chain is asked about.
        clob: How urgently the CLOB is asked about it: it takes one market a request; None: not.
    """

    condition_id: ConditionId
    urgency: Urgency
    on_chain: bool
    clob: Urgency | None


class EndedPoll(msgspec.Struct, frozen=True):
    """A poll that is over.

    Attributes:
        missed: No source reported anything, and not because none knows the market.
        late: It was over before; an answer came after it.
    """

    condition_id: ConditionId
    missed: bool = False
    late: bool = False


class _Poll(msgspec.Struct):
    """A poll under way.

    Attributes:
        waiting: The sources whose answers it waits for.
        clob: Whether the CLOB is asked.
        observed: Whether a source reported something.
        unanswered: Whether a source rejected the question or is not able to answer.
    """

    urgency: Urgency
    began_at: float
    waiting: set[Source]
    clob: bool
    unanswered: bool
    observed: bool = False

    def ended(self, condition_id: ConditionId) -> EndedPoll:
        return EndedPoll(condition_id, missed=self.unanswered and not self.observed)


class PollQueues:
    """The polls under way, and the queue of each source.

    Gamma is asked for the closed markets first, and then for those that it did not find among
    them as open ones: it lists either open or closed markets, and open ones when it is not told
    (since April 2026, for look-ups by id too). The CLOB is asked about each market that another
    source calls final.

    Args:
        sources: That are asked.
        known: The markets that wait; what is not among them any more is not asked about again.
    """

    def __init__(self, sources: Iterable[Source], known: Container[ConditionId]) -> None:
        self._queues = {each: SourceQueue() for each in sources}
        self._next: dict[Source, deque[Request]] = {each: deque() for each in self._queues}
        self._polls: OrderedDict[ConditionId, _Poll] = OrderedDict()
        self._known = known

    def waiting(self, source: Source) -> int:
        """Return about how many markets this source is still to be asked."""
        return len(self._queues[source]) + sum(len(each.ids) for each in self._next[source])

    @property
    def most_waiting(self) -> int:
        """Return about how many markets wait for the source for which most do."""
        return max(map(self.waiting, self._queues), default=0)

    def urgency(self, source: Source) -> Urgency | None:
        """Return how urgent the next request to this source is; None when there is none."""
        return Urgency.NEW if self._next[source] else self._queues[source].urgency

    # ----------------------------------------------------------------- polls

    def begin(
        self, market: DueMarket, now: float, able: Container[Source]
    ) -> tuple[EndedPoll, ...]:
        """Begin a poll; return the poll of the same market that it ends, if any.

        Args:
            market: That is due.
            now: Monotonic seconds.
            able: The sources that answer, as far as is known: of these alone it waits for answers.
        """
        condition_id, before = market.condition_id, self._polls.pop(market.condition_id, None)
        clob = market.clob is not None and market.clob is not Urgency.IDLE
        asked = {each for each in self._queues if each is not Source.CLOB or clob}
        if not market.on_chain:
            asked.discard(Source.CHAIN)
        for source in asked:
            self._put(source, condition_id, market.urgency)
        if market.clob is Urgency.IDLE:
            self._put(Source.CLOB, condition_id, Urgency.IDLE)
        waiting = {each for each in asked if each in able}
        self._polls[condition_id] = _Poll(
            urgency=market.urgency,
            began_at=now,
            waiting=waiting,
            clob=clob,
            unanswered=waiting != asked,
        )
        return () if before is None else (before.ended(condition_id),)

    def ask_clob(self, condition_id: ConditionId, able: Container[Source]) -> None:
        """Ask the CLOB about a market that another source calls final, once in its poll."""
        poll = self._polls.get(condition_id)
        if poll is None:
            self._put(Source.CLOB, condition_id, Urgency.AGAIN)
        elif not poll.clob:
            poll.clob = True
            self._put(Source.CLOB, condition_id, poll.urgency)
            if Source.CLOB in able:
                poll.waiting.add(Source.CLOB)

    def overdue(self, now: float) -> tuple[EndedPoll, ...]:
        """End the polls that have waited for an answer too long."""
        ended: list[EndedPoll] = []
        while self._polls:
            condition_id, poll = next(iter(self._polls.items()))
            if now < poll.began_at + LONGEST_POLL_S:
                break
            del self._polls[condition_id]
            poll.unanswered = True
            ended.append(poll.ended(condition_id))
        return tuple(ended)

    def remove(self, condition_id: ConditionId) -> None:
        """Ask no more about this market."""
        self._polls.pop(condition_id, None)
        for queue in self._queues.values():
            queue.remove(condition_id)

    # -------------------------------------------------------------- requests

    def next(self, source: Source, most: int) -> Request | None:
        """Return the next request to this source, about at most so many markets."""
        if self._next[source]:
            return self._next[source].popleft()
        idle = self._queues[source].urgency is Urgency.IDLE
        ids = self._queues[source].take(most)
        if not idle:
            for condition_id in ids:  # it may not have been able when the poll began
                if (poll := self._polls.get(condition_id)) is not None:
                    poll.waiting.add(source)
        return Request(source, ids, closed=source is Source.GAMMA, idle=idle) if ids else None

    def answered(
        self, request: Request, observed: Iterable[ConditionId], able: Container[Source]
    ) -> tuple[EndedPoll, ...]:
        """Take in which markets an answer reports on; return the polls that it ends.

        Args:
            request: That was answered.
            observed: Those of its markets on which the answer reports.
            able: The sources that answer, as far as is known.
        """
        found = set(observed)
        for condition_id in found:
            if (poll := self._polls.get(condition_id)) is not None:
                poll.observed = True
        ids = request.ids
        if request.source is Source.GAMMA and request.closed:
            rest = tuple(each for each in ids if each not in found)
            ids = tuple(each for each in ids if each in found)
            if rest:
                self._next[Source.GAMMA].appendleft(Request(Source.GAMMA, rest))
        return self._done(request.source, ids, able)

    def failed(
        self,
        request: Request,
        failure: SourceUnavailable | PayloadRejected,
        able: Container[Source],
    ) -> tuple[EndedPoll, ...]:
        """Take in a failure; return the polls that it ends.

        When one market may be why, each half of the request is next. When the source is away, the
        markets wait at the front of its queue.
        """
        source = request.source
        if not is_answer(failure):
            while self._next[source]:
                self.put_back(self._next[source].pop())
            self.put_back(request)
            return ()
        if len(request.ids) > 1:
            self._halve(request)
            return ()
        return self._done(source, request.ids, able, answered=False)

    def away(self, source: Source, able: Container[Source]) -> tuple[EndedPoll, ...]:
        """Wait for a source no more, since it is not able to answer; return the ended polls."""
        waits = [each for each, poll in self._polls.items() if source in poll.waiting]
        return self._done(source, waits, able, answered=False)

    def _halve(self, request: Request) -> None:
        middle = len(request.ids) // 2
        for ids in (request.ids[middle:], request.ids[:middle]):
            self._next[request.source].appendleft(msgspec.structs.replace(request, ids=ids))
        if not _is_for_open(request):
            for condition_id in request.ids:  # a hint may have put it there meanwhile
                self._queues[request.source].remove(condition_id)

    def _put(self, source: Source, condition_id: ConditionId, urgency: Urgency) -> None:
        # In a half of a request that failed it waits already.
        halves = (each.ids for each in self._next[source] if not _is_for_open(each))
        if not any(condition_id in ids for ids in halves):
            self._queues[source].put(condition_id, urgency)

    def put_back(self, request: Request | PageRequest) -> None:
        """Put the markets of a request in front again: its answer does not count."""
        if isinstance(request, PageRequest):
            return
        for condition_id in reversed(request.ids):
            if condition_id in self._known:
                poll = self._polls.get(condition_id)
                urgency = Urgency.AGAIN if poll is None else poll.urgency
                urgency = Urgency.IDLE if request.idle else urgency
                self._queues[request.source].put(condition_id, urgency, first=True)

    def _done(
        self,
        source: Source,
        ids: Iterable[ConditionId],
        able: Container[Source],
        *,
        answered: bool = True,
    ) -> tuple[EndedPoll, ...]:
        """Return the polls that end, now that nothing is waited for from this source."""
        ended: list[EndedPoll] = []
        for condition_id in ids:
            poll = self._polls.get(condition_id)
            if poll is None:
                ended.append(EndedPoll(condition_id, late=True))
                continue
            poll.waiting.discard(source)
            poll.unanswered |= not answered
            if not poll.waiting:  # but for sources that are back since it began
                poll.waiting |= {
                    each
                    for each, queue in self._queues.items()
                    if each in able and condition_id in queue
                    if poll.clob or each is not Source.CLOB
                }
            if not poll.waiting:
                del self._polls[condition_id]
                ended.append(poll.ended(condition_id))
        return tuple(ended)


def _is_for_open(request: Request) -> bool:
    # Not what a queue of Gamma asks first: the market may have closed since.
    return request.source is Source.GAMMA and not request.closed
