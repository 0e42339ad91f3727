"""Housekeeping: what is kept for a time only is deleted, in steps that are short.

One step looks at a few thousand rows of one table, in a transaction of its own, so that it holds no
lock for long and a commit comes between two steps. Another kind of old rows is another `Chore`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from psycopg.types.numeric import Int8

from actors.database import queries
from actors.database.session import Connection

SAMPLES_KEPT: Final = timedelta(days=30)
"""How long samples of what cannot be a trade are kept."""
ROWS_AT_ONCE: Final = 2_000


class Deleted(NamedTuple):
    """What one step did.

    Attributes:
        rows: How many rows were deleted.
        is_last: Nothing that is old is left behind it.
    """

    rows: int
    is_last: bool


class Chore(Protocol):
    """Deletes the old rows of one kind, a step at a time."""

    @property
    def name(self) -> str:
        """Return what is deleted, for the log."""

    def step(self, connection: Connection, now: datetime) -> Deleted:
        """Do the next step; after the last one begin again at the first."""


class OldSamples:
    """Deletes rejected messages that cannot be trades, some time after they were received."""

    name = "samples"

    def __init__(self, *, kept: timedelta = SAMPLES_KEPT, rows: int = ROWS_AT_ONCE) -> None:
        self._kept = kept
        self._rows = rows
        self._after = 0

    def step(self, connection: Connection, now: datetime) -> Deleted:
        """Look at the next messages, and delete what is old among them."""
        given = {"after": Int8(self._after), "rows": self._rows, "now": now, "kept": self._kept}
        row = connection.execute(queries.DELETE_OLD_SAMPLES, given).fetchone()
        last, seen, any_old, deleted = row or (0, 0, False, 0)
        # Messages come nearly in the order of their receipt.
        is_last = seen < self._rows or not any_old
        self._after = 0 if is_last else last
        return Deleted(deleted, is_last)


class Housekeeping:
    """Does one chore after the other; in the thread of the store.

    Args:
        chores: In their order.
    """

    def __init__(self, chores: Sequence[Chore] | None = None) -> None:
        self._chores = tuple(chores) if chores is not None else (OldSamples(),)
        self._place = 0

    @property
    def name(self) -> str:
        """Return what the next step deletes."""
        return self._chores[self._place].name

    def step(self, connection: Connection, now: datetime) -> Deleted:
        """Do the next step of the present chore; the last step of the last one is the last."""
        deleted = self._chores[self._place].step(connection, now)
        return Deleted(deleted.rows, deleted.is_last and self.skip())

    def skip(self) -> bool:
        """Go to the next chore; return whether this was the last one."""
        self._place = (self._place + 1) % len(self._chores)
        return self._place == 0
