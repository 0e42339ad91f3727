import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.transport.frames import TAIL_BYTES
from actors.transport.skimmer import FrameSkimmer, Skim
from tests.transport.rfc6455 import VIOLATIONS, Reference, frame

MARKER = b'"last_trade_price"'
TOKEN = "7" * 77
BOOK_KINDS = {"book", "price_change", "best_bid_ask", "tick_size_change"}

PRICE_CHANGE = {
    "market": "0x" + "ab" * 32,
    "price_changes": [{"asset_id": TOKEN, "price": "0.5", "size": "200", "side": "BUY"}],
    "timestamp": "1757908892351",
    "event_type": "price_change",
}
BOOK = {"event_type": "book", "asset_id": TOKEN, "bids": [], "asks": [], "timestamp": "1757908892"}
BEST = {"event_type": "best_bid_ask", "asset_id": TOKEN, "best_bid": "0.1", "best_ask": "0.2"}
TICK = {"event_type": "tick_size_change", "asset_id": TOKEN, "new_tick_size": "0.001"}
TRADE = {"event_type": "last_trade_price", "asset_id": TOKEN, "price": "0.5", "size": "3"}
OTHER_EVENT = {"event_type": "auction_opened", "asset_id": TOKEN, "market": "0x" + "cd" * 32}


def text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def skimmer(
    *,
    markers: tuple[bytes, ...] = (MARKER,),
    max_message_bytes: int = 16 << 20,
    sample_every: int = 1000,
) -> FrameSkimmer:
    return FrameSkimmer(
        markers=markers, max_message_bytes=max_message_bytes, sample_every=sample_every
    )


def is_book_noise(message: bytes) -> bool:
    try:
        value = json.loads(message)
    except ValueError:
        return False
    if isinstance(value, dict):
        return value.get("event_type") in BOOK_KINDS
    return bool(value) and all(event.get("event_type") in BOOK_KINDS for event in value)


def expected(
    reference: Reference, markers: tuple[bytes, ...], sample_every: int
) -> tuple[bytes, ...]:
    handed, noise = [], 0
    for message in reference.data:
        skip = len(message) > 64 and not any(m in message for m in markers)
        if skip and is_book_noise(message):
            noise += 1
            if noise % sample_every:
                continue
        handed.append(message)
    return tuple(handed)


# ------------------------------------------------------------ random streams

SIZES = [0, 1, 2, 63, 64, 65, 124, 125, 126, 127, 128, 300, 65535, 65536, 65537, 70000]
events = st.sampled_from([PRICE_CHANGE, BOOK, BEST, TICK, TRADE, OTHER_EVENT])
padded = st.builds(
    lambda event, size: text({**event, "pad": "x" * size}), events, st.sampled_from(SIZES)
)
payloads = st.one_of(
    padded,
    padded,
    st.lists(events, max_size=4).map(text),
    st.sampled_from([b"PONG", b"", b"[]", b"\n", b"INVALID OPERATION", b"NO NEW ASSETS"]),
    st.sampled_from(SIZES).map(lambda size: b"\x81" * size),
    st.binary(max_size=300),
)
controls = st.one_of(
    st.binary(max_size=125).map(lambda payload: frame(payload, first=0x89)),
    st.binary(max_size=125).map(lambda payload: frame(payload, first=0x8A)),
)

runs = st.lists(
    st.sampled_from((TRADE, TRADE, TRADE, {**TRADE, "size": "1234.5"}, PRICE_CHANGE, OTHER_EVENT)),
    min_size=3,
    max_size=8,
).map(lambda some: b"".join(frame(text(each)) for each in some))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    payload = draw(payloads)
    opcode = draw(st.sampled_from([1, 1, 1, 2]))
    if draw(st.integers(0, 3)):
        return frame(payload, first=0x80 | opcode, wide=draw(st.sampled_from([0, 0, 2, 8])))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    bounds = [0, *cuts, len(payload)]
    pieces = [payload[a:b] for a, b in pairwise(bounds)]
    stream = b""
    for index, piece in enumerate(pieces):
        final = 0x80 if index == len(pieces) - 1 else 0
        stream += draw(st.one_of(st.just(b""), controls)) if index else b""
        stream += frame(piece, first=final | (0 if index else opcode))
    return stream


