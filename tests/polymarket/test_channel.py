import json
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.model.connection import TOKENS_AT_ONCE
from actors.model.conversion import chunks
from actors.model.trade import Rejection, TokenId
from actors.polymarket import channel, fields
from actors.polymarket.channel import Decoded
from tests.polymarket.feed_samples import (
    CONDITION,
    DATA,
    RECEIVED_NS,
    TOKEN,
    TRADE,
    decode,
    encoded,
    framed,
    sample_trade,
)

FIXTURES = Path(
    os.environ.get("TRACKER_FIXTURES", Path(__file__).parents[2].parent / "shared" / "fixtures")
)
FOREIGN = {"gamma", "clob", "http_legacy_2024", "py-sdk", "subscribe"}
UNKNOWN_EVENT = {"event_type": "auction_opened", "asset_id": TOKEN}


def rejected(reason: str, payload: bytes, kind: str | None = None) -> Decoded:
    rejection = Rejection(reason=reason, payload=payload, received_at_ns=RECEIVED_NS)
    return Decoded(
        rejections=(rejection,),
        rejected_after=(0,),
        rejected_in=(0,),
        kinds=(reason if kind is None else kind,),
        kept=(payload,),
    )


# -------------------------------------------------------------------- saying


def test_the_first_message_subscribes_with_an_initial_dump() -> None:
    sent = json.loads(channel.first_subscription([TokenId("1"), TokenId("22")], custom=True))
    assert sent == {
        "assets_ids": ["1", "22"],
        "type": "market",
        "initial_dump": True,
        "level": 2,
        "custom_feature_enabled": True,
    }


def test_later_messages_are_operations() -> None:
    assert json.loads(channel.subscription([TokenId("1")], custom=False)) == {
        "assets_ids": ["1"],
        "operation": "subscribe",
        "initial_dump": True,
        "custom_feature_enabled": False,
    }
    assert json.loads(channel.unsubscription([TokenId("1")])) == {
        "assets_ids": ["1"],
        "operation": "unsubscribe",
    }


def test_messages_name_at_most_a_hundred_tokens_and_none_is_left_out() -> None:
    tokens = [TokenId(str(n)) for n in range(201)]
    parts = list(chunks(tokens, TOKENS_AT_ONCE))
    assert [len(part) for part in parts] == [100, 100, 1]
    assert [token for part in parts for token in part] == tokens
    assert list(chunks([], TOKENS_AT_ONCE)) == []


# -------------------------------------------------------------------- frames


@pytest.mark.parametrize("raw", [b"", b" ", b"\n", b"[]", b"[]\n", b" [ ] "])
def test_an_empty_frame_holds_nothing(raw: bytes) -> None:
    assert decode(raw, RECEIVED_NS) == Decoded()


def test_a_trailing_newline_changes_nothing() -> None:
    raw = framed() + b"\n"
    alike = msgspec.structs.replace(decode(framed(), RECEIVED_NS), kept=(raw,))
    assert decode(raw, RECEIVED_NS) == alike


@pytest.mark.parametrize("text", ["PONG", "INVALID OPERATION", "NO NEW ASSETS"])
def test_a_control_word_is_no_rejection(text: str) -> None:
    assert decode(text.encode() + b"\n", RECEIVED_NS) == Decoded(controls=(text,))


