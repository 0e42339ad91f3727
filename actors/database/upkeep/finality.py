"""When a day is over for every tracker, so that nothing of it is still on its way. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

GRACE: Final = timedelta(minutes=5)
"""So long after its end a day is not over: clocks differ, and what was received is on its way."""

Seen = tuple[int, str, datetime | None, bool]
"""A journal that is not retired, as `select_journals_seen` tells it."""


def why_open(end: datetime, now: datetime, journals: Iterable[Seen]) -> str:
    """Return why more of a time may still be stored; empty: all of it is.

    Args:
        end: The end of that time.
        now: The clock of the database.
        journals: All that are not retired.
    """
    if now < end + GRACE:
        return "it has not ended"
    for key, host, seen_at, stopped in journals:
        if seen_at is None:
            return f"journal {key} has stored nothing yet"
        if not stopped and seen_at < end + GRACE:
            at = seen_at.isoformat(timespec="seconds").replace("+00:00", "Z")
            return f"what the tracker of {host} (journal {key}) received after {at} may come"
    return ""