ends = st.one_of(
    st.just(b""),
    st.just(frame(first=0x88)),
    st.builds(
        lambda code, why: frame(code.to_bytes(2, "big") + why, first=0x88),
        st.integers(0, 65535),
        st.binary(max_size=123),
    ),
    st.sampled_from(sorted(VIOLATIONS.values())),
    st.binary(max_size=12),
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    parts = st.one_of(messages(), messages(), controls, runs)
    body = b"".join(draw(st.lists(parts, max_size=12)))
    return body + draw(ends) + draw(st.one_of(st.just(b""), messages()))


@st.composite
def chunkings(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(streams())
    if draw(st.booleans()):
        step = draw(st.sampled_from([1, 2, 3, 7, 1400])) if len(stream) < 5000 else 4096
        return stream, [stream[i : i + step] for i in range(0, len(stream), step)]
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return stream, [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]


def skim_all(walker: FrameSkimmer, chunks: list[bytes], gap: int) -> Iterator[Skim]:
    """Feed as the reactor does: through a scratch buffer with old bytes of other connections."""
    scratch = bytearray(b"\x81\x05") * 250_000
    for chunk in chunks:
        start = walker.held + gap
        scratch[start : start + len(chunk)] = chunk
        yield walker.skim(scratch, start, start + len(chunk))
        assert walker.held <= TAIL_BYTES


@pytest.mark.no_cover  # see CONTRIBUTING.md
@settings(max_examples=300)
@given(
    chunkings(),
    st.sampled_from([300, 65535, 65536, 66_000, 16 << 20]),
    st.sampled_from([(MARKER,), (MARKER, b'"auction', b'"bids"'), ()]),
    st.sampled_from([1, 2, 3, 1000]),
    st.integers(0, 3),
)
def test_any_stream_in_any_chunks_gives_what_the_rfc_says(
    stream_and_chunks: tuple[bytes, list[bytes]],
    cap: int,
    markers: tuple[bytes, ...],
    sample_every: int,
    gap: int,
) -> None:
    stream, chunks = stream_and_chunks
    reference = Reference(stream, cap)
    walker = skimmer(markers=markers, max_message_bytes=cap, sample_every=sample_every)
    skims = list(skim_all(walker, chunks, gap))
    handed = tuple(message for skim in skims for message in skim.messages)
    assert handed == expected(reference, markers, sample_every)
    assert [ping for skim in skims for ping in skim.pings] == reference.pings
    assert next((skim.close for skim in skims if skim.close), None) == reference.close
    assert next((skim.violation for skim in skims if skim.violation), None) == reference.violation
    assert walker.frames_total == reference.frames
    assert walker.messages_total == len(handed)
    assert walker.messages_total + walker.skipped_total == len(reference.data)
    assert walker.data_total == sum(len(message) > 64 for message in reference.data)
    if not reference.close and not reference.violation:
        assert walker.frame_in_progress == reference.in_progress
        assert walker.bytes_total == len(stream)


# ------------------------------------------------------------ examples


def test_book_noise_is_skipped_and_trades_are_handed_on_in_order() -> None:
    first, second = text(TRADE), text({**TRADE, "size": "4"})
    noise = [text(PRICE_CHANGE), text(BOOK), text(BEST), text(TICK)]
    walker = skimmer()
    skim = walker.feed(b"".join(map(frame, [*noise, first, *noise, second, *noise])))
    assert skim == Skim(messages=(first, second))
    assert (walker.skipped_total, walker.messages_total, walker.frames_total) == (12, 2, 14)


def test_a_read_of_nothing_but_noise_gives_nothing() -> None:
    assert skimmer().feed(frame(text(PRICE_CHANGE)) * 5) == Skim()


@pytest.mark.parametrize("other", [PRICE_CHANGE, BOOK, BEST, TICK])
def test_an_array_of_book_events_is_noise_unless_it_has_another_event(other: object) -> None:
    mixed = text([BOOK, other, OTHER_EVENT])
    assert skimmer().feed(frame(text([BOOK, other])) + frame(mixed)).messages == (mixed,)


def test_a_trade_under_another_name_is_handed_on_out_of_the_commonest_noise() -> None:
    renamed = text({**TRADE, "event_type": "trade_executed", "timestamp": "1757908892351"})
    together = text([PRICE_CHANGE, {**TRADE, "event_type": "trade_executed"}])
    skim = skimmer(sample_every=100_000)
    noise = [{**PRICE_CHANGE, "timestamp": str(1757908892351 + n)} for n in range(2_000)]
    skim.feed(b"".join(frame(text(each)) for each in noise))
    assert skim.pattern.skipper is not None
    stream = b"".join(
        frame(text(each)) + (frame(renamed) + frame(together) if n % 100 == 0 else b"")
        for n, each in enumerate(noise)
    )
    assert skim.feed(stream).messages == (renamed, together) * 20


def test_an_array_with_a_marker_is_handed_on_whole() -> None:
    mixed = text([BOOK, TRADE, PRICE_CHANGE])
    assert skimmer().feed(frame(mixed)).messages == (mixed,)


@pytest.mark.parametrize(
    "message",
    [
        b"PONG",
        b"",
        b"[]",
        text(OTHER_EVENT),
        b"NO NEW ASSETS " * 10,
        b"\xff" * 200,
        b" " * 90 + text(OTHER_EVENT),
        text({"event_type": "x", "description": 'says "bids" and "price_change"' + "." * 60}),
    ],
)
def test_what_is_short_or_unknown_is_handed_on(message: bytes) -> None:
    assert skimmer().feed(frame(text(PRICE_CHANGE)) + frame(message)).messages == (message,)


def test_one_in_so_many_skipped_messages_is_a_sample() -> None:
    numbered = [text({**PRICE_CHANGE, "timestamp": str(n)}) for n in range(1, 10)]
    walker = skimmer(sample_every=4)
    handed = [walker.feed(frame(message)).messages for message in numbered]
    assert [m for messages in handed for m in messages] == [numbered[3], numbered[7]]
    assert walker.skipped_total == 7


def test_a_requested_sample_is_the_next_skipped_message_and_is_not_handed_on() -> None:
    walker = skimmer()
    walker.feed(frame(text(BOOK)))
    samples = [walker.sample]
    walker.request_sample()
    assert walker.feed(frame(text(TRADE)) + frame(text(BOOK))).messages == (text(TRADE),)
    samples.append(walker.sample)
    assert walker.feed(frame(text(PRICE_CHANGE))).messages == ()
    samples.append(walker.sample)
    assert samples == [None, text(BOOK), text(BOOK)]
    assert walker.skipped_total == 3


def test_a_requested_sample_may_come_in_pieces() -> None:
    walker = skimmer()
    walker.request_sample()
    half = len(text(BOOK)) // 2
    pieces = frame(text(BOOK)[:half], first=0x01) + frame(text(BOOK)[half:], first=0x80)
    assert walker.feed(pieces + frame(text(PRICE_CHANGE))).messages == ()
    assert walker.sample == text(BOOK)
    assert walker.skipped_total == 2


def test_a_requested_sample_remains_due_after_reads_without_a_message() -> None:
    walker = skimmer()
    walker.request_sample()
    walker.feed(frame(b"", first=0x89))
    assert walker.feed(frame(text(BOOK), first=0x82)).messages == ()
    assert walker.sample == text(BOOK)


def test_new_markers_hold_from_the_next_read_on() -> None:
    walker = skimmer()
    assert walker.feed(frame(text(BOOK))).messages == ()
    walker.set_markers((MARKER, b'"bids"'))
    assert walker.feed(frame(text(BOOK))).messages == (text(BOOK),)
    assert walker.markers == (MARKER, b'"bids"')


def test_a_marker_cut_by_a_read_is_found() -> None:
    stream = frame(text(PRICE_CHANGE)) + frame(text(TRADE))
    for cut in range(len(stream)):
        walker = skimmer()
        handed = walker.feed(stream[:cut]).messages + walker.feed(stream[cut:]).messages
        assert handed == (text(TRADE),), cut


@pytest.mark.parametrize("name", sorted(VIOLATIONS))
def test_a_violation_is_named_and_what_came_before_it_is_handed_on(name: str) -> None:
    walker = skimmer()
    skim = walker.feed(frame(text(TRADE)) + frame(b"a", first=0x89) + VIOLATIONS[name])
    assert skim == Skim(messages=(text(TRADE),), pings=(b"a",), violation=name)
    assert walker.feed(frame(text(TRADE))).messages == ()
    assert walker.held == 0


def test_a_length_above_the_cap_is_rejected_from_the_header_alone() -> None:
    walker = skimmer(max_message_bytes=1 << 20)
    assert walker.feed(b"\x81\x7f" + ((1 << 20) + 1).to_bytes(8, "big")).violation == "too_big"


def test_fragments_are_rejected_at_the_fragment_that_passes_the_cap() -> None:
    walker = skimmer(max_message_bytes=1000)
    assert walker.feed(frame(b"x" * 600, first=0x01)) == Skim()
    assert walker.feed(frame(b"x" * 401, first=0x00)[:4]).violation == "too_big"


def test_an_array_is_not_mistaken_for_a_similar_object() -> None:
    shorter = {**PRICE_CHANGE, "market": "0x" + "ab" * 31 + "a"}
    mixed = text([shorter, OTHER_EVENT])
    key = b'"price_changes"'
    assert mixed.index(key) == text(PRICE_CHANGE).index(key)
    walker = skimmer()
    assert walker.feed(frame(text(PRICE_CHANGE)) + frame(mixed)).messages == (mixed,)


def test_a_message_is_not_proven_noise_by_bytes_of_the_next_one() -> None:
    noise = text(PRICE_CHANGE)
    key = b'"price_changes"'
    where = noise.index(key)
    unknown = text({"event_type": "x" * 48})
    assert 64 < len(unknown) < where
    # In the follower the key is just where it would be expected in the message before.
    follower = b"{" + b" " * (where - len(unknown) - 5) + noise[where:]
    assert (unknown + frame(follower)).index(key) == where
    assert skimmer().feed(b"".join(map(frame, (noise, unknown, follower)))).messages == (unknown,)


class CountingBuffer(bytearray):
    """Records what is searched in it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.searches: list[bytes] = []

    def find(self, sub: Any, *bounds: Any) -> int:
        self.searches.append(sub)
        return super().find(sub, *bounds)


@pytest.mark.parametrize("markers", [(MARKER,), (MARKER, b"absent", b"auction")])
def test_each_marker_is_searched_once_a_buffer_and_once_more_for_each_find(
    markers: tuple[bytes, ...],
) -> None:
    ping, noise = frame(b"", first=0x89), frame(text(PRICE_CHANGE))
    buffer = CountingBuffer((ping + noise) * 200 + (frame(text(TRADE)) + noise) * 5)
    walker = skimmer(markers=markers)
    assert walker.skim(buffer, 0, len(buffer)).messages == (text(TRADE),) * 5
    assert walker.skipped_total == 205
    assert len(buffer.searches) <= len(markers) + 5 + len((b"bids", b"price_changes"))


def test_a_run_of_wanted_messages_that_end_alike_is_not_searched_one_by_one() -> None:
    trades = [text({"n": "1" * (number % 7), **TRADE}) for number in range(50)]
    noise = text(PRICE_CHANGE)
    buffer = CountingBuffer(b"".join(map(frame, (*trades, noise, *trades[:2], noise))))
    walker = skimmer()
    assert walker.skim(buffer, 0, len(buffer)).messages == (*trades, *trades[:2])
    assert walker.skipped_total == 2
    assert len(buffer.searches) <= 8


def test_a_message_after_a_run_of_wanted_ones_is_judged_by_itself() -> None:
    trade = text(TRADE)
    tail = len(trade) - trade.index(MARKER)
    short = b"x" * 60
    other = text({**PRICE_CHANGE, "pad": "x" * tail})
    unknown = text({**OTHER_EVENT, "pad": "x" * tail})
    rest = [trade, trade, trade, other, trade, trade, short, trade, trade, unknown, trade]
    walker = skimmer()
    handed = [message for message in rest if message is not other]
    assert walker.feed(b"".join(map(frame, rest))).messages == tuple(handed)
    assert walker.skipped_total == 1
    assert walker.data_total == len(rest) - 1


@pytest.mark.parametrize("marker", [b"last_trade_price", b'"bids"', b"new_market"])
def test_a_marker_is_found_among_messages_that_have_its_letters(marker: bytes) -> None:
    like = text({**PRICE_CHANGE, "pad": "l" * 100 + " wall " + "new mark " * 10})
    wanted = text({"event_type": "x", "pad": "w" * 100, marker.decode().strip('"'): []})
    walker = skimmer(markers=(marker,))
    stream = frame(like) * 3 + frame(wanted) + frame(like) + frame(wanted) + frame(like)
    assert walker.feed(stream).messages == (wanted, wanted)
    assert walker.skipped_total == 5


def test_a_run_of_noise_ends_at_the_sample_that_is_due_and_goes_on_behind_it() -> None:
    numbered = [text({**PRICE_CHANGE, "timestamp": str(n)}) for n in range(10, 100)]
    walker = skimmer(sample_every=20)
    assert walker.feed(b"".join(map(frame, numbered))).messages == tuple(numbered[19::20])
    assert (walker.frames_total, walker.skipped_total, walker.data_total) == (90, 86, 90)


def test_a_run_of_noise_ends_at_the_end_of_the_buffer() -> None:
    stream = frame(text(PRICE_CHANGE)) * 50
    for cut in range(len(stream) - 220, len(stream)):
        walker = skimmer()
        assert walker.feed(stream[:cut]) == Skim()
        assert walker.feed(stream[cut:]) == Skim()
        assert (walker.frames_total, walker.held) == (50, 0)


def test_noise_of_two_forms_is_skipped() -> None:
    other = text({**PRICE_CHANGE, "market": "0x" + "ab" * 31})
    walker = skimmer()
    assert walker.feed((frame(text(PRICE_CHANGE)) * 3 + frame(other)) * 20) == Skim()
    assert walker.skipped_total == 80


def test_a_close_keeps_the_data_before_it_and_ends_the_stream() -> None:
    bye = frame((1013).to_bytes(2, "big") + b"slow consumer", first=0x88)
    skim = skimmer().feed(frame(text(TRADE)) + bye + frame(text(TRADE)))
    assert skim == Skim(messages=(text(TRADE),), close=(1013, "slow consumer"))


def test_a_close_without_a_code_is_1005() -> None:
    assert skimmer().feed(frame(first=0x88)).close == (1005, "")


def test_a_long_frame_takes_memory_only_as_it_arrives() -> None:
    size = 12 << 20
    walker = skimmer()
    walker.feed(b"\x81\x7f" + size.to_bytes(8, "big") + b"y" * 10)
    assert walker.held == 0
    assert walker.frame_in_progress
    assert walker._parser._long is not None
    assert len(walker._parser._long) == 10


def test_a_frame_in_progress_ends_with_its_last_byte() -> None:
    stream = frame(text(TRADE))
    walker = skimmer()
    states = []
    for index in range(len(stream)):
        walker.feed(stream[index : index + 1])
        states.append(walker.frame_in_progress)
    assert states == [True] * (len(stream) - 1) + [False]


def test_open_fragments_are_in_progress_between_their_frames() -> None:
    walker = skimmer()
    walker.feed(frame(b"a", first=0x01))
    assert (walker.frame_in_progress, walker.in_fragments) == (True, True)
    walker.feed(frame(b"b", first=0x80))
    assert (walker.frame_in_progress, walker.in_fragments) == (False, False)


@pytest.mark.parametrize(("sample_every", "markers"), [(0, (MARKER,)), (1000, (MARKER, b""))])
def test_settings_without_meaning_are_rejected(
    sample_every: int, markers: tuple[bytes, ...]
) -> None:
    with pytest.raises(ValueError, match=r"1 or more|everywhere"):
        skimmer(sample_every=sample_every, markers=markers)
