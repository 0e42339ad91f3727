"""Processes of the embedded server: tied to ours, looked at, signalled."""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` by which the kernel sends a child this signal when its parent ends.

    None where there is no such thing (Linux only). The kernel takes the end of the thread that
    started the child for the end of the parent.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)

    return arm


def locked_by(file: int) -> str:
    """Return which of our programs has locked an open file, for people."""
    pid, arguments = None, b""
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        state = os.fstat(file)
        # proc_locks(5): such as `1: FLOCK ADVISORY WRITE 4711 fd:01:131074 0 EOF`.
        name = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        pid = next(int(line.split()[4]) for line in lines if name in line.split())
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    if not arguments:
        return "another tracker, or `tracker --psql`,"
    # Not the whole command line: there may be a password in it.
    what = "`tracker --psql`" if b"--psql" in arguments.split(b"\0") else "another tracker"
    return f"{what} (process {pid})"


def is_running(pid: int | None) -> bool:
    """Return whether a process has this pid, and has not ended."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return sys.platform != "linux"
    return stat[stat.rindex(")") + 2] != "Z"  # one that nobody has waited for yet


def is_other_program(pid: int | None) -> bool:
    """Return whether a running process that is no PostgreSQL has this pid (Linux)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The name of a program may hold brackets itself (proc(5)), so the last one ends it.
    return stat[stat.index("(") + 1 : stat.rindex(")")] != "postgres"


def signal_if_of(pid: int, number: signal.Signals, user: int | None) -> None:
    """Send a signal to a process that is no child of ours, if it belongs to this user.

    Args:
        pid: As a file of that user says, which may name any process.
        number: The signal.
        user: None: ours, and we are not root, so that the kernel checks it.
    """
    with contextlib.suppress(OSError):  # it has ended, or is not to be signalled
        if user is None:
            os.kill(pid, number)
            return
        # Held, so that whose process is looked at is the one that gets the signal.
        held = os.pidfd_open(pid)
        try:
            if _users(pid) == {user}:
                signal.pidfd_send_signal(held, number)
        finally:
            os.close(held)


def _users(pid: int) -> set[int]:
    """Return the users as which a process runs: real, effective, saved, of its files (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    return {int(user) for line in lines if line.startswith("Uid:") for user in line.split()[1:]}
