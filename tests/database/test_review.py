"""Which conditions of the database have no market."""

import pytest

from actors.database.store import Store
from actors.model.storage import Batch, Review
from actors.model.trade import ConditionId, TokenId
from tests.database.samples import CONDITION, market, resolution, trade
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


def test_one_named_token_is_enough(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),)))
    do(database, "update assets set outcome_index = null where outcome_index = 1")
    assert store.review(START) == Review()


def test_what_is_known_is_not_read_however_much_it_is(store: Store, database: str) -> None:
    do(
        database,
        """insert into assets (token_id, condition_id, outcome_index)
           select n::text, '0x' || n / 2, n % 2 from generate_series(2, 5001) n""",
    )
    do(database, "vacuum analyze public.assets")
    store.commit(Batch(trades=(trade(),)))
    assert store.review(START) == Review(unknown=(CONDITION,))


def test_a_market_that_is_known_is_left_out_whether_it_is_resolved_or_not(store: Store) -> None:
    store.commit(Batch(markets=(market(closed=True),)))
    assert store.review(START) == Review()

    store.commit(Batch(resolutions=(resolution(),)))
    assert store.review(START) == Review()


def test_ranges_follow_each_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.database.reading.REVIEW_TOKENS", 4)
    unknown = [ConditionId(f"0x{number:064x}") for number in range(1, 6)]
    store.commit(
        Batch(
            trades=tuple(
                trade(1, condition_id=each, token_id=TokenId(f"{number}{side}"))
                for number, each in enumerate(unknown)
                for side in (0, 1)
            )
        )
    )
    found: list[str] = []
    after: ConditionId | None = START
    ranges = 0
    while after is not None:
        review = store.review(after)
        found += review.unknown
        after, ranges = review.until, ranges + 1
    assert sorted(found) == unknown
    assert ranges == 3
