"""One leg of the plan: lanes that together listen to every market once."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from actors.model.trade import ConditionId, TokenId

_PAIR: Final = 2  # a market has two tokens; a lane with room for one is full


# MERGED: What a plan changes: lanes that open or close, tokens that come or go.


class Lane(msgspec.Struct, frozen=True):
    """One connection of the plan. `id` is like `leg0-0003` and never used twice."""

    id: str
    leg: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The whole difference between the plan before and after.

    A lane's tokens afterwards are those before, with what stands in `subscribed`
    and without what stands in `unsubscribed`; that holds for lanes that open or
    close too. Carried out in the order of the fields, tokens that move are
    listened to on the new lane before they are let go on the old one.

    Attributes:
        wanted, unwanted: Tokens that came into the plan, or left it.
        opened: Lanes that are new.
        subscribed, unsubscribed: (lane id, tokens), each lane once.
        closed: Ids of lanes that are gone.
    """

    wanted: tuple[TokenId, ...] = ()
    unwanted: tuple[TokenId, ...] = ()
    opened: tuple[Lane, ...] = ()
    subscribed: tuple[tuple[str, tuple[TokenId, ...]], ...] = ()
    unsubscribed: tuple[tuple[str, tuple[TokenId, ...]], ...] = ()
    closed: tuple[str, ...] = ()


class PlanDiff:
    """Adds changes up; what is done and undone leaves nothing behind."""

    def __init__(self) -> None:
        self._wanted: dict[TokenId, int] = {}
        self._opened: dict[str, Lane] = {}
        self._closed: list[str] = []
        self._tokens: dict[str, dict[TokenId, int]] = {}

    def want(self, tokens: Iterable[TokenId]) -> None:
        """These came into the plan."""
        _add(self._wanted, tokens, 1)

    def unwant(self, tokens: Iterable[TokenId]) -> None:
        """These left the plan."""
        _add(self._wanted, tokens, -1)

    def subscribe(self, lane_id: str, tokens: Iterable[TokenId]) -> None:
        """These came to a lane."""
        _add(self._tokens.setdefault(lane_id, {}), tokens, 1)

    def unsubscribe(self, lane_id: str, tokens: Iterable[TokenId]) -> None:
        """These left a lane."""
        _add(self._tokens.setdefault(lane_id, {}), tokens, -1)

    def open(self, lane: Lane) -> None:
        """A lane is new."""
        self._opened[lane.id] = lane

    def close(self, lane_id: str) -> None:
        """A lane is gone."""
        if self._opened.pop(lane_id, None) is None:
            self._closed.append(lane_id)

    def changes(self) -> Changes:
        """Give what was added up."""
        return Changes(
            wanted=_signed(self._wanted, 1),
            unwanted=_signed(self._wanted, -1),
            opened=tuple(self._opened.values()),
            subscribed=self._by_lane(1),
            unsubscribed=self._by_lane(-1),
            closed=tuple(self._closed),
        )

    def _by_lane(self, sign: int) -> tuple[tuple[str, tuple[TokenId, ...]], ...]:
        found = ((lane_id, _signed(counts, sign)) for lane_id, counts in self._tokens.items())
        return tuple((lane_id, tokens) for lane_id, tokens in found if tokens)


def _add(counts: dict[TokenId, int], tokens: Iterable[TokenId], step: int) -> None:
    for token in tokens:
        counts[token] = counts.get(token, 0) + step


def _signed(counts: dict[TokenId, int], sign: int) -> tuple[TokenId, ...]:
    return tuple(token for token, count in counts.items() if count * sign > 0)


@dataclass(slots=True, eq=False)
class Placement:
    """One market and the lane it has in each leg; no lanes when it left the plan."""

    condition_id: ConditionId
    tokens: tuple[TokenId, ...]
    lanes: "tuple[Slot, ...]" = ()


@dataclass(slots=True, eq=False)
class Slot:
    """One lane and the markets on it. A lane that is `reserved` takes no other market."""

    lane: Lane
    number: int
    seats: dict[ConditionId, Placement] = field(default_factory=dict)
    used: int = 0
    reserved: bool = False


