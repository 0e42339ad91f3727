"""`tracker --psql`: psql gets the right database, and no password where others read it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from actors.app.shell import open_shell
from actors.config.load import load
from actors.database.commands import psql
from actors.errors import ConfigError, StoreUnavailable
from tests.live.processes import until
from tests.postgres import do, name_of

pytestmark = pytest.mark.db

SECRET = "hunter2-open-sesame"
COUNT = ("-XAtc", "select count(*) from trades")


def settings(dsn: str) -> dict[str, str]:
    url = f"postgresql:///?{urlencode(conninfo_to_dict(dsn), quote_via=quote)}"
    return {"TRACKER_DATABASE_URL": url}


def opened(dsn: str, *arguments: str, environ: dict[str, str] | None = None) -> int:
    config = load(["--psql"], settings(dsn)).config
    return open_shell(config, arguments, {**os.environ, **(environ or {})})


def fake(folder: Path, text: str) -> dict[str, str]:
    """Return an environment in which this script is the only psql."""
    program = folder / "psql"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    (folder / "postgres").touch(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture
def only_fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for a psql; the embedded server has none beside it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(programs))
    (programs / "postgres").touch(0o755)
    return tmp_path


def test_psql_asks_the_configured_database(
    database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert opened(database, *COUNT) == 0
    assert capfd.readouterr().out == "0\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-Xc", "select 1/0"), 1),
        (("-Xf", "/nowhere.sql"), 1),
        (("-X", "-v", "ON_ERROR_STOP=1", "-f", "@"), 3),
    ],
)
def test_the_exit_code_is_that_of_psql(
    database: str, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    wrong = tmp_path / "wrong.sql"
    wrong.write_text("select 1/0;")
    assert opened(database, *(str(wrong) if each == "@" else each for each in arguments)) == code


def test_the_path_finds_the_tables_where_the_database_has_another_one(
    database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    do(database, "create schema other; create table other.trades (x integer)")
    do(database, f"alter database {name_of(database)} set search_path = other")
    try:
        assert opened(database, "-XAtc", "select count(traded_at) from trades") == 0
        assert capfd.readouterr().out == "0\n"
    finally:
        do(database, f"alter database {name_of(database)} reset search_path")
        do(database, "drop schema other cascade")


def test_an_empty_database_opens_all_the_same(empty_database: str) -> None:
    assert opened(empty_database, "-XAtc", "select 1") == 0


def test_no_secret_is_among_the_arguments_and_none_of_ours_in_the_variables(
    database: str, only_fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"postgresql://me:{SECRET}@h/d")
    said = only_fake / "said"
    environ = fake(only_fake, f'echo "$@" > {said}; env >> {said}')
    dsn = make_conninfo(database, password=SECRET, keepalives_idle=30)
    assert opened(dsn, "-Xq", environ=environ) == 0
    arguments, *variables = said.read_text().splitlines()
    assert arguments == "keepalives_idle=30 -Xq"
    assert f"PGPASSWORD={SECRET}" in variables
    assert not [each for each in variables if each.startswith("TRACKER_")]


def test_a_secret_without_a_variable_is_rejected(database: str) -> None:
    with pytest.raises(ConfigError, match="sslpassword") as caught:
        psql.address(make_conninfo(database, sslpassword=SECRET))
    assert SECRET not in str(caught.value)


def test_a_psql_of_the_system_does_where_the_server_has_none(
    database: str, only_fake: Path
) -> None:
    assert opened(database, environ=fake(only_fake, "exit 7")) == 7


def test_a_missing_psql_is_one_sentence_that_says_what_to_install(
    database: str, only_fake: Path
) -> None:
    with pytest.raises(ConfigError, match="postgresql-client"):
        opened(database, environ={"PATH": str(only_fake)})


def test_a_database_that_is_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        opened(make_conninfo("", host=str(tmp_path), dbname="x"))


def test_a_state_directory_without_a_database_is_left_as_it_is(tmp_path: Path) -> None:
    state = tmp_path / "state"
    config = load(["--psql", "--state-dir", str(state)], {}).config
    with pytest.raises(ConfigError, match="there is no database"):
        open_shell(config, (), os.environ)
    assert not state.exists()
    of_demo = state / "demo" / "tracker"
    (of_demo / "postgres" / "data").mkdir(parents=True)
    (of_demo / "postgres" / "data" / "PG_VERSION").write_text("18")
    with pytest.raises(ConfigError, match=f"--state-dir {of_demo}"):
        open_shell(config, (), os.environ)


@pytest.mark.live
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 5)])
def test_a_signal_to_the_tracker_ends_psql_but_ctrl_c_ends_a_statement_alone(
    database: str, only_fake: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C reaches both; the psql of this test takes no notice of it."""
    there = only_fake / "there"
    environ = fake(only_fake, f"trap '' INT; touch {there}; read line; exit 5")
    program = [
        sys.executable,
        "-c",
        "import sys; from actors.cli.main import main; sys.exit(main(sys.argv[1:]))",
        "--psql",
    ]
    programs = str(only_fake / "programs")
    env = {**os.environ, **settings(database), **environ, "TRACKER_POSTGRES_BIN": programs}
    root = Path(__file__).parents[2]
    with subprocess.Popen(program, env=env, cwd=root, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        until("it runs", there.exists)
        process.send_signal(number)
        if number == signal.SIGINT:
            process.stdin.write(b"on\n")
            process.stdin.flush()
        assert process.wait(60) == code
