"""Upgrade, backup, restore, move and rotation: the commands of the pages, with a million trades.

Each test takes the blocks from docs/how-to and carries them out in a shell, while a tracker records
from a simulator. What is another here than on a server: paths and host names, and small programs
in place of `systemctl`, `journalctl` and `runuser`, which do the same for this tracker.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.cli import status
from actors.database.queries import SQL
from actors.database.schema.migration_files import IN_STEPS, MAY_WRITE
from actors.database.server.postgres_binaries import find_binaries
from tests.chaos.server import OwnServer
from tests.live.processes import ROOT, Processes, processes_in, until
from tests.postgres import ask, open_folder
from tests.years import generate
from tests.years.upgrade import NAME, STEPS

HOW_TO = ROOT / "docs" / "how-to"
SCALE, DESCRIBED = 0.01, 0.05
"""A million trades, and 150,000 markets that have ended."""
TRADES = 1_000_000
OLD = "select count(*), sum(trade_hash), max(traded_at) from tracker.trades where received_at < %s"
BLOCKS = {
    ("maintain.md", "Back up and restore"): 4,
    ("maintain.md", "Move to another database"): 3,
    ("maintain.md", "Rotate the password"): 1,
    ("upgrade.md", "Upgrade"): 4,
}
SYSTEMCTL = """#!/bin/bash
running() {{ [ -e {at}/pid ] && kill -0 "$(cat {at}/pid)" 2> /dev/null; }}
case $1 in stop|restart)
  running && kill -TERM "$(cat {at}/pid)"
  while running; do sleep 0.1; done
esac
case $1 in start|restart)
  CREDENTIALS_DIRECTORY={at}/etc/tracker/credentials setsid {python} {at}/opt/tracker/bin/tracker \
    --config {at}/etc/tracker/tracker.conf < /dev/null > /dev/null 2>> {at}/log &
  echo $! > {at}/pid
  status="{python} {at}/opt/tracker/bin/tracker-status --field state"
  until $status > /dev/null 2>&1 || [ $? = 1 ]; do
    running || exit 1
    sleep 0.1
  done
