"""The requests to the sources that are under way, at most one to each."""

import msgspec

from actors.actor import Mailbox
from actors.model.market import Observation, Source
from actors.model.trade import ConditionId
from actors.resolution.asking import Asker
from actors.resolution.polling import PageRequest, Request

OVERDUE_S = 300.0
"""A call that takes so long hangs where no deadline reaches: in the resolver."""


REST_S = 3.0
"""Between two requests to a source whose answers cannot be dated yet."""


class Asked(msgspec.Struct, frozen=True):
    """A request under way.

    Attributes:
        at: Monotonic seconds.
        wall_ms: By which its observations are dated: the answer is not made before.
    """

    request: Request | PageRequest
    at: float
    wall_ms: int


class RequestsUnderWay:
    """Sends requests, and dates the observations that they bring. In the thread of its actor."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._asked: dict[Source, Asked] = {}
        self._dated: dict[tuple[Source, ConditionId], int] = {}  # observed since the last tick
        self._asked_at: dict[Source, float] = {}

    def __contains__(self, source: object) -> bool:
        """Return whether a request to this source is under way."""
        return source in self._asked

    def tick(self) -> None:
        """Forget what was observed before this tick."""
        self._dated.clear()

    def ask(
        self, request: Request | PageRequest, now: float, wall_ms: int, reply_to: Mailbox
    ) -> None:
        """Send a request to its source.

        Args:
            request: To a source that was asked nothing meanwhile.
            now: Monotonic seconds.
            wall_ms: Wall clock.
            reply_to: Who gets `SourceAnswered`.
        """
        self._asked[request.source] = Asked(request, now, self._date(request, wall_ms))
        self._asked_at[request.source] = now
        self._asker.ask(request, reply_to)

    def rested(self, source: Source, now: float) -> bool:
        """Return whether the last request to this source was a while ago."""
        return now >= self._asked_at.get(source, float("-inf")) + REST_S

    def clock_set(self, wall_ms: int) -> None:
        """Date what is under way not later than now: the clock was ahead, and is set back."""
        self._asked = {
            source: msgspec.structs.replace(each, wall_ms=min(each.wall_ms, wall_ms))
            for source, each in self._asked.items()
        }

    def answered(self, request: Request | PageRequest) -> Asked | None:
        """Return when an answered request was made; None when it was abandoned."""
        asked = self._asked.get(request.source)
        if asked is None or asked.request is not request:
            return None
        del self._asked[request.source]
        return asked

    def dated(self, observation: Observation) -> None:
        """Record the time of an observation: the next of its source must have a later one."""
        self._dated[observation.source, observation.condition_id] = observation.observed_at_ms

    def abandon_overdue(self, now: float) -> tuple[Request | PageRequest, ...]:
        """Wait no more for calls without end; return their requests."""
        late = [each for each in self._asked.values() if now >= each.at + OVERDUE_S]
        for asked in late:
            self._asker.abandon(asked.request.source)
            del self._asked[asked.request.source]
        return tuple(asked.request for asked in late)

    def _date(self, request: Request | PageRequest, wall_ms: int) -> int:
        """Return the time of the observations that this request brings.

        Market, source and time are the key of a stored observation. A source may be asked about
        a market twice between two ticks, and with equal times the second would be lost.
        """
        if isinstance(request, PageRequest):  # it may have any market
            before = [at for (source, _), at in self._dated.items() if source is request.source]
        else:
            keys = [(request.source, each) for each in request.ids]
            before = [self._dated[each] for each in keys if each in self._dated]
        return max([wall_ms, *(at + 1 for at in before)])
