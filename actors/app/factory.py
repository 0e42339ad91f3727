"""How each child of the supervisor is born: which edges and neighbours it is given."""

import random
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pykka

from actors.actor import Address, Incarnation
from actors.catalog.actor import CatalogActor
from actors.catalog.universe import Filters
from actors.config.load import Config
from actors.database.dsn import SafeDsn
from actors.database.session import QueryWatchdog
from actors.database.store import MigratingStore
from actors.feed.actor import ConnectionActor, ConnectionSettings, Neighbours
from actors.feed.ports import FeedSocket
from actors.journal.journal import Journal
from actors.journal.recorder import Recorder
from actors.messages import Tick
from actors.model.connection import ConnectionSpec
from actors.model.market import Shard
from actors.polymarket.client import Chain, Polymarket
from actors.resolution.actor import ResolutionActor
from actors.supervision.actor import ChildSpecs, Vital
from actors.supervision.restart import ChildSpec
from actors.transport.handshake import open_wire
from actors.transport.reactor import Reactor
from actors.transport.skimmer import FrameSkimmer
from actors.writer.actor import WriterActor, WriterNeighbours, WriterSettings

STOP_ACTOR_S = 5.0
Ref = pykka.ActorRef[Any]


class FeedDialler:
    """Opens a wire in the caller's thread, then gives it to the reactor."""

    def __init__(self, config: Config, reactor: Reactor) -> None:
        self._config = config
        self._reactor = reactor

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> FeedSocket:
        """See `ports.Dialler`."""
        wire = open_wire(self._config.market_ws_url, user_agent=self._config.user_agent)
        skimmer = FrameSkimmer(
            markers=markers, max_message_bytes=int(self._config.max_message_bytes)
        )
        return self._reactor.adopt(wire, skimmer, on_frames=on_frames, on_end=on_end)


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where each of the four is reached, whoever lives there."""

    supervisor: Address = msgspec.field(default_factory=Address)
    writer: Address = msgspec.field(default_factory=Address)
    catalog: Address = msgspec.field(default_factory=Address)
    resolution: Address = msgspec.field(default_factory=Address)


class ActorFactory:
    """Knows the edges; gives the supervisor its household."""

    def __init__(  # noqa: PLR0913 -- the composition root names each part
        self,
        config: Config,
        dsn: SafeDsn,
        *,
        journal: Journal,
        reactor: Reactor,
        to: Addresses,
        rng: random.Random,
        stop: threading.Event,
        guard: QueryWatchdog,
    ) -> None:
        self._stop = stop
        self._guard = guard
        self._config = config
        self._dsn = dsn
        self._journal = journal
        self._reactor = reactor
        self._to = to
        self._rng = rng
        self.recorder = Recorder(journal, to.writer, inflight_max=config.inflight_max)

    def household(self) -> ChildSpecs:
        """Return who there is one of, how long each may be silent, and how connections are born."""
        return ChildSpecs(
            vitals=(
                self._vital("writer", self._to.writer, 60.0, self._bear_writer),
                self._vital("resolution", self._to.resolution, 120.0, self._bear_resolution),
                self._vital("catalog", self._to.catalog, 120.0, self._bear_catalog),
            ),
            listen=self._listen(),
            replace_s=self._config.replace_seconds,
            data_silence_s=self._config.silence_seconds,
        )

    def _vital(
        self, name: str, address: Address, silence_s: float, bear: Callable[[Incarnation], Ref]
    ) -> Vital:
        return Vital(
            spec=ChildSpec(id=name, vital=True, silence_s=silence_s, stop_s=STOP_ACTOR_S),
            start=lambda incarnation, at: bear(Incarnation(name, incarnation, at)),
            address=address,
        )

    def _bear_writer(self, birth: Incarnation) -> Ref:
        store = MigratingStore(self._dsn.dsn, may_migrate=self._config.migrate)
        self._guard.watch(store)
        return WriterActor.start(
            birth,
            neighbours=WriterNeighbours(
                supervisor=self._to.supervisor,
                catalog=self._to.catalog,
                resolution=self._to.resolution,
            ),
            store=store,
            journal=self._journal,
            settings=WriterSettings(feeds=self._config.redundancy),
            rng=self._rng,
        )

    def _bear_catalog(self, birth: Incarnation) -> Ref:
        return CatalogActor.start(
            birth.child,
            birth.incarnation,
            self._to.supervisor,
            writer=self._to.writer,
            resolution=self._to.resolution,
            gamma=self._polymarket(),
            filters=Filters(
                min_volume=self._config.min_volume,
                tags=frozenset(self._config.tags),
                markets=frozenset(self._config.markets),
                max_assets=self._config.max_assets,
                shard=Shard.parse(self._config.shard),
            ),
            discovery_s=self._config.discovery_seconds,
            closed_s=self._config.closed_seconds,
        )

    def _bear_resolution(self, birth: Incarnation) -> Ref:
        return ResolutionActor.start(
            birth.child,
            birth.incarnation,
            self._to.supervisor,
            writer=self._to.writer,
            catalog=self._to.catalog,
            sources=self._polymarket(),
            poll_s=self._config.resolution_seconds,
            hold_s=self._config.resolution_hold_seconds,
            chain=self._chain(),
        )

    def _chain(self) -> Chain | None:
        urls = self._config.rpc_urls
        stop = self._stop
        return Chain(urls, user_agent=self._config.user_agent, stop=stop) if urls else None

    def _polymarket(self) -> Polymarket:
        """One HTTP session for each actor: a session belongs to one thread."""
        return Polymarket(
            gamma_url=self._config.gamma_url,
            clob_url=self._config.clob_url,
            data_url=self._config.data_url,
            user_agent=self._config.user_agent,
            stop=self._stop,
        )

    def _listen(self) -> Callable[[ConnectionSpec, int, Tick], Ref]:
        """Return the way in which connections are born."""
        neighbours = Neighbours(
            supervisor=self._to.supervisor,
            writer=self._to.writer,
            catalog=self._to.catalog,
            resolution=self._to.resolution,
        )
        dialler = FeedDialler(self._config, self._reactor)
        settings = ConnectionSettings(silence_s=self._config.silence_seconds)

        def bear(spec: ConnectionSpec, incarnation: int, at: Tick) -> Ref:
            return ConnectionActor.start(
                Incarnation(spec.name, incarnation, at),
                spec,
                neighbours=neighbours,
                dialler=dialler,
                recorder=self.recorder,
                settings=settings,
            )

        return bear
