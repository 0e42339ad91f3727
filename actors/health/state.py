"""The state of the tracker: every report, folded into one status document.

The supervisor passes the reports on as they come; `HealthState.document` returns the document
of the present moment. `at` and `now` are monotonic seconds, `*_ns` are wall-clock time.
"""

from collections.abc import Mapping

import msgspec

from actors.health import rules
from actors.health.audits import AuditsHealth
from actors.health.connections import ConnectionsHealth, MarketOf
from actors.health.counters import (
    RestartCounts,
    TradeAccounting,
    ViolationSums,
    Windows,
)
from actors.health.database import DatabaseHealth
from actors.health.day import Day
from actors.health.document import Catalog, Health, Journal, RequestState, Trades
from actors.health.latest import LatestHealth
from actors.health.outcomes import OutcomesHealth
from actors.health.parts import (
    ATTENTION,
    DEGRADED,
    Assets,
    Descriptors,
    Limits,
    Reconnect,
    because,
    kept,
    span,
)
from actors.health.timing import TimingHealth
from actors.messages import (
    BatchWritten,
    CatalogReport,
    ConnectionReport,
    Report,
    ResolutionReport,
    StoreOpened,
    WriterReport,
)
from actors.model.assumptions import Assumption
from actors.model.connection import DescriptorLimit
from actors.model.conversion import iso
from actors.model.histogram import Histogram
from actors.model.storage import JournalStats

__all__ = ["Health", "HealthState", "Limits"]

EMBEDDED = "embedded-database"
"""Its name among the children that were restarted."""
_LISTING, _KEYSET = "listing", "keyset"


