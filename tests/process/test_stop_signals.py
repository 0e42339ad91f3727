"""What a signal may interrupt: anything, so also the lock that its handler would take."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from actors.process.runtime import stop_signals

WAIT_S = 10.0
HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_BETWEEN_OUR_END_AND_THE_INTERPRETERS = """
import os, signal, threading
from actors.process.runtime import stop_signals

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM):
        kill(pid, number)

stop = threading.Event()
with stop_signals(stop.set):
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.wait(10)
late = Late()
threading.late = late  # exists until the modules are taken down
raise SystemExit(7)
"""


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HEEDED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", HEEDED)
def test_a_signal_that_comes_while_its_lock_is_held_hangs_nothing(number: signal.Signals) -> None:
    lock, got, done = threading.Lock(), [], threading.Event()

    def act() -> None:
        got.append(lock.acquire(timeout=WAIT_S))
        done.set()

    with stop_signals(act):
        with lock:
            signal.raise_signal(number)
        assert done.wait(WAIT_S)
    assert got == [True]


def test_act_is_called_for_each_signal_and_not_after_the_end() -> None:
    calls: list[int] = []
    with stop_signals(lambda: calls.append(threading.get_ident())):
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
    assert len(calls) == 3
    assert len(set(calls) - {threading.get_ident()}) == 1
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert len(calls) == 3


def test_a_signal_while_the_interpreter_ends_does_not_change_the_exit_code() -> None:
    code = _BETWEEN_OUR_END_AND_THE_INTERPRETERS
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7


def test_a_hangup_stops_nothing_where_it_means_something_else() -> None:
    calls: list[str] = []
    with stop_signals(lambda: calls.append("stop"), on_hangup=lambda: calls.append("hangup")):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
    assert calls == ["hangup", "stop"]


def test_a_hangup_that_is_ignored_from_the_start_stays_so() -> None:
    calls: list[str] = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_signals(lambda: calls.append("stop")):
        signal.raise_signal(signal.SIGHUP)
    assert calls == []
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
