"""The watch: what the reports of all connections mean for each of them."""

import logging

import msgspec

from actors.feed.farewell import SLOW_CONSUMER
from actors.messages import (
    Doubt,
    PrintsMissed,
    Retire,
    Tick,
)
from actors.model.connection import lane_of
from actors.model.trade import Print
from actors.reports import ConnectionReport
from actors.supervision.canary import Bustle
from actors.supervision.child import Death
from actors.supervision.children import Children
from actors.supervision.handover import LISTENING
from actors.supervision.hush import Hush
from actors.supervision.rota import Rota

log = logging.getLogger(__name__)


class Watch:
    """Tells the silence of the exchange, deaf connections and crowded ones."""

    def __init__(self, rota: Rota, *, children: Children, bustle: Bustle, hush: Hush) -> None:
        self._rota = rota
        self._crews = rota.crews
        self._children = children
        self._bustle = bustle
        self._hush = hush

    def reported(self, report: ConnectionReport) -> None:
        """A connection that lives says how it is."""
        self._children.rounds.wished(report.child, report.wakes_at)
        self._crews.reported(report)
        self._bustle.told(report.child, report.busy)
        listens = report.state == LISTENING and report.tokens > 0
        self._hush.reported(report.child, listens=listens, data_at=report.last_data_at)

    def ended(self, death: Death, time: Tick) -> None:
        """A life of a connection is over; one that carried too much is to carry less."""
        connection = death.child.spec.id
        self._hush.ended(connection)
        self._crews.ended(connection)
        hottest = self._bustle.hottest(connection)
        if death.reason == SLOW_CONSUMER and hottest is not None:
            self._rota.split(lane_of(connection), hottest, time)
        if death.child.leaving:
            self._bustle.forget(connection)

    def turn(self, time: Tick) -> Tick:
        """Look at all of them, once a second; give the time as it is to be told to everyone."""
        before = self._hush.over_all
        silent = self._hush.judge(time.now)
        if silent != before:
            self._say(silent)
        told = msgspec.structs.replace(time, exchange_silent=silent)
        probe = self._hush.probe(time.now)
        if probe is not None and probe in self._children.by_id:
            retire = Retire(reason="exchange_silent", at_once=True)
            self._children.bid(probe, retire)
        self._crews.turn(told)
        if not silent:
            self._rota.tidy(told)
        return told

    def missed(self, message: PrintsMissed) -> None:
        """Have connections that should have reported a print look at what they claim."""
        doubts: dict[str, list[Print]] = {}
        for one in message.missed:
            for lane in self._rota.lanes_of(one.trade.condition_id):
                if lane not in one.heard_by:
                    doubts.setdefault(lane, []).append(one.trade)
        for lane, prints in doubts.items():
            child = self._crews.in_charge(lane)
            if child is not None:
                self._children.bid(child.spec.id, Doubt(prints=tuple(prints)))

    def _say(self, silent: bool) -> None:
        if silent:
            log.warning("exchange_silent")
        else:
            log.warning("exchange_heard")
