"""Waits between tries: the exponential backoff, and the header `Retry-After`.

One mechanism for all that may fail for reasons outside the process: connections
and vital children (supervision), the database (writer), the HTTP sources.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random

FIRST_S = 1.0
LONGEST_S = 60.0
RESET_S = 300.0
"""After so long a time of success the next failure counts as a first one again."""
# One wrong header must not keep a source or a connection away for a day.
MAX_RETRY_AFTER_S = 300.0
"""The longest wait that a server may ask for."""


class Backoff:
    """Delays between tries: at most 1 s after the first failure, doubling up to 60 s.

    Args:
        rng: Source of the jitter: each delay is drawn from 0 to that length, so that
            many who failed together do not return together. None: no jitter.
    """

    def __init__(self, rng: Random | None = None) -> None:
        self._rng = rng
        self._ceiling_s = FIRST_S
        self._succeeding_since: float | None = None

    def delay_s(self, *, retry_after_s: float | None = None) -> float:
        """Return how long to wait after this failure.

        Args:
            retry_after_s: What the server asked for. The delay is at least that long,
                but a server is granted no more than 300 s.
        """
        self._succeeding_since = None
        delay_s = self._ceiling_s if self._rng is None else self._rng.uniform(0.0, self._ceiling_s)
        self._ceiling_s = min(self._ceiling_s * 2, LONGEST_S)
        if retry_after_s is not None and retry_after_s > 0:
            delay_s = max(delay_s, min(retry_after_s, MAX_RETRY_AFTER_S))
        return delay_s

    def succeeded(self, now: float) -> None:
        """Record that it works at `now`, monotonic seconds; to be called as long as it does.

        One success proves little: a server that accepts a connection and drops it at
        once must not be called every second.
        """
        if self._succeeding_since is None:
            self._succeeding_since = now
        if now - self._succeeding_since >= RESET_S:
            self.reset()

    def reset(self) -> None:
        """Make the next failure a first one."""
        self._ceiling_s = FIRST_S


def read_retry_after_s(value: str | None, *, date: str | None, wall_s: float) -> float | None:
    """Return the seconds that `Retry-After` asks for, 0 to 300; None when it is unreadable.

    The header holds seconds or a date (RFC 9110 10.2.3). A date is compared with the
    server's own `Date`, which does not depend on our clock; without one, with our clock.

    Args:
        value: Of the header `Retry-After`; None when there is none.
        date: Of the header `Date` of the same answer; None when there is none.
        wall_s: Our wall clock, seconds since 1970.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    until_s, server_s = _seconds(text), _seconds(date or "")
    if until_s is None:
        return None
    wait_s = until_s - (wall_s if server_s is None else server_s)
    return min(max(0.0, wait_s), MAX_RETRY_AFTER_S)


def _seconds(text: str) -> float | None:
    """Return the seconds since 1970 of an HTTP date, or None when it is none."""
    try:
        date = parsedate_to_datetime(text)
        # Of the three forms of RFC 9110 5.6.7 one names no zone; all are UTC.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
