import json
import re
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.transport.noise import (
    FrameSkipper,
    NoisePattern,
    RunSkipper,
    frame_skipper,
    run_skipper,
)
from actors.transport.skimmer import FrameSkimmer
from tests.transport.rfc6455 import Reference, frame

MARKER = b'"last_trade_price"'
KEY = b'"price_changes"'
OFFSET = 78
PLAIN_SIZE = 200


def noise(size: int, *, offset: int = OFFSET, inside: bytes = b"") -> bytes:
    """Return a message of the commonest noise that is so long, with these bytes in it."""
    front = b'{"market":"' + b"m" * (offset - 13) + b'",' + KEY + b":[" + inside
    message = front + b"." * (size - len(front) - 2) + b"]}"
    assert (message.index(KEY), len(message)) == (offset, size)
    return message


def taught(*sizes: int, offset: int = OFFSET) -> NoisePattern:
    """Return a pattern that has seen messages of these sizes."""
    pattern = NoisePattern()
    while pattern.learning:
        for size in sizes:
            pattern.learn(offset, size)
    return pattern


def known(pattern: NoisePattern) -> bool:
    return pattern.skipper is not None


class Counting:
    """Counts the matches of a skipper and the bytes that they skip."""

    def __init__(self, pattern: NoisePattern) -> None:
        assert isinstance(pattern.skipper, RunSkipper)
        self.bytes = 0
        self.matches = 0
        self._match = pattern.skipper.match
        pattern.skipper = RunSkipper(self.match, pattern.skipper.least, pattern.skipper.countable)

    def match(self, buffer: bytearray, lo: int, end: int) -> re.Match[bytes] | None:
        found = self._match(buffer, lo, end)
        self.matches += 1
        self.bytes += found.end() - lo if found else 0
        return found


def skimmer(pattern: NoisePattern, *, sample_every: int = 1_000_000) -> FrameSkimmer:
    walker = FrameSkimmer(markers=(MARKER,), sample_every=sample_every)
    walker.pattern = pattern
    return walker


# ------------------------------------------------------------ one match


@given(
    st.integers(1, 300),
    st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True),
    st.data(),
)
def test_the_bytes_of_a_match_say_how_many_frames_it_took(
    offset: int, over: list[int], data: st.DataObject
) -> None:
    sizes = [max(offset + len(KEY), 330) + more for more in over]
    skipper = run_skipper(offset, sizes)
    front = b"{" + b"x" * (offset - 1) + KEY
    taken = data.draw(st.lists(st.sampled_from(sizes), max_size=40))
    stream = bytearray(b"".join(frame(front.ljust(size, b".")) for size in taken))
    limit = min(skipper.countable, len(stream))
    found = skipper.match(stream, 0, limit)
    ends = [0]
    for size in taken:
        ends.append(ends[-1] + 4 + size)
    whole = [end for end in ends if end <= limit]
    assert (found.end() if found else 0) == whole[-1]
    assert whole[-1] // skipper.least == len(whole) - 1


def test_a_match_takes_lengths_on_both_sides_of_a_full_byte() -> None:
    skipper = run_skipper(OFFSET, [250, 256, 260, 255])
    stream = bytearray(b"".join(frame(noise(size)) for size in (255, 256, 250, 260, 250)))
    found = skipper.match(stream, 0, len(stream))
    assert found is not None
    assert found.end() == len(stream)


def test_a_match_needs_no_bytes_in_front_of_the_key_and_behind_it() -> None:
    skipper = run_skipper(1, [126])
    bare = frame((b"{" + KEY).ljust(126, b" "))
    assert skipper.match(bytearray(bare), 0, len(bare)) is not None
    tight = run_skipper(130, [130 + len(KEY)])
    least = frame(b"{" + b" " * 129 + KEY)
    assert tight.match(bytearray(least), 0, len(least)) is not None


STOPS = {
    "another kind of frame": b"\x82" + frame(noise(PLAIN_SIZE))[1:],
    "fragment": frame(noise(PLAIN_SIZE), first=0x01),
    "masked": b"\x81\xfe" + frame(noise(PLAIN_SIZE))[2:],
    "wide length": frame(noise(PLAIN_SIZE), wide=8),
    "array": frame(b"[" + noise(PLAIN_SIZE)[1:]),
    "key elsewhere": frame(noise(PLAIN_SIZE, offset=OFFSET + 1)),
    "other length": frame(noise(PLAIN_SIZE + 20)),
    "cut": frame(noise(PLAIN_SIZE))[:-1],
}


@pytest.mark.parametrize("name", sorted(STOPS))
def test_a_match_ends_before(name: str) -> None:
    skipper = run_skipper(OFFSET, [PLAIN_SIZE, PLAIN_SIZE + 10])
    before = frame(noise(PLAIN_SIZE)) + frame(noise(PLAIN_SIZE + 10))
    stream = bytearray(before + STOPS[name])
    found = skipper.match(stream, 0, len(stream))
    assert found is not None
    assert found.end() == len(before)
    assert skipper.match(stream, len(before), len(stream)) is None


