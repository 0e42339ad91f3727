"""The handovers: the connections of every slot, born, replaced without a gap, and let go."""

import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pykka

from actors.health.state import HealthState
from actors.journal.recorder import FactQueue
from actors.messages import (
    ConnectionReport,
    Message,
    Retire,
    Subscribe,
    Tick,
    UniverseChanged,
    Unsubscribe,
)
from actors.model import facts
from actors.model.connection import ALL_RESOLVED, ConnectionSpec, slot_of
from actors.model.trade import ConditionId, TokenId
from actors.supervision.canary import Activity
from actors.supervision.children import Child, Children
from actors.supervision.handover import Handover, MemberState, Step
from actors.supervision.plan import Changes, Plan
from actors.supervision.restart import ChildSpec

log = logging.getLogger(__name__)
MOST_AT_ONCE = 8
"""Replacements under way at the same time."""
Listen = Callable[[ConnectionSpec, int, Tick], "pykka.ActorRef[Any]"]
"""Gives birth to a connection: (slot, incarnation, time of birth) → a running actor."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are born and how long they serve, in seconds.

    Attributes:
        silence_s: No report for so long counts as death.
        stop_s: How long one may take to end when asked to.
        replace_s: How long one serves before it is replaced, ± 20 %.
    """

    listen: Listen
    silence_s: float
    stop_s: float
    replace_s: float


class FeedConnections:
    """The handovers by slot.

    Args:
        spec: Gives what a connection of a slot is for, as it is now: (slot, its name).
        sharing: Gives the slots of other feeds that have a market in common with a slot.
    """

    def __init__(
        self,
        children: Children,
        *,
        health: HealthState,
        listening: Listening,
        spec: Callable[[str, str], ConnectionSpec],
        sharing: Callable[[str], frozenset[str]],
    ) -> None:
        self._children = children
        self._health = health
        self._listening = listening
        self._spec = spec
        self._sharing = sharing
        self._handovers: dict[str, Handover] = {}
        self._replacing: set[str] = set()

    # ---------------------------------------------------------------- births

    def take_on(
        self, connection: str, feed: int, spec: Callable[[], ConnectionSpec], time: Tick
    ) -> None:
        """Take a connection on; what it is for is looked up at each birth."""
        listening = self._listening
        self._children.add(
            ChildSpec(
                id=connection,
                vital=False,
                silence_s=listening.silence_s,
                stop_s=listening.stop_s,
                feed=feed,
            ),
            lambda incarnation, tick: listening.listen(spec(), incarnation, tick),
            now=time.now,
            farewell=Retire(reason="silent", at_once=True),
        )
        self._health.connection_wanted(connection, feed=feed, at=time.now)

    def open(self, slot: str, feed: int, time: Tick) -> None:
        """A slot is new."""
        handover = self._handovers[slot] = Handover(slot, feed, due_at=self._due_at(time))
        self._take_on(handover, handover.in_charge, time)

    def close(self, slot: str) -> None:
        """A slot is gone; who is alive hears its tokens to the end."""
        handover = self._handovers.pop(slot)
        self._replacing.discard(slot)
        for connection in handover.members:
            self._let_go(connection, "released")

    def tell(self, slot: str, message: Message) -> None:
        """Tell who listens. Who is not born yet takes its slot as it is then."""
        for connection in self._handovers[slot].members:
            self._children.bid(connection, message)

    def wake(self, slot: str, time: Tick) -> None:
        """There is something to hear again for a connection whose markets had all resolved."""
        for connection in self._handovers[slot].members:
            child = self._children.by_id[connection]
            if child.last_reason == ALL_RESOLVED:
                child.next_start_at = min(child.next_start_at, time.now)

    def in_charge(self, slot: str) -> Child | None:
        """Return the connection of a slot."""
        handover = self._handovers.get(slot)
        return self._children.by_id.get(handover.in_charge) if handover else None

    # --------------------------------------------------------------- reports

    def reported(self, report: ConnectionReport) -> None:
        """A connection that lives says how it is."""
        handover = self._handover_of(report.child)
        if handover is not None:
            standing = MemberState(
                state=report.state,
                tokens=report.tokens,
                confirmed=report.confirmed,
                proven_until_ns=report.proven_until_ns,
            )
            handover.reported(report.child, standing, unheard=report.unheard, deaf=report.deaf)

    def ended(self, connection: str) -> None:
        """A life of a connection is over."""
        handover = self._handover_of(connection)
        if handover is not None:
            handover.ended(connection)

    # ----------------------------------------------------------- replacement

    def turn(self, time: Tick) -> None:
        """Go on with the replacements; begin those that are due, unless nobody hears anything.

        What the two of a replacement prove decides about it, so both are told the time often.
        """
        for slot in tuple(self._replacing):
            for connection in self._handovers[slot].members:
                self._children.rounds.wished(connection, 0.0)
            self._go_on(self._handovers[slot], time)
        if time.exchange_silent:
            return
        for handover in self._handovers.values():
            if len(self._replacing) >= MOST_AT_ONCE:
                return
            reason = handover.wish(time.now)
            # Never two feeds of a market at once: what goes wrong would go wrong twice.
            if reason and self._replacing.isdisjoint(self._sharing(handover.slot)):
                self._begin(handover, reason, time)

    def _begin(self, handover: Handover, reason: str, time: Tick) -> None:
        successor = handover.begin(time.now, reason)
        self._replacing.add(handover.slot)
        self._take_on(handover, successor, time)
        extra = {"child": handover.in_charge, "successor": successor, "reason": reason}
        log.info("replacement_begun", extra=extra)

    def _go_on(self, handover: Handover, time: Tick) -> None:
        step = handover.step(time.now, time.wall_ns)
        if step is Step.HAND_OVER:
            self._let_go(handover.hand_over(due_at=self._due_at(time)), "replaced")
        elif step is Step.ABANDON:
            gone = handover.abandon(time.now)
            self._let_go(gone, "abandoned")
            extra = {"child": handover.in_charge, "successor": gone, "reason": handover.reason}
            log.warning("replacement_abandoned", extra=extra)
        if not handover.successor:
            self._replacing.discard(handover.slot)

    def _take_on(self, handover: Handover, connection: str, time: Tick) -> None:
        self.take_on(connection, handover.feed, lambda: self._spec(handover.slot, connection), time)

    def _let_go(self, connection: str, reason: str) -> None:
        self._children.part_from(connection, Retire(reason=reason))
        self._health.connection_removed(connection)

    def _handover_of(self, connection: str) -> Handover | None:
        handover = self._handovers.get(slot_of(connection))
        return handover if handover is not None and connection in handover.members else None

    def _due_at(self, time: Tick) -> float:
        return time.now + self._listening.replace_s * self._children.rng.uniform(0.8, 1.2)


