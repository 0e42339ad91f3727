from actors.health.counters import DAY_NS, DayCoverage

MIDNIGHT = 20_000 * DAY_NS


def test_seconds_count_once_for_each_wanted_token() -> None:
    today = DayCoverage(MIDNIGHT)
    for second, covered in enumerate((0, 4, 3, 0)):
        today.measured(100.0 + second, MIDNIGHT + second * 10**9, wanted=4, covered=covered)
    said = today.coverage()
    assert (said.wanted_token_s, said.gap_token_s, said.deaf_s) == (12.0, 5.0, 1.0)


def test_nothing_wanted_is_no_deafness() -> None:
    today = DayCoverage(MIDNIGHT)
    for second in range(3):
        today.measured(second, MIDNIGHT, wanted=0, covered=0)
    assert (today.coverage().deaf_s, today.coverage().wanted_token_s) == (0.0, 0.0)


def test_a_new_day_begins_at_midnight_utc_whenever_the_process_began() -> None:
    today = DayCoverage(MIDNIGHT - 2 * 10**9)
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
    today = DayCoverage(MIDNIGHT + 10**9)
    today.measured(0, MIDNIGHT + 10**9, wanted=1, covered=1)
    today.measured(1, MIDNIGHT - 10**9, wanted=1, covered=1)
    assert today.coverage().wanted_token_s == 1.0


def test_time_that_nobody_measured_is_not_claimed_as_covered() -> None:
    today = DayCoverage(MIDNIGHT)
    today.measured(0, MIDNIGHT, wanted=2, covered=2)
    today.measured(3600, MIDNIGHT + 3600 * 10**9, wanted=2, covered=2)
    assert today.coverage().gap_token_s == 7200.0
