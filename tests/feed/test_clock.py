"""The clock of this machine against that of the exchange."""

import pytest

from actors.feed.coverage import CoverageBook, ExchangeClock, Slip
from actors.feed.ingest import Ingest
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId

MS = 1_000_000
NOW_MS = 1_790_000_000_000
NOW_NS = NOW_MS * MS
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
A, B = TokenId("1"), TokenId("2")
ALLOWED_MS = 1_000
"""So long an event may take to arrive, while nothing else is measured."""


def compared(*ahead_ms: int) -> ExchangeClock:
    """Return a clock that was compared with times so far ahead of the receipt."""
    clock = ExchangeClock()
    for each in ahead_ms:
        clock.compare(NOW_NS, NOW_MS + each)
    return clock


@pytest.mark.parametrize("ahead_ms", [-60, -5_000, 0, 120, 5_000])
def test_clocks_that_differ_a_little_are_right(ahead_ms: int) -> None:
    clock = compared(*[ahead_ms] * 10)
    assert (clock.offset_ms, clock.take_errors()) == (0, 0)
    assert clock.behind_ms == max(0, ahead_ms)


@pytest.mark.parametrize("behind_ms", [30_000, 2 * DAY_MS, 400 * DAY_MS])
def test_three_times_that_agree_show_that_our_clock_is_behind(behind_ms: int) -> None:
    clock = ExchangeClock()
    believed = [clock.compare(NOW_NS, NOW_MS + behind_ms + late) for late in (0, -150, -90)]
    assert believed == [False, False, True]
    assert (clock.offset_ms, clock.take_errors()) == (behind_ms - 90, 1)
    assert clock.present_ns(NOW_NS) == NOW_NS + (behind_ms - 90) * MS


def test_single_wrong_times_show_nothing() -> None:
    clock = compared(-60, HOUR_MS, -80, DAY_MS, HOUR_MS, -70, *(HOUR_MS * n for n in range(1, 9)))
    assert (clock.offset_ms, clock.take_errors()) == (0, 0)
    assert not clock.believes(NOW_NS, NOW_MS + HOUR_MS)


def test_a_clock_that_is_ahead_is_no_present_and_its_times_are_believed() -> None:
    clock = compared(*[-2 * DAY_MS] * 5)
    assert (clock.offset_ms, clock.take_errors(), clock.behind_ms) == (-2 * DAY_MS, 0, 0)
    assert clock.present_ns(NOW_NS) == NOW_NS
    assert clock.believes(NOW_NS, NOW_MS)


def test_a_clock_that_is_set_right_is_right_again() -> None:
    clock = compared(*[30_000] * 3, *[-60] * 3)
    assert (clock.offset_ms, clock.take_errors(), clock.behind_ms) == (0, 1, 0)


def test_every_time_that_shows_a_clock_behind_is_counted_once() -> None:
    clock = compared(*[30_000] * 10)
    assert (clock.take_errors(), clock.take_errors()) == (8, 0)


# ------------------------------------------------------------------- coverage


def listening(*tokens: TokenId, behind_ms: int = 0) -> CoverageBook:
    """Return the coverage of tokens whose book came before any time of the exchange."""
    coverage = CoverageBook(7)
    coverage.add_requested(tokens, 0.0)
    for token in tokens:
        coverage.add_book(token, coverage.begins_ns(NOW_NS - behind_ms * MS))
    return coverage


def hear(coverage: CoverageBook, at_ms: int, exchange_ms: int) -> tuple[Slip, ...]:
    slips = coverage.compare_clocks(at_ms * MS, exchange_ms)
    coverage.advance(at_ms * MS, exchange_ms)
    return slips


def test_coverage_begins_by_the_clock_of_the_exchange_when_ours_is_30_s_behind() -> None:
    coverage = listening(A, B, behind_ms=30_000)
    ours = NOW_MS - 30_000
    assert [hear(coverage, ours + ms, NOW_MS + ms) for ms in (100, 200)] == [(), ()]
    assert coverage.proven_until_ns == 0, (
        "nothing is proven before it is clear which clock is wrong"
    )
    (slip,) = hear(coverage, ours + 300, NOW_MS + 300)
    assert slip == Slip((A, B), ours * MS, (NOW_MS + ALLOWED_MS) * MS)
    assert coverage.proven_until_ns == (NOW_MS + 300 - 1_000) * MS
    coverage.advance((ours + 2_000) * MS, NOW_MS + 2_000)
    assert not coverage.claims(A, NOW_MS - 1), "not before its book"


