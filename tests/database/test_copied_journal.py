"""Two processes with copies of one state directory: neither loses what the other one stores."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from actors.database.store import Store
from actors.errors import JournalTaken
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask

pytestmark = pytest.mark.db

ONE = UUID(int=7)
STORED = "select count(*) from trades"


@pytest.fixture
def pair(database: str) -> Iterator[tuple[Store, Store]]:
    """Return two stores, of which the second one was opened last for the same journal."""
    stores = Store(database), Store(database)
    for store in stores:
        store.open(ONE)
    yield stores
    for store in stores:
        store.close()


def test_a_commit_of_the_process_that_opened_the_journal_before_fails_as_a_whole(
    pair: tuple[Store, Store], database: str
) -> None:
    first, second = pair
    with pytest.raises(JournalTaken):
        first.commit(Batch(trades=(trade(1),), watermark=5))
    assert ask(database, STORED) == [(0,)]
    assert ask(database, "select mark from tracker.journal_progress") == [(1,)]
    assert second.commit(Batch(trades=(trade(2),), watermark=9)).watermark == 9


def test_it_settles_no_coverage_either(pair: tuple[Store, Store]) -> None:
    with pytest.raises(JournalTaken):
        pair[0].settle()
    assert pair[1].settle()


def test_it_can_take_the_journal_back_and_then_the_other_one_fails(
    pair: tuple[Store, Store], database: str
) -> None:
    first, second = pair
    first.open(ONE)
    first.commit(Batch(trades=(trade(1),), watermark=5))
    with pytest.raises(JournalTaken):
        second.commit(Batch(trades=(trade(2),), watermark=9))
    assert ask(database, STORED) == [(1,)]


def test_a_journal_is_new_once(database: str) -> None:
    store = Store(database)
    assert store.open(ONE, first_seq=40).is_new
    store.commit(Batch(watermark=50))
    again = store.open(ONE, first_seq=60)
    assert not again.is_new
    assert again.watermark == 50
    assert again.moved_at_ms > 0
    store.close()
