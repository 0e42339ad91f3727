"""strace injects faults into system calls: errors, delays, kills at a certain call."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.live.processes import until

WAIT_S = 20.0


def under(inject: str, command: list[str]) -> list[str]:
    """Return the command that runs another one with this injection, in its own process."""
    call = inject.split(":", 1)[0]
    tracer = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    return [*tracer, "-e", f"inject={inject}", *command]


@contextlib.contextmanager
def attached(pid: int, inject: str) -> Iterator[None]:
    """Inject faults into the calls of a running process until exit."""
    call = inject.split(":", 1)[0]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    tracer = subprocess.Popen(
        [*command, "-e", f"inject={inject}", "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until("the tracer is attached", lambda: _traced(pid), within_s=WAIT_S)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            tracer.wait(WAIT_S)
        if tracer.poll() is None:
            tracer.kill()
            tracer.wait()


def _traced(pid: int) -> bool:
    """Return whether every thread is traced; true when the process has ended."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        words = [(task / "status").read_text() for task in tasks]
    except OSError:
        return not Path(f"/proc/{pid}").exists()
    return all("TracerPid:\t0" not in word for word in words)
