"""What cannot be a trade is kept by samples; what may be one is kept whole, whatever the flood."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.feed.ingest import Ingest, Ingested
from actors.feed.samples import OTHER, Samples, without
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId
from actors.polymarket import channel
from actors.polymarket.channel import Decoded
from actors.writer.gather import replay
from tests.polymarket.feed_samples import RECEIVED_NS, TOKEN, encoded, framed

CANARY = TokenId("99")
MINUTE_NS = 60_000_000_000


def connection(samples: Samples, number: int = 0) -> Ingest:
    spec = ConnectionSpec(name=f"a-{number:04}", feed=0, tokens=(TOKEN,), canary=(CANARY,))
    return Ingest(spec, 5, samples=samples)


def strange(number: int = 0, **more: Any) -> bytes:
    """Return an event of an unknown kind that cannot be a trade."""
    return encoded({"event_type": "book_delta", "asset_id": TOKEN, "number": number, **more})


def together(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


def kept(taken: Ingested) -> list[bytes]:
    return [each.payload for each in taken.decoded.rejections]


# ------------------------------------------------------------------ how many


def test_of_a_kind_the_first_of_a_minute_are_kept_by_all_connections_together() -> None:
    samples = Samples()
    connections = [connection(samples, number) for number in range(50)]
    first = [each.take((strange(),) * 100, RECEIVED_NS) for each in connections]
    later = connections[7].take((strange(),) * 100, RECEIVED_NS + MINUTE_NS)

    assert sum(len(kept(taken)) for taken in first) == 20
    assert sum(taken.left_out for taken in first) == 50 * 100 - 20
    assert sum(len(taken.decoded.unknown) for taken in first) == 50 * 100
    assert (len(kept(later)), later.left_out) == (20, 80)


def test_a_connection_that_starts_again_has_no_samples_of_its_own() -> None:
    samples = Samples()
    taken = [connection(samples).take((strange(),) * 10, RECEIVED_NS) for _ in range(10)]

    assert sum(len(kept(each)) for each in taken) == 20


def test_who_invents_a_kind_for_each_message_is_sampled_too() -> None:
    taking = connection(Samples())
    names = [f"kind {number} " + "x" * 5_000 for number in range(2_000)]
    frames = [encoded({"event_type": name, "asset_id": TOKEN}) for name in names]
    taken = [taking.take(frames[at : at + 200], RECEIVED_NS) for at in range(0, 2_000, 200)]

    payloads = list(itertools.chain.from_iterable(map(kept, taken)))
    assert 16 <= len(payloads) <= 17 * 20
    assert sum(map(len, payloads)) <= 17 * (1 << 15)
    assert sum(each.left_out for each in taken) == 2_000 - len(payloads)
    assert max(len(name) for each in taken for name in each.decoded.unknown) == 64


def unreadable(number: int) -> bytes:
    """Return what may be a trade and cannot be read as one."""
    return framed(price="?", number=number)


def test_what_may_be_a_trade_is_kept_up_to_a_share_of_the_disk_an_hour() -> None:
    samples = Samples(doubtful_bytes=10 * len(unreadable(0)))
    connections = [connection(samples, number) for number in range(4)]
    first = [each.take([unreadable(n) for n in range(4)], RECEIVED_NS) for each in connections]
    later = connections[0].take([unreadable(9)], RECEIVED_NS + 60 * MINUTE_NS)

    assert [len(kept(each)) for each in first] == [4, 4, 2, 0]
    assert [each.left_out_doubtful for each in first] == [0, 0, 2, 4]
    assert first[3].record is None
    assert kept(later) == [unreadable(9)]


def test_a_trade_that_is_not_kept_leaves_its_token_uncovered() -> None:
    taking = connection(Samples(doubtful_bytes=0))
    taking.coverage.add_requested([TOKEN], 0.0)
    book = {"event_type": "book", "asset_id": TOKEN, "bids": [], "asks": []}
    taking.take((encoded(book),), RECEIVED_NS)
    taken = taking.take((unreadable(0),), RECEIVED_NS)

    assert [withdrawn.tokens for withdrawn in taken.withdrawn] == [(TOKEN,)]
    assert TOKEN in taking.coverage.doubted


def test_beside_what_is_not_kept_trades_are() -> None:
    taking = connection(Samples(doubtful_bytes=0))
    taken = taking.take((together(framed(), unreadable(0), framed()),), RECEIVED_NS)

    assert len(taken.trades) == 2
    assert taken.record is not None
    trades, rejections = replay(taken.record)
    assert (len(trades), rejections) == (2, ())


def test_each_kind_is_sampled_whatever_came_before_it() -> None:
    samples = Samples(of_each=2, kinds=3)
    kinds = ["a", "a", "a", "b", "c", "d", "e", "f", "b", "b"]
    taken = [samples.takes(kind, 10, RECEIVED_NS) for kind in kinds]

    assert taken == [True, True, False, True, True, True, True, False, True, False]
    assert not samples.takes(OTHER, 10, RECEIVED_NS)


def test_samples_are_bounded_in_bytes_and_a_long_one_is_kept_once_in_an_hour() -> None:
    samples = Samples(most_bytes=100)
    hour_ns = 60 * MINUTE_NS
    assert [samples.takes("a", size, RECEIVED_NS) for size in (60, 60, 40, 1)] == [
        *(True, False, True, False),
    ]
    long = [(0, "a"), (0, "b"), (MINUTE_NS, "a"), (2 * hour_ns, "b"), (2 * hour_ns, "b")]
    assert [samples.takes(kind, 10**6, RECEIVED_NS + after) for after, kind in long] == [
        *(True, False, False, True, False),
    ]


def test_a_thread_that_comes_late_begins_no_new_minute_and_a_clock_that_is_set_back_does() -> None:
    samples = Samples(of_each=1)
    minutes = [5, 5, 6, 5, 6, 2, 2]
    taken = [samples.takes("a", 1, minute * MINUTE_NS) for minute in minutes]

    assert taken == [True, False, True, False, False, True, False]


# -------------------------------------------------------------- what is kept


def test_what_may_be_a_trade_is_kept_whole_whatever_comes_with_it() -> None:
    taking = connection(Samples())
    maybe = [framed(event_type="trade_v2", size=str(number)) for number in range(1, 1_001)]
    taken = [taking.take((strange(), each, strange()), RECEIVED_NS) for each in maybe]

    found = [payload for each in taken for payload in kept(each) if b"trade_v2" in payload]
    assert found == maybe
    assert sum(each.left_out for each in taken) == 2_000 - 20


def test_texts_and_other_messages_that_are_no_event_are_sampled_by_their_reason() -> None:
    taking = connection(Samples(of_each=1))
    frames = (b"<html>", b"rate limited", b"null", b"7", encoded({"event_type": "new_market"}))
    taken = taking.take(frames * 3, RECEIVED_NS)

    assert kept(taken) == [b"<html>", b"null", encoded({"event_type": "new_market"})]
    assert taken.left_out == 12


def test_a_message_that_is_not_kept_counts_among_those_that_are_alike() -> None:
    """A later version may find a trade in it, whose number is that of the feed."""
    all_kept, sampled = connection(Samples(of_each=10**6)), connection(Samples(of_each=1))
    frames = (strange(), strange(1), strange(), framed(price="7"), strange(), framed(price="7"))
    numbers = []
    for taking in (all_kept, sampled):
        taken = [taking.take(frames, RECEIVED_NS + minute * MINUTE_NS) for minute in (0, 1)]
        rejections = [each for part in taken for each in part.decoded.rejections]
        numbers.append([(one.payload, one.received_at_ns, one.occurrence) for one in rejections])

    assert len(numbers[0]) == 12
    assert [each for each in numbers[0] if each in numbers[1]] == numbers[1]
    doubtful = [each for each in numbers[1] if each[0] == framed(price="7")]
    assert [occurrence for *_, occurrence in doubtful] == [1, 2, 3, 4]


@pytest.mark.no_cover  # see CONTRIBUTING.md
def test_a_flood_does_not_make_the_numbers_of_what_may_be_a_trade_forgotten() -> None:
    taking = connection(Samples())
    bad = framed(price="7")
    taking.take((bad,), RECEIVED_NS)
    for number in range(30_000):
        taking.take((strange(number),), RECEIVED_NS + 1)
    (again,) = taking.take((bad,), RECEIVED_NS + 2).decoded.rejections

    assert again.occurrence == 2


# ----------------------------------------------------------- what is read back

EVENTS = st.sampled_from(
    [
        framed(),
        framed(side="SELL"),
        framed(asset_id=CANARY),
        framed(price="7"),
        framed(event_type="trade_v2"),
        strange(),
        strange(1),
        strange(2, text='a "quoted" [,] text'),
        encoded({"event_type": "book", "asset_id": TOKEN, "bids": [], "asks": []}),
        encoded({"event_type": "new_market"}),
        b"null",
        b"7",
        b'"text"',
        b"{",
        b'{"event_type":"x","a":[1,2}',
        b" ",
    ]
)
ARRAYS = st.lists(EVENTS, max_size=6).flatmap(
    lambda events: st.sampled_from([b",", b" , ", b",,", b"\n"]).map(
        lambda comma: b"[" + comma.join(events) + b"]"
    )
)
FRAMES = st.one_of(
    EVENTS,
    ARRAYS,
    ARRAYS.map(lambda array: array[:-1]),
    ARRAYS.map(lambda array: b" " + array + b"\n"),
    st.sampled_from([b"<html>", b"", b"[]", b"PONG", b"\xff"]),
)


@given(st.lists(st.lists(FRAMES, min_size=1, max_size=5), max_size=4), st.integers(0, 3))
def test_whatever_is_left_out_a_replay_finds_what_was_taken(
    parts: list[list[bytes]], of_each: int
) -> None:
    taking, whole = connection(Samples(of_each=of_each)), connection(Samples(of_each=10**6))
    for frames in parts:
        taken, everything = taking.take(frames, RECEIVED_NS), whole.take(frames, RECEIVED_NS)
        found = ((), ()) if taken.record is None else replay(taken.record)
        rejections = everything.decoded.rejections

        assert found == (taken.trades, taken.decoded.rejections)
        assert taken.trades == everything.trades
        assert taken.left_out == len(rejections) - len(taken.decoded.rejections)
        assert everything.left_out == 0
        kinds = everything.decoded.kinds
        doubtful = [one for one, kind in zip(rejections, kinds, strict=True) if not kind]
        assert [one for one in taken.decoded.rejections if one in doubtful] == doubtful
        assert len(doubtful) == len(everything.decoded.doubts)


def test_from_an_array_with_a_trade_only_what_is_not_kept_is_cut() -> None:
    taking = connection(Samples(of_each=1))
    array = together(strange(), framed(), strange(1), framed(price="7"), strange(2))
    taken = taking.take((array, strange(3)), RECEIVED_NS)

    assert taken.record is not None
    assert taken.record.raws == (together(strange(), framed(), framed(price="7")),)
    assert (kept(taken), taken.left_out) == ([strange(), framed(price="7")], 3)
    assert [each.trades_before for each in taken.record.rejected] == [0, 1]


def test_an_array_from_which_nothing_can_be_cut_stays_whole() -> None:
    array = together(strange(), framed())
    decoded = channel.decode((array,), RECEIVED_NS)

    def other(raw: bytes) -> Decoded:
        """Read as a decoder does to which the place of an event matters."""
        found = channel.decode((raw,), RECEIVED_NS)
        return found if raw == array else msgspec.structs.replace(found, trades=())

    assert without(decoded, [False], other) == decoded
