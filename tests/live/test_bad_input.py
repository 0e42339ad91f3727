"""What a person reads when a setting is wrong: one clear line, the right code, no traceback."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.database.schema.migration_files import migrations
from tests.live.processes import Process, Processes, processes_in
from tests.pgbouncer import pgbouncer
from tests.postgres import ask, do

pytestmark = [pytest.mark.live]

SECRET = "hunter2secret"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with processes_in(tmp_path, "") as found:
        yield found


def run(processes: Processes, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run the tracker to its end; return (code, standard output, standard error)."""
    env = {"TRACKER_STATE_DIR": str(processes.folder / "state"), **settings}
    process = Process("tracker", list(arguments), env, processes.folder / "errors")
    output = process.process.stdout
    assert output is not None
    said = output.read()
    return process.stop(within_s=20), said, process.log_text()


def error_text(code: int, said: str) -> str:
    """Return the one line, after the checks that hold for each."""
    assert code in {74, 78}
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("tracker: ")]
    assert len(lines) == 1, said
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (["--chek"], {}, "did you mean --check?"),
        (["--check", "--migrate"], {}, "exclude each other"),
        (["--duration", "soon"], {}, "number of seconds"),
        (["--reingest", "--since", "yesterday"], {}, "--since: must be a time such as 2026-11-01"),
        (["--since", "2026-11-01"], {}, "--since: only with --reingest"),
        (["--reingest"], {}, "there is no database in"),
        (
            ["--reingest"],
            {"TRACKER_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/db"},
            "start it, or correct TRACKER_DATABASE_URL",
        ),
        ([], {"TRACKER_REDUNDANCY": "nine"}, "variable TRACKER_REDUNDANCY"),
        ([], {"TRACKER_MARKET_WS_URL": "http://x"}, "wss://"),
        ([], {"TRACKER_CONFIG": "/nonexistent.toml"}, "/nonexistent.toml: cannot be read"),
        ([], {"TRACKER_STATE_DIR": "/dev/null/x"}, "state directory /dev/null/x"),
        (["--check"], {"TRACKER_DATABASE_URL": f"postgresql://u:{SECRET}@[x/db"}, "database_url"),
        (
            ["--check"],
            {"TRACKER_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/db"},
            "start it, or correct TRACKER_DATABASE_URL",
        ),
        (
            ["--migrate"],
            {"TRACKER_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/db"},
            "start it, or correct TRACKER_DATABASE_URL",
        ),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    processes: Processes, arguments: list[str], settings: dict[str, str], words: str
) -> None:
    code, output, errors = run(processes, *arguments, **settings)

    assert code == 78
    assert words in error_text(code, errors)
    assert SECRET not in output + errors


def test_a_status_socket_in_use_is_an_address_error(processes: Processes) -> None:
    path = processes.folder / "taken"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        code, _, errors = run(processes, TRACKER_STATUS_SOCKET=str(path))

    assert code == 74
    assert str(path) in error_text(code, errors)


@pytest.mark.db
def test_a_metrics_port_in_use_is_an_address_error_of_a_check(
    processes: Processes, database: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = run(
            processes,
            "--check",
            TRACKER_METRICS_PORT=str(port),
            TRACKER_DATABASE_URL=url_of(database),
            TRACKER_MARKET_WS_URL="ws://127.0.0.1:1/",
            TRACKER_GAMMA_URL="http://127.0.0.1:1",
        )

    assert code == 74
    assert str(port) in error_text(code, errors)


@pytest.mark.db
def test_a_newer_schema_is_rejected(processes: Processes, database: str) -> None:
    do(
        database,
        "INSERT INTO schema_migrations (name, checksum) VALUES ('9999_from_the_future.sql', 'x')",
    )
    for arguments in ([], ["--migrate"], ["--check"], ["--reingest"]):
        code, _, errors = run(processes, *arguments, TRACKER_DATABASE_URL=url_of(database))
        (processes.folder / "errors").unlink()

        assert code == 78
        assert "9999_from_the_future.sql" in error_text(code, errors)


@pytest.mark.db
def test_a_missing_schema_is_rejected_when_migration_is_off(
    processes: Processes, empty_database: str
) -> None:
    code, _, errors = run(
        processes, TRACKER_MIGRATE="false", TRACKER_DATABASE_URL=url_of(empty_database)
    )

    assert code == 78
    assert "tracker --migrate" in error_text(code, errors)


@pytest.mark.db
def test_migrate_names_what_it_applied_and_then_that_nothing_is_left(
    processes: Processes, empty_database: str
) -> None:
    url = url_of(empty_database)
    code, output, _ = run(processes, "--migrate", TRACKER_DATABASE_URL=url)
    assert code == 0
    assert output.splitlines() == [f"applied {found.name}" for found in migrations()]

    code, output, _ = run(processes, "--migrate", TRACKER_DATABASE_URL=url)
    assert (code, output) == (0, "the schema is up to date\n")


@pytest.mark.db
def test_check_prints_the_settings_in_force_without_secrets(
    processes: Processes, database: str
) -> None:
    url = url_of(database) + f"&password={SECRET}"
    code, output, errors = run(
        processes,
        "--check",
        TRACKER_DATABASE_URL=url,
        TRACKER_POLYGON_RPC_URLS=f"https://rpc.example/{SECRET}",
    )

    assert code == 0
    assert output.endswith("well\n")
    assert SECRET not in output + errors


@pytest.mark.db
def test_check_names_a_server_that_a_loss_of_power_may_damage(
    processes: Processes, database: str
) -> None:
    names = ("fsync", "full_page_writes")
    off = [name for name in names if ask(database, f"show {name}") == [("off",)]]
    code, output, _ = run(processes, "--check", TRACKER_DATABASE_URL=url_of(database))
    assert code == 0
    if off:
        named = ", ".join(f"{name}=off" for name in off)
        said = f"attention: a loss of power may damage the database: {named}"
        assert output.splitlines()[-2:] == [said, "all else is well"]
    else:
        assert output.endswith("all is well\n")


@pytest.mark.db
@pytest.mark.parametrize("arguments", [["--check"], ["--migrate"], []])
def test_a_pool_of_transactions_is_rejected_in_one_line_that_says_what_to_do(
    processes: Processes, database: str, arguments: list[str]
) -> None:
    with pgbouncer(database, pool_mode="transaction", default_pool_size=1) as pool:
        url = url_of(pool.dsn)
        code, _, errors = run(processes, *arguments, TRACKER_DATABASE_URL=url)
    assert "connect to PostgreSQL directly, or through a pool in session mode" in error_text(
        code, errors
    )
    assert code == 78


def url_of(dsn: str) -> str:
    return Processes(Path(), dsn).dsn
