"""Health: what everyone reported, folded into one document.

The supervisor hands this room the reports as they come (`health/reported.py`
says what is read off them); `document` gives the state of things now. `at` and
`now` are monotonic seconds.
"""

from dataclasses import dataclass

import msgspec

from actors.health import document, rules
from actors.health.connections import LISTENING, ConnectionsHealth
from actors.health.counters import Accounting, CumulativeCount, DayCoverage, RestartCounts, Windows
from actors.health.document import (
    LONGEST_REASON,
    Assets,
    Catalog,
    Drift,
    Health,
    Journal,
    Limits,
    Reconnect,
    Resolutions,
    SourceState,
    Trades,
    iso,
    span,
)
from actors.health.reported import (
    CatalogFigures,
    CommitFigures,
    ConnectionFigures,
    ResolutionFigures,
)
from actors.model.database_state import AWAY, LIVE
from actors.model.journal_stats import JournalStats

__all__ = ["LISTENING", "Health", "HealthState", "Limits"]


# MERGED: the database, as the writer tells of it. `at` and `now` are monotonic
# seconds, `*_ns` wall clock.


@dataclass
class DatabaseHealth:
    """Whether it answers, since when it does not, and how late it is.

    Attributes:
        state: `live`, `behind` (catching up), `away` or `stopped`.
        waiting: Journal records that are gathered and not committed.
        ever_met: It has answered once, or said why it does not.
    """

    away_since: float | None
    state: str = AWAY
    waiting: int = 0
    ever_met: bool = False
    _server: str = ""
    _reason: str = ""
    _lag_s: float = 0.0
    _committed_at_ns: int | None = None

    def opened(self, server: str) -> None:
        """It answers."""
        self._server, self._reason = server, ""
        self.away_since, self.ever_met = None, True
        if self.state == AWAY:
            self.state = LIVE

    def lost(self, reason: str, at: float) -> None:
        """It is away."""
        self.state, self._reason = AWAY, reason[:LONGEST_REASON]
        self.ever_met = self.ever_met or bool(reason)
        if self.away_since is None:
            self.away_since = at

    def committed(self, oldest_ns: int | None, wall_ns: int) -> None:
        """A transaction committed just now whose oldest trade was received then, if it had any."""
        self._lag_s = max(0, wall_ns - (oldest_ns or wall_ns)) / 1e9
        self._committed_at_ns = wall_ns

    def told(self, now: float, waits_s: float) -> document.Database:
        """Return its part of the document; `waits_s` is the age of the oldest that waits."""
        committed_at_ns = self._committed_at_ns
        return document.Database(
            state=self.state,
            server=self._server,
            last_commit_at=None if committed_at_ns is None else iso(committed_at_ns),
            lag_s=round(max(self._lag_s, waits_s), 3),
            waiting=self.waiting,
            away_s=span(now, self.away_since),
            reason=self._reason,
        )


