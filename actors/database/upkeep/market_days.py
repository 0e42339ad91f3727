"""The rows of `market_coverage`: computed when a day is over, again when a late fact changes it.

A day goes through three states. It is *announced* when it is over for every tracker (`finality`):
from then on triggers mark what changes it. It is *computed* some minutes later, in steps, when all
that was under way has ended: so a change is either seen by the computation or marked. From then on
only marked markets are computed again; or the whole day, when a tracker returned or was retired.
sql/migrations/0005_create_coverage.sql has the tables and the triggers.

Each step is one transaction. Trackers take turns: one alone computes at any moment.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from actors.database import queries
from actors.database.session import Connection
from actors.database.upkeep.finality import GRACE, why_open
from actors.database.upkeep.housekeeping import Deleted
from actors.model.storage import COVERAGE_CHORE

MARKETS_OF_ROWS: Final = 20
"""Of so many rows that a step may look at one is a market or token: each is computed from many."""
_DAY: Final = timedelta(days=1)


class _Place(NamedTuple):
    """A day that is being computed, and how far it has come.

    Attributes:
        journal, after: Behind this token, of those that this journal wants.
        until: Or, when those are done, behind this token of those whose wishes ended then.
    """

    day: date
    start: datetime
    end: datetime
    journal: int
    until: datetime | None
    after: int
    now: datetime

    @property
    def is_begun(self) -> bool:
        """Return whether some of it is computed."""
        return self.until is not None or self.journal > 0


class MarketDays:
    """Computes coverage by market and day, a step at a time; a chore as `housekeeping` has them."""

    name = COVERAGE_CHORE

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        """Compute what was changed; else go on with a day that is announced; else announce one.

        Args:
            connection: In a transaction, with the limits of a chore.
            now: Not used: the database's clock decides.
            rows: How many rows it may look at, about.

        Returns:
            No deleted rows; whether nothing is left to do for now.
        """
        del now
        most = max(1, rows // MARKETS_OF_ROWS)
        if not connection.execute(queries.LOCK_MARKET_DAYS).fetchone():
            # Another tracker is at it, or this is the first day of all.
            return Deleted(0, is_last=not self._announce(connection))
        changed = connection.execute(queries.TAKE_CHANGED_MARKET_DAYS, {"rows": most}).fetchall()
        if changed:
            _compute(connection, changed)
            return Deleted(0, is_last=False)
        found = connection.execute(queries.SELECT_MARKET_DAY_TO_COMPUTE, {"waited": GRACE})
        place = next((_Place(*row) for row in found), None)
        # It is asked again of a day that was announced again, when a tracker had returned.
        if place and (place.is_begun or _is_over(connection, place.end, place.now)):
            _go_on(connection, place, most)
            return Deleted(0, is_last=False)
        return Deleted(0, is_last=not self._announce(connection))

    def _announce(self, connection: Connection) -> bool:
        """Announce the next day, if it is over; return whether it was."""
        day, end, now = connection.execute(queries.SELECT_NEXT_MARKET_DAY).fetchall()[0]
        if day is None or not _is_over(connection, end, now):
            return False
        connection.execute(queries.ANNOUNCE_MARKET_DAY, {"day": day})
        return True


def _is_over(connection: Connection, end: datetime, now: datetime) -> bool:
    journals: Any = connection.execute(queries.SELECT_JOURNALS_SEEN).fetchall()
    if why_open(end, now, journals):
        return False
    ((unproven,),) = connection.execute(queries.SELECT_UNPROVEN_EPOCHS, {"until": end}).fetchall()
    return not unproven


def _go_on(connection: Connection, place: _Place, most: int) -> None:
    """Compute the next markets of a day: of wishes that last, then of those that ended."""
    given = {"rows": most, "until": place.end, "after": place.after}
    if place.until is None:
        since = {"since": place.start, "journal": place.journal}
        found = connection.execute(queries.SELECT_OPEN_WISHES, {**given, **since}).fetchall()
    else:
        given["since"] = place.until
        found = connection.execute(queries.SELECT_ENDED_WISHES, given).fetchall()
    _compute(connection, [(asset, place.day) for _, asset, is_of_day in found if is_of_day])
    journal, until, after = place.journal, place.until, place.after
    is_done = False
    if len(found) == most:
        (last, after, _) = found[-1]
        journal, until = (last, None) if place.until is None else (place.journal, last)
    elif place.until is None:
        # A wish that ended before may have been listened to for a moment longer.
        until, after = place.start - _DAY, 0
    else:
        is_done = True
    given = {"journal": journal, "until": until, "after": after, "done": is_done}
    connection.execute(queries.MOVE_MARKET_DAY, {"day": place.day, **given})


def _compute(connection: Connection, some: list[tuple[Any, ...]]) -> None:
    if some:
        assets, days = map(list, zip(*some, strict=True))
        connection.execute(queries.COMPUTE_MARKET_DAYS, {"assets": assets, "days": days})
