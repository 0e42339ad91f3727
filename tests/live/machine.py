"""A machine whose PID 1 is a real systemd, in namespaces of its own, with the tracker installed."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
BOOT = Path(__file__).with_name("systemd_boot.sh")
SABOTAGE = ROOT / "tests/chaos/sabotage.py"
INSTALLED = "/opt/tracker"
NEEDED = ("/lib/systemd/systemd", "/usr/bin/python3", "/usr/bin/unshare", "/usr/bin/nsenter")
NAMESPACES = ("--mount", "--pid", "--net", "--cgroup", "--ipc", "--uts")
LIMIT_S = 60.0

DATABASE_URL = "postgresql://tracker@127.0.0.1:9/pm"
UNITS = ("tracker.service", "tracker@.service", "tracker-blue.service", "tracker-green.service")
SETTINGS = """[Service]
Environment=TRACKER_MARKET_WS_URL=ws://127.0.0.1:9/ws TRACKER_GAMMA_URL=http://127.0.0.1:9
Environment=TRACKER_CLOB_URL=http://127.0.0.1:9 TRACKER_DATA_URL=http://127.0.0.1:9
Environment=TRACKER_POLYGON_RPC_URLS=off
EnvironmentFile=-/run/more
WatchdogSec=8s
RestartSec=100ms
StandardOutput=append:/log/tracker
StandardError=append:/log/tracker
"""


def missing() -> str:
    """Return why no machine can be booted here, or nothing."""
    if os.geteuid() != 0:
        return "only root may boot a systemd"
    absent = [path for path in NEEDED if not Path(path).exists()]
    if absent:
        return f"{', '.join(absent)} is not installed"
    said = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys, venv; print(*sys.version_info[:2], sep='.')"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if said.stdout.strip() != ours:
        return f"/usr/bin/python3 is not the Python {ours} that the libraries here are for"
    return "" if shutil.which("make") else "make is not installed"


class Machine:
    """Booted by `boot`, gone after `halt`. What the tracker logs is in `log`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._unshare: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self) -> None:
        """Install the tracker, start PID 1, wait until units can be started."""
        installed = self._laid_out()
        subprocess.run(
            ["make", "--silent", "install", "INSTALL_VENV=no", f"DESTDIR={installed}"],
            cwd=ROOT, check=True, capture_output=True, timeout=LIMIT_S,
            env={k: v for k, v in os.environ.items() if not k.startswith("MA")},
        )  # fmt: skip
        for unit in UNITS:
            extra = installed / f"etc/systemd/system/{unit}.d/test.conf"
            extra.parent.mkdir()
            extra.write_text(SETTINGS)
        secrets = installed / "etc/tracker/credentials"
        secrets.mkdir(mode=0o700)
        (secrets / "database_url").write_text(DATABASE_URL)
        (secrets / "database_url").chmod(0o600)
        broken = installed / INSTALLED[1:] / SABOTAGE.relative_to(ROOT)
        broken.parent.mkdir(parents=True)
        shutil.copy(SABOTAGE, broken)
        site = next(path for path in sys.path if path.endswith("site-packages"))
        self._start(site)
        for command in ("systemd-sysusers", "systemd-tmpfiles --create"):
            self.run(*command.split())
        # As `make install` does, which had no Python of the machine.
        self.run(f"{INSTALLED}/.venv/bin/python", "-m", "compileall", "-q", f"{INSTALLED}/actors")

    def boot_bare(self, extra: Callable[[Path], None], source: Path) -> None:
        """Start PID 1 without a tracker, with its source in `/usr/local/src/tracker`.

        Args:
            extra: Puts more into the root of the machine.
            source: Where the source is.
        """
        extra(self._laid_out())
        self._start("", str(source))

    def _laid_out(self) -> Path:
        for name in ("root", "installed", "log"):
            (self._place / name).mkdir()
        return self._place / "installed"

    def _start(self, *more: str) -> None:
        """Start PID 1; `more` are the libraries and the source, for the script."""
        site, *source = more
        places = (self._place / "root", self._place / "installed", site, self._place / "log")
        flags = [*(n for n in NAMESPACES), "--fork", "--kill-child"]
        command = ["unshare", *flags, "sh", str(BOOT), *map(str, places), *source]
        self._unshare = subprocess.Popen(command)
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        self.until(lambda: bool(children.read_text().split()))
        self._init = int(children.read_text().split()[0])
        self.until((self._place / "log/booted").exists)
        self.until(lambda: self.run("systemctl", "is-system-running").stdout == "running\n")

    def halt(self) -> None:
        """End PID 1, and with it all processes."""
        if self._unshare is not None:
            self._unshare.kill()
            self._unshare.wait(LIMIT_S)

    def run(
        self, *command: str, limit_s: float = LIMIT_S, text: str = "", **more: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command on the machine, as its root; `more` goes into its environment."""
        inside = ["nsenter", "-t", str(self._init), *NAMESPACES, "--root", "--wd"]
        environ = {"PATH": "/usr/bin:/usr/sbin", "LANG": "C", **more}
        return subprocess.run(
            [*inside, *command], capture_output=True, text=True, timeout=limit_s, check=False,
            env=environ, input=text,
        )  # fmt: skip

    def show(self, name: str) -> str:
        """Return a property of the tracker's unit."""
        return self.run("systemctl", "show", "tracker", "-p", name, "--value").stdout.strip()

    def started(self) -> int:
        """Return the tracker's pid after a start from nothing."""
        self.run("systemctl", "stop", "tracker")
        self.run("systemctl", "reset-failed", "tracker")
        done = self.run("systemctl", "start", "tracker")
        assert done.returncode == 0, done.stderr + self.log()
        return int(self.show("MainPID"))

    def again(self, pid: int) -> int:
        """Wait until the unit is active with another process than this one; return its pid."""
        self.until(
            lambda: (
                self.show("ActiveState") == "active" and self.show("MainPID") not in ("0", str(pid))
            )
        )
        return int(self.show("MainPID"))

    @contextlib.contextmanager
    def breakable(self, target: str, root: str = INSTALLED) -> Iterator[str]:
        """Let the unit run a tracker whose method hangs once the yielded file exists."""
        folder, fuse = "/run/systemd/system/tracker.service.d", "/run/fuse"
        script = f"{root}/{SABOTAGE.relative_to(ROOT)}"
        command = (
            f"{INSTALLED}/.venv/bin/python -I -u -X faulthandler {script} {fuse} {target} hang"
            " --config /etc/tracker/tracker.conf"
        )
        lines = f"[Service]\\nExecStart=\\nExecStart={command}\\n"
        self.run("mkdir", "-p", folder)
        self.run("sh", "-c", f"printf '{lines}' > {folder}/broken.conf")
        self.run("systemctl", "daemon-reload")
        try:
            yield fuse
        finally:
            self.run("rm", "-f", f"{folder}/broken.conf", fuse)
            self.run("systemctl", "daemon-reload")

    def log(self) -> str:
        """Return the log of the tracker so far."""
        file = self._place / "log/tracker"
        return file.read_text(errors="replace") if file.exists() else ""

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that other processes do."""
        deadline = time.monotonic() + LIMIT_S
        while not true():
            assert time.monotonic() < deadline, f"not within {LIMIT_S:.0f} s: {self.log()[-2000:]}"
            time.sleep(0.1)  # systemd has no way to wait for what it does by itself
