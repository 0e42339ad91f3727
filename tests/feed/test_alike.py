"""More identical trades than an occurrence counts are set aside; only their token is in doubt."""

import pytest

from actors.feed.ingest import Ingest, Ingested
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId, trade_hashes
from actors.polymarket.alike import MOST_ALIKE, TOO_MANY
from actors.writer.gather import replay
from tests.polymarket.feed_samples import RECEIVED_NS, TOKEN, encoded, framed, sample_trade

OTHER, CANARY = TokenId("72"), TokenId("99")


def together(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


def flooded(times: int) -> Ingest:
    """Return a connection that listens to two tokens and has received so many identical trades."""
    spec = ConnectionSpec(name="a-0001", feed=0, tokens=(TOKEN, OTHER), canary=(CANARY,))
    taking = Ingest(spec, 5)
    taking.coverage.add_requested((TOKEN, OTHER), 0.0)
    books = [{"event_type": "book", "asset_id": token} for token in (TOKEN, OTHER)]
    hear(taking, encoded(books))
    # As they are after so many: to decode them all would take seconds.
    taking._occurrences._count([sample_trade()] * times, trade_hashes([sample_trade()] * times))
    return taking


def hear(taking: Ingest, *frames: bytes) -> Ingested:
    """Take frames; what is told is what a replay of their record finds."""
    taken = taking.take(frames, RECEIVED_NS)
    if taken.record is not None:
        assert replay(taken.record) == (taken.trades, taken.decoded.rejections)
    assert taken.hashes == trade_hashes(taken.trades)
    return taken


def test_the_last_that_a_number_can_count_is_a_trade_and_the_next_is_set_aside_verbatim() -> None:
    taking = flooded(MOST_ALIKE - 1)
    last = hear(taking, framed())
    assert [each.occurrence for each in last.trades] == [MOST_ALIKE]
    assert last.decoded.rejections == ()

    spelled = b" " + framed(price=".456") + b"\n"
    for number in (1, 2):
        taken = hear(taking, spelled)
        (rejected,) = taken.decoded.rejections
        assert taken.trades == taken.decoded.trades == ()
        assert (rejected.reason, rejected.payload) == (TOO_MANY, spelled.strip())
        assert rejected.occurrence == MOST_ALIKE + number


def test_its_token_is_in_doubt_and_the_others_go_on() -> None:
    taking = flooded(MOST_ALIKE)
    taken = hear(taking, framed(asset_id=OTHER), framed(), framed(asset_id=OTHER, side="SELL"))

    assert [each.token_id for each in taken.trades] == [OTHER, OTHER]
    assert [each.tokens for each in taken.withdrawn] == [(TOKEN,)]
    assert taken.decoded.doubts == ((1, TOKEN),)
    assert set(taking.coverage.doubted) == {TOKEN}


@pytest.mark.parametrize("as_array", [True, False])
def test_among_canaries_and_what_cannot_be_read_each_keeps_its_number(*, as_array: bool) -> None:
    events = (
        framed(asset_id=CANARY),
        framed(price="7"),
        framed(),
        encoded({"event_type": "price_change", "timestamp": "1790000000000"}),
        framed(),
        framed(asset_id=OTHER),
        framed(price="7"),
        framed(),
        framed(side="SELL", new={"a": 1}),
    )
    taken = hear(flooded(MOST_ALIKE - 1), *([together(*events)] if as_array else events))

    assert [(each.token_id, each.side, each.occurrence) for each in taken.trades] == [
        (TOKEN, "BUY", MOST_ALIKE),
        (OTHER, "BUY", 1),
        (TOKEN, "SELL", 1),
    ]
    rejected = [(each.reason, each.occurrence) for each in taken.decoded.rejections]
    assert rejected == [
        ("price out of range", 1),
        ("price out of range", 2),
        (TOO_MANY, MOST_ALIKE + 1),
        (TOO_MANY, MOST_ALIKE + 2),
    ]
    assert [each.payload for each in taken.decoded.rejections[2:]] == [framed()] * 2
    assert taken.decoded.doubts == ((1, TOKEN), (2, TOKEN), (3, TOKEN), (3, TOKEN))
    assert taken.decoded.rejected_after == (1, 3, 2, 3)
    assert taken.decoded.rejected_in == ((0,) * 4 if as_array else (1, 5, 3, 6))
    assert taken.decoded.kinds == ("",) * 4


def test_a_flood_of_a_canary_is_left_to_the_connection_that_records_it() -> None:
    taking = flooded(0)
    taken = hear(taking, *[framed(asset_id=CANARY)] * 3)
    assert (taken.record, taken.decoded.rejections) == (None, ())
