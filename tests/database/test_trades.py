"""Trades and candles as readers query them."""

from decimal import Decimal

import pytest

from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.samples import NO, YES, at, market, trade
from tests.postgres import ask

pytestmark = pytest.mark.db


def test_candles_sum_up_trades_by_token_and_minute(store: Store, database: str) -> None:
    prices = {0: "0.30", 20: "0.50", 59: "0.10", 60: "0.40"}
    trades = [
        trade(second, price=Decimal(price), size=Decimal("1.5")) for second, price in prices.items()
    ]
    store.commit(Batch(trades=(*trades, trade(5, token_id=NO))))
    rows = ask(
        database,
        "select bucket, open, high, low, close, volume, trades from candles_1m"
        " join assets using (asset_key) where token_id = %s order by bucket",
        YES,
    )
    first = tuple(Decimal(each) for each in ("0.30", "0.50", "0.10", "0.10", "4.5"))
    second = tuple(Decimal(each) for each in ("0.40", "0.40", "0.40", "0.40", "1.5"))
    assert rows == [(at(0), *first, 3), (at(60), *second, 1)]


def test_a_trade_names_its_outcome_once_the_market_is_known(store: Store, database: str) -> None:
    store.commit(Batch(trades=(trade(token_id=NO),)))
    store.commit(Batch(markets=(market(),)))
    assert ask(database, "select outcome from trades") == [("No",)]


def test_the_trades_of_one_token_are_found_by_the_unique_key(store: Store, database: str) -> None:
    trades = tuple(trade(second, token_id=token) for second in range(500) for token in (YES, NO))
    store.commit(Batch(trades=trades))
    plan = ask(
        database,
        "explain select * from prints where asset_key = 1 and traded_at > %s and traded_at < %s",
        at(10),
        at(20),
    )
    assert any("prints_asset_key_traded_at_print_hash_key" in line for (line,) in plan)
