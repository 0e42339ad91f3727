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


def told(manager: socket.socket) -> list[str]:
    manager.setblocking(False)
    found = []
    try:
        while True:
            found.append(manager.recv(4096).decode())
    except BlockingIOError:
        return found


def test_each_notice_has_its_word(manager: socket.socket, notifier: Notifier) -> None:
    notifier.ready()
    notifier.status("2 of 3\nconnections live " + "x" * LONGEST_STATUS)
    notifier.watchdog()
    notifier.extend(1.5)
    notifier.stopping()
    said = told(manager)
    assert said[0] == "READY=1"
    assert said[1].startswith("STATUS=2 of 3 connections live xx")
    assert len(said[1]) == len("STATUS=") + LONGEST_STATUS
    assert said[2:] == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=1500000", "STOPPING=1"]


def test_an_abstract_socket_is_reached_by_its_at_sign() -> None:
    name = f"tracker-test-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        Notifier(f"@{name}").ready()
        assert told(manager) == ["READY=1"]


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    Notifier().ready()
    Notifier(str(tmp_path / "gone")).ready()
    assert Notifier.from_environment({}).watchdog_s is None


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    usec = {"WATCHDOG_USEC": "30000000"}
    assert Notifier.from_environment(usec).watchdog_s == 30
    mine = {**usec, "WATCHDOG_PID": str(os.getpid())}
    assert Notifier.from_environment(mine).watchdog_s == 30
    assert Notifier.from_environment({**usec, "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier.from_environment({"WATCHDOG_USEC": "soon"}).watchdog_s is None


def test_a_fresh_house_is_pinged_with_its_status(
    manager: socket.socket, notifier: Notifier
) -> None:
    dog = Watchdog(notifier, {"main": lambda: 1.0}, lambda *_: None, status=lambda: "healthy")
    assert dog.look()
    assert told(manager) == ["WATCHDOG=1", "STATUS=healthy"]


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
    assert [dog.look(), dog.look()] == [False, False]
    assert stuck == ["journal"]
    assert told(manager) == ["STATUS=stuck: journal"] * 2
    age["journal"] = 0.0
    assert dog.look()
    age["journal"] = 99.0
    dog.look()
    assert stuck == ["journal", "journal"]
    assert told(manager) == ["WATCHDOG=1", "STATUS=stuck: journal"]


def test_who_is_forgiven_is_neither_looked_at_nor_told_of(
    manager: socket.socket, notifier: Notifier
) -> None:
    stuck: list[str] = []
    dog = Watchdog(notifier, {"main": lambda: 99.0}, lambda name, _: stuck.append(name))
    dog.forgive()
    assert dog.look()
    assert (stuck, told(manager)) == ([], ["WATCHDOG=1"])


def test_the_stack_of_the_stuck_thread_is_told(notifier: Notifier) -> None:
    inside, leave = threading.Event(), threading.Event()

    def stuck_here() -> None:
        inside.set()
        leave.wait(10)

    thread = threading.Thread(target=stuck_here, name="status")
    thread.start()
    told_stacks: list[str] = []
    try:
        assert inside.wait(5)
        Watchdog(
            notifier, {"status": lambda: 99.0}, lambda _, text: told_stacks.append(text)
        ).look()
        everyone = stacks("nobody of this name")
    finally:
        leave.set()
        thread.join(5)
    assert "stuck_here" in told_stacks[0]
    assert "MainThread" not in told_stacks[0]
    assert "MainThread" in everyone


@pytest.mark.live
def test_the_watchdog_thread_pings_by_itself_until_stopped(manager: socket.socket) -> None:
    looks: queue.Queue[None] = queue.Queue()

    def age() -> float:
        looks.put(None)
        return 0.0

    dog = Watchdog(Notifier(manager.getsockname(), watchdog_s=0.04), {"main": age}, lambda *_: None)
    dog.start()
    for _ in range(3):
        looks.get(timeout=5)
    dog.stop()
    assert manager.recv(100) == b"WATCHDOG=1"
    told(manager)
    assert told(manager) == []


def test_stopping_a_watchdog_that_never_began_is_nothing() -> None:
    Watchdog(Notifier(), {}, lambda *_: None).stop()
