"""What people find in `connection_events`."""

from tests.actor_harness import LANE, House


def test_the_first_opening_is_called_connected() -> None:
    assert House().begin(1).noted(LANE) == [("connected", "")]


def test_an_opening_after_an_end_is_called_reconnected_with_the_reason_of_the_end() -> None:
    house = House().begin(1)
    house.end(LANE, "frozen")
    house.ticks(3)

    assert house.noted(LANE) == [
        ("connected", ""),
        ("disconnected", "frozen"),
        ("reconnected", "frozen"),
    ]


def test_a_connection_is_told_to_be_open_once() -> None:
    assert len(House().begin(1).ticks(5).noted(LANE)) == 1


def test_lives_that_never_listened_are_called_failed_once_for_each_reason() -> None:
    house = House().tick()
    house.mute.add(LANE)
    house.begin(1)
    for reason in ("dns", "dns", "http_429", "dns"):
        lives = house.incarnation(LANE)
        house.end(LANE, reason)
        while house.incarnation(LANE) == lives:
            house.tick()

    assert house.noted(LANE) == [("failed", "dns"), ("failed", "http_429"), ("failed", "dns")]


def test_a_connection_that_opens_only_after_failures_is_called_connected() -> None:
    house = House().tick()
    house.mute.add(LANE)
    house.begin(1)
    house.end(LANE, "dns")
    house.mute.clear()
    house.ticks(3)

    assert house.noted(LANE) == [("failed", "dns"), ("connected", "")]


def test_a_connection_that_cannot_be_reopened_is_called_failed_after_disconnected() -> None:
    house = House().begin(1)
    house.end(LANE, "reset")
    house.mute.add(LANE)
    house.ticks(2)
    house.end(LANE, "reset")
    house.ticks(3)

    assert house.noted(LANE)[1:] == [("disconnected", "reset"), ("failed", "reset")]
