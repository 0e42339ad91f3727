"""What programs say goes where it can: no reader, no space or no stream is never a traceback."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors import __version__
from actors.errors import EXIT_CONFIG, EXIT_IO, EXIT_OK

ROOT = Path(__file__).parents[2]
NO_TRACKER = ("tracker-status", "--socket", "/nowhere/s")
UNREACHABLE = 2
FULL = Path("/dev/full")
HELP = [
    (program, "--help")
    for program in (
        "tracker",
        "tracker-status",
        "tracker-export",
        "tracker-report",
        "tracker-simulator",
    )
]
SAY = [
    *HELP,
    *((program, "--version") for program, _ in HELP),
    ("tracker-status", "--schema"),
]
WRONG = [(program, "--nothing") for program, _ in HELP]

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def run(
    command: Sequence[str], *, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    env = {n: v for n, v in os.environ.items() if not n.startswith(("TRACKER_", "PYTHONUNB"))}
    return subprocess.run(
        [sys.executable, str(ROOT / "bin" / command[0]), *command[1:]],
        env=env, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL,
        text=True, timeout=60, check=False,
    )  # fmt: skip


def unread() -> int:
    """Return the end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


# Fault: `tracker --help | head -3` ended with a traceback every other time.


@pytest.mark.parametrize("command", SAY, ids=" ".join)
def test_a_reader_that_ends_early_is_no_error(command: tuple[str, ...]) -> None:
    writer = unread()
    try:
        done = run(command, stdout=writer)
    finally:
        os.close(writer)
    expected = 1 if command[1] == "--schema" else EXIT_OK
    assert (done.returncode, done.stderr) == (expected, "")


# Fault: `tracker-status > /dev/full` ended with a traceback and 120.


@pytest.mark.skipif(not FULL.exists(), reason="no such device here")
@pytest.mark.parametrize("command", SAY, ids=" ".join)
def test_output_without_space_is_74_and_one_line(command: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        done = run(command, stdout=full.fileno())
    assert done.returncode == EXIT_IO
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{command[0]}: ")
    assert "No space left" in line


@pytest.mark.skipif(not FULL.exists(), reason="no such device here")
@pytest.mark.parametrize("command", [*WRONG, NO_TRACKER], ids=" ".join)
def test_an_error_that_cannot_be_said_keeps_its_code(command: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        done = run(command, stderr=full.fileno())
    assert done.returncode == (UNREACHABLE if command is NO_TRACKER else EXIT_CONFIG)


@pytest.mark.parametrize("command", [*WRONG, *SAY], ids=" ".join)
def test_streams_that_are_closed_are_no_error(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable,
         str(ROOT / "bin" / command[0]), *command[1:]],
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == (EXIT_CONFIG if command in WRONG else EXIT_OK)


# Fault: `tracker-status --watch | head` without a tracker never ended.


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_watch_ends_with_its_reader(form: tuple[str, ...]) -> None:
    writer = unread()
    try:
        done = run([*NO_TRACKER, "--watch", "0.1", *form], stdout=writer)
    finally:
        os.close(writer)
    assert done.returncode == UNREACHABLE
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", [program for program, _ in HELP])
def test_each_program_says_its_version(program: str) -> None:
    done = run((program, "--version"))
    assert (done.returncode, done.stdout) == (EXIT_OK, f"{program} {__version__}\n")
