"""Watches all connections together: a silent exchange, missed trades, overload, a full disk."""

import logging
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec

from actors.health.state import HealthState
from actors.messages import (
    ConnectionReport,
    HeardElsewhere,
    RecheckCoverage,
    Renew,
    Retire,
    Subscribe,
    Tick,
    TradesMissed,
    Unsubscribe,
)
from actors.model.assumptions import Assumption
from actors.model.connection import DISK_FULL, LISTENING, SLOW_CONSUMER, slot_of
from actors.model.storage import JournalStats
from actors.model.trade import TokenId, Trade
from actors.supervision.canary import Activity, HeardTrades
from actors.supervision.children import Children, Death
from actors.supervision.connections import LIFECYCLE, PlanExecutor
from actors.supervision.pacing import Pace
from actors.supervision.plan import TokenCap

log = logging.getLogger(__name__)

LEAST_ALLOWANCE_MS: Final = 1_000
"""Every proof stays behind by so much."""
ALLOWANCE_S: Final = 600.0
"""For so long counts what a connection reported last, in seconds."""


class SilenceDetector:
    """Tells the silence of the whole exchange from that of one connection.

    The exchange restarts every week for about 90 s. Then all connections are silent at
    once, and replacing all of them would only create a storm of connects. So they wait,
    and beside one or a few of them another is started as a trial. Seconds are monotonic.

    Args:
        silence_s: How long a connection may be without data. It counts as silent
            shortly before that, when it has asked for snapshots.
        trial_s: How often a trial is started.
        minimum: With fewer connections than this, nothing is concluded.

    Attributes:
        exchange_silent: The last result of `update`.
    """

    def __init__(self, *, silence_s: float = 60.0, trial_s: float = 10.0, minimum: int = 3) -> None:
        self._silent_s = silence_s * 0.9
        self._trial_s = trial_s
        self._minimum = minimum
        self._data_at: dict[str, float] = {}
        self._trial_at: float | None = None
        self._tried: set[str] = set()
        self.exchange_silent = False

    def reported(self, connection: str, *, listens: bool, data_at: float) -> None:
        """Record when a connection last received data; one that does not listen is left out."""
        if listens and data_at:
            self._data_at[connection] = data_at
        else:
            self._data_at.pop(connection, None)

    def ended(self, connection: str) -> None:
        """Leave out a connection that ended."""
        self._data_at.pop(connection, None)

    def update(self, now: float) -> bool:
        """Return whether more than half of all that listen are without data at the same time."""
        silent = sum(now - data_at >= self._silent_s for data_at in self._data_at.values())
        count = len(self._data_at)
        exchange_silent = count >= self._minimum and silent * 2 > count
        if exchange_silent and not self.exchange_silent:
            self._trial_at = None
            self._tried.clear()
        self.exchange_silent = exchange_silent
        return exchange_silent

    def silent(self, now: float) -> list[str]:
        """Return the connections that are without data."""
        return [name for name, data_at in self._data_at.items() if self.is_late(data_at, now)]

    def is_late(self, data_at: float, now: float) -> bool:
        """Return whether a connection that received data then counts as silent."""
        return now - data_at >= self._silent_s

    def trial(self, now: float) -> str | None:
        """Return the connection that fell silent last, of those without a trial, when one is due.

        It is the busiest, so that a new one beside it hears something soon.
        """
        early = self._trial_at is not None and now - self._trial_at < self._trial_s
        if not self.exchange_silent or early:
            return None
        self._trial_at = now
        silent = self.silent(now)
        if self._tried.issuperset(silent):
            self._tried.clear()
        left = [name for name in silent if name not in self._tried]
        return max(left, key=lambda name: (self._data_at[name], name), default=None)

    def tried(self, connection: str) -> None:
        """Record that a trial was started beside a connection: the next one is beside another."""
        self._tried.add(connection)


