"""Wrong settings and situations, and the message that each one gives.

    python -m tests.cli.messages > docs/evidence/messages.txt

Every message is what a person sees on the terminal: what is wrong, where, and what to do.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LONGEST_S = 60
HEAD = """\
Wrong settings and situations, and what each one says
======================================================

Made by `python -m tests.cli.messages`: the situation, the command, its message, its exit code.
"""


class Case(NamedTuple):
    """One situation: the program, its arguments and settings."""

    what: str
    program: str
    arguments: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


def cases(folder: Path) -> Iterator[Case]:
    """Yield the situations; what they need is made in the folder."""
    yield from _settings()
    yield from _places(folder)
    yield from _arguments()
    yield from _databases(folder)
    yield from _status(folder)


def _settings() -> Iterator[Case]:
    for name, value in (
        ("TRACKER_ASSETS_PER_CONNECTION", "0"),
        ("TRACKER_ASSETS_PER_CONNECTION", "many"),
        ("TRACKER_MAX_ASSETS", "-5"),
        ("TRACKER_SHARD", "3/2"),
        ("TRACKER_REDUNDANCY", "9"),
        ("TRACKER_LOG_LEVEL", "LOUD"),
        ("TRACKER_GAMMA_URL", "gamma-api.polymarket.com"),
        ("TRACKER_MARKET_WS_URL", "https://ws.example/market"),
        ("TRACKER_METRICS_PORT", "99999"),
        ("TRACKER_METRICS_ADDRESS", "everywhere"),
        ("TRACKER_JOURNAL_MAX_BYTES", "20 Gigs"),
        ("TRACKER_SILENCE_SECONDS", "nan"),
        ("TRACKER_TAG", "bitcoin"),
    ):
        yield Case(f"{name}={value}", "tracker", ("--check",), ((name, value),))


def _places(folder: Path) -> Iterator[Case]:
    a_file = folder / "a-file"
    a_file.write_text("")
    link = folder / "link"
    link.symlink_to(folder)
    others = folder / "others"
    others.mkdir(mode=0o777)
    others.chmod(0o777)
    for what, place in (
        ("the state directory is a file", a_file),
        ("the state directory is a link", link),
        ("anybody may write to the state directory", others),
        ("the state directory is in /proc", Path("/proc/tracker")),
        ("the path of the status socket is too long", folder / ("x" * 120)),
    ):
        yield Case(what, "tracker", ("--check",), (("TRACKER_STATE_DIR", str(place)),))
    yield Case("the file of settings is not there", "tracker", ("--config", "/nowhere.conf"))
    broken = folder / "broken.conf"
    broken.write_text("TRACKER_TAGS\n")
    yield Case("a line of the file of settings is none", "tracker", ("--config", str(broken)))


def _arguments() -> Iterator[Case]:
    yield Case("an argument without an option", "tracker", ("bitcoin",))
    yield Case("an option that there is not", "tracker", ("--tag", "bitcoin"))
    yield Case("a duration that is none", "tracker", ("--duration", "soon"))
    yield Case("--acknowledge without a reason", "tracker", ("--acknowledge", "0x12"))
    yield Case("a belief that the simulator does not know", "tracker", ("--demo", "--broken", "x"))
    yield Case("a value for a switch", "tracker", ("--migrate=no",))
    yield Case("a setting that a demo has not", "tracker", ("--demo", "--tags", "bitcoin"))
    yield Case("two commands at once", "tracker", ("--check", "--migrate"))
    yield Case("the simulator: a port that is none", "tracker-simulator", ("--port", "-1"))
    elsewhere = ("--dir", "/proc/x", "--host", "192.0.2.1")
    yield Case("the simulator: an address of another host", "tracker-simulator", elsewhere)
    yield Case("the simulator: a folder that is none", "tracker-simulator", elsewhere[:2])


def _databases(folder: Path) -> Iterator[Case]:
    closed = _closed_port()
    for what, url in (
        ("nobody answers at the address of the database", f"postgresql://me@127.0.0.1:{closed}/x"),
        ("the address of the database is none", "mysql://me@db/x"),
        ("the database has a port that is none", "postgresql://me@127.0.0.1:none/x"),
        ("the host of the database has no address", "postgresql://me@nowhere.invalid/x"),
    ):
        state = (("TRACKER_STATE_DIR", str(folder / "state")),)
        yield Case(what, "tracker", ("--check",), ((("TRACKER_DATABASE_URL", url)), *state))
    mine = (("TRACKER_DATABASE_URL", "postgresql:///mine"),)
    yield Case("a demo, and a database of the environment", "tracker", ("--demo",), mine)
    named = ("--demo", "--database-url", f"postgresql://me@127.0.0.1:{closed}/x")
    yield Case("a demo, and a database that does not answer", "tracker", named, state)


def _closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _status(folder: Path) -> Iterator[Case]:
    absent = folder / "absent.sock"
    yield Case("no tracker runs", "tracker-status", ("--socket", str(absent)))
    yield Case("a field that there is not", "tracker-status", ("--field",))
    yield Case("an interval that is none", "tracker-status", ("--watch", "0"))
    yield Case("the socket is a file", "tracker-status", ("--socket", str(folder / "a-file")))


def said(case: Case, folder: Path) -> tuple[str, int]:
    """Return what the program writes, without the folder's name, and its exit code."""
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "bin" / case.program), *case.arguments],
        env={**bare, **dict(case.settings)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        cwd=folder,
        check=False,
    )
    text = (done.stderr + done.stdout).replace(str(folder), "/home/you").strip()
    return text, done.returncode


def main() -> int:
    """Print every situation with its message."""
    sys.stdout.write(HEAD)
    with tempfile.TemporaryDirectory(prefix="tracker-messages-") as home:
        folder = Path(home)
        for number, case in enumerate(cases(folder), 1):
            text, code = said(case, folder)
            shown = " ".join([case.program, *case.arguments]).replace(str(folder), "/home/you")
            settings = "".join(f"{name}={value} " for name, value in case.settings)
            command = settings.replace(str(folder), "/home/you") + shown
            sys.stdout.write(f"\n{number}. {case.what}\n$ {command}\n{text}\n({code})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