@pytest.mark.parametrize("name", sorted(set(STOPS) - {"other length"}))
def test_single_frames_are_skipped_until(name: str) -> None:
    before = frame(noise(PLAIN_SIZE)) + frame(noise(PLAIN_SIZE + 500))
    stream = bytearray(before + STOPS[name])
    assert frame_skipper(OFFSET).skip(stream, 0, len(stream), 100) == (len(before), 2)


@pytest.mark.parametrize("skipper", [run_skipper(OFFSET, [PLAIN_SIZE]), frame_skipper(OFFSET)])
def test_a_skipper_ends_before_the_frame_that_is_due_and_at_the_limit(
    skipper: RunSkipper | FrameSkipper,
) -> None:
    size = PLAIN_SIZE + 4
    stream = bytearray(frame(noise(PLAIN_SIZE)) * 600)
    for due in (1, 2, 255, 256, 257, 258, 600):
        assert skipper.skip(stream, 0, len(stream), due) == ((due - 1) * size, due - 1)
    assert skipper.skip(stream, 0, len(stream), 1000) == (len(stream), 600)
    assert skipper.skip(stream, 0, 3 * size - 1, 1000) == (2 * size, 2)
    assert skipper.skip(stream, size, 3 * size, 1000) == (3 * size, 2)


# ------------------------------------------------------------ learning


def test_nothing_is_known_before_a_sample_is_complete() -> None:
    pattern = NoisePattern()
    for _ in range(255):
        pattern.learn(OFFSET, 600)
    assert (known(pattern), pattern.learning) == (False, True)
    pattern.learn(OFFSET, 600)
    assert (known(pattern), pattern.learning) == (True, False)


def test_the_commonest_form_and_the_fullest_window_of_lengths_are_learned() -> None:
    pattern = taught(*[600, 601, 602, 603, 640] * 4, 900)
    assert isinstance(pattern.skipper, RunSkipper)
    assert pattern.skipper.least == 604
    skipped = [size for size in range(590, 950) if _skips(pattern, size)]
    assert skipped == list(range(600, 641))


@pytest.mark.parametrize(
    "sizes", [(200, 300, 400, 500, 600), (600,) * 8 + (300, 301), (120, 93), (1 << 16, 1 << 17)]
)
def test_messages_that_differ_too_much_are_skipped_one_by_one(sizes: tuple[int, ...]) -> None:
    assert isinstance(taught(*sizes).skipper, FrameSkipper)


def test_a_few_messages_may_differ() -> None:
    assert isinstance(taught(*(600,) * 19, 300).skipper, RunSkipper)


def test_long_messages_do_not_make_the_window_wide() -> None:
    pattern = taught(*[60_000, 60_100, 60_128] * 7, 60_129, 61_000)
    assert [size for size in range(59_999, 60_200) if _skips(pattern, size)] == [
        *range(60_000, 60_129)
    ]


def test_a_form_that_changes_is_learned_after_a_while() -> None:
    pattern = taught(600)
    walker = skimmer(pattern, sample_every=1 << 30)
    many = frame(noise(600)) * (1 << 12)
    for _ in range(1 << 8):
        walker.feed(many)
    learning = [pattern.learning]
    walker.feed(frame(noise(600)))
    learning.append(pattern.learning)
    assert learning == [False, True]
    for _ in range(256):
        pattern.learn(OFFSET, 700)
    assert not _skips(pattern, 600)
    assert _skips(pattern, 700)


def _skips(pattern: NoisePattern, size: int) -> bool:
    assert isinstance(pattern.skipper, RunSkipper)
    stream = bytearray(frame(noise(size)))
    return pattern.skipper.match(stream, 0, len(stream)) is not None


# ------------------------------------------------------------ a skimmer that skips runs


def test_a_skimmer_teaches_its_pattern_and_then_skips_runs() -> None:
    walker = skimmer(NoisePattern())
    stream = frame(noise(600)) * 256
    assert walker.feed(stream).messages == ()
    counting = Counting(walker.pattern)
    assert walker.feed(stream).messages == ()
    assert (counting.bytes, walker.skipped_total) == (len(stream), 512)


def test_what_one_skimmer_learned_another_one_uses() -> None:
    pattern = NoisePattern()
    skimmer(pattern).feed(frame(noise(600)) * 256)
    counting = Counting(pattern)
    other = skimmer(pattern)
    other.feed(frame(noise(600)) * 10)
    assert counting.bytes == 10 * 604
    assert other.frames_total == 10