@pytest.mark.parametrize(
    "raw",
    [
        b"x" * 201,
        b"<html>\n</html>",
        b"\xff\xfe",
        b'{"event_type":"last_trade_price"',
        b'"event_type":"last_trade_price"',
        b"[",
        b"[,]",
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_kept(raw: bytes) -> None:
    decoded = decode(raw, RECEIVED_NS)
    kind = "" if decoded.doubts else None
    assert msgspec.structs.replace(decoded, doubts=()) == rejected("not JSON", raw, kind)


@pytest.mark.parametrize(
    "text", ["x" * 200, "<html>502 Bad Gateway</html>", "Pong", "rate limited"]
)
def test_a_text_that_is_no_control_word_is_kept_verbatim_and_shown(text: str) -> None:
    raw = text.encode() + b"\n"
    assert decode(raw, RECEIVED_NS) == msgspec.structs.replace(
        rejected("not JSON", raw), controls=(text,)
    )


def doubts(raw: bytes) -> list[tuple[int, TokenId | None]]:
    return [(each.trades_before, each.token) for each in decode(raw, RECEIVED_NS).doubts]


RENAMED = {**TRADE, "event_type": "trade_executed"}


@pytest.mark.parametrize(
    ("raw", "token"),
    [
        (framed(price="7"), TOKEN),
        (framed(side="HOLD", asset_id=int(TOKEN)), TOKEN),
        (encoded(RENAMED), TOKEN),
        (framed(event_type=None), TOKEN),
        (framed(event_type=7), TOKEN),
        (framed(asset_id=None), None),
        (framed(asset_id="seventy"), None),
        (b'{"event_type":"last_trade_price"}', None),
        (framed()[:-1], None),
        (b'"last_trade_price","price":"0.5"}', None),
        (b"[[" + framed() + b"]]", None),
    ],
)
def test_what_may_be_a_trade_casts_doubt_on_its_token_or_on_any(
    raw: bytes, token: TokenId | None
) -> None:
    assert doubts(raw) == [(0, token)]


@pytest.mark.parametrize(
    "raw",
    [
        b"<html><body>502 Bad Gateway</body></html>",
        b"rate limited",
        b"null",
        b"[1]",
        b"{}",
        encoded(UNKNOWN_EVENT),
        encoded({"event_type": "new_market", "market": "?"}),
        framed(event_type="book"),
    ],
)
def test_what_is_no_trade_casts_no_doubt(raw: bytes) -> None:
    assert doubts(raw) == []


def test_doubts_and_rejections_know_their_place_among_the_trades() -> None:
    bad = framed(price="7")
    mixed = b",".join((framed(), bad, encoded(UNKNOWN_EVENT)))
    frames = (framed(), b"[" + mixed + b"]", b"{", bad)
    decoded = channel.decode(frames, RECEIVED_NS)
    assert decoded.kept == frames
    assert decoded.rejected_after == (2, 2, 2, 2)
    assert decoded.rejected_in == (1, 1, 2, 3)
    assert decoded.kinds == ("", "auction_opened", "not JSON", "")
    assert decoded.doubts == ((2, TOKEN), (2, TOKEN))


def test_an_event_with_the_fields_of_a_trade_is_kept_whole_whatever_its_name() -> None:
    raw = encoded(RENAMED)
    decoded = decode(b"[" + raw + b"]", RECEIVED_NS)
    assert [(one.reason, one.payload) for one in decoded.rejections] == [
        ("unknown event_type", raw)
    ]
    assert decoded.unknown == ("trade_executed",)


@pytest.mark.parametrize(
    "raw", [b"null", b"17", b'"PONG"', b"true", b"[1]", b"[[]]", b'[["PONG"]]']
)
def test_json_that_is_no_event_is_kept(raw: bytes) -> None:
    (rejection,) = decode(raw, RECEIVED_NS).rejections
    assert rejection.reason == "not an object"
    assert rejection.payload in raw


def test_an_unknown_kind_is_kept_and_named() -> None:
    rejection = rejected("unknown event_type", encoded(UNKNOWN_EVENT), "auction_opened")
    expected = msgspec.structs.replace(rejection, unknown=("auction_opened",))
    assert decode(encoded(UNKNOWN_EVENT), RECEIVED_NS) == expected


def test_the_name_of_an_unknown_kind_is_short_and_printable() -> None:
    (name,) = decode(encoded({"event_type": "\x1b\x00" + "x" * 500}), RECEIVED_NS).unknown
    assert len(name) <= 64
    assert name.isprintable()


def test_two_trades_in_one_frame_keep_their_order() -> None:
    raw = encoded([TRADE, {**TRADE, "price": "0.1"}, TRADE])
    prices = [str(trade.price) for trade in decode(raw, RECEIVED_NS).trades]
    assert prices == ["0.456", "0.1", "0.456"]


@pytest.mark.parametrize(
    "bad",
    [
        b"NaN",
        b"1",
        b"null",
        b'"PONG"',
        b"{}",
        b'{"price": NaN}',
        b'{"a":"\\q"}',
        b'{"a":"\xff","event_type":"last_trade_price"}',
        b'{"event_type":"last_trade_price","price":0.5}',
        encoded(UNKNOWN_EVENT),
        b"[" * 20_000 + b"]" * 20_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    ],
)
def test_one_bad_event_does_not_affect_the_others_of_its_frame(bad: bytes) -> None:
    decoded = decode(
        b"[" + framed() + b", " + bad + b" ," + framed(price="0.1") + b"]", RECEIVED_NS
    )
    assert [trade.price for trade in decoded.trades] == [Decimal("0.456"), Decimal("0.1")]
    (rejection,) = decoded.rejections
    assert rejection.payload == bad


def test_the_events_before_an_incomplete_one_are_read() -> None:
    torn = framed()[:-30]
    decoded = decode(b"[" + framed() + b"," + torn, RECEIVED_NS)
    assert decoded.trades == (sample_trade(),)
    assert decoded.rejections == rejected("not JSON", torn).rejections


def test_a_frame_of_too_many_events_is_rejected_as_a_whole() -> None:
    raw = b"[" + b"1," * 200_000 + b"1]"
    assert decode(raw, RECEIVED_NS) == rejected("too many events", raw)


# --------------------------------------------------------------- other kinds


def test_books_are_named_by_their_token() -> None:
    other = TokenId("22")
    raw = encoded(
        [
            {"event_type": "book", "asset_id": TOKEN, "timestamp": "1789999000000"},
            {"event_type": "book", "asset_id": 22},
            {"event_type": "book", "asset_id": other, "last_trade_price": ""},
        ]
    )
    changes = ((TOKEN, 1_789_999_000_000),)
    assert decode(raw, RECEIVED_NS) == Decoded(books=(TOKEN, other), changes=changes)


def test_announcements_and_resolutions_name_their_market() -> None:
    raw = encoded(
        [
            {"event_type": "new_market", "market": CONDITION, "game_start_time": ""},
            {"event_type": "market_resolved", "market": CONDITION.upper().replace("X", "x")},
        ]
    )
    decoded = decode(raw, RECEIVED_NS)
    assert [each.condition_id for each in decoded.announced] == [CONDITION]
    assert decoded == Decoded(announced=decoded.announced, resolved=(CONDITION,))


def test_an_announcement_without_a_market_is_kept() -> None:
    raw = encoded({"event_type": "new_market", "market": "0x1"})
    assert decode(raw, RECEIVED_NS) == rejected("condition is malformed", raw)


def test_the_time_of_the_exchange_is_the_latest_now_of_the_frame() -> None:
    raw = encoded(
        [
            {"event_type": "price_change", "timestamp": "1790000000100"},
            {"event_type": "best_bid_ask", "timestamp": 1790000000300},
            {"event_type": "book", "asset_id": TOKEN, "timestamp": "1790000000400"},
            TRADE,
            {"event_type": "tick_size_change", "timestamp": "1790000000450"},
        ]
    )
    assert decode(raw, RECEIVED_NS).exchange_ms == 1_790_000_000_300


@pytest.mark.parametrize("value", ["", "soon", None, True, 1.5, "1", "9" * 18, [1]])
def test_a_time_out_of_range_is_ignored(value: object) -> None:
    raw = encoded({"event_type": "price_change", "timestamp": value})
    assert decode(raw, RECEIVED_NS) == Decoded()


def samples(root: Path) -> list[Path]:
    return [
        path
        for path in sorted(root.rglob("*.json"))
        if not {path.stem, *path.relative_to(root).parts} & FOREIGN
    ]


def check_sample(path: Path) -> str:
    raw = path.read_bytes()
    decoded = decode(raw, RECEIVED_NS)
    assert (decoded.rejections, decoded.unknown, decoded.controls) == ((), (), ())
    event = json.loads(raw)
    kind: str = event["event_type"]
    assert len(decoded.trades) == (kind == "last_trade_price")
    assert decoded.books == ((event["asset_id"],) if kind == "book" else ())
    announced = [(each.condition_id, list(each.token_ids)) for each in decoded.announced]
    assert announced == ([(event["market"], event["assets_ids"])] if kind == "new_market" else [])
    assert decoded.resolved == ((event["market"],) if kind == "market_resolved" else ())
    tells_now = kind in {"last_trade_price", "price_change", "best_bid_ask"}
    assert decoded.exchange_ms == (int(event["timestamp"]) if tells_now else None)
    for trade in decoded.trades:
        assert (trade.token_id, trade.condition_id) == (event["asset_id"], event["market"])
        assert (trade.price, trade.size) == (Decimal(event["price"]), Decimal(event["size"]))
        assert trade.transaction_hash == event.get("transaction_hash")
        assert trade.extra is None
    return kind


@pytest.mark.parametrize("path", samples(DATA), ids=lambda path: path.stem)
def test_every_kind_of_both_generations_is_read(path: Path) -> None:
    check_sample(path)


def test_every_recorded_frame_is_read() -> None:
    if not FIXTURES.is_dir():
        pytest.skip(f"no recordings: TRACKER_FIXTURES={FIXTURES}")
    kinds = [check_sample(path) for path in samples(FIXTURES)]
    assert len(set(kinds)) == 7


# ---------------------------------------------------------------- properties

GOOD = [path.read_bytes() for path in samples(DATA)]
BAD = [
    b"1",
    b"NaN",
    b"{}",
    b'{"x":"\xff"}',
    encoded(UNKNOWN_EVENT),
    framed(price="2"),
    framed(side=None),
]


@given(st.binary(max_size=400) | st.text(max_size=100).map(str.encode))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'["' + b'\\"' * 100_000)
def test_no_bytes_raise_and_none_are_read_two_ways(raw: bytes) -> None:
    assert decode(raw, RECEIVED_NS) == decode(raw, RECEIVED_NS)


@given(st.sampled_from([framed(), encoded([TRADE]), encoded([TRADE, TRADE])]), st.data())
def test_a_damaged_trade_is_read_or_kept_but_never_lost(raw: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(raw) - 1))
    gone = data.draw(st.integers(0, 3))
    damaged = raw[:place] + data.draw(st.binary(max_size=3)) + raw[place + gone :]
    decoded = decode(damaged, RECEIVED_NS)
    assert decoded.trades or decoded.rejections
    for rejection in decoded.rejections:
        assert rejection.payload in damaged


