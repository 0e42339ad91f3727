"""Build the witnesses of the audit, and the actors that ask and compare them."""

import random
from collections.abc import Callable
from typing import Any, Final

import pykka

from actors.actor import Addresses, Incarnation
from actors.app.filters import filters_of
from actors.audit.actor import AuditActor, AuditSettings
from actors.audit.asking import ThreadAsker
from actors.audit.stream import StreamActor
from actors.config.load import Config
from actors.polymarket.contract.nodes import Chain
from actors.polymarket.http import Http
from actors.polymarket.witness import matches
from actors.polymarket.witness.client import TradeList
from actors.supervision.actor import VitalChild
from actors.supervision.pacing import ChildSpec
from actors.transport.listener import Listener

STOP_S: Final = 5.0
SILENCE_S: Final = 120.0
Ref = pykka.ActorRef[Any]


class AuditFactory:
    """Starts the audit and, where it is wanted, the stream.

    Args:
        config: Says which.
        to: Where each actor is reached.
        http: Returns a client with its own session: a session belongs to one thread.
        chain: Returns a client of the nodes; None: there are none.
        rng: Chance.
    """

    def __init__(
        self,
        config: Config,
        to: Addresses,
        *,
        http: Callable[[], Http],
        chain: Callable[[], Chain | None],
        rng: random.Random,
    ) -> None:
        self._config, self._to = config, to
        self._http, self._chain = http, chain
        self._rng = rng

    def children(self) -> tuple[VitalChild, ...]:
        """Return the children that the supervisor has to start."""
        config = self._config
        if not config.audit:
            return ()
        audit = VitalChild(
            spec=ChildSpec(id="audit", vital=True, silence_s=SILENCE_S, stop_s=STOP_S),
            start=lambda number, at: self._start_audit(Incarnation("audit", number, at)),
            address=self._to.audit,
        )
        # Nobody documents the stream, and nothing needs it.
        stream = VitalChild(
            spec=ChildSpec(
                id="stream", vital=True, needed=False, silence_s=SILENCE_S, stop_s=STOP_S
            ),
            start=lambda number, at: self._start_stream(Incarnation("stream", number, at)),
            address=self._to.stream,
        )
        return (audit, stream) if config.audit_stream else (audit,)

    def _start_audit(self, incarnation: Incarnation) -> Ref:
        config = self._config
        return AuditActor.start(
            incarnation,
            to=self._to,
            asker=ThreadAsker(TradeList(config.data_url, self._http()), self._chain()),
            settings=AuditSettings(markets=config.audit_markets, stream=config.audit_stream),
            rng=self._rng,
        )

    def _start_stream(self, incarnation: Incarnation) -> Ref:
        return StreamActor.start(
            incarnation,
            to=self._to,
            open_line=self._line,
            rng=self._rng,
            hints=filters_of(self._config).is_everything,
        )

    def _line(
        self,
        on_messages: Callable[[int, tuple[bytes, ...]], bool],
        on_state: Callable[[str], None],
    ) -> Listener:
        return Listener(
            self._config.rtds_url,
            user_agent=self._config.user_agent,
            subscription=matches.SUBSCRIPTION,
            ping=matches.PING,
            marker=matches.KIND,
            on_messages=on_messages,
            on_state=on_state,
        )
