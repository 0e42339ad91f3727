"""Which market is on which slot of a feed, and what a change of that means for connections.

A **slot** is the place of one connection of a feed. A **placement** is one market and the
slot that it has on each feed. A `SlotLoad` is a slot with the placements on it. `Feed` holds
the slots of one feed; `supervision/plan.py` holds the feeds. Everything that changes them
adds to a `PlanDiffBuilder`, whose `PlanDiff` says what connections have to do.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from actors.model.trade import ConditionId, TokenId

_PAIR: Final = 2  # a market has two tokens, so a slot with space for one token is full


class Slot(msgspec.Struct, frozen=True):
    """The place of one connection of a feed. `id` is like `a-0003` and never used twice."""

    id: str
    feed: int


# ---------------------------------------------------------------- differences


class PlanDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between the plan before and after a change.

    The tokens of a slot afterwards are those before, with those in `subscribed` and
    without those in `unsubscribed`; that also holds for slots that open or close.
    Carried out in the order of the fields, a token that moves is subscribed on its new
    slot before it is unsubscribed on the old one.

    Attributes:
        wanted, unwanted: Tokens that entered the plan, or left it.
        opened: Slots that are new.
        subscribed, unsubscribed: (slot id, tokens), each slot once.
        closed: Ids of slots that are gone.
    """

    wanted: tuple[TokenId, ...] = ()
    unwanted: tuple[TokenId, ...] = ()
    opened: tuple[Slot, ...] = ()
    subscribed: tuple[tuple[str, tuple[TokenId, ...]], ...] = ()
    unsubscribed: tuple[tuple[str, tuple[TokenId, ...]], ...] = ()
    closed: tuple[str, ...] = ()


class PlanDiffBuilder:
    """Adds single steps up to a `PlanDiff`; a step and its reverse cancel out."""

    def __init__(self) -> None:
        self._wanted: dict[TokenId, int] = {}
        self._opened: dict[str, Slot] = {}
        self._closed: list[str] = []
        self._tokens: dict[str, dict[TokenId, int]] = {}

    def want(self, tokens: Iterable[TokenId]) -> None:
        """Add tokens that entered the plan."""
        _count(self._wanted, tokens, 1)

    def unwant(self, tokens: Iterable[TokenId]) -> None:
        """Add tokens that left the plan."""
        _count(self._wanted, tokens, -1)

    def subscribe(self, slot_id: str, tokens: Iterable[TokenId]) -> None:
        """Add tokens that came to a slot."""
        _count(self._tokens.setdefault(slot_id, {}), tokens, 1)

    def unsubscribe(self, slot_id: str, tokens: Iterable[TokenId]) -> None:
        """Add tokens that left a slot."""
        _count(self._tokens.setdefault(slot_id, {}), tokens, -1)

    def open(self, slot: Slot) -> None:
        """Add a new slot."""
        self._opened[slot.id] = slot

    def close(self, slot_id: str) -> None:
        """Add a slot that is gone."""
        if self._opened.pop(slot_id, None) is None:
            self._closed.append(slot_id)

    def diff(self) -> PlanDiff:
        """Return the sum of all steps."""
        return PlanDiff(
            wanted=_with_sign(self._wanted, 1),
            unwanted=_with_sign(self._wanted, -1),
            opened=tuple(self._opened.values()),
            subscribed=self._by_slot(1),
            unsubscribed=self._by_slot(-1),
            closed=tuple(self._closed),
        )

    def _by_slot(self, sign: int) -> tuple[tuple[str, tuple[TokenId, ...]], ...]:
        found = ((slot_id, _with_sign(counts, sign)) for slot_id, counts in self._tokens.items())
        return tuple((slot_id, tokens) for slot_id, tokens in found if tokens)


def _count(counts: dict[TokenId, int], tokens: Iterable[TokenId], change: int) -> None:
    for token in tokens:
        counts[token] = counts.get(token, 0) + change


