"""The composition root: configuration → edges → actors, started in order, stopped in reverse.

Everything is built here and handed in; nothing is built at import time. The
main thread runs `Tracker.run`: it alone reads the clock for scheduling, and it
ends the process when something says that it cannot go on.

Order of the stop (all within 45 s, or the process is ended by force): connections
say goodbye with their last marks, the journal syncs, the writer drains it for up
to 15 s, actors stop, edges close.
"""

import contextlib
import logging
import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pykka

from actors import __version__
from actors.births import Addresses, Births, MigratingStore
from actors.children import Children
from actors.config import Config
from actors.edge.dsn import SafeDsn, check_dsn
from actors.edge.embedded import Embedded
from actors.edge.journal import Journal
from actors.edge.metrics import Metrics
from actors.edge.reactor import Reactor
from actors.edge.status_socket import StatusSocket
from actors.edge.systemd import Notifier, Watchdog
from actors.errors import (
    EXIT_INTERNAL,
    EXIT_IO,
    EXIT_OK,
    ConfigError,
    JournalFailed,
    JournalFull,
    StoreUnavailable,
)
from actors.logic import record
from actors.logic.health import Health, HealthState
from actors.logic.plan import Plan
from actors.logic.restart import Escalation
from actors.messages import Drain, Flush, GetHealth, GetListening, StopListening, Tick
from actors.reporting import Reporting
from actors.supervisor import SupervisorActor

log = logging.getLogger(__name__)

FLUSH_S = 0.05
TICK_S = 0.25
ASK_S = 2.0
CLOSE_CONNECTIONS_S = 5.0
DRAIN_S = 15.0
STOP_S = 5.0
FORCED_EXIT_S = 45.0


