"""The connections part of the status document.

Every connection of the plan has an entry from the moment it is planned until it leaves the
plan; the entry outlasts the incarnations of the actor, so its counters go on after a restart.
`at` and `now` are monotonic seconds.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from math import inf

from actors.health.counters import UsualSilence, Windows, span_of_most
from actors.health.document import Drift, Lateness
from actors.health.parts import (
    Assets,
    Connection,
    Connections,
    Limits,
    UnconfirmedToken,
    kept,
    span,
)
from actors.health.timing import times
from actors.messages import ConnectionReport
from actors.model.connection import LISTENING, GapCause, end_reason, gap_cause, slot_of
from actors.model.histogram import LATENESS_S, Histogram
from actors.model.trade import ConditionId, TokenId

MarketOf = Callable[[str, TokenId], ConditionId | None]
WRONG_CLOCK_S = 5.0
"""So much our clock may differ from others before it is called wrong, in seconds."""
_NOTHING_CAME = frozenset({GapCause.FROZEN.value, GapCause.EXCHANGE_SILENT.value})
MOST_NAMED = 5
"""So many unconfirmed tokens are named."""
PROVEN_FACTOR = 1.5
"""A proof of silence counts for so many times the silence: it is renewed about once in one."""


@dataclass
class _Entry:
    """What is known of one connection.

    Attributes:
        down_since: When it stopped listening, or was planned; None while it listens.
        waiting_since: Since when it listens without all of its tokens confirmed.
        carried: The tokens that it had when it had some: one that cannot be opened has none.
        last_data_at, heard_at: When data came last on the present incarnation, on any.
        trades, rejected, bytes, unknown: Counters of the present incarnation.
        rejected_before, bytes_before: The same of all earlier incarnations.
    """

    feed: int
    down_since: float | None
    waiting_since: float | None = None
    state: str = "waiting"
    incarnation: int = 0
    tokens: int = 0
    carried: int = 0
    confirmed: int = 0
    waiting: frozenset[TokenId] = frozenset()
    waiting_longest: tuple[tuple[TokenId, float], ...] = ()
    last_data_at: float = 0.0
    heard_at: float = 0.0
    silence_proven_at: float = 0.0
    trades: int = 0
    rejected: int = 0
    bytes: int = 0
    unknown: int = 0
    doubtful: int = 0
    left_out: int = 0
    lateness: Histogram = field(default_factory=Histogram)
    allowance_ms: int = 0
    rejected_before: int = 0
    bytes_before: int = 0
    reconnects: int = 0
    last_reason: str = ""
    received: Windows = field(default_factory=Windows)
    usual: UsualSilence = field(default_factory=UsualSilence)

    @property
    def proven_at(self) -> float:
        """Return when it last received data, or was shown to have missed nothing."""
        return max(self.last_data_at, self.silence_proven_at)

    @property
    def known_at(self) -> float:
        """Return the same over all incarnations; 0.0: never."""
        return max(self.heard_at, self.silence_proven_at)

    def gap_cause(self) -> str:
        """Return why tokens of it are not covered."""
        if self.down_since is not None and self.last_reason:
            return gap_cause(self.last_reason)
        waits = self.down_since is not None or self.confirmed < self.carried
        return (GapCause.NEVER_CONFIRMED if waits else GapCause.EXCHANGE_SILENT).value

    def restarted(self, incarnation: int) -> None:
        """Begin with the counters of a new incarnation, which start at 0."""
        self.rejected_before += self.rejected
        self.bytes_before += self.bytes
        self.incarnation = incarnation
        self.trades = self.rejected = self.bytes = self.unknown = 0
        self.doubtful = self.left_out = 0
        self.lateness = Histogram()
        self.usual.interrupted()


class ConnectionsHealth:
    """Collects the reports of all connections; owned by `HealthState`.

    Attributes:
        received: Trades of all connections: a trade that arrives on two feeds counts twice.
        unknown: Events of unknown type on all connections.
        doubtful: Rejected events on all connections that may be trades.
        left_out: Rejected events on all connections of which nothing was kept.
        ever_live: Some connection has listened since the start of the process.
        market_of: Returns the market of a token on a connection.
        last_reconnect: (when, connection, why it had ended) of the latest reconnect.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: dict[str, _Entry] = {}
        self._wanted_tokens = 0
        self._reconnects = Counter[str]()
        self.received, self.unknown = Windows(fine=True), Windows()
        self.doubtful, self.left_out = Windows(), Windows()
        self.ever_live = False
        self.market_of: MarketOf = lambda _, __: None
        self._no_trade_since: float | None = None
        self._lost_since: float | None = None
        self._had = 0  # tokens that were covered before that
        self._usual = UsualSilence()  # of all that have tokens
        self._unproven = (0.0, 0.0)  # what was found before, and last
        # Why connections could not be opened, of those that do not listen since; the last is last.
        self._failures: dict[str, str] = {}
        self._late = Histogram()
        self._clock_offset_s: float | None = None
        self.last_reconnect: tuple[float, str, str] | None = None

    def planned(self, tokens: int) -> None:
        """Take the number of tokens of the plan."""
        self._wanted_tokens = tokens

    def add(self, connection: str, *, feed: int, at: float) -> None:
        """Begin the entry of a connection that the plan has from now on."""
        self._entries.setdefault(connection, _Entry(feed=feed, down_since=at))

    def remove(self, connection: str) -> None:
        """Drop a connection that the plan has no more."""
        self._entries.pop(connection, None)
        self._failures.pop(connection, None)

    def has(self, connection: str) -> bool:
        """Return whether the plan has a connection."""
        return connection in self._entries

    def reported(self, report: ConnectionReport, at: float) -> None:
        """Take a report; one of an earlier incarnation comes too late and is ignored."""
        entry = self._entries.get(report.child)
        if entry is None or report.incarnation < entry.incarnation:
            return
        if report.incarnation > entry.incarnation:
            entry.restarted(report.incarnation)
        new_trades = report.trades_total - entry.trades
        entry.received.add(at, new_trades)
        self.received.add(at, new_trades)
        if new_trades > 0:
            self._no_trade_since = at
        self.unknown.add(at, report.unknown_total - entry.unknown)
        self.doubtful.add(at, report.doubtful_total - entry.doubtful)
        self.left_out.add(at, report.left_out_total - entry.left_out)
        entry.doubtful, entry.left_out = report.doubtful_total, report.left_out_total
        self._arrived(entry, report)
        entry.trades, entry.rejected = report.trades_total, report.rejected_total
        entry.bytes, entry.unknown = report.bytes_total, report.unknown_total
        entry.last_data_at = report.last_data_at
        entry.heard_at = max(report.last_data_at, entry.heard_at)
        entry.usual.data(report.last_data_at)
        self._usual.data(report.last_data_at if report.confirmed else 0.0)
        entry.silence_proven_at = report.silence_proven_at
        entry.tokens, entry.confirmed = report.tokens, report.confirmed
        entry.waiting, entry.waiting_longest = report.waiting, report.waiting_longest
        entry.carried = report.tokens or entry.carried
        self._follow(report.child, entry, report.state, at)

    def clock_reported(self, offset_s: float) -> None:
        """Take how far the clock of the exchange is from ours; small differences are none."""
        if abs(offset_s) > WRONG_CLOCK_S:
            self._clock_offset_s = round(offset_s, 1)

    def _arrived(self, entry: _Entry, report: ConnectionReport) -> None:
        """Add how late the trades were that arrived since the last report."""
        self._late += report.lateness - entry.lateness
        entry.lateness, entry.allowance_ms = report.lateness, report.allowance_ms

    def drift(self, now: float) -> Drift:
        """Return how many events on all connections could not be used."""
        return Drift(
            unknown_last_hour=self.unknown.hour(now),
            unknown_total=self.unknown.all,
            doubtful_last_hour=self.doubtful.hour(now),
            doubtful_total=self.doubtful.all,
            left_out_last_hour=self.left_out.hour(now),
            left_out_total=self.left_out.all,
            clock_offset_s=self._clock_offset_s,
        )

    def lateness(self) -> Lateness:
        """Return how late trades arrive, and the most that a proof must stay behind for it."""
        most_ms = max((entry.allowance_ms for entry in self._entries.values()), default=0)
        late = times(LATENESS_S, self._late)
        return Lateness(trades=late.counts, allowance_s=most_ms / 1_000, sum_s=late.sum_s)

    def _follow(self, connection: str, entry: _Entry, state: str, at: float) -> None:
        """Keep since when the connection is down or waits for confirmation; count reconnects."""
        entry.state = state
        live = state == LISTENING
        if live and entry.down_since is not None:
            entry.down_since = None
            self._failures.pop(connection, None)
            self.ever_live = True
            if entry.last_reason:
                entry.reconnects += 1
                self._reconnects[end_reason(entry.last_reason)] += 1
                self.last_reconnect = (at, connection, entry.last_reason)
        elif not live and entry.down_since is None:
            entry.down_since = at
        if not live or entry.confirmed >= entry.tokens:
            entry.waiting_since = None
        elif entry.waiting_since is None:
            entry.waiting_since = at

    def ended(self, connection: str, *, reason: str, at: float, failure: str = "") -> None:
        """Record that a connection ended; `failure`: why, when it had not received data."""
        entry = self._entries.get(connection)
        if entry is None:
            return
        if failure:
            self._failures.pop(connection, None)  # so that it becomes the last one
            self._failures[connection] = kept(failure)
        entry.state, entry.last_reason = "waiting", kept(reason) or "unknown"
        entry.confirmed, entry.waiting_since = 0, None
        if entry.down_since is None:
            entry.down_since = at

    def time_passed(self, now: float) -> None:
        """Note whether any token is listened to, and covered; called about once a second."""
        self._note_loss(now)
        # Twice: after a pause of the process buffers wait to be read.
        self._unproven = (self._unproven[1], self._unusually_silent_s(now))
        if not any(one.tokens and one.down_since is None for one in self._entries.values()):
            self._no_trade_since = None
        elif self._no_trade_since is None:
            self._no_trade_since = now

    def _note_loss(self, now: float) -> None:
        """Keep since when nothing is covered, or less than half of what was.

        A loss lasts until 90 % is covered again. One of connections that brought nothing is found
        late, and began with the last data of any.
        """
        assets = self.assets(now)
        had = min(self._had, assets.wanted)
        least = 0.5 if self._lost_since is None else 0.9
        if not assets.wanted or (assets.covered and assets.covered >= least * had):
            # The most of the last time, so that tokens that go one by one are a loss, too.
            self._lost_since, self._had = None, max(assets.covered, had)
        elif self._lost_since is None:
            carrying = (one for one in self._entries.values() if one.carried)
            heard_at = max((one.known_at for one in carrying), default=now)
            found_late = not _NOTHING_CAME.isdisjoint(assets.causes)
            self._lost_since = min(now, heard_at or now) if found_late else now

    def _unusually_silent_s(self, now: float) -> float:
        """Return for how long most tokens of each feed are silent, far longer than usual; or 0."""
        feeds: dict[int, list[tuple[int, float]]] = {}
        newest_s = inf  # of all together, which are silent for less than each alone
        for entry in self._entries.values():
            if entry.down_since is None and entry.confirmed:
                silent_s = 0.0 if self._is_proven_silent(entry, now) else now - entry.proven_at
                odd_s = silent_s if entry.usual.is_unusual(silent_s) else 0.0
                feeds.setdefault(entry.feed, []).append((entry.confirmed, odd_s))
                newest_s = min(newest_s, silent_s)
        # While most connections count as silent another reason says so.
        if not feeds or self._are_in_doubt(now):
            return 0.0
        return newest_s if self._usual.is_unusual(newest_s) else span_of_most(feeds.values())

    def no_trade_s(self, now: float) -> float:
        """Return for how long connections have listened to tokens without a trade."""
        return span(now, self._no_trade_since)

    def connections(self, now: float) -> Connections:
        """Return all connections, in order of their ids."""
        each = tuple(self._connection(name, now) for name in sorted(self._entries))
        entries = self._entries.values()
        return Connections(
            wanted=len(each),
            live=sum(entry.down_since is None for entry in entries),
            live_with_tokens=sum(one.down_since is None and one.tokens > 0 for one in entries),
            silent=sum(one.state == "silent" for one in each),
            quiet=sum(one.state == "quiet" for one in each),
            down=sum(span(now, entry.down_since) > self._limits.down_s for entry in entries),
            reconnects_total=self._reconnects.total(),
            reconnects=dict(self._reconnects),
            last_failure=next(reversed(self._failures.values()), ""),
            each=each,
        )

    def slots(self) -> int:
        """Return how many connections the plan has; those of one handover count once."""
        return len({slot_of(name) for name in self._entries})

    def assets(self, now: float) -> Assets:
        """Return how many tokens are proven to be listened to: those of the best feed.

        A connection and its successor have the same tokens, so the better one of them counts.
        """
        in_doubt = self._are_in_doubt(now)
        best = self._best_feed(now, in_doubt=in_doubt)
        covered = min(self._wanted_tokens, sum(count for count, _ in best))
        confirmed = covered
        if in_doubt:
            confirmed = sum(count for count, _ in self._best_feed(now, in_doubt=False))
        never = min(self._waiting_long(now), max(0, self._wanted_tokens - confirmed))
        ages = [now - entry.proven_at for count, entry in best if count]
        return Assets(
            wanted=self._wanted_tokens,
            covered=covered,
            never_confirmed=never,
            proven_s=round(max(0.0, *ages), 3) if ages else None,
            lost_s=span(now, self._lost_since),
            unproven_s=round(self._unproven[1], 3) if all(self._unproven) else 0.0,
            causes=_causes(best, self._wanted_tokens - covered),
            unconfirmed=self._unconfirmed(now) if never else (),
        )

    def _unconfirmed(self, now: float) -> tuple[UnconfirmedToken, ...]:
        """Return the tokens that have waited for longest on all feeds that listen."""
        listening = {k: one for k, one in self._entries.items() if one.down_since is None}
        feeds: dict[int, set[TokenId]] = {}
        for entry in listening.values():
            if entry.tokens:
                feeds.setdefault(entry.feed, set()).update(entry.waiting)
        waiting = set.intersection(*feeds.values()) if feeds else set()
        since: dict[TokenId, tuple[float, str]] = {}
        for name, entry in listening.items():
            for token, at in entry.waiting_longest:
                if token in waiting:  # on no feed any more since the last of them
                    since[token] = max((at, name), since.get(token, (at, name)))
        late = [one for one in since.items() if now - one[1][0] > self._limits.down_s]
        oldest = nsmallest(MOST_NAMED, late, key=lambda one: one[1][0])
        return tuple(
            UnconfirmedToken(
                token_id=token,
                condition_id=self.market_of(name, token),
                connection=name,
                waiting_s=span(now, at),
            )
            for token, (at, name) in oldest
        )

    def _best_feed(self, now: float, *, in_doubt: bool) -> list[tuple[int, _Entry]]:
        """Return (covered tokens, connection) of each slot of the feed that covers most."""
        slots: dict[tuple[int, str], tuple[int, _Entry]] = {}
        for name, entry in self._entries.items():
            listens = entry.down_since is None and not (in_doubt and self._is_silent(entry, now))
            count = entry.confirmed if listens else 0
            key = (entry.feed, slot_of(name))
            if key not in slots or count > slots[key][0]:
                slots[key] = (count, entry)
        feeds: dict[int, list[tuple[int, _Entry]]] = {}
        for (feed, _), each in slots.items():
            feeds.setdefault(feed, []).append(each)
        return max(feeds.values(), key=lambda found: sum(n for n, _ in found), default=[])

    def _waiting_long(self, now: float) -> int:
        """Return how many tokens have been unconfirmed for long on the connections of a slot."""
        late: dict[str, int] = {}
        for name, entry in self._entries.items():
            waits = span(now, entry.waiting_since) > self._limits.down_s
            missing = entry.tokens - entry.confirmed if waits else 0
            slot = slot_of(name)
            late[slot] = min(missing, late.get(slot, missing))
        return sum(late.values())

    def _are_in_doubt(self, now: float) -> bool:
        """Return whether most connections with tokens are silent together.

        The rule of `supervision.monitor.SilenceDetector`: what comes then ends their coverage
        where it was proven last.
        """
        listening = [one for one in self._entries.values() if one.down_since is None and one.tokens]
        silent = sum(self._is_silent(one, now) for one in listening)
        return len(listening) >= 3 and silent * 2 > len(listening)

    def _connection(self, name: str, now: float) -> Connection:
        entry = self._entries[name]
        age = span(now, entry.heard_at) if entry.heard_at else None
        state = entry.state
        if self._is_without_data(entry, now):
            state = "silent" if self._is_silent(entry, now) else "quiet"
        return Connection(
            id=name,
            state=state,
            data_age_s=age,
            down_s=span(now, entry.down_since),
            tokens=entry.tokens,
            confirmed=entry.confirmed,
            last_minute=entry.received.minute(now),
            last_hour=entry.received.hour(now),
            last_24h=entry.received.day(now),
            trades=entry.received.all,
            rejected=entry.rejected_before + entry.rejected,
            bytes=entry.bytes_before + entry.bytes,
            reconnects=entry.reconnects,
            last_reason=entry.last_reason,
        )

    def _is_without_data(self, entry: _Entry, now: float) -> bool:
        # Without tokens it receives only news of markets, and those may be hours apart.
        listens = entry.down_since is None and entry.tokens > 0
        return listens and 0 < entry.last_data_at < now - self._limits.silent_s

    def _is_silent(self, entry: _Entry, now: float) -> bool:
        """Return whether it is without data, and nothing proves that nothing happened."""
        return self._is_without_data(entry, now) and not self._is_proven_silent(entry, now)

    def _is_proven_silent(self, entry: _Entry, now: float) -> bool:
        """Return whether snapshots prove that nothing happened since the last data."""
        proven_at = entry.silence_proven_at
        recent = now - proven_at <= self._limits.silent_s * PROVEN_FACTOR
        return recent and proven_at > entry.last_data_at


def _causes(feed: Sequence[tuple[int, _Entry]], absent: int) -> dict[str, int]:
    """Return how many tokens a feed lacks by the cause of their gap; (covered, connection)."""
    found = Counter[str]()
    left = absent
    for covered, entry in feed:
        count = min(left, max(0, entry.carried - covered))
        found[entry.gap_cause()] += count
        left -= count
    # Of what no connection has had yet, only that is known.
    found[GapCause.NEVER_CONFIRMED.value] += left
    return {cause: count for cause, count in found.most_common() if count}
