"""Promise: what nobody says shows, and after a restart or a step of the clock nothing is invented.

Faults: markets of before the start in the share, a clock that jumps, an end that is put off, a
market that is checked again for days, answers out of a cache, a source that is only late.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.market import EndedMarkets, Source
from actors.model.trade import ConditionId
from actors.resolution import absence
from actors.resolution.absence import (
    KEPT_S,
    MUTE_AFTER,
    WAIT_POLLS,
    MuteSources,
    OverdueLabels,
)

GAMMA, CLOB, DATA, CHAIN = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN
WALL_MS = 1_791_000_000_000
HOUR, DAY = 3_600.0, 86_400.0
NOBODY: frozenset[Source] = frozenset()
NOTHING = EndedMarkets(ended=0, overdue=0, without=tuple((each, 0) for each in Source))


def name(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


class Ends:
    """The count of ends, with a clock."""

    def __init__(self) -> None:
        self.labels = OverdueLabels()
        self.now, self.wrong_s = 0.0, 0.0
        self.go(0.0)

    @property
    def wall_ms(self) -> int:
        return WALL_MS + int((self.now + self.wrong_s) * 1000)

    def go(self, seconds: float, step_s: float = 60.0) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + step_s)
            self.labels.tick(self.now, self.wall_ms)
        self.labels.tick(self.now, self.wall_ms)

    def end(self, *numbers: int, ago_s: float = 0.0, final: frozenset[Source] = NOBODY) -> None:
        for number in numbers:
            if self.labels.is_new(name(number), self.wall_ms - int(ago_s * 1000)):
                self.labels.ended(name(number), final)

    def final(self, source: Source, *numbers: int) -> None:
        for number in numbers:
            self.labels.called_final(name(number), source)

    def counted(self) -> tuple[int, int]:
        """Return (ended, overdue), and check that both are known."""
        count = self.labels.count()
        assert count is not None
        return count.ended, count.overdue


def after_a_day() -> Ends:
    """Return a count that has run for a whole day, in which some source was of use."""
    ends = Ends()
    ends.final(GAMMA, 0)
    ends.go(25 * HOUR)
    return ends


def test_before_the_first_tick_nothing_is_counted() -> None:
    labels = OverdueLabels()
    assert not labels.is_new(name(1), WALL_MS)
    assert labels.count() is None


def test_markets_count_an_hour_after_their_end_and_for_a_day() -> None:
    ends = after_a_day()
    ends.end(*range(1, 31))
    ends.go(HOUR - 1)
    assert ends.counted() == (0, 0)
    ends.go(301)
    assert ends.counted() == (30, 30)
    ends.go(DAY - 600)
    assert ends.counted() == (30, 30)
    ends.go(900)
    assert ends.counted() == (0, 0)


def test_each_source_has_its_count() -> None:
    ends = after_a_day()
    ends.end(1, 2, 3, 4)
    ends.final(GAMMA, 1, 2, 2)
    ends.go(HOUR + 300)
    ends.final(DATA, 2, 3)
    count = ends.labels.count()
    assert count is not None
    assert (count.ended, count.overdue) == (4, 1)
    assert dict(count.without) == {GAMMA: 2, DATA: 2, CLOB: 4, CHAIN: 4}


def test_what_was_final_before_the_end_is_fine() -> None:
    ends = after_a_day()
    ends.end(1, final=frozenset({GAMMA, DATA}))
    ends.go(2 * HOUR)
    assert ends.counted() == (1, 0)


def test_what_ended_before_the_start_is_never_counted() -> None:
    ends = Ends()
    ends.end(*range(1, 1000), ago_s=1.0)
    ends.go(2 * HOUR)
    assert ends.counted() == (0, 0)


def test_for_a_day_after_the_start_nothing_is_said_once_a_source_is_of_use() -> None:
    ends = Ends()
    ends.end(*range(1, 40))
    ends.final(DATA, 1)
    ends.go(25 * HOUR - 1)
    assert ends.labels.count() is None
    ends.end(*range(50, 60))
    ends.go(HOUR + 300)
    assert ends.counted() == (10, 10)


def test_after_the_start_it_is_said_when_no_source_has_anything_final_at_all() -> None:
    ends = Ends()
    ends.end(*range(1, 40))
    ends.go(HOUR + 300)
    assert ends.counted() == (39, 39)
    ends.final(GAMMA, 1_000)  # of a resolution that is checked again
    assert ends.labels.count() is None


@pytest.mark.parametrize("step_s", [-400 * DAY, -DAY, -HOUR, HOUR, DAY, 400 * DAY])
def test_a_step_of_the_clock_begins_the_count_again(step_s: float) -> None:
    ends = after_a_day()
    ends.end(1)
    ends.wrong_s = step_s
    ends.go(0.0)
    # With the clock ahead many markets seem to have ended.
    ends.end(*range(2, 500), ago_s=HOUR / 2)
    ends.go(2 * HOUR)
    assert ends.counted() == (0, 0)
    ends.end(*range(500, 600))
    ends.final(GAMMA, 500)
    ends.wrong_s = 0.0
    ends.go(2 * HOUR)
    assert ends.labels.count() == NOTHING


def test_a_clock_that_is_slewed_changes_nothing() -> None:
    ends = after_a_day()
    ends.end(1)
    for _ in range(90):
        ends.wrong_s -= 50.0
        ends.go(60.0)
    assert ends.counted() == (1, 1)


def test_an_end_far_in_the_future_is_none() -> None:
    ends = Ends()
    ends.end(1, ago_s=-DAY)
    ends.go(2 * DAY)
    assert ends.counted() == (0, 0)


def test_one_that_goes_on_is_not_overdue() -> None:
    ends = after_a_day()
    ends.end(1, 2, 3, 4)
    ends.labels.goes_on(name(1))
    ends.final(GAMMA, 2)
    ends.labels.goes_on(name(2))
    ends.labels.goes_on(name(9))
    ends.go(HOUR + 300)
    ends.labels.goes_on(name(3))
    assert ends.counted() == (2, 1)
    ends.end(3)
    ends.go(HOUR + 300)
    assert ends.counted() == (3, 2)
    ends.go(2 * DAY)
    assert ends.counted() == (0, 0)


def test_one_that_is_checked_for_days_is_counted_once() -> None:
    ends = after_a_day()
    ends.end(1)
    for days in range(1, 8):
        ends.go(DAY, step_s=300.0)
        ends.end(1, ago_s=days * DAY)
    ends.go(2 * HOUR)
    assert ends.counted() == (0, 0)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "MOST_ENDED", 100)
    ends = after_a_day()
    ends.end(*range(1, 200))
    ends.go(HOUR + 300)
    assert ends.counted() == (100, 100)
    ends.go(25 * HOUR)
    ends.end(*range(200, 210))
    ends.go(HOUR + 300)
    assert ends.counted() == (10, 10)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["end", "final", "goes_on", "wait"]),
            st.integers(1, 6),
            st.sampled_from(Source),
            st.integers(0, 9 * 3_600),
        ),
        max_size=60,
    )
)
def test_the_running_count_is_that_of_all_markets(
    steps: list[tuple[str, int, Source, int]],
) -> None:
    ends = after_a_day()
    known: dict[int, tuple[float, set[Source]]] = {}
    for what, number, source, seconds in steps:
        at = known.get(number)
        if at is not None and ends.now - at[0] > 24 * HOUR:
            continue  # about to be forgotten, to five minutes
        if what == "wait":
            ends.go(seconds // 300 * 300, step_s=300.0)
        elif what == "end":
            ends.end(number)
            known.setdefault(number, (ends.now, set()))
        elif what == "final":
            ends.final(source, number)
            if at is not None:
                at[1].add(source)
        elif at is not None and not at[1]:
            ends.labels.goes_on(name(number))
            del known[number]
    ends.go(HOUR + 300, step_s=300.0)
    aged = [final for at, final in known.values() if ends.now - at <= 24 * HOUR]
    old = len(known) - len(aged)
    ended, overdue = ends.counted()
    assert len(aged) <= ended <= len(aged) + old
    assert len([each for each in aged if not each]) <= overdue <= ended


# ---------------------------------------------------------------------- mute sources

POLL_S = 60.0
WAIT_S = WAIT_POLLS * POLL_S
ALL_FOUR = frozenset(Source)


class Calls:
    """Markets that sources call final, with a clock."""

    def __init__(self) -> None:
        self.mute = MuteSources(POLL_S)
        self.now = 0.0
        self.number = 0

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.mute.tick(self.now)

    def found(self) -> tuple[Source, ...]:
        return self.mute.mute

    def market(
        self, *final: Source, answer: tuple[Source, ...] = tuple(Source), of: frozenset[Source]
    ) -> ConditionId:
        """Have sources call a market final, and all in `answer` answer about it."""
        self.number += 1
        condition_id = name(self.number)
        self.mute.add(condition_id, of, NOBODY)
        for source in final:
            self.mute.called_final(condition_id, source)
        for source in answer:
            self.mute.answered(source, [condition_id], self.now)
        return condition_id

    def markets(self, count: int, *final: Source, of: frozenset[Source] = ALL_FOUR) -> None:
        for _ in range(count):
            self.market(*final, of=of)


def test_a_source_that_has_nothing_of_twenty_markets_is_mute_in_a_quarter_of_an_hour() -> None:
    calls = Calls()
    for _ in range(MUTE_AFTER):
        calls.markets(1, GAMMA, DATA, CHAIN)
        calls.go(30.0)
    calls.go(600.0 - 30.0)
    assert calls.found() == ()
    calls.go(300.0)
    assert calls.found() == (CLOB,)


def test_nineteen_markets_are_too_few() -> None:
    calls = Calls()
    calls.markets(MUTE_AFTER - 1, GAMMA)
    calls.go(WAIT_S)
    assert calls.found() == ()
    calls.markets(1, GAMMA)
    calls.go(WAIT_S)
    assert calls.found() == (CLOB, DATA, CHAIN)


def test_it_is_judged_only_about_what_it_should_know() -> None:
    calls = Calls()
    calls.markets(3 * MUTE_AFTER, GAMMA, of=frozenset({GAMMA, DATA}))
    calls.go(WAIT_S)
    assert calls.found() == (DATA,)


def test_one_that_does_not_answer_is_not_mute() -> None:
    calls = Calls()
    for _ in range(MUTE_AFTER):
        calls.market(GAMMA, answer=(GAMMA, DATA), of=ALL_FOUR)
    calls.go(WAIT_S)
    assert calls.found() == (DATA,)


def test_an_answer_out_of_a_cache_says_nothing_of_now() -> None:
    calls = Calls()
    for _ in range(MUTE_AFTER):
        condition_id = calls.market(GAMMA, answer=(), of=ALL_FOUR)
        calls.mute.answered(CLOB, [condition_id], calls.now - 300.0)
    calls.go(WAIT_S)
    assert calls.found() == ()


@pytest.mark.parametrize("late_s", [1.0, 600.0, WAIT_S - 1.0])
def test_one_that_is_late_is_not_mute(late_s: float) -> None:
    calls = Calls()
    of = [calls.market(GAMMA, of=ALL_FOUR) for _ in range(3 * MUTE_AFTER)]
    calls.go(late_s)
    for condition_id in of:
        for source in (CLOB, DATA, CHAIN):
            calls.mute.called_final(condition_id, source)
    calls.go(WAIT_S)
    assert calls.found() == ()


def test_one_final_answer_about_a_market_of_late_ends_it() -> None:
    calls = Calls()
    late = calls.market(GAMMA, DATA, of=ALL_FOUR)
    calls.markets(MUTE_AFTER, GAMMA, DATA)
    calls.go(WAIT_S)
    assert calls.found() == (CLOB, CHAIN)
    calls.mute.called_final(late, CLOB)
    assert calls.found() == (CHAIN,)
    calls.market(CHAIN, of=ALL_FOUR)
    assert calls.found() == ()


def test_what_it_repeats_of_old_markets_does_not_end_it() -> None:
    calls = Calls()
    old = calls.market(GAMMA, CLOB, of=ALL_FOUR)
    forgotten = calls.market(GAMMA, of=ALL_FOUR)
    calls.go(KEPT_S)
    calls.markets(MUTE_AFTER, GAMMA, DATA, CHAIN)
    calls.go(WAIT_S)
    for condition_id in (old, forgotten, name(10_000)):
        calls.mute.called_final(condition_id, CLOB)
    assert calls.found() == (CLOB,)


def test_of_a_market_that_was_final_before_nothing_new_is_learnt() -> None:
    calls = Calls()
    for number in range(MUTE_AFTER):
        calls.mute.add(name(number), ALL_FOUR, frozenset({GAMMA, CLOB, CHAIN}))
        calls.mute.called_final(name(number), DATA)
        for source in Source:
            calls.mute.answered(source, [name(number)], calls.now)
    calls.go(WAIT_S)
    assert calls.found() == ()


def test_of_many_markets_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "MOST_CALLED", 2)
    calls = Calls()
    calls.markets(3, GAMMA)
    assert [calls.mute.knows(name(number)) for number in (1, 2, 3)] == [False, True, True]
    calls.go(KEPT_S)
    assert not calls.mute.knows(name(3))
