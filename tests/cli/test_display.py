from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from actors.cli.display import Display
from actors.errors import PayloadRejected
from tests.cli.status_samples import health
from tests.cli.test_demo_screen import full


def test_the_table_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    display.show(health())
    assert capsys.readouterr().out.startswith("healthy\n")
    assert not display.is_terminal
    with pytest.raises(PayloadRejected):
        display.show({"state": "healthy"})


# Faults: in a pipe each line was filled up with blanks to 80 columns, and sentences were broken.


def test_what_is_written_to_a_pipe_is_neither_filled_up_nor_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = full(question="Will it rain? ")
    document["reasons"] = ["none of 2 connections is live " * 10]
    Display().show(document)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert lines[0].count("none of 2 connections is live") == 10
    (accounting,) = (line for line in lines if line.startswith("accounting"))
    assert accounting.endswith("balanced")
    assert max(map(len, lines[1:])) < 200  # tables stay beside each other


def test_watching_draws_until_interrupted_and_shows_errors() -> None:
    out = StringIO()
    display = Display(Console(file=out, force_terminal=True, width=80, height=40))
    looks = iter(("", "nobody\x1b answers", ""))
    waits: list[None] = []

    def look(show: Callable[[dict[str, Any]], None]) -> str:
        error = next(looks)
        if not error:
            show(health(live=False))
        return error

    def wait() -> None:
        waits.append(None)
        if len(waits) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        display.watch(look, wait)
    assert display.is_terminal
    assert "none of 2 connections is live" in out.getvalue()
    assert "nobody? answers" in out.getvalue()
    assert len(waits) == 2
