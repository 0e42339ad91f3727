"""The rota: who listens to what, carried out with the fewest moves.

Tokens are written down as wanted before anyone is told to listen to them. A
connection that is not born yet is told nothing: at its birth it takes the
tokens of its lane as they are then.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pykka

from actors.backlog import Backlog
from actors.children import Children
from actors.logic import record
from actors.logic.health import HealthState
from actors.logic.lane import LaneSpec
from actors.logic.plan import Changes, Lane, Plan
from actors.logic.restart import ChildSpec
from actors.logic.trade import TokenId
from actors.messages import Retire, Subscribe, Tick, UniverseChanged, Unsubscribe

LIFECYCLE = LaneSpec(lane="lifecycle", leg=0, lifecycle=True)

Listen = Callable[[LaneSpec, int, Tick], "pykka.ActorRef[Any]"]
"""Gives birth to a connection: (lane, incarnation, time of birth) → a running actor."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """How connections are born, how long they may be silent and take to end, in seconds."""

    listen: Listen
    silence_s: float
    stop_s: float


class Rota:
    """Carries the plan out through the supervisor's children."""

    def __init__(
        self,
        plan: Plan,
        children: Children,
        *,
        backlog: Backlog,
        health: HealthState,
        listening: Listening,
    ) -> None:
        self._plan = plan
        self._children = children
        self._backlog = backlog
        self._health = health
        self._listening = listening

    def open_lifecycle(self, time: Tick) -> None:
        """Take on the connection that hears of new markets and of resolutions."""
        self._take_on(LIFECYCLE.lane, LIFECYCLE.leg, lambda: LIFECYCLE, time)

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

    def _carry_out(self, changes: Changes, time: Tick) -> None:
        self._backlog.add_tokens(record.TokensWanted, time.wall_ns, changes.wanted)
        self._unwant(changes.unwanted, time)
        opened = {lane.id for lane in changes.opened}
        for lane in changes.opened:
            self._open_lane(lane, time)
        for lane_id, tokens in changes.subscribed:
            if lane_id not in opened:
                self._children.by_id[lane_id].address.tell(Subscribe(tokens=tokens))
        for lane_id, tokens in changes.unsubscribed:
            self._children.by_id[lane_id].address.tell(
                Unsubscribe(tokens=tokens, cause="released", since_ns=time.wall_ns)
            )
        for lane_id in changes.closed:
            self._children.part_from(lane_id, Retire(reason="released"))
            self._health.connection_let_go(lane_id)
        self._health.universe_planned(wanted=self._plan.token_count)

    def _unwant(self, tokens: tuple[TokenId, ...], time: Tick) -> None:
        """Note that these are no longer of interest, after all that was noted before."""
        self._backlog.add_tokens(record.TokensUnwanted, time.wall_ns, tokens)
        self._backlog.write()

    def _open_lane(self, lane: Lane, time: Tick) -> None:
        def as_it_is_then() -> LaneSpec:
            return LaneSpec(lane=lane.id, leg=lane.leg, tokens=self._plan.tokens_of(lane.id))

        self._take_on(lane.id, lane.leg, as_it_is_then, time)

    def _take_on(self, lane: str, leg: int, spec: Callable[[], LaneSpec], time: Tick) -> None:
        """Take a connection on; what it is for is looked up at each birth."""
        listening = self._listening
        self._children.add(
            ChildSpec(id=lane, vital=False, silence_s=listening.silence_s, stop_s=listening.stop_s),
            lambda incarnation, tick: listening.listen(spec(), incarnation, tick),
            now=time.now,
            farewell=Retire(reason="silent", at_once=True),
        )
        self._health.connection_wanted(lane, leg=leg, at=time.now)
