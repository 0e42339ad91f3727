"""Trades that arrive late: how far a proof must stay behind, and which trades it passed."""

import pytest

from actors.feed.coverage import CoverageBook
from actors.feed.ingest import Ingest
from actors.feed.lateness import BOUNDS_MS, Lateness
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId, Trade
from tests.polymarket.feed_samples import sample_trade as a_trade

A, B = TokenId("1"), TokenId("2")
MS = 1_000_000
NOW_MS = 1_790_000_000_000


def listening(lateness: Lateness | None = None) -> CoverageBook:
    coverage = CoverageBook(7, lateness)
    coverage.add_requested((A,), 0.0)
    coverage.add_book(A, (NOW_MS - 60_000) * MS)
    coverage.compare_clocks((NOW_MS - 59_000) * MS, NOW_MS - 59_100)
    return coverage


def traded(at_ms: int, token: TokenId = A) -> Trade:
    return a_trade(token_id=token, traded_at_ms=at_ms)


def test_before_the_clocks_were_compared_nothing_is_late() -> None:
    coverage = CoverageBook(7)
    coverage.add_trades((traded(NOW_MS - 172_800_000),), NOW_MS * MS)
    assert (coverage.lateness.allowance_ms, sum(coverage.lateness.counts)) == (1_000, 0)


@pytest.mark.parametrize(
    ("late_ms", "allowance_ms"),
    [(120, 1_000), (1_000, 1_000), (1_001, 2_000), (3_000, 4_000), (5_000, 6_000), (90_000, 6_000)],
)
def test_the_proof_stays_behind_by_what_was_late_within_bounds(
    late_ms: int, allowance_ms: int
) -> None:
    coverage = listening()
    coverage.add_trades((traded(NOW_MS - late_ms),), NOW_MS * MS)
    coverage.advance(NOW_MS * MS, NOW_MS)
    assert coverage.proven_until_ns == (NOW_MS - allowance_ms) * MS


def test_a_socket_that_dies_before_a_late_trade_does_not_claim_its_time() -> None:
    coverage = listening()
    coverage.add_trades((traded(NOW_MS - 3_000),), NOW_MS * MS)
    coverage.advance((NOW_MS + 9_000) * MS, NOW_MS + 9_000)
    # The next one, of NOW + 6 s, would have come now. It never does.
    assert coverage.proven_until_ns < (NOW_MS + 6_000) * MS


def test_a_late_trade_never_moves_the_proof_back() -> None:
    coverage = listening()
    coverage.advance(NOW_MS * MS, NOW_MS)
    coverage.add_trades((traded(NOW_MS - 3_000),), NOW_MS * MS)
    coverage.advance((NOW_MS + 10) * MS, NOW_MS + 10)
    assert coverage.proven_until_ns == (NOW_MS - 1_000) * MS


def test_trades_at_or_before_the_proof_are_counted() -> None:
    coverage = listening()
    coverage.advance(NOW_MS * MS, NOW_MS)
    times = (NOW_MS - 3_000, NOW_MS - 1_000, NOW_MS - 999)
    coverage.add_trades([traded(each) for each in times], NOW_MS * MS)
    assert (coverage.lateness.take_beaten(), coverage.lateness.take_beaten()) == (2, 0)


def test_trades_of_time_that_is_not_claimed_are_not() -> None:
    coverage = listening()
    coverage.advance(NOW_MS * MS, NOW_MS)
    before_its_book, unknown = traded(NOW_MS - 70_000), traded(NOW_MS - 3_000, B)
    coverage.add_trades((before_its_book, unknown), NOW_MS * MS)
    assert coverage.lateness.take_beaten() == 0


def test_how_late_trades_are_is_counted() -> None:
    coverage = listening()
    for late in (-30, 0, 999, 1_500, 3_000, 3_000, 7_000):
        coverage.add_trades((traded(NOW_MS - late), traded(NOW_MS)), NOW_MS * MS)
    assert coverage.lateness.counts == [7 + 3, 1, 2, 0, 1]


def test_a_clock_that_is_ahead_makes_no_trade_late() -> None:
    coverage = listening()
    for _ in range(3):
        coverage.compare_clocks((NOW_MS + 30_000) * MS, NOW_MS)
    coverage.add_trades((traded(NOW_MS - 100),), (NOW_MS + 30_000) * MS)
    assert coverage.lateness.allowance_ms == 1_000


def test_what_was_late_is_forgotten_after_five_to_ten_minutes() -> None:
    lateness = Lateness()
    lateness.tick(0.0, 0)
    lateness.add(3_000)
    for now, allowance_ms in ((299.0, 4_000), (300.0, 4_000), (599.0, 4_000), (600.0, 1_000)):
        lateness.tick(now, 0)
        assert lateness.allowance_ms == allowance_ms


def test_what_is_late_elsewhere_counts_here_and_is_not_reported_again() -> None:
    lateness = Lateness()
    lateness.tick(0.0, 4_000)
    assert (lateness.allowance_ms, lateness.needed_ms) == (4_000, 1_000)
    lateness.add(1_500)
    assert (lateness.allowance_ms, lateness.needed_ms) == (4_000, 2_000)
    lateness.tick(1.0, 99_000)
    assert lateness.allowance_ms == BOUNDS_MS[-1]
    lateness.tick(2.0, 0)
    assert lateness.allowance_ms == 2_000


def test_a_new_epoch_goes_on_with_what_is_known() -> None:
    lateness = Lateness()
    lateness.add(3_000)
    coverage = Ingest(ConnectionSpec(name="a-0001", feed=0), 9, lateness).coverage
    coverage.advance(NOW_MS * MS, NOW_MS)
    assert coverage.proven_until_ns == (NOW_MS - 4_000) * MS
