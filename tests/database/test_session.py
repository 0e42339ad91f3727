"""A session has limits and durable commits, translates errors, and can be aborted."""

import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.database.schema import migrate
from actors.database.server.embedded import Embedded
from actors.database.session import UNKNOWN_DATABASE, Session, translate_errors
from actors.errors import ConfigError, StoreUnavailable
from actors.health import takeover
from tests.postgres import Server, ask, do


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def setting(session: Session, name: str) -> str:
    row = session.connection.execute("select current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.db
@pytest.mark.parametrize(
    ("wanted", "actual"),
    [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")],
)
def test_commits_wait_for_the_disk(database: str, wanted: str, actual: str) -> None:
    session = Session(make_conninfo(database, options=f"-c synchronous_commit={wanted}"))
    assert setting(session, "synchronous_commit") == actual
    session.close()


@pytest.mark.db
@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_text_is_rejected_before_anything_is_created(
    server: Server, encoding: str
) -> None:
    name = f"tracker_test_{encoding.lower()}"
    do(server.dsn, f"create database {name} encoding '{encoding}' locale 'C' template template0")
    dsn = make_conninfo(server.dsn, dbname=name)
    try:
        with pytest.raises(ConfigError, match=f"{encoding}.*UTF8"):
            migrate.apply(dsn)
        tables = "select count(*) from pg_tables where schemaname = 'public'"
        with psycopg.connect(dsn) as connection:
            assert connection.execute(tables).fetchone() == (0,)
    finally:
        do(server.dsn, f"drop database {name} with (force)")


@pytest.mark.db
def test_a_session_has_limits_and_a_fixed_search_path(database: str) -> None:
    session = Session(database)
    names = (
        *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"),
        *("timezone", "search_path", "application_name"),
    )
    assert [setting(session, name) for name in names] == [
        *("20s", "5s", "1min", "UTC", "pg_catalog, pg_temp", "polymarket-tracker")
    ]
    assert "PostgreSQL" in session.server
    session.close()


def identity(dsn: str) -> str:
    session = Session(dsn)
    session.close()
    return session.identity


@pytest.mark.db
def test_the_identity_is_that_of_the_database(server: Server, database: str) -> None:
    found = identity(database)
    assert len(found) == 16
    assert identity(make_conninfo(database, application_name="psql")) == found
    with server.database() as another:
        assert identity(another) != found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that the user of a server may enter, which `tmp_path` is not."""
    made = Path(tempfile.mkdtemp(prefix="tracker-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.db
def test_a_copy_of_a_server_has_another_identity_and_a_role_changes_none(folder: Path) -> None:
    options = ("fsync=off", "full_page_writes=off", "shared_buffers=8MB")
    original, copy = (Embedded(folder / name, options=options) for name in ("one", "two"))
    try:
        original.start()
        dsn = original.dsn()
        do(dsn, "create role asks_little login")
        do(dsn, "revoke execute on function pg_control_system() from public")
        original.stop()
        # As a snapshot of its disk, or a restored base backup: the same system identifier, the
        # same timeline, the same numbers of all databases and schemas.
        subprocess.run(["cp", "-a", folder / "one", folder / "two"], check=True)
        for each in (original, copy):
            each.start()
        known = identity(dsn)
        assert identity(make_conninfo(dsn, user="asks_little")) == known
        assert identity(make_conninfo(copy.dsn(), user="asks_little")) != known
        assert identity(copy.dsn()) not in {known, UNKNOWN_DATABASE}
    finally:
        for each in (original, copy):
            each.stop()


@pytest.mark.db
def test_a_role_that_may_not_ask_since_when_the_server_runs_knows_no_identity(
    database: str,
) -> None:
    do(database, "create role asks_nothing login")
    do(database, "revoke execute on function pg_postmaster_start_time() from public")
    try:
        found = identity(make_conninfo(database, user="asks_nothing"))
        assert found == UNKNOWN_DATABASE == takeover.UNKNOWN_DATABASE
    finally:
        do(database, "grant execute on function pg_postmaster_start_time() to public")
        do(database, "drop role asks_nothing")


@pytest.mark.db
def test_a_statement_that_takes_too_long_is_ended(database: str) -> None:
    session = Session(database, statement_s=0.05)
    with pytest.raises(StoreUnavailable) as caught, translate_errors():
        session.connection.execute("select pg_sleep(60)")
    assert caught.value.sqlstate == "57014"
    session.close()


@pytest.mark.db
def test_a_read_only_server_is_not_written_to(database: str) -> None:
    with pytest.raises(StoreUnavailable, match="read-only") as caught:
        Session(make_conninfo(database, options="-c default_transaction_read_only=on"))
    assert caught.value.sqlstate == "25006"


@pytest.mark.db
def test_a_missing_permission_is_unavailable_and_says_which(database: str) -> None:
    session = Session(database)
    session.connection.execute("create role nobody_here")
    try:
        with (
            pytest.raises(StoreUnavailable, match="permission denied") as caught,
            translate_errors(),
        ):
            session.connection.execute("set role nobody_here; select * from tracker.trades")
        assert caught.value.sqlstate == "42501"
    finally:
        session.connection.execute("reset role")
        session.connection.execute("drop role nobody_here")
        session.close()


@pytest.mark.db
def test_a_session_that_the_server_ends_is_unavailable(database: str) -> None:
    session = Session(database)
    pid = session.connection.info.backend_pid
    do(database, "select pg_terminate_backend(%s)", pid)
    with pytest.raises(StoreUnavailable), translate_errors():
        session.connection.execute("select 1")
    session.close()


@pytest.mark.db
def test_abort_from_another_thread_ends_a_waiting_call(database: str) -> None:
    session = Session(database, statement_s=0)
    waits = "select count(*) > 0 from pg_stat_activity where wait_event = 'PgSleep'"
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            with translate_errors():
                session.connection.execute("select pg_sleep(600)")
        except StoreUnavailable as exc:
            errors.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    while not ask(database, waits)[0][0]:
        pass
    session.abort()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert len(errors) == 1
    session.close()


@pytest.mark.db
def test_abort_after_close_touches_no_other_socket(database: str) -> None:
    session = Session(database)
    session.close()
    one, other = socket.socketpair()  # take the descriptor numbers that became free
    with one, other:
        session.abort()
        one.settimeout(0)
        with pytest.raises(BlockingIOError):
            one.recv(1)


def test_without_a_server_the_error_does_not_quote_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StoreUnavailable) as caught:
        Session(f"postgresql://ann:s3cretWORD@127.0.0.1:{port}/t")
    assert "s3cretWORD" not in str(caught.value)


def test_a_server_that_never_answers_is_unavailable(silent_port: int) -> None:
    with pytest.raises(StoreUnavailable):
        Session(f"host=127.0.0.1 port={silent_port} user=ann dbname=t")


@pytest.mark.parametrize("state", ["08006", "40001", "40P01", "53100", "53300", "55P03", "57P01"])
def test_temporary_errors_of_the_server_are_unavailable(state: str) -> None:
    with pytest.raises(StoreUnavailable) as caught, translate_errors():
        raise psycopg.errors.lookup(state)("words of the server")
    assert caught.value.sqlstate == state


def test_wrong_calls_of_the_driver_are_not_reported_as_unavailable() -> None:
    with pytest.raises(psycopg.ProgrammingError), translate_errors():
        raise psycopg.ProgrammingError("the query has 3 placeholders but 2 parameters were passed")