class HealthState:
    """Folds the reports of all actors; owned by the supervisor, in its thread alone.

    Args:
        version, host, pid: Which tracker this is.
        now, wall_ns: When the process began: monotonic seconds, nanoseconds since 1970.
        limits: Beyond them the state is degraded.
    """

    def __init__(
        self,
        *,
        version: str,
        host: str,
        pid: int,
        now: float,
        wall_ns: int,
        limits: Limits | None = None,
    ) -> None:
        self._identity = (version, host, pid)
        self._began, self._began_ns = now, wall_ns
        self._limits = limits or Limits()
        self._connections = ConnectionsHealth(self._limits)
        self._descriptors = DescriptorLimit()
        self._stored = Windows(fine=True)
        self.day = Day(wall_ns)  # the supervisor restores it, and journals it
        self._accounting = TradeAccounting()
        self._database = DatabaseHealth(away_since=now)
        self._journal: JournalStats | None = None
        self._journal_full = False
        self._oldest_pending_s = 0.0
        self._catalog: CatalogReport | None = None
        self._catalog_failing: dict[str, float] = {}
        self._outcomes = OutcomesHealth()
        self._timing = TimingHealth()
        self.latest = LatestHealth()
        self.audits = AuditsHealth()
        self._restarts = RestartCounts(self._limits)
        self._violations = ViolationSums()
        self._stopping = False
        self._was_covered = self._was_full = False

    # ------------------------------------------------------------- connections

    def markets_known(self, market_of: MarketOf) -> None:
        """Take the function that names the market of a token on a connection."""
        self._connections.market_of = market_of

    def universe_planned(self, *, wanted: int) -> None:
        """Take the number of tokens of the plan."""
        self._connections.planned(wanted)

    def connection_wanted(self, child: str, *, feed: int, at: float) -> None:
        """Begin to show a connection that the plan has from now on."""
        self._connections.add(child, feed=feed, at=at)

    def connection_removed(self, child: str) -> None:
        """Show a connection no more: the plan is without it."""
        self._connections.remove(child)
        self._violations.forget(child)

    def connection_reported(self, report: ConnectionReport, *, at: float) -> None:
        """Take the report of a connection."""
        self._connections.reported(report, at)
        # Of one that the plan has no more nothing would ever be forgotten.
        if self._connections.has(report.child):
            self._violated(report, at)

    def connection_ended(self, child: str, *, reason: str, at: float, failure: str = "") -> None:
        """Record that a connection ended, expectedly or not; see `ConnectionsHealth.ended`."""
        self._connections.ended(child, reason=reason, at=at, failure=failure)

    def descriptors_limited(self, limit: DescriptorLimit) -> None:
        """Take how many file descriptors the process may open."""
        self._descriptors = limit

    # ------------------------------------------------------ database and journal

    def writer_reported(self, report: WriterReport, *, at: float) -> None:
        """Take the report of the writer."""
        self._database.state, self._database.waiting = report.state, report.waiting
        self._database.miscounts.counted(report.incarnation, report.miscounts_total)
        self._database.chores_failed.counted(report.incarnation, report.chores_failed_total)
        self._database.chores_failing = report.chores_failing
        self._database.rejected_trades = report.rejected_trades
        self._violated(report, at)

    def store_opened(self, opened: StoreOpened) -> None:
        """Record that the database answers, and what is a risk."""
        self._database.opened(opened)

    def store_lost(self, *, reason: str, at: float) -> None:
        """Record that the database is away; whether its last commit succeeded is uncertain."""
        self._database.lost(reason, at)
        self._accounting.lost_count()

    def database_server_ended(self, *, reason: str, at: float) -> None:
        """Count an end of the embedded database, which is started again."""
        self._restarts.add(EMBEDDED, at, reason)
        self._database.server_ended(reason)

    def batch_written(self, batch: BatchWritten, *, at: float, wall_ns: int) -> None:
        """Count a transaction that the writer committed just now."""
        self._stored.add(at, batch.stored)
        self.day.stored += batch.stored
        self._accounting.committed(batch)
        self._timing.committed(batch)
        self._database.committed(batch.oldest_received_ns, wall_ns)
        self._database.rejected_rows += batch.rejected_rows

    def journal_sampled(self, stats: JournalStats, *, full: bool, oldest_s: float) -> None:
        """Take the figures of the journal.

        Call it right before `document`: the accounting compares them with the commits so far.
        `full` means that reading has stopped; `oldest_s` is the age of the oldest record that
        is not committed, or 0.
        """
        self._journal, self._journal_full, self._oldest_pending_s = stats, full, oldest_s
        self._timing.synced(stats.syncs)
        self._accounting.appended(
            stats.weight_appended, next_seq=stats.next_seq, released=stats.watermark
        )

    # ------------------------------------------------------------------ others

    def catalog_reported(self, report: CatalogReport, *, at: float) -> None:
        """Take the report of the catalog; an empty error means that the last page came."""
        self._catalog = report
        self._violated(report, at)
        errors = {_LISTING: report.last_error, _KEYSET: report.keyset_error}
        errors |= {name: "" if state == "ok" else state for name, state in report.requests}
        self._catalog_failing = {
            name: self._catalog_failing.get(name, at) for name, error in errors.items() if error
        }

    def resolution_reported(self, report: ResolutionReport, *, at: float) -> None:
        """Take the report of the resolution actor; it has the state of each source."""
        self._violated(report, at)
        self.day.recorded += self._outcomes.reported(report, at)

    def requests_timed(self, requests: Mapping[str, Histogram]) -> None:
        """Take how long all HTTP requests took, by source."""
        self._timing.requested(requests)

    def assumption_violated(self, assumption: Assumption, count: int, *, at: float) -> None:
        """Count what the supervisor itself saw to be false."""
        self._violations.add(assumption, count, at)

    def _violated(self, report: Report, at: float) -> None:
        self._connections.clock_reported(report.clock_offset_s)
        self._violations.reported(report.child, report.incarnation, report.violations, at)

    def child_died(self, child: str, reason: str, *, at: float, writer: bool = False) -> None:
        """Count an unexpected death; `writer`: the dead actor is the one that counts commits."""
        self._restarts.add(child, at, reason)
        if writer:
            self._accounting.lost_count()

    def time_passed(self, now: float, wall_ns: int) -> None:
        """Measure the coverage of this moment; called about once a second."""
        self._connections.time_passed(now)
        assets = self._connections.assets(now)
        self._covered_once(assets)
        self.day.measured(now, wall_ns, wanted=assets.wanted, covered=assets.covered)

    def stopping(self) -> None:
        """Record that the process is stopping."""
        self._stopping = True

    # ---------------------------------------------------------------- document

    def document(self, now: float, wall_ns: int) -> Health:
        """Return the document of this moment."""
        version, host, pid = self._identity
        return self._judged(
            Health(
                state="healthy",
                reasons=(),
                codes=(),
                levels=(),
                version=version,
                host=host,
                pid=pid,
                at=iso(wall_ns),
                started_at=iso(self._began_ns),
                uptime_s=span(now, self._began),
                trades=self._trades(now),
                connections=self._connections.connections(now),
                descriptors=self._descriptors_part(),
                assets=self._connections.assets(now),
                coverage=self.day.coverage(),
                last_reconnect=self._reconnect(now, wall_ns),
                journal=self._journal_part(),
                database=self._database.part(now, self._pending_s),
                resolutions=self._outcomes.part(now, recorded_today=self.day.recorded),
                catalog=self._catalog_part(now),
                restarts=self._restarts.restarts(now),
                accounting=self._accounting.accounting(),
                lateness=self._connections.lateness(),
                timing=self._timing.part(),
                drift=self._connections.drift(now),
                assumptions=self._violations.assumptions(now),
                latest=self.latest.part(),
                audits=self.audits.part(),
            )
        )

    def _judged(self, health: Health) -> Health:
        """Return the document with its state: while starting, with what is still awaited."""
        if self._stopping:
            return msgspec.structs.replace(health, state="stopping", reasons=("stopping",))
        awaited = self._awaited(health)
        # Longer than that is no start any more but a fault; nor is one that waits, or has waited,
        # for space, since nothing is received meanwhile.
        self._was_full |= health.journal.full
        starting = health.uptime_s < self._limits.starting_s and not self._was_full
        wrong = rules.reasons(health, self._limits)
        if awaited and starting:
            known = tuple(each.text for each in wrong if self._is_wrong_already(each))
            return msgspec.structs.replace(health, state="starting", reasons=(*known, *awaited))
        if not wrong:
            return health
        codes, levels, texts = zip(*wrong, strict=True)
        return msgspec.structs.replace(
            health,
            state=DEGRADED if DEGRADED in levels else ATTENTION,
            reasons=texts,
            codes=codes,
            levels=levels,
        )

    def _awaited(self, health: Health) -> tuple[str, ...]:
        """Return what a start still waits for."""
        reached, live = self._database.ever_reached, self._connections.ever_live
        awaited = (
            ("waiting for the database", reached),
            (_awaited_connection(health), live),
            (_awaited_tokens(health), self._covered_once(health.assets)),
        )
        return tuple(text for text, there in awaited if not there)

    def _is_wrong_already(self, reason: rules.Reason) -> bool:
        """Return whether a reason of a start is more than that something is not there yet."""
        there = {
            "database_away": self._database.ever_reached,
            "no_connection_live": self._connections.ever_live,
            "coverage_lost": False,
            "nothing_to_watch": False,
        }
        return reason.level == DEGRADED and there.get(reason.code, True)

    def _covered_once(self, assets: Assets) -> bool:
        """Return whether 90 % of the tokens have been covered at one time since the start.

        Not all: new tokens come all the time, and each waits for its proof.
        """
        self._was_covered |= 0 < assets.wanted * 9 <= assets.covered * 10
        return self._was_covered

    def _trades(self, now: float) -> Trades:
        stored, received = self._stored, self._connections.received
        return Trades(
            last_minute=stored.minute(now),
            last_hour=stored.hour(now),
            last_24h=stored.day(now),
            today=self.day.stored,
            total=stored.all,
            minutes=stored.minutes(now),
            received_last_minute=received.minute(now),
            received_total=received.all,
            absent_s=self._connections.no_trade_s(now),
        )

    def _descriptors_part(self) -> Descriptors:
        found = self._descriptors
        return Descriptors(
            limit=found.limit,
            connections=found.connections,
            needed=found.needed(self._connections.slots()),
        )

    def _reconnect(self, now: float, wall_ns: int) -> Reconnect | None:
        last = self._connections.last_reconnect
        if last is None:
            return None
        at, connection, reason = last
        then_ns = wall_ns - int(span(now, at) * 1e9)
        return Reconnect(at=iso(then_ns), connection=connection, reason=reason)

    def _journal_part(self) -> Journal:
        pending = self._accounting.pending_records
        found = self._journal
        return Journal(
            pending_records=pending,
            bytes=found.bytes if found else 0,
            cap_bytes=found.cap_bytes if found else 0,
            durable_lag=max(0, found.next_seq - 1 - found.durable_seq) if found else 0,
            oldest_s=self._pending_s,
            sync_p99_s=found.sync_p99_s if found else 0.0,
            free_bytes=found.free_bytes if found else None,
            full=self._journal_full,
            gone=kept(found.gone) if found else "",
            at_most=pending > 0 and not self._database.has_told,
            exposed=kept(found.exposed) if found else "",
        )

    @property
    def _pending_s(self) -> float:
        # The last record that waited may have been committed since the journal was measured.
        return self._oldest_pending_s if self._accounting.pending_records else 0.0

    def _catalog_part(self, now: float) -> Catalog:
        report = self._catalog
        swept_at = report.last_sweep_at if report else None
        return Catalog(
            markets=report.markets if report else 0,
            last_sweep_age_s=None if swept_at is None else span(now, swept_at),
            last_error=kept(report.last_error) if report else "",
            failing_s=span(now, self._catalog_failing.get(_LISTING)),
            keyset_error=kept(report.keyset_error) if report else "",
            keyset_failing_s=span(now, self._catalog_failing.get(_KEYSET)),
            requests={
                name: RequestState(
                    state=kept(state),
                    failing_s=span(now, self._catalog_failing.get(name)),
                )
                for name, state in (report.requests if report else ())
            },
        )


def _awaited_connection(health: Health) -> str:
    return because("waiting for the first connection", health.connections.last_failure)


def _awaited_tokens(health: Health) -> str:
    assets = health.assets
    if not assets.wanted:
        return because("waiting for the first tokens", health.catalog.last_error)
    awaited = f"waiting for {assets.wanted - assets.covered:,} of {assets.wanted:,} tokens"
    # With none live, another sentence has the failure.
    return because(awaited, health.connections.last_failure if health.connections.live else "")
