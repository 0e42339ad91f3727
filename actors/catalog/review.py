"""When the catalog asks the database which of its markets are not known or not resolved.

What was not stored (the database was away, and the process was killed) is in no listing once it
has closed. So all condition ids of the database are gone through in ranges, each answered quickly,
some time after the start and once an hour. Seconds are monotonic.
"""

from collections.abc import Iterable
from typing import Final

from actors.model.market import Market
from actors.model.trade import ConditionId

FIRST_S: Final = 30.0
PAGE_S: Final = 2.0
ANSWER_S: Final = 60.0
"""The writer answers when it has nothing else to do; after so long it is asked again."""
CYCLE_S: Final = 3_600.0
MAX_UNKNOWN: Final = 100_000


class Review:
    """The next range to ask for, and the conditions that are asked for at Gamma."""

    def __init__(self) -> None:
        self._after: ConditionId = ConditionId("")
        self._at: float | None = None
        self.unknown: set[ConditionId] = set()

    def due(self, now: float) -> ConditionId | None:
        """Return behind which condition id a range is to be asked for now; counts as asked."""
        if self._at is None:
            self._at = now + FIRST_S
        if now < self._at:
            return None
        self._at = now + ANSWER_S
        return self._after

    def answered(
        self, now: float, unknown: tuple[ConditionId, ...], until: ConditionId | None
    ) -> None:
        """Take in a range; its unknown conditions replace those of the range before.

        Args:
            now: Monotonic seconds.
            unknown: Conditions without a market.
            until: The last condition of the range; None: it was the last range.
        """
        if not self._after:
            self.unknown.clear()
        self.unknown.update(unknown[: max(0, MAX_UNKNOWN - len(self.unknown))])
        self._after = until or ConditionId("")
        self._at = now + (CYCLE_S if until is None else PAGE_S + len(unknown) / 10)

    def take(self, found: Iterable[Market]) -> tuple[Market, ...]:
        """Return the markets that were unknown, and forget that they were."""
        new = tuple(market for market in found if market.condition_id in self.unknown)
        self.unknown.difference_update(market.condition_id for market in new)
        return new
