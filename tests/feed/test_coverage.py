from hypothesis import given, settings
from hypothesis import strategies as st

from actors.feed.coverage import CoverageBook
from actors.model.trade import TokenId, Trade
from tests.polymarket.feed_samples import printed as a_trade

A, B, C = TokenId("1"), TokenId("2"), TokenId("3")
S = 1_000_000_000
NOW_MS = 1_790_000_000_000
NOW_NS = NOW_MS * 1_000_000


def printed(token: TokenId, at_ms: int) -> Trade:
    return a_trade(token_id=token, traded_at_ms=at_ms)


def confirmed(*tokens: TokenId) -> CoverageBook:
    listening = CoverageBook(7)
    listening.requested(tokens, 0.0)
    for token in tokens:
        listening.book(token, NOW_NS)
    return listening


def test_a_token_is_confirmed_by_its_first_book_alone() -> None:
    listening = CoverageBook(7)
    listening.requested([A, B], 1.0)
    assert (listening.requested_count, listening.confirmed_count) == (2, 0)
    assert [listening.book(A, NOW_NS), listening.book(A, NOW_NS + S)] == [True, False]
    assert (listening.requested_count, listening.confirmed_count) == (2, 1)
    assert (listening.doubt(A), listening.doubt(B)) == (NOW_NS, None)


def test_a_book_that_was_not_asked_for_confirms_nothing_but_is_a_book() -> None:
    listening = CoverageBook(7)
    assert not listening.book(C, NOW_NS)
    assert (listening.requested_count, listening.confirmed_count) == (0, 0)
    assert listening.books_total == 1


def test_releasing_gives_the_tokens_whose_coverage_ends() -> None:
    listening = confirmed(A)
    listening.requested([B], 1.0)
    assert listening.release([A, B, C]) == (A,)
    assert listening.requested_count == 0
    assert listening.release([A]) == ()


def test_a_late_book_of_a_released_token_confirms_nothing() -> None:
    listening = confirmed(A)
    listening.release([A])
    assert not listening.book(A, NOW_NS)


def test_a_token_that_was_released_needs_a_new_book() -> None:
    listening = confirmed(A)
    listening.release([A])
    listening.requested([A], 5.0)
    assert listening.confirmed_count == 0
    assert listening.book(A, NOW_NS + S)
    assert listening.doubt(A) == NOW_NS + S


def test_asking_again_does_not_undo_a_confirmation() -> None:
    listening = confirmed(A)
    listening.requested([A], 5.0)
    assert listening.confirmed_count == 1
    assert listening.unconfirmed(100.0, 1.0) == ()


def test_tokens_without_a_book_are_told_oldest_first() -> None:
    listening = CoverageBook(7)
    listening.requested([B], 0.0)
    listening.requested([A], 10.0)
    listening.requested([C], 30.0)
    listening.book(B, NOW_NS)
    listening.requested([B], 31.0)
    assert listening.unconfirmed(40.0, 30.0) == ()
    assert listening.unconfirmed(40.5, 30.0) == (A,)
    assert listening.unconfirmed(61.0, 30.0) == (A, C)
    listening.requested([A], 61.0)
    assert listening.unconfirmed(61.0, 30.0) == (C,)


def test_nothing_is_proven_before_a_frame_tells_the_time() -> None:
    listening = confirmed(A)
    listening.heard(NOW_NS, None)
    assert listening.mark() is None
    assert listening.proven_until_ns == 0


def test_the_proof_stays_behind_the_time_of_the_exchange() -> None:
    listening = CoverageBook(7, disorder_ms=1_000)
    listening.heard(NOW_NS, NOW_MS)
    assert listening.mark() == NOW_NS - S


def test_a_slow_reader_proves_only_what_it_has_reached() -> None:
    listening = CoverageBook(7, disorder_ms=1_000)
    listening.heard(NOW_NS + 60 * S, NOW_MS)
    assert listening.mark() == NOW_NS - S