esac
"""
JOURNALCTL = "#!/bin/sh\ntail -n 20 {at}/log\n"
RUNUSER = '#!/bin/sh\nshift 3\nexec "$@"\n'
PROGRAMS = {"systemctl": SYSTEMCTL, "journalctl": JOURNALCTL, "runuser": RUNUSER}


def blocks(page: str, heading: str) -> list[str]:
    """Return the blocks of commands below a heading, up to the next one."""
    text = (HOW_TO / page).read_text()
    (part,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE
    )
    found = re.findall(r"^( *)```\n(.*?)^\1```", part, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@pytest.mark.parametrize(("page", "heading"), BLOCKS)
def test_the_pages_have_the_blocks_that_are_carried_out(page: str, heading: str) -> None:
    assert len(blocks(page, heading)) == BLOCKS[page, heading]


class Host:
    """A host with an installed tracker that records from a simulator into a server of its own."""

    def __init__(self, at: Path, server: OwnServer, processes: Processes) -> None:
        self.at = at
        self.server = server
        self.processes = processes
        self.url = f"@{str(server.root / 's').replace('/', '%2F')}"
        self.more: dict[str, str] = {}

    def lay_out(self) -> None:
        """Install the tracker, write its settings, and make the programs that it lacks here."""
        self.run("make install")
        settings = {
            **{name: f"{self.processes.urls[url]}" for name, url in (
                ("market_ws_url", "ws_url"), ("gamma_url", "gamma_url"), ("clob_url", "clob_url"),
                ("data_url", "data_url"), ("polygon_rpc_urls", "rpc_url"))},
            "state_dir": str(self.at / "state"),
            "status_socket": str(self.processes.socket),
            "log_format": "json",
        }  # fmt: skip
        text = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
        (self.at / "etc/tracker/tracker.conf").write_text(f"{text}discovery_seconds = 1\n")
        (self.at / "etc/tracker/credentials").mkdir(mode=0o700)
        self.credential.write_text(f"postgresql://tracker_writer:old{self.url}/polymarket\n")
        self.credential.chmod(0o600)
        for name, text in (
            ("systemctl", SYSTEMCTL),
            ("journalctl", JOURNALCTL),
            ("runuser", RUNUSER),
        ):
            (self.at / "bin").mkdir(exist_ok=True)
            (self.at / "bin" / name).write_text(text.format(at=self.at, python=sys.executable))
            (self.at / "bin" / name).chmod(0o755)

    @property
    def credential(self) -> Path:
        return self.at / "etc/tracker/credentials/database_url"

    def run(self, block: str, *, code: int = 0, cwd: Path = ROOT) -> str:
        """Carry out a block as root, and return what it printed."""
        for here, there in (
            ("make install", f"make --silent install DESTDIR={self.at} INSTALL_VENV=no"),
            ("/opt/tracker/bin/", f"{sys.executable} {self.at}/opt/tracker/bin/"),
            ("/opt/tracker", f"{self.at}/opt/tracker"),
            ("/etc/tracker", f"{self.at}/etc/tracker"),
            ("--host=/var/run/postgresql", f"--host={self.server.root / 's'}"),
            ("@localhost", self.url),
            *self.more.items(),
        ):
            before = r"(?<!\w)" if here[0] == "/" else ""
            block = re.sub(before + re.escape(here), there.replace("\\", r"\\"), block)
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-ec", f"set -o pipefail\n{block}"], cwd=cwd, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
            env={
                "PATH": f"{self.at / 'bin'}:{find_binaries()}:/usr/bin:/bin",
                "HOME": str(self.at), "PGUSER": "postgres", "LC_ALL": "C.UTF-8",
                "PGHOST": str(self.server.root / "s"),
                "TRACKER_STATUS_SOCKET": str(self.processes.socket),
            },
        )  # fmt: skip
        took = time.monotonic() - began
        sys.stdout.write(f"\n{took:.1f} s\n{block.strip()}\n{done.stdout}")
        assert done.returncode == code, done.stdout
        return done.stdout

    def trades(self, dsn: str, before: Any) -> tuple[Any, ...]:
        (row,) = ask(dsn, OLD, before)
        return row

    def recording(self) -> None:
        """Wait until the tracker stores what it receives."""
        before = self.status().get("trades", {}).get("total", 0)
        until("trades are stored", lambda: self._stores(before), within_s=120)

    def _stores(self, before: int) -> bool:
        document = self.status()
        return (
            bool(document)
            and document["database"]["state"] == "live"
            and (document["trades"]["total"] > before)
        )

    def status(self) -> dict[str, Any]:
        try:
            return status.ask(self.processes.socket)
        except status.Unreachable:
            return {}

    def end(self) -> None:
        pid = self.at / "pid"
        if pid.exists():
            self.run("systemctl stop tracker")


@contextlib.contextmanager
def stopped_afterwards(server: OwnServer) -> Iterator[None]:
    try:
        yield
    finally:
        server.stop()


@pytest.fixture(scope="module")
def million() -> Path:
    """Return a cluster with a million trades; build it if need be."""
    generate.DESCRIBED = DESCRIBED
    return generate.built(SCALE)


@pytest.fixture
def host(million: Path) -> Iterator[Host]:
    """Start the tracker of a host whose database has a million trades."""
    if not (find_binaries() / "pg_restore").exists():
        pytest.skip("no pg_restore")
    with open_folder() as folder, open_folder() as place:
        generate.data_copied(million, folder)
        server = OwnServer(folder / "pg", options=("max_wal_size=1GB",))
        server.run("alter database tracker rename to polymarket")
        dsn = make_conninfo(server.dsn, dbname="polymarket")
        server.run(f"{(SQL / 'roles.sql').read_text()}\n", db=dsn)
        server.run("alter role tracker_writer login password 'old'")
        with (
            stopped_afterwards(server),
            processes_in(place, dsn) as processes,
            server.asks_for_passwords("tracker_writer"),
        ):
            processes.simulator("--markets", "50", "--trades-per-second", "100")
            made = Host(place, server, processes)
            made.lay_out()
            made.run(
                "TRACKER_DATABASE_URL=postgresql:///polymarket /opt/tracker/bin/tracker --migrate"
            )
            try:
                made.run("systemctl start tracker")
                made.recording()
                yield made
            finally:
                made.end()


@pytest.fixture
def now(host: Host) -> Any:
    """Return a moment before which all trades are stored."""
    ((moment,),) = ask(
        host.processes.dsn, "select max(received_at) - interval '2 s' from tracker.trades"
    )
    return moment


def moved(host: Host, server: OwnServer) -> None:
    """Let `db.example.com` of the page be this server."""
    folder = server.root / "s"
    host.more = {
        "PGHOST=db.example.com": f"PGHOST={folder}",
        "@db.example.com": f"@{str(folder).replace('/', '%2F')}",
    }


@pytest.mark.live
@pytest.mark.long
@pytest.mark.db
@pytest.mark.timeout(1800)
class TestUpkeep:
    """Each on a database of its own."""

    def test_a_backup_and_its_trial(self, host: Host, now: Any) -> None:
        backup, trial, *_ = blocks("maintain.md", "Back up and restore")
        wanted = host.trades(host.processes.dsn, now)
        assert wanted[0] >= TRADES
        host.run(backup, cwd=host.at)
        *steps, shown, dropped = trial.splitlines()
        host.run("\n".join(steps), cwd=host.at)
        copy = make_conninfo(host.server.dsn, dbname="trial")
        assert host.trades(copy, now) == wanted
        host.run(
            f"TRACKER_DATABASE_URL=postgresql://tracker_writer:old{host.url}/trial"
            f" /opt/tracker/bin/tracker --check --state-dir {host.at}/other"
        )
        assert "(1 row)" in host.run(shown)
        host.run(dropped)
        host.recording()

    def test_a_restore_under_a_tracker_that_runs(self, host: Host, now: Any) -> None:
        backup, *_, restore = blocks("maintain.md", "Back up and restore")
        wanted = host.trades(host.processes.dsn, now)
        host.run(backup, cwd=host.at)
        *steps, asked = restore.splitlines()
        host.run("\n".join(steps), cwd=host.at)
        host.recording()
        assert host.trades(host.processes.dsn, now) == wanted
        said = host.run(f"{asked} || true")
        assert "live, PostgreSQL" in said

    def test_a_move_to_another_server(self, host: Host, now: Any) -> None:
        stop, copy, start = blocks("maintain.md", "Move to another database")
        wanted = host.trades(host.processes.dsn, now)
        said = host.run(stop)
        assert "not_drained" not in said
        with open_folder() as folder:
            other = OwnServer(folder / "pg")
            try:
                moved(host, other)
                host.run(copy)
                host.run(start)
                dsn = make_conninfo(other.dsn, dbname="polymarket")
                host.recording()
                assert host.trades(dsn, now) == wanted
                assert host.status()["database"]["state"] == "live"
                host.end()
                assert ask(dsn, "select count(*) from trades where received_at > %s", now) > [(0,)]
            finally:
                host.end()
                other.stop()

    def test_a_new_password(self, host: Host) -> None:
        (rotate,) = blocks("maintain.md", "Rotate the password")
        before = host.credential.read_text()
        host.run(rotate)
        host.recording()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(before.strip())
        psycopg.connect(host.credential.read_text().strip()).close()
        assert host.credential.stat().st_mode & 0o777 == 0o600

    def test_an_upgrade_with_a_migration(self, host: Host, now: Any, tmp_path: Path) -> None:
        wanted = host.trades(host.processes.dsn, now)
        install, check, migrate, restart = blocks("upgrade.md", "Upgrade")
        newer = self._newer(tmp_path / "newer")
        host.run(install, cwd=newer)
        assert f"the database lacks {NAME}" in host.run(check, code=78)
        host.run(migrate)
        host.run(check)
        host.run(restart)
        host.recording()
        assert host.trades(host.processes.dsn, now) == wanted
        assert ask(host.processes.dsn, "select count(note) from tracker.trades") == [(0,)]

    def _newer(self, place: Path) -> Path:
        """Return a copy of the repository with one more migration."""
        place.mkdir()
        for name in ("actors", "bin", "docs", "sql", "systemd"):
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Makefile", "LICENSE", "requirements.lock"):
            shutil.copy(ROOT / name, place)
        for page in ROOT.glob("*.md"):
            shutil.copy(page, place)
        steps = b"\n".join(kind + b"\n" + text for kind, text in STEPS)
        (place / "sql" / "migrations" / NAME).write_bytes(b"\n".join((MAY_WRITE, IN_STEPS, steps)))
        return place
