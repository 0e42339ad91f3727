"""Whatever a tracker puts out in a whole run, no secret is in it, even if a server repeats one."""

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live.processes import Process, Processes, processes_in, until
from tests.live.test_readiness import manager

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

PASSWORD = "hunter2+secret"
KEY = "0123456789abcdef-key"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with processes_in(tmp_path, "") as found:
        found.simulator("--markets", "4")
        yield found


class Repeating:
    """A database server that asks for the password and repeats it in its error."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.got: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                with peer:
                    self._reject(peer)

    def _reject(self, peer: socket.socket) -> None:
        peer.settimeout(10)
        if struct.unpack("!II", peer.recv(8, socket.MSG_PEEK))[1] == 80877103:  # asks for TLS
            peer.recv(8)
            peer.sendall(b"N")
        peer.recv(4096)
        peer.sendall(b"R" + struct.pack("!II", 8, 3))  # in clear text, please
        password = peer.recv(4096)[5:].rstrip(b"\0")
        self.got.append(password)
        text = b"SFATAL\0C28P01\0Mwrong password '" + password + b"' for you\0\0"
        peer.sendall(b"E" + struct.pack("!I", len(text) + 4) + text)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def repeating() -> Iterator[Repeating]:
    made = Repeating()
    yield made
    made.close()


def settings(processes: Processes, repeating: Repeating) -> dict[str, str]:
    # The URL permits what is asked for, or the server would never be given the password.
    permitted = "sslmode=disable&gssencmode=disable&require_auth=password"
    place = f"127.0.0.1:{repeating.port}/db?{permitted}"
    return {
        **processes.settings(),
        "TRACKER_DATABASE_URL": f"postgresql://u:{PASSWORD.replace('+', '%2B')}@{place}",
        "TRACKER_POLYGON_RPC_URLS": f"http://127.0.0.1:1/v2/{KEY}",
        "TRACKER_LOG_LEVEL": "DEBUG",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def served(port: int, path: str) -> str:
    """Return what the metrics port answers, whether all is well or not."""
    peer = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        peer.request("GET", f"/{path}")
        return peer.getresponse().read().decode()
    finally:
        peer.close()


def test_a_run_tells_its_log_its_status_and_systemd_no_secret(
    processes: Processes, repeating: Repeating
) -> None:
    told: list[str] = []
    metrics = free_port()
    with manager(processes.folder) as (listener, place):
        tracker = Process(
            "tracker",
            [],
            {
                **settings(processes, repeating),
                "TRACKER_METRICS_PORT": str(metrics),
                "NOTIFY_SOCKET": place,
                "WATCHDOG_USEC": "2000000",
            },
            processes.folder / "log",
        )
        processes.own(tracker)

        def says_why(found: dict[str, Any]) -> bool:
            return "wrong password" in found["database"]["reason"]

        told.append(str(processes.until_status("it says what the server said", says_why)))

        def systemd_knows() -> bool:
            told.append(listener.recv(65536).decode())
            return "wrong password" in told[-1]

        until("systemd is told, too", systemd_knows)
        paths = ("metrics", "status.json", "", "healthz", "readyz")
        told.extend(served(metrics, path) for path in paths)
        assert "wrong password" in told[-1]
        assert tracker.stop() == 0
    told.append(tracker.log_text())
    assert repeating.got[0] == PASSWORD.encode()
    for secret in (PASSWORD, PASSWORD.replace("+", "%2B"), KEY):
        assert [text for text in told if secret in text] == []


@pytest.mark.parametrize("arguments", [["--check"], ["--migrate"], ["--reingest"]])
def test_no_other_mode_repeats_what_the_server_repeats(
    processes: Processes, repeating: Repeating, arguments: list[str]
) -> None:
    process = Process(
        "tracker", arguments, settings(processes, repeating), processes.folder / "log"
    )
    processes.own(process)
    assert process.process.stdout is not None
    said = process.process.stdout.read()
    assert process.stop() == 78
    assert "wrong password" in process.log_text()
    assert PASSWORD not in said + process.log_text()
