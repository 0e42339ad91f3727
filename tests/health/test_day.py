import time
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.health.day import Day
from actors.model.conversion import DAY_NS
from actors.model.facts import DayMeasured
from actors.model.storage import DayStored, EarlierRun
from tests.clocks import DAY_S, HOUR_S, Clocks, clocks

MIDNIGHT = 20_000 * DAY_NS


def test_seconds_count_once_for_each_wanted_token() -> None:
    today = Day(MIDNIGHT)
    for second, covered in enumerate((0, 4, 3, 0)):
        today.measured(100.0 + second, MIDNIGHT + second * 10**9, wanted=4, covered=covered)
    said = today.coverage()
    assert (said.wanted_token_s, said.gap_token_s, said.blackout_s) == (12.0, 5.0, 1.0)


def test_nothing_wanted_is_no_blackout() -> None:
    today = Day(MIDNIGHT)
    for second in range(3):
        today.measured(second, MIDNIGHT, wanted=0, covered=0)
    assert (today.coverage().blackout_s, today.coverage().wanted_token_s) == (0.0, 0.0)


def test_a_new_day_begins_at_midnight_utc_whenever_the_process_began() -> None:
    today = Day(MIDNIGHT - 2 * 10**9)
    today.recorded += 3
    assert today.coverage().since == "2024-10-03T23:59:58.000Z"
    for second in range(4):
        today.measured(second, MIDNIGHT + (second - 2) * 10**9, wanted=1, covered=0)
    said = today.coverage()
    assert said.since == "2024-10-04T00:00:00.000Z"
    assert (said.wanted_token_s, today.recorded) == (2.0, 0)
    today.recorded += 2
    assert today.recorded == 2


def test_a_clock_that_goes_back_over_midnight_begins_no_day_twice() -> None:
    today = Day(MIDNIGHT + 10**9)
    today.measured(0, MIDNIGHT + 10**9, wanted=1, covered=1)
    today.measured(1, MIDNIGHT - 10**9, wanted=1, covered=1)
    assert today.coverage().wanted_token_s == 1.0


def test_time_that_was_not_measured_is_not_claimed_as_covered() -> None:
    today = Day(MIDNIGHT)
    today.measured(0, MIDNIGHT, wanted=2, covered=2)
    today.measured(3600, MIDNIGHT + 3600 * 10**9, wanted=2, covered=2)
    assert today.coverage().gap_token_s == 7200.0


# Faults of a day: it begins early, late, twice, or never again; it holds more seconds than it
# has; seconds are taken from the wall clock.


class Measured:
    """A day whose 2 wanted tokens are all covered, measured with the clocks of a test."""

    def __init__(self, held: Clocks) -> None:
        self._held = held
        self.today = Day(time.time_ns())
        self.measure()

    def measure(self, *, covered: int = 2) -> None:
        self.today.measured(self._held.now, time.time_ns(), wanted=2, covered=covered)

    def run(self, seconds: int) -> "Measured":
        for _ in range(seconds):
            self._held.run(1.0)
            self.measure()
        return self

    @property
    def since(self) -> str:
        return self.today.coverage().since

    @property
    def wanted_token_s(self) -> float:
        return self.today.coverage().wanted_token_s


@pytest.mark.parametrize(
    ("last_second", "since"),
    [
        pytest.param("2028-02-28 23:59:59", "2028-02-29T00:00:00.000Z", id="to leap day"),
        pytest.param("2028-02-29 23:59:59", "2028-03-01T00:00:00.000Z", id="from leap day"),
        pytest.param("2027-02-28 23:59:59", "2027-03-01T00:00:00.000Z", id="no leap day"),
        pytest.param("2026-12-31 23:59:59", "2027-01-01T00:00:00.000Z", id="year end"),
        pytest.param("2026-10-25 23:59:59", "2026-10-26T00:00:00.000Z", id="25 h in Berlin"),
    ],
)
def test_every_day_begins_at_its_midnight(last_second: str, since: str) -> None:
    with clocks(datetime.fromisoformat(f"{last_second}+00:00")) as held:
        day = Measured(held)
        day.today.recorded += 3
        held.run(0.999)
        day.measure()
        assert (day.since, day.today.recorded) == (f"{last_second.replace(' ', 'T')}.000Z", 3)
        held.run(0.001)
        day.measure()
        assert (day.since, day.today.recorded) == (since, 0)
        assert day.run(60).wanted_token_s == pytest.approx(120.0, abs=0.01)


