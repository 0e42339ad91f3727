from hypothesis import given
from hypothesis import strategies as st

from actors.feed.coverage import CoverageBook
from actors.model.trade import TokenId, Trade
from tests.polymarket.feed_samples import sample_trade as a_trade

A, B, C = TokenId("1"), TokenId("2"), TokenId("3")
S = 1_000_000_000
NOW_MS = 1_790_000_000_000
NOW_NS = NOW_MS * 1_000_000


def sample_trade(token: TokenId, at_ms: int) -> Trade:
    return a_trade(token_id=token, traded_at_ms=at_ms)


def confirmed(*tokens: TokenId) -> CoverageBook:
    coverage = CoverageBook(7)
    coverage.add_requested(tokens, 0.0)
    for token in tokens:
        coverage.add_book(token, NOW_NS)
    return coverage


def test_a_token_is_confirmed_by_its_first_book_alone() -> None:
    coverage = CoverageBook(7)
    coverage.add_requested([A, B], 1.0)
    assert (coverage.requested_count, coverage.confirmed_count) == (2, 0)
    assert [coverage.add_book(A, NOW_NS), coverage.add_book(A, NOW_NS + S)] == [True, False]
    assert (coverage.requested_count, coverage.confirmed_count) == (2, 1)
    assert (coverage.withdraw(A), coverage.withdraw(B)) == (NOW_NS, None)


def test_a_book_that_was_not_requested_confirms_nothing_but_is_counted() -> None:
    coverage = CoverageBook(7)
    assert not coverage.add_book(C, NOW_NS)
    assert (coverage.requested_count, coverage.confirmed_count) == (0, 0)
    assert coverage.books_total == 1


def test_releasing_gives_the_tokens_whose_coverage_ends() -> None:
    coverage = confirmed(A)
    coverage.add_requested([B], 1.0)
    assert coverage.release([A, B, C]) == (A,)
    assert coverage.requested_count == 0
    assert coverage.release([A]) == ()


def test_a_late_book_of_a_released_token_confirms_nothing() -> None:
    coverage = confirmed(A)
    coverage.release([A])
    assert not coverage.add_book(A, NOW_NS)


def test_a_token_that_was_released_needs_a_new_book() -> None:
    coverage = confirmed(A)
    coverage.release([A])
    coverage.add_requested([A], 5.0)
    assert coverage.confirmed_count == 0
    assert coverage.add_book(A, NOW_NS + S)
    assert coverage.withdraw(A) == NOW_NS + S


def test_another_request_does_not_undo_a_confirmation() -> None:
    coverage = confirmed(A)
    coverage.add_requested([A], 5.0)
    assert coverage.confirmed_count == 1
    assert coverage.unconfirmed(100.0, 1.0) == ()


def test_tokens_without_a_book_are_returned_oldest_first() -> None:
    coverage = CoverageBook(7)
    coverage.add_requested([B], 0.0)
    coverage.add_requested([A], 10.0)
    coverage.add_requested([C], 30.0)
    coverage.add_book(B, NOW_NS)
    coverage.add_requested([B], 31.0)
    assert coverage.unconfirmed(40.0, 30.0) == ()
    assert coverage.unconfirmed(40.5, 30.0) == (A,)
    assert coverage.unconfirmed(61.0, 30.0) == (A, C)
    # However often it was asked for, a token waits since the first time.
    coverage.add_requested([A], 90.0)
    assert coverage.waiting_longest(1) == ((A, 10.0),)
    coverage.add_requested([A], 61.0)
    assert coverage.unconfirmed(61.0, 30.0) == (C,)


def test_a_token_that_is_requested_again_waits_behind_those_requested_before() -> None:
    coverage = CoverageBook(7)
    for number, token in enumerate((A, B, C)):
        coverage.add_requested([token], float(number))
    coverage.add_requested([A], 50.0)
    assert coverage.unconfirmed(60.0, 30.0) == (B, C)
    assert coverage.unconfirmed(90.0, 30.0) == (B, C, A)


def test_nothing_is_proven_before_a_frame_carries_a_time() -> None:
    coverage = confirmed(A)
    coverage.advance(NOW_NS, None)
    assert coverage.take_proof() is None
    assert coverage.proven_until_ns == 0


def test_the_proof_stays_behind_the_time_of_the_exchange() -> None:
    coverage = CoverageBook(7)
    coverage.advance(NOW_NS, NOW_MS)
    assert coverage.take_proof() == NOW_NS - S


def test_a_slow_reader_proves_only_what_it_has_reached() -> None:
    coverage = CoverageBook(7)
    coverage.advance(NOW_NS + 60 * S, NOW_MS)
    assert coverage.take_proof() == NOW_NS - S


