import json
import re
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.transport.noise_runs import FrameSkipper, NoisePattern, RunSkipper, look_at, step_over
from actors.transport.skimmer import FrameSkimmer
from tests.transport.rfc6455 import Judge, frame

MARKER = b'"last_trade_price"'
SIGN = b'"price_changes"'
LEAD = 78
PLAIN_SIZE = 200


def noise(size: int, *, lead: int = LEAD, inside: bytes = b"") -> bytes:
    """Return a message of the commonest noise that is so long, with these bytes in it."""
    front = b'{"market":"' + b"m" * (lead - 13) + b'",' + SIGN + b":[" + inside
    message = front + b"." * (size - len(front) - 2) + b"]}"
    assert (message.index(SIGN), len(message)) == (lead, size)
    return message


def taught(*sizes: int, lead: int = LEAD) -> NoisePattern:
    """Return a pattern that has seen messages of these sizes."""
    pattern = NoisePattern()
    while pattern.learning:
        for size in sizes:
            pattern.note(lead, size)
    return pattern


def known(pattern: NoisePattern) -> bool:
    return pattern.step is not None


class Counting:
    """Counts what a step takes."""

    def __init__(self, pattern: NoisePattern) -> None:
        assert isinstance(pattern.step, RunSkipper)
        self.bytes = 0
        self.steps = 0
        self._take = pattern.step.take
        pattern.step = RunSkipper(self.take, pattern.step.least, pattern.step.room)

    def take(self, buffer: bytearray, lo: int, end: int) -> re.Match[bytes] | None:
        found = self._take(buffer, lo, end)
        self.steps += 1
        self.bytes += found.end() - lo if found else 0
        return found


def skimmer(pattern: NoisePattern, *, sample_every: int = 1_000_000) -> FrameSkimmer:
    walker = FrameSkimmer(markers=(MARKER,), sample_every=sample_every)
    walker.pattern = pattern
    return walker


# ------------------------------------------------------------ one step


@given(
    st.integers(1, 300),
    st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True),
    st.data(),
)
def test_the_bytes_of_a_step_tell_how_many_frames_it_took(
    lead: int, over: list[int], data: st.DataObject
) -> None:
    sizes = [max(lead + len(SIGN), 330) + more for more in over]
    step = step_over(lead, sizes)
    front = b"{" + b"x" * (lead - 1) + SIGN
    taken = data.draw(st.lists(st.sampled_from(sizes), max_size=40))
    stream = bytearray(b"".join(frame(front.ljust(size, b".")) for size in taken))
    limit = min(step.room, len(stream))
    found = step.take(stream, 0, limit)
    ends = [0]
    for size in taken:
        ends.append(ends[-1] + 4 + size)
    whole = [end for end in ends if end <= limit]
    assert (found.end() if found else 0) == whole[-1]
    assert whole[-1] // step.least == len(whole) - 1


def test_a_step_knows_lengths_on_both_sides_of_a_full_byte() -> None:
    step = step_over(LEAD, [250, 256, 260, 255])
    stream = bytearray(b"".join(frame(noise(size)) for size in (255, 256, 250, 260, 250)))
    found = step.take(stream, 0, len(stream))
    assert found is not None
    assert found.end() == len(stream)


def test_a_step_needs_no_bytes_in_front_of_the_sign_and_behind_it() -> None:
    step = step_over(1, [126])
    bare = frame((b"{" + SIGN).ljust(126, b" "))
    assert step.take(bytearray(bare), 0, len(bare)) is not None
    tight = step_over(130, [130 + len(SIGN)])
    least = frame(b"{" + b" " * 129 + SIGN)
    assert tight.take(bytearray(least), 0, len(least)) is not None


STOPS = {
    "another kind of frame": b"\x82" + frame(noise(PLAIN_SIZE))[1:],
    "fragment": frame(noise(PLAIN_SIZE), first=0x01),
    "masked": b"\x81\xfe" + frame(noise(PLAIN_SIZE))[2:],
    "wide length": frame(noise(PLAIN_SIZE), wide=8),
    "array": frame(b"[" + noise(PLAIN_SIZE)[1:]),
    "sign elsewhere": frame(noise(PLAIN_SIZE, lead=LEAD + 1)),
    "other length": frame(noise(PLAIN_SIZE + 20)),
    "cut": frame(noise(PLAIN_SIZE))[:-1],
}


