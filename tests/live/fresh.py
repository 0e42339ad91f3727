"""A Debian that was just made, and the README alone: the demo, then a run for real.

    python -m tests.live.fresh > docs/evidence/first_hour.txt
    python -m tests.live.fresh trixie      another release, with its Python

mmdebstrap makes it from Debian's mirrors, with nothing but what a minimal Debian has. In it a new
user copies the lines of README.md; the run for real is against the simulator, whose lines are
those of docs/how-to/rehearse.md. Network: Debian's mirrors and PyPI.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.live.installation import own_nothing, source_copy
from tests.live.machine import ROOT
from tests.live.transcript import WIDTH

README = (ROOT / "README.md").read_text()
REHEARSE = (ROOT / "docs" / "how-to" / "rehearse.md").read_text()
PACKAGES = "make python3-venv"
"""What README.md asks for."""
NEEDED = ("mmdebstrap", "unshare", "chroot")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
COPIED = "/etc/ssl-of-the-network.pem"
USER, HOME = "newcomer", "/home/newcomer"
SOURCE = f"{HOME}/tracker"
ENTER = """mount -t proc proc "$0/proc"; mkdir -p "$0/dev/shm"; mount -t tmpfs shm "$0/dev/shm"
hostname debian; exec chroot "$@"
"""
FAST = "--dpkgopt=force-unsafe-io"
MAY_FAIL = ("bin/tracker-status", "grep", "kill")
PIP_LOG = f"{HOME}/pip.log"
BAR = "━"
"""pip draws bars, as soon as it writes a log."""
DEMO_SECONDS = 30
RUN_SECONDS = 60

HEAD = """The first hour, on a machine that was just made
===============================================

Made by `make firsthour`; do not edit. {system} from Debian's mirror with nothing
in it but what `mmdebstrap --variant=minbase` puts there, then what README.md asks for, then its
lines, by an ordinary user who has a copy of the repository in `~/tracker`.

What differs from a machine of yours:

- It is a chroot with processes of its own on a machine with {processors} processors, which did
  other things, too: {load:.0f} programs wanted to run when it began.
- The network here lets nothing through but Debian's packages and PyPI. So the exchange of the run
  for real is `tracker-simulator`; its lines are those of docs/how-to/rehearse.md, and its tag is
  `crypto` in place of `bitcoin`. Certificates that the network needs were copied there before.
- pip writes a log, from which the downloads are counted.
- `make demo` is told to end by itself after {demo} s, the run for real is stopped after {run} s.

`$` is a command, below it is its output, then its exit code if that is not 0, then the seconds
that it took.

"""


class Fresh:
    """A Debian in a folder; each command runs in namespaces of its own but for the network."""

    def __init__(self, root: Path, suite: str) -> None:
        self.root = root
        self.suite = suite

    def make(self) -> float:
        """Make it, and return the seconds that took."""
        began = time.monotonic()
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", FAST, self.suite, str(self.root)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        shutil.copy(CERTIFICATES, self.root / COPIED[1:])
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        (self.root / "etc/hosts").write_text(Path("/etc/hosts").read_text())
        return time.monotonic() - began

    def run(
        self, *command: str, limit_s: float = 600.0, user: str = "root", **more: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, as this user."""
        home = "/root" if user == "root" else HOME
        inside = [
            "unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
            "sh", "-c",
            ENTER,
            str(self.root),
        ]  # fmt: skip
        return subprocess.run(
            [*inside, f"--userspec={user}", str(self.root), *command],
            capture_output=True, text=True, timeout=limit_s, check=False,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": home,
                "USER": user, "TERM": "dumb", "PIP_CERT": COPIED, "PIP_LOG": PIP_LOG, **more,
            },
        )  # fmt: skip

    def megabytes(self, place: str) -> float:
        """Return the size of a folder in it."""
        done = self.run("du", "-sxm", "--apparent-size", place)
        return float(done.stdout.split()[0]) if done.returncode == 0 else 0.0