def test_a_whole_leap_day_has_86_400_seconds() -> None:
    with clocks(datetime(2028, 2, 29, tzinfo=UTC)) as held:
        day = Measured(held)
        assert day.run(86_399).wanted_token_s == 2 * 86_399.0
        assert day.since == "2028-02-29T00:00:00.000Z"


@pytest.mark.parametrize("step_s", [-HOUR_S, -60.0, 60.0, HOUR_S])
def test_a_clock_that_steps_within_the_day_adds_and_takes_no_second(step_s: float) -> None:
    with clocks() as held:
        day = Measured(held).run(5)
        held.step(step_s)
        assert day.run(5).wanted_token_s == 20.0
        assert day.since == "2028-02-29T12:00:00.000Z"


@pytest.mark.parametrize("ahead_s", [2 * HOUR_S, DAY_S, 400 * DAY_S])
def test_a_clock_that_was_ahead_at_the_start_does_not_hold_the_next_midnight_up(
    ahead_s: float,
) -> None:
    with clocks(datetime(2028, 2, 29, 23, 0, tzinfo=UTC)) as held:
        held.step(ahead_s)
        day = Measured(held).run(5)
        held.step(-ahead_s)
        assert day.run(5).since == "2028-02-29T23:00:06.000Z"
        held.run(HOUR_S)
        day.measure()
        assert day.since == "2028-03-01T00:00:00.000Z"


def test_a_clock_that_is_years_ahead_for_a_moment_does_not_end_all_days() -> None:
    with clocks() as held:
        day = Measured(held)
        held.step(1_000 * DAY_S)
        day.run(1)
        held.step(-1_000 * DAY_S)
        assert day.run(1).since == "2028-02-29T12:00:02.000Z"
        held.run(DAY_S)
        assert day.run(1).since == "2028-03-01T00:00:00.000Z"


def test_what_was_not_measured_before_midnight_does_not_belong_to_today() -> None:
    with clocks(datetime(2028, 2, 29, 23, 0, tzinfo=UTC)) as held:
        day = Measured(held)
        held.run(2 * HOUR_S)
        day.measure()
        said = day.today.coverage()
        assert (said.wanted_token_s, said.gap_token_s, said.blackout_s) == (7200.0, 7200.0, 3600.0)


# Faults of a restart: what came before it is forgotten or counted twice; time in which nothing ran
# counts as covered; a start counts as a blackout, or hours without any token do not.

MIDDAY = MIDNIGHT + 12 * 3_600 * 10**9


