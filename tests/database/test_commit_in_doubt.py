"""A connection that breaks during COMMIT: nothing is stored twice and nothing is lost."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from actors.database.store import Store
from actors.errors import StoreUnavailable
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask

pytestmark = pytest.mark.db


class Cutter:
    """A proxy between the store and the server that cuts the connection at COMMIT.

    Args:
        received: The server still receives the COMMIT, but its answer is lost.
    """

    def __init__(self, folder: Path, dsn: str, *, received: bool) -> None:
        self._upstream = conninfo_to_dict(dsn)
        self._received = received
        self.armed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            with client, self._dial() as server:
                answers = threading.Thread(target=_relay, args=(server, client), daemon=True)
                answers.start()
                self._questions(client, server)
                for each in (client, server):
                    _shut(each)
                answers.join(timeout=10)

    def _dial(self) -> socket.socket:
        host, port = str(self._upstream["host"]), int(self._upstream.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(65536):
            if self.armed.is_set() and b"COMMIT" in data:
                self.armed.clear()
                _shut(client)
                if self._received:
                    server.sendall(data)
                    server.shutdown(socket.SHUT_WR)
                return
            server.sendall(data)


def _relay(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return


def _shut(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cut-") as name:
        yield Path(name)


@pytest.mark.parametrize("received", [True, False])
def test_a_batch_committed_again_after_a_broken_commit_is_stored_exactly_once(
    database: str, folder: Path, journal_id: UUID, *, received: bool
) -> None:
    cutter = Cutter(folder, database, received=received)
    # The proxy runs as whoever tests.
    store = Store(make_conninfo(database, host=str(folder), port=5432, requirepeer=""))
    store.open(journal_id)
    cutter.armed.set()
    batch = Batch(trades=(trade(0), trade(1)), watermark=3)
    with pytest.raises(StoreUnavailable):
        store.commit(batch)
    assert store.busy_since is None
    store.open(journal_id)
    again = store.commit(batch)
    assert (again.stored, again.duplicates) == ((0, 2) if received else (2, 0))
    assert again.watermark == 3
    assert ask(database, "select count(*) from trades") == [(2,)]
    store.close()
    cutter.close()


def test_abort_ends_a_commit_that_waits_for_a_lock(database: str, journal_id: UUID) -> None:
    store = Store(database)
    store.open(journal_id)
    errors: list[BaseException] = []

    def write() -> None:
        try:
            store.commit(Batch(watermark=2))
        except StoreUnavailable as exc:
            errors.append(exc)

    with psycopg.connect(database) as other:
        other.execute("select * from tracker.journal_progress for update")
        thread = threading.Thread(target=write)
        thread.start()
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        while ask(database, waits) == [(0,)]:
            pass
        assert store.busy_since is not None
        store.abort()
        thread.join(timeout=4)  # the lock limit of the session is 5 s
        assert not thread.is_alive()
    assert len(errors) == 1
    assert store.open(journal_id).watermark == 1
    store.close()
