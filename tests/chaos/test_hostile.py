"""The strangers of the torture do what they are said to do."""

import os
import socket
import time
from pathlib import Path

import pytest

from tests.chaos.hostile import BlackHoles, SilentClients, Watch, hosts_file
from tests.live.processes import until

pytestmark = pytest.mark.live


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_silent_clients_say_nothing_and_come_again(family: str, tmp_path: Path) -> None:
    kind = socket.AF_INET if family == "tcp" else socket.AF_UNIX
    with socket.socket(kind, socket.SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 0) if family == "tcp" else str(tmp_path / "s"))
        server.listen(20)
        to = server.getsockname() if family == "tcp" else tmp_path / "s"
        with SilentClients(to, 5) as clients:
            accepted = [server.accept()[0] for _ in range(5)]
            accepted[0].setblocking(False)
            with pytest.raises(BlockingIOError):
                accepted[0].recv(1)
            accepted[0].close()
            again, _ = server.accept()
            until("it was counted", lambda: clients.cut_off == 1 and clients.held == 5)
            again.close()
        for each in accepted[1:]:
            each.settimeout(10)
            assert each.recv(1) == b""
            each.close()


def test_a_black_hole_answers_nobody() -> None:
    with BlackHoles(12) as holes:
        assert len(set(holes.addresses)) == 12
        for address in (holes.addresses[0], holes.addresses[-1]):
            began = time.monotonic()
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    client.connect((address, holes.port))
            assert time.monotonic() - began > 0.25


def test_a_hosts_file_has_all_addresses_of_a_name(tmp_path: Path) -> None:
    lines = hosts_file(tmp_path, "hole.test", ["127.9.0.1", "127.9.0.2"]).read_text().splitlines()
    assert lines[-2:] == ["127.9.0.1 hole.test", "127.9.0.2 hole.test"]
    assert lines[:-2] == Path("/etc/hosts").read_text().rstrip().splitlines()


def test_a_watch_sees_descriptors_and_memory() -> None:
    with Watch(os.getpid(), 0.01) as watch:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        one, other = socket.socketpair()
        with one, other:
            until("they were seen", lambda: watch.most_descriptors >= before + 1)
        assert watch.peak_mib() > 10
