"""The container: the image is built and run as docs/how-to/install.md says, and stopped, and again.

The base is made on the spot by mmdebstrap, since no registry is needed for it: Debian's mirrors
and PyPI are. Podman keeps all that it makes in the folder of the run.
"""

import subprocess
import time
from functools import partial
from pathlib import Path

from psycopg.conninfo import make_conninfo

from actors.simulator.judge import judge
from tests.chaos.fault import Fault, Outcome
from tests.chaos.mounts import own_mounts
from tests.chaos.proxy import Proxy
from tests.chaos.server import OwnServer
from tests.live.installation import source_copy
from tests.live.processes import Processes, as_url, processes_in, until

HYBRID = "/sys/fs/cgroup/unified"
"""Where control groups of both versions are mounted; crun works with one of them alone."""
CERTIFICATES = "usr/local/share/ca-certificates"
UID = 10001
STOP_S = 60
TRADES = 200
"""So many are stored before a stop."""
READ_ONLY = "! touch /x && ! touch /opt/tracker/x && id -u"


class Podman:
    """Podman with a storage of its own.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._places = ("--root", str(folder / "storage"), "--runroot", str(folder / "running"))

    def try_(self, *arguments: str, limit_s: float = 120) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["podman", *self._places, *arguments],
            capture_output=True, text=True, check=False, timeout=limit_s,
        )  # fmt: skip

    def __call__(self, *arguments: str, limit_s: float = 120) -> str:
        """Run it and return what it said.

        Raises:
            RuntimeError: It failed.
        """
        done = self.try_(*arguments, limit_s=limit_s)
        if done.returncode:
            raise RuntimeError(f"podman {arguments[0]}: {(done.stdout + done.stderr)[-400:]}")
        return done.stdout.strip()

    def build(self, folder: Path, base: str) -> None:
        """Build the image of the tracker from a copy of the source."""
        self(
            *("build", "--format", "docker", "--isolation", "chroot", "--build-arg"),
            *(f"BASE={base}", "--tag", "localhost/tracker", str(source_copy(folder))),
            limit_s=900,
        )

    def clear(self) -> None:
        """Remove all containers and images: they have mounts in the folder."""
        self.try_("rm", "--force", "--all", "--time", "0")
        self.try_("rmi", "--force", "--all")


def make_base(podman: Podman, folder: Path) -> str:
    """Make a minimal Debian with the certificates that this network needs; return its name."""
    archive = folder / "base.tar"
    hook = (
        f'mkdir -p "$1/{CERTIFICATES}" && find /{CERTIFICATES} -name "*.crt" -exec'
        f' cp {{}} "$1/{CERTIFICATES}" ";" && chroot "$1" update-ca-certificates'
    )
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io",
         "--include=ca-certificates", f"--customize-hook={hook}", "bookworm", str(archive)],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    podman("import", str(archive), "localhost/base")
    archive.unlink()
    return "localhost/base"


def contained(folder: Path, outcome: Outcome, _scale: float) -> None:
    """Build the image, run it read-only, stop it and run it again; compare with the ledger."""
    own_mounts()
    subprocess.run(["umount", HYBRID], check=False, capture_output=True)
    podman = Podman(folder)
    server = OwnServer(folder / "pg")
    try:
        began = time.monotonic()
        base = make_base(podman, folder)
        outcome.figures["base_s"] = round(time.monotonic() - began)
        began = time.monotonic()
        podman.build(folder, base)
        outcome.figures["build_s"] = round(time.monotonic() - began)
        outcome.figures["image_mb"] = _image_mb(podman)
        with server.database() as dsn, Proxy(server.address) as proxy:
            with processes_in(folder, dsn) as processes:
                processes.simulator()
                url = as_url(server.through(proxy.address, dsn))
                _ran_twice(podman, processes, url, outcome)
            judgement = judge(folder / "simulator" / "ledger.jsonl", make_conninfo(dsn))
        outcome.sent, outcome.stored = judgement.sent, judgement.stored
        outcome.lost, outcome.duplicated = judgement.missing, judgement.duplicates
        outcome.in_gaps = judgement.in_gaps
        require(
            judgement.clean and not judgement.marked, f"not what was sent: {judgement.as_dict()}"
        )
        require(judgement.stored > 0, "nothing was stored")
    finally:
        podman.clear()
        server.stop()


def _ran_twice(podman: Podman, processes: Processes, url: str, outcome: Outcome) -> None:
    """Run the tracker in two containers, one after the other, with one volume."""
    without = podman.try_("run", "--rm", "--read-only", *_LIMITS, "localhost/tracker")
    require(without.returncode == 78, f"without a database: {without.returncode}")
    require("no PostgreSQL server is installed" in without.stderr, without.stderr[-200:])
    for turn in ("first", "second"):
        began = time.monotonic()
        podman(*_run(turn, url, processes.urls))
        until("it answers", partial(_is_well, podman, turn), within_s=120)
        outcome.figures[f"{turn}_start_s"] = round(time.monotonic() - began, 1)
        until("trades are stored", partial(_has_trades, podman, turn), within_s=120)
        require(podman("exec", turn, "sh", "-c", READ_ONLY) == str(UID), "it is not read-only")
        if turn == "second":
            processes.admin("rates", trades_per_second=0)
            time.sleep(1)  # what was sent arrives
        podman("stop", "--time", str(STOP_S), turn)
        code = podman("inspect", "--format", "{{.State.ExitCode}}", turn)
        require(code == "0", f"the {turn} one ended with {code}: {_log(podman, turn)}")
        require(podman.try_("healthcheck", "run", turn).returncode != 0, "it is still well")


# This kernel gives a container no more descriptors than this process has.
_LIMITS = ("--network", "host", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096")


def _run(name: str, url: str, urls: dict[str, str]) -> tuple[str, ...]:
    settings = {
        "DATABASE_URL": url,
        "MARKET_WS_URL": urls["ws_url"],
        "GAMMA_URL": urls["gamma_url"],
        "CLOB_URL": urls["clob_url"],
        "DATA_URL": urls["data_url"],
        "POLYGON_RPC_URLS": urls["rpc_url"],
        "DISCOVERY_SECONDS": "1",
    }
    given = [part for key, text in settings.items() for part in ("--env", f"TRACKER_{key}={text}")]
    return (
        *("run", "--detach", "--name", name, "--read-only", *_LIMITS),
        *("--volume", "tracker-state:/var/lib/tracker", *given, "localhost/tracker"),
    )


def _is_well(podman: Podman, name: str) -> bool:
    """Ask as the image says, by `tracker-status`."""
    running = podman("inspect", "--format", "{{.State.Running}}", name)
    require(running == "true", f"{name} has ended: {_log(podman, name)}")
    return podman.try_("healthcheck", "run", name).returncode == 0


def _has_trades(podman: Podman, name: str) -> bool:
    asked = ("/opt/tracker/bin/tracker-status", "--field", "trades.total")
    done = podman.try_("exec", name, *asked)
    return done.stdout.strip().isdigit() and int(done.stdout) > TRADES


def _log(podman: Podman, name: str) -> str:
    done = podman.try_("logs", "--tail", "3", name)
    return (done.stdout + done.stderr)[-400:]


def _image_mb(podman: Podman) -> int:
    return round(int(podman("inspect", "--format", "{{.Size}}", "localhost/tracker")) / 1e6)


def require(true: object, otherwise: str) -> None:
    """Raise AssertionError unless it is true."""
    if not true:
        raise AssertionError(otherwise)


FAULTS = (
    Fault(
        number="container",
        name="built and run in a container",
        how=(
            "a base made on the spot, the image built from it and run twice with one volume,"
            " read-only, as an ordinary user, with `podman stop` between"
        ),
        expected=(
            "the health check answers, nothing but the volume is written, each stop ends with 0,"
            " no trade missing; without a database 78 and why"
        ),
        alone=contained,
        needs=("root", "podman", "mmdebstrap", "crun"),
        deadline_s=1200.0,
    ),
)