def found(*runs: EarlierRun) -> DayStored:
    return DayStored(day=MIDDAY // DAY_NS, trades=700, resolutions=5, runs=runs)


def run(began_s: float, seen_s: float, **measured: Any) -> EarlierRun:
    """Return a process that began and was last seen so many seconds before midday."""
    began_ns, seen_ns = (MIDDAY - int(ago * 10**9) for ago in (began_s, seen_s))
    day = DayMeasured(**{"since_ns": began_ns, "tokens": 10, **measured}) if measured else None
    return EarlierRun(began_ns, seen_ns, day)


MORNING = run(12 * HOUR_S, 1200.0, wanted_s=400_000.0, gap_s=500.0, blackout_s=30.0)


def test_a_day_goes_on_after_a_restart_and_what_did_not_run_is_a_gap() -> None:
    today = Day(MIDDAY)
    today.stored += 3  # counted by the database, too
    today.recorded += 1
    today.restored(found(MORNING))
    assert (today.stored, today.recorded) == (700, 6)
    said = today.coverage()
    assert said.since == "2024-10-04T00:00:00.000Z"
    assert (said.down_s, said.blackout_s) == (1200.0, 1230.0)
    assert (said.wanted_token_s, said.gap_token_s) == (412_000.0, 12_500.0)


def test_what_is_journalled_is_what_a_later_process_goes_on_from() -> None:
    """Each journals its own part: one that ended before it could read the others' loses none."""
    first, second = Day(MIDNIGHT), Day(MIDNIGHT + 10 * 10**9)
    for step in range(5):
        first.measured(step, MIDNIGHT + step * 10**9, wanted=4, covered=2)
        second.measured(step, MIDNIGHT + (10 + step) * 10**9, wanted=4, covered=4)
    runs = (
        EarlierRun(MIDNIGHT, MIDNIGHT + 4 * 10**9, first.to_journal()),
        EarlierRun(MIDNIGHT + 10 * 10**9, MIDNIGHT + 14 * 10**9, second.to_journal()),
    )
    third = Day(MIDNIGHT + 20 * 10**9)
    third.restored(DayStored(day=MIDNIGHT // DAY_NS, trades=0, resolutions=0, runs=runs))
    said = third.coverage()
    assert said.since == "2024-10-04T00:00:00.000Z"
    assert (said.wanted_token_s, said.gap_token_s) == (80.0, 8.0 + 24.0 + 24.0)
    assert (said.down_s, said.blackout_s) == (12.0, 12.0)
    assert third.to_journal().wanted_s == 0.0


def test_a_process_that_measured_nothing_wanted_what_the_one_before_did() -> None:
    today = Day(MIDDAY)
    today.restored(found(run(300.0, 200.0, wanted_s=1_000.0), run(100.0, 50.0)))
    said = today.coverage()
    assert (said.down_s, said.gap_token_s) == (150.0, 1_500.0)


def test_a_database_that_comes_back_adds_nothing_a_second_time() -> None:
    today = Day(MIDDAY)
    today.restored(found(MORNING))
    once = today.coverage()
    today.stored += 9
    today.recorded += 2
    today.restored(found(MORNING))
    assert (today.coverage(), today.recorded) == (once, 7)
    assert today.stored == 700  # as the database says: it has counted all of them


@pytest.mark.parametrize("runs", [(), (run(30 * HOUR_S, 25 * HOUR_S, wanted_s=9.0),)])
def test_a_first_start_and_one_after_days_begin_anew(runs: tuple[EarlierRun, ...]) -> None:
    today = Day(MIDDAY)
    today.restored(found(*runs))
    said = today.coverage()
    assert (said.since, said.down_s, said.wanted_token_s) == ("2024-10-04T12:00:00.000Z", 0.0, 0.0)


def test_of_a_process_that_ended_yesterday_only_today_counts() -> None:
    today = Day(MIDDAY)
    today.restored(found(run(20 * HOUR_S, 13 * HOUR_S, wanted_s=9_000.0)))
    said = today.coverage()
    assert (said.since, said.down_s) == ("2024-10-04T00:00:00.000Z", 12 * HOUR_S)
    assert said.gap_token_s == said.wanted_token_s == 10 * 12 * HOUR_S


def test_what_is_known_of_another_day_is_out_of_date() -> None:
    today = Day(MIDDAY)
    today.measured(0.0, MIDDAY + DAY_NS, wanted=1, covered=1)
    today.restored(found(MORNING))
    assert (today.stored, today.recorded, today.coverage().down_s) == (0, 0, 0.0)


def test_a_process_of_yesterday_that_reads_its_journal_today_adds_nothing_of_yesterday() -> None:
    today = Day(MIDDAY - DAY_NS)
    today.measured(0.0, MIDNIGHT, wanted=1, covered=1)
    yesterday = run(30 * HOUR_S, 26 * HOUR_S, wanted_s=9_000.0)
    today.restored(found(yesterday))
    said = today.coverage()
    assert (said.since, said.down_s, said.wanted_token_s) == ("2024-10-04T00:00:00.000Z", 0.0, 0.0)


def test_a_start_is_no_blackout_and_one_that_takes_long_is() -> None:
    soon, never = Day(MIDNIGHT), Day(MIDNIGHT)
    for second in range(121):
        at = MIDNIGHT + second * 10**9
        soon.measured(second, at, wanted=2, covered=2 * (second >= 3))
        never.measured(second, at, wanted=2, covered=0)
    assert (soon.coverage().blackout_s, soon.coverage().gap_token_s) == (0.0, 4.0)
    assert never.coverage().blackout_s == 120.0


def test_a_blackout_after_the_start_counts_from_its_first_second() -> None:
    today = Day(MIDNIGHT)
    for second in range(10):
        today.measured(second, MIDNIGHT + second * 10**9, wanted=2, covered=2 * (second < 4))
    assert today.coverage().blackout_s == 6.0
