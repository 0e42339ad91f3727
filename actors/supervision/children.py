"""The supervisor's children: started, watched, restarted, and sent the time.

Children are data. A death is found by polling (the actor is gone, or its reports
stopped) and only explained by messages. `supervision/pacing.py` decides who is
restarted and when, and which connections receive a Tick.
Everything here runs in the supervisor's thread.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec
import pykka

from actors.actor import Address
from actors.backoff import Backoff
from actors.messages import Message, Tick
from actors.model.connection import ALL_RESOLVED, ConnectionSpec
from actors.supervision.pacing import (
    ChildSpec,
    ConnectRate,
    Escalation,
    RestartBudget,
    TickSchedule,
)

log = logging.getLogger(__name__)

EXPLANATION_S: Final = 3.0
"""How long to wait for the message that explains a death: an actor counts as dead before it
sends that, and the message may stand behind a few Ticks in the mailbox."""
PAUSE_S: Final = 5.0
"""Ticks further apart than this mean that the whole process stood still."""
MAX_STUCK: Final = 3
"""With more abandoned threads than this, only a new process helps."""

Start = Callable[[int, Tick], "pykka.ActorRef[Any]"]
"""Starts an incarnation: (its number, the time) → a running actor."""
StartConnection = Callable[[ConnectionSpec, int, Tick], "pykka.ActorRef[Any]"]
"""Starts a connection: (what it is for, incarnation, the time) → a running actor."""


class ConnectionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are started and how long each may take, in seconds.

    Attributes:
        silence_s: A connection that has not reported for so long counts as dead.
        stop_s: How long it may take to end after a request.
        replace_s: Age at which it is replaced, ± 20 %.
    """

    start: StartConnection
    silence_s: float = 45.0
    stop_s: float = 5.0
    replace_s: float = 21_600.0


@dataclass
class Child:
    """One child through all its incarnations.

    Attributes:
        stop_message: Sent to an incarnation that is given up as silent, in case it wakes.
        end_reason: Reason of an expected end, as the child itself reported it.
        crash: Reason and traceback of an unexpected death, as its actor reported them.
        unexplained_since: Since when it has been dead without an explanation.
        drained: Whether all messages that it sent have been handled; None: not yet asked.
        retiring: It was asked to end and will not be restarted.
        end_detail: What was observed at the end, for people.
        epoch: What this incarnation of a connection listens under; 0 before its handshake.
        served: Whether this incarnation of a connection has received data.
        listened: How many incarnations were served.
        failures: How many incarnations in a row were not.
        failing: Why incarnations before this one were not served, as last recorded.
        woken: This incarnation was sent more tokens; it may have ended before it took them.
        started_at: When this incarnation began, monotonic seconds.
        ended_at: When the one before ended, likewise.
        tokens: How many a connection has, as it reported last.
        trades: How many this incarnation of a connection received, likewise.
    """

    spec: ChildSpec
    start: Start
    address: Address
    backoff: Backoff
    budget: RestartBudget
    next_start_at: float
    stop_message: Message | None = None
    incarnation: int = 0
    ref: "pykka.ActorRef[Any] | None" = None
    reported_at: float = 0.0
    last_reason: str = ""
    retry_after_s: float | None = None
    end_reason: str | None = None
    crash: tuple[str, str] | None = None
    unexplained_since: float | None = None
    drained: bool | None = None
    retiring: bool = False
    end_detail: str = ""
    epoch: int = 0
    served: bool = False
    listened: int = 0
    failures: int = 0
    failing: str = ""
    woken: bool = False
    started_at: float = 0.0
    ended_at: float = 0.0
    tokens: int = 0
    trades: int = 0

    def next_incarnation(self, now: float) -> None:
        """Count the next incarnation and forget what is known of the last one."""
        self.incarnation += 1
        self.reported_at = self.started_at = now
        self.tokens = self.trades = 0
        self.end_reason = self.crash = self.retry_after_s = self.unexplained_since = None
        self.drained = None
        self.end_detail = ""
        self.epoch = 0
        self.served = self.woken = False

    def wake(self, now: float) -> None:
        """Let a connection that was given more tokens listen to them, though its others resolved.

        One that ended because all had resolved starts now. One that is ending for this reason, and
        whose end is not known yet, starts as soon as it is.
        """
        self.woken = self.ref is not None
        if self.ref is None and self.last_reason == ALL_RESOLVED:
            self.next_start_at = min(self.next_start_at, now)


def _urgency(child: Child) -> tuple[bool, int, bool, int, float]:
    """Return what `Children.start_due` sorts by."""
    new = child.listened == 0
    return (not child.spec.vital, child.failures, new, child.spec.feed, child.next_start_at)


