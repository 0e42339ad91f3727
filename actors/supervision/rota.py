"""The rota: who listens to what, carried out with the fewest moves.

Tokens are written down as wanted before anyone is told to listen to them. A
connection that is not born yet is told nothing: at its birth it takes the
tokens of its lane as they are then.
"""

from actors.health.state import HealthState
from actors.journal.backlog import Backlog
from actors.messages import Subscribe, Tick, UniverseChanged, Unsubscribe
from actors.model import facts
from actors.model.connection import LaneSpec
from actors.model.trade import ConditionId, TokenId
from actors.supervision.canary import Bustle
from actors.supervision.children import Children
from actors.supervision.connections import Crews, Listening
from actors.supervision.plan import Changes, Plan

TIDY_S = 60.0
"""Between two lanes that are emptied because the others can take their markets."""

LIFECYCLE = LaneSpec(lane="lifecycle", leg=0, lifecycle=True)


class Rota:
    """Carries the plan out through the crews of its lanes."""

    def __init__(
        self,
        plan: Plan,
        children: Children,
        *,
        backlog: Backlog,
        health: HealthState,
        listening: Listening,
        bustle: Bustle,
    ) -> None:
        self._plan = plan
        self._backlog = backlog
        self._health = health
        self._bustle = bustle
        self._tidied_at = 0.0
        self.crews = Crews(
            children,
            health=health,
            listening=listening,
            spec=self._spec,
            sharing=plan.sharing,
        )

    def open_lifecycle(self, time: Tick) -> None:
        """Take on the connection that hears of new markets and of resolutions."""
        self.crews.take_on(LIFECYCLE.lane, LIFECYCLE.leg, self._lifecycle, time)

    def lanes_of(self, condition_id: ConditionId) -> tuple[str, ...]:
        """Give the lanes that a market is on, one of each leg."""
        return self._plan.lanes_of(condition_id)

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

    def split(self, lane: str, token: TokenId, time: Tick) -> None:
        """Give the market of this token a lane of its own, unless it has one.

        Raises:
            JournalFailed: See `change`.
        """
        market = self._plan.market_of(lane, token)
        if market is not None:
            self._carry_out(self._plan.split(lane, market), time)

    def tidy(self, time: Tick) -> None:
        """Now and then empty a lane that is not needed any more, while others hear its tokens.

        With one leg nobody would, so there lanes close only when their markets have ended.

        Raises:
            JournalFailed: See `change`.
        """
        if self._plan.redundancy > 1 and time.now - self._tidied_at >= TIDY_S:
            self._tidied_at = time.now
            self._carry_out(self._plan.compact(1), time)

    def _carry_out(self, changes: Changes, time: Tick) -> None:
        self._backlog.add_tokens(facts.TokensWanted, time.wall_ns, changes.wanted)
        self._unwant(changes.unwanted, time)
        opened = {lane.id for lane in changes.opened}
        for lane in changes.opened:
            self.crews.open(lane.id, lane.leg, time)
        for lane_id, tokens in changes.subscribed:
            if lane_id not in opened:
                self.crews.tell(lane_id, Subscribe(tokens=tokens))
                self.crews.wake(lane_id, time)
        for lane_id, tokens in changes.unsubscribed:
            self.crews.tell(
                lane_id, Unsubscribe(tokens=tokens, cause="released", since_ns=time.wall_ns)
            )
        for lane_id in changes.closed:
            self.crews.close(lane_id)
        self._health.universe_planned(wanted=self._plan.token_count)

    def _unwant(self, tokens: tuple[TokenId, ...], time: Tick) -> None:
        """Note that these are no longer of interest, after all that was noted before."""
        self._backlog.add_tokens(facts.TokensUnwanted, time.wall_ns, tokens)
        self._backlog.write()

    def _spec(self, lane: str, connection: str) -> LaneSpec:
        return LaneSpec(
            lane=connection,
            leg=self._plan.leg_of(lane),
            tokens=self._plan.tokens_of(lane),
            pulse=self._pulse(lane),
        )

    def _lifecycle(self) -> LaneSpec:
        pulse = self._pulse(LIFECYCLE.lane)
        return LaneSpec(lane=LIFECYCLE.lane, leg=LIFECYCLE.leg, pulse=pulse, lifecycle=True)

    def _pulse(self, lane: str) -> tuple[TokenId, ...]:
        """Choose a token that makes silence mean something, once it is known what is busy."""
        token = self._plan.pulse(lane, self._bustle.count)
        return () if token is None else (token,)
