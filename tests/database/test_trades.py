"""Trades and candles as readers query them."""

from decimal import Decimal

import psycopg
import pytest

from actors.database.store import Store
from actors.model.facts import ListeningOpened, ListeningProven, TokensConfirmed
from actors.model.storage import Batch
from actors.model.trade import trade_hashes
from actors.writer.gather import FindingsBatch, TradeBatch, to_batch
from tests.database.samples import NO, YES, at, market, ns, trade
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
        """select bucket, open, high, low, close, volume, trades, listened
           from candles(%s, %s, %s)""",
        YES,
        at(0),
        at(180),
    )
    first = tuple(Decimal(each) for each in ("0.30", "0.50", "0.10", "0.10", "4.5"))
    second = tuple(Decimal(each) for each in ("0.40", "0.40", "0.40", "0.40", "1.5"))
    empty = (None, None, None, None, Decimal(0), 0, False)
    assert rows == [
        (at(0), *first, 3, False),
        (at(60), *second, 1, False),
        (at(120), *empty),
    ]


def test_candles_say_where_nothing_traded_and_where_nobody_listened(
    store: Store, database: str
) -> None:
    facts = (
        ListeningOpened(ns(0), "a-0001", 0),
        TokensConfirmed(1, ns(0), (YES,)),
        ListeningProven(((1, ns(600)),)),
    )
    store.commit(Batch(trades=(trade(30),), facts=tuple(enumerate(facts, 1))))
    rows = ask(
        database,
        "select bucket, trades, listened from candles(%s, %s, %s, interval '5 minutes')",
        YES,
        at(0),
        at(900),
    )
    assert rows == [(at(0), 1, True), (at(300), 0, True), (at(600), 0, False)]


def test_candles_begin_at_the_bucket_that_holds_their_first_moment(
    store: Store, database: str
) -> None:
    store.commit(Batch(trades=(trade(10),)))
    query = "select bucket, trades from candles(%s, %s, %s)"
    assert ask(database, query, YES, at(30), at(60)) == [(at(0), 1)]


def test_the_trades_of_a_transaction_are_found_among_those_of_a_few_days(
    store: Store, database: str
) -> None:
    one, other = "0x" + "ab" * 32, "0x" + "cd" * 32
    trades = [trade(second, transaction_hash=one if second < 3 else other) for second in range(6)]
    store.commit(Batch(trades=tuple(trades)))
    query = "select traded_at from trades_of_transaction(%s, %s, %s)"
    found = [at(0), at(1), at(2)]
    assert ask(database, query, one, at(0), at(60)) == [(each,) for each in found]
    assert ask(database, query, one, at(1), at(2)) == [(at(1),)]
    assert ask(database, "select * from trades_of_transaction(%s)", one) == []


def test_a_transaction_is_found_with_and_without_its_0x_and_what_is_no_hash_is_an_error(
    store: Store, database: str
) -> None:
    store.commit(Batch(trades=(trade(1, transaction_hash="0x" + "ab" * 32),)))
    query = "select traded_at from trades_of_transaction(%s, %s, %s)"
    for given in ("ab" * 32, "0x" + "ab" * 32, "0X" + "AB" * 32):
        assert ask(database, query, given, at(0), at(60)) == [(at(1),)], given
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="hexadecimal"):
        ask(database, query, "a transaction", at(0), at(60))


def test_trades_of_one_millisecond_keep_their_order_within_an_epoch(
    store: Store, database: str
) -> None:
    prices = [Decimal(number) / 100 for number in (30, 10, 20)]
    gathered = TradeBatch()
    for number, price in enumerate(prices):
        some = (trade(1, price=price),)
        gathered.add_frames(105 + number, "a-0001", some, trade_hashes(some), epoch=100)
    both = (trade(1, price=Decimal("0.5")), trade(1, price=Decimal("0.4")))
    gathered.add_frames(110, "a-0001", both, trade_hashes(both), epoch=100)
    store.commit(to_batch(gathered, FindingsBatch(), (), 1))
    query = "select price from trades where epoch = %s order by sequence"
    epoch = (1 << 44) + 100
    assert [price for (price,) in ask(database, query, epoch)] == [
        *prices,
        Decimal("0.5"),
        Decimal("0.4"),
    ]


def test_a_trade_of_any_day_has_its_place(store: Store, database: str) -> None:
    days = (0, 1, 400, 20 * 365)
    store.commit(Batch(trades=tuple(trade(86_400 * day) for day in days)))
    query = "select count(*) from trades"
    assert ask(database, query) == [(len(days),)]
    assert store.commit(Batch(trades=(trade(86_400),))).duplicates == 1


def test_a_trade_names_its_outcome_once_the_market_is_known(store: Store, database: str) -> None:
    store.commit(Batch(trades=(trade(token_id=NO),)))
    store.commit(Batch(markets=(market(),)))
    assert ask(database, "select outcome from trades") == [("No",)]


def test_a_few_seconds_of_one_token_are_found_by_the_unique_key(
    store: Store, database: str
) -> None:
    trades = tuple(trade(second, token_id=token) for second in range(500) for token in (YES, NO))
    store.commit(Batch(trades=trades))
    plan = ask(
        database,
        """explain select * from tracker.trades
           where asset_key = 1 and traded_at > %s and traded_at < %s""",
        at(10),
        at(20),
    )
    assert any("traded_at_asset_key_trade_hash_key" in line for (line,) in plan)
