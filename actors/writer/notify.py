"""What the writer reports: to the other actors and, in few lines, to the log."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator

from actors.actor import Addresses, Incarnation
from actors.journal.recorder import Journal
from actors.messages import (
    AuditDataRead,
    BatchWritten,
    ConflictsRestored,
    CoverageForgotten,
    DayRestored,
    EvidenceRestored,
    MarketsRestored,
    MarketsReviewed,
    MarketsSettled,
    RechecksRestored,
    StoreLost,
    StoreOpened,
    TicketsStored,
    UnresolvedRestored,
    WriterReport,
)
from actors.model.assumptions import Violations
from actors.model.audit import AuditQuestion
from actors.model.conversion import iso
from actors.model.log_digest import LogDigest
from actors.model.market import TimeWindow
from actors.model.storage import TRADE, Committed, Housekept, Opened, TakenIn
from actors.model.trade import ConditionId
from actors.writer.catchup import Forgotten, Store
from actors.writer.gather import FindingsBatch, TradeBatch
from actors.writer.pacing import RejectedTrades

log = logging.getLogger(__name__)
LOG_S = 10.0
"""Least time between two log lines about what was written, in seconds."""
LOG_AWAY_S = 60.0
"""Time between two log lines with the same reason for which the database is away, in seconds."""
MOST_REASONS = 20
"""So many reasons are told apart for that."""
LOG_CHORE_S = 3_600.0
"""Least time between two log lines about one chore that fails, in seconds."""
LOG_MARKETS = 10
"""Most log lines of a kind about single markets of one transaction."""


class WriterNotifier:
    """Reports the state of the database and what was stored in it. In the thread of the writer.

    Args:
        incarnation: Of the writer.
        to: The actors that it sends to.

    Attributes:
        rejected_trades: How many trades the database had rejected.
    """

    def __init__(self, incarnation: Incarnation, to: Addresses) -> None:
        self._incarnation = incarnation
        self._to = to
        self._written = CommitSummary(every_s=LOG_S)
        self._rejected_rows = LogDigest(every_s=LOG_S)
        self._rejected_because = ""
        self._deleted: Counter[str] = Counter()
        self._chores = ChoreFailures(every_s=LOG_CHORE_S)
        self._logged_away: dict[str, float] = {}  # when each reason was logged
        self._logged_mismatch_at = float("-inf")
        self._miscounts = 0
        self._opened_ns = self._told_again_at = 0
        self.rejected_trades = RejectedTrades()
        self._logged_trades_at = float("-inf")

    def opened(self, opened: Opened, watermark: int) -> None:
        """Report that the database answers; the journal is read from the watermark on."""
        message = StoreOpened(
            server=opened.server,
            identity=opened.identity,
            unsafe=opened.unsafe,
            unverified=opened.unverified,
        )
        to = self._to
        for address in (to.supervisor, to.catalog, to.resolution, to.audit):
            address.tell(message)
        self.rejected_trades.opened(opened.rejected_trades)
        self._opened_ns = opened.moved_at_ms * 1_000_000
        self._logged_away.clear()
        self._logged_mismatch_at = float("-inf")
        log.info("database_opened", extra={"server": opened.server, "watermark": watermark})

    def forgotten(self, lacking: Forgotten, why: str) -> None:
        """Report that the database lacks what was told of coverage, and the journal has it no more.

        Args:
            lacking: Since when.
            why: "new", "restored" or "hole".
        """
        since_ns, is_earlier = lacking
        self._to.supervisor.tell(CoverageForgotten(since_ns=since_ns, is_earlier=is_earlier))
        since = iso(since_ns) if since_ns else ""
        log.warning("coverage_forgotten", extra={"why": why, "since": since})

    def records_lost(self, first: int, before_ns: int, journal: Journal) -> None:
        """Report that records of the journal are lost; what of coverage may stand there is, too.

        What the supervisor then journals has higher sequences than all that could be lost, so one
        report is enough for every hole below them.

        Args:
            first: The sequence of the first of them.
            before_ns: When the one before it was written; 0: when the watermark was stored.
            journal: The journal.
        """
        if first >= self._told_again_at:
            self._told_again_at = journal.next_seq
            is_earlier = first < journal.opened_at_seq
            self.forgotten(Forgotten(before_ns or self._opened_ns, is_earlier), "hole")

    def lost(self, reason: str, retry_s: float, now: float) -> None:
        """Report that the database is away; it is tried again after so many seconds."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        at = self._logged_away.get(reason, float("-inf"))
        if now - at >= LOG_AWAY_S:  # it is tried every other second, and reasons may take turns
            if len(self._logged_away) >= MOST_REASONS:
                self._logged_away.clear()
            self._logged_away[reason] = now
            log.warning("database_away", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def miscounted(self, reason: str) -> None:
        """Count that what the database reported of a batch did not add up."""
        self._miscounts += 1
        log.error("database_miscounts", extra={"reason": reason})

    def stopped(self, reason: str, retry_s: float) -> None:
        """Report that the database rejects too much; nothing is stored for so many seconds."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        log.error("storing_stopped", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def outdated(self, reason: str, retry_s: float) -> None:
        """Report that a newer version is to store what this one writes to the journal."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        log.error("version_outdated", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def mismatched(self, reason: str, retry_s: float, now: float) -> None:
        """Report that the database is not one that this version can write to, as it is."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        # Whatever the reason: during a restore each look finds other tables.
        if now - self._logged_mismatch_at >= LOG_AWAY_S:
            self._logged_mismatch_at = now
            log.error("schema_mismatch", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def committed(
        self, gathered: TradeBatch, findings: FindingsBatch, committed: Committed, wall_ns: int
    ) -> None:
        """Report what is in the database now, and to whom its tickets belong."""
        # After the commit only: the senders forget what they read here.
        self._to.catalog.tell(TicketsStored(tickets=tuple(findings.catalog_tickets)))
        self._to.resolution.tell(
            TicketsStored(tickets=tuple(findings.resolution_tickets), unproven=committed.unproven)
        )
        if committed.resolved:
            # A process that was just started may have chosen them from an answer out of a cache.
            self._to.catalog.tell(MarketsSettled(condition_ids=committed.resolved))
        if findings.audit_tickets:
            self._to.audit.tell(TicketsStored(tickets=tuple(findings.audit_tickets)))
        for condition_id, more in _first(committed.unproven):
            log.error("resolution_unproven", extra={"condition_id": condition_id, "more": more})
        for condition_id, more in _first(committed.mapping_changed):
            log.warning("mapping_changed", extra={"condition_id": condition_id, "more": more})
        for kind, count in committed.rejected_rows:
            self._rejected_rows.count([kind] * count)
            self._rejected_because = committed.rejected_because
            self.rejected_trades.rejected(count if kind == TRADE else 0)
        oldest_ns = min((trade.received_at_ns for trade in gathered.trades), default=0)
        self._written.add(committed, oldest_received_ns=oldest_ns, wall_ns=wall_ns)
        self._to.supervisor.tell(
            BatchWritten(
                stored=committed.stored,
                duplicates=committed.duplicates,
                rejected=committed.rejected,
                recovered=gathered.recovered,
                watermark=committed.watermark,
                oldest_received_ns=oldest_ns,
                rejected_rows=sum(count for _, count in committed.rejected_rows),
                took_s=committed.took_s,
                ages=committed.ages,
            )
        )

    def log_written(self, now: float, *, at_once: bool = False) -> None:
        """Log what was committed since the last line, when a line is due."""
        fields = self._written.take(now, at_once=at_once)
        if fields:
            log.info("batches_written", extra=fields)
        rows = self._rejected_rows.take(now, at_once=at_once)
        if rows:
            log.error("rows_rejected", extra={"rows": rows, "reason": self._rejected_because})

    def housekept(self, done: Housekept, now: float) -> None:
        """Log what was deleted because it is old, once for all steps, or why it was not."""
        self._deleted[done.what] += done.deleted
        if self._chores.take(done, now):
            if done.permitted:
                extra = {"what": done.what, "reason": done.failed}
                log.warning("housekeeping_failed", extra=extra)
            else:
                log.warning("housekeeping_forbidden", extra={"what": done.what})
        if done.is_last and self._deleted.total():
            log.info("old_rows_deleted", extra={"rows": dict(+self._deleted)})
        if done.is_last:
            self._deleted.clear()

    def took_in(self, done: TakenIn, now: float) -> None:
        """Count trades that were taken in; log it once all were tried."""
        tried = self.rejected_trades.took(done, now)
        if tried is None:
            return
        if tried.trades or (tried.left and now - self._logged_trades_at >= LOG_CHORE_S):
            self._logged_trades_at = now
            level = logging.WARNING if tried.left else logging.INFO
            extra = {"trades": tried.trades, "left": tried.left, "reason": tried.reason}
            log.log(level, "rejected_trades_taken_in", extra=extra)

    def report(self, now: float, *, state: str, waiting: int, violations: Violations) -> None:
        """Report the state of the database, and how many records wait for it."""
        self._to.supervisor.tell(
            WriterReport(
                child=self._incarnation.child,
                incarnation=self._incarnation.number,
                now=now,
                state=state,
                waiting=waiting,
                miscounts_total=self._miscounts,
                chores_failed_total=self._chores.total,
                chores_failing=self._chores.failing,
                rejected_trades=self.rejected_trades.waiting,
                violations=violations,
            )
        )

    def send_day(self, store: Store, day: int, *, opened_at_seq: int) -> None:
        """Send what the database knows of a day (days since 1970), when all is stored.

        Raises:
            StoreUnavailable: See `Store`.
        """
        self._to.supervisor.tell(DayRestored(found=store.day_stored(day, opened_at_seq)))

    def send_open_markets(self, store: Store) -> Iterator[None]:
        """Send the markets without a resolution, with their evidence; yield after each page.

        Raises:
            StoreUnavailable: See `Store`.
        """
        for markets in store.open_markets():
            if markets:
                self._restore_evidence(store, (market.condition_id for market in markets))
                self._to.resolution.tell(MarketsRestored(markets=markets))
                self._to.catalog.tell(MarketsRestored(markets=markets))
            yield

    def _restore_evidence(self, store: Store, condition_ids: Iterable[ConditionId]) -> None:
        # Before the markets: what is polled without its stored evidence would look new and be
        # stored once more.
        evidence = store.stored_evidence(tuple(condition_ids))
        self._to.resolution.tell(EvidenceRestored(evidence=evidence))

    def send_unresolved(self, store: Store, after: ConditionId) -> None:
        """Send the markets of one range of condition ids that ended and have no resolution.

        Raises:
            StoreUnavailable: See `Store`.
        """
        found = store.unresolved_after(after)
        if found.markets:
            self._restore_evidence(store, (market.condition_id for market in found.markets))
        self._to.resolution.tell(UnresolvedRestored(markets=found.markets, until=found.until))

    def send_conflicts(self, store: Store) -> None:
        """Send the contradictions that are open, with the resolutions to be checked again.

        Raises:
            StoreUnavailable: See `Store`.
        """
        found = store.open_conflicts()
        if found.rechecks:
            self._restore_evidence(store, (each.resolution.condition_id for each in found.rechecks))
        self._to.resolution.tell(
            ConflictsRestored(total=found.total, open=found.open, rechecks=found.rechecks)
        )

    def send_review(self, store: Store, after: ConditionId) -> None:
        """Send what is not known of one range of condition ids.

        Raises:
            StoreUnavailable: See `Store`.
        """
        review = store.review(after)
        self._to.catalog.tell(MarketsReviewed(unknown=review.unknown, until=review.until))

    def send_audit_data(self, store: Store, question: AuditQuestion) -> None:
        """Send the answer to a question of the audit.

        Raises:
            StoreUnavailable: See `Store`.
        """
        self._to.audit.tell(AuditDataRead(question=question, answer=store.for_audit(question)))

    def send_rechecks(self, store: Store, window: TimeWindow) -> None:
        """Send the resolutions whose recheck falls due in the first part of this time, and its end.

        Raises:
            StoreUnavailable: See `Store`.
        """
        part = store.recheck_window(window)
        for rechecks in store.resolutions_to_check(part):
            self._restore_evidence(store, (each.resolution.condition_id for each in rechecks))
            self._to.resolution.tell(RechecksRestored(rechecks=rechecks))
        # Resolution asks for the rest, if any; without this message for the same time again.
        self._to.resolution.tell(RechecksRestored(rechecks=(), until_ms=part.until_ms))


def _first(condition_ids: tuple[ConditionId, ...]) -> Iterator[tuple[ConditionId, int]]:
    """Yield the first few, the last of them with the number of those that are left out."""
    named = condition_ids[:LOG_MARKETS]
    left = len(condition_ids) - len(named)
    for place, condition_id in enumerate(named, start=1):
        yield condition_id, left if place == len(named) else 0


class ChoreFailures:
    """Remembers which chores of housekeeping fail.

    Args:
        every_s: Least time between two log lines about one chore, in seconds.

    Attributes:
        total: How often one failed.
    """

    def __init__(self, *, every_s: float) -> None:
        self._every_s = every_s
        self._failing: dict[str, str] = {}
        self._logged_at: dict[str, float] = {}
        self.total = 0

    @property
    def failing(self) -> tuple[str, ...]:
        """Return the chores whose last try failed, each with the reason."""
        return tuple(f"{what}: {reason}" for what, reason in sorted(self._failing.items()))

    def take(self, done: Housekept, now: float) -> bool:
        """Take what a step did; return whether to log that it failed."""
        if not done.failed:
            if not done.is_slow:
                self._failing.pop(done.what, None)
            return False
        self.total += 1
        self._failing[done.what] = done.failed
        if now - self._logged_at.get(done.what, float("-inf")) < self._every_s:
            return False
        self._logged_at[done.what] = now
        return True


class CommitSummary:
    """Sums up what the writer's transactions held since the last log line about them.

    Args:
        every_s: Least time between two lines, in seconds.
    """

    def __init__(self, *, every_s: float) -> None:
        self._every_s = every_s
        self._taken_at = float("-inf")
        self._clear()

    def _clear(self) -> None:
        self._batches = self._stored = self._duplicates = self._rejected = 0
        self._lag_ns = 0

    def add(self, committed: Committed, *, oldest_received_ns: int, wall_ns: int) -> None:
        """Add a transaction; one without trades and rejections is not worth a line.

        Args:
            committed: What was stored.
            oldest_received_ns: When its oldest trade was received; 0 without trades.
            wall_ns: When it was committed.
        """
        if not (committed.stored or committed.duplicates or committed.rejected):
            return
        self._batches += 1
        self._stored += committed.stored
        self._duplicates += committed.duplicates
        self._rejected += committed.rejected
        if oldest_received_ns:
            self._lag_ns = max(self._lag_ns, wall_ns - oldest_received_ns)

    def take(self, now: float, *, at_once: bool = False) -> dict[str, float]:
        """Return the fields of the line that is due; nothing while none is.

        `lag_s` is how long the trade that waited longest had waited.
        """
        if not self._batches or (now - self._taken_at < self._every_s and not at_once):
            return {}
        self._taken_at = now
        fields = {
            "batches": self._batches,
            "stored": self._stored,
            "duplicates": self._duplicates,
            "rejected": self._rejected,
            "lag_s": round(self._lag_ns / 1e9, 3),
        }
        self._clear()
        return fields
