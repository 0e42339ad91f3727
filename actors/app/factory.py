"""Build a run from its settings: what the actors need of the outside world, then the actors.

A resource is something outside of the actors that one uses: journal, reactor, database, HTTP.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pykka

from actors.actor import Address, Addresses, Incarnation
from actors.app.auditing import AuditFactory
from actors.app.dialling import FeedDialler
from actors.app.filters import filters_of
from actors.app.places import DATABASE, JOURNAL
from actors.catalog.actor import CatalogActor, CatalogSettings
from actors.catalog.rest import Rest
from actors.catalog.universe import ASSETS_PER_MARKET, MOST_MARKETS
from actors.config.load import Config
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.server.advice import advice
from actors.database.server.embedded import Embedded
from actors.database.server.verification import unverified
from actors.database.server.watchdog import QueryWatchdog
from actors.database.session import SafeDsn, check_dsn
from actors.errors import (
    NO_PERMISSION,
    ConfigError,
    SchemaMismatch,
    SchemaNewer,
    StoreUnavailable,
)
from actors.feed.actor import ConnectionActor
from actors.feed.ports import ConnectionSettings
from actors.feed.samples import DOUBTFUL_SHARE, Samples
from actors.journal.journal import Journal
from actors.journal.recorder import Recorder
from actors.messages import Report, Tick
from actors.model.connection import ConnectionSpec, DescriptorLimit
from actors.model.market import Source
from actors.polymarket.client import BookTimes, Polymarket
from actors.polymarket.contract.nodes import Chain, node_pace
from actors.polymarket.http import Http
from actors.polymarket.timing import RequestTimes
from actors.resolution.actor import ResolutionActor, ResolutionSettings
from actors.resolution.asking import ThreadAsker
from actors.supervision.actor import ChildSpecs, VitalChild
from actors.supervision.children import ConnectionPolicy, StartConnection
from actors.supervision.pacing import ChildSpec
from actors.transport.reactor import Reactor
from actors.writer.actor import WriterActor, WriterSettings

log = logging.getLogger(__name__)

STOP_ACTOR_S = 5.0
CLOSING_SOCKETS = 16
"""So many sockets may be closing beside those that are open; they are in the reserve."""
Ref = pykka.ActorRef[Any]


# -------------------------------------------- resources that every run needs


def open_journal(config: Config, state_dir: Path) -> Journal:
    """Open the journal of this state directory; it raises what `Journal.open` raises."""
    return Journal.open(
        state_dir / JOURNAL,
        sync_interval_s=config.journal_sync_ms / 1000,
        max_bytes=config.journal_cap,
    )


class Database(NamedTuple):
    """The database of a run.

    Attributes:
        dsn: As which the tracker stores and reads.
        owner: As which it migrates.
        embedded: The server that was started for it, if any.
    """

    dsn: SafeDsn
    owner: SafeDsn
    embedded: Embedded | None = None


def database(
    config: Config, state_dir: Path, at_end: Callable[[Callable[[], None]], None]
) -> Database:
    """Return the database to use; start the embedded one when none is configured.

    `at_end` adds the stop of the embedded one to the steps of the orderly stop.
    """
    if config.dsn:
        configured = check_dsn(config.dsn)
        unknown = unverified(configured.dsn)
        if unknown:
            log.warning("database_unverified", extra={"servers": list(unknown)})
        return Database(configured, configured)
    embedded = Embedded(state_dir / DATABASE)
    embedded.start()
    at_end(embedded.stop)
    note = "meant for trials; set TRACKER_DATABASE_URL for real use; tracker --psql opens it"
    log.info("embedded_database", extra={"note": note, "connect": embedded.psql_command()})
    addresses = embedded.prepare()
    return Database(check_dsn(addresses.writer), check_dsn(addresses.owner), embedded)


def check_schema(
    database: Database, journal: Journal, query_watchdog: QueryWatchdog, rule: MigrationRule
) -> None:
    """Bring the schema up to date, or raise if a person must act.

    A database that is away does not prevent the start. One that this version must not write to
    does, and one in which the role may not: who starts it can install, or name, the right one.

    Raises:
        ConfigError: The role may not store in it.
        SchemaMismatch: The schema is not that of the tracker, or lacks migrations that may not
            be applied, or is of a newer version.
    """
    store = migrating_store(database, rule)
    query_watchdog.watch(store)
    try:
        store.open(journal.journal_id, first_seq=journal.oldest_seq)
    except StoreUnavailable as away:
        # It answers, and nothing but a person makes it take what is recorded. A right that is
        # revoked later ends no tracker that runs.
        if away.sqlstate == NO_PERMISSION:
            raise ConfigError(f"database: {away}; {advice(away)}") from away
        log.warning("database_away", extra={"reason": str(away), "retry_s": 0.0})
    except SchemaNewer as newer:
        raise SchemaMismatch(str(newer)) from newer
    finally:
        store.close()
        rule.is_starting = False


def migrating_store(database: Database, rule: MigrationRule) -> MigratingStore:
    """Return a store for this database."""
    return MigratingStore(database.dsn.dsn, owner=database.owner.dsn, rule=rule)


# ------------------------------------------------------------------- actors


class ActorFactory:
    """Starts actors, each with the resources and the other actors that it needs.

    Args:
        to: Where each actor is reached; the supervisor fills the addresses in.
        stop_http: Set when HTTP requests must end.
        rule: Says when the database may be migrated, whichever run of the writer meets it.

    Attributes:
        request_times: How long the requests of all actors took.
    """

    def __init__(  # noqa: PLR0913 -- called once, with keywords
        self,
        config: Config,
        database: Database,
        *,
        journal: Journal,
        reactor: Reactor,
        descriptors: DescriptorLimit,
        to: Addresses,
        rng: random.Random,
        stop_http: threading.Event,
        query_watchdog: QueryWatchdog,
        rule: MigrationRule,
    ) -> None:
        self._stop_http = stop_http
        self._rule = rule
        self._query_watchdog = query_watchdog
        self._config = config
        self._database = database
        self._journal = journal
        self._reactor = reactor
        self._descriptors = descriptors
        self._to = to
        self._rng = rng
        self.request_times = RequestTimes(
            {
                Source.GAMMA: config.gamma_url,
                Source.CLOB: config.clob_url,
                Source.DATA: config.data_url,
            }
        )
        # One for resolution and audits, whichever incarnation: nodes count what comes from here.
        self._node_pace = node_pace(public=config.has_public_nodes)
        self._audits = AuditFactory(config, to, http=self._http, chain=self._chain, rng=rng)
        self.recorder = Recorder(journal, to.writer, inflight_max=config.inflight_max)

    def child_specs(self) -> ChildSpecs:
        """Return the children that the supervisor has to start."""
        return ChildSpecs(
            vital=(
                # One request of the catalog may take 20 s, and one call of the database is cut off
                # by the query watchdog; each limit is well above its longest step.
                self._vital("writer", self._to.writer, 60.0, self._start_writer),
                self._vital("resolution", self._to.resolution, 120.0, self._start_resolution),
                self._vital("catalog", self._to.catalog, 120.0, self._start_catalog),
                *self._audits.children(),
            ),
            connections=ConnectionPolicy(
                start=self._start_connection(), replace_s=self._config.replace_seconds
            ),
            data_silence_s=self._config.silence_seconds,
        )

    def _vital(
        self, name: str, address: Address, silence_s: float, start: Callable[[Incarnation], Ref]
    ) -> VitalChild:
        return VitalChild(
            spec=ChildSpec(id=name, vital=True, silence_s=silence_s, stop_s=STOP_ACTOR_S),
            start=lambda number, at: start(Incarnation(name, number, at)),
            address=address,
        )

    def _start_writer(self, incarnation: Incarnation) -> Ref:
        store = migrating_store(self._database, self._rule)
        # A server that froze can hold libpq beyond every timeout of its own; only closing the
        # socket from another thread ends the call.
        self._query_watchdog.watch(store)
        store.report_progress(lambda now: self._progressed(incarnation, now))
        return WriterActor.start(
            incarnation,
            to=self._to,
            store=store,
            journal=self._journal,
            settings=WriterSettings(feeds=self._config.redundancy),
            rng=self._rng,
        )

    def _progressed(self, incarnation: Incarnation, now: float) -> None:
        """Report that the writer is not stuck in a long transaction. In the writer's thread.

        Args:
            incarnation: The run of the writer.
            now: Monotonic seconds.
        """
        report = Report(child=incarnation.child, incarnation=incarnation.number, now=now)
        self._to.supervisor.tell(report)

    def _start_catalog(self, incarnation: Incarnation) -> Ref:
        return CatalogActor.start(
            incarnation,
            to=self._to,
            gamma=self._polymarket(),
            settings=CatalogSettings(
                filters=filters_of(self._config),
                discovery_s=self._config.discovery_seconds,
                closed_s=self._config.closed_seconds,
                most=self._most_markets(),
            ),
            rest=Rest(time.monotonic),
        )

    def _most_markets(self) -> int:
        """Return how many markets may be watched: no more than one feed alone can have."""
        # Beyond that not even one connection would listen to them, whatever the plan does.
        on_one = self._config.assets_per_connection // ASSETS_PER_MARKET
        return min(MOST_MARKETS, self._descriptors.slots * on_one)

    def _start_resolution(self, incarnation: Incarnation) -> Ref:
        return ResolutionActor.start(
            incarnation,
            to=self._to,
            asker=ThreadAsker(
                {each: self._polymarket() for each in Source if each is not Source.CHAIN},
                self._chain(),
            ),
            settings=ResolutionSettings(
                poll_s=self._config.resolution_seconds,
                hold_s=self._config.resolution_hold_seconds,
            ),
        )

    def _http(self) -> Http:
        """Return a client with its own HTTP session: a session belongs to one thread."""
        agent = self._config.user_agent
        return Http(agent, stop=self._stop_http, on_call=self.request_times.add)

    def _chain(self) -> Chain | None:
        if not self._config.rpc_urls:
            return None
        return Chain(
            self._config.rpc_urls,
            self._http(),
            public=self._config.has_public_nodes,
            pace=self._node_pace,
            wait=self._stop_http.wait,
        )

    def _polymarket(self) -> Polymarket:
        """Return a client with its own HTTP session: a session belongs to one thread."""
        return Polymarket(
            gamma_url=self._config.gamma_url,
            clob_url=self._config.clob_url,
            data_url=self._config.data_url,
            user_agent=self._config.user_agent,
            stop=self._stop_http,
            on_call=self.request_times.add,
        )

    def _start_connection(self) -> StartConnection:
        """Return the function that starts a connection."""
        most_sockets = self._descriptors.connections + CLOSING_SOCKETS
        books = BookTimes(
            self._config.clob_url,
            user_agent=self._config.user_agent,
            stop=self._stop_http,
            on_call=self.request_times.add,
        )
        dialler = FeedDialler(self._config, self._reactor, most_sockets, books)
        most = self._config.journal_cap(1 << 60) // DOUBTFUL_SHARE
        settings = ConnectionSettings(
            silence_s=self._config.silence_seconds, samples=Samples(doubtful_bytes=most)
        )

        def start(spec: ConnectionSpec, number: int, at: Tick) -> Ref:
            return ConnectionActor.start(
                Incarnation(spec.name, number, at),
                spec,
                to=self._to,
                dialler=dialler,
                recorder=self.recorder,
                settings=settings,
            )

        return start
