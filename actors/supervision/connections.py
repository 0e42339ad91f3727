"""Keeps the connections that the plan asks for: one for each slot, replaced without a gap.

`PlanExecutor` turns changes of the subscription plan into messages to connections, with the
fewest moves. Tokens are journalled as wanted before any connection is asked to listen to
them. `FeedConnections` starts, replaces and retires the connections of the slots. A
connection that is not running is sent nothing: at its next start it takes the tokens that
its slot has then. Both work in the supervisor's thread.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from actors.health.state import HealthState
from actors.messages import (
    AnnouncedConfirmed,
    ChangeCanary,
    ConnectionReport,
    Message,
    Retire,
    Subscribe,
    Tick,
    UniverseChanged,
    Unsubscribe,
)
from actors.model import facts
from actors.model.connection import (
    HANDOVERS,
    LISTENING,
    ConnectionSpec,
    slot_of,
)
from actors.model.trade import ConditionId, TokenId
from actors.supervision.allocation import PlanDiff
from actors.supervision.canary import Activity, Canaries
from actors.supervision.children import Child, Children, ConnectionPolicy
from actors.supervision.handover import TRIAL, Handover, HandoverStep, MemberState
from actors.supervision.pacing import ChildSpec, MessageSizes
from actors.supervision.plan import AnnouncedMarkets, Plan
from actors.supervision.wishes import Wishes

log = logging.getLogger(__name__)

# Each of them doubles the traffic of its slot for a while.
MAX_HANDOVERS: Final = HANDOVERS
"""Handovers at the same time."""
MAX_TRIALS: Final = 3
"""Trials at the same time, see `Handover.trial_step`."""
COMPACT_S: Final = 60.0
"""Time between two slots that are emptied because the others can take their markets."""
LIFECYCLE: Final = ConnectionSpec(name="lifecycle", feed=0, lifecycle=True)
"""The connection that receives announcements of new markets and of resolutions; in no plan."""


class FeedConnections:
    """The connections of all slots of all feeds, with a `Handover` for each slot.

    Args:
        spec: Returns what a connection is for at this moment: (slot, connection).
        sharing: Returns the slots of other feeds that have a market in common with a slot.
    """

    def __init__(
        self,
        children: Children,
        *,
        health: HealthState,
        policy: ConnectionPolicy,
        spec: Callable[[str, str], ConnectionSpec],
        sharing: Callable[[str], frozenset[str]],
    ) -> None:
        self._children = children
        self._health = health
        self._policy = policy
        self._spec = spec
        self._sharing = sharing
        self._handovers: dict[str, Handover] = {}
        self._sizes = MessageSizes()
        self._replacing: set[str] = set()

    # ----------------------------------------------------------------- slots

    def add(
        self, connection: str, feed: int, spec: Callable[[], ConnectionSpec], time: Tick
    ) -> None:
        """Add a connection; `spec` is called at each of its starts."""
        policy = self._policy
        self._children.add(
            ChildSpec(
                id=connection,
                vital=False,
                silence_s=policy.silence_s,
                stop_s=policy.stop_s,
                feed=feed,
            ),
            lambda incarnation, tick: policy.start(spec(), incarnation, tick),
            now=time.now,
            stop_message=Retire(reason="unresponsive", at_once=True),
        )
        self._health.connection_wanted(connection, feed=feed, at=time.now)

    def open_slot(self, slot: str, feed: int, time: Tick) -> None:
        """Add the connection of a new slot."""
        handover = self._handovers[slot] = Handover(slot, feed, due_at=self._due_at(time))
        self._add(handover, handover.active, time)

    def close_slot(self, slot: str) -> None:
        """Retire the connections of a slot, once they have listened to the end of their tokens."""
        handover = self._handovers.pop(slot)
        self._sizes.closed(slot)
        self._replacing.discard(slot)
        for connection in handover.connections:
            self._retire(connection, "released")

    def send(self, slot: str, message: Message) -> None:
        """Send a message to the connections of a slot that run."""
        for connection in self._handovers[slot].connections:
            self._children.send(connection, message)

    def request_ticks(self, slot: str) -> None:
        """Let the connections of a slot report soon."""
        for connection in self._handovers[slot].connections:
            self._children.ticks.request(connection, 0.0)

    def wake(self, slot: str, time: Tick) -> None:
        """Restart a connection now if it ended, or is ending, because all its markets resolved."""
        for connection in self._handovers[slot].connections:
            self._children.by_id[connection].wake(time.now)

    def active(self, slot: str) -> Child | None:
        """Return the connection of a slot, without its successor."""
        handover = self._handovers.get(slot)
        return self._children.by_id.get(handover.active) if handover else None

    # --------------------------------------------------------------- reports

    def reported(self, report: ConnectionReport) -> None:
        """Take the report of a connection."""
        handover = self._handover_of(report.child)
        if handover is not None:
            if report.state == LISTENING and report.confirmed >= report.tokens > 0:
                self._sizes.succeeded(report.child)
            state = MemberState(
                state=report.state,
                tokens=report.tokens,
                confirmed=report.confirmed,
                proven_until_ns=report.proven_until_ns,
                waiting=report.waiting,
                traded=report.traded,
            )
            handover.reported(
                report.child,
                state,
                unanswered=report.unanswered,
                misses_trades=report.misses_trades,
            )

    def ended(self, connection: str, reason: str, *, failed: bool) -> None:
        """Take the end of an incarnation of a connection; `failed`: it was never served."""
        handover = self._handover_of(connection)
        if handover is not None:
            handover.ended(connection)
            self._sizes.ended(connection, reason, failed=failed)

    # ------------------------------------------------------------- handovers

    def check(self, time: Tick) -> None:
        """Continue the handovers, and start those that are due unless the exchange is silent."""
        for slot in tuple(self._replacing):
            # What both connections prove decides about a handover, and they prove it on Ticks.
            self.request_ticks(slot)
            self._continue(self._handovers[slot], time)
        # Without space a successor would only wait in vain beside its predecessor.
        if time.exchange_silent or self._children.space() <= 0:
            return
        for handover in self._handovers.values():
            if len(self._replacing) >= MAX_HANDOVERS:
                return
            reason = handover.due(time.now)
            # Never on two feeds of a market at the same time: a fault would hit both.
            if reason and self._replacing.isdisjoint(self._sharing(handover.slot)):
                self._start(handover, reason, time)

    def start_trial(self, connection: str, time: Tick) -> bool:
        """Start a connection beside a silent one, to see whether it receives events."""
        handover = self._handover_of(connection)
        trials = sum(self._handovers[slot].reason == TRIAL for slot in self._replacing)
        if handover is None or handover.successor or trials >= MAX_TRIALS:
            return False
        self._start(handover, TRIAL, time)
        return True

    def _start(self, handover: Handover, reason: str, time: Tick) -> None:
        successor = handover.start(time.now, reason)
        self._replacing.add(handover.slot)
        self._add(handover, successor, time)
        extra = {"connection": handover.active, "successor": successor, "reason": reason}
        log.info("handover_started", extra=extra)

    def _continue(self, handover: Handover, time: Tick) -> None:
        if handover.reason == TRIAL:
            step = handover.trial_step(time.now, exchange_silent=time.exchange_silent)
        else:
            step = handover.next_step(time.now, time.wall_ns)
        if step is HandoverStep.COMPLETE:
            self._retire(handover.complete(due_at=self._due_at(time)), "replaced")
        elif step is HandoverStep.ABANDON:
            successor = handover.abandon(time.now)
            self._retire(successor, "abandoned")
            said = {"successor": successor, "reason": handover.reason}
            log.warning("handover_abandoned", extra={"connection": handover.active, **said})
        if not handover.successor:
            self._replacing.discard(handover.slot)

    def _add(self, handover: Handover, connection: str, time: Tick) -> None:
        self.add(connection, handover.feed, lambda: self._spec_of(handover.slot, connection), time)

    def _spec_of(self, slot: str, connection: str) -> ConnectionSpec:
        at_once = self._sizes.at_start(connection)
        return msgspec.structs.replace(self._spec(slot, connection), tokens_at_once=at_once)

    def _retire(self, connection: str, reason: str) -> None:
        self._sizes.retired(connection)
        self._children.retire(connection, Retire(reason=reason))
        self._health.connection_removed(connection)

    def _handover_of(self, connection: str) -> Handover | None:
        handover = self._handovers.get(slot_of(connection))
        return handover if handover is not None and connection in handover.connections else None

    def _due_at(self, time: Tick) -> float:
        # Spread, since most connections start together and must not be replaced together.
        return time.now + self._policy.replace_s * self._children.rng.uniform(0.8, 1.2)


class PlanExecutor:
    """Brings the connections in line with the plan.

    Attributes:
        connections: Those of all slots.
    """

    def __init__(
        self,
        plan: Plan,
        children: Children,
        *,
        wishes: Wishes,
        health: HealthState,
        policy: ConnectionPolicy,
        activity: Activity,
    ) -> None:
        self._plan = plan
        self._wishes, self._fact_queue = wishes, wishes.fact_queue
        self._health = health
        self._activity = activity
        self._announced = AnnouncedMarkets()
        self._canaries = Canaries()
        self._children = children
        self._compacted_at = 0.0
        self.connections = FeedConnections(
            children,
            health=health,
            policy=policy,
            spec=self._spec,
            sharing=plan.sharing,
        )

    def open_lifecycle(self, time: Tick) -> None:
        """Add the connection that receives announcements of new markets and of resolutions."""
        self.connections.add(LIFECYCLE.name, LIFECYCLE.feed, self._lifecycle_spec, time)

    def tokens_of(self, connection: str) -> tuple[TokenId, ...]:
        """Return the tokens of a connection, its canary included."""
        canary = self._canaries.of(connection)
        own = self._plan.tokens_of(slot_of(connection))
        return own if canary is None else (*own, canary)

    def ended(self, connection: str) -> None:
        """Take the end of an incarnation of a connection."""
        self._canaries.forget(connection)

    def change_canaries(self, time: Tick) -> None:
        """Change canaries that do not trade any more, where there is one that does."""
        for connection, token in self._canaries.due(time.now):
            if token is not None and self._activity.count(token) > 0:
                continue
            other = self._plan.canary(slot_of(connection), self._activity.count)
            if other is not None and other != token and connection in self._children.by_id:
                self._children.send(connection, ChangeCanary(token=other))
                self._canaries.given(connection, other)

    def wanted(self) -> Iterator[tuple[TokenId, ...]]:
        """Yield all tokens that are wanted, slot by slot."""
        for slot in self._plan.slots():
            if slot.feed == 0:  # the others have the same tokens
                yield self._announced.split(self._plan.tokens_of(slot.id))[0]

    def slots_of(self, condition_id: ConditionId) -> tuple[str, ...]:
        """Return the slots that a market is on, one of each feed."""
        return self._plan.slots_of(condition_id)

    def change(self, message: UniverseChanged, time: Tick) -> None:
        """Change the plan and carry the difference out.

        Raises:
            JournalFailed: The change could not be journalled.
        """
        self._unwant(message.unwanted, time)
        if message.removed:  # first, so that the new markets find the space
            self._carry_out(self._plan.remove(message.removed), time)
            for condition_id in message.removed:
                self._announced.remove(condition_id)
        for market in message.added:
            if market.active:
                self._want(market.condition_id, time)
            elif not self._plan.slots_of(market.condition_id):
                self._announced.add(market)
        new = [each for each in message.added if not self._plan.slots_of(each.condition_id)]
        self._wishes.found(message, new, time.wall_ns)
        if message.added:
            added = [(market.condition_id, market.token_ids) for market in message.added]
            self._carry_out(self._plan.add(added), time)

    def confirmed(self, message: AnnouncedConfirmed, time: Tick) -> None:
        """Want the markets of announced tokens, since the exchange knows them.

        Raises:
            JournalFailed: See `change`.
        """
        for condition_id in self._announced.of(message.tokens):
            self._want(condition_id, time)
        self._health.universe_planned(wanted=self._plan.token_count - len(self._announced))

    def _want(self, condition_id: ConditionId, time: Tick) -> None:
        """Treat a market that was announced like any other from now on."""
        tokens = self._announced.remove(condition_id)
        if not tokens:
            return
        self._wishes.want(tokens, time.wall_ns)
        self._fact_queue.write()
        for slot_id in self._plan.slots_of(condition_id):
            self.connections.send(slot_id, Subscribe(tokens=tokens))

    def split(self, slot: str, token: TokenId, time: Tick) -> str:
        """Move the market of this token to a slot of its own; return that, if there is a new one.

        Raises:
            JournalFailed: See `change`.
        """
        market = self._plan.market_of(slot, token)
        diff = PlanDiff() if market is None else self._plan.split(slot, market)
        self._carry_out(diff, time)
        return diff.opened[0].id if diff.opened else ""

    def lower_capacity(
        self, tokens: int, unheard: Mapping[str, frozenset[TokenId]], time: Tick
    ) -> None:
        """Let connections have fewer tokens; move what is not listened to, by slot.

        Raises:
            JournalFailed: See `change`.
        """
        self._carry_out(self._plan.lower_capacity(tokens, unheard), time)

    def raise_capacity(self) -> None:
        """Let connections have as many tokens as the settings say."""
        self._plan.raise_capacity()

    def compact(self, time: Tick) -> None:
        """Empty a slot that is not needed any more, at most once in `COMPACT_S`.

        Another feed listens to its tokens while they move. With one feed there is none,
        so slots close only when their markets have ended.

        Raises:
            JournalFailed: See `change`.
        """
        if self._plan.redundancy > 1 and time.now - self._compacted_at >= COMPACT_S:
            self._compacted_at = time.now
            self._carry_out(self._plan.compact(1), time)

    def _carry_out(self, diff: PlanDiff, time: Tick) -> None:
        wanted, _ = self._announced.split(diff.wanted)
        self._wishes.want(wanted, time.wall_ns)
        self._unwant(diff.unwanted, time)
        # Subscribed first, unsubscribed afterwards: a token that moves is listened to all the time.
        opened = {slot.id for slot in diff.opened}
        for slot in diff.opened:
            self.connections.open_slot(slot.id, slot.feed, time)
        for slot_id, tokens in diff.subscribed:
            # The connection of a new slot takes its tokens from the plan when it starts.
            if slot_id not in opened:
                self._subscribe(slot_id, tokens)
                self.connections.wake(slot_id, time)
        for slot_id, tokens in diff.unsubscribed:
            self.connections.send(
                slot_id, Unsubscribe(tokens=tokens, cause="released", since_ns=time.wall_ns)
            )
        for slot_id in diff.closed:
            self.connections.close_slot(slot_id)
        self._health.universe_planned(wanted=self._plan.token_count - len(self._announced))

    def _subscribe(self, slot_id: str, tokens: tuple[TokenId, ...]) -> None:
        known, announced = self._announced.split(tokens)
        if known:
            self.connections.send(slot_id, Subscribe(tokens=known))
        if announced:
            self.connections.send(slot_id, Subscribe(tokens=announced, announced=True))

    def _unwant(self, tokens: tuple[TokenId, ...], time: Tick) -> None:
        """Journal that these tokens are no longer wanted, behind all facts that wait."""
        self._canaries.removed(tokens)
        self._fact_queue.add_tokens(facts.TokensUnwanted, time.wall_ns, tokens)
        self._fact_queue.write()

    def _spec(self, slot: str, connection: str) -> ConnectionSpec:
        known, announced = self._announced.split(self._plan.tokens_of(slot))
        return ConnectionSpec(
            name=connection,
            feed=self._plan.feed_of(slot),
            tokens=known,
            announced=announced,
            canary=self._canary(slot, connection),
        )

    def _lifecycle_spec(self) -> ConnectionSpec:
        canary = self._canary(LIFECYCLE.name, LIFECYCLE.name)
        token = self._plan.any_token()
        if not canary and token is not None:
            # An empty first subscription may be rejected.
            canary = (token,)
        return msgspec.structs.replace(LIFECYCLE, canary=canary)

    def _canary(self, slot: str, connection: str) -> tuple[TokenId, ...]:
        """Return a canary for a connection; none as long as no activity is known."""
        token = self._plan.canary(slot, self._activity.count)
        self._canaries.given(connection, token)
        return () if token is None else (token,)
