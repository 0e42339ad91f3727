"""Our clock against the `Date` of HTTP answers."""

from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from statistics import median

WRONG_S = 5.0
"""So much our clock may differ from that of the servers, in seconds."""
_RESOLUTION_S = 1.0  # of `Date`
_STORED = ("hit", "stale", "updating", "revalidated")


class DateClock:
    """The difference between the servers' clocks and ours: the median of the last three answers.

    An answer out of a cache is left out: its `Date` is that of an earlier moment.
    """

    def __init__(self) -> None:
        self._offsets: deque[float] = deque(maxlen=3)
        self._errors = 0

    @property
    def offset_s(self) -> float:
        """Return the servers' clock minus ours in seconds; 0 before there are three answers."""
        return median(self._offsets) if self.is_known else 0.0

    @property
    def is_known(self) -> bool:
        """Return whether there are enough answers to tell."""
        return len(self._offsets) == self._offsets.maxlen

    @property
    def is_wrong(self) -> bool:
        """Return whether our clock is wrong."""
        return abs(self.offset_s) > WRONG_S

    def add(self, headers: Mapping[str, str], *, sent_s: float, received_s: float) -> None:
        """Take an answer.

        Args:
            headers: Of the answer; names in any case.
            sent_s: Before the request was sent, seconds since 1970 by our clock.
            received_s: When the headers had arrived.
        """
        at_s = _made_at(headers)
        if at_s is None:
            return
        # It was made at some moment of the second that it names, between these two.
        if at_s > received_s:
            self._offsets.append(at_s - received_s)
        else:
            self._offsets.append(min(0.0, at_s + _RESOLUTION_S - sent_s))
        self._errors += self.is_wrong

    def take_errors(self) -> int:
        """Return how many answers since the last call showed that our clock is wrong."""
        errors, self._errors = self._errors, 0
        return errors


def _made_at(headers: Mapping[str, str]) -> float | None:
    """Return when a server made this answer, or None when a cache may have given it."""
    date = headers.get("Date")
    cached = f"{headers.get('CF-Cache-Status', '')} {headers.get('X-Cache', '')}".lower()
    if date is None or "Age" in headers or any(word in cached for word in _STORED):
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
