"""Samples of what cannot be a trade are deleted when they are old, and nothing else is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from actors.database.session import Connection
from actors.database.store import Store
from actors.database.upkeep.housekeeping import (
    SAMPLES_KEPT,
    Deleted,
    Housekeeping,
    OldSamples,
)
from actors.errors import SchemaNewer
from actors.model.storage import Batch, Housekept, RejectedRow
from actors.model.trade import Rejection, TokenId
from tests.database.samples import YES, trade
from tests.postgres import ask, do

pytestmark = pytest.mark.db

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - SAMPLES_KEPT - timedelta(hours=1), NOW - SAMPLES_KEPT + timedelta(hours=1)


def rejected(
    seq: int, at: datetime, *doubts: TokenId | None, epoch: int = 5, connection: str = "a-0001"
) -> RejectedRow:
    rejection = Rejection(
        reason="r", payload=b"%d" % seq, received_at_ns=int(at.timestamp()) * 10**9
    )
    return RejectedRow(
        seq=seq, index=0, connection=connection, rejection=rejection, epoch=epoch, doubts=doubts
    )


def left(dsn: str) -> list[int]:
    query = "select payload from rejected_messages order by message_key"
    return [int(bytes(payload)) for (payload,) in ask(dsn, query)]


def clean(store: Store) -> int:
    """Do all steps of housekeeping; return how many rows were deleted."""
    done = store.housekeep()
    return done.deleted if done.is_last else done.deleted + clean(store)


def test_old_samples_go_and_all_that_may_be_a_trade_or_a_row_stays(
    store: Store, database: str
) -> None:
    rows = (
        rejected(1, OLD),
        rejected(2, OLD, YES),
        rejected(3, OLD, None),
        rejected(4, OLD, epoch=0, connection="journal"),
        rejected(5, OLD),
        rejected(6, YOUNG),
        rejected(-1, OLD, epoch=0, connection="database"),
    )
    store.commit(Batch(rejections=rows, trades=(trade(),)))

    assert clean(store) == 2
    assert left(database) == [2, 3, 4, 6, -1]
    assert clean(store) == 0
    assert ask(database, "select count(*) from trades") == [(1,)]


def test_a_sample_that_was_taken_in_goes_too(store: Store, database: str) -> None:
    store.commit(Batch(rejections=(rejected(1, OLD), rejected(2, OLD, YES))))
    do(database, "update rejected_messages set taken_in_at = now()")

    assert clean(store) == 1
    assert left(database) == [2]


def test_each_step_looks_at_a_few_rows_and_the_last_one_is_at_the_end(
    store: Store, database: str
) -> None:
    ages = [OLD] * 5 + [YOUNG, OLD] + [YOUNG] * 5
    store.commit(Batch(rejections=tuple(rejected(seq, at) for seq, at in enumerate(ages, 1))))
    keeping = Housekeeping([OldSamples()], rows=2)
    steps = list[Deleted]()
    while not steps or not steps[-1].is_last:
        steps.append(in_transaction(database, keeping))

    assert steps == [*[(2, False)] * 2, *[(1, False)] * 2, *[(0, False)] * 2, (0, True)]
    assert left(database) == [6, 8, 9, 10, 11, 12]
    do(database, "update rejected_messages set received_at = %s", OLD)
    assert in_transaction(database, keeping) == (2, False), "it begins again at the first"


def test_samples_that_are_not_old_hide_no_old_ones_behind_them(store: Store, database: str) -> None:
    """The clock was years ahead when they were received, or they were stored late."""
    ahead = NOW + timedelta(days=2_000)
    ages = [ahead] * 6 + [YOUNG, OLD] + [ahead] * 4 + [OLD]
    store.commit(Batch(rejections=tuple(rejected(seq, at) for seq, at in enumerate(ages, 1))))
    keeping = Housekeeping([OldSamples()], rows=2)
    while not in_transaction(database, keeping).is_last:
        pass

    assert left(database) == [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]


def in_transaction(dsn: str, keeping: Housekeeping, now: datetime = NOW) -> Deleted:
    with Connection.connect(dsn) as connection:
        done = keeping.step(connection, now)
        assert not done.failed
        return Deleted(done.deleted, done.is_last)


@pytest.mark.parametrize("away", [timedelta(days=4_000), -timedelta(days=4_000)])
def test_a_clock_of_ours_that_is_wrong_makes_nothing_old(
    store: Store, database: str, away: timedelta
) -> None:
    store.commit(Batch(rejections=(rejected(1, YOUNG),)))

    assert in_transaction(database, Housekeeping([OldSamples()]), NOW + away).rows == 0
    assert left(database) == [1]


def test_nothing_is_deleted_by_a_version_that_must_not_write(store: Store, database: str) -> None:
    store.commit(Batch(rejections=(rejected(1, OLD),)))
    do(database, "insert into tracker.schema_migrations values ('9999_x.sql', 'x', now(), false)")

    with pytest.raises(SchemaNewer):
        store.housekeep()
    assert left(database) == [1]


def test_in_another_session_it_goes_on(store: Store, database: str, journal_id: UUID) -> None:
    store.commit(Batch(rejections=(rejected(1, OLD),)))
    store.close()
    store.open(journal_id)

    assert store.housekeep() == Housekept(what="samples", deleted=1)
    assert left(database) == []


class Numbered:
    """A chore of so many steps, which deletes a row in each."""

    def __init__(self, name: str, steps: int) -> None:
        self.name = name
        self._steps, self._left = steps, steps

    def step(self, connection: Connection, now: datetime, rows: int) -> Deleted:
        del connection, now, rows
        self._left -= 1
        if self._left:
            return Deleted(1, is_last=False)
        self._left = self._steps
        return Deleted(1, is_last=True)


def test_a_message_that_is_being_taken_in_waits_for_the_next_time(
    store: Store, database: str
) -> None:
    """Whoever takes it in waits for the journal that housekeeping has locked."""
    store.commit(Batch(rejections=(rejected(1, OLD), rejected(2, OLD))))
    with Connection.connect(database) as other:
        other.execute("select from public.rejected_messages where seq = 1 for update")
        assert clean(store) == 1
        assert left(database) == [1]
    assert clean(store) == 1
    assert left(database) == []


def test_chores_are_done_one_after_the_other_and_then_again(database: str) -> None:
    keeping = Housekeeping([Numbered("a", 2), Numbered("b", 1), Numbered("c", 2)])
    found = []
    for _ in range(10):
        name = keeping.name
        found.append((name, in_transaction(database, keeping).is_last))

    once = [("a", False), ("a", False), ("b", False), ("c", False), ("c", True)]
    assert found == once * 2
