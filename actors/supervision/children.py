"""The supervisor's children: born, watched, buried, born again.

Children are data. Death is seen by polling — the actor is gone, or its reports
stopped — and only explained by messages. Who is born anew and when is decided
by `supervision/restart.py`.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec
import pykka

from actors.actor import Address
from actors.backoff import Backoff
from actors.messages import Message, Tick
from actors.supervision.restart import ChildSpec, ConnectRate, Escalation, RestartBudget
from actors.supervision.ticks import TickSchedule

log = logging.getLogger(__name__)
WORD_S = 3.0


# MERGED: One child of the supervisor, as data: what is known of it through all its lives.


Start = Callable[[int, Tick], "pykka.ActorRef[Any]"]
"""Gives birth: (incarnation, time of birth) → a running actor."""


@dataclass
class Child:
    """One child through all its lives.

    Attributes:
        farewell: What it is told when it is given up as silent, in case it wakes.
        ended: Reason of an end that was to be expected, told by the child itself.
        crashed: Reason and traceback of an unexpected death, told by its shell.
        wordless_since: Since when it has been dead without having told why.
        heard_out: Whether all that it told has been heard; None: that was not asked yet.
        leaving: It was asked to end and will not be born again.
        epoch: What this life listens under, 0 before that; for connections.
        openings: How many of its lives came to listen.
        failing: Why lives before this one never did, as last noted.
    """

    spec: ChildSpec
    start: Start
    address: Address
    backoff: Backoff
    budget: RestartBudget
    next_start_at: float
    farewell: Message | None = None
    incarnation: int = 0
    ref: "pykka.ActorRef[Any] | None" = None
    reported_at: float = 0.0
    last_reason: str = ""
    retry_after_s: float | None = None
    ended: str | None = None
    crashed: tuple[str, str] | None = None
    wordless_since: float | None = None
    heard_out: bool | None = None
    leaving: bool = False
    epoch: int = 0
    openings: int = 0
    failing: str = ""

    def begin(self, now: float) -> None:
        """Begin another life."""
        self.incarnation += 1
        self.reported_at = now
        self.ended = self.crashed = self.retry_after_s = self.wordless_since = None
        self.heard_out = None
        self.epoch = 0


@dataclass(frozen=True)
class Death:
    """What the supervisor learns when it looks."""

    child: Child
    reason: str
    expected: bool
    traceback: str = ""


"""How long to wait for the last word of the dead: an actor counts as dead
before it tells why, and what it told may stand behind a few Ticks."""
PAUSE_S = 5.0
"""Ticks further apart than this mean that the whole process stood still."""
MOST_STUCK = 3
"""More abandoned threads than this, and only another process helps."""


@dataclass
class Children:
    """All children by id.

    Attributes:
        dialling: How many who are not vital may be born at a time.
        hear_out: Asked, with a dead child and its incarnation, to set `Child.heard_out` once
            all is heard that it had told; None: it is heard at once.
    """

    rng: Random
    escalation: Escalation
    dialling: ConnectRate = field(default_factory=ConnectRate)
    vital_only: bool = False
    by_id: dict[str, Child] = field(default_factory=dict)
    rounds: TickSchedule = field(default_factory=TickSchedule)
    hear_out: Callable[[str, int], None] | None = None
    _abandoned: "list[pykka.ActorRef[Any]]" = field(default_factory=list)
    _looked_at: float | None = None
    _time: Tick | None = None

    def add(
        self,
        spec: ChildSpec,
        start: Start,
        *,
        now: float,
        address: Address | None = None,
        farewell: Message | None = None,
    ) -> Child:
        """Take a child on; it is born at the next `bear`."""
        child = Child(
            spec=spec,
            start=start,
            address=address or Address(),
            backoff=Backoff(self.rng),
            budget=RestartBudget(),
            next_start_at=now,
            farewell=farewell,
        )
        self.by_id[spec.id] = child
        return child

    def living(self, child: str, incarnation: int) -> Child | None:
        """Return the child if this is its present life: the buried have no say."""
        found = self.by_id.get(child)
        if found is None or found.ref is None or found.incarnation != incarnation:
            return None
        return found

    # ---------------------------------------------------------------- births

    def bear(self, tick: Tick) -> Iterator[Child]:
        """Start who is due: vital children at once, others a few at a time. Gives the newborn.

        Feed A goes before the second: it covers every token. With `vital_only`
        nobody else is born.
        """
        due = [c for c in self.by_id.values() if c.ref is None and c.next_start_at <= tick.now]
        due.sort(key=lambda child: (not child.spec.vital, child.spec.feed, child.next_start_at))
        room = 0 if self.vital_only else self.dialling.room
        for child in due:
            if not child.spec.vital:
                if room <= 0:
                    return
                room -= 1
            if self._bear_one(child, tick):
                yield child

    def _bear_one(self, child: Child, tick: Tick) -> bool:
        child.begin(tick.now)
        try:
            child.ref = child.start(child.incarnation, tick)
        except RuntimeError as exc:  # "can't start new thread"
            child.last_reason = f"cannot start: {exc}"
            child.next_start_at = tick.now + child.backoff.delay_s()
            log.exception("child_not_started", extra={"child": child.spec.id})
            return False
        child.address.move_to(child.ref)
        if not child.spec.vital:
            self.rounds.begins(child.spec.id)
        return True

    def listens(self, child: Child, epoch: int) -> bool:
        """Take note of what a connection listens under; tell whether that is news. 0: nothing."""
        if not epoch or child.epoch:
            return False
        child.epoch = epoch
        child.openings += 1
        self.dialling.answered()
        return True

    # ---------------------------------------------------------------- deaths

    def look(self, now: float) -> Iterator[Death]:
        """Find the dead and the silent, decide when each is born again."""
        self._forgive_pause(now)
        for child in list(self.by_id.values()):
            death = self._death_of(child, now)
            if death is None:
                continue
            child.address.move_to(None)
            child.ref = None
            self.rounds.ended(child.spec.id)
            child.last_reason = death.reason
            if not (child.spec.vital or child.epoch or child.leaving):
                self.dialling.failed()
            if child.leaving:
                del self.by_id[child.spec.id]
            else:
                self._decide(child, death, now)
            yield death

    def _forgive_pause(self, now: float) -> None:
        """While the process stood still nobody was asked, so nobody was silent."""
        gap = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        if gap > PAUSE_S:
            for child in self.by_id.values():
                child.reported_at += gap

    def _death_of(self, child: Child, now: float) -> Death | None:
        if child.ref is None:
            return None
        if not child.ref.is_alive():
            return self._obituary(child, now)
        if now - child.reported_at > child.spec.silence_s:
            self._abandon(child, child.ref)
            return Death(child, "silent", expected=False)
        return None

    def _obituary(self, child: Child, now: float) -> Death | None:
        """Return why a dead child died, or None while its last word may still come."""
        if child.ended is not None:
            return Death(child, child.ended, expected=True)
        if child.crashed is not None:
            return Death(child, child.crashed[0], expected=False, traceback=child.crashed[1])
        if child.wordless_since is None:
            child.wordless_since = now
        if now - child.wordless_since < WORD_S:
            return None
        if child.heard_out is None:
            child.heard_out = self.hear_out is None
            if self.hear_out is not None:
                self.hear_out(child.spec.id, child.incarnation)
        return Death(child, "died without a word", expected=False) if child.heard_out else None

    def _abandon(self, child: Child, ref: "pykka.ActorRef[Any]") -> None:
        """Have a silent life end when it wakes; a thread cannot be killed."""
        if child.farewell is not None:
            child.address.tell(child.farewell)
        ref.stop(block=False)
        self._abandoned = [*(old for old in self._abandoned if old.is_alive()), ref]

    def _decide(self, child: Child, death: Death, now: float) -> None:
        if death.expected:
            child.next_start_at = now + child.backoff.delay_s(retry_after_s=child.retry_after_s)
            return
        self.escalation.died(now, vital=child.spec.vital, child=child.spec.id)
        child.next_start_at = now + child.budget.delay_s(now)

    def beyond_help(self, now: float) -> str:
        """Return why the process had better end, or nothing."""
        if self.escalation.exceeded(now):
            return "too many unexpected deaths"
        if sum(ref.is_alive() for ref in self._abandoned) > MOST_STUCK:
            return "too many threads are stuck"
        return ""

    # ---------------------------------------------------------------- others

    def tell_vital(self, tick: Tick) -> None:
        """Tell the time to everyone who lives and is vital.

        What it says of the exchange is what connections are told until the next time.
        """
        self._time = tick
        for child in self.by_id.values():
            if child.spec.vital:
                child.address.tell(tick)

    def tell_time(self, tick: Tick) -> None:
        """Tell the time to the connections whose turn it is; to be called often."""
        silent = self._time is not None and self._time.exchange_silent
        self._time = msgspec.structs.replace(tick, exchange_silent=silent)
        for name in self.rounds.due(tick.now):
            self.by_id[name].address.tell(self._time)

    def bid(self, child: str, message: Message) -> None:
        """Tell a connection to do something: first what time it is, and soon again."""
        address = self.by_id[child].address
        if self._time is not None and self.rounds.called(child, self._time.now):
            address.tell(self._time)
        address.tell(message)
        self.rounds.wished(child, 0.0)

    def tell_connections(self, message: Message) -> None:
        """Tell everyone who lives and is not vital."""
        for child in self.by_id.values():
            if not child.spec.vital:
                self.bid(child.spec.id, message)

    def part_from(self, child: str, farewell: Message) -> None:
        """Have a child end for good; one that is not born yet is forgotten."""
        found = self.by_id.get(child)
        if found is None:
            return
        if found.ref is None:
            del self.by_id[child]
            return
        found.leaving = True
        self.bid(child, farewell)
