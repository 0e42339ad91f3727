"""The composition root: configuration → external resources → actors.

Started in this order, stopped in reverse. The external resources are the journal, the status
socket, the metrics port, the database and the reactor.

Everything is built here and passed in; nothing is built at import. The main thread runs
`Tracker.run`: it alone reads the clock for scheduling, and it ends the process when that
cannot continue.

Order of the stop (all within 45 s, or the process is ended by force): connections journal their
last proof and end, the journal is synced, the writer commits it for up to 15 s, actors stop,
external resources close.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import pykka

from actors import __version__
from actors.actor import Addresses, Incarnation, ask_all
from actors.app.embedded_keeper import EmbeddedKeeper
from actors.app.factory import (
    ActorFactory,
    Database,
    check_schema,
    database,
    open_journal,
)
from actors.app.places import prepare_state_dir
from actors.app.shutdown import FORCED_EXIT_S, STOP_S, Shutdown, force_exit_after
from actors.config.load import Config
from actors.database.schema.opening import MigrationRule
from actors.database.server.watchdog import MAX_WAIT_S, QueryWatchdog
from actors.errors import EXIT_INTERNAL, EXIT_IO, EXIT_OK, AddressTaken, Fatal
from actors.health.changes import HealthChanges
from actors.health.document import headline
from actors.health.metrics import Metrics, open_sentence
from actors.health.state import Health, HealthState, Limits
from actors.health.status_socket import StatusSocket
from actors.messages import Flush, GetConnections, GetCoverage, GetHealth, Tick
from actors.model import facts
from actors.model.connection import DescriptorLimit
from actors.model.market import Shard
from actors.process.logs import Scrubber
from actors.process.runtime import (
    GcSchedule,
    HostTrackers,
    pin_to_one_cpu,
    raise_descriptor_limit,
)
from actors.process.systemd import Heartbeats, Notifier, RequiredThreads
from actors.supervision.actor import SupervisorActor
from actors.supervision.children import Children
from actors.supervision.pacing import Escalation
from actors.supervision.plan import Plan
from actors.transport.reactor import Reactor

log = logging.getLogger(__name__)

FLUSH_S: Final = 0.05
TICK_S: Final = 0.25
CHECK_HOST_S: Final = 1.0
"""How often other trackers of this host are looked for; within `sources.NOTICE_S`."""
ASK_S: Final = 1.2
"""Shorter than the wait of `tracker-status`, which can then show that the supervisor is busy."""
STOP_MAX_WAIT_S: Final = 5.0
"""Longest wait for the database during the stop."""


class Tracker:
    """One run of the whole tracker. In the main thread, but for `request_stop`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stop = threading.Event()
        self._skip_waits = threading.Event()
        self._stop_http = threading.Event()
        self._failure: tuple[int, str] | None = None  # exit code and reason
        self._notifier = Notifier.from_environment(os.environ)
        self._to = Addresses()
        self._shutdown = Shutdown(self._to, skip_waits=self._skip_waits, stop_http=self._stop_http)
        self._query_watchdog = QueryWatchdog(_database_cut, max_wait_s=self._max_wait_s)
        # A server may repeat in its error what it was sent.
        self._scrubber = Scrubber(config.secrets())
        self._heartbeats = Heartbeats(self._notifier, self._headline)
        self._changes = HealthChanges()
        self._threads = RequiredThreads()
        self._migration_rule = MigrationRule(allowed=config.migrate)
        self._supervisor: pykka.ActorRef[Any] | None = None
        self._keeper: EmbeddedKeeper | None = None
        self._health_at_start = self._new_health()
        # Those of one host have one address at the sources, which count by address.
        self._host_trackers = HostTrackers(config.gamma_url)
        self._trackers, self._host_checked_at = 1, float("-inf")
        self._metrics_wanted, self._metrics_wait = bool(config.metrics_port), False

    def request_stop(self) -> None:
        """Request an orderly stop; a second call ends the waits for connections and the database.

        Always call it from the same thread.
        """
        if self._stop.is_set():
            self._skip_waits.set()
        self._stop.set()

    def run(self, duration_s: float | None) -> int:
        """Record until a stop is requested, `duration_s` is over, or it cannot continue.

        Returns:
            The exit code.

        Raises:
            Fatal: It could not start.
        """
        try:
            self._start()
            self._keep_time(duration_s)
        finally:
            force_exit_after(FORCED_EXIT_S)
            self._shut_down()
        return self._failure[0] if self._failure else EXIT_OK

    # ------------------------------------------------------------------ start

    def _start(self) -> None:
        """Open the external resources, then start the actors.

        Each part adds its own end to the stop.
        """
        # Added first, so it is done last: until then the watchdog has to be pinged.
        self._shutdown.at_end(self._heartbeats.stop)
        self._descriptors = DescriptorLimit(raise_descriptor_limit())
        state_dir = prepare_state_dir(self._config.state_dir)
        self._journal = open_journal(self._config, state_dir)
        self._shutdown.at_end(self._journal.close)
        self._threads.add("journal-sync", lambda: self._journal.sync_is_alive)
        # Before the database: a migration may take long, and the status tells what is waited for.
        status = StatusSocket(
            self._config.status_socket,
            self._document,
            others={"coverage": self._coverage},
            on_error=_status_failed,
            on_shortage=_status_missing,
        )
        status.start()
        self._shutdown.at_end(status.close)
        self._threads.add("status", lambda: status.is_alive)
        self._host_trackers.enter()
        self._shutdown.at_end(self._host_trackers.leave)
        self._check_host()
        used = database(self._config, state_dir, self._shutdown.at_end)
        if used.embedded is not None:
            self._keeper = EmbeddedKeeper(used.embedded, self._to.supervisor)
        self._query_watchdog.start()
        self._shutdown.at_end(self._query_watchdog.stop)
        self._threads.add("query-watchdog", lambda: self._query_watchdog.is_alive)
        if self._stop.is_set():
            return
        if self._config.cpus == "one":  # after the embedded database, which may use all
            # So several trackers of one host each have their own.
            pin_to_one_cpu(self._host_trackers.number or Shard.parse(self._config.shard).number)
        check_schema(used, self._journal, self._query_watchdog, self._migration_rule)
        self._reactor = Reactor(on_error=_callback_failed)
        self._reactor.start()
        self._shutdown.at_end(lambda: self._reactor.stop(STOP_S))
        self._threads.add("reactor", lambda: self._reactor.is_alive)
        self._supervisor = self._start_supervisor(used)
        supervisor = self._supervisor
        self._shutdown.at_end(lambda: self._shutdown.stop_actors(supervisor))
        self._heartbeats.watch(reactor=self._reactor, journal=self._journal, status=status)
        self._threads.add("watchdog", lambda: self._heartbeats.is_alive)
        self._notifier.ready()
        log.info("started", extra={"version": __version__, "database": used.dsn.shown})

    def _check_host(self) -> None:
        """Look how many trackers of this host ask the same sources; serve metrics if it can now."""
        self._host_checked_at = time.monotonic()
        found = self._host_trackers.count()
        if found != self._trackers:
            log.info("host_trackers", extra={"trackers": found})
        self._trackers = found
        if self._metrics_wanted:
            self._serve_metrics()

    def _serve_metrics(self) -> None:
        """Serve the metrics; while somebody else has their port, it is tried again later.

        That may be another tracker, which has the place of this one, or any user of the host.

        Raises:
            Fatal: They cannot be served, at the start. Later that ends no tracker that records.
        """
        config = self._config
        try:
            metrics = Metrics(
                config.metrics_port or 0, self._document, address=config.metrics_address
            )
        except Fatal as exc:
            if self._metrics_wait:
                return
            if not isinstance(exc, AddressTaken):
                raise
            _metrics_taken(config.metrics_port, has_others=self._trackers > 1)
            self._metrics_wait = True
            return
        if config.open_to:
            note = open_sentence(config.open_to)
            log.warning("metrics_open", extra={"address": config.open_to, "note": note})
        self._metrics_wanted = False
        self._shutdown.at_end(metrics.close)
        self._threads.add("metrics", lambda: metrics.is_alive)

    def _start_supervisor(self, used: Database) -> "pykka.ActorRef[Any]":
        rng = random.Random()  # noqa: S311 - jitter, not secrets
        factory = ActorFactory(
            self._config,
            used,
            journal=self._journal,
            reactor=self._reactor,
            descriptors=self._descriptors,
            to=self._to,
            rng=rng,
            stop_http=self._stop_http,
            query_watchdog=self._query_watchdog,
            rule=self._migration_rule,
        )
        health = self._new_health()
        health.descriptors_limited(self._descriptors)
        most_connections = self._descriptors.connections
        now = Tick(now=time.monotonic(), wall_ns=time.time_ns())
        ref = SupervisorActor.start(
            Incarnation("supervisor", 1, now),
            to=self._to,
            specs=factory.child_specs(),
            children=Children(rng=rng, escalation=Escalation(), most_connections=most_connections),
            plan=Plan(
                redundancy=self._config.redundancy,
                per_connection=self._config.assets_per_connection,
                seed=0,
            ),
            recorder=factory.recorder,
            health=health,
            journal=self._journal,
            request_times=factory.request_times.histograms,
            on_fatal=self._give_up,
            beat=self._heartbeats.supervisor,
            started=process_started(),
        )
        # Before its address is known, so that the first question finds it with the time.
        ref.tell(now)
        self._to.supervisor.move_to(ref)
        return ref

    def _new_health(self) -> HealthState:
        return HealthState(
            version=__version__,
            host=socket.gethostname(),
            pid=os.getpid(),
            now=time.monotonic(),
            wall_ns=time.time_ns(),
            # As the supervisor's `SilenceDetector`, so that both call the same connections silent.
            limits=Limits(silent_s=self._config.silence_seconds * 0.9),
        )

    # -------------------------------------------------------------------- run

    def _keep_time(self, duration_s: float | None) -> None:
        """Read the clock and send Flush and Tick, until a stop is requested or time is over."""
        began = ticked = time.monotonic()
        gc_schedule = GcSchedule()
        while not self._stop.wait(FLUSH_S):
            now = time.monotonic()
            self._heartbeats.main()
            self._to.writer.tell(Flush())
            if now - ticked >= TICK_S:
                ticked = now
                gc_schedule.collect_if_due()
                if now - self._host_checked_at >= CHECK_HOST_S:
                    self._check_host()
                    if self._keeper is not None:
                        self._keeper.check(now)
                tick = Tick(now=now, wall_ns=time.time_ns(), trackers=self._trackers)
                self._to.supervisor.tell(tick)
                # A failed sync is not tried again: the kernel may have dropped the pages and would
                # then report success. A new process reads what is really on the disk.
                if self._journal.failed:
                    self._give_up(EXIT_IO, f"the journal cannot be written: {self._journal.failed}")
                if self._supervisor is not None and not self._supervisor.is_alive():
                    self._give_up(EXIT_INTERNAL, "the supervisor died")
                # After the journal, whose thread ends when the disk fails. The traceback of what
                # ended a thread is logged by the hook of the process (`process/logs.py`).
                ended = self._threads.ended()
                if ended:
                    self._give_up(EXIT_INTERNAL, f"the thread {ended} has ended")
            if duration_s is not None and now - began >= duration_s:
                return

    def _give_up(self, code: int, reason: str) -> None:
        """Stop because the process cannot continue; the first reason counts. From any thread."""
        if self._failure is None:
            self._failure = (code, reason)
            log.critical("giving_up", extra={"reason": reason, "exit_code": code})
        self._stop.set()

    def _document(self) -> bytes:
        """Return the status document as JSON. In the status and metrics threads.

        Raises:
            TimeoutError: The supervisor does not answer in time.
        """
        return self._scrubber.document(msgspec.json.encode(self._current_health()))

    def _headline(self) -> str:
        """Return the state in one line, and log its changes. In the watchdog's thread.

        Raises as `_document`.
        """
        health = self._current_health()
        self._changes.note(health)
        return self._scrubber.text(headline(health))

    def _coverage(self) -> bytes:
        """Return what every connection covers now, as JSON. In the status thread.

        Raises:
            TimeoutError: The supervisor does not answer in time.
        """
        if self._supervisor is None:
            raise TimeoutError
        connections = self._to.supervisor.ask(GetConnections(), timeout_s=ASK_S)
        answered, unanswered = ask_all(connections, GetCoverage(), timeout_s=ASK_S)
        return msgspec.json.encode(
            {
                "journal": str(self._journal.journal_id),
                "database": self._current_health().database.identity,
                "connections": answered,
                "unanswered": unanswered,
            }
        )

    def _current_health(self) -> Health:
        """Return the status document. In the status, metrics and watchdog threads.

        Before there is a supervisor (a migration may take long) it shows what is waited for.

        Raises:
            TimeoutError: The supervisor does not answer in time.
        """
        if self._supervisor is None:
            return self._health_at_start.document(now=time.monotonic(), wall_ns=time.time_ns())
        health: Health = self._to.supervisor.ask(GetHealth(), timeout_s=ASK_S)
        return health

    # ------------------------------------------------------------------- stop

    def _max_wait_s(self) -> float:
        """Return how long a call of the database may take. In the watchdog's thread."""
        return STOP_MAX_WAIT_S if self._stop.is_set() else MAX_WAIT_S

    def _shut_down(self) -> None:
        """Stop in the order that loses nothing; each step has its deadline."""
        self._heartbeats.ping_always()
        steps: list[Callable[[], object]] = []
        if self._supervisor is not None:
            self._notifier.stopping()
            self._notifier.status("stopping")
            log.info("stopping")
            steps = self._shutdown.drain_steps(self._journal, self._query_watchdog)
        if not self._shutdown.perform(steps):
            self._failure = self._failure or (EXIT_INTERNAL, "a step of the stop failed")
        if self._supervisor is not None:
            code = self._failure[0] if self._failure else EXIT_OK
            log.info("stopped", extra={"exit_code": code})


def process_started() -> facts.ProcessStarted:
    """Return the first record of this process."""
    return facts.ProcessStarted(
        at_ns=time.time_ns(), host=socket.gethostname(), version=__version__
    )


def _database_cut(waited_s: float) -> None:
    log.warning("database_cut", extra={"waited_s": round(waited_s, 1)})


def _status_failed(error: BaseException) -> None:
    log.error("status_failed", exc_info=error)


def _metrics_taken(port: int | None, *, has_others: bool) -> None:
    if has_others:
        seen = "until it ends, whoever asks this port sees another tracker of this host"
        log.warning("metrics_wait", extra={"port": port, "note": seen})
    else:
        log.warning("metrics_taken", extra={"port": port})


def _status_missing(reason: str) -> None:
    log.error("status_missing", extra={"reason": reason})


def _callback_failed(error: BaseException) -> None:
    log.error("reactor_callback_failed", exc_info=error)
