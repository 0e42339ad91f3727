"""Housekeeping: what is kept for a time only goes, in steps that are short.

One step looks at a few thousand rows of one table, in a transaction of its own, so that it holds no
lock for long and a commit comes between two steps. Another kind of old rows is another `Chore`.
docs/explanation/storage.md says how long each table is kept, and why.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

import psycopg
from psycopg.types.numeric import Int8

from actors.database import queries
from actors.database.session import Connection, one_line
from actors.model.storage import Housekept

SAMPLES_KEPT: Final = timedelta(days=30)
"""How long samples of what cannot be a trade are kept."""
EVENTS_KEPT: Final = timedelta(days=90)
"""How long connection events are kept; marks of disputed trades stay."""
AUDITS_KEPT: Final = timedelta(days=400)
"""How long audits are kept after they were made."""
ROWS_AT_ONCE: Final = 2_000
LEAST_ROWS: Final = 50
"""A server that cannot look at so many within a second fails."""


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

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        """Do the next step; after the last one begin again at the first.

        Args:
            connection: In a transaction, with the limits of a chore.
            now: The present time.
            rows: How many it may look at.
        """


class OldSamples:
    """Deletes rejected messages that cannot be trades, some time after they were received."""

    name = "samples"

    def __init__(self, kept: timedelta = SAMPLES_KEPT) -> None:
        self._kept = kept
        self._after = 0

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        """Look at the next samples, and delete what is old among them."""
        given = {"after": Int8(self._after), "rows": rows, "now": now, "kept": self._kept}
        row = connection.execute(queries.DELETE_OLD_SAMPLES, given).fetchone()
        last, seen, deleted = row or (0, 0, 0)
        # To the end: an old one may stand behind any number of others, since the order is that of
        # storing, and their times those of a clock that may have been wrong.
        is_last = seen < rows
        self._after = 0 if is_last else last
        return Deleted(deleted, is_last)


class OldEvents:
    """Deletes connection events some time after they happened, but no mark of a trade."""

    name = "connection_events"

    def __init__(self, kept: timedelta = EVENTS_KEPT) -> None:
        self._kept = kept
        self._after = datetime.min.replace(tzinfo=UTC)

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        """Look at the next events in the order of their times, and delete what may go."""
        given = {"after": self._after, "rows": rows, "now": now, "kept": self._kept}
        row = connection.execute(queries.DELETE_OLD_EVENTS, given).fetchone()
        last, seen, any_old, deleted = row or (None, 0, False, 0)
        is_last = seen < rows or not any_old
        self._after = datetime.min.replace(tzinfo=UTC) if is_last else last
        return Deleted(deleted, is_last)


class OldAudits:
    """Deletes audits some time after they were made."""

    name = "audits"

    def __init__(self, kept: timedelta = AUDITS_KEPT) -> None:
        self._kept = kept

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        """Delete the oldest of those that are old."""
        given = {"rows": rows, "now": now, "kept": self._kept}
        row = connection.execute(queries.DELETE_OLD_AUDITS, given).fetchone()
        deleted = row[0] if row else 0
        return Deleted(deleted, is_last=deleted < rows)


class Housekeeping:
    """Does one chore after the other; in the thread of the store.

    Args:
        chores: In their order.
        rows: How many rows one step may look at. Fewer where that takes longer than a second, until
            all chores were done.
    """

    def __init__(self, chores: Sequence[Chore] | None = None, rows: int = ROWS_AT_ONCE) -> None:
        every = (OldSamples(), OldEvents(), OldAudits())
        self._chores = tuple(chores) if chores is not None else every
        self._place = 0
        self._most = self._rows = rows

    @property
    def name(self) -> str:
        """Return what the next step deletes."""
        return self._chores[self._place].name

    def step(self, connection: Connection, now: datetime) -> Housekept:
        """Do the next step of the present chore; the last step of the last one is the last.

        A chore that fails is left for the next time, and what the step did is taken back.

        Args:
            connection: In a transaction, which goes on.
            now: The present time.

        Raises:
            psycopg.OperationalError: The connection is gone.
        """
        what = self.name
        try:
            with connection.transaction():
                connection.execute(queries.SET_CHORE_LIMITS)
                deleted = self._chores[self._place].step(connection, now, self._rows)
        except Exception as exc:
            if connection.closed:
                raise
            # Whatever it is, also a fault of ours: the trades that are received come first.
            return self._failed(what, exc)
        is_last = deleted.is_last and self._skip()
        return Housekept(what=what, deleted=deleted.rows, is_last=is_last)

    def _failed(self, what: str, exc: Exception) -> Housekept:
        """Try again with fewer rows when it was too slow, else go to the next chore."""
        if isinstance(exc, psycopg.errors.QueryCanceled) and self._rows > LEAST_ROWS:
            self._rows = max(LEAST_ROWS, self._rows // 2)
            return Housekept(what=what, is_slow=True)
        permitted = not isinstance(exc, psycopg.errors.InsufficientPrivilege)
        failed = one_line(exc)
        return Housekept(what=what, is_last=self._skip(), permitted=permitted, failed=failed)

    def _skip(self) -> bool:
        """Go to the next chore; return whether this was the last one."""
        self._place = (self._place + 1) % len(self._chores)
        if self._place == 0:
            self._rows = self._most
        return self._place == 0