# MERGED: The executor: who listens to what, carried out with the fewest moves. Tokens are
# written down as wanted before anyone is told to listen to them. A connection that is not born
# yet is told nothing: at its birth it takes the tokens of its slot as they are then.


TIDY_S = 60.0
"""Between two slots that are emptied because the others can take their markets."""
LIFECYCLE = ConnectionSpec(name="lifecycle", feed=0, lifecycle=True)


class PlanExecutor:
    """Carries the plan out through the handovers of its slots."""

    def __init__(
        self,
        plan: Plan,
        children: Children,
        *,
        backlog: FactQueue,
        health: HealthState,
        listening: Listening,
        activity: Activity,
    ) -> None:
        self._plan = plan
        self._backlog = backlog
        self._health = health
        self._activity = activity
        self._tidied_at = 0.0
        self.handovers = FeedConnections(
            children,
            health=health,
            listening=listening,
            spec=self._spec,
            sharing=plan.sharing,
        )

    def open_lifecycle(self, time: Tick) -> None:
        """Take on the connection that hears of new markets and of resolutions."""
        self.handovers.take_on(LIFECYCLE.name, LIFECYCLE.feed, self._lifecycle, time)

    def slots_of(self, condition_id: ConditionId) -> tuple[str, ...]:
        """Return the slots that a market is on, one of each feed."""
        return self._plan.slots_of(condition_id)

    def change(self, message: UniverseChanged, time: Tick) -> None:
        """Plan the difference and carry it out.

        Raises:
            JournalFailed: It could not be written down.
        """
        self._unwant(message.unwanted, time)
        if message.removed:
            self._carry_out(self._plan.drop(message.removed), time)
        if message.added:
            added = [(market.condition_id, market.token_ids) for market in message.added]
            self._carry_out(self._plan.want(added), time)

    def split(self, slot: str, token: TokenId, time: Tick) -> None:
        """Return the market of this token a slot of its own, unless it has one.

        Raises:
            JournalFailed: See `change`.
        """
        market = self._plan.market_of(slot, token)
        if market is not None:
            self._carry_out(self._plan.split(slot, market), time)

    def tidy(self, time: Tick) -> None:
        """Now and then empty a slot that is not needed any more, while others hear its tokens.

        With one feed nobody would, so there slots close only when their markets have ended.

        Raises:
            JournalFailed: See `change`.
        """
        if self._plan.redundancy > 1 and time.now - self._tidied_at >= TIDY_S:
            self._tidied_at = time.now
            self._carry_out(self._plan.compact(1), time)

    def _carry_out(self, changes: Changes, time: Tick) -> None:
        self._backlog.add_tokens(facts.TokensWanted, time.wall_ns, changes.wanted)
        self._unwant(changes.unwanted, time)
        opened = {slot.id for slot in changes.opened}
        for slot in changes.opened:
            self.handovers.open(slot.id, slot.feed, time)
        for slot_id, tokens in changes.subscribed:
            if slot_id not in opened:
                self.handovers.tell(slot_id, Subscribe(tokens=tokens))
                self.handovers.wake(slot_id, time)
        for slot_id, tokens in changes.unsubscribed:
            self.handovers.tell(
                slot_id, Unsubscribe(tokens=tokens, cause="released", since_ns=time.wall_ns)
            )
        for slot_id in changes.closed:
            self.handovers.close(slot_id)
        self._health.universe_planned(wanted=self._plan.token_count)

    def _unwant(self, tokens: tuple[TokenId, ...], time: Tick) -> None:
        """Note that these are no longer of interest, after all that was noted before."""
        self._backlog.add_tokens(facts.TokensUnwanted, time.wall_ns, tokens)
        self._backlog.write()

    def _spec(self, slot: str, connection: str) -> ConnectionSpec:
        return ConnectionSpec(
            name=connection,
            feed=self._plan.feed_of(slot),
            tokens=self._plan.tokens_of(slot),
            canary=self._canary(slot),
        )

    def _lifecycle(self) -> ConnectionSpec:
        canary = self._canary(LIFECYCLE.name)
        return ConnectionSpec(
            name=LIFECYCLE.name, feed=LIFECYCLE.feed, canary=canary, lifecycle=True
        )

    def _canary(self, slot: str) -> tuple[TokenId, ...]:
        """Choose a token that makes silence mean something, once it is known what is busy."""
        token = self._plan.canary(slot, self._activity.count)
        return () if token is None else (token,)
