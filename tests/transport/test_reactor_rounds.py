"""Many connections are read in rounds. The clock does not move, so each pause is a whole round."""

import threading

import pytest

from actors.transport.reactor import MUCH_BYTES, ROUND_S, UNPACED
from tests.transport.loopback import WAIT_S, frame
from tests.transport.reactor_harness import ReactorHarness, trade

pytestmark = pytest.mark.live


class HeldSleep:
    """A sleep that lasts until the test ends it."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.slept_s: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.begun.release()
        assert self.ended.acquire(timeout=WAIT_S)


def test_what_arrives_during_a_pause_is_handed_on_together_after_it() -> None:
    sleep = HeldSleep()
    with ReactorHarness(sleep=sleep) as harness:
        pairs = [harness.connect() for _ in range(UNPACED + 1)]
        first, last = pairs[0], pairs[-1]
        harness.reactor.start()
        assert sleep.begun.acquire(timeout=WAIT_S)  # after the round that adopted them

        for number in (1, 2):
            first.peer.sendall(frame(trade(number)))
            last.peer.sendall(frame(trade(number)))
        assert first.owner.received.empty()
        sleep.ended.release()
        for pair in (first, last):
            assert pair.owner.received.get(timeout=WAIT_S) == (42, (trade(1), trade(2)))
        assert sleep.slept_s[0] == pytest.approx((UNPACED + 1) * ROUND_S)

        for _ in range(len(pairs)):  # as many rounds as the stop may take
            sleep.ended.release()


def test_there_is_no_pause_while_a_connection_brings_much() -> None:
    sleep = HeldSleep()
    with ReactorHarness(sleep=sleep) as harness:
        pairs = [harness.connect() for _ in range(UNPACED + 1)]
        harness.reactor.start()
        assert sleep.begun.acquire(timeout=WAIT_S)

        pairs[0].peer.sendall(frame(b"x" * MUCH_BYTES))
        pairs[1].peer.sendall(frame(trade(1)))
        sleep.ended.release()
        assert pairs[1].owner.messages(1) == [trade(1)]
        pairs[1].peer.sendall(frame(trade(2)))  # nobody wakes the reactor: it must not sleep
        assert pairs[1].owner.messages(1) == [trade(2)]
        for _ in range(len(pairs)):
            sleep.ended.release()


def test_few_connections_are_read_without_a_pause() -> None:
    sleep = HeldSleep()
    with ReactorHarness(sleep=sleep) as harness:
        pairs = [harness.connect() for _ in range(UNPACED)]
        harness.reactor.start()
        for pair in pairs:
            pair.peer.sendall(frame(trade(1)))
        for pair in pairs:
            assert pair.owner.messages(1) == [trade(1)]
    assert sleep.slept_s == []