class ConnectionMonitor:
    """Finds a silent exchange, connections that miss trades, and overloaded connections.

    In the supervisor's thread.
    """

    def __init__(
        self,
        executor: PlanExecutor,
        *,
        children: Children,
        activity: Activity,
        silence: SilenceDetector,
        health: HealthState,
    ) -> None:
        self._executor = executor
        self._health = health
        self._connections = executor.connections
        self._children = children
        self._activity = activity
        self._silence = silence
        # Of connections that need more than the others: (allowance, when they reported it).
        self._allowances: dict[str, tuple[int, float]] = {}
        self._now = 0.0
        self._heard = HeardTrades()
        self._frozen: set[str] = set()
        self._frozen_pace = Pace()
        self._awaiting_renewal: set[str] = set()
        self._renewal_pace = Pace(first=4)
        self._lifecycle_data_at = 0.0
        self._token_cap = TokenCap()

    def reported(self, report: ConnectionReport) -> None:
        """Take the report of a connection."""
        self._children.ticks.request(report.child, report.wakes_at)
        self._connections.reported(report)
        self._activity.reported(report.child, report.busy)
        listens = report.state == LISTENING and report.tokens > 0
        self._silence.reported(report.child, listens=listens, data_at=report.last_data_at)
        if listens:
            self._token_cap.reported(
                report.child,
                self._now,
                confirmed=report.confirmed,
                unheard=report.unanswered,
                waiting=report.waiting,
            )
        if report.allowance_ms > LEAST_ALLOWANCE_MS:
            self._allowances[report.child] = (report.allowance_ms, self._now)
        else:
            self._allowances.pop(report.child, None)
        self._heard.reported(report.heard, self._now)
        if report.child == LIFECYCLE.name:
            self._lifecycle_data_at = report.last_data_at
        if report.awaits_renewal:
            self._awaiting_renewal.add(report.child)

    def ended(self, death: Death, time: Tick) -> None:
        """Take the end of a connection; one that was overloaded loses its busiest market."""
        connection = death.child.spec.id
        if death.reason == "frozen":
            # However that was shown: by a snapshot, or by what others receive.
            self._health.assumption_violated(Assumption.OLD_SOCKETS_DIE, 1, at=time.now)
            if self._silence.exchange_silent:
                self._suspect_all(time)
        self._silence.ended(connection)
        self._token_cap.ended(connection)
        self._awaiting_renewal.discard(connection)
        self._executor.ended(connection)
        self._connections.ended(connection, death.reason, failed=death.failed)
        busiest = self._activity.busiest(connection)
        if death.reason == SLOW_CONSUMER and busiest is not None:
            self._executor.split(slot_of(connection), busiest, time)
        if death.child.retiring:
            self._activity.forget(connection)

    def check(self, time: Tick) -> Tick:
        """Check all connections, once a second; return the Tick to send, with `exchange_silent`."""
        self._now = time.now
        before = self._silence.exchange_silent
        silent = self._silence.update(time.now)
        if silent and not before:
            log.warning("exchange_silent")
        elif before and not silent:
            log.warning("exchange_resumed")
        tick = msgspec.structs.replace(
            time, exchange_silent=silent, allowance_ms=self._allowance(time.now)
        )
        trial = self._silence.trial(time.now)
        known = trial is not None and trial in self._children.by_id
        if trial is not None and known and self._connections.start_trial(trial, tick):
            self._silence.tried(trial)
        self._show_what_is_missed(time)
        self._replace_frozen(time)
        if not silent:
            self._renew()
            self._learn_token_cap(time)
            self._executor.change_canaries(time)
        self._connections.check(tick)
        # A token that moves needs its first `book`, which a silent exchange does not send.
        if not silent:
            self._executor.compact(tick)
        return tick

    def _allowance(self, now: float) -> int:
        """Return how far proofs must stay behind, by what was late on any connection.

        What one saw counts for all, also after its end: it is the exchange that is late.
        """
        old = [name for name, (_, at) in self._allowances.items() if now - at >= ALLOWANCE_S]
        for name in old:
            del self._allowances[name]
        return max((most for most, _ in self._allowances.values()), default=0)

    def _show_what_is_missed(self, time: Tick) -> None:
        """Send silent connections what others received and they should have received, too."""
        silent = self._silence.silent(time.now)
        if self._lifecycle_data_at and self._silence.is_late(self._lifecycle_data_at, time.now):
            silent.append(LIFECYCLE.name)  # by its canary
        self._heard.wait_for(time.now, silent=bool(silent))
        for name in silent:
            missed = self._heard.missed(self._executor.tokens_of(name), time.now)
            if missed and name in self._children.by_id:
                self._children.send(name, HeardElsewhere(trades=missed))

    def _suspect_all(self, time: Tick) -> None:
        """Mark all silent connections for replacement: a new one received what an old did not."""
        silent = self._silence.silent(time.now)
        if not self._frozen and silent:
            log.warning("connections_frozen", extra={"connections": len(silent)})
        self._frozen.update(silent)
        if self._silence.is_late(self._lifecycle_data_at, time.now):
            self._frozen.add(LIFECYCLE.name)

    def _replace_frozen(self, time: Tick) -> None:
        """Replace those that are still silent, ever more at a time, those of feed A first."""
        if not self._frozen:
            return
        self._frozen.intersection_update((*self._silence.silent(time.now), LIFECYCLE.name))
        for name in self._frozen_pace.take(self._frozen):
            self._frozen.discard(name)
            if name in self._children.by_id:
                # At once: without data no proof comes for which it could wait.
                self._children.send(name, Retire(reason="frozen", at_once=True))

    def _renew(self) -> None:
        """Ask connections to subscribe again after a silence: feed A before feed B, paced."""
        for name in self._renewal_pace.take(self._awaiting_renewal):
            self._awaiting_renewal.discard(name)
            if name in self._children.by_id:
                self._children.send(name, Renew())

    def _learn_token_cap(self, time: Tick) -> None:
        """Lower the tokens of a connection to what the exchange takes; raise them after hours."""
        cap, executor = self._token_cap, self._executor
        found = cap.to_try(time.now)
        if found is not None:
            cap.trying(executor.split(*found, time), time.now)
        asked = cap.to_ask(time.now)
        if asked is not None:
            token, slots = asked
            for slot in self._without(token, slots):
                self._connections.send(slot, Subscribe(tokens=(token,)))
                self._connections.request_ticks(slot)
        known, released = cap.cap, cap.to_release(time.now)
        if released is not None:
            token, slots = released
            release = Unsubscribe(tokens=(token,), cause="released", since_ns=time.wall_ns)
            for slot in self._without(token, slots):
                self._connections.send(slot, release)
        if cap.expired(time.now):
            log.info("tokens_per_connection_raised")
            executor.raise_capacity()
        elif cap.cap != known:
            log.warning("tokens_per_connection_lowered", extra={"tokens": cap.cap})
            self._health.assumption_violated(Assumption.TOKENS_PER_CONNECTION, 1, at=time.now)
        unheard = cap.to_move(time.now)
        if unheard:
            executor.lower_capacity(cap.cap, unheard, time)

    def _without(self, token: TokenId, slots: Iterable[str]) -> list[str]:
        """Return those of these slots that exist and are not meant to listen to a token."""
        known = (slot for slot in slots if self._connections.active(slot) is not None)
        return [slot for slot in known if token not in self._executor.tokens_of(slot)]

    def trades_missed(self, message: TradesMissed) -> None:
        """Make connections that missed a trade recheck the coverage they claim."""
        missed: dict[str, list[Trade]] = {}
        for each in message.missed:
            for slot in self._executor.slots_of(each.trade.condition_id):
                if slot not in each.reported_by:
                    missed.setdefault(slot, []).append(each.trade)
        for slot, trades in missed.items():
            child = self._connections.active(slot)
            if child is not None:
                self._children.send(child.spec.id, RecheckCoverage(trades=tuple(trades)))


