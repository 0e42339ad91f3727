"""Run the ten lines of systemd/README.md on a bare machine, then the faults of a service.

    python -m tests.live.installation > docs/evidence/installation.md

The machine is `machine.Machine`: a real systemd in namespaces, this host's /usr,
nothing else of it and no network. So packages are there already, libraries come
from a directory, and the exchange is the simulator; the page says so.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.live import transcript
from tests.live.machine import ROOT, Machine, missing
from tests.live.transcript import FRAMES, SOURCE, WIDTH

README = ROOT / "systemd" / "README.md"
HOST = "debian"
HUNG = "actors.supervision.monitor:ConnectionMonitor.check"
COPIED = ("pam.d", "security", "postgresql-common", "login.defs", "protocols", "services")

CLUSTER = "pg_createcluster 15 main && systemctl start postgresql@15-main"
PACKAGES = "dpkg-query --show make python3-venv postgresql-15 systemd"
# Few markets end: Gamma lists what ended for five minutes more (`cached_300s`), and a tracker that
# is restarted meanwhile waits for books of it.
EXCHANGE = f"""systemd-run --quiet --unit=exchange --property=StandardOutput=file:/run/exchange \
  /opt/tracker/.venv/bin/python /opt/tracker/bin/tracker-simulator \
  --dir /var/exchange --ending 0.05 --first-end 30 --life 120-240 --markets-per-second 0.1
until grep -q ready /run/exchange; do sleep 0.1; done
mkdir -p /run/systemd/system/tracker.service.d
cd {SOURCE} && /usr/bin/python3 -m tests.live.installation --addresses < /run/exchange \
  > /run/systemd/system/tracker.service.d/exchange.conf"""

HEAD = """# The installation, carried out

Made by `make installation`; do not edit. A machine with nothing but Debian 12 gets a tracker by
the ten lines of [systemd/README.md](../../systemd/README.md), word for word, in a root shell in
`{source}`. Then it is hung, killed, misconfigured and stopped.

What differs from a machine of yours, because this one has no network:

- The packages of line 1 are there already, so that line is not run. What `postgresql` does
  when it is installed is: `{cluster}`.
- pip takes the libraries, at the versions and checksums of `requirements.lock`, from a folder.
- The exchange is `tracker-simulator`, started between lines 2 and 3; a drop-in for the unit
  names its addresses.

`$` is a command, below it is its output, then its exit code if that is not 0. Lines of the log
are shown as time, level, event and fields; what is longer than {width} characters is cut
(`…`), and of each stack the innermost {frames} frames are shown.

## The ten lines

