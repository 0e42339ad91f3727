"""The supervisor's children: born, watched, buried, born again.

Children are data. Death is seen by polling — the actor or its thread is gone, or
its reports stopped — and only explained by messages. Who is born anew and when
is decided by `logic/restart.py`.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pykka

from actors.logic.restart import Backoff, Budget, ChildSpec, Escalation
from actors.messages import Message, Tick
from actors.shell import Address

log = logging.getLogger(__name__)

Start = Callable[[int, Tick], "pykka.ActorRef[Any]"]
"""Gives birth: (incarnation, time of birth) → a running actor."""


@dataclass
class Child:
    """One child through all its lives.

    Attributes:
        ended: Reason of an end that was to be expected, told by the child itself.
        crashed: Reason and traceback of an unexpected death, told by its shell.
        leaving: It was asked to end and will not be born again.
    """

    spec: ChildSpec
    start: Start
    address: Address
    backoff: Backoff
    budget: Budget
    next_start_at: float
    incarnation: int = 0
    ref: "pykka.ActorRef[Any] | None" = None
    born_at: float = 0.0
    reported_at: float = 0.0
    restarts_total: int = 0
    last_reason: str = ""
    retry_after_s: float | None = None
    ended: str | None = None
    crashed: tuple[str, str] | None = None
    leaving: bool = False


@dataclass(frozen=True)
class Death:
    """What the supervisor learns when it looks."""

    child: Child
    reason: str
    expected: bool
    traceback: str = ""


@dataclass
class Children:
    """All children by id."""

    rng: Random
    escalation: Escalation
    starts_per_tick: int = 1
    by_id: dict[str, Child] = field(default_factory=dict)

    def add(
        self, spec: ChildSpec, start: Start, *, now: float, address: Address | None = None
    ) -> Child:
        """Take a child on; it is born at the next `bear`."""
        child = Child(
            spec=spec,
            start=start,
            address=address or Address(),
            backoff=Backoff(self.rng),
            budget=Budget(),
            next_start_at=now,
        )
        self.by_id[spec.id] = child
        return child

    def living(self, child: str, incarnation: int) -> Child | None:
        """Give the child if this is its present life: the dead have no say."""
        found = self.by_id.get(child)
        return found if found is not None and found.incarnation == incarnation else None

    def bear(self, tick: Tick) -> Iterator[Child]:
        """Start who is due: vital children at once, others a few at a time. Gives the newborn."""
        due = [c for c in self.by_id.values() if c.ref is None and c.next_start_at <= tick.now]
        due.sort(key=lambda child: (not child.spec.vital, child.next_start_at))
        room = self.starts_per_tick
        for child in due:
            if not child.spec.vital:
                if room <= 0:
                    return
                room -= 1
            if self._bear_one(child, tick):
                yield child

    def _bear_one(self, child: Child, tick: Tick) -> bool:
        child.incarnation += 1
        child.born_at = child.reported_at = tick.now
        child.ended = child.crashed = child.retry_after_s = None
        try:
            child.ref = child.start(child.incarnation, tick)
        except RuntimeError as exc:  # "can't start new thread"
            child.last_reason = f"cannot start: {exc}"
            child.next_start_at = tick.now + child.backoff.delay_s()
            log.exception("child_not_started", extra={"child": child.spec.id})
            return False
        child.address.move_to(child.ref)
        return True

    def look(self, now: float) -> Iterator[Death]:
        """Find the dead and the silent, decide when each is born again."""
        for child in list(self.by_id.values()):
            death = _death_of(child, now)
            if death is None:
                continue
            child.address.move_to(None)
            child.ref = None
            child.last_reason = death.reason
            if child.leaving:
                del self.by_id[child.spec.id]
            else:
                self._decide(child, death, now)
            yield death

    def _decide(self, child: Child, death: Death, now: float) -> None:
        child.restarts_total += 1
        if death.expected:
            child.next_start_at = now + child.backoff.delay_s(retry_after_s=child.retry_after_s)
            return
        self.escalation.died(now, vital=child.spec.vital, child=child.spec.id)
        child.next_start_at = now + child.budget.delay_s(now)

    def tell(self, message: Message) -> None:
        """Tell everyone who lives."""
        for child in self.by_id.values():
            child.address.tell(message)

    def part_from(self, child: str, farewell: Message) -> None:
        """Have a child end for good; one that is not born yet is forgotten."""
        found = self.by_id.get(child)
        if found is None:
            return
        if found.ref is None:
            del self.by_id[child]
            return
        found.leaving = True
        found.address.tell(farewell)


def _death_of(child: Child, now: float) -> Death | None:
    if child.ref is None:
        return None
    if not child.ref.is_alive():
        if child.ended is not None:
            return Death(child, child.ended, expected=True)
        reason, traceback = child.crashed or ("died without a word", "")
        return Death(child, reason, expected=False, traceback=traceback)
    if now - child.reported_at > child.spec.silence_s:
        return Death(child, "silent", expected=False)
    return None
