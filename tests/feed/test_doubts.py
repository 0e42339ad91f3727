"""What cannot be read and may be a trade leaves a gap of its token."""

from actors.feed.coverage import CoverageBook
from actors.feed.doubts import Doubts, Withdrawn
from actors.feed.ingest import Ingest
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId
from actors.polymarket.channel import Decoded, Doubt
from tests.polymarket.feed_samples import TOKEN, encoded, framed

MS, S = 1_000_000, 1_000_000_000
START_MS = 1_790_000_000_000
OTHER, THIRD, CANARY = TokenId("72"), TokenId("73"), TokenId("99")
TOKENS = (TOKEN, OTHER, THIRD)


def listening() -> Ingest:
    """Return a connection whose tokens were confirmed at the start, and proven 10 s on."""
    taking = Ingest(ConnectionSpec(name="a-0001", feed=0, tokens=TOKENS, canary=(CANARY,)), 5)
    taking.coverage.add_requested(TOKENS, 0.0)
    books = [{"event_type": "book", "asset_id": each, "bids": [], "asks": []} for each in TOKENS]
    hear(taking, 0, encoded(books))
    hear(taking, 10, now(10))
    return taking


def hear(taking: Ingest, at_s: float, *frames: bytes) -> tuple[Withdrawn, ...]:
    """Take frames as the actor does; return what was withdrawn."""
    at_ns = START_MS * MS + int(at_s * S)
    taken = taking.take(frames, at_ns)
    taking.coverage.advance(at_ns, taken.decoded.exchange_ms)
    return taken.withdrawn


def now(at_s: float) -> bytes:
    """Return a frame that says what the time is."""
    return encoded({"event_type": "price_change", "timestamp": str(START_MS + int(at_s * 1000))})


def trade(at_s: float, token: TokenId = TOKEN, **changes: object) -> bytes:
    return framed(asset_id=token, timestamp=str(START_MS + int(at_s * 1000)), **changes)


def at(second: float) -> int:
    return START_MS * MS + int(second * S)


def test_a_token_is_not_covered_from_its_last_trade_to_the_proof_behind_a_rejected_one() -> None:
    taking = listening()
    hear(taking, 12, trade(12), trade(12, OTHER))
    assert hear(taking, 14, trade(14, price="7")) == (Withdrawn((TOKEN,), at(11)),)
    assert hear(taking, 14, now(14.9)) == ()
    assert taking.doubts.take_recovered() == ()
    assert taking.coverage.claims(OTHER, START_MS + 13_000)
    hear(taking, 16, now(16))
    assert taking.doubts.take_recovered() == (TOKEN,)
    assert taking.coverage.proven_until_ns == at(15)
    assert not taking.coverage.doubted


def test_trades_behind_it_in_the_same_frame_do_not_hide_it() -> None:
    taking = listening()
    hear(taking, 15, now(15))
    mixed = b",".join((trade(11), trade(12, side="HOLD"), trade(13)))
    assert hear(taking, 15, b"[" + mixed + b"]", trade(14)) == (Withdrawn((TOKEN,), at(11)),)


def test_a_token_without_trades_is_not_covered_from_its_book_on() -> None:
    taking = listening()
    assert hear(taking, 14, trade(14, THIRD, size="?")) == (Withdrawn((THIRD,), at(0)),)


def test_what_names_no_token_puts_all_in_doubt_from_the_last_trade_of_any() -> None:
    taking = listening()
    hear(taking, 12, trade(11, OTHER))
    hear(taking, 13, now(13))
    assert hear(taking, 14, trade(14)[:-1]) == (Withdrawn(TOKENS, at(11)),)
    assert taking.coverage.confirmed == TOKENS
    assert taking.coverage.confirmed_count == 3
    assert not taking.coverage.claims(OTHER, START_MS + 6_000)
    hear(taking, 16, now(16))
    assert taking.doubts.take_recovered() == TOKENS


def test_another_rejection_meanwhile_puts_the_next_proof_off() -> None:
    taking = listening()
    hear(taking, 14, trade(14, price="7"))
    assert hear(taking, 15, trade(15, price="7")) == ()
    hear(taking, 15.5, now(15.5))
    assert taking.doubts.take_recovered() == ()
    hear(taking, 16.5, now(16.5))
    assert taking.doubts.take_recovered() == (TOKEN,)


def test_a_trade_under_another_name_puts_its_token_in_doubt() -> None:
    taking = listening()
    hear(taking, 12, trade(11))
    renamed = trade(14, event_type="trade_executed")
    assert hear(taking, 14, renamed) == (Withdrawn((TOKEN,), at(10)),)


