import pytest

from actors.feed.ingest import (
    BYTES_AT_ONCE,
    FRAMES_AT_ONCE,
    Ingest,
    Ingested,
    PayloadCounter,
    portions,
)
from actors.model.connection import ConnectionSpec
from actors.model.facts import FramesSeen, RejectedEvent
from actors.model.trade import Rejection, TokenId, Trade
from actors.writer.gather import replay
from tests.polymarket.feed_samples import (
    CONDITION,
    RECEIVED_NS,
    TOKEN,
    encoded,
    framed,
    sample_trade,
    trade_hash,
)

OTHER, CANARY = TokenId("72"), TokenId("99")


def ingest(*, epoch: int = 5) -> Ingest:
    taking = Ingest(
        ConnectionSpec(name="a-0001", feed=0, tokens=(TOKEN, OTHER), canary=(CANARY,)), epoch
    )
    taking.coverage.add_requested((TOKEN, OTHER), 0.0)
    return taking


def book(*tokens: str) -> bytes:
    return encoded(
        [
            {
                "event_type": "book",
                "asset_id": token,
                "market": CONDITION,
                "bids": [],
                "asks": [],
                "timestamp": "1790000000000",
                "hash": "h",
            }
            for token in tokens
        ]
    )


def together(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


def weight(taken: Ingested) -> int:
    """Return how many trades and rejections there are to record."""
    return len(taken.trades) + len(taken.decoded.rejections)


def kept(taken: Ingested) -> FramesSeen:
    assert taken.record is not None
    return taken.record


def test_a_trade_is_kept_verbatim_under_its_epoch_and_connection() -> None:
    taken = ingest().take((framed(),), RECEIVED_NS)

    assert kept(taken) == FramesSeen(
        epoch=5,
        connection="a-0001",
        received_at_ns=RECEIVED_NS,
        occurrences=(1,),
        raws=(framed(),),
        hashes=(trade_hash(sample_trade()),),
    )
    assert weight(taken) == 1


def test_identical_trades_are_numbered_across_frames() -> None:
    taking = ingest()
    first, second = (taking.take((together(framed(), framed()),), RECEIVED_NS) for _ in range(2))

    assert (kept(first).occurrences, kept(second).occurrences) == ((1, 2), (3, 4))


def test_another_epoch_numbers_from_one_again() -> None:
    assert [kept(ingest(epoch=e).take((framed(),), RECEIVED_NS)).occurrences for e in (1, 2)] == [
        (1,),
        (1,),
    ]


def test_trades_of_the_canary_have_no_occurrence_and_are_not_recorded() -> None:
    canary = framed(asset_id=CANARY)
    taken = ingest().take((together(canary, framed(), canary, framed(side="SELL")),), RECEIVED_NS)

    assert kept(taken).occurrences == (0, 1, 0, 1)
    assert [trade.token_id for trade in taken.trades] == [TOKEN, TOKEN]
    assert weight(taken) == 2


def test_a_frame_with_nothing_but_the_canary_is_not_kept() -> None:
    taken = ingest().take((framed(asset_id=CANARY),), RECEIVED_NS)

    assert (taken.record, taken.trades, weight(taken)) == (None, (), 0)


def test_frames_with_nothing_but_the_canary_are_left_out_of_the_record_of_others() -> None:
    canary, bad = framed(asset_id=CANARY), framed(asset_id=CANARY, price="7")
    mixed = together(canary, framed(side="SELL"))
    frames = (canary, framed(), b"PONG", canary, bad, mixed, canary)
    taken = ingest().take(frames, RECEIVED_NS)

    assert kept(taken).raws == (framed(), bad, mixed)
    assert kept(taken).trade_occurrences == (1, 0, 1)
    assert kept(taken).rejected == (RejectedEvent(trades_before=1, occurrence=1),)
    assert replay(kept(taken)) == (taken.trades, taken.decoded.rejections)


def test_a_rejection_is_kept_and_counted() -> None:
    bad = framed(price="1.5")
    taken = ingest().take((together(bad, framed()),), RECEIVED_NS)

    assert kept(taken).trade_occurrences == (1,)
    assert weight(taken) == 2
    assert [rejection.payload for rejection in taken.decoded.rejections] == [bad]


def test_rejected_events_are_numbered_like_trades_with_their_place_among_them() -> None:
    bad, worse = framed(price="1.5"), framed(side="HOLD")
    taking = ingest()
    first = taking.take((together(bad, framed(), bad), worse), RECEIVED_NS)
    second = taking.take((framed(), bad, b"{"), RECEIVED_NS)

    assert kept(first).rejected == (
        RejectedEvent(trades_before=0, occurrence=1),
        RejectedEvent(trades_before=1, occurrence=2),
        RejectedEvent(trades_before=1, occurrence=1),
    )
    assert kept(second).trade_occurrences == (2,)
    assert kept(second).rejected == (
        RejectedEvent(trades_before=1, occurrence=3),
        RejectedEvent(trades_before=1, occurrence=1),
    )
    sent = [[each.occurrence for each in taken.decoded.rejections] for taken in (first, second)]
    assert sent == [[1, 2, 1], [3, 1]]


def test_of_rejected_events_only_some_are_remembered() -> None:
    counter = PayloadCounter(window_s=10, most_keys=2)

    payloads = [b"a", b"b", b"a", b"c", b"a", b"d", b"e", b"b"]
    assert [counter.number(each, 0) for each in payloads] == [1, 1, 2, 1, 3, 1, 1, 1]
    assert len(counter) <= 4


def test_a_rejected_event_is_counted_on_within_the_window() -> None:
    counter = PayloadCounter(window_s=10)
    seconds = [0, 9, 15, 24, 60, 71]
    found = [counter.number(b"a", at_s * 10**9 + 10**18) for at_s in seconds]

    assert found == [1, 2, 3, 4, 5, 6]
    assert counter.number(b"b", 71 * 10**9 + 10**18) == 1
    assert counter.number(b"b", 82 * 10**9 + 10**18) == 2
    assert counter.number(b"a", 93 * 10**9 + 10**18) == 1


def test_a_flood_of_rejected_events_is_remembered_for_seconds_and_not_for_minutes() -> None:
    counter = PayloadCounter()
    for number in range(50_000):
        counter.number(b"%d" % number, RECEIVED_NS + number * 2_000_000)

    assert len(counter) <= 20 * 500


def test_a_few_rejected_events_are_counted_on_for_as_long_as_trades() -> None:
    counter = PayloadCounter()
    for number in range(190):
        counter.number(b"%d" % number, RECEIVED_NS + number * 3_000_000_000)

    assert counter.number(b"0", RECEIVED_NS + 590 * 10**9) == 2


def test_a_book_is_not_kept_but_confirms_its_token_once() -> None:
    taking = ingest()
    first = taking.take((book(TOKEN, CANARY),), RECEIVED_NS)
    again = taking.take((book(TOKEN, OTHER),), RECEIVED_NS + 1)

    assert (first.record, first.confirmed) == (None, (TOKEN,))
    assert again.confirmed == (OTHER,)
    assert taking.coverage.withdraw(TOKEN) == RECEIVED_NS


@pytest.mark.parametrize(
    "raw",
    [
        framed(),
        together(framed(asset_id=CANARY), framed(), framed(), framed(price="7")),
        together(framed(side="SELL"), framed(asset_id=CANARY)),
        b"\xff\x00",
        b"[]",
    ],
)
def test_what_is_read_back_is_what_was_taken(raw: bytes) -> None:
    taking = ingest()
    taking.take((framed(),), RECEIVED_NS)
    taken = taking.take((raw,), RECEIVED_NS)
    if taken.record is None:
        assert weight(taken) == 0
        return
    trades: tuple[Trade, ...]
    rejections: tuple[Rejection, ...]
    trades, rejections = replay(taken.record)

    assert trades == taken.trades
    assert rejections == taken.decoded.rejections
    assert weight(taken) == len(trades) + len(rejections)


def test_a_canary_that_becomes_an_own_token_is_recorded_from_then_on() -> None:
    taking = ingest()
    assert taking.take((framed(asset_id=CANARY),), RECEIVED_NS).trades == ()
    taking.record_tokens((CANARY,))
    assert len(taking.take((framed(asset_id=CANARY),), RECEIVED_NS).trades) == 1


def test_what_is_taken_together_is_bounded_in_frames_and_bytes_and_keeps_its_order() -> None:
    sizes = [7] * 600 + [BYTES_AT_ONCE // 2] * 5 + [3 * BYTES_AT_ONCE, 1, 2]
    frames = [bytes(size) for size in sizes]
    parts = list(portions(frames))

    assert [frame for part in parts for frame in part] == frames
    assert list(map(len, parts[:2])) == [FRAMES_AT_ONCE, FRAMES_AT_ONCE]
    assert all(len(part) == 1 or sum(map(len, part)) <= BYTES_AT_ONCE for part in parts)
    assert (frames[-3],) in [tuple(part) for part in parts]
    assert list(portions([])) == []
