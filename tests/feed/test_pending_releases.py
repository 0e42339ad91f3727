"""Letting go: not before it is proven, not later than a bound."""

from actors.feed.coverage import PendingRelease, PendingReleases
from actors.model.trade import TokenId

ONE = PendingRelease((TokenId("1"),), "released", since_ns=1_000, asked_at=50.0)
TWO = PendingRelease((TokenId("2"),), "released", since_ns=2_000, asked_at=51.0)


def test_a_token_leaves_once_it_is_heard_to_its_end() -> None:
    departures = PendingReleases(10.0)
    departures.add(ONE)
    departures.add(TWO)

    assert departures.due(51.0, 999) == []
    assert departures.due(51.0, 1_000) == [ONE]
    assert departures.due(51.0, 2_500) == [TWO]
    assert not departures
    assert departures.due(99.0, 2_500) == []


def test_a_token_leaves_after_the_wait_even_without_proof() -> None:
    departures = PendingReleases(10.0)
    departures.add(ONE)

    assert departures.due(59.9, 0) == []
    assert departures
    assert departures.due(60.0, 0) == [ONE]
