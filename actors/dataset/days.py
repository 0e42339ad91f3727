"""Days and times as people write them for a dataset. All are UTC. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from actors.errors import ConfigError

FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2099, 12, 31)
"""Those of which trades are taken."""
_NAMED = {"today": 0, "yesterday": -1, "tomorrow": 1}


def day(text: str, *, today: date, what: str) -> date:
    """Return a day: `2026-03-01`, `yesterday`, `today`.

    Args:
        text: The day.
        today: The day of now, UTC.
        what: The name of the option, for the error.

    Raises:
        ConfigError: It is none, or none of which trades are stored.
    """
    text = text.strip()
    if text in _NAMED:
        found = today + timedelta(_NAMED[text])
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ConfigError(
            f"{what}: {text[:40]!r} is no day: write it as 2026-03-01, or today, or yesterday"
        )
    else:
        try:
            found = date.fromisoformat(text)
        except ValueError:
            raise ConfigError(f"{what}: no calendar has the day {text}") from None
    if not FIRST_DAY <= found <= LAST_DAY + timedelta(1):
        raise ConfigError(f"{what}: days are from {FIRST_DAY} to {LAST_DAY}, not {found}")
    return found


def span(from_text: str, to_text: str | None, *, today: date) -> tuple[date, date]:
    """Return the first day, and the one behind the last.

    Args:
        from_text: The first day.
        to_text: The first day that is left out; None: the one after the first.
        today: The day of now, UTC.

    Raises:
        ConfigError: One of them is no day, or there is none between them.
    """
    first = day(from_text, today=today, what="--from")
    end = first + timedelta(1) if to_text is None else day(to_text, today=today, what="--to")
    if end <= first:
        raise ConfigError(f"--to: {end} is not after {first}; it is the first day that is left out")
    return first, end


def days(first: date, end: date) -> Iterator[date]:
    """Yield each day from the first one on, without the end."""
    for number in range((end - first).days):
        yield first + timedelta(number)


def moment(given: str | date | datetime, *, what: str) -> datetime:
    """Return a time: `2026-03-01`, `2026-03-01T12:00`, with or without an offset (else UTC).

    Raises:
        ConfigError: It is none.
    """
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise ConfigError(
            f"{what}: {str(given)[:40]!r} is no time: write it as 2026-03-01 or 2026-03-01T12:30"
        ) from None
    if not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day, tzinfo=UTC)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def start_of(on: date) -> datetime:
    """Return the first moment of a day."""
    return datetime(on.year, on.month, on.day, tzinfo=UTC)


def name_of_market(text: str) -> str:
    """Return the condition id or slug that is named: by itself, or at the end of a web address.

    Raises:
        ConfigError: It is an address that names none.
    """
    name = text.strip()
    if "/" not in name:
        return name
    path = name.partition("://")[2] or name
    parts = [part for part in path.partition("?")[0].partition("#")[0].split("/")[1:] if part]
    if len(parts) < 2 or (parts[-2] not in ("event", "market") and len(parts) < 3):
        raise ConfigError(
            f"--markets: {name[:80]!r} names no market: …/event/<slug>, …/event/<slug>/<slug> or"
            " …/market/<slug>"
        )
    return parts[-1]
