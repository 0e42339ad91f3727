"""Releases wait for the proof, but not longer than a bound."""

from actors.feed.subscription import PendingRelease, PendingReleases
from actors.model.trade import TokenId

ONE = PendingRelease((TokenId("1"),), "released", since_ns=1_000, requested_at=50.0)
TWO = PendingRelease((TokenId("2"),), "released", since_ns=2_000, requested_at=51.0)


def test_a_token_is_released_once_it_is_proven_to_its_end() -> None:
    releases = PendingReleases(10.0)
    releases.add(ONE)
    releases.add(TWO)

    assert releases.due(51.0, 999) == []
    assert releases.due(51.0, 1_000) == [ONE]
    assert releases.due(51.0, 2_500) == [TWO]
    assert not releases
    assert releases.due(99.0, 2_500) == []


def test_a_token_is_released_after_the_wait_even_without_proof() -> None:
    releases = PendingReleases(10.0)
    releases.add(ONE)

    assert releases.due(59.9, 0) == []
    assert releases
    assert releases.due(60.0, 0) == [ONE]
