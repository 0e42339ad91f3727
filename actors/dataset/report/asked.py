"""What a command line asks for: which time, which market. Pure."""

import difflib
import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from actors.dataset.days import day
from actors.dataset.report.values import DAY, Span
from actors.errors import ConfigError

MOST_DAYS: Final = 31
CONDITION: Final = re.compile(r"0x[0-9a-fA-F]{62,64}")
_SLUG: Final = re.compile(r"[^/\s?#]+")
_HOST: Final = re.compile(r"(www\.)?polymarket\.com")


class Wanted(NamedTuple):
    """Which market is asked for: one of these is not empty.

    Attributes:
        event: The slug of an event, which may have several markets.
    """

    condition_id: str = ""
    slug: str = ""
    event: str = ""


def span_of(one: str | None, first: str | None, end: str | None, today: date) -> Span | None:
    """Return the days that are asked for; None when none is named.

    Args:
        one: `--day`.
        first: `--from`.
        end: `--to`, the first day that is left out; None: the one after the first.
        today: By our clock, UTC.

    Raises:
        ConfigError: What is asked for is no such time.
    """
    if one is not None:
        if first is not None or end is not None:
            raise ConfigError("--day: is one day; leave it out, or --from and --to")
        return one_day(_day("--day", one, today, today))
    if first is None:
        if end is not None:
            raise ConfigError("--to: needs --from, the first day")
        return None
    found = one_day(_day("--from", first, today, today))
    if end is not None:
        found = Span(found.start, one_day(_day("--to", end, today, today + DAY)).start)
    if found.lasts < DAY:
        raise ConfigError(f"--to: {end} is not after {first}; it is the first day that is left out")
    return found


def one_day(named: date) -> Span:
    """Return a day (UTC)."""
    start = datetime(named.year, named.month, named.day, tzinfo=UTC)
    return Span(start, start + DAY)


def _day(option: str, text: str, today: date, last: date) -> date:
    found = day(text, today=today, what=option)
    if found > last:
        raise ConfigError(f"{option}: {text} is in the future; the last one can be {last} (UTC)")
    return found


def require_short(span: Span) -> None:
    """Check that a report of all markets is of a bounded time.

    Raises:
        ConfigError: It is not.
    """
    if span.lasts > MOST_DAYS * DAY:
        raise ConfigError(
            f"--from, --to: {span.lasts.days} days are too many for one report of all markets,"
            f" which has {MOST_DAYS} at most; with --market there is no limit"
        )


def wanted(text: str) -> Wanted:
    """Return which market a slug, a condition id or an address at polymarket.com names.

    Raises:
        ConfigError: It is none of these.
    """
    text = text.strip()
    if CONDITION.fullmatch(text):
        return Wanted(condition_id=text.lower())
    if "/" not in text:
        if not _SLUG.fullmatch(text):
            raise ConfigError(
                "--market: must be a slug, a condition id (0x…) or an address of a market"
            )
        return Wanted(slug=text.lower())
    address = urlsplit(text if "//" in text else f"https://{text}")
    parts = [part.lower() for part in address.path.split("/") if part]
    if not _HOST.fullmatch((address.hostname or "").lower()):
        raise ConfigError(f"--market: {text[:80]!r} is no address at polymarket.com")
    # https://polymarket.com/event/EVENT/MARKET, also with a language before `event`.
    for kind in ("event", "market", "sports", "esports"):
        if kind in parts:
            behind = parts[parts.index(kind) + 1 :]
            if kind == "market" and behind:
                return Wanted(slug=behind[0])
            if len(behind) > 1:
                return Wanted(slug=behind[-1], event=behind[-1])
            if behind:
                return Wanted(event=behind[0])
    raise ConfigError(f"--market: the address {text[:80]!r} names no market: …/event/EVENT/MARKET")


def nearest(slug: str, known: list[str], most: int = 5) -> list[str]:
    """Return the slugs that are most like this one, the nearest first."""
    return difflib.get_close_matches(slug, known, n=most, cutoff=0.0)
