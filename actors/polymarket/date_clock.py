"""When HTTP answers were made: our clock against their `Date`, and how long caches had them."""

import re
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from statistics import median

OLDEST_S = 900.0
"""The most that is believed of the age of an answer, in seconds."""
WRONG_S = 5.0
"""So much our clock may differ from that of the servers, in seconds."""
_RESOLUTION_S = 1.0  # of `Date`
_MAX_AGE = re.compile(r"max-age=([0-9]{1,9})")
_STORED = ("hit", "stale", "updating", "revalidated")


class DateClock:
    """The difference between the servers' clocks and ours: the median of the last three answers.

    An answer out of a cache is left out: its `Date` is that of an earlier moment.

    Attributes:
        age_s: How long before the last answer arrived it was made, in seconds; 0 without a cache.
        max_age_s: For how long caches may keep answers, as the last one that says so says.
    """

    def __init__(self) -> None:
        self.age_s = self.max_age_s = 0.0
        self._oldest_s = 0.0
        self._old = 0
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
        self.age_s = self._age_s(headers, received_s)
        self._oldest_s = max(self._oldest_s, self.age_s)
        self._old += self.age_s >= _RESOLUTION_S
        found = _MAX_AGE.search(headers.get("Cache-Control", ""))
        if found:
            self.max_age_s = min(float(found[1]), OLDEST_S)
        at_s = _made_at(headers)
        if at_s is None:
            return
        # It was made at some moment of the second that it names, between these two.
        if at_s > received_s:
            self._offsets.append(at_s - received_s)
        else:
            self._offsets.append(min(0.0, at_s + _RESOLUTION_S - sent_s))
        self._errors += self.is_wrong

    def take_age_s(self) -> float:
        """Return how old the oldest answer since the last call was, in seconds."""
        oldest_s, self._oldest_s = self._oldest_s, 0.0
        return oldest_s

    def take_old(self) -> int:
        """Return how many answers since the last call were a second old or more."""
        old, self._old = self._old, 0
        return old

    def take_errors(self) -> int:
        """Return how many answers since the last call showed that our clock is wrong."""
        errors, self._errors = self._errors, 0
        return errors

    def _age_s(self, headers: Mapping[str, str], received_s: float) -> float:
        """Return the age of an answer: what a cache says of it, or its `Date`, if that is more."""
        if not _is_from_cache(headers):
            return 0.0
        text = headers.get("Age", "")
        told_s = float(text) if text.isascii() and text.isdigit() else 0.0
        date_s = _date_s(headers) if self.is_known else None
        passed_s = 0.0 if date_s is None else received_s + self.offset_s - date_s
        return min(max(told_s, passed_s - _RESOLUTION_S), OLDEST_S)


def _is_from_cache(headers: Mapping[str, str]) -> bool:
    """Return whether a cache may have given this answer."""
    cached = f"{headers.get('CF-Cache-Status', '')} {headers.get('X-Cache', '')}".lower()
    return "Age" in headers or any(word in cached for word in _STORED)


def _date_s(headers: Mapping[str, str]) -> float | None:
    """Return the `Date` of an answer in seconds since 1970, or None when there is none."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return None


def _made_at(headers: Mapping[str, str]) -> float | None:
    """Return when a server made this answer, or None when a cache may have given it."""
    return None if _is_from_cache(headers) else _date_s(headers)
