"""A crowd of lines is read in rounds. The clock stands still, so each rest is a whole round."""

import threading

import pytest

from actors.transport.reactor import MUCH_BYTES, ROUND_S, UNPACED
from tests.transport.loopback import WAIT_S, frame
from tests.transport.reactor_harness import ReactorHarness, trade

pytestmark = pytest.mark.live


class Bed:
    """Sleeps until the test lets it wake up."""

    def __init__(self) -> None:
        self.asleep = threading.Semaphore(0)
        self.awake = threading.Semaphore(0)
        self.slept_s: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.asleep.release()
        assert self.awake.acquire(timeout=WAIT_S)


def test_what_comes_during_a_rest_is_heard_together_after_it() -> None:
    bed = Bed()
    with ReactorHarness(sleep=bed) as harness:
        pairs = [harness.connect() for _ in range(UNPACED + 1)]
        first, last = pairs[0], pairs[-1]
        harness.reactor.start()
        assert bed.asleep.acquire(timeout=WAIT_S)  # after the round that adopted them

        for number in (1, 2):
            first.peer.sendall(frame(trade(number)))
            last.peer.sendall(frame(trade(number)))
        assert first.owner.heard.empty()
        bed.awake.release()
        for pair in (first, last):
            assert pair.owner.heard.get(timeout=WAIT_S) == (42, (trade(1), trade(2)))
        assert bed.slept_s[0] == pytest.approx((UNPACED + 1) * ROUND_S)

        for _ in range(len(pairs)):  # whatever rounds the stop takes
            bed.awake.release()


def test_nobody_rests_while_a_line_brings_much() -> None:
    bed = Bed()
    with ReactorHarness(sleep=bed) as harness:
        pairs = [harness.connect() for _ in range(UNPACED + 1)]
        harness.reactor.start()
        assert bed.asleep.acquire(timeout=WAIT_S)

        pairs[0].peer.sendall(frame(b"x" * MUCH_BYTES))
        pairs[1].peer.sendall(frame(trade(1)))
        bed.awake.release()
        assert pairs[1].owner.messages(1) == [trade(1)]
        pairs[1].peer.sendall(frame(trade(2)))  # nobody wakes the reactor: it must not sleep
        assert pairs[1].owner.messages(1) == [trade(2)]
        for _ in range(len(pairs)):
            bed.awake.release()


def test_few_lines_are_never_left_waiting() -> None:
    bed = Bed()
    with ReactorHarness(sleep=bed) as harness:
        pairs = [harness.connect() for _ in range(UNPACED)]
        harness.reactor.start()
        for pair in pairs:
            pair.peer.sendall(frame(trade(1)))
        for pair in pairs:
            assert pair.owner.messages(1) == [trade(1)]
    assert bed.slept_s == []
