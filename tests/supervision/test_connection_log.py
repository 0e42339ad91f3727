"""The rows of `connection_events`."""

from tests.actor_harness import SLOT, SupervisorHarness


def test_the_first_opening_is_called_connected() -> None:
    assert SupervisorHarness().begin(1).noted(SLOT) == [("connected", "")]


def test_an_opening_after_an_end_is_called_reconnected_with_the_reason_of_the_end() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end(SLOT, "frozen")
    harness.ticks(3)

    assert harness.noted(SLOT) == [
        ("connected", ""),
        ("disconnected", "frozen"),
        ("reconnected", "frozen"),
    ]


def test_a_connection_is_recorded_as_open_once() -> None:
    assert len(SupervisorHarness().begin(1).ticks(5).noted(SLOT)) == 1


def test_incarnations_that_never_listened_are_called_failed_once_for_each_reason() -> None:
    harness = SupervisorHarness().tick()
    harness.mute.add(SLOT)
    harness.begin(1)
    for reason in ("dns", "dns", "http_429", "dns"):
        starts = harness.incarnation(SLOT)
        harness.end(SLOT, reason)
        while harness.incarnation(SLOT) == starts:
            harness.tick()

    assert harness.noted(SLOT) == [("failed", "dns"), ("failed", "http_429"), ("failed", "dns")]


def test_a_connection_that_opens_only_after_failures_is_called_connected() -> None:
    harness = SupervisorHarness().tick()
    harness.mute.add(SLOT)
    harness.begin(1)
    harness.end(SLOT, "dns")
    harness.mute.clear()
    harness.ticks(3)

    assert harness.noted(SLOT) == [("failed", "dns"), ("connected", "")]


def test_a_connection_that_cannot_be_reopened_is_called_failed_after_disconnected() -> None:
    harness = SupervisorHarness().begin(1)
    harness.end(SLOT, "reset")
    harness.mute.add(SLOT)
    harness.ticks(2)
    harness.end(SLOT, "reset")
    harness.ticks(3)

    assert harness.noted(SLOT)[1:] == [("disconnected", "reset"), ("failed", "reset")]