class Tracker:
    """One run of the whole tracker."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stop = threading.Event()
        self._again = threading.Event()
        self._hang_up = threading.Event()
        self._verdict: tuple[int, str] | None = None
        self._notifier = Notifier.from_environment(os.environ)
        self._to = Addresses()
        self._closers: list[Callable[[], object]] = []
        self._main_beat_at = time.monotonic()
        self._supervisor: pykka.ActorRef[Any] | None = None

    # ------------------------------------------------------------------ doors

    def request_stop(self) -> None:
        """Stop in good order; said twice, do not wait for the database. For signal handlers."""
        if self._stop.is_set():
            self._again.set()
        self._stop.set()

    def run(self, duration_s: float | None) -> int:
        """Record until told to stop, until `duration_s` is over, or until it cannot go on.

        Returns:
            The exit code.

        Raises:
            Fatal: It could not start.
        """
        try:
            self._start()
            self._beat(duration_s)
        finally:
            self._forced_exit_after(FORCED_EXIT_S)
            self._shut_down()
        return self._verdict[0] if self._verdict else EXIT_OK

    # ------------------------------------------------------------------ start

    def _start(self) -> None:
        """Open every edge, then let the actors live. What is opened names its own end."""
        state_dir = prepared(self._config.state_dir)
        self._journal = self._open_journal(state_dir)
        self._closers.append(self._journal.close)
        status = StatusSocket(self._config.status_socket, self._answer)
        status.start()
        self._closers.append(status.close)
        dsn = self._database(state_dir)
        self._look_at_schema(dsn)
        self._reactor = Reactor(on_error=_callback_failed)
        self._reactor.start()
        self._closers.append(lambda: self._reactor.stop(STOP_S))
        started = record.ProcessStarted(
            at_ns=time.time_ns(), host=socket.gethostname(), version=__version__
        )
        self._journal.append(record.encode(started))
        self._supervisor = self._start_supervisor(dsn)
        self._closers.append(self._stop_actors)
        if self._config.metrics_port:
            metrics = Metrics(self._config.metrics_port, self._answer)
            self._closers.append(metrics.close)
        watchdog = self._start_watchdog()
        self._closers.append(watchdog.stop)
        self._notifier.ready()
        log.info("started", extra={"version": __version__, "database": dsn.shown})

    def _open_journal(self, state_dir: Path) -> Journal:
        free = shutil.disk_usage(state_dir).free
        return Journal.open(
            state_dir / "journal",
            sync_interval_s=self._config.journal_sync_ms / 1000,
            max_bytes=self._config.journal_cap(free),
        )

    def _database(self, state_dir: Path) -> SafeDsn:
        """Give the database in use; start the embedded one when none is named."""
        if self._config.dsn:
            return check_dsn(self._config.dsn)
        embedded = Embedded(state_dir / "postgres")
        embedded.start()
        self._closers.append(embedded.stop)
        log.warning(
            "embedded_database",
            extra={
                "note": "meant for trying out; set TRACKER_DATABASE_URL for real use",
                "connect": embedded.psql_line(),
            },
        )
        return check_dsn(embedded.dsn())

    def _look_at_schema(self, dsn: SafeDsn) -> None:
        """Bring the schema up to date, or find now that a person must act.

        A database that is away is no reason not to start.
        """
        store = MigratingStore(dsn.dsn, migrate_first=self._config.migrate)
        try:
            store.open(self._journal.journal_id)
        except StoreUnavailable as away:
            log.warning("database_away", extra={"reason": str(away), "retry_s": 0.0})
        finally:
            store.close()

    def _start_supervisor(self, dsn: SafeDsn) -> "pykka.ActorRef[Any]":
        rng = random.Random()  # noqa: S311 - jitter, not secrets
        births = Births(
            self._config,
            dsn,
            journal=self._journal,
            reactor=self._reactor,
            to=self._to,
            rng=rng,
            stop=self._hang_up,
        )
        ref = SupervisorActor.start(
            household=births.household(),
            children=Children(rng=rng, escalation=Escalation()),
            plan=Plan(
                redundancy=self._config.redundancy,
                per_connection=self._config.assets_per_connection,
                seed=0,
            ),
            recorder=births.recorder,
            writer=self._to.writer,
            reporting=self._reporting(),
            on_fatal=self._give_up,
        )
        self._to.supervisor.move_to(ref)
        return ref

    def _reporting(self) -> Reporting:
        health = HealthState(
            version=__version__,
            host=socket.gethostname(),
            pid=os.getpid(),
            now=time.monotonic(),
            wall_ns=time.time_ns(),
        )
        return Reporting(health, self._journal)

    def _start_watchdog(self) -> Watchdog:
        """Watch the threads without which nothing works; trouble outside is not their fault."""
        beats: dict[str, Callable[[], float]] = {
            "main": lambda: self._main_beat_at,
            "reactor": lambda: self._reactor.alive_at,
            "journal": lambda: self._journal.sync_alive_at,
        }
        watchdog = Watchdog(
            self._notifier,
            {name: _age(beat) for name, beat in beats.items()},
            lambda name, stacks: log.critical(
                "stuck", extra={"stuck_thread": name, "stacks": stacks}
            ),
        )
        watchdog.start()
        return watchdog

    # -------------------------------------------------------------------- run

    def _beat(self, duration_s: float | None) -> None:
        """Read the clock, tell time; end when asked to or when it is over."""
        began = ticked = time.monotonic()
        while not self._stop.wait(FLUSH_S):
            now = self._main_beat_at = time.monotonic()
            self._to.writer.tell(Flush())
            if now - ticked >= TICK_S:
                ticked = now
                self._to.supervisor.tell(Tick(now=now, wall_ns=time.time_ns()))
                if self._journal.failed:
                    self._give_up(EXIT_IO, f"the journal cannot be written: {self._journal.failed}")
                if self._supervisor is not None and not self._supervisor.is_alive():
                    self._give_up(EXIT_INTERNAL, "the supervisor died")
            if duration_s is not None and now - began >= duration_s:
                return

    def _give_up(self, code: int, reason: str) -> None:
        """The process cannot go on. From any thread."""
        if self._verdict is None:
            self._verdict = (code, reason)
            log.critical("giving_up", extra={"reason": reason, "exit_code": code})
        self._stop.set()

    def _answer(self) -> bytes:
        """Give the status document as JSON. In the status and metrics threads.

        Raises:
            TimeoutError: The supervisor does not answer in time.
        """
        health: Health = self._to.supervisor.ask(GetHealth(), timeout_s=ASK_S)
        return msgspec.json.encode(health)

    # ------------------------------------------------------------------- stop

    def _shut_down(self) -> None:
        """Stop in the order that loses nothing; each step has its deadline."""
        if self._supervisor is not None:
            self._notifier.stopping()
            log.info("stopping")
            steps = [self._close_connections, self._close_journal, self._drain]
        else:
            steps = []
        for step in [*steps, *reversed(self._closers)]:
            try:
                step()
            except Exception:  # one step that fails must not cost the others
                log.exception("stop_step_failed")
                self._verdict = self._verdict or (EXIT_INTERNAL, "a step of the stop failed")
        if self._supervisor is not None:
            code = self._verdict[0] if self._verdict else EXIT_OK
            log.info("stopped", extra={"exit_code": code})

    def _close_journal(self) -> None:
        """Note the stop, and have everything on disk."""
        try:
            self._journal.append(record.encode(record.ProcessStopped(at_ns=time.time_ns())))
            self._journal.sync()
        except (JournalFull, JournalFailed) as exc:
            log.warning("stop_not_journalled", extra={"reason": str(exc)})

    def _close_connections(self) -> None:
        """Let every connection write its last mark and say goodbye."""
        self._to.supervisor.tell(StopListening())
        deadline = time.monotonic() + CLOSE_CONNECTIONS_S
        with contextlib.suppress(TimeoutError):
            while not self._again.wait(FLUSH_S) and time.monotonic() < deadline:
                if not self._to.supervisor.ask(GetListening(), timeout_s=ASK_S):
                    return

    def _drain(self) -> None:
        """Commit what the journal holds, unless the database is away or we are in a hurry."""
        if self._again.is_set():
            return
        try:
            drained = self._to.writer.ask(Drain(), timeout_s=DRAIN_S)
        except TimeoutError:
            drained = False
        if not drained:
            log.warning("not_drained", extra={"note": "the rest stays in the journal"})

    def _stop_actors(self) -> None:
        """End the supervisor first, so that nobody is born again, then everyone else."""
        self._hang_up.set()
        if self._supervisor is not None:
            with contextlib.suppress(pykka.ActorDeadError, pykka.Timeout):
                self._supervisor.stop(timeout=STOP_S)
        with contextlib.suppress(pykka.Timeout):
            pykka.ActorRegistry.stop_all(timeout=STOP_S)

    def _forced_exit_after(self, seconds: float) -> None:
        """Whatever hangs, the process ends."""

        def force() -> None:
            log.critical("forced_exit", extra={"after_s": seconds})
            os._exit(EXIT_INTERNAL)

        timer = threading.Timer(seconds, force)
        timer.daemon = True
        timer.start()


def prepared(state_dir: Path) -> Path:
    """Give the state directory, made if need be, after writing to it once.

    Raises:
        ConfigError: It cannot be made or written.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
        probe = state_dir / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        raise ConfigError(
            f"state directory {state_dir}: {exc.strerror}; give the tracker's user write access,"
            " or name another with TRACKER_STATE_DIR"
        ) from exc
    return state_dir


def _age(beat: Callable[[], float]) -> Callable[[], float]:
    return lambda: time.monotonic() - beat()


def _callback_failed(error: BaseException) -> None:
    log.error("reactor_callback_failed", exc_info=error)