class HealthState:
    """Everything that health is made of.

    Args:
        version, host, pid: Who we are.
        now, wall_ns: When we began: monotonic seconds, nanoseconds since 1970.
        limits: What is still healthy.
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
        self._who = (version, host, pid)
        self._began, self._began_ns = now, wall_ns
        self._limits = limits or Limits()
        self._roster = ConnectionsHealth(self._limits)
        self._stored = Windows(fine=True)
        self._today = DayCoverage(wall_ns)
        self._tally = Accounting()
        self._storage = DatabaseHealth(away_since=now)
        self._journal: JournalStats | None = None
        self._journal_full = False
        self._oldest_s = 0.0
        self._catalog: CatalogFigures | None = None
        self._catalog_failing: float | None = None
        self._outcomes: ResolutionFigures | None = None
        self._verdicts, self._conflicts = CumulativeCount(), CumulativeCount()
        self._failing: dict[str, float] = {}
        self._deaths = RestartCounts(self._limits)
        self._stopping = False
        self._ever_heard = False

    # ------------------------------------------------------------- connections

    def universe_planned(self, *, wanted: int) -> None:
        """So many tokens are to be listened to."""
        self._roster.planned(wanted)

    def connection_wanted(self, child: str, *, feed: int, at: float) -> None:
        """A connection is part of the plan from now on."""
        self._roster.wanted(child, feed=feed, at=at)

    def connection_let_go(self, child: str) -> None:
        """A connection is no longer part of the plan."""
        self._roster.let_go(child)

    def connection_reported(self, said: ConnectionFigures, *, at: float) -> None:
        """A connection says how it is."""
        self._roster.reported(said, at)

    def connection_ended(self, child: str, *, reason: str, at: float) -> None:
        """A life of a connection is over, expectedly or not."""
        self._roster.ended(child, reason=reason, at=at)

    # ------------------------------------------------------ database and journal

    def writer_reported(self, *, state: str, waiting: int) -> None:
        """The writer says how it is: `live`, `behind` (catching up) or `away`."""
        self._storage.state, self._storage.waiting = state, waiting

    def store_opened(self, *, server: str) -> None:
        """The database answers."""
        self._storage.opened(server)

    def store_lost(self, *, reason: str, at: float) -> None:
        """The database is away. Whether its last commit held is not known for certain."""
        self._storage.lost(reason, at)
        self._tally.lost_count()

    def batch_written(self, said: CommitFigures, *, at: float, wall_ns: int) -> None:
        """One transaction committed, just now."""
        self._stored.add(at, said.stored)
        self._tally.committed(said)
        self._storage.committed(said.oldest_received_ns, wall_ns)

    def journal_sampled(self, stats: JournalStats, *, full: bool, oldest_s: float) -> None:
        """Take the journal's figures; right before `document`, so that the books are exact.

        `full` means that reading has stopped; `oldest_s` is the age of the oldest record
        that is not committed, or 0.
        """
        self._journal, self._journal_full, self._oldest_s = stats, full, oldest_s
        self._tally.appended(stats.weight_appended, next_seq=stats.next_seq)

    # ------------------------------------------------------------------ others

    def catalog_reported(self, said: CatalogFigures, *, at: float) -> None:
        """The catalogue says how it is; an empty error means that the last page came."""
        self._catalog = said
        if not said.last_error:
            self._catalog_failing = None
        elif self._catalog_failing is None:
            self._catalog_failing = at

    def resolution_reported(self, said: ResolutionFigures, *, at: float) -> None:
        """The resolution actor says how it is; a source is `ok` or in its last error."""
        self._outcomes = said
        self._today.recorded += self._verdicts.counted(said.incarnation, said.recorded_total)
        self._conflicts.counted(said.incarnation, said.conflicts_total)
        failing = [name for name, state in said.sources if state != "ok"]
        self._failing = {name: self._failing.get(name, at) for name in failing}

    def child_died(self, child: str, *, at: float, writer: bool = False) -> None:
        """A child died of an unexpected error; `writer`: it was the one that counts commits."""
        self._deaths.add(child, at)
        if writer:
            self._tally.lost_count()

    def time_passed(self, now: float, wall_ns: int) -> None:
        """Measure what is listened to; about once a second."""
        assets = self._roster.assets(now)
        self._hears(assets)
        self._today.measured(now, wall_ns, wanted=assets.wanted, covered=assets.covered)

    def stopping(self) -> None:
        """The process is on its way out."""
        self._stopping = True

    # ---------------------------------------------------------------- document

    def document(self, now: float, wall_ns: int) -> Health:
        """Return the document of this moment."""
        (version, host, pid), unknown = self._who, self._roster.unknown
        return self._judged(
            Health(
                state="healthy",
                reasons=(),
                codes=(),
                version=version,
                host=host,
                pid=pid,
                at=iso(wall_ns),
                started_at=iso(self._began_ns),
                uptime_s=span(now, self._began),
                trades=self._trades(now),
                connections=self._roster.connections(now),
                assets=self._roster.assets(now),
                coverage=self._today.coverage(),
                last_reconnect=self._reconnect(now, wall_ns),
                journal=self._journal_part(),
                database=self._storage.told(now, self._waits_s),
                resolutions=self._resolutions(now),
                catalog=self._catalog_part(now),
                restarts=self._deaths.restarts(now),
                books=self._tally.books(),
                drift=Drift(unknown_last_hour=unknown.hour(now), unknown_total=unknown.all),
            )
        )

    def _judged(self, health: Health) -> Health:
        """Return whether this is healthy; while starting, only what is still awaited counts."""
        awaited = tuple(
            text
            for text, there in (
                ("waiting for the database", self._storage.ever_met),
                ("waiting for the first connection", self._roster.ever_live),
                (_unheard(health.assets), self._hears(health.assets)),
            )
            if not there
        )
        if self._stopping:
            return msgspec.structs.replace(health, state="stopping", reasons=("stopping",))
        if awaited and health.uptime_s < self._limits.starting_s:
            return msgspec.structs.replace(health, state="starting", reasons=awaited)
        wrong = rules.reasons(health, self._limits)
        if not wrong:
            return health
        codes, texts = zip(*wrong, strict=True)
        return msgspec.structs.replace(health, state="degraded", reasons=texts, codes=codes)

    def _hears(self, assets: Assets) -> bool:
        """Return whether nearly all tokens were ever heard at once: new ones come all the time."""
        self._ever_heard |= 0 < assets.wanted * 9 <= assets.covered * 10
        return self._ever_heard

    def _trades(self, now: float) -> Trades:
        stored, heard = self._stored, self._roster.heard
        return Trades(
            last_minute=stored.minute(now),
            last_hour=stored.hour(now),
            last_24h=stored.day(now),
            total=stored.all,
            minutes=stored.minutes(now),
            heard_last_minute=heard.minute(now),
            heard_total=heard.all,
        )

    def _reconnect(self, now: float, wall_ns: int) -> Reconnect | None:
        last = self._roster.last_reconnect
        if last is None:
            return None
        at, connection, reason = last
        then_ns = wall_ns - int(span(now, at) * 1e9)
        return Reconnect(at=iso(then_ns), connection=connection, reason=reason)

    def _journal_part(self) -> Journal:
        pending = self._tally.pending_records
        found = self._journal
        return Journal(
            pending_records=pending,
            bytes=found.bytes if found else 0,
            cap_bytes=found.cap_bytes if found else 0,
            durable_lag=max(0, found.next_seq - 1 - found.durable_seq) if found else 0,
            oldest_s=self._waits_s,
            sync_p99_s=found.sync_p99_s if found else 0.0,
            free_bytes=found.free_bytes if found else None,
            full=self._journal_full,
        )

    @property
    def _waits_s(self) -> float:
        return self._oldest_s if self._tally.pending_records else 0.0

    def _resolutions(self, now: float) -> Resolutions:
        said = self._outcomes
        pending = dict(said.pending) if said else {}
        asked = {name: (total, lately) for name, total, lately in (said.requests if said else ())}
        return Resolutions(
            recorded=self._verdicts.total,
            recorded_today=self._today.recorded,
            conflicts=self._conflicts.total,
            pending_total=sum(pending.values()),
            pending=pending,
            sources={
                name: SourceState(
                    state=state[:LONGEST_REASON],
                    failing_s=span(now, self._failing.get(name)),
                    requests=asked.get(name, (0, 0))[0],
                    requests_10s=asked.get(name, (0, 0))[1],
                )
                for name, state in (said.sources if said else ())
            },
        )

    def _catalog_part(self, now: float) -> Catalog:
        said = self._catalog
        swept = said.last_sweep_at if said else None
        return Catalog(
            markets=said.markets if said else 0,
            last_sweep_age_s=None if swept is None else span(now, swept),
            last_error=said.last_error[:LONGEST_REASON] if said else "",
            failing_s=span(now, self._catalog_failing),
        )


def _unheard(assets: Assets) -> str:
    if not assets.wanted:
        return "waiting for the first tokens"
    return f"waiting for {assets.wanted - assets.covered:,} of {assets.wanted:,} tokens"
