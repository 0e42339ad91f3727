"""What one connection reports of itself: to the supervisor and, in few lines, to the log."""

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
from actors.polymarket import channel

log = logging.getLogger(__name__)
LOG_S = 60.0
"""Least time between two log lines of one connection about the same, in seconds."""
EXPECTED_TEXTS = frozenset({"PONG", "NO NEW ASSETS"})
"""Control texts that answer what we send, a PING and a probe."""
_MOST_TOKENS = 1_000


class ConnectionStats:
    """Counts what came and what could not be used. In the thread of its actor."""

    def __init__(self, incarnation: Incarnation, connection: str) -> None:
        self._incarnation = incarnation
        self._connection = connection
        self._rejected, self._unknown = LogDigest(every_s=LOG_S), LogDigest(every_s=LOG_S)
        self._busy = BusyTokens()
        self._trades_total = self._rejected_total = self._unknown_total = 0

    def add_unused(self, decoded: channel.Decoded) -> None:
        """Count the events of unknown kinds in some frames; log their control texts."""
        self._unknown_total += len(decoded.unknown)
        self._unknown.count(decoded.unknown)
        for text in decoded.controls:
            if text not in EXPECTED_TEXTS:
                extra = {"connection": self._connection, "text": text}
                log.warning("feed_control", extra=extra)

    def add_recorded(self, ingested: Ingested) -> None:
        """Count what of some frames is in the journal."""
        trades, rejections = ingested.trades, ingested.decoded.rejections
        if trades:
            self._trades_total += len(trades)
            self._busy.add([trade.token_id for trade in trades])
        if rejections:
            self._rejected_total += len(rejections)
            self._rejected.count([rejection.reason for rejection in rejections])

    def log_unused(self, now: float, *, at_once: bool = False) -> None:
        """Log what could not be used since the last line, when a line is due."""
        connection = {"connection": self._connection}
        reasons = self._rejected.take(now, at_once=at_once)
        if reasons:
            extra = {**connection, "rejected": sum(reasons.values()), "reasons": reasons}
            log.warning("messages_rejected", extra=extra)
        kinds = self._unknown.take(now, at_once=at_once)
        if kinds:
            extra = {**connection, "events": sum(kinds.values()), "kinds": kinds}
            log.warning("unknown_event_type", extra=extra)

    def report(
        self,
        state: str,
        now: float,
        coverage: CoverageBook,
        socket: FeedSocket | None,
        **more: Any,
    ) -> ConnectionReport:
        """Return the report; `more` is what only the connection knows."""
        return ConnectionReport(
            child=self._incarnation.child,
            incarnation=self._incarnation.number,
            now=now,
            state=state,
            epoch=coverage.epoch,
            tokens=coverage.requested_count,
            confirmed=coverage.confirmed_count,
            trades_total=self._trades_total,
            rejected_total=self._rejected_total,
            unknown_total=self._unknown_total,
            frames_total=socket.frames_total if socket else 0,
            bytes_total=socket.bytes_total if socket else 0,
            last_data_at=socket.last_data_at if socket else 0.0,
            proven_until_ns=coverage.proven_until_ns,
            busy=self._busy.top(now),
            **more,
        )


class LogDigest:
    """Counts by name until the next log line is due. The first one is due at once.

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
        """Count each of these once more."""
        for name in names:
            known = name in self._counts or len(self._counts) < self._names_max
            self._counts[name if known else "other"] += 1

    def take(self, now: float, *, at_once: bool = False) -> dict[str, int]:
        """Return what was counted since the last line; nothing while no line is due.

        Args:
            now: Monotonic seconds.
            at_once: Do not wait: there will be no later line.
        """
        if not self._counts or (now - self._taken_at < self._every_s and not at_once):
            return {}
        self._taken_at = now
        counts, self._counts = dict(self._counts.most_common()), Counter()
        return counts


class BusyTokens:
    """Counts the trades of each token of one connection over the last minute or two.

    Args:
        minute_s: A new count begins after so many seconds; the one before it still counts.
    """

    def __init__(self, *, minute_s: float = 60.0) -> None:
        self._minute_s = minute_s
        self._since = float("-inf")
        self._now: dict[TokenId, int] = {}
        self._before: dict[TokenId, int] = {}

    def add(self, tokens: Iterable[TokenId]) -> None:
        """Count a trade of each; of a server that invents tokens only the first are counted."""
        for token, count in Counter(tokens).items():
            if token in self._now or len(self._now) < _MOST_TOKENS:
                self._now[token] = self._now.get(token, 0) + count

    def top(self, now: float, most: int = 3) -> Busiest:
        """Return the busiest tokens.

        Args:
            now: Monotonic seconds.
            most: How many tokens at most.
        """
        if now - self._since >= self._minute_s:
            self._since = now
            self._before, self._now = self._now, {}
        counts = {
            token: self._now.get(token, 0) + self._before.get(token, 0)
            for token in {**self._before, **self._now}
        }
        return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most])
