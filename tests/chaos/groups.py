"""Control groups of this kernel: bounds on threads and memory, as systemd sets them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.live.processes import until

PIDS = Path("/sys/fs/cgroup/pids")
MEMORY = Path("/sys/fs/cgroup/memory")


@contextlib.contextmanager
def grouped(root: Path, *pids: int) -> Iterator[Path]:
    """Yield the folder of a new group with these processes; the group is removed at the end."""
    group = root / f"tracker-torture-{os.getpid()}"
    group.mkdir()
    try:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        yield group
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (root / "cgroup.procs").write_text(left)
        until("the group is empty", lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
