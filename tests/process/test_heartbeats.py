"""Which threads are watched, under which names, and the line for `systemctl status`."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.health.document import Health, headline
from actors.process.systemd import STALE_S, Heartbeats, Notifier
from tests.health.health_samples import START, document, well

pytestmark = pytest.mark.live

PING_S = 0.02
LONG_AGO_S = STALE_S + 5


@dataclass
class Other:
    """A thread that records when it last moved."""

    alive_at: float
    sync_alive_at: float


class Watched:
    """Heartbeats, and the service manager that receives the pings."""

    def __init__(self, place: Path) -> None:
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(place))
        self.manager.settimeout(10)
        self.busy = threading.Event()
        notifier = Notifier(str(place), watchdog_s=4 * PING_S)
        self.beats = Heartbeats(notifier, lambda: headline(self.health()))
        self.others = {name: self._fresh() for name in ("reactor", "journal", "status")}

    def _fresh(self) -> Other:
        return Other(time.monotonic(), time.monotonic())

    def health(self) -> Health:
        if self.busy.is_set():
            raise TimeoutError
        return document(well(), START + 2)

    def watch(self) -> None:
        self.beats.watch(**self.others)

    def until(self, expected: str) -> None:
        """Wait until the manager receives this."""
        received: set[str] = set()
        for _ in range(1_000):
            received.add(self.manager.recv(4096).decode())
            if expected in received:
                return
        raise AssertionError(f"not received: {expected}, but {received}")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "notify")
    yield made
    made.beats.stop()
    made.manager.close()


def test_systemd_receives_the_headline(watched: Watched) -> None:
    watched.watch()
    watched.until("WATCHDOG=1")
    watched.until(f"STATUS={headline(watched.health())}")


def test_a_supervisor_that_does_not_answer_is_shown_as_busy(watched: Watched) -> None:
    watched.busy.set()
    watched.watch()
    watched.until("STATUS=the supervisor is busy")


@pytest.mark.parametrize(
    ("part", "named"), [("reactor", "reactor"), ("journal", "journal-sync"), ("status", "status")]
)
def test_each_thread_is_watched_under_its_own_name(watched: Watched, part: str, named: str) -> None:
    stale = time.monotonic() - LONG_AGO_S
    watched.others[part] = Other(stale, stale)
    watched.watch()
    watched.until(f"STATUS=stuck: {named}")


def test_main_thread_and_supervisor_are_stuck_when_they_stop_beating(watched: Watched) -> None:
    watched.watch()
    watched.until("WATCHDOG=1")
    watched.beats._main_at = watched.beats._supervisor_at = time.monotonic() - LONG_AGO_S
    watched.until("STATUS=stuck: MainThread, supervisor")

    watched.beats.main()
    watched.until("STATUS=stuck: supervisor")
    watched.beats.supervisor()
    watched.until("WATCHDOG=1")


def test_during_the_stop_systemd_waits(watched: Watched) -> None:
    watched.watch()
    watched.beats._main_at = time.monotonic() - LONG_AGO_S
    watched.until("STATUS=stuck: MainThread")
    watched.beats.ping_always()
    watched.until("WATCHDOG=1")
