"""Promise: a source that fails is left alone, one that is asked enough waits, the others go on."""

from actors.errors import SourceUnavailable
from actors.model.market import Source
from actors.polymarket.sources import CHAIN, MOST, MOST_BAD, SourceGates

GONE = SourceUnavailable("HTTP 503", retry_after_s=30.0)


def test_a_source_that_asks_for_time_gets_it_and_the_others_go_on() -> None:
    gates = SourceGates(Source)
    assert gates.failed(Source.DATA, 0.0, GONE) == 30.0
    assert not gates.open(Source.DATA, 29.9)
    assert gates.open(Source.GAMMA, 0.0)
    assert dict(gates.states())["data"] == "HTTP 503"
    assert gates.open(Source.DATA, 30.0)
    gates.answered(Source.DATA)
    assert dict(gates.states())["data"] == "ok"


def test_a_source_that_was_asked_enough_is_able_and_not_open() -> None:
    gates = SourceGates(Source)
    for _ in range(CHAIN):
        gates.asked(Source.CHAIN, 1.0)
    assert gates.able(Source.CHAIN, 2.0)
    assert not gates.affords(Source.CHAIN, 2.0)
    assert not gates.open(Source.CHAIN, 11.9)
    assert gates.open(Source.CHAIN, 12.0)


def test_a_share_of_a_rate_limit_is_used_up_before_the_rest() -> None:
    gates = SourceGates([Source.CHAIN])
    for _ in range(CHAIN // 2):
        assert gates.open(Source.CHAIN, 1.0, share=0.5)
        gates.asked(Source.CHAIN, 1.0)
    assert not gates.open(Source.CHAIN, 1.0, share=0.5)
    assert gates.open(Source.CHAIN, 1.0)


def test_what_an_earlier_incarnation_may_have_asked_counts_at_the_beginning() -> None:
    gates = SourceGates(Source)
    gates.begin(5.0)
    assert not any(gates.open(each, 14.9) for each in Source)
    assert all(gates.open(each, 15.0) for each in Source)
    assert gates.requests(14.9)[0] == ("gamma", 0, 0, 0)


def test_while_another_tracker_is_there_each_source_is_asked_half_as_often() -> None:
    gates = SourceGates(Source)
    gates.share(1, 0.0)
    gates.begin(0.0)
    gates.share(2, 20.0)
    for _ in range(CHAIN // 2):
        assert gates.open(Source.CHAIN, 20.0)
        gates.asked(Source.CHAIN, 20.0)
    assert gates.able(Source.CHAIN, 20.0)
    assert not gates.affords(Source.CHAIN, 20.0)
    assert gates.open(Source.GAMMA, 20.0)


def test_a_start_beside_another_tracker_waits_for_it_as_well() -> None:
    gates = SourceGates(Source)
    gates.share(2, 5.0)
    gates.begin(5.0)
    assert not any(gates.open(each, 16.9) for each in Source)
    assert all(gates.open(each, 17.0) for each in Source)


def test_requests_are_counted_in_all_and_lately() -> None:
    gates = SourceGates([Source.GAMMA])
    for now in (0.0, 5.0, 11.0):
        gates.asked(Source.GAMMA, now)
    assert gates.requests(15.0) == (("gamma", 3, 2, 0),)


def test_every_source_has_its_rate_limit() -> None:
    assert set(MOST) == set(Source)


def test_a_source_is_unknown_until_it_has_answered() -> None:
    gates = SourceGates([Source.GAMMA, Source.CLOB, Source.DATA])
    gates.answered(Source.CLOB)
    gates.failed(Source.DATA, 0.0, SourceUnavailable("refused"))
    assert dict(gates.states()) == {"gamma": "unknown", "clob": "ok", "data": "refused"}
    gates.answered(Source.DATA)
    assert dict(gates.states())["data"] == "ok"


def test_what_a_server_rejects_is_not_held_against_it_until_it_rejects_much_in_a_row() -> None:
    gates = SourceGates([Source.DATA])
    rejected = SourceUnavailable("HTTP 400", status=400)
    for _ in range(MOST_BAD):
        assert gates.failed(Source.DATA, 0.0, rejected) == 0.0
        assert gates.open(Source.DATA, 0.0)
    assert gates.failed(Source.DATA, 0.0, rejected) > 0.0
    assert not gates.open(Source.DATA, 0.0)
    gates.answered(Source.DATA)
    assert gates.failed(Source.DATA, 0.0, rejected) == 0.0
    assert gates.requests(0.0)[0][3] == MOST_BAD + 2


def test_an_overloaded_server_is_left_alone_at_once() -> None:
    gates = SourceGates([Source.DATA])
    assert gates.failed(Source.DATA, 0.0, SourceUnavailable("HTTP 503", status=503)) > 0.0
