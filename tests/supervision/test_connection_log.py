"""The rows of `connection_events`."""

from tests.actor_harness import SLOT, House


def test_the_first_opening_is_called_connected() -> None:
    assert House().begin(1).noted(SLOT) == [("connected", "")]


def test_an_opening_after_an_end_is_called_reconnected_with_the_reason_of_the_end() -> None:
    house = House().begin(1)
    house.end(SLOT, "frozen")
    house.ticks(3)

    assert house.noted(SLOT) == [
        ("connected", ""),
        ("disconnected", "frozen"),
        ("reconnected", "frozen"),
    ]


def test_a_connection_is_recorded_as_open_once() -> None:
    assert len(House().begin(1).ticks(5).noted(SLOT)) == 1


def test_incarnations_that_never_listened_are_called_failed_once_for_each_reason() -> None:
    house = House().tick()
    house.mute.add(SLOT)
    house.begin(1)
    for reason in ("dns", "dns", "http_429", "dns"):
        starts = house.incarnation(SLOT)
        house.end(SLOT, reason)
        while house.incarnation(SLOT) == starts:
            house.tick()

    assert house.noted(SLOT) == [("failed", "dns"), ("failed", "http_429"), ("failed", "dns")]


def test_a_connection_that_opens_only_after_failures_is_called_connected() -> None:
    house = House().tick()
    house.mute.add(SLOT)
    house.begin(1)
    house.end(SLOT, "dns")
    house.mute.clear()
    house.ticks(3)

    assert house.noted(SLOT) == [("failed", "dns"), ("connected", "")]


def test_a_connection_that_cannot_be_reopened_is_called_failed_after_disconnected() -> None:
    house = House().begin(1)
    house.end(SLOT, "reset")
    house.mute.add(SLOT)
    house.ticks(2)
    house.end(SLOT, "reset")
    house.ticks(3)

    assert house.noted(SLOT)[1:] == [("disconnected", "reset"), ("failed", "reset")]
