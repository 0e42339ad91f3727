"""Texts of a report: numbers and times for people; harmless texts of strangers. Pure."""

import html
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from actors.dataset.report.values import DAY, Span
from actors.model.conversion import terminal_safe

NONE: Final = "–"  # noqa: RUF001 - as a table shows that there is none
TOKEN: Final = re.compile(r"\b\d{20,78}\b")
"""The id of a token in what a source said."""
MOST_MARKS: Final = 2
"""Marks above or below one letter: more of them would grow over other lines."""


def short(text: str, width: int) -> str:
    """Return a text of strangers that hides and reorders nothing, in so many columns at most.

    It is text, and not yet HTML. A wide character, as in Chinese, takes two columns.
    """
    kept: list[str] = []
    columns = marks = 0
    for char in terminal_safe(text):
        is_mark = unicodedata.combining(char) > 0 or unicodedata.category(char) in ("Mn", "Me")
        marks = marks + 1 if is_mark else 0
        if marks > MOST_MARKS:
            continue
        columns += 0 if is_mark else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if columns > width:
            return "".join(kept).rstrip() + "…"
        kept.append(char)
    return "".join(kept)


def told(text: str | None, width: int = 200) -> str:
    """Return a text of strangers as HTML."""
    return NONE if text is None or text == "" else html.escape(short(text, width))


def named(text: str, outcomes: Mapping[str, str]) -> str:
    """Return what a source said, with names of outcomes in the place of their tokens."""

    def name(found: re.Match[str]) -> str:
        token = found[0]
        brief = f"{token[:4]}…{token[-4:]}"
        return f"{short(outcomes[token], 40)} ({brief})" if token in outcomes else brief

    return TOKEN.sub(name, text)


def count(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number and what it counts."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def usdc(amount: Decimal) -> str:
    """Return an amount in whole USDC, or in millions."""
    for size, letter in ((Decimal(10**9), "G"), (Decimal(10**6), "M")):
        if amount >= size:
            return f"{amount / size:,.2f} {letter}"
    return f"{amount.quantize(Decimal(1), ROUND_HALF_EVEN):,}"


def share(part: float, whole: float) -> str:
    """Return a part as percent, rounded down: 100 only where nothing is missing."""
    if whole <= 0:
        return NONE
    if part >= whole:
        return "100 %"
    cut = int(10_000 * part / whole) / 100
    return f"{cut:.2f} %" if cut or not part else "under 0.01 %"


def lasting(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    left = round(seconds)
    if left < 60:
        return f"{left} s"
    if left < 3_600:
        return _two(left // 60, "min", left % 60, "s")
    if left < 86_400:
        return _two(left // 3_600, "h", left % 3_600 // 60, "min")
    return _two(left // 86_400, "d", left % 86_400 // 3_600, "h")


def _two(large: int, unit: str, small: int, other: str) -> str:
    return f"{large} {unit} {small:02} {other}" if small else f"{large} {unit}"


def clock(at: datetime | None, start: datetime, end: datetime) -> str:
    """Return a time (UTC), in a span of one day without its date, in others without its year."""
    if at is None:
        return NONE
    if end - start <= timedelta(days=1) and start <= at <= end:
        return f"{at:%H:%M:%S}"
    if end - start <= timedelta(days=300) and start <= at <= end:
        return f"{at.day} {at:%b %H:%M:%S}"
    return moment(at)


def moment(at: datetime | None) -> str:
    """Return a time (UTC) with its date."""
    return NONE if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def days(span: Span) -> str:
    """Return a time as people write it: a day, some days, or two times of day."""
    whole = all(each.hour == each.minute == 0 for each in span)
    if not whole:
        return f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M}"
    last = span.end - DAY
    return f"{span.start:%Y-%m-%d}" + (f" to {last:%Y-%m-%d}" if span.lasts > DAY else "")
