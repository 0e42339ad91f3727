"""What one connection reports of itself: to the supervisor and, in few lines, to the log."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from actors.actor import Addresses, Incarnation
from actors.feed.coverage import CoverageBook
from actors.feed.ingest import Ingested
from actors.feed.lateness import Lateness
from actors.feed.ports import FeedSocket
from actors.messages import ConnectionReport, NewMarketSeen, ResolutionHint
from actors.model.assumptions import Assumption, ViolationCounter
from actors.model.connection import TOO_BIG, ConnectionSpec
from actors.model.log_digest import LogDigest
from actors.model.trade import Busiest, TokenId, Trade
from actors.polymarket import channel

log = logging.getLogger(__name__)
NOT_KEPT = "no trade, and enough of its kind are kept"
"""The reason, in the log, of rejected messages that are not in `rejected_messages`."""
TOO_MUCH = "perhaps a trade, and too much of such is kept"
"""The same of one whose trade is lost, if it was one; its token is not covered."""
LOG_S = 60.0
"""Least time between two log lines of one connection about the same, in seconds."""
EXPECTED_TEXTS = frozenset({"PONG", "NO NEW ASSETS"})
"""Control texts that answer what we send, a PING and a probe."""
MOST_WAITING = 10
"""So many of the tokens that wait for their book are reported with the time of their request."""
_MOST_TOKENS = 1_000
_MOST_HEARD = 8
_LEAST_SERVED, _SHARE = 10, 10
"""So many tokens with a book, and one in so many without, look like a limit."""


def send_hints(to: Addresses, decoded: channel.Decoded) -> None:
    """Send the catalog the markets that were created, resolution those that may have resolved."""
    # Hints, which may get lost: the sweep and the schedule find the same markets later.
    for market in decoded.announced:
        known = market if market.assets else None
        seen = NewMarketSeen(condition_id=market.condition_id, market=known)
        to.catalog.tell(seen)
    for condition_id in decoded.resolved:
        to.resolution.tell(ResolutionHint(condition_id=condition_id))


class ConnectionStats:
    """Counts what came and what could not be used. In the thread of its actor.

    Attributes:
        violations: How often each assumption about the feed was seen to be false.
        lateness: How late trades arrive.
    """

    def __init__(self, incarnation: Incarnation, connection: str) -> None:
        self._incarnation = incarnation
        self._connection = connection
        self._rejected, self._unknown = LogDigest(every_s=LOG_S), LogDigest(every_s=LOG_S)
        self._controls = LogDigest(every_s=LOG_S)
        self._busy = BusyTokens()
        self._heard: dict[TokenId, int] = {}
        self.violations = ViolationCounter()
        self.lateness = Lateness()
        self._trades_total = self._rejected_total = self._unknown_total = 0
        self._doubtful_total = self._left_out_total = 0

    def add_unused(self, ingested: Ingested) -> None:
        """Count the events of unknown kinds, and the control texts, in some frames."""
        decoded = ingested.decoded
        if ingested.left_out:
            self._rejected_total += ingested.left_out
            self._left_out_total += ingested.left_out
            doubtful = ingested.left_out_doubtful
            self._doubtful_total += doubtful
            self._rejected.count([NOT_KEPT] * (ingested.left_out - doubtful))
            self._rejected.count([TOO_MUCH] * doubtful)
        self.violations.add(Assumption.EVENT_NAMES, len(decoded.unknown))
        self._unknown_total += len(decoded.unknown)
        self._unknown.count(decoded.unknown)
        self._controls.count(text for text in decoded.controls if text not in EXPECTED_TEXTS)

    def add_recorded(self, ingested: Ingested) -> None:
        """Count what of some frames is in the journal."""
        trades, rejections = ingested.trades, ingested.decoded.rejections
        self.add_heard(ingested.decoded.trades)
        if ingested.decoded.respelled:
            self.violations.add(Assumption.SPELLING, ingested.decoded.respelled)
        if trades:
            self._trades_total += len(trades)
            self._busy.add([trade.token_id for trade in trades])
        if rejections:
            self._rejected_total += len(rejections)
            self._doubtful_total += ingested.decoded.kinds.count("")
            self._rejected.count([rejection.reason for rejection in rejections])

    def add_heard(self, trades: Sequence[Trade]) -> None:
        """Remember the last of some trades: a few are enough to show what others miss."""
        if trades:
            last = trades[-1]
            # Deleted first, so that it moves to the end.
            self._heard.pop(last.token_id, None)
            self._heard[last.token_id] = last.traded_at_ms
            if len(self._heard) > _MOST_HEARD:
                del self._heard[next(iter(self._heard))]

    def add_complaint(self, spec: ConnectionSpec, text: str) -> None:
        """Log that the exchange objects to what was sent; an empty subscription may be why."""
        self.violations.add(Assumption.EMPTY_FIRST, int(not (spec.tokens or spec.canary)))
        log.warning("feed_complained", extra={"connection": spec.name, "text": text})

    def add_unserved(self, spec: ConnectionSpec, socket: FeedSocket | None) -> None:
        """Count it when nothing was sent on a connection that was accepted."""
        if socket is None:
            return
        # Without tokens there may be no news for long: then any frame is service.
        if not socket.last_data_at and (spec.tokens or not socket.frames_total):
            self.violations.add(Assumption.SERVED)

    def add_overdue(self, overdue: int, coverage: CoverageBook) -> None:
        """Count tokens whose `book` is overdue; many, while others have theirs, hint at a limit."""
        many = overdue * _SHARE >= coverage.requested_count
        if many and coverage.confirmed_count >= _LEAST_SERVED:
            self.violations.add(Assumption.TOKENS_PER_CONNECTION, int(overdue > 0))
        else:
            self.violations.add(Assumption.DUMP_BY_DEFAULT, overdue)

    def end(self, reason: str, now: float) -> None:
        """Log what is left to be logged, and count why the connection ends."""
        self.violations.add(Assumption.MESSAGE_SIZE, int(reason == TOO_BIG))
        self.log_unused(now, at_once=True)

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
        texts = self._controls.take(now, at_once=at_once)
        if texts:
            extra = {**connection, "count": sum(texts.values()), "texts": texts}
            log.warning("feed_control", extra=extra)

    def report(
        self,
        state: str,
        now: float,
        coverage: CoverageBook,
        socket: FeedSocket | None,
        **more: Any,
    ) -> ConnectionReport:
        """Return the report; `more` is what only the connection knows."""
        self.violations.add(Assumption.CLOCK, coverage.clock.take_errors())
        self.violations.add(Assumption.ON_TIME, self.lateness.take_beaten())
        heard, self._heard = tuple(self._heard.items()), {}
        return ConnectionReport(
            child=self._incarnation.child,
            incarnation=self._incarnation.number,
            now=now,
            state=state,
            epoch=coverage.epoch,
            tokens=coverage.requested_count,
            confirmed=coverage.confirmed_count,
            waiting=coverage.waiting,
            waiting_longest=coverage.waiting_longest(MOST_WAITING),
            trades_total=self._trades_total,
            rejected_total=self._rejected_total,
            unknown_total=self._unknown_total,
            doubtful_total=self._doubtful_total,
            left_out_total=self._left_out_total,
            frames_total=socket.frames_total if socket else 0,
            bytes_total=socket.bytes_total if socket else 0,
            last_data_at=socket.last_data_at if socket else 0.0,
            proven_until_ns=coverage.proven_until_ns,
            busy=self._busy.top(now),
            traded=self._busy.traded(now),
            heard=heard,
            violations=self.violations.totals(),
            clock_offset_s=coverage.clock.offset_ms / 1_000,
            lateness=self.lateness.histogram,
            allowance_ms=self.lateness.needed_ms,
            **more,
        )


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
        self._turn(now)
        counts = {
            token: self._now.get(token, 0) + self._before.get(token, 0)
            for token in {**self._before, **self._now}
        }
        return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most])

    def traded(self, now: float) -> frozenset[TokenId]:
        """Return the tokens that are counted; `now` is monotonic seconds."""
        self._turn(now)
        return frozenset(self._now).union(self._before)

    def _turn(self, now: float) -> None:
        if now - self._since >= self._minute_s:
            self._since = now
            self._before, self._now = self._now, {}
