"""Convert texts, times and long lists into what the other side can take.

The other side is the database, Python, a terminal or a server with a limit for one request.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar, overload

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def storable_text(text: str) -> str:
    """Return a text that PostgreSQL can hold: NUL and lone surrogates become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Through UTF-16 two halves of a pair are joined to their character; only lone ones are
        # replaced.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def terminal_safe(text: str) -> str:
    """Return text from outside with `?` for each character that could drive a terminal."""
    return _UNPRINTABLE.sub("?", text)


def instant(ns: int) -> datetime:
    """Return the aware UTC time of nanoseconds since 1970, cut to microseconds.

    Raises:
        OverflowError: Not between the years 1 and 9999.
    """
    return EPOCH + timedelta(microseconds=ns // 1000)


def instant_of_ms(ms: int) -> datetime:
    """Return the aware UTC time of milliseconds since 1970.

    Raises:
        OverflowError: Not between the years 1 and 9999.
    """
    return EPOCH + timedelta(milliseconds=ms)


def milliseconds(at: datetime) -> int:
    """Return the milliseconds since 1970 of an aware time, rounded down."""
    return (at - EPOCH) // timedelta(milliseconds=1)


@overload
def chunks(items: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]: ...
@overload
def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]: ...
def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Return the items in order, at most `size` at a time, as slices of the same type."""
    return (items[start : start + size] for start in range(0, len(items), size))