def test_a_receipt_alone_never_moves_the_proof() -> None:
    coverage = CoverageBook(7)
    coverage.advance(NOW_NS, NOW_MS)
    before = coverage.take_proof()
    coverage.advance(NOW_NS + 60 * S, None)
    assert coverage.take_proof() is None
    assert coverage.proven_until_ns == before


def test_nothing_later_than_the_receipt_is_proven() -> None:
    coverage = CoverageBook(7)
    coverage.advance(NOW_NS, NOW_MS + 4_000)
    assert coverage.take_proof() == NOW_NS


def test_a_time_far_beyond_the_present_proves_nothing() -> None:
    coverage = CoverageBook(7)
    coverage.advance(NOW_NS, NOW_MS + 3_600_000)
    assert coverage.take_proof() is None


def test_a_trade_that_is_a_little_older_than_the_last_lies_behind_the_proof() -> None:
    coverage = CoverageBook(7)
    coverage.advance(NOW_NS, NOW_MS)
    coverage.advance(NOW_NS, NOW_MS - 120)
    assert coverage.proven_until_ns == NOW_NS - S
    assert coverage.proven_until_ns < (NOW_MS - 120) * 1_000_000


def test_a_proof_is_returned_once() -> None:
    coverage = CoverageBook(7)
    coverage.advance(NOW_NS, NOW_MS)
    assert coverage.take_proof() is not None
    assert coverage.take_proof() is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 60_000),  # how late we read
            st.none() | st.integers(0, 10_000),  # how far the exchange went on since
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_proofs_rise_and_are_behind_receipt_and_exchange(
    frames: list[tuple[int, int | None, bool]],
) -> None:
    coverage, exchange_ms = CoverageBook(7), NOW_MS
    last, latest_ns = 0, 0
    for late_ms, step_ms, marked in frames:
        exchange_ms += step_ms or 0
        received_ns = (exchange_ms + late_ms) * 1_000_000
        coverage.advance(received_ns, None if step_ms is None else exchange_ms)
        if step_ms is not None:
            latest_ns = exchange_ms * 1_000_000
        mark = coverage.take_proof() if marked else None
        if mark is not None:
            assert last < mark < latest_ns
            last = mark


def test_a_claim_begins_a_while_after_the_book_and_ends_at_the_proof() -> None:
    coverage = confirmed(A)
    coverage.advance(NOW_NS + 60 * S, NOW_MS + 31_000)
    claims = [coverage.claims(A, NOW_MS + ms) for ms in (0, 4_999, 5_000, 30_000, 30_001)]
    assert claims == [False, False, True, True, False]
    assert not coverage.claims(B, NOW_MS + 10_000)


def test_a_withdrawn_token_was_received_until_its_last_trade_and_waits_for_its_book_again() -> None:
    coverage = confirmed(A, B)
    coverage.add_trades((sample_trade(A, NOW_MS + 7_000),), NOW_NS + 10 * S)
    coverage.add_trades((sample_trade(A, NOW_MS + 6_900),), NOW_NS + 10 * S)
    coverage.advance(NOW_NS + 60 * S, NOW_MS + 31_000)
    assert coverage.withdraw(A) == NOW_NS + 7 * S
    assert coverage.withdraw(B) == NOW_NS
    assert (coverage.withdraw(A), coverage.confirmed_count) == (None, 0)
    coverage.add_requested([A], 1.0)
    assert coverage.waiting == {A}
    assert coverage.add_book(A, NOW_NS + 40 * S)


def test_a_trade_of_tomorrow_does_not_extend_what_is_left_of_a_withdrawn_token() -> None:
    coverage = confirmed(A)
    coverage.add_trades((sample_trade(A, NOW_MS + 86_000_000),), NOW_NS + 10 * S)
    coverage.advance(NOW_NS + 60 * S, NOW_MS + 31_000)
    assert coverage.withdraw(A) == NOW_NS + 30 * S


def test_a_trade_from_before_the_book_does_not_count_after_it() -> None:
    coverage = CoverageBook(7)
    coverage.add_requested([A], 0.0)
    coverage.add_trades((sample_trade(A, NOW_MS + 9_000),), NOW_NS + 10 * S)
    coverage.add_book(A, NOW_NS)
    coverage.advance(NOW_NS + 60 * S, NOW_MS + 31_000)
    assert coverage.withdraw(A) == NOW_NS


def test_how_much_is_not_written_yet_is_known() -> None:
    coverage = confirmed(A)
    coverage.advance(NOW_NS, NOW_MS)
    coverage.take_proof()
    coverage.advance(NOW_NS + 3 * S, NOW_MS + 3_000)

    assert coverage.unwritten_ns == 3 * S
