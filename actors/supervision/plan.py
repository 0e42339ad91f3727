"""The plan: which connection listens to which market.

Every market is on one lane (connection) of each leg, both of its tokens
together. What has a lane keeps it: wanting and dropping never move another
market. Only `split` and `compact`, asked for, move anything.
"""

from collections.abc import Callable, Iterable, Sequence

from actors.model.trade import ConditionId, TokenId
from actors.supervision.allocation import Changes, Feed, Lane, Placement, PlanDiff, Slot
from actors.supervision.canary import CanaryPicker

__all__ = ["Changes", "Lane", "Plan"]

Market = tuple[ConditionId, tuple[TokenId, ...]]


class Plan:
    """All lanes of all legs.

    Args:
        redundancy: How many legs; each token is on that many connections.
        per_connection: The most tokens on one connection, 2 or more.
        seed: Decides how the legs beyond the first group the markets.
    """

    def __init__(self, *, redundancy: int, per_connection: int, seed: int) -> None:
        if redundancy < 1 or per_connection < 2:
            raise ValueError("a plan needs one leg and room for the two tokens of a market")
        self._capacity = per_connection
        self._legs = tuple(
            Feed(leg, capacity=per_connection, seed=seed) for leg in range(redundancy)
        )
        self._seats: dict[ConditionId, Placement] = {}
        self._pulses = CanaryPicker(self._seats)
        self._token_count = 0

    @property
    def redundancy(self) -> int:
        """How many connections listen to each token."""
        return len(self._legs)

    @property
    def token_count(self) -> int:
        """Tokens in the plan, each counted once."""
        return self._token_count

    def want(self, markets: Sequence[Market]) -> Changes:
        """Take markets in; one that is in with the same tokens stays as it is.

        Raises:
            ValueError: A market has no token, or more than fit on a connection.
        """
        difference = PlanDiff()
        seats: dict[ConditionId, Placement] = {}
        for condition_id, tokens in markets:
            if not 1 <= len(tokens) <= self._capacity:
                raise ValueError(f"{condition_id} has {len(tokens)} tokens")
            seats[condition_id] = Placement(condition_id, tokens)
        new = [seat for seat in seats.values() if not self._has(seat)]
        for seat in new:
            self._remove(seat.condition_id, difference)
            self._seats[seat.condition_id] = seat
            self._token_count += len(seat.tokens)
            difference.want(seat.tokens)
        for leg in self._legs:
            leg.prepare(new, difference)
            for seat in new:
                leg.place(seat, difference)
            leg.tidy(difference)
        return difference.changes()

    def drop(self, condition_ids: Iterable[ConditionId]) -> Changes:
        """Let markets go; a lane that becomes empty closes."""
        difference = PlanDiff()
        for condition_id in condition_ids:
            self._remove(condition_id, difference)
        return difference.changes()

    def split(self, lane_id: str, hottest: ConditionId) -> Changes:
        """Move one market to a lane of its own, which no other market joins.

        Changes nothing when the market is not on this lane, or alone on it.
        """
        difference = PlanDiff()
        leg, bench = self._find(lane_id)
        seat = bench.seats.get(hottest) if bench else None
        if leg and bench and seat and len(bench.seats) > 1:
            leg.rise(seat, difference)
            leg.sit(seat, leg.open(difference, reserved=True), difference)
        return difference.changes()

    def compact(self, limit: int) -> Changes:
        """Empty up to `limit` lanes, the emptiest first, of a leg that could do with fewer.

        Only the leg with the most lanes too many is touched: no market moves on
        two legs at once.
        """
        difference = PlanDiff()
        max(self._legs, key=Feed.surplus).shrink(limit, difference)
        return difference.changes()

    def lanes(self) -> tuple[Lane, ...]:
        """Give all lanes, leg by leg, oldest first."""
        return tuple(bench.lane for leg in self._legs for bench in leg.benches.values())

    def lanes_of(self, condition_id: ConditionId) -> tuple[str, ...]:
        """Give the ids of the lanes that a market is on, in order of the legs."""
        seat = self._seats.get(condition_id)
        return tuple(bench.lane.id for bench in seat.lanes) if seat else ()

    def leg_of(self, lane_id: str) -> int:
        """Give the leg of a lane; 0 when there is no such lane."""
        leg, _ = self._find(lane_id)
        return leg.leg if leg else 0

    def market_of(self, lane_id: str, token: TokenId) -> ConditionId | None:
        """Give the market of a token on this lane; None when it is not there."""
        _, bench = self._find(lane_id)
        seats = bench.seats.values() if bench else ()
        return next((seat.condition_id for seat in seats if token in seat.tokens), None)

    def sharing(self, lane_id: str) -> frozenset[str]:
        """Give the lanes of other legs that have a market in common with this one."""
        _, bench = self._find(lane_id)
        seats = bench.seats.values() if bench else ()
        return frozenset(other.lane.id for seat in seats for other in seat.lanes) - {lane_id}

    def tokens_of(self, lane_id: str) -> tuple[TokenId, ...]:
        """Give the tokens on a lane, market by market; none when there is no such lane."""
        _, bench = self._find(lane_id)
        seats = bench.seats.values() if bench else ()
        return tuple(token for seat in seats for token in seat.tokens)

    def pulse(self, lane_id: str, busy: Callable[[TokenId], int]) -> TokenId | None:
        """Give a moderately busy token that is not on this lane; None when there is none."""
        return self._pulses.choose(lane_id, busy)

    def _has(self, seat: Placement) -> bool:
        known = self._seats.get(seat.condition_id)
        return known is not None and known.tokens == seat.tokens

    def _find(self, lane_id: str) -> tuple[Feed, Slot] | tuple[None, None]:
        for leg in self._legs:
            bench = leg.benches.get(lane_id)
            if bench is not None:
                return leg, bench
        return None, None

    def _remove(self, condition_id: ConditionId, difference: PlanDiff) -> None:
        seat = self._seats.pop(condition_id, None)
        if seat is None:
            return
        for leg in self._legs:
            leg.rise(seat, difference)
        seat.lanes = ()
        self._token_count -= len(seat.tokens)
        difference.unwant(seat.tokens)
