"""A program imports what the command line asks for: help and wrong options are answered at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.processes import ROOT

# What is imported, and not how long that took: the same on every machine.
IMPORTED = """
import atexit, runpy, sys
atexit.register(lambda: sys.stderr.write("\\nimported " + " ".join(sys.modules)))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
RUN_ALONE = ("pykka", "requests", "rich", "websocket", "actors.app.tracker", "actors.app.look")


@pytest.mark.live
@pytest.mark.parametrize(
    ("command", "code", "without"),
    [
        ("tracker --version", 0, (*RUN_ALONE, "psycopg", "actors.app")),
        ("tracker --chek", 78, (*RUN_ALONE, "psycopg", "actors.app")),
        ("tracker --check", 78, (*RUN_ALONE, "prometheus_client", "actors.feed")),
        ("tracker-export --help", 0, ("pyarrow", "psycopg", "pydantic", "rich")),
        ("tracker-export --nothing", 78, ("pyarrow", "psycopg", "pydantic", "rich")),
        ("tracker-report --version", 0, ("matplotlib", "polars", "pykka", "requests")),
        ("tracker-status --version", 0, ("rich", "pydantic", "msgspec", "pykka")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_command_does_not_need_is_not_imported(
    command: str, code: int, without: tuple[str, ...], tmp_path: Path
) -> None:
    program, *arguments = command.split()
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}
    settings = {
        "TRACKER_STATE_DIR": str(tmp_path / "state"),
        "TRACKER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(ROOT / "bin" / program), *arguments],
        env={**env, **settings}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    imported = set(done.stderr.rpartition("\nimported ")[2].split())
    assert done.returncode == code, done.stderr
    assert "actors.programs" in imported
    assert imported.isdisjoint(without)
