"""Virtual time for an actor: a heap of events, sources that answer late, a writer that stores.

Nothing sleeps and no thread is started: an event is a call at a time, and the clock is at the time
of the event that is carried out. Seconds are those of the virtual day.
"""

import heapq
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import count

from actors.actor import Address, BaseActor, Mailbox
from actors.messages import (
    ConflictsRestored,
    EvidenceRestored,
    MarketResolved,
    Message,
    RechecksRestored,
    RequestConflicts,
    RequestRechecks,
    RequestUnresolved,
    ResolutionConflict,
    ResolutionObserved,
    Tick,
    TicketsStored,
    UnresolvedRestored,
)
from actors.model.market import (
    RECHECKS_MS,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    TimeWindow,
)
from actors.model.trade import ConditionId
from actors.polymarket.sources import Chain, Sources
from actors.resolution.asking import calls_of
from actors.resolution.polling import PageRequest, Request
from tests.chaos.closing_world import WALL_MS, Closing, ClosingWorld
from tests.fakes_box import drain

STORED_AFTER_S = 1.0
ANSWERED_AFTER_S = 0.5
WINDOW_MS = 900_000
"""The database answers requests for rechecks in parts of so long."""


class VirtualTime:
    """The clock and what is still to happen, in the order of the times, then as it was planned."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    @property
    def wall_ms(self) -> int:
        """Return the wall clock in milliseconds since 1970."""
        return WALL_MS + int(self.now * 1000)

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        """Plan an event."""
        heapq.heappush(self._events, (seconds, next(self._numbers), event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Plan an event so long from now."""
        self.at(self.now + seconds, event)

    def run(self, until: float) -> None:
        """Carry out what is planned until then, and what that plans."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()


def tick_of(clock: VirtualTime) -> Tick:
    """Return the tick of this moment."""
    return Tick(now=1_000.0 + clock.now, wall_ns=WALL_MS * 1_000_000 + int(clock.now * 1e9))


class VirtualAsker:
    """Asks the fake sources; each takes its time and has one request at a time.

    Attributes:
        asked_s: When each source was asked.
    """

    def __init__(
        self, clock: VirtualTime, world: ClosingWorld, delays_s: dict[Source, float]
    ) -> None:
        self.chain: Chain | None = None
        self.asked_s: dict[Source, array[float]] = {each: array("d") for each in delays_s}
        self._clock, self._world, self._delays_s = clock, world, delays_s
        clients: dict[Source, Sources] = dict.fromkeys(delays_s, world)
        self._calls = calls_of(clients, None)
        self._actor: BaseActor | None = None
        self._busy: set[Source] = set()

    def deliver_to(self, actor: BaseActor) -> None:
        """Let this actor, which has no thread, handle each answer when it arrives."""
        self._actor = actor

    @property
    def sources(self) -> Collection[Source]:
        return self._delays_s.keys()

    def ask(self, request: Request | PageRequest, reply_to: Mailbox) -> None:
        source = request.source
        assert source not in self._busy, f"two requests at once to {source}"
        self._busy.add(source)
        self.asked_s[source].append(self._clock.now)
        # As of when it was asked: an answer is dated so, and must not know what came later.
        self._world.now = self._clock.now
        answer = self._calls[source](request)

        def arrive() -> None:
            self._busy.discard(source)
            reply_to.tell(answer)
            if self._actor is not None:
                drain(self._actor)

        self._clock.after(self._delays_s[source], arrive)

    def abandon(self, source: Source) -> None:
        raise AssertionError(f"{source} was given up")

    def close(self) -> None:
        """Do nothing."""


def most_in_window(times: "array[float]", window_s: float = 10.0) -> int:
    """Return the most of these times, which rise, that are within one window."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


