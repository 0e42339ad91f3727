import os
import queue
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.process.systemd import LONGEST_STATUS, Notifier, Watchdog, stacks


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(tmp_path / "notify"))
        found.settimeout(5)
        yield found


@pytest.fixture
def notifier(manager: socket.socket) -> Notifier:
    return Notifier(manager.getsockname())


def received(manager: socket.socket) -> list[str]:
    manager.setblocking(False)
    found = []
    try:
        while True:
            found.append(manager.recv(4096).decode())
    except BlockingIOError:
        return found


def test_each_notification_has_its_form(manager: socket.socket, notifier: Notifier) -> None:
    notifier.ready()
    notifier.status("2 of 3\nconnections live " + "x" * LONGEST_STATUS)
    notifier.watchdog()
    notifier.stopping()
    sent = received(manager)
    assert sent[0] == "READY=1"
    assert sent[1].startswith("STATUS=2 of 3 connections live xx")
    assert len(sent[1]) == len("STATUS=") + LONGEST_STATUS
    assert sent[2:] == ["WATCHDOG=1", "STOPPING=1"]


def test_an_abstract_socket_is_reached_by_its_at_sign() -> None:
    name = f"tracker-test-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        Notifier(f"@{name}").ready()
        assert received(manager) == ["READY=1"]


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    Notifier().ready()
    Notifier(str(tmp_path / "gone")).ready()
    assert Notifier.from_environment({}).watchdog_s is None


def test_the_watchdog_of_another_process_is_ignored() -> None:
    usec = {"WATCHDOG_USEC": "30000000"}
    assert Notifier.from_environment(usec).watchdog_s == 30
    mine = {**usec, "WATCHDOG_PID": str(os.getpid())}
    assert Notifier.from_environment(mine).watchdog_s == 30
    assert Notifier.from_environment({**usec, "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier.from_environment({"WATCHDOG_USEC": "soon"}).watchdog_s is None


def test_when_all_are_fresh_it_pings_and_sends_the_status(
    manager: socket.socket, notifier: Notifier
) -> None:
    dog = Watchdog(notifier, {"main": lambda: 1.0}, lambda *_: None, status=lambda: "healthy")
    assert dog.check()
    assert received(manager) == ["WATCHDOG=1", "STATUS=healthy"]


def test_one_stale_heartbeat_withholds_the_ping_and_is_named_once(
    manager: socket.socket, notifier: Notifier
) -> None:
    age = {"main": 0.0, "journal": 99.0}
    stuck: list[str] = []
    dog = Watchdog(
        notifier,
        {name: lambda name=name: age[name] for name in age},  # type: ignore[misc]
        lambda name, _: stuck.append(name),
    )
    assert [dog.check(), dog.check()] == [False, False]
    assert stuck == ["journal"]
    assert received(manager) == ["STATUS=stuck: journal"] * 2
    age["journal"] = 0.0
    assert dog.check()
    age["journal"] = 99.0
    dog.check()
    assert stuck == ["journal", "journal"]
    assert received(manager) == ["WATCHDOG=1", "STATUS=stuck: journal"]


def test_while_it_always_pings_nothing_is_checked_or_reported(
    manager: socket.socket, notifier: Notifier
) -> None:
    stuck: list[str] = []
    dog = Watchdog(notifier, {"main": lambda: 99.0}, lambda name, _: stuck.append(name))
    dog.ping_always()
    assert dog.check()
    assert (stuck, received(manager)) == ([], ["WATCHDOG=1"])


def test_the_stack_of_the_stuck_thread_is_reported(notifier: Notifier) -> None:
    inside, leave = threading.Event(), threading.Event()

    def stuck_here() -> None:
        inside.set()
        leave.wait(10)

    thread = threading.Thread(target=stuck_here, name="status")
    thread.start()
    reported: list[str] = []
    try:
        assert inside.wait(5)
        Watchdog(notifier, {"status": lambda: 99.0}, lambda _, text: reported.append(text)).check()
        all_threads = stacks("no thread of this name")
    finally:
        leave.set()
        thread.join(5)
    assert "stuck_here" in reported[0]
    assert "MainThread" not in reported[0]
    assert "MainThread" in all_threads


@pytest.mark.live
def test_the_watchdog_thread_pings_by_itself_until_stopped(manager: socket.socket) -> None:
    checks: queue.Queue[None] = queue.Queue()

    def age() -> float:
        checks.put(None)
        return 0.0

    dog = Watchdog(Notifier(manager.getsockname(), watchdog_s=0.04), {"main": age}, lambda *_: None)
    dog.start()
    for _ in range(3):
        checks.get(timeout=5)
    dog.stop()
    assert manager.recv(100) == b"WATCHDOG=1"
    received(manager)
    assert received(manager) == []


def test_a_watchdog_that_was_not_started_can_be_stopped() -> None:
    Watchdog(Notifier(), {}, lambda *_: None).stop()