def test_texts_unknown_events_and_other_spellings_put_nothing_in_doubt() -> None:
    taking = listening()
    strange = encoded({"event_type": "auction_opened", "asset_id": TOKEN})
    assert hear(taking, 14, b"<html>502</html>", strange, trade(14, size=12.5), b"null") == ()
    assert not taking.coverage.doubted


def test_a_canary_and_a_foreign_token_have_no_coverage_to_lose() -> None:
    taking = listening()
    assert hear(taking, 14, trade(14, CANARY, price="7"), trade(14, TokenId("5"), price="7")) == ()
    assert not taking.coverage.doubted


def test_a_token_in_doubt_keeps_its_place_and_can_be_released() -> None:
    taking = listening()
    hear(taking, 14, trade(14, price="7"))
    coverage = taking.coverage
    coverage.add_requested((TOKEN,), 1.0)
    assert coverage.waiting == frozenset()
    assert coverage.confirmed[:3] == (OTHER, THIRD, TOKEN)
    assert coverage.requested_count == 3
    assert coverage.is_requested(TOKEN)
    assert coverage.release((TOKEN, OTHER)) == (TOKEN, OTHER)
    assert coverage.release((TOKEN, OTHER)) == ()
    assert coverage.confirmed == (THIRD,)


def test_with_our_clock_ahead_the_exchange_says_when_a_doubt_ends() -> None:
    taking = listening()
    ahead_s = 172_800
    for second in (20, 21, 22):
        hear(taking, second + ahead_s, now(second))
    hear(taking, 24 + ahead_s, trade(24, price="7"))
    hear(taking, 26 + ahead_s, now(26))
    assert taking.doubts.take_recovered() == (TOKEN,)


def all_doubted(doubts: Doubts, coverage: CoverageBook, at_s: int) -> int:
    """Doubt all tokens; return after how many further seconds of proof they are covered again."""
    doubts.take(Decoded(doubts=(Doubt(0, None), Doubt(0, None))), (), at(at_s))
    (after_ns,) = set(coverage.doubted.values())
    coverage.proven_until_ns = after_ns + 1
    assert doubts.take_recovered() == TOKENS
    return (after_ns - at(at_s)) // S


def test_when_all_tokens_are_in_doubt_often_they_stay_so_for_longer() -> None:
    coverage = CoverageBook(5)
    coverage.add_requested(TOKENS, 0.0)
    for token in TOKENS:
        coverage.add_book(token, at(0))
    doubts = Doubts(coverage, rest_s=600, most_s=10)
    assert [all_doubted(doubts, coverage, each) for each in (100, 110, 130, 190, 600)] == [
        *(0, 2, 4, 8, 10),
    ]
    assert all_doubted(doubts, coverage, 1_300) == 0


def test_a_token_that_is_in_doubt_again_and_again_stays_so_for_longer() -> None:
    """A new kind of event that may be a trade may come without end, every few seconds a token."""
    taking = listening()
    withdrawn, recovered = list[Withdrawn](), list[TokenId]()
    for second in range(20, 3_620):
        if second % 3 == 0:
            withdrawn += hear(taking, second, trade(second, event_type="trade_v2"))
        hear(taking, second + 0.5, now(second + 0.5))
        recovered += taking.doubts.take_recovered()

    assert len(recovered) in (len(withdrawn), len(withdrawn) - 1)
    assert 8 <= len(withdrawn) <= 20
    assert all(each.tokens == (TOKEN,) for each in withdrawn)
    assert taking.coverage.claims(OTHER, START_MS + 3_000_000)


def test_a_token_that_is_seldom_in_doubt_stays_so_to_the_next_proof() -> None:
    taking = listening()
    for second in (20, 3_621, 7_222):
        assert len(hear(taking, second, trade(second, price="7"))) == 1
        hear(taking, second + 2, now(second + 2))
        assert taking.doubts.take_recovered() == (TOKEN,)


def test_of_tokens_that_were_in_doubt_only_the_last_are_remembered() -> None:
    coverage = CoverageBook(5)
    coverage.add_requested(TOKENS, 0.0)
    for token in TOKENS:
        coverage.add_book(token, at(0))
    doubts = Doubts(coverage, most_tokens=2)
    for token in TOKENS:
        doubts.take(Decoded(doubts=(Doubt(0, token),)), (), at(20))
    coverage.proven_until_ns = at(21)
    assert doubts.take_recovered() == TOKENS
    doubts.take(Decoded(doubts=(Doubt(0, TOKEN), Doubt(0, THIRD))), (), at(30))
    assert coverage.doubted == {TOKEN: at(30), THIRD: at(32)}
