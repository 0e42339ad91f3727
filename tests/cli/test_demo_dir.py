"""A demo keeps to itself: its database, its settings, its directory, its socket."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.app.database_of import VERSION_FILE
from actors.app.places import DATABASE
from actors.cli import demo, main
from actors.cli.demo_dir import DemoDir, free_socket, require_own_data, require_own_settings
from actors.cli.demo_processes import last_errors, tracker_environment, without_settings
from actors.config.load import Config, load
from actors.config.manual import OTHER_VARIABLES, variable
from actors.database.store import Store
from actors.errors import EXIT_CONFIG, ConfigError, StateDirBusy, StoreUnavailable
from actors.model.storage import Batch
from tests.database.samples import CONDITION, market
from tests.live.processes import as_url
from tests.postgres import open_folder

URL = "postgresql://me@db.example/mine"
URLS = {name: f"http://127.0.0.1/{name}" for name in
        ("ws_url", "gamma_url", "clob_url", "data_url", "rpc_url")}  # fmt: skip
URLS["ws_url"] = "ws://127.0.0.1/ws"
URLS["rtds_url"] = "ws://127.0.0.1/rtds"


def config(*argv: str, credentials: Path | None = None, **environ: str) -> Config:
    return load(["--demo", *argv], environ, credentials=credentials).config


def demo_dir(folder: Path, dsn: str | None = None) -> DemoDir:
    return DemoDir(folder / "demo", folder / "s", dsn)


# ---------------------------------------------------------------------- the database
# Fault: with TRACKER_DATABASE_URL set, as the manual says, `make demo` stored simulated trades in
# the database of the real ones, without a word.


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    file.chmod(0o600)
    return file


def test_a_database_of_the_environment_or_a_file_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    written(tmp_path / "credentials", "database_url", URL)
    file = written(tmp_path, "tracker.toml", f'tags = ["x"]\ndatabase_url = "{URL}"\n')
    for named, origin in (
        (config(TRACKER_DATABASE_URL=URL), "variable TRACKER_DATABASE_URL"),
        (config(credentials=tmp_path / "credentials"), "credential database_url"),
        (config("--config", str(file)), f"file {file} line 2"),
        (config(TRACKER_CONFIG=str(file)), f"file {file} line 2"),
    ):
        with pytest.raises(ConfigError, match="--demo --database-url URL") as found:
            require_own_settings(named)
        assert str(found.value).startswith(f"{origin} names a database")
        assert "db.example" not in str(found.value)


def test_a_database_that_the_command_line_names_is_used_and_none_is_needed() -> None:
    require_own_settings(config("--database-url", URL, TRACKER_DATABASE_URL="postgresql:///other"))
    require_own_settings(config(TRACKER_TAGS="bitcoin"))


def test_the_warning_about_a_password_names_no_place_that_a_demo_does_not_read() -> None:
    (warning,) = load(["--demo", "--database-url", URL], {}).warnings
    assert "PGPASSWORD" in warning
    assert "TRACKER_DATABASE_URL" not in warning


def test_the_program_says_so_in_one_line_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", URL)
    monkeypatch.setenv("TRACKER_STATE_DIR", str(tmp_path / "state"))
    assert main.main(["--demo"]) == EXIT_CONFIG
    lines = capsys.readouterr().err.splitlines()
    (line,) = (each for each in lines if each.startswith("tracker: "))
    assert "env -u TRACKER_DATABASE_URL make demo" in line
    assert not (tmp_path / "state" / "demo").exists()


@pytest.mark.db
def test_a_database_with_markets_of_others_is_left_alone(
    tmp_path: Path, store: Store, database: str, empty_database: str
) -> None:
    ledger = tmp_path / "demo" / "simulator" / "ledger.jsonl"
    require_own_data(as_url(empty_database), ledger)
    require_own_data(as_url(database), ledger)
    store.commit(Batch(markets=(market(),)))
    with pytest.raises(ConfigError, match="name an empty database"):
        require_own_data(as_url(database), ledger)
    ledger.parent.mkdir(parents=True)
    ledger.write_text(f'{{"kind":"market","condition":"{CONDITION}"}}\n')
    require_own_data(as_url(database), ledger)


def test_a_database_that_does_not_answer_is_named_before_anything_starts(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreUnavailable),
        demo_dir(tmp_path, "postgresql://a@127.0.0.1:1/x").entered(),
    ):
        pass


# ---------------------------------------------------------------------- the settings
# Fault: TRACKER_TAGS=bitcoin TRACKER_MAX_ASSETS=200 reached the tracker of a demo, which found no
# market of the simulator.


def everything_set() -> dict[str, str]:
    names = {*map(variable, Config.model_fields), *OTHER_VARIABLES, "TRACKER_TEST_X"}
    return dict.fromkeys((*names, "PGPASSWORD", "PGHOST", "CREDENTIALS_DIRECTORY", "HOME"), "x")


def environment(environ: Mapping[str, str], folder: Path, dsn: str | None = None) -> dict[str, str]:
    asked = config("--log-level", "DEBUG", "--metrics-address", "127.0.0.2")
    return tracker_environment(environ, asked, demo_dir(folder, dsn), URLS, 9464)


def test_the_tracker_of_a_demo_has_no_setting_of_its_users(tmp_path: Path) -> None:
    given = environment(everything_set(), tmp_path)
    bare = environment({}, tmp_path)
    assert given == {**bare, "HOME": "x", "TRACKER_POSTGRES_BIN": "x"}
    read = load([], given).config
    assert (read.log_level, read.metrics_address, read.metrics_port) == ("DEBUG", "127.0.0.2", 9464)
    assert (read.tags, read.max_assets, read.dsn) == ((), 0, None)
    assert without_settings(everything_set()) == {"HOME": "x"}


def test_variables_of_libpq_are_for_a_database_that_was_named(tmp_path: Path) -> None:
    given = environment(everything_set(), tmp_path, URL)
    assert (given["PGPASSWORD"], given["TRACKER_DATABASE_URL"]) == ("x", URL)


@pytest.mark.parametrize("argument", ["--tags", "--max-assets", "--user-agent", "--cpus"])
def test_a_flag_that_has_no_effect_in_a_demo_is_an_error(argument: str) -> None:
    value = {"--max-assets": "3", "--cpus": "all"}.get(argument, "x")
    with pytest.raises(ConfigError, match=f"^{argument}: has no effect in a demo"):
        require_own_settings(config(argument, value))


# -------------------------------------------------------- the directory and the socket


def test_runs_are_counted_and_a_second_demo_at_a_time_is_kept_out(tmp_path: Path) -> None:
    first = demo_dir(tmp_path)
    with first.entered() as number:
        assert number == 1
        busy = pytest.raises(StateDirBusy, match=f"another demo runs in {first.path}")
        with busy, demo_dir(tmp_path).entered():
            pass
    with first.entered() as number:
        assert number == 2


def test_a_demo_beside_a_tracker_answers_at_a_place_of_its_own() -> None:
    with open_folder() as folder:
        usual, own = folder / "s", folder / "own"
        assert free_socket(usual, own) == usual
        with socket.socket(socket.AF_UNIX) as tracker:
            tracker.bind(str(usual))
            assert free_socket(usual, own) == usual  # nobody listens
            tracker.listen()
            assert free_socket(usual, own) == own


def test_the_screen_names_a_socket_of_its_own(tmp_path: Path) -> None:
    found = demo_dir(tmp_path / "a b")
    assert list(demo.head_lines(found, 1))[1:] == [
        "more: bin/tracker-status, http://localhost:1/   stop: Ctrl-C"
    ]
    found.socket = found.tracker / "tracker.sock"
    text = "\n".join(demo.head_lines(found, 1))
    assert f"bin/tracker-status --socket '{found.socket}'" in text
    assert str(found.usual_socket) in text


# Fault: a demo after an upgrade said that the schema is of another version, and not what to do.


@pytest.mark.parametrize(
    "error",
    [
        "the database was made by a version from before the tables were settled",
        "the migration 0001_x.sql was edited after it was applied to the database",
        "journal/7.seg has journal format 9; this version of the tracker reads up to 3",
        "/x/data was made by PostgreSQL 17, but /usr is 18: name a folder with PostgreSQL 17",
    ],
)
def test_what_earlier_demos_left_is_named_with_how_to_begin_anew(
    tmp_path: Path, error: str
) -> None:
    found = demo_dir(tmp_path / "a b")
    errors = [f"tracker: {error}"]
    assert found.how_to_begin_anew(errors) == []  # nothing is left by any
    made = found.tracker / DATABASE / VERSION_FILE
    made.parent.mkdir(parents=True)
    made.write_text("18\n")
    (hint,) = found.how_to_begin_anew(errors)
    assert f"`rm -r '{found.path}'`" in hint
    assert found.how_to_begin_anew(["tracker: no PostgreSQL server is installed"]) == []
    named = DemoDir(found.path, found.usual_socket, "postgresql:///demo")
    assert named.how_to_begin_anew(errors) == []


# Fault: after a start that failed, errors of earlier runs were printed as its own.


def test_errors_of_earlier_runs_are_not_repeated(tmp_path: Path) -> None:
    found = demo_dir(tmp_path)
    with found.entered():
        log = found.path / "tracker.log"
        log.write_text("tracker: of before\n")
        log_at = log.stat().st_size
        with log.open("a") as lines:
            lines.write('{"event": "x"}\ntracker: of now\n')
        assert last_errors(found, log_at) == ["tracker: of now"]
        assert last_errors(found, log.stat().st_size) == []
