"""Which connections receive a Tick, and when."""

from collections import Counter
from itertools import pairwise

from actors.supervision.pacing import TickSchedule

MANY = 1_500


def schedule_of(count: int, **options: float) -> TickSchedule:
    schedule = TickSchedule(**options)  # type: ignore[arg-type]  # one of them counts
    for number in range(count):
        schedule.add(str(number))
    return schedule


def walk(
    schedule: TickSchedule, *, since: float, seconds: float, rest_s: float | None
) -> list[list[str]]:
    """Ask four times a second; each requests its next Tick `rest_s` later, or soon."""
    rounds = []
    for quarter in range(int(seconds * 4)):
        now = since + quarter / 4
        due = schedule.due(now)
        for name in due:
            schedule.request(name, 0.0 if rest_s is None else now + rest_s)
        rounds.append(due)
    return rounds


def ticks(rounds: list[list[str]]) -> Counter[str]:
    return Counter(name for round_ in rounds for name in round_)


def test_a_few_receive_one_every_second_whatever_they_request() -> None:
    rounds = walk(schedule_of(300), since=100.0, seconds=10, rest_s=60.0)

    assert set(ticks(rounds).values()) == {10}
    assert len(ticks(rounds)) == 300


def test_a_thousand_without_work_receive_one_every_few_seconds() -> None:
    schedule = schedule_of(MANY)
    walk(schedule, since=100.0, seconds=20, rest_s=60.0)
    rounds = walk(schedule, since=120.0, seconds=20, rest_s=60.0)

    assert len(ticks(rounds)) == MANY
    assert set(ticks(rounds).values()) <= {3, 4}


def test_the_more_there_are_the_less_often_each_receives_one_but_every_5_s_at_the_latest() -> None:
    for count, least in ((450, 13), (900, 6), (6_000, 4)):
        schedule = schedule_of(count)
        walk(schedule, since=100.0, seconds=20, rest_s=60.0)
        assert min(ticks(walk(schedule, since=120.0, seconds=21, rest_s=60.0)).values()) >= least


def test_one_that_has_work_receives_one_every_second_among_thousands() -> None:
    schedule = schedule_of(MANY)
    walk(schedule, since=100.0, seconds=20, rest_s=60.0)
    ticked = 0
    for quarter in range(40):
        now = 120 + quarter / 4
        due = schedule.due(now)
        for name in due:
            schedule.request(name, 0.0 if name == "7" else now + 60)
        ticked += "7" in due

    assert 8 <= ticked <= 10


def test_a_request_is_met_to_the_quarter_of_a_second() -> None:
    schedule = schedule_of(MANY)
    walk(schedule, since=100.0, seconds=40, rest_s=60.0)
    ticked: list[float] = []
    for quarter in range(80):
        now = 140 + quarter / 4
        due = schedule.due(now)
        for name in due:
            schedule.request(name, now + (3.0 if name == "7" else 60.0))
        ticked += [now] * ("7" in due)

    assert {later - earlier for earlier, later in pairwise(ticked)} <= {3.0, 3.25}


def test_none_receives_two_within_a_second() -> None:
    schedule = schedule_of(3)
    assert schedule.due(100.0) == ["2", "1", "0"]
    schedule.request("1", 0.0)

    assert schedule.due(100.9) == []
    assert sorted(schedule.due(101.0)) == ["0", "1", "2"]


def test_after_a_pause_in_which_all_became_due_they_spread_again() -> None:
    schedule = schedule_of(MANY)
    walk(schedule, since=100.0, seconds=20, rest_s=5.0)
    after = walk(schedule, since=180.0, seconds=40, rest_s=5.0)

    assert max(len(round_) for round_ in after[-40:]) <= MANY / 4 / 5 * 2 + 1
    assert len(ticks(after[:12])) == MANY


def test_all_that_have_work_receive_one_at_once() -> None:
    schedule = schedule_of(MANY)
    walk(schedule, since=100.0, seconds=20, rest_s=None)

    assert len(ticks(walk(schedule, since=120.0, seconds=1, rest_s=None))) == MANY


def test_one_that_has_just_started_receives_one_at_once_and_one_that_ended_none() -> None:
    schedule = schedule_of(2)
    schedule.due(100.0)
    schedule.add("new")
    schedule.remove("0")
    schedule.request("0", 0.0)

    assert schedule.due(100.25) == ["new"]
    assert sorted(schedule.due(101.25)) == ["1", "new"]


def test_one_may_receive_one_out_of_turn_but_not_two_within_a_second() -> None:
    schedule = schedule_of(MANY)
    schedule.due(100.0)
    schedule.request("7", 105.0)

    assert [schedule.take("7", now) for now in (100.9, 101.0, 101.5)] == [False, True, False]
    assert not schedule.take("nobody", 101.0)
