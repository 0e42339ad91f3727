"""A real PgBouncer in front of the server of the tests."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from actors.database.server.postgres_binaries import server_user

PROGRAM = shutil.which("pgbouncer")
_PASSED_ON = ("host", "port", "user", "password")


class PgBouncer:
    """One pool, reached through a Unix socket; ended by `stop`.

    Args:
        dsn: The address of the database behind it.
        settings: Of its configuration file.
    """

    def __init__(self, dsn: str, settings: Mapping[str, object]) -> None:
        if PROGRAM is None:
            pytest.skip("needs PgBouncer (Debian: pgbouncer), which is not installed")
        self._parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
        # Not tmp_path: its folders are for us alone, and as root PgBouncer is not us.
        self._folder = Path(tempfile.mkdtemp(prefix="pgb-"))
        self._folder.chmod(0o777)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._settings = dict(settings)
        self._write()
        user = server_user()
        self._process = subprocess.Popen(
            [PROGRAM, self._folder / "pgbouncer.ini"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user.uid if user else None,
        )
        self._wait()

    @property
    def dsn(self) -> str:
        """Return the address of the database behind it."""
        return self._through(self._parts["dbname"])

    def _through(self, name: str) -> str:
        return make_conninfo(host=str(self._folder), port=self._port, user="pooled", dbname=name)

    def _write(self) -> None:
        behind = " ".join(
            f"{each}={self._parts[each]}" for each in _PASSED_ON if each in self._parts
        )
        lines = {
            "listen_port": self._port,
            "unix_socket_dir": self._folder,
            "auth_type": "any",
            "admin_users": "pooled",
            "logfile": self._folder / "log",
            "ignore_startup_parameters": "options",
            **self._settings,
        }
        text = "\n".join(f"{name} = {value}" for name, value in lines.items())
        (self._folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = {behind}\n[pgbouncer]\n{text}\n"
        )

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self._through("pgbouncer"), autocommit=True).close()
            except psycopg.OperationalError:
                assert time.monotonic() < end, (self._folder / "log").read_text()[-500:]
            else:
                return

    def change(self, **settings: object) -> None:
        """Give it other settings while it runs."""
        self._settings |= settings
        self._write()
        with psycopg.connect(self._through("pgbouncer"), autocommit=True) as console:
            console.execute("reload", prepare=False)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(timeout=30)
        shutil.rmtree(self._folder)


@contextlib.contextmanager
def pgbouncer(dsn: str, **settings: object) -> Iterator[PgBouncer]:
    """Yield a pool in front of this database."""
    found = PgBouncer(dsn, settings)
    try:
        yield found
    finally:
        found.stop()
