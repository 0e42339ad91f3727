"""Violated assumptions of all children, added up."""

from actors.health.counters import ViolationSums
from actors.health.document import AssumptionCount
from actors.health.state import HealthState
from actors.model.assumptions import Assumption, Violations
from tests.health.health_samples import (
    START,
    catalog,
    connection,
    document,
    outcomes,
    well,
    writer,
)

LATE: Violations = ((Assumption.ON_TIME, 3),)


def count(health: HealthState, assumption: Assumption, now: float = START + 9) -> AssumptionCount:
    return document(health, now).assumptions[assumption]


def test_every_assumption_is_shown_also_one_that_always_held() -> None:
    found = document(well(), START + 2).assumptions
    assert list(found) == [str(assumption) for assumption in Assumption]
    assert set(found.values()) == {AssumptionCount(total=0, last_hour=0, age_s=None)}


def test_every_kind_of_child_is_heard() -> None:
    health = well()
    health.connection_reported(connection(violations=LATE), at=START + 2)
    health.writer_reported(writer(violations=((Assumption.SENT_ONCE, 1),)), at=START + 3)
    health.catalog_reported(catalog(violations=((Assumption.LISTED, 5),)), at=START + 4)
    said = outcomes(violations=((Assumption.FRESH_ANSWERS, 2), (Assumption.LISTED, 1)))
    health.resolution_reported(said, at=START + 5)
    found = document(health, START + 9).assumptions
    assert {name: (seen.total, seen.age_s) for name, seen in found.items() if seen.total} == {
        "listed": (6, 4.0),
        "fresh_answers": (2, 4.0),
        "sent_once": (1, 6.0),
        "on_time": (3, 7.0),
    }


def test_totals_of_one_incarnation_are_not_counted_twice_and_a_new_one_begins_at_0() -> None:
    health = well()
    for incarnation, total in ((1, 3), (1, 3), (1, 5), (2, 4), (2, 4)):
        said = connection(incarnation=incarnation, violations=((Assumption.ON_TIME, total),))
        health.connection_reported(said, at=START + 2)
    assert count(health, Assumption.ON_TIME).total == 9


def test_a_report_of_an_incarnation_that_is_over_counts_nothing() -> None:
    health = well()
    for incarnation in (2, 1, 2):
        said = connection(incarnation=incarnation, violations=LATE)
        health.connection_reported(said, at=START + 2)
    assert count(health, Assumption.ON_TIME).total == 3


def test_what_is_over_an_hour_old_is_in_the_total_alone() -> None:
    health = well()
    health.connection_reported(connection(violations=LATE), at=START + 2)
    assert count(health, Assumption.ON_TIME, START + 3_000).last_hour == 3
    later = count(health, Assumption.ON_TIME, START + 3_700)
    assert later == AssumptionCount(total=3, last_hour=0, age_s=3_698.0)


def test_thousands_of_connections_that_come_and_go_leave_nothing_behind() -> None:
    health = well()
    for number in range(5_000):
        child = f"a-0007.{number}"
        health.connection_wanted(child, feed=0, at=START)
        health.connection_reported(connection(child, violations=LATE), at=START + 1)
        health.connection_removed(child)
        # It reports until it has ended.
        health.connection_reported(connection(child, violations=LATE), at=START + 2)
    assert count(health, Assumption.ON_TIME).total == 15_000
    assert health._violations._seen == {}


def test_a_child_that_saw_nothing_needs_no_memory() -> None:
    sums = ViolationSums()
    sums.reported("a-0001", 1, (), START)
    assert sums._seen == {}
