from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from actors.cli.display import Display
from actors.errors import PayloadRejected
from tests.cli.status_samples import health


def test_the_table_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    display.show(health())
    assert capsys.readouterr().out.startswith("healthy\n")
    assert not display.is_terminal
    with pytest.raises(PayloadRejected):
        display.show({"state": "healthy"})


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