def main() -> int:
    """Make the machine and follow the README; write the page."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or absent:
        sys.stderr.write(f"fresh: needs root and {', '.join(absent or NEEDED)}\n")
        return 78
    place = Path(tempfile.mkdtemp(prefix="tracker-fresh-"))
    place.chmod(0o755)
    try:
        page = "".join(_page(Fresh(place / "root", suite), place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    own_nothing(page)
    sys.stdout.write(page)
    return 0


# --------------------------------------------------------------------- the page


def _page(machine: Fresh, place: Path) -> Iterator[str]:
    load, seconds = os.getloadavg()[0], machine.make()
    system = machine.run("sh", "-c", ". /etc/os-release; echo $PRETTY_NAME").stdout.strip()
    yield HEAD.format(
        system=system, processors=os.cpu_count(), load=load, demo=DEMO_SECONDS, run=RUN_SECONDS
    )
    bare = machine.megabytes("/")
    yield f"It was made in {seconds:.0f} s and has {bare:.0f} MB.\n\n"
    yield headline("What README.md asks for")
    apt = f"apt-get update && apt-get install --yes {PACKAGES}"
    yield _told(machine, [apt], "root", keep="Need to get|After this|Fetched")
    machine.run("useradd", "--create-home", "--shell", "/bin/bash", USER)
    shutil.copytree(source_copy(place), machine.root / SOURCE[1:], symlinks=True)
    machine.run("chown", "-R", f"{USER}:{USER}", SOURCE)
    packages = machine.megabytes("/") - bare
    yield f"On the disk {packages:.0f} MB more. `python3` is {_python(machine)}.\n\n"
    yield headline("Try it")
    yield _told(machine, [f"make demo DEMO_SECONDS={DEMO_SECONDS}"], USER)
    yield from _sizes(machine)
    yield "Once more, with everything there:\n\n"
    yield _told(machine, [f"make demo DEMO_SECONDS={DEMO_SECONDS}"], USER, keep="ledger|{")
    yield headline("Run it for real")
    yield _told(machine, list(_for_real()), USER)


def _downloaded(machine: Fresh) -> float:
    """Return how many megabytes pip has fetched."""
    units = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0}
    log = (machine.root / PIP_LOG[1:]).read_text(errors="replace")
    found = re.findall(r"Downloading \S+ \(([\d.]+) (bytes|kB|MB)\)", log)
    return sum(float(size) * units[unit] for size, unit in found)


def headline(text: str) -> str:
    """Return a headline."""
    return f"{text}\n{'-' * len(text)}\n\n"


def _python(machine: Fresh) -> str:
    return machine.run("python3", "--version").stdout.strip()


def _sizes(machine: Fresh) -> Iterator[str]:
    """Say what the demo has brought."""
    yield f"From PyPI {_downloaded(machine):.0f} MB were downloaded. On the disk:\n\n"
    for name, folder in (
        ("libraries, and PostgreSQL: `.venv`", f"{SOURCE}/.venv"),
        ("the database, the journal and the ledger of the demo", f"{HOME}/.local/state/tracker"),
    ):
        yield f"{machine.megabytes(folder):6.0f} MB  {name}\n"
    yield "\n"


def _for_real() -> Iterator[str]:
    """Yield the lines: the simulator of rehearse.md, the settings and the programs of README.md."""
    simulator, addresses, *_ = re.findall(r"^```\n(.+?)^```", REHEARSE, re.DOTALL | re.MULTILINE)
    yield re.sub(r" --fault \S+", "", simulator).strip()
    yield "timeout 60 sh -c 'until grep -q ready /tmp/rehearsal.json; do sleep 0.1; done'"
    yield from addresses.strip().splitlines()[:-1]
    text = README.partition("## Run it for real\n")[2]
    lines = re.search(r"^```\n(.+?)^```", text, re.DOTALL | re.MULTILINE)
    if lines is None:
        raise RuntimeError("README.md has no lines to run it for real")
    for line in lines[1].splitlines():
        plain = line.partition("  #")[0].rstrip()
        if plain == "bin/tracker":
            yield "bin/tracker 2> tracker.log &"
            yield f"sleep {RUN_SECONDS}"
        elif plain.startswith("bin/tracker-status"):
            yield "bin/tracker-status"
        else:
            yield plain.replace("TRACKER_TAGS=bitcoin", "TRACKER_TAGS=crypto")
    yield 'grep -o "psql \'host[^\\"]*" tracker.log'
    yield "kill -INT %2 2>/dev/null || kill %2; wait %2"
    yield "tail -3 tracker.log"


def _told(machine: Fresh, lines: list[str], user: str, keep: str = "") -> str:
    """Return these lines with the answers of one shell and the seconds, as a block."""
    said = [f"cd {SOURCE if user == USER else '/'}; exec 2>&1; export LC_ALL=C.UTF-8; set -m"]
    for line in lines:
        said.append(f"printf '\\036'; T=$EPOCHREALTIME; {{\n{line}\n}}")
        said.append("printf '\\037%d %s %s' $? $T $EPOCHREALTIME")
    out = machine.run("bash", "-c", "\n".join(said), limit_s=1200, user=user).stdout
    parts = [part.rpartition("\037") for part in out.split("\036")[1:]]
    if len(parts) != len(lines):
        raise RuntimeError(f"the shell ended early: {out[-2000:]}")
    told = []
    for line, (answer, _, figures) in zip(lines, parts, strict=True):
        code, began, ended = figures.split()[:3]
        if code != "0" and not line.startswith(MAY_FAIL):
            raise RuntimeError(f"{line} ended with {code}: {answer[-2000:]}")
        rows = [row.rstrip() for row in answer.replace("\r", "\n").splitlines()]
        kept = [
            row if len(row) <= WIDTH else f"{row[: WIDTH - 1]}…"
            for row in rows
            if re.match(keep, row) and BAR not in row
        ]
        told += [f"$ {line}\n", *(f"{row}\n" for row in kept)]
        told += [f"(exit code {code})\n" if code != "0" else ""]
        told += [f"({float(ended) - float(began):.0f} s)\n"]
    return "".join([*told, "\n"])


if __name__ == "__main__":
    sys.exit(main())
