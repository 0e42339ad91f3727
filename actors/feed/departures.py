"""Tokens that a connection lets go, once they are proven to have been heard to the end."""

import msgspec

from actors.model.trade import TokenId


class Departure(msgspec.Struct, frozen=True):
    """Tokens that are unwanted since `since_ns` (wall clock); `asked_at` is monotonic seconds."""

    tokens: tuple[TokenId, ...]
    cause: str
    since_ns: int
    asked_at: float


class Departures:
    """Who leaves, and whether it may.

    Args:
        wait_s: How long the proof may take; a connection that proves nothing
            more does not keep its tokens for ever.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._waiting: list[Departure] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, departure: Departure) -> None:
        """Let these go as soon as may be."""
        self._waiting.append(departure)

    def due(self, now: float, proven_ns: int) -> list[Departure]:
        """Give, once, those that were heard to their end or have waited long enough."""
        late = now - self._wait_s
        due = [one for one in self._waiting if one.since_ns <= proven_ns or one.asked_at <= late]
        self._waiting = [one for one in self._waiting if one not in due]
        return due