@pytest.mark.parametrize("name", sorted(STOPS))
def test_a_step_ends_before(name: str) -> None:
    step = step_over(LEAD, [PLAIN_SIZE, PLAIN_SIZE + 10])
    before = frame(noise(PLAIN_SIZE)) + frame(noise(PLAIN_SIZE + 10))
    stream = bytearray(before + STOPS[name])
    found = step.take(stream, 0, len(stream))
    assert found is not None
    assert found.end() == len(before)
    assert step.take(stream, len(before), len(stream)) is None


@pytest.mark.parametrize("name", sorted(set(STOPS) - {"other length"}))
def test_looks_end_before(name: str) -> None:
    before = frame(noise(PLAIN_SIZE)) + frame(noise(PLAIN_SIZE + 500))
    stream = bytearray(before + STOPS[name])
    assert look_at(LEAD).run(stream, 0, len(stream), 100) == (len(before), 2)


@pytest.mark.parametrize("pace", [step_over(LEAD, [PLAIN_SIZE]), look_at(LEAD)])
def test_a_run_ends_before_the_frame_that_is_due_and_at_the_limit(
    pace: RunSkipper | FrameSkipper,
) -> None:
    size = PLAIN_SIZE + 4
    stream = bytearray(frame(noise(PLAIN_SIZE)) * 600)
    for due in (1, 2, 255, 256, 257, 258, 600):
        assert pace.run(stream, 0, len(stream), due) == ((due - 1) * size, due - 1)
    assert pace.run(stream, 0, len(stream), 1000) == (len(stream), 600)
    assert pace.run(stream, 0, 3 * size - 1, 1000) == (2 * size, 2)
    assert pace.run(stream, size, 3 * size, 1000) == (3 * size, 2)


# ------------------------------------------------------------ learning


def test_nothing_is_known_before_a_sample_is_complete() -> None:
    pattern = NoisePattern()
    for _ in range(255):
        pattern.note(LEAD, 600)
    assert (known(pattern), pattern.learning) == (False, True)
    pattern.note(LEAD, 600)
    assert (known(pattern), pattern.learning) == (True, False)


def test_the_commonest_form_and_the_fullest_window_of_lengths_are_learned() -> None:
    pattern = taught(*[600, 601, 602, 603, 640] * 4, 900)
    assert isinstance(pattern.step, RunSkipper)
    assert pattern.step.least == 604
    taken = [size for size in range(590, 950) if _takes(pattern, size)]
    assert taken == list(range(600, 641))


@pytest.mark.parametrize(
    "sizes", [(200, 300, 400, 500, 600), (600,) * 8 + (300, 301), (120, 93), (1 << 16, 1 << 17)]
)
def test_messages_that_differ_too_much_are_looked_at_one_by_one(sizes: tuple[int, ...]) -> None:
    assert isinstance(taught(*sizes).step, FrameSkipper)


def test_a_few_messages_may_differ() -> None:
    assert isinstance(taught(*(600,) * 19, 300).step, RunSkipper)


def test_long_messages_do_not_make_the_window_wide() -> None:
    pattern = taught(*[60_000, 60_100, 60_128] * 7, 60_129, 61_000)
    assert [size for size in range(59_999, 60_200) if _takes(pattern, size)] == [
        *range(60_000, 60_129)
    ]


def test_a_form_that_changes_is_learned_after_a_while() -> None:
    pattern = taught(600)
    learning = []
    for frames in (1 << 20, 1):
        pattern.walked(frames)
        learning.append(pattern.learning)
    assert learning == [False, True]
    for _ in range(256):
        pattern.note(LEAD, 700)
    assert not _takes(pattern, 600)
    assert _takes(pattern, 700)


def _takes(pattern: NoisePattern, size: int) -> bool:
    assert isinstance(pattern.step, RunSkipper)
    stream = bytearray(frame(noise(size)))
    return pattern.step.take(stream, 0, len(stream)) is not None


# ------------------------------------------------------------ a skimmer that takes steps


def test_a_skimmer_teaches_its_pattern_and_then_takes_steps() -> None:
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


