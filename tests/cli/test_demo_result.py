"""What a demo prints at its end, and that README explains every word of it."""

import json
import shlex
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.cli.demo import may_trade
from actors.cli.demo_dir import DemoDir
from actors.cli.demo_result import RunFigures, look_commands, tell
from actors.errors import EXIT_INTERNAL, EXIT_OK
from actors.simulator.judge import Judgement
from tests.docs.test_reference import names

README = (Path(__file__).parents[2] / "README.md").read_text()


def demo_dir(dsn: str | None) -> DemoDir:
    return DemoDir(Path("/tmp/a b/demo"), Path("/tmp/s"), dsn)


def test_the_commands_name_the_state_directory_of_the_embedded_database() -> None:
    shell, question = look_commands(demo_dir(None))
    assert shlex.split(shell) == ["bin/tracker", "--state-dir", "/tmp/a b/demo/tracker", "--psql"]
    assert shlex.split(question)[4:6] == ["--", "-c"]
    assert shlex.split(question)[-1].startswith("SELECT traded_at")


def test_a_database_that_was_named_is_named_in_the_command_unless_it_has_a_password() -> None:
    shell, question = look_commands(demo_dir("postgresql://me:secret@db/x"))
    assert shell == "bin/tracker --database-url URL --psql"
    assert "secret" not in question
    shell, _ = look_commands(demo_dir("postgresql://me@db/x?application_name=a%20b"))
    assert shlex.split(shell)[1:] == [
        "--database-url",
        "postgresql://me@db/x?application_name=a%20b",
        "--psql",
    ]


def test_every_word_of_the_last_line_is_explained() -> None:
    words = {field.name for field in fields(Judgement)} | {"reconnects", "restarts", "seconds"}
    table = README.partition("| word |")[2].partition("\n\n")[0]
    explained = [name for line in table.splitlines()[2:] for name in names(line.split("|")[1])]
    assert sorted(explained) == sorted(words)
    for word in words:
        assert f'"{word}": ' in README


# Faults: a busy machine on which new markets always wait never trades at all, and a demo in which
# nothing was sent says that every promise held, by its exit code or in so many words.


@pytest.mark.parametrize(
    ("seconds", "covered", "begins"),
    [(1.0, 20, True), (1.0, 19, False), (30.0, 19, True), (30.0, 10, True), (30.0, 9, False)],
)
def test_trades_begin_when_all_is_covered_and_later_when_most_is(
    seconds: float, covered: int, begins: bool
) -> None:
    document = {"assets": {"wanted": 20, "covered": covered}}
    assert may_trade(document, seconds) is begins


def test_no_trade_begins_before_the_tracker_has_a_plan() -> None:
    for document in ({}, {"assets": {"wanted": 0, "covered": 0}}):
        assert not may_trade(document, 100.0)


@pytest.mark.parametrize(
    ("sent", "stopped", "code"),
    [(0, False, EXIT_INTERNAL), (0, True, EXIT_OK), (5, False, EXIT_OK)],
)
@pytest.mark.parametrize("number", [1, 2])
def test_a_whole_demo_that_sent_nothing_does_not_end_well(
    number: int, sent: int, stopped: bool, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = dict.fromkeys((field.name for field in fields(Judgement)), 0)
    ours = Judgement(**{**nothing, "sent": sent, "stored": sent})
    began = datetime(2026, 3, 1, tzinfo=UTC)
    run = RunFigures(number=number, began=began, restarts=0, seconds=9.0, stopped=stopped)
    assert tell(demo_dir(None), run, ours, ours, reconnects=0) == code
    said = capsys.readouterr().out
    assert ("Nothing was sent" in said) is (sent == 0)
    assert ("every promise held" in said) is (sent > 0)
    assert json.loads(said.splitlines()[-1])["sent"] == sent
