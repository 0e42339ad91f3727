"""Promise: every market that ended and has no resolution comes back from the database, in steps."""

from actors.messages import RequestUnresolved
from actors.model.trade import ConditionId
from actors.resolution.memory import FIRST, MOST_WAITING, PASS_S, RETRY_S, UnresolvedPass

ONE, TWO = ConditionId("0x1"), ConditionId("0x2")


def test_a_pass_goes_from_step_to_step_to_the_end() -> None:
    found = UnresolvedPass()
    assert found.tick(0.0, 0) == RequestUnresolved(after=FIRST)
    assert found.tick(1.0, 0) is None  # it is asked already
    found.answered(ONE)
    assert found.tick(2.0, 0) == RequestUnresolved(after=ONE)
    found.answered(None)
    assert found.tick(3.0, 0) is None


def test_the_next_pass_begins_an_hour_after_the_one_before_began() -> None:
    found = UnresolvedPass()
    found.tick(0.0, 0)
    found.answered(None)
    assert found.tick(PASS_S - 1, 0) is None
    assert found.tick(PASS_S, 0) == RequestUnresolved(after=FIRST)


def test_a_pass_that_takes_longer_than_an_hour_is_read_to_its_end() -> None:
    found = UnresolvedPass()
    found.tick(0.0, 0)
    found.answered(ONE)
    assert found.tick(2 * PASS_S, 0) == RequestUnresolved(after=ONE)
    found.answered(None)
    assert found.tick(2 * PASS_S + 1, 0) == RequestUnresolved(after=FIRST)


def test_no_step_is_taken_while_many_markets_wait_for_a_source() -> None:
    found = UnresolvedPass()
    assert found.tick(0.0, MOST_WAITING + 1) is None
    assert found.tick(1.0, MOST_WAITING) is not None


def test_a_step_that_is_not_answered_is_asked_for_again() -> None:
    found = UnresolvedPass()
    found.tick(0.0, 0)
    assert found.tick(RETRY_S - 1, 0) is None
    assert found.tick(RETRY_S, 0) == RequestUnresolved(after=FIRST)


def test_when_the_database_is_opened_the_pass_begins_anew() -> None:
    found = UnresolvedPass()
    found.tick(0.0, 0)
    found.answered(TWO)
    found.begin()
    assert found.tick(1.0, 0) == RequestUnresolved(after=FIRST)
