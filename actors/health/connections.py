"""The roster: every connection that the plan wants, through all its lives.

`at` and `now` are monotonic seconds.
"""

from dataclasses import dataclass, field

from actors.health.counters import Windows
from actors.health.document import LONGEST_REASON, Assets, Connection, Connections, Limits, span
from actors.health.reported import ConnectionFigures
from actors.model.connection import slot_of

LISTENING = "listening"
"""The state of a connection that does its work, as it reports it."""


@dataclass
class _Line:
    """What is known of one connection."""

    feed: int
    down_since: float | None
    waiting_since: float | None = None
    state: str = "waiting"
    incarnation: int = 0
    tokens: int = 0
    confirmed: int = 0
    last_data_at: float = 0.0
    trades: int = 0
    rejected: int = 0
    bytes: int = 0
    unknown: int = 0
    rejected_before: int = 0
    bytes_before: int = 0
    reconnects: int = 0
    last_reason: str = ""
    heard: Windows = field(default_factory=Windows)

    def born(self, incarnation: int) -> None:
        """Begin another life, whose counters start at nothing."""
        self.rejected_before += self.rejected
        self.bytes_before += self.bytes
        self.incarnation = incarnation
        self.trades = self.rejected = self.bytes = self.unknown = 0


class ConnectionsHealth:
    """What all connections reported, and since when each is away or waits for proof."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lines: dict[str, _Line] = {}
        self._wanted = 0
        self._reconnects = 0
        self.heard, self.unknown = Windows(fine=True), Windows()
        self.ever_live = False
        self.last_reconnect: tuple[float, str, str] | None = None

    def planned(self, wanted: int) -> None:
        """So many tokens are to be listened to."""
        self._wanted = wanted

    def wanted(self, child: str, *, feed: int, at: float) -> None:
        """A connection is part of the plan from now on."""
        self._lines.setdefault(child, _Line(feed=feed, down_since=at))

    def let_go(self, child: str) -> None:
        """A connection is no longer part of the plan."""
        self._lines.pop(child, None)

    def reported(self, said: ConnectionFigures, at: float) -> None:
        """A connection says how it is. Its counters rise within one incarnation."""
        line = self._lines.get(said.child)
        if line is None or said.incarnation < line.incarnation:
            return
        if said.incarnation > line.incarnation:
            line.born(said.incarnation)
        line.heard.add(at, said.trades_total - line.trades)
        self.heard.add(at, said.trades_total - line.trades)
        self.unknown.add(at, said.unknown_total - line.unknown)
        line.trades, line.rejected, line.bytes = (
            said.trades_total,
            said.rejected_total,
            said.bytes_total,
        )
        line.unknown, line.last_data_at = said.unknown_total, said.last_data_at
        line.tokens, line.confirmed = said.tokens, said.confirmed
        self._judge(said.child, line, said.state, at)

    def _judge(self, child: str, line: _Line, state: str, at: float) -> None:
        """Follow the state of a connection: since when it is away, that it is back."""
        line.state = state
        live = state == LISTENING
        if live and line.down_since is not None:
            line.down_since = None
            self.ever_live = True
            if line.last_reason:
                line.reconnects += 1
                self._reconnects += 1
                self.last_reconnect = (at, child, line.last_reason)
        elif not live and line.down_since is None:
            line.down_since = at
        if not live or line.confirmed >= line.tokens:
            line.waiting_since = None
        elif line.waiting_since is None:
            line.waiting_since = at

    def ended(self, child: str, *, reason: str, at: float) -> None:
        """A life of a connection is over, expectedly or not."""
        line = self._lines.get(child)
        if line is None:
            return
        line.state, line.last_reason = "waiting", reason[:LONGEST_REASON] or "unknown"
        line.confirmed, line.waiting_since = 0, None
        if line.down_since is None:
            line.down_since = at

    def connections(self, now: float) -> Connections:
        """Return all connections, in order of their ids."""
        each = tuple(self._connection(name, now) for name in sorted(self._lines))
        lines = self._lines.values()
        down = [line for line in lines if span(now, line.down_since) > self._limits.down_s]
        return Connections(
            wanted=len(each),
            live=sum(line.down_since is None for line in lines),
            silent=sum(one.state == "silent" for one in each),
            down=len(down),
            reconnects_total=self._reconnects,
            each=each,
        )

    def assets(self, now: float) -> Assets:
        """Return how many tokens are proven to be listened to: those of the best feed.

        Of a connection and its successor, which have the same tokens, the better one counts.
        """
        confirmed: dict[tuple[int, str], int] = {}
        late: dict[str, int] = {}
        for name, line in self._lines.items():
            slot = slot_of(name)
            if line.down_since is None:
                key = (line.feed, slot)
                confirmed[key] = max(line.confirmed, confirmed.get(key, 0))
            waits = span(now, line.waiting_since) > self._limits.down_s
            missing = line.tokens - line.confirmed if waits else 0
            late[slot] = min(missing, late.get(slot, missing))
        feeds: dict[int, int] = {}
        for (feed, _), count in confirmed.items():
            feeds[feed] = feeds.get(feed, 0) + count
        covered = min(self._wanted, max(feeds.values(), default=0))
        never = min(sum(late.values()), self._wanted - covered)
        return Assets(wanted=self._wanted, covered=covered, never_confirmed=never)

    def _connection(self, name: str, now: float) -> Connection:
        line = self._lines[name]
        age = span(now, line.last_data_at) if line.last_data_at else None
        # Who listens to no token (news of markets only) may well hear nothing for hours.
        listens = line.down_since is None and line.tokens > 0
        hushed = listens and (age or 0.0) > self._limits.silent_s
        return Connection(
            id=name,
            state="silent" if hushed else line.state,
            data_age_s=age,
            down_s=span(now, line.down_since),
            tokens=line.tokens,
            confirmed=line.confirmed,
            last_minute=line.heard.minute(now),
            last_hour=line.heard.hour(now),
            last_24h=line.heard.day(now),
            trades=line.heard.all,
            rejected=line.rejected_before + line.rejected,
            bytes=line.bytes_before + line.bytes,
            reconnects=line.reconnects,
            last_reason=line.last_reason,
        )
