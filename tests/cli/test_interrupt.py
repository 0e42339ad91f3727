"""Ctrl-C where nothing has to be brought to an end: one line, no traceback, exit code 130."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.cli import main, status
from actors.errors import EXIT_INTERRUPTED
from tests.postgres import open_folder

ROOT = Path(__file__).parents[2]
PROGRAMS = ("tracker", "tracker-export", "tracker-report", "tracker-simulator", "tracker-status")
SLOW_MODULE = """
import signal
signal.raise_signal(signal.SIGINT)  # in the middle of an import
"""


def interrupt(*_: object) -> int:
    raise KeyboardInterrupt


def test_an_interrupted_mode_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "_mode", lambda _: interrupt)
    assert main.main(["--version"]) == EXIT_INTERRUPTED
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "tracker: interrupted\n")


def test_an_interrupted_question_about_the_status_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "ask", interrupt)
    assert status.main(["--socket", "/none", "--json"], environ={}) == EXIT_INTERRUPTED
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "tracker-status: interrupted\n")


def _run(
    program: str, *argv: str, path: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    places = {} if path is None else {"PYTHONPATH": str(path)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "bin" / program), *argv],
        env={"PATH": os.environ["PATH"], **places, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


@pytest.mark.live
@pytest.mark.timeout(60)
@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_during_the_imports_is_one_line(program: str, tmp_path: Path) -> None:
    # Python looks here before its own library; each of the programs imports it early.
    (tmp_path / "argparse.py").write_text(SLOW_MODULE)
    with _run(program, "--help", path=tmp_path) as process:
        assert process.communicate() == ("", f"{program}: interrupted\n")
    assert process.returncode == EXIT_INTERRUPTED


@pytest.mark.live
@pytest.mark.timeout(60)
def test_ctrl_c_while_it_looks_at_the_sources_is_one_line() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as never_answers,
        open_folder() as place,
    ):
        url = f"http://127.0.0.1:{never_answers.getsockname()[1]}"
        sides = ("GAMMA", "CLOB", "DATA")
        environ = {f"TRACKER_{side}_URL": url for side in sides}
        environ |= {"TRACKER_MARKET_WS_URL": url.replace("http", "ws")}
        environ |= {"TRACKER_POLYGON_RPC_URLS": "off"}
        argv = ("--check", "--online", "--state-dir", f"{place}/state")
        with _run("tracker", *argv, environ=environ) as process:
            peer, _ = never_answers.accept()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
            peer.close()
    assert (err, process.returncode) == ("tracker: interrupted\n", EXIT_INTERRUPTED)
    assert "all is well" in out
