"""One feed of the plan: slots that together listen to every market once."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from actors.model.trade import ConditionId, TokenId

_PAIR: Final = 2  # a market has two tokens; a slot with room for one is full


# MERGED: What a plan changes: slots that open or close, tokens that come or go.


class Slot(msgspec.Struct, frozen=True):
    """One connection of the plan. `id` is like `a-0003` and never used twice."""

    id: str
    feed: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The whole difference between the plan before and after.

    A slot's tokens afterwards are those before, with what stands in `subscribed`
    and without what stands in `unsubscribed`; that holds for slots that open or
    close too. Carried out in the order of the fields, tokens that move are
    listened to on the new slot before they are let go on the old one.

    Attributes:
        wanted, unwanted: Tokens that came into the plan, or left it.
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


class PlanDiff:
    """Adds changes up; what is done and undone leaves nothing behind."""

    def __init__(self) -> None:
        self._wanted: dict[TokenId, int] = {}
        self._opened: dict[str, Slot] = {}
        self._closed: list[str] = []
        self._tokens: dict[str, dict[TokenId, int]] = {}

    def want(self, tokens: Iterable[TokenId]) -> None:
        """These came into the plan."""
        _add(self._wanted, tokens, 1)

    def unwant(self, tokens: Iterable[TokenId]) -> None:
        """These left the plan."""
        _add(self._wanted, tokens, -1)

    def subscribe(self, slot_id: str, tokens: Iterable[TokenId]) -> None:
        """These came to a slot."""
        _add(self._tokens.setdefault(slot_id, {}), tokens, 1)

    def unsubscribe(self, slot_id: str, tokens: Iterable[TokenId]) -> None:
        """These left a slot."""
        _add(self._tokens.setdefault(slot_id, {}), tokens, -1)

    def open(self, slot: Slot) -> None:
        """A slot is new."""
        self._opened[slot.id] = slot

    def close(self, slot_id: str) -> None:
        """A slot is gone."""
        if self._opened.pop(slot_id, None) is None:
            self._closed.append(slot_id)

    def changes(self) -> Changes:
        """Return what was added up."""
        return Changes(
            wanted=_signed(self._wanted, 1),
            unwanted=_signed(self._wanted, -1),
            opened=tuple(self._opened.values()),
            subscribed=self._by_slot(1),
            unsubscribed=self._by_slot(-1),
            closed=tuple(self._closed),
        )

    def _by_slot(self, sign: int) -> tuple[tuple[str, tuple[TokenId, ...]], ...]:
        found = ((slot_id, _signed(counts, sign)) for slot_id, counts in self._tokens.items())
        return tuple((slot_id, tokens) for slot_id, tokens in found if tokens)


def _add(counts: dict[TokenId, int], tokens: Iterable[TokenId], step: int) -> None:
    for token in tokens:
        counts[token] = counts.get(token, 0) + step


def _signed(counts: dict[TokenId, int], sign: int) -> tuple[TokenId, ...]:
    return tuple(token for token, count in counts.items() if count * sign > 0)


@dataclass(slots=True, eq=False)
class Placement:
    """One market and the slot it has in each feed; no slots when it left the plan."""

    condition_id: ConditionId
    tokens: tuple[TokenId, ...]
    slots: "tuple[SlotLoad, ...]" = ()


@dataclass(slots=True, eq=False)
class SlotLoad:
    """One slot and the markets on it. A slot that is `reserved` takes no other market."""

    slot: Slot
    number: int
    placements: dict[ConditionId, Placement] = field(default_factory=dict)
    used: int = 0
    reserved: bool = False


class Feed:
    """The slots of one feed.

    Feed 0 fills its slots in order. The others spread markets by hash over the
    slots that have room, so that no two feeds group the markets alike: two
    connections that are lost together leave few markets unheard.
    """

    def __init__(self, feed: int, *, capacity: int, seed: int) -> None:
        self.feed = feed
        self.loads: dict[str, SlotLoad] = {}
        self._capacity = capacity
        self._seed = seed
        self._opened = 0
        self._with_space: list[SlotLoad] = []

    def prepare(self, placements: Sequence[Placement], difference: PlanDiff) -> None:
        """Open the slots that a batch needs, so that it spreads over all of them."""
        if self.feed == 0:
            return
        needed = sum(len(placement.tokens) for placement in placements)
        room = sum(self._room(load) // _PAIR * _PAIR for load in self._with_space)
        while room < needed:
            self.open(difference)
            room += self._capacity // _PAIR * _PAIR

    def place(self, placement: Placement, difference: PlanDiff) -> None:
        """Return the market a slot."""
        self.assign(placement, self._choose(placement) or self.open(difference), difference)

    def open(self, difference: PlanDiff, *, reserved: bool = False) -> SlotLoad:
        """Open an empty slot."""
        slot = Slot(f"{chr(ord('a') + self.feed)}-{self._opened:04d}", self.feed)
        load = SlotLoad(slot, self._opened, reserved=reserved)
        self._opened += 1
        self.loads[slot.id] = load
        if not reserved:
            self._with_space.append(load)
        difference.open(slot)
        return load

    def tidy(self, difference: PlanDiff) -> None:
        """Close the slots that nobody came to (markets of odd sizes may leave one)."""
        for load in [load for load in self._with_space if not load.placements]:
            self.close(load, difference)

    def assign(self, placement: Placement, load: SlotLoad, difference: PlanDiff) -> None:
        """Put the market on this slot."""
        load.placements[placement.condition_id] = placement
        load.used += len(placement.tokens)
        placement.slots = (*placement.slots[: self.feed], load, *placement.slots[self.feed + 1 :])
        self._weigh(load)
        difference.subscribe(load.slot.id, placement.tokens)

    def unassign(self, placement: Placement, difference: PlanDiff) -> None:
        """Take the market off its slot; an empty slot closes."""
        load = placement.slots[self.feed]
        del load.placements[placement.condition_id]
        load.used -= len(placement.tokens)
        difference.unsubscribe(load.slot.id, placement.tokens)
        if load.placements:
            self._weigh(load)
        else:
            self.close(load, difference)

    def close(self, load: SlotLoad, difference: PlanDiff) -> None:
        """Close a slot that is empty."""
        load.used = self._capacity
        self._weigh(load)
        del self.loads[load.slot.id]
        difference.close(load.slot.id)

    def surplus(self) -> int:
        """Return how many slots too many there are: the others would keep a fifth of their room."""
        used = sum(load.used for load in self._shared())
        return max(0, len(self._shared()) - max(1, -(-used * 5 // (self._capacity * 4))))

    def shrink(self, limit: int, difference: PlanDiff) -> None:
        """Empty up to so many of the slots too many; what fits nowhere stays where it is."""
        emptiest = sorted(self._shared(), key=lambda load: (load.used, load.number))
        guests = emptiest[: max(0, min(limit, self.surplus()))]
        for guest in guests:
            self._reserve(guest, reserved=True)
        for guest in guests:
            for placement in tuple(guest.placements.values()):
                host = self._choose(placement)
                if host is not None:
                    self.unassign(placement, difference)
                    self.assign(placement, host, difference)
        for guest in guests:
            if guest.placements:
                self._reserve(guest, reserved=False)

    def _shared(self) -> list[SlotLoad]:
        return [load for load in self.loads.values() if not load.reserved]

    def _reserve(self, load: SlotLoad, *, reserved: bool) -> None:
        load.reserved = reserved
        self._weigh(load)

    def _choose(self, placement: Placement) -> SlotLoad | None:
        count, size = len(self._with_space), len(placement.tokens)
        first = self._hash(placement.condition_id) % count if self.feed and count else 0
        for step in range(count):
            load = self._with_space[(first + step) % count]
            if self._room(load) >= size:
                return load
        return None

    def _room(self, load: SlotLoad) -> int:
        return self._capacity - load.used

    def _weigh(self, load: SlotLoad) -> None:
        """Keep the list of slots with room in order and complete."""
        index = bisect_left(self._with_space, load.number, key=lambda load: load.number)
        listed = index < len(self._with_space) and self._with_space[index] is load
        roomy = self._room(load) >= _PAIR and not load.reserved
        if listed and not roomy:
            del self._with_space[index]
        elif roomy and not listed:
            insort(self._with_space, load, key=lambda load: load.number)

    def _hash(self, condition_id: ConditionId) -> int:
        text = f"{self._seed}|{self.feed}|{condition_id}"
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