@dataclass(frozen=True)
class Death:
    """The end of one incarnation, expected or not."""

    child: Child
    reason: str
    expected: bool
    traceback: str = ""

    @property
    def failed(self) -> bool:
        """Return whether it was a connection that was never served, though nobody ended it."""
        child = self.child
        wanted = not child.spec.vital and not child.retiring
        # That its markets are resolved is an answer of the exchange.
        return wanted and not child.served and self.reason != ALL_RESOLVED


@dataclass
class Children:
    """All children by id.

    Attributes:
        connect_rate: How many connections may be started at a time.
        vital_only: Start no connections.
        most_connections: So many may run at a time.
        request_drain: Called with a dead child and its incarnation; sets `Child.drained`
            once all messages that it sent have been handled. None: they are at once.
    """

    rng: Random
    escalation: Escalation
    connect_rate: ConnectRate = field(default_factory=ConnectRate)
    vital_only: bool = False
    most_connections: int = 1 << 20
    by_id: dict[str, Child] = field(default_factory=dict)
    ticks: TickSchedule = field(default_factory=TickSchedule)
    request_drain: Callable[[str, int], None] | None = None
    _abandoned: "list[pykka.ActorRef[Any]]" = field(default_factory=list)
    _reaped_at: float | None = None
    _time: Tick | None = None

    def add(
        self,
        spec: ChildSpec,
        start: Start,
        *,
        now: float,
        address: Address | None = None,
        stop_message: Message | None = None,
    ) -> Child:
        """Add a child; the next `start_due` starts it."""
        child = Child(
            spec=spec,
            start=start,
            address=address or Address(),
            backoff=Backoff(self.rng),
            budget=RestartBudget(),
            next_start_at=now,
            stop_message=stop_message,
        )
        self.by_id[spec.id] = child
        return child

    def current(self, child: str, incarnation: int) -> Child | None:
        """Return the child if this is its current incarnation, else None.

        Messages of an incarnation that is over must change nothing.
        """
        found = self.by_id.get(child)
        if found is None or found.ref is None or found.incarnation != incarnation:
            return None
        return found

    def retire(self, child: str, stop_message: Message) -> None:
        """End a child for good; one that is not running is removed at once."""
        found = self.by_id.get(child)
        if found is None:
            return
        if found.ref is None:
            del self.by_id[child]
            return
        found.retiring = True
        self.send(child, stop_message)

    # ---------------------------------------------------------------- starts

    def start_due(self, tick: Tick) -> Iterator[Child]:
        """Start the children that are due and yield those that run.

        Vital children start at once, connections a few at a time: those that failed least, of
        these those that were served before, since their tokens are traded, and then those of feed
        A, since it covers every token. Without regard to failures a feed that cannot be reached
        would keep the other one waiting.
        """
        away = [c for c in self.by_id.values() if c.ref is None]
        due = sorted((c for c in away if c.next_start_at <= tick.now), key=_urgency)
        left = places = 0
        if due and not self.vital_only:
            left, places = self.connect_rate.allowed(tick.now), self.space()
        # One that waits to be tried again finds its place free, however many new ones there are.
        kept = sum(c.listened > 0 for c in away)
        for child in due:
            if not child.spec.vital:
                served = child.listened > 0
                kept -= served
                if left <= 0 or places - kept <= 0:
                    return
                left -= 1
                places -= 1
                self.connect_rate.started(tick.now)
            if self._start(child, tick):
                yield child

    def space(self) -> int:
        """Return how many more connections may run."""
        running = sum(c.ref is not None and not c.spec.vital for c in self.by_id.values())
        return self.most_connections - running

    def _start(self, child: Child, tick: Tick) -> bool:
        child.next_incarnation(tick.now)
        try:
            child.ref = child.start(child.incarnation, tick)
        except RuntimeError as exc:  # "can't start new thread"
            child.last_reason = f"cannot start: {exc}"
            child.next_start_at = tick.now + child.backoff.delay_s()
            log.exception("child_not_started", extra={"child": child.spec.id})
            return False
        # The actor has its first message already, which it put there itself before its thread ran.
        child.address.move_to(child.ref)
        if not child.spec.vital:
            self.ticks.add(child.spec.id)
        return True

    def served(self, child: Child) -> bool:
        """Record that a connection has received data, and return whether that is new."""
        if child.served:
            return False
        child.served = True
        child.listened += 1
        child.failures = 0
        self.connect_rate.succeeded()
        return True

    # ---------------------------------------------------------------- deaths

    def reap(self, now: float) -> Iterator[Death]:
        """Find the children that died or became unresponsive, and decide when each is restarted."""
        self._ignore_pause(now)
        for child in list(self.by_id.values()):
            death = self._death_of(child, now)
            if death is None:
                continue
            # Until the next start what is sent to it is dropped; a connection then takes its tokens
            # from the plan.
            child.address.move_to(None)
            child.ref = None
            self.ticks.remove(child.spec.id)
            child.last_reason, child.ended_at = death.reason, now
            # Perhaps the server rejects so many connects at a time.
            if death.failed:
                child.failures += 1
                self.connect_rate.failed()
            if child.retiring:
                del self.by_id[child.spec.id]
            else:
                self._schedule_restart(child, death, now)
            yield death

    def _ignore_pause(self, now: float) -> None:
        """Ignore the time for which the process stood still: nobody could report then."""
        gap = 0.0 if self._reaped_at is None else now - self._reaped_at
        self._reaped_at = now
        if gap > PAUSE_S:
            for child in self.by_id.values():
                child.reported_at += gap

    def _death_of(self, child: Child, now: float) -> Death | None:
        if child.ref is None:
            return None
        # Polled, since an error in `on_start` or outside of a handler ends an
        # actor without a message.
        if not child.ref.is_alive():
            return self._explained(child, now)
        if now - child.reported_at > child.spec.silence_s:
            self._abandon(child, child.ref)
            return Death(child, "unresponsive", expected=False)
        return None

    def _explained(self, child: Child, now: float) -> Death | None:
        """Return why a dead child died, or None while its explanation may still arrive."""
        if child.end_reason is not None:
            return Death(child, child.end_reason, expected=True)
        if child.crash is not None:
            return Death(child, child.crash[0], expected=False, traceback=child.crash[1])
        if child.unexplained_since is None:
            child.unexplained_since = now
        if now - child.unexplained_since < EXPLANATION_S:
            return None
        # The explanation may stand behind thousands of reports in our mailbox. Without waiting for
        # them an ordinary end would count as a crash.
        if child.drained is None:
            child.drained = self.request_drain is None
            if self.request_drain is not None:
                self.request_drain(child.spec.id, child.incarnation)
        return Death(child, "died without a reason", expected=False) if child.drained else None

    def _abandon(self, child: Child, ref: "pykka.ActorRef[Any]") -> None:
        """Make an unresponsive incarnation end when it wakes; a thread cannot be killed."""
        if child.stop_message is not None:
            child.address.tell(child.stop_message)
        # Not waited for: this thread would hang together with the one that does not respond.
        ref.stop(block=False)
        self._abandoned = [*(old for old in self._abandoned if old.is_alive()), ref]

    def _schedule_restart(self, child: Child, death: Death, now: float) -> None:
        if child.woken and death.reason == ALL_RESOLVED:
            child.next_start_at = now
        elif death.expected:
            child.next_start_at = now + child.backoff.delay_s(retry_after_s=child.retry_after_s)
        else:
            if child.spec.needed:
                self.escalation.died(now, vital=child.spec.vital, child=child.spec.id)
            child.next_start_at = now + child.budget.delay_s(now)

    def give_up_reason(self, now: float) -> str:
        """Return why the process must end, or an empty text."""
        if self.escalation.exceeded(now):
            return "too many unexpected deaths"
        if sum(ref.is_alive() for ref in self._abandoned) > MAX_STUCK:
            return "too many threads are stuck"
        return ""

    # -------------------------------------------------------------- messages

    def tick_vital(self, tick: Tick) -> None:
        """Send the time to every vital child.

        Connections receive its `exchange_silent` until the next call.
        """
        self._time = tick
        for child in self.by_id.values():
            if child.spec.vital:
                child.address.tell(tick)

    def tick_connections(self, tick: Tick) -> None:
        """Send the time to the connections that are due; to be called several times a second."""
        known = self._time or tick  # what was found out about all connections together
        self._time = msgspec.structs.replace(
            tick, exchange_silent=known.exchange_silent, allowance_ms=known.allowance_ms
        )
        for name in self.ticks.due(tick.now):
            self.by_id[name].address.tell(self._time)

    def send(self, connection: str, message: Message) -> None:
        """Send a message to a connection: a Tick before it, and another one soon.

        The connection works with the time of its last Tick, which may be seconds old.
        """
        address = self.by_id[connection].address
        if self._time is not None and self.ticks.take(connection, self._time.now):
            address.tell(self._time)
        address.tell(message)
        self.ticks.request(connection, 0.0)

    def send_connections(self, message: Message) -> None:
        """Send a message to every connection."""
        for child in self.by_id.values():
            if not child.spec.vital:
                self.send(child.spec.id, message)
