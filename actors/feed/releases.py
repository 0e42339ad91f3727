"""Tokens that are no longer wanted: subscribed until they are proven to the end of their time."""

from collections.abc import Iterable

import msgspec

from actors.model.trade import TokenId


class PendingRelease(msgspec.Struct, frozen=True):
    """Tokens that are to be released.

    Attributes:
        cause: Why, as it is written down.
        since_ns: They are unwanted since then, wall-clock nanoseconds.
        requested_at: When the release was requested, monotonic seconds.
    """

    tokens: tuple[TokenId, ...]
    cause: str
    since_ns: int
    requested_at: float


class PendingReleases:
    """Releases that wait until the tokens are proven to the end of their time.

    Args:
        wait_s: How long that proof may take; a connection that proves nothing more does
            not keep its tokens for ever.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._waiting: list[PendingRelease] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, release: PendingRelease) -> None:
        """Keep a release waiting."""
        self._waiting.append(release)

    def cancel(self, tokens: Iterable[TokenId]) -> None:
        """Forget the releases of these tokens: they are wanted again."""
        wanted = frozenset(tokens)
        kept = [
            msgspec.structs.replace(
                each, tokens=tuple(token for token in each.tokens if token not in wanted)
            )
            for each in self._waiting
        ]
        self._waiting = [each for each in kept if each.tokens]

    def due(self, now: float, proven_ns: int) -> list[PendingRelease]:
        """Return, once, the releases that are proven to their end or have waited long enough."""
        late = now - self._wait_s
        due = [
            each
            for each in self._waiting
            if each.since_ns <= proven_ns or each.requested_at <= late
        ]
        self._waiting = [each for each in self._waiting if each not in due]
        return due
