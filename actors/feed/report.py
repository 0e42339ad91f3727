"""The stats: what one connection tells of itself, to the supervisor and to the log."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

from actors.actor import Incarnation
from actors.feed.coverage import CoverageBook
from actors.feed.ingest import Ingested
from actors.feed.ports import FeedSocket
from actors.messages import ConnectionReport
from actors.model.trade import Busiest, TokenId

log = logging.getLogger(__name__)
LINE_S = 60.0
_MOST_TOKENS = 1_000


class LogDigest:
    """Counts by name until the next line is due. The first one is due at once.

    Args:
        every_s: Least time between two lines, in seconds.
        names_max: So many names are counted apart; the others together, as `other`.
    """

    def __init__(self, *, every_s: float, names_max: int = 10) -> None:
        self._every_s = every_s
        self._names_max = names_max
        self._counts: Counter[str] = Counter()
        self._taken_at = float("-inf")

    def count(self, names: Iterable[str]) -> None:
        """Note each of these once."""
        for name in names:
            known = name in self._counts or len(self._counts) < self._names_max
            self._counts[name if known else "other"] += 1

    def take(self, now: float, *, at_once: bool = False) -> dict[str, int]:
        """Return what was counted since the last line; nothing while no line is due.

        Args:
            now: Monotonic seconds.
            at_once: It is the last chance: do not wait.
        """
        if not self._counts or (now - self._taken_at < self._every_s and not at_once):
            return {}
        self._taken_at = now
        counts, self._counts = dict(self._counts.most_common()), Counter()
        return counts


class BusyTokens:
    """Counts the trades of one connection over the last minute or two.

    Args:
        minute_s: After so long a count is set aside, after twice that forgotten.
    """

    def __init__(self, *, minute_s: float = 60.0) -> None:
        self._minute_s = minute_s
        self._since = float("-inf")
        self._now: dict[TokenId, int] = {}
        self._before: dict[TokenId, int] = {}

    def heard(self, tokens: Iterable[TokenId]) -> None:
        """Count a trade of each; a server that invents tokens is not followed for ever."""
        for token, count in Counter(tokens).items():
            if token in self._now or len(self._now) < _MOST_TOKENS:
                self._now[token] = self._now.get(token, 0) + count

    def top(self, now: float, most: int = 3) -> Busiest:
        """Return the busiest tokens."""
        if now - self._since >= self._minute_s:
            self._since = now
            self._before, self._now = self._now, {}
        counts = {
            token: self._now.get(token, 0) + self._before.get(token, 0)
            for token in {**self._before, **self._now}
        }
        return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most])


"""Least time between two lines of one connection about the same, in seconds."""
ORDINARY = frozenset({"PONG", "NO NEW ASSETS"})
"""Texts that answer what we ask, a heartbeat and a probe."""


class ConnectionStats:
    """Counts what came and what could not be used; says so in reports and in bounded lines."""

    def __init__(self, incarnation: Incarnation, connection: str) -> None:
        self._incarnation = incarnation
        self._connection = connection
        self._rejected, self._unknown = LogDigest(every_s=LINE_S), LogDigest(every_s=LINE_S)
        self._busy = BusyTokens()
        self._trades_total = self._rejected_total = self._unknown_total = 0

    def met(self, taken: Ingested) -> None:
        """Count the events of unknown kinds in some frames; log their control texts."""
        decoded = taken.decoded
        self._unknown_total += len(decoded.unknown)
        self._unknown.count(decoded.unknown)
        for text in decoded.controls:
            if text not in ORDINARY:
                extra = {"connection": self._connection, "text": text}
                log.warning("feed_control", extra=extra)

    def recorded(self, taken: Ingested) -> None:
        """Count what of some frames is in the journal."""
        self._trades_total += len(taken.trades)
        self._busy.heard([trade.token_id for trade in taken.trades])
        reasons = [rejection.reason for rejection in taken.decoded.rejections]
        self._rejected_total += len(reasons)
        self._rejected.count(reasons)

    def say(self, now: float, *, at_once: bool = False) -> None:
        """Log what could not be used since the last line, when it is time."""
        who = {"connection": self._connection}
        reasons = self._rejected.take(now, at_once=at_once)
        if reasons:
            said = {**who, "rejected": sum(reasons.values()), "reasons": reasons}
            log.warning("messages_rejected", extra=said)
        kinds = self._unknown.take(now, at_once=at_once)
        if kinds:
            said = {**who, "events": sum(kinds.values()), "kinds": kinds}
            log.warning("unknown_event_type", extra=said)

    def report(
        self, state: str, now: float, listening: CoverageBook, line: FeedSocket | None, **more: Any
    ) -> ConnectionReport:
        """Return how the connection is; what ails it is `more` that the connection knows."""
        return ConnectionReport(
            child=self._incarnation.child,
            incarnation=self._incarnation.number,
            now=now,
            state=state,
            epoch=listening.epoch,
            tokens=listening.requested_count,
            confirmed=listening.confirmed_count,
            trades_total=self._trades_total,
            rejected_total=self._rejected_total,
            unknown_total=self._unknown_total,
            frames_total=line.frames_total if line else 0,
            bytes_total=line.bytes_total if line else 0,
            last_data_at=line.last_data_at if line else 0.0,
            proven_until_ns=listening.proven_until_ns,
            busy=self._busy.top(now),
            **more,
        )
