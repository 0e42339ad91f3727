"""What the database remembers for the resolution actor, and when it is asked for it.

The passes go through the markets that ended and have no resolution.

The first pass begins as soon as the database can be asked, and brings what ended before this
process; a later one begins an hour after the one before, and brings what was left out of memory
meanwhile. Each step asks for the next markets by their ids, and is not taken while many markets
wait for their turn: so a pass takes as long as the sources need, however many there are.
"""

from actors.messages import ConflictsRestored, RequestUnresolved
from actors.model.trade import ConditionId
from actors.resolution.conflicts import Key

FIRST = ConditionId("")
PASS_S = 3_600.0
RETRY_S = 60.0
MOST_WAITING = 2_000
"""While more markets than this wait for a source, no further ones are asked for."""
CONFLICTS_S = 60.0
"""Seconds between two questions which contradictions are open."""


class ConflictsAsked:
    """When the database is asked which contradictions are open, and what it said last.

    Attributes:
        total: How many markets have one, as the database said.
    """

    def __init__(self) -> None:
        self.total = 0
        self._next_at = float("-inf")
        self._last: tuple[Key, ...] = ()

    def is_due(self, now: float) -> bool:
        """Return whether to ask now (monotonic seconds); then it is not due for a minute."""
        if now < self._next_at:
            return False
        self._next_at = now + CONFLICTS_S
        return True

    def ask_soon(self) -> None:
        """Ask at the next tick."""
        self._next_at = float("-inf")

    def answered(self, message: ConflictsRestored) -> tuple[Key, ...]:
        """Take those that are open; return those that were when it was asked before."""
        before, self._last, self.total = self._last, message.open, message.total
        return before


class UnresolvedPass:
    """Asks for the unresolved markets, step by step. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._after: ConditionId | None = FIRST
        self._asked_at: float | None = None
        self._begins_at = float("-inf")

    def begin(self) -> None:
        """Begin from the first market: the database was opened, and may have others."""
        self._after, self._asked_at = FIRST, None

    def tick(self, now: float, waiting: int) -> RequestUnresolved | None:
        """Return the step to ask for now, if any; repeat one that was not answered.

        Args:
            now: Monotonic seconds.
            waiting: How many markets wait for their turn at a source.
        """
        if self._after is None and now >= self._begins_at:
            self._after = FIRST
        unanswered = self._asked_at is not None and now < self._asked_at + RETRY_S
        if self._after is None or unanswered or waiting > MOST_WAITING:
            return None
        if self._after == FIRST:
            self._begins_at = now + PASS_S
        self._asked_at = now
        return RequestUnresolved(after=self._after)

    def answered(self, until: ConditionId | None) -> None:
        """Record that a step was answered; `until` is None after the last one."""
        self._after, self._asked_at = until, None