@given(st.lists(st.sampled_from(GOOD + BAD), max_size=8))
def test_an_array_gives_what_its_events_give_one_by_one(events: list[bytes]) -> None:
    whole = decode(b"[" + b" ,\n".join(events) + b"]", RECEIVED_NS)
    latest_ms = fields.latest_moment(RECEIVED_NS)
    parts = [
        channel._read_event_by_event(
            event if event[:1] == b"{" else b"[" + event + b"]", RECEIVED_NS, latest_ms
        )
        for event in events
    ]
    assert whole.trades == tuple(p for part in parts for p in part.trades)
    assert whole.books == tuple(b for part in parts for b in part.books)
    assert whole.announced == tuple(c for part in parts for c in part.announced)
    assert whole.resolved == tuple(c for part in parts for c in part.resolved)
    assert whole.unknown == tuple(u for part in parts for u in part.unknown)
    assert [r.reason for r in whole.rejections] == [r.reason for p in parts for r in p.rejections]
    assert whole.exchange_ms == max((p.exchange_ms for p in parts if p.exchange_ms), default=None)


# ------------------------------------------------------------ frames together

BOOK = encoded({"event_type": "book", "asset_id": TOKEN, "timestamp": "1"})
FRAMES = (
    *(
        framed(),
        framed(side="SELL"),
        framed(price="7"),
        framed(timestamp="1" * 5_000),
    ),
    *(
        framed(transaction_hash=None),
        framed(fee_rate_bps="0.5"),
        b"[" + framed() + b"]",
    ),
    *(
        b"[" + framed(price=".5") + b"," + BOOK + b"]",
        b"[" + framed() + b",{}]",
        b"[]",
        b"",
    ),
    *(
        BOOK,
        b"PONG",
        encoded(UNKNOWN_EVENT),
        framed()[:-1],
        b",".join((framed(), framed())),
        b"[" * 9_000,
    ),
)