def test_a_receipt_alone_never_moves_the_proof() -> None:
    listening = CoverageBook(7)
    listening.heard(NOW_NS, NOW_MS)
    before = listening.mark()
    listening.heard(NOW_NS + 60 * S, None)
    assert listening.mark() is None
    assert listening.proven_until_ns == before


def test_nothing_later_than_the_receipt_is_proven() -> None:
    listening = CoverageBook(7)
    listening.heard(NOW_NS, NOW_MS + 3_600_000)
    assert listening.mark() == NOW_NS


def test_a_trade_that_is_a_little_older_than_the_last_lies_behind_the_proof() -> None:
    listening = CoverageBook(7)
    listening.heard(NOW_NS, NOW_MS)
    listening.heard(NOW_NS, NOW_MS - 120)
    assert listening.proven_until_ns == NOW_NS - S
    assert listening.proven_until_ns < (NOW_MS - 120) * 1_000_000


def test_a_mark_is_given_once() -> None:
    listening = CoverageBook(7)
    listening.heard(NOW_NS, NOW_MS)
    assert listening.mark() is not None
    assert listening.mark() is None


@settings(deadline=None)
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
def test_marks_rise_and_lie_behind_receipt_and_exchange(
    frames: list[tuple[int, int | None, bool]],
) -> None:
    listening, exchange_ms = CoverageBook(7), NOW_MS
    last, latest_ns = 0, 0
    for late_ms, step_ms, marked in frames:
        exchange_ms += step_ms or 0
        received_ns = (exchange_ms + late_ms) * 1_000_000
        listening.heard(received_ns, None if step_ms is None else exchange_ms)
        if step_ms is not None:
            latest_ns = exchange_ms * 1_000_000
        mark = listening.mark() if marked else None
        if mark is not None:
            assert last < mark < latest_ns
            last = mark


def test_a_claim_begins_a_while_after_the_book_and_ends_at_the_proof() -> None:
    listening = confirmed(A)
    listening.heard(NOW_NS + 60 * S, NOW_MS + 31_000)
    claims = [listening.claims(A, NOW_MS + ms) for ms in (0, 4_999, 5_000, 30_000, 30_001)]
    assert claims == [False, False, True, True, False]
    assert not listening.claims(B, NOW_MS + 10_000)


def test_a_doubted_token_was_heard_until_its_last_trade_and_waits_for_its_book_again() -> None:
    listening = confirmed(A, B)
    listening.printed((printed(A, NOW_MS + 7_000),))
    listening.printed((printed(A, NOW_MS + 6_900),))
    listening.heard(NOW_NS + 60 * S, NOW_MS + 31_000)
    assert listening.doubt(A) == NOW_NS + 7 * S
    assert listening.doubt(B) == NOW_NS
    assert (listening.doubt(A), listening.confirmed_count) == (None, 0)
    listening.requested([A], 1.0)
    assert listening.waiting == {A}
    assert listening.book(A, NOW_NS + 40 * S)


def test_a_trade_of_tomorrow_does_not_stretch_what_is_left_of_a_doubted_token() -> None:
    listening = confirmed(A)
    listening.printed((printed(A, NOW_MS + 86_000_000),))
    listening.heard(NOW_NS + 60 * S, NOW_MS + 31_000)
    assert listening.doubt(A) == NOW_NS + 30 * S


def test_a_trade_from_before_the_book_does_not_count_after_it() -> None:
    listening = CoverageBook(7)
    listening.requested([A], 0.0)
    listening.printed((printed(A, NOW_MS + 9_000),))
    listening.book(A, NOW_NS)
    listening.heard(NOW_NS + 60 * S, NOW_MS + 31_000)
    assert listening.doubt(A) == NOW_NS


def test_what_is_not_marked_yet_is_known() -> None:
    listening = confirmed(A)
    listening.heard(NOW_NS, NOW_MS)
    listening.mark()
    listening.heard(NOW_NS + 3 * S, NOW_MS + 3_000)

    assert listening.unmarked_ns == 3 * S