class MeasuredJournal(Protocol):
    """What is asked of the journal; see `journal.Journal`. From any thread."""

    @property
    def available_bytes(self) -> int:
        """Return the bytes that cap and disk leave beside the reserve."""

    def has_space(self) -> bool:
        """Return whether more can be written without touching the reserve."""

    def has_ample_space(self) -> bool:
        """Return whether there is so much space that reading would not stop again at once."""

    def free_reserve(self) -> None:
        """Free the space of the reserve for the last records."""

    def rebuild_reserve(self) -> bool:
        """Build the reserve again; return False when there is no space for it."""

    def stats(self) -> JournalStats:
        """Return the current figures."""


class DiskAdmission:
    """Lets connections run only while the journal has space. In the supervisor's thread.

    The reserve of the journal is freed when reading stops, so that the last records of
    connections, and the `ProcessAlive` records after them, find space. It is built again before
    reading resumes. The figures of the journal are given to health.

    Attributes:
        start_waits: There is no space for the record that the process started. Before it nothing
            may listen, since it ends every epoch that an earlier process left open.
        full: Reading has stopped. It resumes when there is clearly more space than at the stop.
    """

    def __init__(self, journal: MeasuredJournal, health: HealthState, children: Children) -> None:
        self._journal = journal
        self._health = health
        self._children = children
        self.start_waits = self.full = False

    def enforce(self, tick: Tick) -> None:
        """Measure the journal; while it is full, end all connections and start none.

        Raises:
            JournalFailed: The disk fails.
        """
        self.measure(tick)
        self._children.vital_only = self.full
        if self.full:
            # At every call: one may have started, or may have been connecting, meanwhile.
            self._children.send_connections(Retire(reason=DISK_FULL, at_once=True))

    def measure(self, tick: Tick) -> None:
        """Decide whether the journal is full, and give its figures to health.

        Raises:
            JournalFailed: The disk fails.
        """
        self._check_space()
        self._health.time_passed(tick.now, tick.wall_ns)
        stats = self._journal.stats()
        oldest_ns = stats.oldest_ns or tick.wall_ns
        self._health.journal_sampled(
            stats, full=self.full, oldest_s=max(0.0, (tick.wall_ns - oldest_ns) / 1e9)
        )

    def _check_space(self) -> None:
        if not self.full and (self.start_waits or not self._journal.has_space()):
            self.full = True
            log.error("reading_stopped", extra={"available_bytes": self._journal.available_bytes})
            self._journal.free_reserve()
        # A higher limit than that of the stop, or reading would stop and resume again and again.
        elif self.full and not self.start_waits and self._has_ample_space():
            self.full = False
            log.info("reading_resumed", extra={"available_bytes": self._journal.available_bytes})

    def _has_ample_space(self) -> bool:
        return self._journal.has_ample_space() and self._journal.rebuild_reserve()
