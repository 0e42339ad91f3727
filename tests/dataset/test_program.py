"""`tracker-export` on the command line: what it says, and its exit codes."""

import io
import json
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from actors.database.store import Store
from actors.dataset.days import name_of_market
from actors.dataset.export.program import main
from actors.dataset.export.progress import Bar, JsonLines
from actors.errors import ConfigError
from tests.dataset.stored import fill
from tests.postgres import do

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)


def as_url(dsn: str) -> str:
    return "postgresql://?" + urllib.parse.urlencode(conninfo_to_dict(dsn))


def run(*argv: str, dsn: str = "") -> int:
    environ = {"TRACKER_DATABASE_URL": as_url(dsn)} if dsn else {}
    return main(argv, environ=environ, clock=lambda: NOW)


@pytest.mark.db
def test_yesterday_is_exported_and_verified(
    store: Store, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store)
    assert run("--from", "yesterday", "--out", str(tmp_path / "r"), dsn=database) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["begin", "day", "end"]
    assert lines[1]["day"] == "2026-03-02"
    assert run("--verify", str(tmp_path / "r")) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'r'}: whole\n"
    (tmp_path / "r/note").write_text("mine")
    assert run("--verify", str(tmp_path / "r")) == 1
    said = capsys.readouterr()
    assert said.out == "note does not belong here\n"
    assert said.err == f"tracker-export: {tmp_path / 'r'}: 1 fault\n"


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("--from", "2026-03-01"), 78, "--out: name the directory"),
        (("--out", "r"), 78, "--from: name the first day"),
        (("--from", "March", "--out", "r"), 78, "--from: 'March' is no day"),
        (("--from", "1999-01-01", "--out", "r"), 78, "days are from 2020-01-01 to 2099-12-31"),
        (("--from", "2026-03-02", "--to", "2026-03-02", "--out", "r"), 78,
         "--to: 2026-03-02 is not after 2026-03-02; it is the first day that is left out"),
        (("--from", "2026-03-01", "--as-of", "now", "--out", "r"), 78, "--as-of: 'now' is no time"),
        (("--from", "2026-03-01", "--as-of", "2026-03-04", "--out", "r"), 78, "has not come yet"),
        (("--from", "2026-03-01", "--format", "csv", "--out", "r"), 78, "invalid choice: 'csv'"),
        (("--verify", "r", "--from", "2026-03-01"), 78, "--verify: goes with no other option"),
        (("--markets", "https://polymarket.com/leaderboard", "--from", "2026-03-01", "--out", "r"),
         78, "names no market"),
        (("--verify", "r"), 1, "tracker-export: r: 1 fault"),
        (("--from", "2026-03-01", "--out", "r", "--database-url", "postgresql://a@127.0.0.1:9/b"),
         74, "Connection refused; start it, or correct --database-url; what is finished"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_says_so(
    argv: tuple[str, ...],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*argv) == code
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "warning" not in line)
    assert said in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.db
def test_a_directory_that_cannot_be_written_and_a_foreign_schema_are_one_line(
    database: str, empty_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--from", "2026-03-01", "--out", "/proc/r", dsn=database) == 78
    assert "--out: /proc/r cannot be written to" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert run("--from", "2026-03-01", "--out", str(tmp_path / "file/r"), dsn=database) == 78
    assert run("--from", "2026-03-04", "--out", str(tmp_path / "r"), dsn=empty_database) == 78
    assert "it has not the schema of this version" in capsys.readouterr().err


@pytest.mark.db
def test_a_database_that_ends_its_session_is_one_line(
    store: Store, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store)
    do(database, "create function public.ends() returns boolean language sql as "
       "'select pg_terminate_backend(pg_backend_pid())'")  # fmt: skip
    do(database, "create or replace view public.coverage as select token_id, tstzrange(null, null)"
       " as during, now() as known_at from public.assets where public.ends()")  # fmt: skip
    assert run("--from", "2026-03-01", "--out", str(tmp_path / "r"), dsn=database) == 74
    assert "tracker-export: database: " in capsys.readouterr().err
    assert run("--verify", str(tmp_path / "r")) == 0


def test_a_market_is_named_by_id_slug_or_address() -> None:
    for text in (
        "will-it-rain",
        "https://polymarket.com/event/will-it-rain",
        "https://polymarket.com/event/weather/will-it-rain?tid=1#x",
        "polymarket.com/market/will-it-rain",
        " will-it-rain ",
    ):
        assert name_of_market(text) == "will-it-rain"
    with pytest.raises(ConfigError, match="names no market"):
        name_of_market("https://polymarket.com/")


def test_lines_about_the_same_work_are_few() -> None:
    out, now = io.StringIO(), [0.0]
    with JsonLines(out, lambda: now[0]) as lines:
        for rows in range(30):
            now[0] = float(rows)
            lines.say("rows", {"rows": rows})
    assert [json.loads(line)["rows"] for line in out.getvalue().splitlines()] == [10, 20]


def test_a_terminal_sees_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar() as bar:
        bar.say("begin", {"days": 2})
        bar.say("rows", {"day": "2026-03-01", "rows": 5, "of": 10})
        day = {"day": "2026-03-01", "rows": 10, "state": "final", "written": True}
        bar.say("day", {**day, "revision": 2, "reason": "1 more trade"})
        bar.say("markets", {"markets": 7})
        bar.say("end", {"rows": 10, "days": 2, "open": ["2026-03-02"]})
    said = capsys.readouterr().err
    assert "2026-03-01            10 trades  final  revision 2: 1 more trade" in said
    assert "more trades may come of: 2026-03-02" in said