def test_most_of_a_realistic_stream_is_taken_in_few_steps() -> None:
    pattern = taught(*range(590, 610))
    counting = Counting(pattern)
    books = frame(b'{"event_type":"book","bids":[' + b"." * 3000 + b"]}")
    run = b"".join(frame(noise(590 + number % 20)) for number in range(24))
    walker = skimmer(pattern)
    assert walker.feed((run + books) * 50).messages == ()
    assert walker.frames_total == 25 * 50
    assert counting.bytes == len(run) * 50
    assert counting.steps <= 3 * 50


def test_no_step_over_messages_that_one_skimmer_calls_short() -> None:
    walker = FrameSkimmer(markers=(MARKER,), short_bytes=600)
    walker.pattern = taught(600, 610)
    counting = Counting(walker.pattern)
    short, long = noise(600), noise(610)
    assert walker.feed(frame(short) + frame(long)).messages == (short,)
    assert counting.steps == 0


def test_a_read_of_known_noise_is_one_step_and_one_with_a_marker_or_a_sample_is_not() -> None:
    pattern = taught(600)
    counting = Counting(pattern)
    walker = skimmer(pattern, sample_every=10)
    assert walker.feed(frame(noise(600)) * 3).messages == ()
    assert (counting.steps, walker.skipped_total, walker.data_total) == (1, 3, 3)
    marked = noise(600, inside=MARKER)
    assert walker.feed(frame(marked)).messages == (marked,)
    walker.request_sample()
    assert walker.feed(frame(noise(600))).messages == ()
    assert walker.sample == noise(600)
    numbered = [noise(600, inside=b"%07d" % number) for number in range(9)]
    assert [walker.feed(frame(each)).messages for each in numbered] == [()] * 9
    tenth = noise(600, inside=b"tenth")
    assert walker.feed(frame(tenth)).messages == (tenth,)


def test_a_sample_is_taken_out_of_the_midst_of_steps() -> None:
    numbered = [noise(600, inside=b"%07d" % number) for number in range(3000)]
    pattern = taught(600)
    counting = Counting(pattern)
    walker = skimmer(pattern, sample_every=1000)
    handed = walker.feed(b"".join(map(frame, numbered))).messages
    assert handed == tuple(numbered[999::1000])
    assert counting.bytes == (3000 - 3) * 604


# Bytes that look like the beginning of a frame which a step would take.
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
    st.builds(lambda lead: noise(300, lead=lead), st.integers(70, 90)),
    st.sampled_from(
        [
            b'{"event_type":"book","bids":[]}' + b" " * 270,
            json.dumps({"event_type": "last_trade_price", "pad": "." * 255}).encode(),
            b'{"event_type":"stranger"}' + b" " * 275,
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


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(frames, st.integers(1, 30)), max_size=8),
    st.sampled_from([1, 2, 7, 40, 1000]),
    st.sampled_from([(300, 301, 310), (300, 400, 500)]),
    st.data(),
)
def test_steps_hand_on_and_count_what_single_looks_would(
    runs: list[tuple[bytes, int]],
    sample_every: int,
    sizes: tuple[int, ...],
    data: st.DataObject,
) -> None:
    stream = b"".join(each * times for each, times in runs)
    judge = Judge(stream, 16 << 20)
    ends = [0, *accumulate(len(each) for each, times in runs for _ in range(times))]
    places = st.integers(0, len(stream)) | st.sampled_from(ends)
    cuts = sorted(data.draw(st.lists(places, max_size=9)))
    chunks = [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]
    plain = skimmer(NoisePattern(), sample_every=sample_every)
    stepping = skimmer(taught(*sizes), sample_every=sample_every)
    for chunk in chunks:
        assert stepping.feed(chunk) == plain.feed(chunk)
        assert stepping.held == plain.held
    for walker in (plain, stepping):
        assert walker.frames_total == judge.frames
        assert walker.messages_total + walker.skipped_total == len(judge.data)
        assert walker.data_total == sum(len(message) > 64 for message in judge.data)
    assert stepping.messages_total == plain.messages_total
    handed_on_always = [m for m in judge.data if MARKER in m or len(m) <= 64]
    assert stepping.messages_total >= len(handed_on_always)
