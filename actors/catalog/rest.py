"""How much of the interpreter the listings may take from the other threads."""

from collections.abc import Callable
from typing import Final

SHORT_S: Final = 0.05
"""A page of real markets takes less than that to read and to hand on, while nothing else runs."""
REST: Final = 3.0
"""After a page that takes longer, so many times that are left to the other threads."""


class Rest:
    """Leaves time to the other threads after a page that took long. In the thread of its actor.

    A listing of enormous pages, or without an end, then takes a part of the interpreter only, and
    less the busier that is: the work takes longer then, and so does the rest.

    Args:
        monotonic: Measures the work, in seconds; the clock of the ticks.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: float | None = None
        self._until = float("-inf")

    def begin(self) -> None:
        """Record that the work on a page begins."""
        self._since = self._monotonic()

    def end(self) -> None:
        """Record that it has ended, if any had begun."""
        if self._since is None:
            return
        now = self._monotonic()
        worked_s, self._since = now - self._since, None
        if worked_s > SHORT_S:
            self._until = now + REST * worked_s

    def is_over(self, now: float) -> bool:
        """Return whether the next page may be asked for; `now` is monotonic seconds."""
        return now >= self._until