def test_most_of_a_realistic_stream_is_skipped_in_few_matches() -> None:
    pattern = taught(*range(590, 610))
    counting = Counting(pattern)
    books = frame(b'{"event_type":"book","bids":[' + b"." * 3000 + b"]}")
    run = b"".join(frame(noise(590 + number % 20)) for number in range(24))
    walker = skimmer(pattern)
    assert walker.feed((run + books) * 50).messages == ()
    assert walker.frames_total == 25 * 50
    assert counting.bytes == len(run) * 50
    assert counting.matches <= 3 * 50


def test_messages_that_a_skimmer_calls_short_are_not_skipped() -> None:
    walker = FrameSkimmer(markers=(MARKER,), short_bytes=600)
    walker.pattern = taught(600, 610)
    counting = Counting(walker.pattern)
    short, long = noise(600), noise(610)
    assert walker.feed(frame(short) + frame(long)).messages == (short,)
    assert counting.matches == 0


def test_a_read_of_known_noise_is_one_match_and_one_with_a_marker_or_a_sample_is_not() -> None:
    pattern = taught(600)
    counting = Counting(pattern)
    walker = skimmer(pattern, sample_every=10)
    assert walker.feed(frame(noise(600)) * 3).messages == ()
    assert (counting.matches, walker.skipped_total, walker.data_total) == (1, 3, 3)
    marked = noise(600, inside=MARKER)
    assert walker.feed(frame(marked)).messages == (marked,)
    walker.request_sample()
    assert walker.feed(frame(noise(600))).messages == ()
    assert walker.sample == noise(600)
    numbered = [noise(600, inside=b"%07d" % number) for number in range(9)]
    assert [walker.feed(frame(each)).messages for each in numbered] == [()] * 9
    tenth = noise(600, inside=b"tenth")
    assert walker.feed(frame(tenth)).messages == (tenth,)


def test_a_sample_is_taken_from_within_a_run() -> None:
    numbered = [noise(600, inside=b"%07d" % number) for number in range(3000)]
    pattern = taught(600)
    counting = Counting(pattern)
    walker = skimmer(pattern, sample_every=1000)
    handed = walker.feed(b"".join(map(frame, numbered))).messages
    assert handed == tuple(numbered[999::1000])
    assert counting.bytes == (3000 - 3) * 604


# Bytes that look like the beginning of a frame which a skipper would match.
MIMICS = [frame(noise(size))[:cut] for size in (300, 310) for cut in (2, 4, 60, 120)]
bodies = st.one_of(
    st.builds(
        lambda size, inside: noise(size, inside=inside),
        st.sampled_from([300, 300, 300, 301, 309, 310, 311, 340, 700]),
        st.sampled_from([b"", b"", *MIMICS]),
    ),
    st.builds(
        lambda size, inside: noise(size, inside=inside),
        st.sampled_from([300, 310]),
        st.just(MARKER),
    ),
    st.builds(lambda offset: noise(300, offset=offset), st.integers(70, 90)),
    st.sampled_from(
        [
            b'{"event_type":"book","bids":[]}' + b" " * 270,
            json.dumps({"event_type": "last_trade_price", "pad": "." * 255}).encode(),
            b'{"event_type":"other"}' + b" " * 275,
            b"[" + noise(300)[1:],
            b"PONG",
            b"",
        ]
    ),
)
firsts = st.sampled_from([0x81] * 12 + [0x82, 0x89, 0x8A])
frames = st.builds(
    lambda body, first: frame(body[:125] if first > 0x88 else body, first=first), bodies, firsts
)


@pytest.mark.no_cover  # see CONTRIBUTING.md
@settings(max_examples=300)
@given(
    st.lists(st.tuples(frames, st.integers(1, 30)), max_size=8),
    st.sampled_from([1, 2, 7, 40, 1000]),
    st.sampled_from([(300, 301, 310), (300, 400, 500)]),
    st.data(),
)
def test_runs_are_handed_on_and_counted_as_single_frames_would_be(
    runs: list[tuple[bytes, int]],
    sample_every: int,
    sizes: tuple[int, ...],
    data: st.DataObject,
) -> None:
    stream = b"".join(each * times for each, times in runs)
    reference = Reference(stream, 16 << 20)
    ends = [0, *accumulate(len(each) for each, times in runs for _ in range(times))]
    places = st.integers(0, len(stream)) | st.sampled_from(ends)
    cuts = sorted(data.draw(st.lists(places, max_size=9)))
    chunks = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
    plain = skimmer(NoisePattern(), sample_every=sample_every)
    skipping = skimmer(taught(*sizes), sample_every=sample_every)
    for chunk in chunks:
        assert skipping.feed(chunk) == plain.feed(chunk)
        assert skipping.held == plain.held
    for walker in (plain, skipping):
        assert walker.frames_total == reference.frames
        assert walker.messages_total + walker.skipped_total == len(reference.data)
        assert walker.data_total == sum(len(message) > 64 for message in reference.data)
    assert skipping.messages_total == plain.messages_total
    handed_on_always = [m for m in reference.data if MARKER in m or len(m) <= 64]
    assert skipping.messages_total >= len(handed_on_always)