@pytest.mark.parametrize("behind_ms", [2_000, 30_000, 2 * DAY_MS])
@pytest.mark.parametrize("took_ms", [20, 300, 900])
def test_with_a_clock_behind_nothing_is_claimed_of_the_time_before_the_book_arrived(
    behind_ms: int, took_ms: int
) -> None:
    coverage = listening(A, behind_ms=behind_ms)
    ours = NOW_MS - behind_ms
    # Events arrive so long after their time: by them our clock seems to be less far behind.
    slips = [hear(coverage, ours + ms, NOW_MS + ms - took_ms) for ms in (100, 200, 300)]
    (since_ns,) = [slip.since_ns for found in slips for slip in found]
    assert NOW_NS <= since_ns <= NOW_NS + ALLOWED_MS * MS
    coverage.add_requested([B], 1.0)
    coverage.add_book(B, coverage.begins_ns((ours + 5_000) * MS))
    coverage.advance((ours + 9_000) * MS, NOW_MS + 9_000)
    claimed_ns = coverage.withdraw(B)
    assert claimed_ns is not None
    assert claimed_ns >= (NOW_MS + 5_000) * MS


def test_a_clock_that_is_4_s_behind_counts_as_right_and_yet_claims_no_earlier_time() -> None:
    coverage = listening(A, behind_ms=4_000)
    (slip,) = hear(coverage, NOW_MS - 4_000, NOW_MS)
    assert slip == Slip((A,), NOW_NS - 4_000 * MS, (NOW_MS + ALLOWED_MS) * MS)
    coverage.add_requested([B], 1.0)
    coverage.add_book(B, coverage.begins_ns((NOW_MS - 3_000) * MS))
    coverage.advance((NOW_MS + 9_000) * MS, NOW_MS + 9_000)
    assert coverage.withdraw(B) == (NOW_MS + 1_000 + ALLOWED_MS) * MS


def test_what_was_confirmed_between_a_step_and_its_discovery_begins_again_and_nothing_else() -> (
    None
):
    coverage = listening(A)
    assert hear(coverage, NOW_MS, NOW_MS) == ()
    coverage.add_requested([B], 1.0)
    stepped_ms = NOW_MS + 1_000 - HOUR_MS
    coverage.add_book(B, coverage.begins_ns(stepped_ms * MS))
    slips = [hear(coverage, stepped_ms + ms, NOW_MS + 1_000 + ms) for ms in (100, 200, 300)]
    begins_ns = (NOW_MS + 1_000 + ALLOWED_MS) * MS
    assert slips == [(), (), (Slip((B,), stepped_ms * MS, begins_ns),)]


def test_a_token_that_was_released_meanwhile_does_not_begin_again() -> None:
    coverage = listening(A, B, behind_ms=30_000)
    coverage.release([A])
    for _ in range(2):
        hear(coverage, NOW_MS - 30_000, NOW_MS)
    (slip,) = hear(coverage, NOW_MS - 30_000, NOW_MS)
    assert slip.tokens == (B,)


def test_clocks_that_agree_begin_nothing_again() -> None:
    coverage = listening(A, B)
    assert hear(coverage, NOW_MS + 10, NOW_MS + 10 - 60) == ()
    assert hear(coverage, NOW_MS + 20, NOW_MS + 20 + 200) == ()


# ------------------------------------------------------------- times that are taken


def ingest(*ahead_ms: int, received_ns: int = NOW_NS) -> Ingest:
    taking = Ingest(ConnectionSpec(name="a-0001", feed=0), 7)
    for each in ahead_ms:
        hear(taking.coverage, received_ns // MS, received_ns // MS + each)
    return taking


def test_before_the_clocks_were_compared_no_time_of_this_century_is_too_late() -> None:
    assert ingest().latest_ms(NOW_NS) == 4_102_444_800_000


def test_a_time_may_lie_a_day_beyond_what_the_clock_of_the_exchange_shows() -> None:
    assert ingest(-60).latest_ms(NOW_NS) == NOW_MS + DAY_MS
    assert ingest(*[2 * DAY_MS] * 3).latest_ms(NOW_NS) == NOW_MS + 3 * DAY_MS


def test_after_our_clock_was_set_back_what_is_proven_is_the_present_at_least() -> None:
    assert ingest(0).latest_ms(NOW_NS - 2 * DAY_MS * MS) == NOW_MS - 1_000 + DAY_MS
