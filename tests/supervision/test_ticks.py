"""Who is told the time, and when."""

from collections import Counter
from itertools import pairwise

from actors.supervision.ticks import TickSchedule

MANY = 1_500


def rounds_of(count: int, **options: float) -> TickSchedule:
    rounds = TickSchedule(**options)  # type: ignore[arg-type]  # one of them counts
    for number in range(count):
        rounds.begins(str(number))
    return rounds


def walk(
    rounds: TickSchedule, *, since: float, seconds: float, rest_s: float | None
) -> list[list[str]]:
    """Turn four times a second; who is told wishes for its next turn `rest_s` later, or soon."""
    turns = []
    for quarter in range(int(seconds * 4)):
        now = since + quarter / 4
        due = rounds.due(now)
        for who in due:
            rounds.wished(who, 0.0 if rest_s is None else now + rest_s)
        turns.append(due)
    return turns


def calls(turns: list[list[str]]) -> Counter[str]:
    return Counter(who for turn in turns for who in turn)


def test_a_few_are_told_every_second_whatever_they_wish() -> None:
    turns = walk(rounds_of(300), since=100.0, seconds=10, rest_s=60.0)

    assert set(calls(turns).values()) == {10}
    assert len(calls(turns)) == 300


def test_a_thousand_who_rest_are_told_every_few_seconds() -> None:
    rounds = rounds_of(MANY)
    walk(rounds, since=100.0, seconds=20, rest_s=60.0)
    turns = walk(rounds, since=120.0, seconds=20, rest_s=60.0)

    assert len(calls(turns)) == MANY
    assert set(calls(turns).values()) <= {3, 4}


def test_the_more_there_are_the_more_seldom_each_is_told_but_never_after_more_than_5_s() -> None:
    for count, least in ((450, 13), (900, 6), (6_000, 4)):
        rounds = rounds_of(count)
        walk(rounds, since=100.0, seconds=20, rest_s=60.0)
        assert min(calls(walk(rounds, since=120.0, seconds=21, rest_s=60.0)).values()) >= least


def test_who_has_something_to_do_is_told_every_second_among_thousands() -> None:
    rounds = rounds_of(MANY)
    walk(rounds, since=100.0, seconds=20, rest_s=60.0)
    told = 0
    for quarter in range(40):
        now = 120 + quarter / 4
        due = rounds.due(now)
        for who in due:
            rounds.wished(who, 0.0 if who == "7" else now + 60)
        told += "7" in due

    assert 8 <= told <= 10


def test_a_wish_is_kept_to_the_quarter_of_a_second() -> None:
    rounds = rounds_of(MANY)
    walk(rounds, since=100.0, seconds=40, rest_s=60.0)
    told: list[float] = []
    for quarter in range(80):
        now = 140 + quarter / 4
        due = rounds.due(now)
        for who in due:
            rounds.wished(who, now + (3.0 if who == "7" else 60.0))
        told += [now] * ("7" in due)

    assert {later - earlier for earlier, later in pairwise(told)} <= {3.0, 3.25}


def test_nobody_is_told_twice_within_a_second() -> None:
    rounds = rounds_of(3)
    assert rounds.due(100.0) == ["2", "1", "0"]
    rounds.wished("1", 0.0)

    assert rounds.due(100.9) == []
    assert sorted(rounds.due(101.0)) == ["0", "1", "2"]


def test_after_a_pause_in_which_all_became_due_they_spread_again() -> None:
    rounds = rounds_of(MANY)
    walk(rounds, since=100.0, seconds=20, rest_s=5.0)
    after = walk(rounds, since=180.0, seconds=40, rest_s=5.0)

    assert max(len(turn) for turn in after[-40:]) <= MANY / 4 / 5 * 2 + 1
    assert len(calls(after[:12])) == MANY


def test_all_who_have_something_to_do_are_told_at_once() -> None:
    rounds = rounds_of(MANY)
    walk(rounds, since=100.0, seconds=20, rest_s=None)

    assert len(calls(walk(rounds, since=120.0, seconds=1, rest_s=None))) == MANY


def test_the_newborn_are_told_at_once_and_the_dead_never() -> None:
    rounds = rounds_of(2)
    rounds.due(100.0)
    rounds.begins("new")
    rounds.ended("0")
    rounds.wished("0", 0.0)

    assert rounds.due(100.25) == ["new"]
    assert sorted(rounds.due(101.25)) == ["1", "new"]


def test_somebody_is_called_out_of_turn_but_not_twice_within_a_second() -> None:
    rounds = rounds_of(MANY)
    rounds.due(100.0)
    rounds.wished("7", 105.0)

    assert [rounds.called("7", now) for now in (100.9, 101.0, 101.5)] == [False, True, False]
    assert not rounds.called("nobody", 101.0)
