"""Which conditions of the database have no market, and which closed markets no resolution."""

from collections.abc import Callable
from uuid import UUID

import pytest

from actors.database.store import Store
from actors.model.facts import ProcessStarted, ProcessStopped, TokensWanted
from actors.model.storage import Batch, Review
from actors.model.trade import ConditionId
from tests.database.samples import CONDITION, NO, YES, market, ns, resolution, trade
from tests.postgres import do

pytestmark = pytest.mark.db

START = ConditionId("")


def test_trades_without_a_market_name_an_unknown_condition(store: Store) -> None:
    store.commit(Batch(trades=(trade(),)))
    assert store.review(START) == Review(unknown=(CONDITION,))

    store.commit(Batch(markets=(market(),)))
    assert store.review(START) == Review()


def test_a_market_without_named_tokens_is_unknown(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),)))
    do(database, "update assets set outcome = null, outcome_index = null")
    assert store.review(START).unknown == (CONDITION,)

    do(database, "delete from assets")
    assert store.review(START).unknown == (CONDITION,)


def test_a_closed_market_without_a_resolution_is_unresolved(store: Store) -> None:
    closed = market(closed=True)
    store.commit(Batch(markets=(closed,)))
    assert store.review(START) == Review(unresolved=(closed,))

    store.commit(Batch(resolutions=(resolution(),)))
    assert store.review(START) == Review()


def test_one_of_which_something_is_wanted_is_restored_anyway(store: Store) -> None:
    wanted = TokensWanted(at_ns=ns(0), tokens=(YES, NO))
    store.commit(Batch(markets=(market(closed=True),), facts=((1, wanted),), watermark=2))
    assert store.review(START) == Review()


def test_what_only_a_stopped_tracker_wanted_is_reviewed(
    store: Store, open_store: Callable[[UUID], Store]
) -> None:
    gone = open_store(UUID(int=2))
    wanted = TokensWanted(at_ns=ns(0), tokens=(YES, NO))
    facts = (
        (1, ProcessStarted(at_ns=ns(0), host="h", version="1")),
        (2, wanted),
        (3, ProcessStopped(at_ns=ns(1))),
    )
    closed = market(closed=True)
    gone.commit(Batch(markets=(closed,), facts=facts, watermark=4))
    assert store.review(START) == Review(unresolved=(closed,))
    assert list(store.open_markets()) == []
    assert list(gone.open_markets()) == [(closed,)]


def test_ranges_follow_each_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.database.store._REVIEW_TOKENS", 4)
    closed = tuple(
        market(f"0x{number:064x}", (str(2 * number), str(2 * number + 1)), closed=True)
        for number in range(1, 6)
    )
    store.commit(Batch(markets=closed))
    found: list[str] = []
    after: ConditionId | None = START
    ranges = 0
    while after is not None:
        review = store.review(after)
        found += [each.condition_id for each in review.unresolved]
        after, ranges = review.until, ranges + 1
    assert found == [each.condition_id for each in closed]
    assert ranges == 3
