"""Storage: the database, as the writer tells of it.

`at` and `now` are monotonic seconds, `*_ns` wall clock.
"""

from dataclasses import dataclass

from actors.health import document
from actors.health.connections import LONGEST_REASON
from actors.health.document import iso, span
from actors.writer.pacing import AWAY, LIVE


@dataclass
class Storage:
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
        """A transaction committed just now whose oldest print was received then, if it had any."""
        self._lag_s = max(0, wall_ns - (oldest_ns or wall_ns)) / 1e9
        self._committed_at_ns = wall_ns

    def told(self, now: float, waits_s: float) -> document.Database:
        """Give its part of the document; `waits_s` is the age of the oldest that waits."""
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
