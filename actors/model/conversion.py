"""Convert texts, times and long lists into what the other side can take.

The other side is the database, Python, a terminal or a server with a limit for one request.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar, overload

T = TypeVar("T")
_LEFT_OUT = " … "

DAY_NS = 86_400 * 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INVISIBLE = (
    "\\x00-\\x1f\\x7f-\\x9f"  # C0, C1
    "\\xad\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890-\\u0891\\u08e2\\u115f-\\u1160"
    "\\u17b4-\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164"
    "\\ud800-\\udfff\\ufeff\\uffa0\\ufff0-\\ufffb\\U000110bd\\U000110cd\\U00013430-\\U0001343f"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
)
"""What has no picture of its own but changes what is around it, as the inside of a class of `re`.

Control characters, ends of lines, marks of direction, what is of no width or only looks like a
space (Unicode: Cc, Cf, Cs, Zl, Zp, and what is ignored where it is unknown). Not U+FE00 to
U+FE0F, which belong to many pictures and change nothing else.
"""
_INVISIBLE = re.compile(f"[{INVISIBLE}]")


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
    """Return text from outside with `?` for each character that could drive a terminal or hide."""
    return _INVISIBLE.sub("?", text)


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters; of a longer one the middle is left out.

    Its end stays, since that often says what to do; words are not cut, unless they are very long.

    >>> shortened("the server rejects the password of the role: set another one", 40)
    'the server rejects the … another one'
    """
    if len(text) <= most:
        return text
    left = most - len(_LEFT_OUT)
    first = text[: left * 2 // 3]
    last = text[len(text) - (left - len(first)) :]
    before, _, _ = first.rpartition(" ")
    _, _, after = last.partition(" ")
    first = before if 2 * len(before) >= len(first) else first
    last = after if 2 * len(after) >= len(last) else last
    return f"{first.rstrip()}{_LEFT_OUT}{last.lstrip()}"


def instant(ns: int) -> datetime:
    """Return the aware UTC time of nanoseconds since 1970, cut to microseconds.

    Raises:
        OverflowError: Not between the years 1 and 9999.
    """
    return EPOCH + timedelta(microseconds=ns // 1000)


def iso(wall_ns: int) -> str:
    """Return a wall-clock time (nanoseconds since 1970) as the status document writes it."""
    return instant(wall_ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless it is one: `1 market`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
