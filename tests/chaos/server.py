"""A PostgreSQL server for the torture: it can be stopped, killed, frozen and filled.

It is no child of a tracker, so that it survives the death of a tracker.
"""

import contextlib
import os
import platform
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from actors.database.server import postgres_binaries
from actors.database.server.embedded import Embedded
from tests.live.processes import until
from tests.postgres import Server

TRACKER = "polymarket-tracker"
PORT = 5432
FAKETIME = f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1"
"""Of Debian's package `libfaketime`."""


class OwnServer(Server):
    """One cluster in one folder. Used by the main thread.

    Args:
        root: Its folder; others must be allowed to enter it.
        durable: Whether commits wait for the disk.
        options: Further settings, `name=value`.
    """

    def __init__(self, root: Path, *, durable: bool = True, options: tuple[str, ...] = ()) -> None:
        fast = () if durable else ("fsync=off", "full_page_writes=off")
        self._server = Embedded(root, options=(*fast, *options))
        self.root = root
        self.up = False
        self.start()
        super().__init__(self._server.dsn("postgres"))

    @property
    def address(self) -> str:
        """Return the path of its Unix socket, for a proxy."""
        return str(self.root / "s" / f".s.PGSQL.{PORT}")

    def through(self, address: tuple[str, int], dsn: str, **more: str) -> str:
        """Return the address of one of its databases as seen through a proxy."""
        return make_conninfo(dsn, host=address[0], port=address[1], sslmode="disable", **more)

    def start(self) -> None:
        self._server.start()
        self.up = True

    @contextlib.contextmanager
    def clock_off(self, seconds: int) -> Iterator[None]:
        """Restart it with a wall clock that is off by so much; afterwards with the right one."""
        self.stop()
        postgres_binaries.ENVIRONMENT.update(
            LD_PRELOAD=FAKETIME, FAKETIME=f"{seconds:+d}s", FAKETIME_DONT_FAKE_MONOTONIC="1"
        )
        try:
            self.start()
            yield
        finally:
            self.stop()
            for name in ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"):
                del postgres_binaries.ENVIRONMENT[name]
            self.start()

    def stop(self) -> None:
        """Stop it by a fast shutdown, as an operator does."""
        self.up = False
        self._server.stop()

    def kill(self) -> None:
        """Stop it by an immediate shutdown: no checkpoint; the next start recovers."""
        self.up = False
        child = self._server._child
        assert child is not None
        child.send_signal(signal.SIGQUIT)
        child.wait(20)
        self._server.stop()

    def restart(self) -> None:
        """Kill and start again at once."""
        self.kill()
        self.start()

    def run(self, command: str, *given: object, db: str | None = None) -> None:
        """Run one command as the superuser."""
        with psycopg.connect(db or self.dsn, autocommit=True) as connection:
            connection.execute(command.encode(), given or None)

    def ask(self, query: str, *given: object, db: str | None = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(db or self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode(), given or None).fetchall()

    def backends(self) -> list[int]:
        """Return the process ids that serve the tracker."""
        found = self.ask("select pid from pg_stat_activity where application_name = %s", TRACKER)
        return [pid for (pid,) in found]

    def revive(self) -> None:
        """Start it if it has ended by itself."""
        child = self._server._child
        if child is None or child.poll() is not None:
            self._server.stop()
            self.start()

    def with_user(self, dsn: str, role: str, **more: str) -> str:
        """Return the address of a database as another role sees it."""
        return make_conninfo(dsn, user=role, **more)

    def cut_off(self, role: str) -> None:
        """End the sessions of a role."""
        self.ask("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", role)

    @contextlib.contextmanager
    def asks_for_passwords(self, role: str) -> Iterator[None]:
        """Demand a password (SCRAM) of one role."""
        rules = self.root / "data" / "pg_hba.conf"
        before = rules.read_text()
        rules.write_text(f"local all {role} scram-sha-256\n{before}")
        self.run("select pg_reload_conf()")
        try:
            yield
        finally:
            rules.write_text(before)
            self.run("select pg_reload_conf()")

    def freeze_backend(self, *, in_transaction: bool) -> Callable[[], None]:
        """Stop the process that serves the tracker; return a function that continues it.

        Args:
            in_transaction: Whether it is stopped with a transaction open, whose locks nobody
                gets until it goes on, or between two of them.
        """
        stopped: list[int] = []

        def thaw() -> None:
            while stopped:
                os.kill(stopped.pop(), signal.SIGCONT)

        def stop() -> bool:
            thaw()
            for pid in self.backends():
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
            # What it says of itself stands still as well.
            states = self.ask(
                "select state <> 'idle' from pg_stat_activity where pid = any(%s)", stopped
            )
            return bool(states) and any(busy for (busy,) in states) == in_transaction

        until("the process that serves the tracker is stopped", stop)
        return thaw
