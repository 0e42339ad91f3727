"""Acts on the reports of all connections together: silence, missed trades, overload."""

import logging
from typing import Final

import msgspec

from actors.messages import ConnectionReport, RecheckCoverage, Retire, Tick, TradesMissed
from actors.model.connection import LISTENING, SLOW_CONSUMER, slot_of
from actors.model.trade import Trade
from actors.supervision.canary import Activity
from actors.supervision.children import Children, Death
from actors.supervision.connections import PlanExecutor

log = logging.getLogger(__name__)

LEAST_ALLOWANCE_MS: Final = 1_000
"""Every proof stays behind by so much."""
ALLOWANCE_S: Final = 600.0
"""For so long counts what a connection reported last, in seconds."""


class SilenceDetector:
    """Tells the silence of the whole exchange from that of one connection.

    The exchange restarts every week for about 90 s. Then all connections are silent at
    once, and replacing all of them would only create a storm of connects. So they wait,
    and one at a time is replaced as a trial. Seconds are monotonic.

    Args:
        silence_s: How long a connection may be without data. It counts as silent
            shortly before that, when its own probe has not been answered.
        trial_s: How often one connection is replaced, to see whether that helps.
        minimum: With fewer connections than this, nothing is concluded.

    Attributes:
        exchange_silent: The last result of `update`.
    """

    def __init__(self, *, silence_s: float = 60.0, trial_s: float = 30.0, minimum: int = 3) -> None:
        self._silent_s = silence_s * 0.9
        self._trial_s = trial_s
        self._minimum = minimum
        self._data_at: dict[str, float] = {}
        self._trial_at: float | None = None
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
            # Nothing is replaced before `trial_s` is over: most silences end by themselves.
            self._trial_at = now
        self.exchange_silent = exchange_silent
        return exchange_silent

    def trial(self, now: float) -> str | None:
        """Return the connection that has been silent longest, when a trial is due."""
        if (
            not self.exchange_silent
            or self._trial_at is None
            or now - self._trial_at < self._trial_s
        ):
            return None
        self._trial_at = now
        return min(self._data_at, key=lambda name: (self._data_at[name], name), default=None)


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
    ) -> None:
        self._executor = executor
        self._connections = executor.connections
        self._children = children
        self._activity = activity
        self._silence = silence
        # Of connections that need more than the others: (allowance, when they reported it).
        self._allowances: dict[str, tuple[int, float]] = {}
        self._now = 0.0

    def reported(self, report: ConnectionReport) -> None:
        """Take the report of a connection."""
        self._children.ticks.request(report.child, report.wakes_at)
        self._connections.reported(report)
        self._activity.reported(report.child, report.busy)
        listens = report.state == LISTENING and report.tokens > 0
        self._silence.reported(report.child, listens=listens, data_at=report.last_data_at)
        if report.allowance_ms > LEAST_ALLOWANCE_MS:
            self._allowances[report.child] = (report.allowance_ms, self._now)
        else:
            self._allowances.pop(report.child, None)

    def ended(self, death: Death, time: Tick) -> None:
        """Take the end of a connection; one that was overloaded loses its busiest market."""
        connection = death.child.spec.id
        self._silence.ended(connection)
        self._connections.ended(connection, death.reason)
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
        if trial is not None and trial in self._children.by_id:
            # At once: without data no proof comes for which it could wait.
            self._children.send(trial, Retire(reason="exchange_silent", at_once=True))
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