"""


def main() -> int:
    """Install, and write the page; with `--addresses`, be the helper inside of the machine."""
    if sys.argv[1:] == ["--addresses"]:
        sys.stdout.write("".join(_addresses(json.loads(sys.stdin.readline()))))
        return 0
    why_not = missing() or _lacking()
    if why_not:
        sys.stderr.write(f"installation: {why_not}\n")
        return 78
    place = Path(tempfile.mkdtemp(prefix="tracker-installation-"))
    place.chmod(0o755)
    machine = Machine(place)
    try:
        machine.boot_bare(_extra, source_copy(place))
        page = "".join(_page(machine))
    finally:
        machine.halt()
        shutil.rmtree(place, ignore_errors=True)
    own_nothing(page)
    sys.stdout.write(page)
    return 0


def _lacking() -> str:
    needed = Path("/usr/lib/postgresql/15/bin/postgres")
    return "" if needed.exists() else "postgresql-15 (Debian's package) is not installed"


def _addresses(said: dict[str, str]) -> Iterator[str]:
    yield "[Service]\n"
    for setting, name in (
        ("MARKET_WS", "ws"),
        ("GAMMA", "gamma"),
        ("CLOB", "clob"),
        ("DATA", "data"),
    ):
        yield f"Environment=TRACKER_{setting}_URL={said[f'{name}_url']}\n"


# ------------------------------------------------------------------ the machine


def source_copy(place: Path) -> Path:
    """Return a copy of what is under version control, as it stands."""
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, files):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / "source" / name)
    return place / "source"


def _extra(root: Path) -> None:
    """Lay out what a Debian has in /etc, an operator, and the libraries."""
    etc = root / "etc"
    etc.mkdir()
    for name in COPIED:
        one = Path("/etc") / name
        (shutil.copytree if one.is_dir() else shutil.copy)(one, etc / name)
    for name, line in (("passwd", ":x:1000:1000::/home/operator:/bin/bash"), ("group", ":x:1000:")):
        (etc / name).write_text(f"{(Path('/etc') / name).read_text()}operator{line}\n")
    (etc / "hostname").write_text(f"{HOST}\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n")
    dpkg = root / "var" / "lib" / "dpkg"
    dpkg.mkdir(parents=True)
    shutil.copy("/var/lib/dpkg/status", dpkg)
    wheels = root / "var" / "tmp" / "wheels"
    wheels.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps",
         "--requirement", str(ROOT / "requirements.lock"), "--dest", str(wheels)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


# --------------------------------------------------------------------- the page


def _page(machine: Machine) -> Iterator[str]:
    yield HEAD.format(source=SOURCE, cluster=CLUSTER, width=WIDTH, frames=FRAMES)
    lines = re.findall(r"^```\n(.+?)^```", README.read_text(), re.DOTALL | re.MULTILINE)[0]
    first, second, *rest = lines.splitlines()
    yield f"Line 1, not run: `{first}`\n\n"
    yield transcript.shell(machine, PACKAGES)
    transcript.quiet(machine, CLUSTER)
    yield transcript.shell(machine, second)
    transcript.quiet(machine, EXCHANGE)
    yield transcript.shell(machine, *rest)
    _until_well(machine)
    yield "Some seconds later:\n\n"
    yield transcript.shell(machine, "systemctl status tracker --no-pager --lines=0")
    yield "Its log so far:\n\n"
    yield transcript.told(machine, "")
    yield from _asked(machine)
    for show in (_frozen, _hung, _killed, _misconfigured, _ended):
        yield from show(machine)


def _asked(machine: Machine) -> Iterator[str]:
    yield "## Who may ask\n\nThe operator, in the group since line 9, and another user:\n\n"
    yield transcript.shell(
        machine,
        "runuser -u operator -- /opt/tracker/bin/tracker-status --field state",
        "runuser -u nobody -- /opt/tracker/bin/tracker-status --field state",
        "systemd-analyze security --no-pager tracker | tail -1",
    )


def _frozen(machine: Machine) -> Iterator[str]:
    yield "## The whole process hangs\n\nsystemd's watchdog ends it, with all stacks:\n\n"
    pid, mark = machine.show("MainPID"), transcript.mark(machine)
    yield transcript.shell(machine, 'kill -STOP "$(systemctl show tracker -p MainPID --value)"')
    machine.again(int(pid))
    yield transcript.told(machine, mark)
    yield transcript.shell(machine, "systemctl show tracker -p NRestarts")


def _hung(machine: Machine) -> Iterator[str]:
    yield "## The supervisor hangs\n\nIn a test build whose supervisor never comes back from"
    yield f" `{HUNG.rpartition(':')[2]}` once a file exists, while all other threads run on:\n\n"
    with machine.breakable(HUNG, SOURCE) as fuse:
        transcript.quiet(machine, "systemctl restart tracker")
        _until_well(machine)
        pid, mark = machine.show("MainPID"), transcript.mark(machine)
        yield transcript.shell(machine, f"echo 1 > {fuse}")
        machine.until(lambda: machine.show("StatusText").startswith("stuck"))
        yield transcript.shell(machine, "systemctl show tracker -p StatusText", f"rm {fuse}")
        machine.again(int(pid))
        yield transcript.told(machine, mark)
    transcript.quiet(machine, "systemctl restart tracker")


def _killed(machine: Machine) -> Iterator[str]:
    yield "## It is killed\n\n"
    pid, mark = machine.show("MainPID"), transcript.mark(machine)
    yield transcript.shell(machine, 'kill -KILL "$(systemctl show tracker -p MainPID --value)"')
    machine.again(int(pid))
    _until_well(machine)
    yield transcript.told(machine, mark)
    yield transcript.shell(machine, "/opt/tracker/bin/tracker-status --field accounting")


def _misconfigured(machine: Machine) -> Iterator[str]:
    yield "## A setting is wrong\n\nIt stays down and names the setting:\n\n"
    conf = "/etc/tracker/tracker.conf"
    yield transcript.shell(
        machine,
        f"cp {conf} /var/tmp/before && echo 'redundancy = 99' >> {conf}",
        "systemctl restart tracker",
        "systemctl show tracker -p ActiveState -p ExecMainStatus -p NRestarts",
        "journalctl -u tracker -o cat --no-pager --lines=1",
        f"cp /var/tmp/before {conf} && systemctl restart tracker && systemctl is-active tracker",
    )


def _ended(machine: Machine) -> Iterator[str]:
    yield "## It is stopped\n\n"
    _until_well(machine)
    mark = transcript.mark(machine)
    yield transcript.shell(machine, "systemctl stop tracker")
    yield transcript.told(machine, mark)
    yield transcript.shell(
        machine,
        "systemctl show tracker -p ActiveState -p Result",
        "runuser -u postgres -- psql -At -c 'select count(*) from trades' polymarket",
    )


def _until_well(machine: Machine) -> None:
    try:
        machine.until(lambda: machine.show("StatusText").startswith("healthy"))
    except AssertionError as exc:
        lately = machine.run("journalctl", "--lines=40", "--output=cat", "--no-pager").stdout
        raise RuntimeError(f"not well: {machine.show('StatusText')}\n{lately}") from exc


def own_nothing(page: str) -> None:
    """Make sure that nothing of the host is on the page.

    Raises:
        RuntimeError: Something is.
    """
    ours = Path("/proc/sys/kernel/hostname").read_text().strip()
    for word in (str(ROOT), str(ROOT.parent), ours, "wheels/", "/simple"):
        if re.search(rf"(?<!\w){re.escape(word)}", page):
            raise RuntimeError(f"the page shows {word!r}")


if __name__ == "__main__":
    sys.exit(main())
