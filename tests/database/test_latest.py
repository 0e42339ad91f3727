"""What the database says of the last trades and resolutions, for people to see."""

from decimal import Decimal

import pytest

from actors.database.store import Store
from actors.health.latest import LatestHealth
from actors.messages import LatestStored
from actors.model.market import Asset
from actors.model.storage import Batch, TokenName
from actors.model.trade import ConditionId, TokenId
from tests.database.samples import CONDITION, NO, YES, market, resolution, trade
from tests.postgres import ask

pytestmark = pytest.mark.db

UNKNOWN = TokenId("9")
OTHER = ConditionId("0x" + "b2" * 32)


def test_tokens_are_named_as_far_as_they_are_known(store: Store) -> None:
    lone = trade(1, token_id=UNKNOWN, condition_id=OTHER)
    store.commit(Batch(markets=(market(),), trades=(trade(1), lone)))
    names, outcomes = store.named((YES, NO, UNKNOWN, TokenId("10")), ())
    assert {each.token_id: (each.slug, each.question, each.outcome) for each in names} == {
        YES: ("will-it-rain", "Will it rain?", "Yes"),
        NO: ("will-it-rain", "Will it rain?", "No"),
        UNKNOWN: (None, None, None),
    }
    assert outcomes == ()


def test_long_texts_are_cut(store: Store) -> None:
    long = "\N{GRINNING FACE}" * 5_000
    tokens = tuple(
        Asset(token_id=token, outcome=long + str(number), outcome_index=number)
        for number, token in enumerate((YES, NO))
    )
    store.commit(Batch(markets=(market(question=long, slug="s" * 5_000, assets=tokens),)))
    ((name,), _) = store.named((YES,), ())
    assert name == TokenName(token_id=YES, slug="s" * 200, question=long[:200], outcome=long[:200])


def test_a_resolution_is_told_as_it_is_stored(store: Store, database: str) -> None:
    split = (Decimal("0.5"), Decimal("0.5"))
    store.commit(
        Batch(
            markets=(market(),),
            resolutions=(
                resolution(),
                resolution(
                    ("3", "4"), condition_id=OTHER, kind="split", payouts=split,
                    winning_token_id=None, winning_outcome=None,
                ),
            ),
        )
    )  # fmt: skip
    _, outcomes = store.named((), (CONDITION, OTHER, ConditionId("0x" + "ff" * 32)))
    found = {each.condition_id: each for each in outcomes}
    assert (found[CONDITION].slug, found[CONDITION].winner) == ("will-it-rain", "Yes")
    assert (found[OTHER].slug, found[OTHER].question, found[OTHER].winner) == (None, None, "")
    ((recorded,),) = ask(
        database,
        "select (extract(epoch from recorded_at) * 1000)::bigint from resolutions"
        " where winning_token_id is not null",
    )
    assert found[CONDITION].recorded_at_ms == recorded


@pytest.mark.parametrize("text", ["0.330", "0.5", "1", "0.000000000001", "0.10"])
@pytest.mark.parametrize(
    "size", ["10.820819", "5", "1000000.000", "12345678901234567890.5", "1E+3"]
)
def test_price_and_size_are_shown_as_the_database_stores_them(
    store: Store, database: str, text: str, size: str
) -> None:
    sent = trade(1, price=Decimal(text), size=Decimal(size))
    store.commit(Batch(trades=(sent,)))
    latest = LatestHealth()
    latest.stored(LatestStored(trades=(sent,), names=(), resolutions=()))
    (shown,) = latest.part().trades
    stored = ask(database, "select price::text, size::text from tracker.trades")
    assert stored == [(shown.price, shown.size)]