@given(st.lists(st.sampled_from(FRAMES), max_size=12))
def test_the_result_does_not_depend_on_which_frames_are_read_together(frames: list[bytes]) -> None:
    together = channel.decode(frames, RECEIVED_NS)
    apart = sum((decode(raw, RECEIVED_NS) for raw in frames), Decoded())
    assert together == apart


def test_frames_with_a_trade_or_a_rejection_are_kept_and_no_others() -> None:
    frames = (BOOK, framed(), b"PONG", b"[]", framed(price="7"), b"[" + BOOK + b"]")
    assert channel.decode(frames, RECEIVED_NS).kept == (framed(), framed(price="7"))


# A record of the journal says how many of its trades were taken. Its receipt may be that of a
# clock that was days behind, and then a day after the receipt is not the last time that was taken.

DAY_MS = 86_400_000


@given(
    st.lists(st.integers(-3, 20).map(lambda days: days * DAY_MS), min_size=1, max_size=6),
    st.integers(1, 20),
)
def test_what_is_read_back_is_what_was_taken_whatever_our_clock_showed(
    ahead_ms: list[int], latest_days: int
) -> None:
    received_ms = RECEIVED_NS // 1_000_000
    frames = [framed(timestamp=str(received_ms + each)) for each in ahead_ms]
    taken = channel.decode(frames, RECEIVED_NS, received_ms + latest_days * DAY_MS)
    assert len(taken.trades) == sum(each <= latest_days * DAY_MS for each in ahead_ms)
    again = channel.decode_numbered(frames, RECEIVED_NS, len(taken.trades))
    assert (again.trades, again.rejections) == (taken.trades, taken.rejections)
