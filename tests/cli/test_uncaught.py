"""An error that nobody foresaw ends any mode with 70 and a traceback, in which no secret is."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cli import main
from actors.config.load import secret_variables
from actors.errors import EXIT_INTERNAL

ROOT = Path(__file__).parents[2]
PASSWORD = "hunter2+secret"
URL = f"postgresql://u:{PASSWORD.replace('+', '%2B')}@127.0.0.1:1/db"
KEY = "0123456789abcdef-key"
NODES = f"http://127.0.0.1:1/v2/{KEY}, http://127.0.0.1:2/"
IN_A_THREAD = """
import sys, threading
from actors.cli import main

def fail():
    raise RuntimeError("it is " + sys.argv[1])

def run(invocation):
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    return 0

main._mode = lambda _: run
sys.exit(main.main(["--check"]))
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRACKER_DATABASE_URL", URL)
    monkeypatch.setenv("TRACKER_POLYGON_RPC_URLS", NODES)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


# What a URL consists of is known when the settings are read.
@pytest.mark.parametrize(
    ("where", "text"),
    [("mode", PASSWORD)]
    + [
        (where, text)
        for where in ("mode", "settings")
        for text in (URL, NODES, NODES.split(", ", maxsplit=1)[0])
    ],
)
def test_an_error_of_ours_is_logged_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, text: str
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError(f"the cause is {text}")

    if where == "mode":
        monkeypatch.setattr(main, "_mode", lambda _: fail)
    else:
        monkeypatch.setattr(main, "load", fail)
    assert main.main(["--check"]) == EXIT_INTERNAL
    said = capsys.readouterr()
    assert "RuntimeError: the cause is" in said.err
    assert "uncaught" in said.err
    assert text not in said.out + said.err
    assert PASSWORD not in said.err
    assert KEY not in said.err


@pytest.mark.live
def test_an_error_in_a_thread_of_any_mode_is_logged_without_secrets() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_THREAD, PASSWORD],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "RuntimeError: it is" in done.stderr
    assert PASSWORD not in done.stderr


def test_what_is_known_to_be_secret_before_the_settings_are_read() -> None:
    found = secret_variables({"TRACKER_DATABASE_URL": URL, "TRACKER_POLYGON_RPC_URLS": NODES})
    assert {URL, NODES, f"http://127.0.0.1:1/v2/{KEY}"} <= found
    assert secret_variables({"TRACKER_DATABASE_URL": "", "TRACKER_GAMMA_URL": "https://x"}) == set()
