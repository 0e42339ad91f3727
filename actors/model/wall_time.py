"""Wall-clock times: integers since 1970 as aware UTC datetimes, and back."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
