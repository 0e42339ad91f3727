"""Faults: what is stored on a day counts twice, for another day or for another tracker; processes
of before are left out or taken for this one, or what they measured of their day is lost.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final, Self
from uuid import UUID

import pytest

from actors.database.store import Store
from actors.model.conversion import DAY_NS
from actors.model.facts import DayMeasured, Fact, ProcessAlive, ProcessStarted
from actors.model.storage import Batch, DayStored, EarlierRun
from tests.database.samples import ns, trade
from tests.postgres import do

pytestmark = pytest.mark.db

DAY: Final = ns(0) // DAY_NS
MEASURED = DayMeasured(since_ns=ns(0), tokens=7, wanted_s=70.5, gap_s=0.25)


class Opened:
    """A store whose clock a test moves, with the number of the next record."""

    def __init__(self, database: str, journal: UUID) -> None:
        self.wall_ns = ns(0)
        self.store = Store(database, wall_ns=lambda: self.wall_ns)
        self.store.open(journal)
        self._seq = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def add(self, *facts: Fact, trades: range = range(0)) -> int:
        """Commit; return the number of the first record."""
        first = self._seq
        self._seq += len(facts) + 1
        numbered = tuple(enumerate(facts, first))
        rows = tuple(trade(second) for second in trades)
        self.store.commit(Batch(trades=rows, facts=numbered, watermark=self._seq))
        return first


JOURNAL, OTHER = UUID(int=1), UUID(int=2)
Opener = Callable[[UUID], Opened]


@pytest.fixture
def open_one(database: str) -> Iterator[Opener]:
    with ExitStack() as stack:
        yield lambda journal: stack.enter_context(Opened(database, journal))


def test_rows_count_once_on_the_day_on_which_they_were_stored(open_one: Opener) -> None:
    opened = open_one(JOURNAL)
    opened.wall_ns = ns(0) - DAY_NS
    opened.add(trades=range(3))
    opened.wall_ns = ns(0)
    assert opened.store.day_stored(DAY, 1).trades == 0
    opened.add(trades=range(3, 8))
    opened.add(trades=range(5, 10))  # three of them again
    assert opened.store.day_stored(DAY, 1).trades == 7
    other = open_one(OTHER)
    other.add(trades=range(20, 22))
    assert (opened.store.day_stored(DAY, 1).trades, other.store.day_stored(DAY, 1).trades) == (7, 2)


def test_the_processes_before_this_one_are_those_of_this_tracker(open_one: Opener) -> None:
    open_one(OTHER).add(ProcessStarted(ns(500), "h", "1"))
    opened = open_one(JOURNAL)
    first = opened.add(ProcessStarted(ns(1), "h", "1"))
    assert opened.store.day_stored(DAY, first) == DayStored(day=DAY, trades=0, resolutions=0)
    opened.add(ProcessAlive(ns(9), MEASURED), ProcessAlive(ns(12)))
    second = opened.add(ProcessStarted(ns(100), "h", "1"), ProcessAlive(ns(105), MEASURED))
    before = EarlierRun(ns(1), ns(12), MEASURED)
    assert opened.store.day_stored(DAY, second).runs == (before,)
    third = opened.add(ProcessStarted(ns(200), "h", "1"))
    runs = opened.store.day_stored(DAY, third).runs
    assert runs == (before, EarlierRun(ns(100), ns(105), MEASURED))


def test_of_those_before_today_the_last_is_enough(open_one: Opener) -> None:
    opened = open_one(JOURNAL)
    for second in (-400_000, -300_000, -200_000):
        opened.add(ProcessStarted(ns(second), "h", "1"))
    now = opened.add(ProcessStarted(ns(50), "h", "1"))
    assert opened.store.day_stored(DAY, now).runs == (EarlierRun(ns(-200_000), ns(-200_000), None),)


def test_a_sign_of_life_that_comes_late_takes_nothing_back(open_one: Opener) -> None:
    opened = open_one(JOURNAL)
    opened.add(ProcessStarted(ns(1), "h", "1"), ProcessAlive(ns(9), MEASURED))
    later = opened.add(ProcessAlive(ns(5), DayMeasured(since_ns=ns(0), wanted_s=1.0)))
    assert opened.store.day_stored(DAY, later).runs[0].day == MEASURED


def test_a_day_that_another_version_has_measured_is_none(open_one: Opener, database: str) -> None:
    opened = open_one(JOURNAL)
    opened.add(ProcessStarted(ns(1), "h", "1"))
    do(database, "update tracker.process_life set day = '{\"other\": 1}'")
    assert opened.store.day_stored(DAY, 100).runs == (EarlierRun(ns(1), ns(1), None),)


def test_resolutions_of_today_are_those_before_this_process(
    open_one: Opener, database: str
) -> None:
    opened = open_one(JOURNAL)
    now_ns = int(datetime.now(UTC).timestamp() * 1e9)
    today = now_ns // DAY_NS
    do(
        database,
        "insert into markets (condition_id, question, slug, closed, active, neg_risk, version,"
        " tags) select number::text, '?', 's', true, true, false, 'v1', '{}'"
        " from generate_series(1, 4) number",
    )
    do(
        database,
        "insert into resolutions (condition_id, kind, payouts, resolved_at, sources, recorded_at)"
        " select number::text, 'split', '{}', now(), '{}',"
        " now() - make_interval(days => (number = 1)::int) from generate_series(1, 4) number",
    )
    assert opened.store.day_stored(today, 1).resolutions == 3
    started = opened.add(ProcessStarted(now_ns - 3_600 * 10**9, "h", "1"))
    assert opened.store.day_stored(today, started).resolutions == 0