class VirtualWriter(Address):
    """Stores what it is sent after a second, and answers what is asked of the database.

    Attributes:
        markets: All that there are.
        resolved: Each resolution and when its message was sent.
        contradictions: How many were sent.
        again: Markets that were sent a second resolution.
    """

    def __init__(self, clock: VirtualTime, markets: dict[ConditionId, Closing]) -> None:
        super().__init__()
        self.resolved: dict[ConditionId, tuple[float, Resolution]] = {}
        self.contradictions = 0
        self.again: list[ConditionId] = []
        self._clock, self.markets = clock, markets
        self._tickets: list[int] = []
        self._unstored: list[ConditionId] = []
        self._recorded_ms: list[int] = []
        self._recorded: list[ConditionId] = []
        self._observed: dict[ConditionId, dict[Source, Observation]] = defaultdict(dict)
        self._send: Callable[[Message], None] = lambda _: None

    def answer_to(self, send: Callable[[Message], None]) -> None:
        """Send the answers by this function."""
        self._send = send

    def tell(self, message: Message) -> None:
        """Take a message as the writer would."""
        ticket = getattr(message, "ticket", None)
        if ticket is not None:
            if not self._tickets:
                self._clock.after(STORED_AFTER_S, self._store)
            self._tickets.append(ticket)
        if isinstance(message, ResolutionObserved):
            seen = message.observation
            self._observed[seen.condition_id][seen.source] = seen
        elif isinstance(message, MarketResolved):
            self._resolve(message.resolution)
        elif isinstance(message, ResolutionConflict):
            self.contradictions += 1
        elif isinstance(message, RequestRechecks):
            window = message.window
            self._clock.after(ANSWERED_AFTER_S, lambda: self._rechecks(window))
        elif isinstance(message, RequestUnresolved):
            empty = UnresolvedRestored(markets=(), until=None)
            self._clock.after(ANSWERED_AFTER_S, lambda: self._send(empty))
        elif isinstance(message, RequestConflicts):
            none = ConflictsRestored(total=0, open=(), rechecks=())
            self._clock.after(ANSWERED_AFTER_S, lambda: self._send(none))

    def _resolve(self, resolution: Resolution) -> None:
        condition_id = resolution.condition_id
        if condition_id in self.resolved:
            self.again.append(condition_id)
            return
        self.resolved[condition_id] = (self._clock.now, resolution)
        self._unstored.append(condition_id)

    def _store(self) -> None:
        tickets, self._tickets = tuple(self._tickets), []
        for condition_id in self._unstored:
            self._recorded_ms.append(self._clock.wall_ms)
            self._recorded.append(condition_id)
        self._unstored.clear()
        self._send(TicketsStored(tickets=tickets))

    def _rechecks(self, window: TimeWindow) -> None:
        """Send what falls due in the first part of this time, as the writer does."""
        since_ms = window.until_ms if window.since_ms is None else window.since_ms
        until_ms = min(window.until_ms, since_ms + WINDOW_MS)
        due: dict[ConditionId, tuple[int, int]] = {}
        for age_ms in RECHECKS_MS:
            first = bisect_right(self._recorded_ms, since_ms - age_ms)
            last = bisect_right(self._recorded_ms, until_ms - age_ms)
            for at_ms, condition_id in zip(
                self._recorded_ms[first:last], self._recorded[first:last], strict=True
            ):
                known = due.get(condition_id)
                due[condition_id] = (at_ms, min(at_ms + age_ms, known[1] if known else 1 << 62))
        if due:
            seen = tuple(one for each in due for one in self._observed[each].values())
            self._send(EvidenceRestored(evidence=StoredEvidence(observations=seen)))
            found = tuple(self._recheck(each, *times) for each, times in due.items())
            self._send(RechecksRestored(rechecks=found))
        self._send(RechecksRestored(rechecks=(), until_ms=until_ms))

    def _recheck(self, condition_id: ConditionId, recorded_ms: int, due_ms: int) -> Recheck:
        return Recheck(
            resolution=self.resolved[condition_id][1],
            market=self.markets[condition_id].market(),
            recorded_at_ms=recorded_ms,
            due_at_ms=due_ms,
        )
