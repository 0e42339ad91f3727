"""What the tracker's command line says and returns when it cannot start, and what a check finds."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from psycopg.conninfo import make_conninfo

from actors.cli import main
from actors.config.load import Config
from actors.database.schema import migrate
from actors.database.schema.migration_files import migrations
from actors.errors import EXIT_CONFIG, EXIT_INTERNAL, EXIT_IO, EXIT_OK, SHORTAGES, StoreUnavailable
from actors.health.metrics import Metrics
from actors.journal.journal import MIB, Journal
from actors.process import logs
from actors.process.runtime import HostTrackers
from tests.health.health_samples import START, document, well
from tests.live.processes import as_url
from tests.postgres import Server, ask, do

RELATIONS = """select count(*)::int from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'tracker')"""
CANDLES = """create function public.candles(text, timestamptz, timestamptz, interval)
    returns int language sql as 'select 1'"""
Said = tuple[int, str]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Return what runs the command line in this process; it returns the code and what was said."""
    for name in [name for name in os.environ if name.startswith("TRACKER_")]:
        if name != "TRACKER_POSTGRES_BIN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("TRACKER_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(logs, "configure", lambda *_, **__: None)

    def run(*arguments: str, dsn: str = "", **settings: str) -> Said:
        if dsn:
            settings["TRACKER_DATABASE_URL"] = as_url(dsn)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        code = main.main(arguments)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out + said.err

    return run


# --------------------------------------------------------------- what a machine lacks


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(main, "_mode", lambda _: fail)


@pytest.mark.parametrize("code", sorted(SHORTAGES))
def test_what_the_machine_lacks_is_no_mistake_of_settings(
    code: int, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, OSError(code, os.strerror(code)))
    found, said = run()
    assert found == EXIT_IO
    assert said.startswith(f"tracker: {os.strerror(code)}")


def test_another_error_of_the_system_is_a_fault_of_ours(
    run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, OSError(errno.EINVAL, "x"))
    assert run()[0] == EXIT_INTERNAL


def test_an_embedded_database_that_does_not_start_is_tried_again(
    run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, StoreUnavailable("the embedded PostgreSQL ended: no space"))
    assert run()[0] == EXIT_IO


# ---------------------------------------------------------------------- what a check finds

pytest_db = pytest.mark.db


@pytest.fixture
def role(server: Server) -> Iterator[str]:
    """Return a role without rights; it is dropped at last, with what it owns."""
    name = f"tracker_test_{os.getpid()}_checks"
    do(server.dsn, f"create role {name} login")
    yield name
    do(server.dsn, f"drop role {name}")


def as_role(dsn: str, role: str) -> str:
    return make_conninfo(dsn, options=f"-crole={role}")


def check_fails(run: Callable[..., Said], dsn: str, *words: str, **settings: str) -> None:
    """Check that `--check` says what is wrong, with the code of a start, and changes nothing."""
    before = ask(dsn, RELATIONS)
    code, said = run("--check", dsn=dsn, **settings)
    assert code == EXIT_CONFIG
    assert "well" not in said
    for each in words:
        assert each in said
    assert ask(dsn, RELATIONS) == before


@pytest_db
def test_a_check_of_an_empty_database_tries_all_migrations_and_leaves_nothing(
    run: Callable[..., Said], empty_database: str
) -> None:
    code, said = run("--check", dsn=empty_database)
    assert code == EXIT_OK
    assert f"{len(migrations())} migrations to apply" in said
    assert said.endswith("well\n")
    assert ask(empty_database, "select to_regnamespace('tracker')") == [(None,)]
    assert ask(empty_database, RELATIONS) == [(0,)]


@pytest_db
def test_a_role_that_may_not_make_the_tables_is_named(
    run: Callable[..., Said], empty_database: str, role: str
) -> None:
    dsn = as_role(empty_database, role)
    check_fails(run, dsn, "may not apply the first migration", "sql/roles.sql")
    code, said = run("--migrate", dsn=dsn)
    assert (code, "may not apply the first migration" in said) == (EXIT_CONFIG, True)


@pytest_db
def test_a_role_that_may_not_change_the_tables_is_named(
    run: Callable[..., Said], database: str, role: str
) -> None:
    last = migrations()[-1].name
    do(database, "delete from tracker.schema_migrations where name = %s", last)
    do(database, f"grant usage on schema tracker to {role}")
    do(database, f"grant select on tracker.schema_migrations to {role}")
    words = (f"lacks {last}", f"{role} may not apply them", "bin/tracker --migrate")
    check_fails(run, as_role(database, role), *words)
    do(database, f"drop owned by {role}")


@pytest_db
def test_a_check_says_so_when_the_start_may_not_migrate(
    run: Callable[..., Said], empty_database: str
) -> None:
    check_fails(run, empty_database, "bin/tracker --migrate", TRACKER_MIGRATE="false")


