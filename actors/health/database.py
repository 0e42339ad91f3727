"""The database, as the writer reports it: its part of the status document.

`at` and `now` are monotonic seconds, `*_ns` are wall-clock time.
"""

from dataclasses import dataclass, field

from actors.health import document
from actors.health.counters import CumulativeCount
from actors.health.parts import kept, span
from actors.messages import StoreOpened
from actors.model.conversion import iso
from actors.model.storage import AWAY, LIVE


@dataclass
class DatabaseHealth:
    """Whether the database answers, since when it does not, and how late its trades are.

    Attributes:
        state: `live`, `behind` (catching up), `away`, `stopped`, `outdated` (a newer version has
            migrated it) or `mismatch` (it is none that this version can write to).
        waiting: Journal records that are gathered and not committed.
        ever_reached: It has answered once, or its error is known.
        has_told: It has told once how much of the journal it holds.
        rejected_rows: Rows that it could not hold.
        rejected_trades: Those of trades, also of before, that are not taken in.
        miscounts: How often what it reported of a batch did not add up.
        chores_failed, chores_failing: Of its housekeeping; see `document.Database`.
    """

    away_since: float | None
    state: str = AWAY
    waiting: int = 0
    ever_reached: bool = False
    has_told: bool = False
    rejected_rows: int = 0
    rejected_trades: int = 0
    miscounts: CumulativeCount = field(default_factory=CumulativeCount)
    chores_failed: CumulativeCount = field(default_factory=CumulativeCount)
    chores_failing: tuple[str, ...] = ()
    _opened: StoreOpened = field(default_factory=lambda: StoreOpened(server=""))
    _reason: str = ""
    _server_end: str = ""
    _lag_s: float = 0.0
    _committed_at_ns: int | None = None

    def opened(self, opened: StoreOpened) -> None:
        """Record that the database answers."""
        self._opened, self._reason, self._server_end = opened, "", ""
        self.away_since, self.ever_reached, self.has_told = None, True, True
        # Until the next report of the writer, which says whether it is still catching up.
        if self.state == AWAY:
            self.state = LIVE

    def lost(self, reason: str, at: float) -> None:
        """Record that the database is away."""
        self.state, self._reason = AWAY, kept(reason)
        self.ever_reached = self.ever_reached or bool(reason)
        if self.away_since is None:
            self.away_since = at

    def server_ended(self, reason: str) -> None:
        """Record how the embedded server has ended; that no connection is possible follows."""
        self._server_end = kept(reason)

    def committed(self, oldest_ns: int | None, wall_ns: int) -> None:
        """Record a commit of this moment; its oldest trade, if any, was received at `oldest_ns`."""
        self._lag_s = max(0, wall_ns - (oldest_ns or wall_ns)) / 1e9
        self._committed_at_ns = wall_ns

    def part(self, now: float, oldest_s: float) -> document.Database:
        """Return its part of the document; `oldest_s` is the age of the oldest pending record."""
        committed_at_ns = self._committed_at_ns
        return document.Database(
            state=self.state,
            server=self._opened.server,
            identity=self._opened.identity,
            unsafe=self._opened.unsafe,
            unverified=self._opened.unverified,
            miscounts_total=self.miscounts.total,
            chores_failed_total=self.chores_failed.total,
            chores_failing=self.chores_failing,
            last_commit_at=None if committed_at_ns is None else iso(committed_at_ns),
            lag_s=round(max(self._lag_s, oldest_s), 3),
            waiting=self.waiting,
            away_s=span(now, self.away_since),
            reason=(self._server_end or self._reason) if self.state == AWAY else self._reason,
            rejected_rows=self.rejected_rows,
            rejected_trades=self.rejected_trades,
        )
