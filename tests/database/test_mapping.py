"""The name and the place of a token that are known stay, whatever a later listing tells."""

import pytest

from actors.database.store import Store
from actors.model.market import Asset, Market, TokenPayout
from actors.model.storage import Batch
from actors.model.trade import TokenId
from tests.database.samples import CONDITION, NO, YES, market, resolution, trade
from tests.postgres import ask, do

pytestmark = pytest.mark.db

ASSETS = "select token_id, outcome, outcome_index from assets order by token_id"
KNOWN = [(YES, "Yes", 0), (NO, "No", 1)]
CONFLICTS = """select condition_id, recorded, observed, source, kind, cleared_at is null
    from resolution_conflicts order by detected_at"""


def named(*names: tuple[str, str]) -> Market:
    """Return the market with these (token, name), in this order."""
    return market(
        assets=tuple(
            Asset(token_id=TokenId(token), outcome=name, outcome_index=index)
            for index, (token, name) in enumerate(names)
        )
    )


SWAPPED = named((YES, "No"), (NO, "Yes"))
REVERSED = named((NO, "No"), (YES, "Yes"))


def test_a_listing_with_swapped_names_changes_no_name_and_opens_one_contradiction(
    store: Store, database: str
) -> None:
    store.commit(Batch(markets=(market(),)))
    committed = store.commit(Batch(markets=(SWAPPED,)))

    assert committed.mapping_changed == (CONDITION,)
    assert ask(database, ASSETS) == KNOWN
    assert ask(database, CONFLICTS) == [(CONDITION, "Yes", "No", "gamma", "mapping", True)]
    assert store.commit(Batch(markets=(SWAPPED,))).mapping_changed == ()
    assert len(ask(database, CONFLICTS)) == 1


def test_a_listing_with_tokens_and_names_reversed_moves_no_index(
    store: Store, database: str
) -> None:
    """Else `payouts[outcome_index + 1]` of a resolution would give the winner nothing."""
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    committed = store.commit(Batch(markets=(REVERSED,)))

    assert committed.mapping_changed == (CONDITION,)
    assert ask(database, ASSETS) == KNOWN
    assert ask(database, CONFLICTS) == [(CONDITION, "index 0", "index 1", "gamma", "mapping", True)]


def test_other_names_for_both_tokens_are_two_contradictions(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),)))
    assert store.commit(Batch(markets=(named((YES, "Up"), (NO, "Down")),))).mapping_changed == (
        CONDITION,
    )

    assert [row[1:3] for row in ask(database, CONFLICTS)] == [("Yes", "Up"), ("No", "Down")]


def test_what_a_listing_does_not_tell_contradicts_nothing(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),)))
    assert store.commit(Batch(markets=(named((YES, ""), (NO, "")),))).mapping_changed == ()

    assert ask(database, ASSETS) == KNOWN


def test_names_that_are_not_known_are_set(store: Store, database: str) -> None:
    store.commit(Batch(trades=(trade(1),)))
    assert ask(database, ASSETS) == [(YES, None, None)]
    store.commit(Batch(markets=(named((YES, ""), (NO, "")),)))
    assert store.commit(Batch(markets=(market(),))).mapping_changed == ()

    assert ask(database, ASSETS) == KNOWN
    assert ask(database, CONFLICTS) == []


def test_the_market_itself_is_stored_as_it_is_listed(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),)))
    store.commit(Batch(markets=(market(assets=SWAPPED.assets, question="new"),)))

    assert ask(database, "select question from markets") == [("new",)]


def test_a_change_is_counted_once_although_the_batch_has_a_bad_row(
    store: Store, database: str
) -> None:
    store.commit(Batch(markets=(market(),)))
    bad = market("0x" + "b2" * 32, ("3", "3"))
    committed = store.commit(Batch(markets=(SWAPPED, bad)))

    assert committed.mapping_changed == (CONDITION,)
    assert len(ask(database, CONFLICTS)) == 1


@pytest.mark.parametrize(
    ("listed", "by", "opened"),
    [
        (SWAPPED, "acknowledged: looked at it", 1),
        (SWAPPED, "sources agree", 2),
        # No source tells the order of the tokens, so every clearance would open it again.
        (REVERSED, "sources agree", 1),
    ],
)
def test_a_listing_that_goes_on_after_the_end_of_a_contradiction(
    store: Store, database: str, listed: Market, by: str, opened: int
) -> None:
    store.commit(Batch(markets=(market(),)))
    store.commit(Batch(markets=(listed,)))
    do(database, "update resolution_conflicts set cleared_at = now(), cleared_by = %s", by)
    store.commit(Batch(markets=(listed,)))

    assert len(ask(database, CONFLICTS)) == opened


def test_names_that_a_resolution_proves_replace_those_of_a_listing(
    store: Store, database: str
) -> None:
    store.commit(Batch(markets=(SWAPPED,), resolutions=(resolution(),)))

    assert ask(database, ASSETS) == KNOWN


def test_a_name_about_which_the_sources_disagree_replaces_none(store: Store, database: str) -> None:
    bare = tuple(
        TokenPayout(token_id=each.token_id, outcome=None, payout=each.payout)
        for each in resolution().by_token
    )
    unsure = resolution(winning_outcome=None, by_token=bare)
    store.commit(Batch(markets=(market(),), resolutions=(unsure,)))

    assert ask(database, ASSETS) == KNOWN


def test_a_resolution_that_is_not_recorded_renames_nothing(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    other = resolution(by_token=tuple(
        TokenPayout(token_id=each.token_id, outcome=name, payout=each.payout)
        for each, name in zip(resolution().by_token, ("Up", "Down"), strict=True)
    ))  # fmt: skip
    store.commit(Batch(resolutions=(other,)))

    assert ask(database, ASSETS) == KNOWN
