"""Promise: a source that fails is left alone, one that is asked enough waits, the others go on."""

from actors.errors import SourceUnavailable
from actors.model.outcome import Source
from actors.polymarket.ratelimit import CHAIN, MOST, SourceGates

GONE = SourceUnavailable("HTTP 503", retry_after_s=30.0)


def test_a_source_that_asks_for_time_gets_it_and_the_others_go_on() -> None:
    doors = SourceGates(Source)
    assert doors.failed(Source.DATA, 0.0, GONE) == 30.0
    assert not doors.open(Source.DATA, 29.9)
    assert doors.open(Source.GAMMA, 0.0)
    assert doors.any_able(0.0)
    assert dict(doors.states())["data"] == "HTTP 503"
    assert doors.open(Source.DATA, 30.0)
    doors.answered(Source.DATA)
    assert dict(doors.states())["data"] == "ok"


def test_a_source_that_was_asked_enough_is_able_and_not_open() -> None:
    doors = SourceGates(Source)
    for _ in range(CHAIN):
        doors.asked(Source.CHAIN, 1.0)
    assert doors.able(Source.CHAIN, 2.0)
    assert not doors.affords(Source.CHAIN, 2.0)
    assert not doors.open(Source.CHAIN, 11.9)
    assert doors.open(Source.CHAIN, 12.0)


def test_what_an_earlier_life_may_have_asked_counts_at_the_beginning() -> None:
    doors = SourceGates(Source)
    doors.begin(5.0)
    assert not any(doors.open(each, 14.9) for each in Source)
    assert all(doors.open(each, 15.0) for each in Source)
    assert doors.requests(14.9)[0] == ("gamma", 0, 0)


def test_requests_are_counted_in_all_and_lately() -> None:
    doors = SourceGates([Source.GAMMA])
    for now in (0.0, 5.0, 11.0):
        doors.asked(Source.GAMMA, now)
    assert doors.requests(15.0) == (("gamma", 3, 2),)


def test_every_source_has_its_budget() -> None:
    assert set(MOST) == set(Source)