def _with_sign(counts: dict[TokenId, int], sign: int) -> tuple[TokenId, ...]:
    return tuple(token for token, count in counts.items() if count * sign > 0)


# ---------------------------------------------------------------------- feeds


@dataclass(slots=True, eq=False)
class Placement:
    """One market and its slot on each feed, by number of the feed; no slots once it left."""

    condition_id: ConditionId
    tokens: tuple[TokenId, ...]
    slots: "tuple[SlotLoad, ...]" = ()


@dataclass(slots=True, eq=False)
class SlotLoad:
    """One slot and the markets on it.

    Attributes:
        number: The number in the slot's id; slots are ordered by it.
        used: Tokens on the slot.
        reserved: It takes no further market.
    """

    slot: Slot
    number: int
    placements: dict[ConditionId, Placement] = field(default_factory=dict)
    used: int = 0
    reserved: bool = False


class Feed:
    """The slots of one feed; together they hold every market once.

    Feed 0 fills its slots in order. Other feeds spread markets by hash over the slots
    that have space, so that no two feeds group the markets alike: two connections that
    are lost at the same time then have few markets in common.

    Args:
        feed: The number of the feed.
        capacity: The most tokens on one slot.
        seed: Decides how feeds other than 0 spread the markets.
    """

    def __init__(self, feed: int, *, capacity: int, seed: int) -> None:
        self.feed = feed
        self.loads: dict[str, SlotLoad] = {}
        self._capacity = capacity
        self._seed = seed
        self._opened = 0
        self._with_space: list[SlotLoad] = []  # ordered by number

    def prepare(self, placements: Sequence[Placement], diff: PlanDiffBuilder) -> None:
        """Open the slots that a batch needs before placing it, so that it spreads over all."""
        if self.feed == 0:
            return
        needed = sum(len(placement.tokens) for placement in placements)
        # Whole pairs: a single free place holds no market.
        free = sum(self._free(load) // _PAIR * _PAIR for load in self._with_space)
        while free < needed:
            self.open(diff)
            free += self._capacity // _PAIR * _PAIR

    def place(self, placement: Placement, diff: PlanDiffBuilder) -> None:
        """Choose a slot for a market, or open one, and assign it."""
        self.assign(placement, self._choose(placement) or self.open(diff), diff)

    def open(self, diff: PlanDiffBuilder, *, reserved: bool = False) -> SlotLoad:
        """Open an empty slot."""
        slot = Slot(f"{chr(ord('a') + self.feed)}-{self._opened:04d}", self.feed)
        load = SlotLoad(slot, self._opened, reserved=reserved)
        self._opened += 1
        self.loads[slot.id] = load
        if not reserved:
            self._with_space.append(load)
        diff.open(slot)
        return load

    def close_empty(self, diff: PlanDiffBuilder) -> None:
        """Close slots that stayed empty after `prepare`: markets of odd sizes may leave one."""
        for load in [load for load in self._with_space if not load.placements]:
            self.close(load, diff)

    def assign(self, placement: Placement, load: SlotLoad, diff: PlanDiffBuilder) -> None:
        """Put a market on this slot."""
        load.placements[placement.condition_id] = placement
        load.used += len(placement.tokens)
        placement.slots = (*placement.slots[: self.feed], load, *placement.slots[self.feed + 1 :])
        self._index(load)
        diff.subscribe(load.slot.id, placement.tokens)

    def unassign(self, placement: Placement, diff: PlanDiffBuilder) -> None:
        """Take a market off its slot, and close the slot if it is empty then."""
        load = placement.slots[self.feed]
        del load.placements[placement.condition_id]
        load.used -= len(placement.tokens)
        diff.unsubscribe(load.slot.id, placement.tokens)
        if load.placements:
            self._index(load)
        else:
            self.close(load, diff)

    def close(self, load: SlotLoad, diff: PlanDiffBuilder) -> None:
        """Close a slot that is empty."""
        load.used = self._capacity  # so that it leaves the list of slots with space
        self._index(load)
        del self.loads[load.slot.id]
        diff.close(load.slot.id)

    def lower_capacity(
        self,
        capacity: int,
        unheard: Mapping[str, frozenset[TokenId]],
        moved: AbstractSet[ConditionId],
        diff: PlanDiffBuilder,
    ) -> set[ConditionId]:
        """Move what is not listened to off every slot that has more than `capacity` tokens.

        Args:
            capacity: The most tokens on one slot from now on.
            unheard: By slot, tokens that are not listened to there.
            moved: Markets that moved on another feed though one of their tokens is listened to.
            diff: Takes the steps.

        Returns:
            Such markets of this feed.
        """
        self._capacity = capacity
        moving: list[Placement] = []
        halves: set[ConditionId] = set()
        for load in tuple(self.loads.values()):
            silent = unheard.get(load.slot.id, frozenset())
            if not silent or load.used <= capacity:
                self._index(load)
                continue
            leaving = [each for each in load.placements.values() if silent.issuperset(each.tokens)]
            half = [
                each
                for each in load.placements.values()
                if each.condition_id not in moved
                and not silent.isdisjoint(each.tokens)
                and not silent.issuperset(each.tokens)
            ]
            for placement in (*reversed(leaving), *reversed(half)):
                if load.used <= capacity:
                    break
                if not silent.issuperset(placement.tokens):
                    halves.add(placement.condition_id)
                self.unassign(placement, diff)
                moving.append(placement)
            self._index(load)
        self.prepare(moving, diff)
        for placement in moving:
            self.place(placement, diff)
        self.close_empty(diff)
        return halves

    def raise_capacity(self, capacity: int) -> None:
        """Let slots have more tokens."""
        self._capacity = capacity
        for load in self.loads.values():
            self._index(load)

    def surplus(self) -> int:
        """Return how many slots are not needed: without them a fifth of all space stays free."""
        used = sum(load.used for load in self._shared())
        # Rounded up: the slots that hold `used` when each is filled to four fifths.
        return max(0, len(self._shared()) - max(1, -(-used * 5 // (self._capacity * 4))))

    def shrink(self, limit: int, diff: PlanDiffBuilder) -> None:
        """Empty up to `limit` surplus slots; a market that fits nowhere else stays."""
        emptiest = sorted(self._shared(), key=lambda load: (load.used, load.number))
        leaving = emptiest[: max(0, min(limit, self.surplus()))]
        for load in leaving:
            self._reserve(load, reserved=True)  # so that no market moves to one of them
        for load in leaving:
            for placement in tuple(load.placements.values()):
                target = self._choose(placement)
                if target is not None:
                    self.unassign(placement, diff)
                    self.assign(placement, target, diff)
        for load in leaving:
            if load.placements:
                self._reserve(load, reserved=False)

    def _shared(self) -> list[SlotLoad]:
        return [load for load in self.loads.values() if not load.reserved]

    def _reserve(self, load: SlotLoad, *, reserved: bool) -> None:
        load.reserved = reserved
        self._index(load)

    def _choose(self, placement: Placement) -> SlotLoad | None:
        """Return a slot with space for a market; None when there is none."""
        count, size = len(self._with_space), len(placement.tokens)
        first = self._hash(placement.condition_id) % count if self.feed and count else 0
        for step in range(count):
            load = self._with_space[(first + step) % count]
            if self._free(load) >= size:
                return load
        return None

    def _free(self, load: SlotLoad) -> int:
        return self._capacity - load.used

    def _index(self, load: SlotLoad) -> None:
        """Bring the list of slots with space up to date, after a change of this slot."""
        index = bisect_left(self._with_space, load.number, key=lambda load: load.number)
        listed = index < len(self._with_space) and self._with_space[index] is load
        usable = self._free(load) >= _PAIR and not load.reserved
        if listed and not usable:
            del self._with_space[index]
        elif usable and not listed:
            insort(self._with_space, load, key=lambda load: load.number)

    def _hash(self, condition_id: ConditionId) -> int:
        text = f"{self._seed}|{self.feed}|{condition_id}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
