import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.backoff import Backoff
from actors.supervision.pacing import Escalation, RestartBudget


class Longest(Random):
    """Jitter that always draws the longest delay."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def test_first_retry_is_within_a_second_and_later_ones_double_to_a_minute() -> None:
    backoff = Backoff(Longest())
    assert [backoff.delay_s() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(seed=st.integers(0, 2**32), failures=st.integers(1, 40))
def test_jitter_is_full_and_never_above_the_ceiling(seed: int, failures: int) -> None:
    backoff = Backoff(Random(seed))
    delays = [backoff.delay_s() for _ in range(failures)]
    assert all(0 <= d <= min(2**n, 60) for n, d in enumerate(delays))


def test_two_connections_do_not_come_back_together() -> None:
    rng = Random(7)
    one, other = Backoff(rng), Backoff(rng)
    assert one.delay_s() != other.delay_s()


def test_a_success_of_five_minutes_makes_the_next_failure_a_first_one() -> None:
    backoff = Backoff(Longest())
    for _ in range(8):
        backoff.delay_s()
    backoff.succeeded(1000.0)
    backoff.succeeded(1299.9)
    assert backoff.delay_s() == 60
    backoff.succeeded(2000.0)
    backoff.succeeded(2300.0)
    assert backoff.delay_s() == 1


def test_short_successes_between_failures_do_not_add_up() -> None:
    backoff = Backoff(Longest())
    for start in range(0, 8000, 1000):
        backoff.succeeded(float(start))
        backoff.succeeded(start + 200.0)
        backoff.delay_s()
    assert backoff.delay_s() == 60


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(30.0, 30.0), (86_400.0, 300.0), (math.inf, 300.0), (0.2, 1.0), (-5.0, 1.0), (math.nan, 1.0)],
)
def test_what_a_server_asks_for_is_honoured_up_to_five_minutes(asked: float, waited: float) -> None:
    assert Backoff(Longest()).delay_s(retry_after_s=asked) == waited


def test_a_child_that_dies_within_its_budget_is_restarted_quickly() -> None:
    budget = RestartBudget()
    assert [budget.delay_s(float(t)) for t in (0, 10, 20, 30)] == [0, 1, 3, 7]
    assert not budget.spent


def test_the_fifth_death_in_a_minute_leads_to_the_slow_restarts() -> None:
    budget = RestartBudget()
    delays = [budget.delay_s(float(t)) for t in (0, 15, 30, 45, 60)]
    assert delays[-1] == 300
    assert budget.spent


def test_five_deaths_in_more_than_a_minute_are_within_the_budget() -> None:
    budget = RestartBudget()
    assert all(budget.delay_s(t * 15.1) < 300 for t in range(20))


def test_the_slow_restarts_end_only_after_a_run_as_long_as_their_delay() -> None:
    budget = RestartBudget()
    for t in range(5):
        budget.delay_s(float(t))
    assert budget.delay_s(4 + 300 + 1.0) == 300
    assert budget.delay_s(305 + 300 + 299.0) == 300
    assert budget.delay_s(904 + 300 + 300.0) == 0
    assert not budget.spent


def test_twenty_deaths_in_five_minutes_are_tolerated_and_one_more_is_not() -> None:
    escalation = Escalation()
    for t in range(20):
        escalation.died(float(t), child=f"connection-{t}", vital=False)
    assert not escalation.exceeded(20.0)
    escalation.died(21.0, child="connection-x", vital=False)
    assert escalation.exceeded(21.0)
    assert not escalation.exceeded(400.0)


def test_the_third_death_of_one_vital_child_in_a_minute_is_too_many() -> None:
    escalation = Escalation()
    escalation.died(0.0, child="writer", vital=True)
    escalation.died(1.0, child="catalog", vital=True)
    escalation.died(30.0, child="writer", vital=True)
    assert not escalation.exceeded(31.0)
    escalation.died(60.0, child="writer", vital=True)
    assert escalation.exceeded(60.0)


def test_a_vital_child_that_dies_now_and_then_is_tolerated() -> None:
    escalation = Escalation()
    for t in range(0, 1000, 31):
        escalation.died(float(t), child="writer", vital=True)
        assert not escalation.exceeded(float(t))
