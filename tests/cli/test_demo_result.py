"""What a demo prints at its end, and that README explains every word of it."""

import shlex
from dataclasses import fields
from pathlib import Path

from actors.cli.demo_result import DemoDir, look_commands
from actors.simulator.judge import Judgement
from tests.docs.test_reference import names

README = (Path(__file__).parents[2] / "README.md").read_text()


def demo_dir(dsn: str | None) -> DemoDir:
    return DemoDir(path=Path("/tmp/a b/demo"), socket=Path("/tmp/s"), dsn=dsn)


def test_the_commands_name_the_state_directory_of_the_embedded_database() -> None:
    shell, question = look_commands(demo_dir(None))
    assert shlex.split(shell) == ["bin/tracker", "--state-dir", "/tmp/a b/demo/tracker", "--psql"]
    assert shlex.split(question)[4:6] == ["--", "-c"]
    assert shlex.split(question)[-1].startswith("SELECT traded_at")


def test_a_configured_database_needs_no_name_and_is_not_named_in_the_command() -> None:
    shell, question = look_commands(demo_dir("postgresql://me:secret@db/x"))
    assert shell == "bin/tracker --psql"
    assert "secret" not in question


def test_every_word_of_the_last_line_is_explained() -> None:
    words = {field.name for field in fields(Judgement)} | {"reconnects", "restarts", "seconds"}
    table = README.partition("| word |")[2].partition("\n\n")[0]
    explained = [name for line in table.splitlines()[2:] for name in names(line.split("|")[1])]
    assert sorted(explained) == sorted(words)
    for word in words:
        assert f'"{word}": ' in README
