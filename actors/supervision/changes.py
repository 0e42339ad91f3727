"""What a plan changes: lanes that open or close, tokens that come or go."""

from collections.abc import Iterable

import msgspec

from actors.model.trade import TokenId


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


class Difference:
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
