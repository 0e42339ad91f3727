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
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.live.processes import until

Address = tuple[str, int] | Path
AGAIN_S = 0.05
"""How soon a client that was cut off is there again."""
_LEFT_OVER = 8
"""Connections that are made to fill a queue of one; Linux takes one more than it is told."""
_FULL_S = 0.2


class SilentClients:
    """Holds so many connections, and makes another one for each that is cut off; a context manager.

    Args:
        to: Host and port, or the path of a Unix socket.
        count: How many.

    Attributes:
        cut_off: How often one of them was cut off.
    """

    def __init__(self, to: Address, count: int) -> None:
        self._to = to
        self._count = count
        self._selector = selectors.DefaultSelector()
        self._held: set[socket.socket] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="silent", daemon=True)
        self.cut_off = 0

    @property
    def held(self) -> int:
        """Return how many connections are open or wait to be accepted."""
        return len(self._held)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(10)

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

    The queue of each socket is full, so the kernel drops what else wants to connect.

    Attributes:
        addresses: Of them, as text.
        port: Of all of them.
    """

    def __init__(self, count: int, network: str = "127.9.0.") -> None:
        self.addresses = [f"{network}{number}" for number in range(1, count + 1)]
        self.port = 0
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        for address in self.addresses:
            listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._sockets.append(listening)
            listening.bind((address, self.port))
            listening.listen(0)
            self.port = listening.getsockname()[1]
            for _ in range(_LEFT_OVER):
                filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                self._sockets.append(filler)
                filler.setblocking(False)
                filler.connect_ex((address, self.port))
        until("the holes answer nobody", lambda: not any(map(self._answers, self.addresses)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for each in self._sockets:
            each.close()

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


class Watch:
    """Looks at a process again and again, until it is left; a context manager.

    Attributes:
        most_descriptors: The most that it had open.
    """

    def __init__(self, pid: int, every_s: float = 0.2) -> None:
        self._pid = pid
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.most_descriptors = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(10)

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