@pytest_db
@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("create table public.markets (a int)", "has public.markets and no record"),
        ("create view public.coverage as select 1", "has public.coverage and no record"),
        ("create type public.events as enum ('a')", "does not fit this database"),
        (CANDLES, "does not fit this database"),
    ],
)
def test_what_stands_in_the_way_of_the_first_migration_is_named(
    run: Callable[..., Said], empty_database: str, made: str, words: str
) -> None:
    do(empty_database, made)
    check_fails(run, empty_database, words)


@pytest_db
def test_tables_without_a_record_of_migrations_are_named(
    run: Callable[..., Said], database: str
) -> None:
    do(database, "drop table tracker.schema_migrations")
    check_fails(run, database, "no record of the tracker's migrations", "half restored")
    code, said = run("--migrate", dsn=database)
    assert (code, "no record" in said) == (EXIT_CONFIG, True)


@pytest_db
def test_a_relation_that_is_missing_is_named(run: Callable[..., Said], database: str) -> None:
    do(database, "drop view public.unresolved_markets")
    code, said = run("--check", dsn=database)
    assert code == EXIT_OK
    assert "attention: the database lacks the view public.unresolved_markets" in said
    assert "all else is well" in said
    do(database, "drop table tracker.wanted cascade")
    check_fails(run, database, "lacks the table tracker.wanted")


@pytest_db
def test_a_tracker_that_runs_there_is_named_and_is_no_error(
    run: Callable[..., Said], database: str, tmp_path: Path
) -> None:
    if not Path("/proc/locks").exists():
        pytest.skip("the system does not say who has locked what")
    journal = Journal.open(tmp_path / "state" / "journal", max_bytes=64 * MIB, reserve_bytes=0)
    try:
        code, said = run("--check", dsn=database)
    finally:
        journal.close()
    assert (code, "a tracker runs on" in said) == (EXIT_OK, True)
    assert "a tracker runs on" not in run("--check", dsn=database)[1]


@pytest_db
def test_a_journal_that_cannot_be_opened_is_named(
    run: Callable[..., Said], database: str, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal").write_text("x")
    code, said = run("--check", dsn=database)
    assert (code, str(tmp_path / "state" / "journal") in said) == (EXIT_CONFIG, True)


def test_an_embedded_database_that_cannot_be_made_is_named(
    run: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(tmp_path))
    code, said = run("--check")
    assert (code, "there is no postgres in it" in said) == (EXIT_CONFIG, True)


@pytest_db
def test_the_trial_keeps_nobody_out_who_migrates_behind_it(
    run: Callable[..., Said], empty_database: str
) -> None:
    assert run("--check", dsn=empty_database)[0] == EXIT_OK
    assert len(migrate.apply(empty_database)) == len(migrations())


# ---------------------------------------------------------- the address of the metrics


@pytest_db
def test_the_check_warns_of_metrics_that_others_reach(
    run: Callable[..., Said], database: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = {"TRACKER_METRICS_PORT": str(free.getsockname()[1])}
    everywhere = "0.0.0.0"  # noqa: S104 - checked, not served
    code, said = run("--check", dsn=database, TRACKER_METRICS_ADDRESS=everywhere, **port)
    assert code == EXIT_OK
    assert "attention: whoever reaches this host reads metrics and status page without a" in said
    for address in ("127.0.0.1", "::1"):
        code, said = run("--check", dsn=database, TRACKER_METRICS_ADDRESS=address, **port)
        assert (code, "whoever reaches" in said) == (EXIT_OK, False)


def test_the_check_names_an_address_that_this_host_does_not_have(run: Callable[..., Said]) -> None:
    code, said = run(
        "--check",
        TRACKER_DATABASE_URL="postgresql://u@127.0.0.1:1/x",
        TRACKER_METRICS_PORT="9464",
        TRACKER_METRICS_ADDRESS="192.0.2.1",
    )
    assert code == EXIT_IO
    assert "192.0.2.1: this host does not have it now; set TRACKER_METRICS_ADDRESS" in said


@pytest_db
def test_the_check_names_a_metrics_port_that_is_in_use(
    run: Callable[..., Said], database: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = run("--check", dsn=database, TRACKER_METRICS_PORT=port)
        assert code == EXIT_IO
        assert f"metrics port {port}: Address already in use" in said
        # It may be that of a tracker, whose place this one takes.
        others = HostTrackers(Config(layers=({},)).gamma_url)  # type: ignore[call-arg]
        others.enter()
        try:
            code, said = run("--check", dsn=database, TRACKER_METRICS_PORT=port)
            assert code == EXIT_OK
            assert f"attention: port {port} is taken by a program that is no tracker" in said
            taken.close()
            served = Metrics(int(port), lambda: msgspec.json.encode(document(well(), START)))
            try:
                code, said = run("--check", dsn=database, TRACKER_METRICS_PORT=port)
                assert (code, "is no tracker" in said) == (EXIT_OK, False)
            finally:
                served.close()
        finally:
            others.leave()
    assert run("--check", dsn=database, TRACKER_METRICS_PORT=port)[0] == EXIT_OK
