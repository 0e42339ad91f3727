"""Every setting from every source; errors name what is wrong, and no secret is printed."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.config import manual
from actors.config.load import Config, Invocation, Mode, help_text, load, socket_candidates
from actors.config.settings import BOOLEANS
from actors.errors import EXIT_CONFIG, ConfigError

ROOT = Path(__file__).parents[2]
PASSWORD = "hunter2-open-sesame"
URL = f"postgresql://tracker:{PASSWORD}@db.example:5432/tracker"
ENVIRON = {"HOME": "/home/somebody"}


def loaded(*argv: str, **environ: str) -> Invocation:
    return load(argv, environ)


def rejected(*argv: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(argv, environ)
    assert caught.value.exit_code == EXIT_CONFIG
    return str(caught.value)


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


# ------------------------------------------------------------------- precedence


def test_flag_beats_variable_beats_credential_beats_file_beats_default(tmp_path: Path) -> None:
    file = written(tmp_path / "t.toml", 'redundancy = 1\nmax_assets = 1\ntags = ["a"]\n')
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "redundancy").write_text("2")
    (credentials / "max_assets").write_text("2\n")
    environ = {
        "TRACKER_REDUNDANCY": "3",
        "TRACKER_CONFIG": str(file),
        "CREDENTIALS_DIRECTORY": str(credentials),
    }
    found = load(["--redundancy", "4"], environ).config
    assert (found.redundancy, found.max_assets, found.tags) == (4, 2, ("a",))
    assert load([], environ).config.redundancy == 3
    assert found.origin("redundancy") == "flag --redundancy"
    assert load([], environ).config.origin("redundancy") == "variable TRACKER_REDUNDANCY"
    assert found.origin("max_assets") == "credential max_assets"
    assert found.origin("tags") == f"file {file} line 3"
    assert found.origin("markets") == "default"


def test_the_flag_names_the_file_before_the_variable_does(tmp_path: Path) -> None:
    one = written(tmp_path / "one.toml", "redundancy = 1\n")
    found = loaded("--config", str(one), TRACKER_CONFIG="/nowhere.toml")
    assert found.config.redundancy == 1


def test_an_empty_variable_counts_as_unset() -> None:
    assert loaded(TRACKER_REDUNDANCY="", TRACKER_DATABASE_URL=" ").config == loaded().config


@pytest.mark.parametrize("name", list(Config.model_fields))
def test_every_setting_has_a_flag_a_variable_a_file_key_and_a_line_in_the_help(
    tmp_path: Path, name: str
) -> None:
    values = {
        "database_url": URL, "state_dir": "/x/y", "status_socket": "/x/z.sock",
        "market_ws_url": "ws://127.0.0.1:1/ws", "rtds_url": "ws://127.0.0.1:1/r", "gamma_url": "http://127.0.0.1:1/g",
        "clob_url": "http://127.0.0.1:1/c", "data_url": "http://127.0.0.1:1/d",
        "polygon_rpc_urls": "http://127.0.0.1:1/rpc", "user_agent": "me", "tags": "a,b",
        "markets": "a,b", "log_level": "debug", "log_format": "json", "min_volume": "1.5",
        "metrics_port": "9000", "redundancy": "3", "assets_per_connection": "50",
        "max_message_bytes": "1MiB", "journal_max_bytes": "1GiB", "inflight_max": "500",
        "journal_sync_ms": "5", "max_assets": "9", "shard": "2/3", "cpus": "all",
        "metrics_address": "::1",
    }  # fmt: skip
    off = Config.model_fields[name].default is False
    text = str(off).lower() if name in BOOLEANS else values.get(name, "77")
    by_variable = load([], {manual.variable(name): text}).config
    flag = [manual.flag(name)] if name in BOOLEANS else [manual.flag(name), text]
    file = written(tmp_path / "t.toml", f"{name} = {text!r}\n")
    assert getattr(by_variable, name) != getattr(Config(), name)
    for other in (load(flag, {}).config, load(["--config", str(file)], {}).config):
        assert getattr(other, name) == getattr(by_variable, name)
    assert manual.flag(name) in help_text()
    assert manual.variable(name) in help_text()


# ------------------------------------------------------------------------ places


def test_directories_that_systemd_made_are_used() -> None:
    found = loaded(STATE_DIRECTORY="/var/lib/tracker:/other", RUNTIME_DIRECTORY="/run/tracker")
    assert found.config.state_dir == Path("/var/lib/tracker")
    assert found.config.status_socket == Path("/run/tracker/tracker.sock")
    assert found.config.origin("state_dir") == "STATE_DIRECTORY"
    assert loaded(TRACKER_STATE_DIR="/x", STATE_DIRECTORY="/y").config.state_dir == Path("/x")


def test_without_systemd_the_users_own_place_is_used() -> None:
    own = "/var/lib/tracker" if os.geteuid() == 0 else "~/.local/state/tracker"
    assert loaded().config.state_dir == Path(own).expanduser()
    assert loaded(XDG_STATE_HOME="/xdg").config.state_dir == Path("/xdg/tracker")
    assert loaded(XDG_STATE_HOME="relative").config.state_dir == loaded().config.state_dir


def test_a_relative_place_is_so_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert loaded(TRACKER_STATE_DIR=".state").config.state_dir == tmp_path / ".state"
    assert socket_candidates({"TRACKER_STATE_DIR": ".state"}) == (
        tmp_path / ".state" / "tracker.sock",
    )


def test_the_status_socket_is_in_the_state_directory_by_default() -> None:
    assert loaded(TRACKER_STATE_DIR="/x").config.status_socket == Path("/x/tracker.sock")
    assert Config(state_dir=Path("/y")).status_socket == Path("/y/tracker.sock")
    assert loaded("--status-socket", "/z.sock").config.status_socket == Path("/z.sock")


def test_a_socket_path_that_no_kernel_takes_is_rejected_with_its_length() -> None:
    message = rejected(TRACKER_STATE_DIR="/" + "x" * 120)
    assert "134 bytes" in message
    assert "TRACKER_STATUS_SOCKET" in message


def test_a_home_with_a_long_path_is_in_nobodys_way_but_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", f"/{'h' * 120}")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert load(["--version"], {}).mode is Mode.VERSION
    assert load([], {"TRACKER_STATE_DIR": "/short"}).config.state_dir == Path("/short")
    with pytest.raises(ConfigError, match=r"status_socket .* limit is 100"):
        load([], {})


def test_the_reader_of_the_socket_looks_where_the_tracker_puts_it() -> None:
    for environ in (
        {"TRACKER_STATUS_SOCKET": "/s.sock"},
        {"TRACKER_STATE_DIR": "/x"},
        {"RUNTIME_DIRECTORY": "/run/me"},
        {"STATE_DIRECTORY": "/var/me"},
        {},
    ):
        places = socket_candidates(environ)
        assert places[0] == load([], environ).config.status_socket
    assert Path("/run/tracker/tracker.sock") in socket_candidates({})


def test_the_reader_of_the_socket_believes_the_file_when_it_may_read_it(tmp_path: Path) -> None:
    file = written(tmp_path / "t.toml", 'state_dir = "/from/file"\nredundancy = 9\n')
    environ = {"TRACKER_CONFIG": str(file)}
    assert socket_candidates(environ) == (Path("/from/file/tracker.sock"),)
    usual = socket_candidates({"TRACKER_CONFIG": str(tmp_path / "gone")})
    assert [path.parent.name for path in usual] == [
        "tracker",
        "tracker",
        "tracker-blue",
        "tracker-green",
    ]
    both = {**environ, "TRACKER_STATUS_SOCKET": "/s.sock"}
    assert socket_candidates(both) == (Path("/s.sock"),)


# ------------------------------------------------------------------------- modes


@pytest.mark.parametrize("mode", list(Mode))
def test_each_mode_has_its_flag(mode: Mode) -> None:
    argv = [] if mode is Mode.RUN else [f"--{mode}"]
    if mode is Mode.ACKNOWLEDGE:
        argv += ["0x1", "--reason", "seen"]
    if mode is Mode.RETIRE:
        argv.append("old-host")
    assert loaded(*argv).mode is mode


def test_help_and_version_answer_whatever_else_is_wrong() -> None:
    assert loaded("-h", TRACKER_REDUNDANCY="x").mode is Mode.HELP
    assert loaded("--version", TRACKER_CONFIG="/nowhere").mode is Mode.VERSION


def test_a_run_and_a_demo_may_end_by_themselves() -> None:
    assert loaded("--duration", "1.5").duration_s == 1.5
    assert loaded("--demo", "--duration", "30").duration_s == 30
    assert loaded().duration_s is None


def test_what_follows_two_dashes_is_for_psql() -> None:
    assert loaded("--psql").arguments == ()
    found = loaded("--psql", "--state-dir", "/s", "--", "-c", "select 1", "--", "--demo")
    assert (found.mode, found.arguments) == (Mode.PSQL, ("-c", "select 1", "--", "--demo"))
    assert str(found.config.state_dir) == "/s"
    assert loaded("--psql", "--").arguments == ()
    for argv in (("--",), ("--demo", "--", "-c"), ("--check", "--")):
        assert rejected(*argv).startswith("--: only with --psql")
    assert "unknown option -c" in rejected("--psql", "-c", "select 1")


def test_beliefs_are_broken_in_a_demo_only() -> None:
    assert loaded("--demo", "--broken", "keyset_gone").broken == "keyset_gone"
    assert loaded("--demo").broken == ""
    assert "--broken: only with --demo" in rejected("--broken", "keyset_gone")


def test_only_a_check_looks_at_the_real_exchange() -> None:
    assert loaded("--check", "--online").online
    assert not loaded("--check").online
    assert "--online: only with --check" in rejected("--online")


def test_a_recording_is_kept_of_a_look_only() -> None:
    assert loaded("--check", "--online", "--record", "there").record == Path("there")
    assert loaded("--check", "--online").record is None
    assert "--record: only with --check --online" in rejected("--check", "--record", "there")
    assert "--record: must name a directory" in rejected("--check", "--online", "--record", "")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:30", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
        ("2026-11-01 12:30:15Z", datetime(2026, 11, 1, 12, 30, 15, tzinfo=UTC)),
        ("2026-11-01T12:30+02:00", datetime(2026, 11, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_reingest_may_begin_at_a_time(text: str, at: datetime) -> None:
    assert loaded("--reingest", "--since", text).since == at
    assert loaded("--reingest").since is None


@pytest.mark.parametrize("text", ["", "yesterday", "12:30", "2026-13-01", "1e9", "2026-11-01T99"])
def test_a_time_that_is_none_is_rejected_and_not_repeated(text: str) -> None:
    (line,) = rejected("--reingest", "--since", text).splitlines()
    assert line.startswith("--since: must be a time such as 2026-11-01 ")
    assert len(line) < 80


def test_only_a_reingest_begins_at_a_time() -> None:
    assert "--since: only with --reingest" in rejected("--since", "2026-11-01")
    assert "exclude each other" in rejected("--reingest", "--check")


@pytest.mark.parametrize(
    "argv",
    [
        ("--check", "--demo"),
        ("--duration", "0"),
        ("--duration", "nan"),
        ("--duration", "inf"),
        ("--duration", "soon"),
        ("--duration",),
        ("--check", "--duration", "5"),
    ],
)
def test_modes_that_make_no_sense_are_rejected(argv: tuple[str, ...]) -> None:
    assert argv[0] in rejected(*argv) or "--duration" in rejected(*argv)


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("REDUNDANCY", "0", "greater than or equal to 1"),
        ("REDUNDANCY", "5", "less than or equal to 4"),
        ("REDUNDANCY", "two", "valid integer"),
        ("ASSETS_PER_CONNECTION", "1", "greater than or equal to 2"),
        ("ASSETS_PER_CONNECTION", "501", "less than or equal to 500"),
        ("SILENCE_SECONDS", "nan", "finite"),
        ("SILENCE_SECONDS", "1", "greater than or equal to 5"),
        ("MIN_VOLUME", "-1", "greater than or equal to 0"),
        ("MIN_VOLUME", "NaN", "finite"),
        ("JOURNAL_SYNC_MS", "0", "greater than or equal to 1"),
        ("JOURNAL_MAX_BYTES", "12 parsecs", "byte"),
        ("METRICS_PORT", "65536", "less than or equal to 65535"),
        ("METRICS_ADDRESS", "localhost", "IP address of this host"),
        ("METRICS_ADDRESS", "0.0.0.0:9464", "without a port"),
        ("METRICS_ADDRESS", "*", "0.0.0.0 or :: for all"),
        ("METRICS_ADDRESS", "10.0.0.256", "IP address"),
        ("METRICS_ADDRESS", "[::1]", "IP address"),
        ("METRICS_ADDRESS", "fe80::1%eth0", "IP address"),
        ("METRICS_ADDRESS", "224.0.0.1", "IP address"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO'"),
        ("LOG_FORMAT", "xml", "'json'"),
        ("MARKET_WS_URL", "https://x", "wss://host"),
        ("MARKET_WS_URL", "wss://", "wss://host"),
        ("MARKET_WS_URL", "wss://x:port/", "wss://host"),
        ("MARKET_WS_URL", "wss://[x/", "wss://host"),
        ("GAMMA_URL", "ftp://x", "https://host"),
        ("GAMMA_URL", "http://x/a b", "blanks"),
        ("STATE_DIR", "~nobody-of-this-name/x", "home directory"),
        ("USER_AGENT", "evil\r\nX: y", "printable"),
        ("MIGRATE", "maybe", "boolean"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_place_and_what_would_be_right(
    name: str, text: str, expected: str
) -> None:
    message = rejected(**{f"TRACKER_{name}": text})
    assert f"variable TRACKER_{name}" in message
    assert expected in message
    assert "\n" not in message


def test_all_errors_are_reported_at_once() -> None:
    message = rejected("--redundancy", "9", TRACKER_MAX_ASSETS="-1").splitlines()
    assert len(message) == 2
    assert "flag --redundancy" in message[0]
    assert "variable TRACKER_MAX_ASSETS" in message[1]


def test_a_mistyped_flag_is_rejected_with_the_likely_one() -> None:
    assert "--redundancy?" in rejected("--redundncy", "2")
    assert "unknown option --re" in rejected("--re", "2")


def test_an_argument_that_belongs_to_no_option_is_named_by_its_place() -> None:
    said = rejected("--tags", "a", PASSWORD)
    assert "argument 3 belongs to no option" in said
    assert PASSWORD not in said
    assert "(did you mean --demo?)" in rejected("demo")


def test_a_mistyped_variable_is_warned_of_and_those_of_tests_are_not() -> None:
    found = load([], {"TRACKER_REDUNDNCY": PASSWORD, "TRACKER_TEST_X": "1", "OTHER": "1"})
    (warning,) = found.warnings
    assert "TRACKER_REDUNDNCY (did you mean TRACKER_REDUNDANCY?)" in warning
    assert PASSWORD not in warning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redundancy = 2\nredundncy = 3\n", "line 2: unknown key 'redundncy' (did you mean"),
        ("[tracker]\nredundancy = 3\n", "line 1: unknown key 'tracker'"),
        ("redundancy = \n", "is not TOML at line 1"),
        ("\n\nredundancy = 9\n", "line 3): should be less than"),
        ("redundancy = true\n", "line 1): must not be true or false"),
        ("migrate = 7\n", "boolean"),
        ("gamma_url = 7\n", "valid string"),
        ("tags = [1]\n", "valid string"),
        ("state_dir = []\n", "state_dir (file"),
    ],
)
def test_a_wrong_file_is_rejected_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    file = written(tmp_path / "t.toml", text)
    message = rejected("--config", str(file))
    assert expected in message
    assert str(file) in message


def test_a_file_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    assert "No such file" in rejected("--config", str(tmp_path / "gone.toml"))
    assert "Is a directory" in rejected("--config", str(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "UTF-8" in rejected("--config", str(tmp_path / "binary"))
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(2 << 20)
    assert "larger than" in rejected("--config", str(tmp_path / "huge"))


def test_a_credentials_directory_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    assert "CREDENTIALS_DIRECTORY" in rejected(CREDENTIALS_DIRECTORY=str(tmp_path / "gone"))


def test_an_unknown_credential_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(URL)
    (warning,) = load([], {}, credentials=tmp_path).warnings
    assert "'dsn'" in warning
    assert PASSWORD not in warning


def test_the_environment_of_the_process_is_not_touched() -> None:
    before = dict(os.environ)
    loaded("--redundancy", "3", TRACKER_TAGS="a")
    assert dict(os.environ) == before
