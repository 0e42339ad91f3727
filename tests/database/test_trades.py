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


@pytest.mark.parametrize(
    ("since", "until", "width", "said"),
    [
        ("'2026-03-01'", "'infinity'", "'1 minute'", "finite times"),
        ("'-infinity'", "'2026-03-01'", "'1 minute'", "finite times"),
        ("'-infinity'", "'infinity'", "'1000 days'", "finite times"),
        ("null", "'2026-03-01'", "'1 minute'", "finite times"),
        ("'2026-03-01'", "null", "'1 minute'", "finite times"),
        ("'2026-03-01'", "'2026-03-02'", "null", "width"),
        ("'2026-03-01'", "'2026-03-02'", "'0'", "width"),
        ("'2026-03-01'", "'2026-03-02'", "'-1 minute'", "width"),
        ("'2026-03-01'", "'2026-03-02'", "'1 month'", "width"),
        ("'2026-03-01'", "'2026-03-02'", "'1 year -365 days'", "width"),
        ("'2026-03-01'", "'2028-03-01'", "'1 minute'", "1052640 buckets.*1000000"),
        ("'4000-01-01 BC'", "'290000-01-01'", "'1 microsecond'", "buckets"),
    ],
)
@pytest.mark.parametrize("is_constant", [True, False])
def test_what_candles_cannot_answer_is_an_error_and_no_work_without_end(
    store: Store, database: str, since: str, until: str, width: str, said: str, *, is_constant: bool
) -> None:
    store.commit(Batch(trades=(trade(10), trade(86_400 * 7))))
    given = f"{since}::timestamptz, {until}::timestamptz, {width}::interval"
    # One that the planner knows, and one that is known when it runs.
    query = f"select count(*) from candles('{YES}', {given})"  # noqa: S608 - those above
    if not is_constant:
        query = f"""select count(*) from (select {given} offset 0) as g (since, until, width)
            cross join lateral candles('{YES}', g.since, g.until, g.width)"""  # noqa: S608
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=said):
        ask(database, query)


def test_candles_of_a_million_buckets_and_of_no_time_are_answered(database: str) -> None:
    query = "select count(*) from candles('1', %s, %s, %s::interval)"
    days = 1_000_000 // 86_400
    assert ask(database, query, at(0), at(86_400 * days), "1 second") == [(86_400 * days,)]
    assert ask(database, query, at(60), at(0), "1 minute") == [(0,)]
    assert ask(database, query, at(0), at(60), "5 weeks") == [(1,)]


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
    for since, until in ((None, None), (at(0), None), (None, at(60))):  # NULL is no limit
        assert len(ask(database, query, one, since, until)) == 3


def test_a_transaction_is_found_with_and_without_its_0x_and_what_is_no_hash_is_an_error(
    store: Store, database: str
) -> None:
    store.commit(Batch(trades=(trade(1, transaction_hash="0x" + "ab" * 32),)))
    query = "select traded_at from trades_of_transaction(%s, %s, %s)"
    for given in ("ab" * 32, "0x" + "ab" * 32, "0X" + "AB" * 32):
        assert ask(database, query, given, at(0), at(60)) == [(at(1),)], given
    for wrong in ("a transaction", "0xzz", "0xabc", "", "0x"):
        with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
            ask(database, query, wrong, at(0), at(60))
        said = caught.value.diag.message_primary
        assert said == (
            "trades_of_transaction: a hash is hexadecimal, two digits a byte, with or without 0x,"
            f" not '{wrong}'"
        )
        assert "select" not in str(caught.value)
    assert ask(database, query, None, at(0), at(60)) == []


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
