"""What strangers on the host and in the network do: silent clients, hosts that never answer.

`SilentClients` hold connections to a socket of the tracker and say nothing. `BlackHoles` are
addresses that answer no SYN, so whoever connects cannot tell them from a host behind a firewall
that drops everything.
"""

import contextlib
import errno
import os
import selectors
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.live.processes import until
from tests.network.unanswering import full_queue

Address = tuple[str, int] | Path
AGAIN_S = 0.05
"""How soon a client that was cut off is there again."""
_FULL_S = 0.2


class _InThread:
    """What goes on in a thread of its own until it is left; a context manager."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        raise NotImplementedError


class SilentClients(_InThread):
    """Holds so many connections, and makes another one for each that is cut off; a context manager.

    Args:
        to: Host and port, or the path of a Unix socket.
        count: How many.

    Attributes:
        cut_off: How often one of them was cut off.
    """

    def __init__(self, to: Address, count: int) -> None:
        super().__init__()
        self._to = to
        self._count = count
        self._selector = selectors.DefaultSelector()
        self._held: set[socket.socket] = set()
        self.cut_off = 0

    @property
    def held(self) -> int:
        """Return how many connections are open or wait to be accepted."""
        return len(self._held)

    def _run(self) -> None:
        while not self._stop.is_set():
            while len(self._held) < self._count and self._connect():
                pass
            for key, _ in self._selector.select(AGAIN_S):
                self._read(key.fileobj)  # type: ignore[arg-type]
            self._stop.wait(AGAIN_S)
        for each in self._held:
            each.close()
        self._selector.close()

    def _connect(self) -> bool:
        """Make one more connection; return whether another one may be tried at once."""
        to = str(self._to) if isinstance(self._to, Path) else self._to
        family = socket.AF_UNIX if isinstance(to, str) else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)
        failure = made.connect_ex(to)
        if failure and not (failure == errno.EINPROGRESS and family is socket.AF_INET):
            made.close()
            return False
        self._held.add(made)
        self._selector.register(made, selectors.EVENT_READ)
        return True

    def _read(self, one: socket.socket) -> None:
        try:
            if one.recv(1024):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._selector.unregister(one)
        self._held.discard(one)
        one.close()
        self.cut_off += 1


class BlackHoles:
    """Addresses of loopback that answer nothing, all with one port; a context manager.

    Attributes:
        addresses: Of them, as text.
        port: Of all of them.
    """

    def __init__(self, count: int, network: str = "127.9.0.") -> None:
        self.addresses = [f"{network}{number}" for number in range(1, count + 1)]
        self.port = 0
        self._held = ExitStack()

    def __enter__(self) -> Self:
        for address in self.addresses:
            self.port = self._held.enter_context(full_queue(address, self.port))
        until("the holes answer nobody", lambda: not any(map(self._answers, self.addresses)))
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _answers(self, address: str) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(_FULL_S)
            try:
                probe.connect((address, self.port))
            except TimeoutError:
                return False
            return True


def hosts_file(folder: Path, name: str, addresses: Sequence[str]) -> Path:
    """Write the hosts of this machine, and one name with these addresses, into a new file."""
    made = folder / "hosts"
    lines = [f"{address} {name}" for address in addresses]
    made.write_text("\n".join([Path("/etc/hosts").read_text().rstrip(), *lines]) + "\n")
    made.chmod(0o644)
    return made


class Watch(_InThread):
    """Looks at a process again and again, until it is left; a context manager.

    Attributes:
        most_descriptors: The most that it had open.
    """

    def __init__(self, pid: int, every_s: float = 0.2) -> None:
        super().__init__()
        self._pid = pid
        self._every_s = every_s
        self.most_descriptors = 0

    def peak_mib(self) -> float:
        """Return the largest resident memory that it ever had."""
        text = Path(f"/proc/{self._pid}/status").read_text()
        line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                found = len(os.listdir(f"/proc/{self._pid}/fd"))  # noqa: PTH208 - only counted
                self.most_descriptors = max(self.most_descriptors, found)
            self._stop.wait(self._every_s)