class Feed:
    """The lanes of one leg.

    Feed 0 fills its lanes in order. The others spread markets by hash over the
    lanes that have room, so that no two legs group the markets alike: two
    connections that are lost together leave few markets unheard.
    """

    def __init__(self, leg: int, *, capacity: int, seed: int) -> None:
        self.leg = leg
        self.benches: dict[str, Slot] = {}
        self._capacity = capacity
        self._seed = seed
        self._opened = 0
        self._roomy: list[Slot] = []

    def prepare(self, seats: Sequence[Placement], difference: PlanDiff) -> None:
        """Open the lanes that a batch needs, so that it spreads over all of them."""
        if self.leg == 0:
            return
        needed = sum(len(seat.tokens) for seat in seats)
        room = sum(self._room(bench) // _PAIR * _PAIR for bench in self._roomy)
        while room < needed:
            self.open(difference)
            room += self._capacity // _PAIR * _PAIR

    def place(self, seat: Placement, difference: PlanDiff) -> None:
        """Give the market a lane."""
        self.sit(seat, self._choose(seat) or self.open(difference), difference)

    def open(self, difference: PlanDiff, *, reserved: bool = False) -> Slot:
        """Open an empty lane."""
        lane = Lane(f"leg{self.leg}-{self._opened:04d}", self.leg)
        bench = Slot(lane, self._opened, reserved=reserved)
        self._opened += 1
        self.benches[lane.id] = bench
        if not reserved:
            self._roomy.append(bench)
        difference.open(lane)
        return bench

    def tidy(self, difference: PlanDiff) -> None:
        """Close the lanes that nobody came to (markets of odd sizes may leave one)."""
        for bench in [bench for bench in self._roomy if not bench.seats]:
            self.close(bench, difference)

    def sit(self, seat: Placement, bench: Slot, difference: PlanDiff) -> None:
        """Put the market on this lane."""
        bench.seats[seat.condition_id] = seat
        bench.used += len(seat.tokens)
        seat.lanes = (*seat.lanes[: self.leg], bench, *seat.lanes[self.leg + 1 :])
        self._weigh(bench)
        difference.subscribe(bench.lane.id, seat.tokens)

    def rise(self, seat: Placement, difference: PlanDiff) -> None:
        """Take the market off its lane; an empty lane closes."""
        bench = seat.lanes[self.leg]
        del bench.seats[seat.condition_id]
        bench.used -= len(seat.tokens)
        difference.unsubscribe(bench.lane.id, seat.tokens)
        if bench.seats:
            self._weigh(bench)
        else:
            self.close(bench, difference)

    def close(self, bench: Slot, difference: PlanDiff) -> None:
        """Close a lane that is empty."""
        bench.used = self._capacity
        self._weigh(bench)
        del self.benches[bench.lane.id]
        difference.close(bench.lane.id)

    def surplus(self) -> int:
        """Give how many lanes too many there are: the others would keep a fifth of their room."""
        used = sum(bench.used for bench in self._shared())
        return max(0, len(self._shared()) - max(1, -(-used * 5 // (self._capacity * 4))))

    def shrink(self, limit: int, difference: PlanDiff) -> None:
        """Empty up to so many of the lanes too many; what fits nowhere stays where it is."""
        emptiest = sorted(self._shared(), key=lambda bench: (bench.used, bench.number))
        guests = emptiest[: max(0, min(limit, self.surplus()))]
        for guest in guests:
            self._reserve(guest, reserved=True)
        for guest in guests:
            for seat in tuple(guest.seats.values()):
                host = self._choose(seat)
                if host is not None:
                    self.rise(seat, difference)
                    self.sit(seat, host, difference)
        for guest in guests:
            if guest.seats:
                self._reserve(guest, reserved=False)

    def _shared(self) -> list[Slot]:
        return [bench for bench in self.benches.values() if not bench.reserved]

    def _reserve(self, bench: Slot, *, reserved: bool) -> None:
        bench.reserved = reserved
        self._weigh(bench)

    def _choose(self, seat: Placement) -> Slot | None:
        count, size = len(self._roomy), len(seat.tokens)
        first = self._hash(seat.condition_id) % count if self.leg and count else 0
        for step in range(count):
            bench = self._roomy[(first + step) % count]
            if self._room(bench) >= size:
                return bench
        return None

    def _room(self, bench: Slot) -> int:
        return self._capacity - bench.used

    def _weigh(self, bench: Slot) -> None:
        """Keep the list of lanes with room in order and complete."""
        index = bisect_left(self._roomy, bench.number, key=lambda bench: bench.number)
        listed = index < len(self._roomy) and self._roomy[index] is bench
        roomy = self._room(bench) >= _PAIR and not bench.reserved
        if listed and not roomy:
            del self._roomy[index]
        elif roomy and not listed:
            insort(self._roomy, bench, key=lambda bench: bench.number)

    def _hash(self, condition_id: ConditionId) -> int:
        text = f"{self._seed}|{self.leg}|{condition_id}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
