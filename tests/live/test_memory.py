"""What is in the memory of a tracker stays there: no core dump has it, no other process reads it.

The attacks are those that work on any program: each is tried on one first, so that a machine on
which it never works says so.
"""

import contextlib
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.processes import ROOT, Process, Processes, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

SECRET = "hunter2secret"
AWAY = {
    "TRACKER_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/db",
    "TRACKER_MARKET_WS_URL": "ws://127.0.0.1:1/",
    "TRACKER_GAMMA_URL": "http://127.0.0.1:1",
    "TRACKER_CLOB_URL": "http://127.0.0.1:1",
    "TRACKER_DATA_URL": "http://127.0.0.1:1",
    "TRACKER_POLYGON_RPC_URLS": "off",
}
IDLE = "import sys; kept = '{}'; print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that another user may enter."""
    made = Path(tempfile.mkdtemp(prefix="tr-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def may_dump() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def dumps(process: "subprocess.Popen[str]") -> bool:
    """Abort a process; return whether the kernel says that it left a core dump."""
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


@contextlib.contextmanager
def started(
    python: str,
    *command: str,
    folder: Path,
    user: int | None = None,
    env: dict[str, str] | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """Start a program that may leave core dumps; end it afterwards."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}
    as_user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    with (
        (folder / "errors").open("ab") as errors,
        subprocess.Popen(
            [python, *command],
            cwd=folder,
            env={**clean, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=may_dump,  # noqa: PLW1509 - one call of the system
            **as_user,  # type: ignore[call-overload]  # mypy cannot match keywords by name
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


def settings(folder: Path) -> dict[str, str]:
    return {
        **AWAY,
        "TRACKER_STATE_DIR": str(folder / "state"),
        "TRACKER_STATUS_SOCKET": str(folder / "state" / "s"),
    }


def has_started(folder: Path) -> None:
    until("it has started", lambda: '"started"' in (folder / "errors").read_text())


def test_an_abort_leaves_all_stacks_and_no_core_dump(folder: Path) -> None:
    with started(sys.executable, "-c", IDLE.format(SECRET), folder=folder) as other:
        assert other.stdout is not None
        other.stdout.readline()
        if not dumps(other):
            pytest.skip("no program leaves a core dump here")
    for core in folder.glob("core*"):
        core.unlink()
    tracker = ("-X", "faulthandler", str(ROOT / "bin" / "tracker"))
    with started(sys.executable, *tracker, folder=folder, env=settings(folder)) as process:
        has_started(folder)
        assert not dumps(process)
    assert not list(folder.glob("core*"))
    said = (folder / "errors").read_text()
    assert "Fatal Python error: Aborted" in said
    assert said.count("(most recent call first)") >= 5
    assert SECRET not in said


def another_user() -> tuple[str, int | None]:
    """Return a Python and a user for a program that is not root's; None: we are not root."""
    if os.geteuid() != 0:
        return sys.executable, None
    nobody = pwd.getpwnam("nobody").pw_uid
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    asked = ["-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [python, *asked],
                capture_output=True, text=True, check=False, user=nobody, cwd="/",
            )  # fmt: skip
            if done.stdout.strip() == version:
                return python, nobody
    pytest.skip(f"no Python {version} here that another user than root may run")


def read_by(user: int | None, pid: int) -> list[str]:
    """Return which files about a process another one of this user can read."""
    names = ("environ", "maps", "mem", "auxv")
    as_user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    return [
        name
        for name in names
        if subprocess.run(
            ["/bin/sh", "-c", f"exec 9< /proc/{pid}/{name}"],
            capture_output=True, check=False, cwd="/",
            **as_user,  # type: ignore[call-overload]  # mypy cannot match keywords by name
        ).returncode
        == 0
    ]  # fmt: skip


def test_no_other_process_of_its_user_reads_its_memory(folder: Path) -> None:
    python, user = another_user()
    (folder / "state").mkdir(mode=0o700)
    if user is not None:
        os.chown(folder / "state", user, user)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    with started(python, "-c", IDLE.format(SECRET), folder=folder, user=user) as other:
        assert other.stdout is not None
        other.stdout.readline()
        if len(read_by(user, other.pid)) < 4:
            pytest.skip("no process reads another one here")
    with started(
        python,
        str(ROOT / "bin" / "tracker"),
        folder=folder,
        user=user,
        env={"PYTHONPATH": site, **settings(folder)},
    ) as process:
        has_started(folder)
        assert read_by(user, process.pid) == []
        for name in ("environ", "mem"):
            assert Path(f"/proc/{process.pid}/{name}").stat().st_uid == 0
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.db
def test_the_simulator_of_a_demo_is_not_given_the_databases_password(
    folder: Path, empty_database: str
) -> None:
    watched = Processes(folder, empty_database)
    demo = Process(
        "tracker",
        ["--demo", "--database-url", f"{watched.dsn}&password={SECRET}"],
        {
            "TRACKER_STATE_DIR": str(folder / "state"),
            "TRACKER_STATUS_SOCKET": str(folder / "s"),
            "PGPASSWORD": SECRET,
        },
        folder / "demo.log",
    )
    watched.own(demo)
    try:
        watched.until_status("it runs", lambda found: found["pid"])
        children = Path(f"/proc/{demo.process.pid}/task/{demo.process.pid}/children").read_text()
        places = {Path(f"/proc/{pid}") for pid in children.split()}
        (simulator,) = (
            place for place in places if b"tracker-simulator" in (place / "cmdline").read_bytes()
        )
        assert SECRET.encode() not in (simulator / "environ").read_bytes()
        demo.process.send_signal(signal.SIGINT)
        assert demo.stop(within_s=60) == 0
    finally:
        watched.clear()
