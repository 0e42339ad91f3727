"""The watch: what the reports of all connections mean for each of them."""

import logging

import msgspec

from actors.messages import ConnectionReport, RecheckCoverage, Retire, Tick, TradesMissed
from actors.model.connection import LISTENING, SLOW_CONSUMER, slot_of
from actors.model.trade import Trade
from actors.supervision.canary import Activity
from actors.supervision.children import Children, Death
from actors.supervision.connections import PlanExecutor

log = logging.getLogger(__name__)


# MERGED: silence of the whole exchange, told apart from that of one connection. The
# exchange restarts every week for about 90 s. Then everybody is silent at once, and to replace
# every connection would only make a storm. `now` is monotonic seconds.


class SilenceDetector:
    """Who is without data, and whether that is the exchange's doing.

    Args:
        silence_s: How long a connection may be silent. Shortly before that, when
            its probe has gone unanswered, it counts as without data.
        probe_s: How often one connection is replaced, to see whether that helps.
        fewest: With fewer connections than this nothing can be concluded.
    """

    def __init__(self, *, silence_s: float = 60.0, probe_s: float = 30.0, fewest: int = 3) -> None:
        self._silent_s = silence_s * 0.9
        self._probe_s = probe_s
        self._fewest = fewest
        self._heard: dict[str, float] = {}
        self._probed_at: float | None = None
        self.over_all = False

    def reported(self, connection: str, *, listens: bool, data_at: float) -> None:
        """A connection says when its last data came, and whether it listens to any token."""
        if listens and data_at:
            self._heard[connection] = data_at
        else:
            self._heard.pop(connection, None)

    def ended(self, connection: str) -> None:
        """A connection is no more."""
        self._heard.pop(connection, None)

    def judge(self, now: float) -> bool:
        """Return whether more than half of all that listen are without data at the same time."""
        silent = sum(now - data_at >= self._silent_s for data_at in self._heard.values())
        count = len(self._heard)
        silent = count >= self._fewest and silent * 2 > count
        if silent and not self.over_all:
            self._probed_at = now
        self.over_all = silent
        return silent

    def probe(self, now: float) -> str | None:
        """Return the connection that has been silent longest, when one is due to be replaced."""
        if not self.over_all or self._probed_at is None or now - self._probed_at < self._probe_s:
            return None
        self._probed_at = now
        return min(self._heard, key=lambda name: (self._heard[name], name), default=None)


class ConnectionMonitor:
    """Tells the silence of the exchange, deaf connections and crowded ones."""

    def __init__(
        self,
        executor: PlanExecutor,
        *,
        children: Children,
        activity: Activity,
        silence: SilenceDetector,
    ) -> None:
        self._executor = executor
        self._handovers = executor.handovers
        self._children = children
        self._activity = activity
        self._silence = silence

    def reported(self, report: ConnectionReport) -> None:
        """A connection that lives says how it is."""
        self._children.rounds.wished(report.child, report.wakes_at)
        self._handovers.reported(report)
        self._activity.told(report.child, report.busy)
        listens = report.state == LISTENING and report.tokens > 0
        self._silence.reported(report.child, listens=listens, data_at=report.last_data_at)

    def ended(self, death: Death, time: Tick) -> None:
        """A life of a connection is over; one that carried too much is to carry less."""
        connection = death.child.spec.id
        self._silence.ended(connection)
        self._handovers.ended(connection)
        hottest = self._activity.hottest(connection)
        if death.reason == SLOW_CONSUMER and hottest is not None:
            self._executor.split(slot_of(connection), hottest, time)
        if death.child.leaving:
            self._activity.forget(connection)

    def turn(self, time: Tick) -> Tick:
        """Look at all of them, once a second; give the time as it is to be told to everyone."""
        before = self._silence.over_all
        silent = self._silence.judge(time.now)
        if silent != before:
            self._say(silent)
        told = msgspec.structs.replace(time, exchange_silent=silent)
        probe = self._silence.probe(time.now)
        if probe is not None and probe in self._children.by_id:
            retire = Retire(reason="exchange_silent", at_once=True)
            self._children.bid(probe, retire)
        self._handovers.turn(told)
        if not silent:
            self._executor.tidy(told)
        return told

    def missed(self, message: TradesMissed) -> None:
        """Have connections that should have reported a trade look at what they claim."""
        doubts: dict[str, list[Trade]] = {}
        for one in message.missed:
            for slot in self._executor.slots_of(one.trade.condition_id):
                if slot not in one.heard_by:
                    doubts.setdefault(slot, []).append(one.trade)
        for slot, trades in doubts.items():
            child = self._handovers.in_charge(slot)
            if child is not None:
                self._children.bid(child.spec.id, RecheckCoverage(trades=tuple(trades)))

    def _say(self, silent: bool) -> None:
        if silent:
            log.warning("exchange_silent")
        else:
            log.warning("exchange_heard")
