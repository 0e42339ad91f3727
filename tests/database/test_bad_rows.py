"""A row that the database cannot hold is rejected; the rest of its batch is stored."""

from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import pytest

from actors.database.store import Store
from actors.errors import StorePoisoned
from actors.model.facts import ListeningOpened, ProcessAlive, TokensConfirmed
from actors.model.market import Event
from actors.model.storage import Batch, ConnectionEvent
from actors.model.trade import TokenId, Trade
from tests.database.samples import (
    CONDITION,
    DETAILS,
    YES,
    market,
    ns,
    observation,
    resolution,
    trade,
)
from tests.postgres import ask

pytestmark = pytest.mark.db

LONG = TokenId("".join(sha256(b"%d" % number).hexdigest() for number in range(150)))
"""Letters and digits that do not compress: no index holds so many."""

BAD_FIELDS: list[dict[str, Any]] = [
    {"price": Decimal("1.01")},
    {"price": Decimal(0)},
    {"price": Decimal("NaN")},
    {"size": Decimal(-1)},
    {"size": Decimal("Infinity")},
    {"size": Decimal("1E+200000")},
    {"side": "buy"},
    {"side": "BUY\x00"},
    {"fee_rate_bps": 2**31},
    {"fee_rate_bps": 2**63},
    {"occurrence": 0},
    {"occurrence": 2**31},
    {"occurrence": 2**15},
    {"traded_at_ms": 10**15},
    {"received_at_ns": 10**30},
    {"transaction_hash": "0xabc"},
    {"transaction_hash": "not hexadecimal"},
    {"trade_id": "\ud800"},
    {"trade_id": "\x00"},
    {"extra": "{"},
    {"extra": '{"a": "\\u0000"}'},
    {"token_id": TokenId("9\x00")},
    {"token_id": TokenId("9\udfff")},
    {"token_id": LONG},
]


@pytest.mark.parametrize("fields", BAD_FIELDS, ids=lambda fields: repr(fields)[:60])
def test_a_bad_trade_is_rejected_and_the_others_are_stored(
    store: Store, database: str, fields: dict[str, Any]
) -> None:
    trades = (*(trade(second) for second in range(5)), trade(9, **fields), trade(6))
    committed = store.commit(Batch(trades=trades, watermark=8))
    assert (committed.stored, committed.duplicates, committed.rejected) == (6, 0, 1)
    assert committed.watermark == 8
    ((reason, payload),) = ask(database, "select reason, payload from rejected_messages")
    assert reason.startswith("database rejected: ")
    assert b"BUY" in payload or b"buy" in payload


def test_a_bad_trade_that_comes_again_is_rejected_once(store: Store, database: str) -> None:
    batch = Batch(trades=(trade(), trade(1, size=Decimal(-1))))
    store.commit(batch)
    again = store.commit(batch)
    assert (again.stored, again.duplicates, again.rejected) == (0, 1, 1)
    assert ask(database, "select count(*) from rejected_messages") == [(1,)]


def test_a_rejection_holds_the_whole_trade(store: Store, database: str) -> None:
    bad = trade(price=Decimal("1.5"))
    store.commit(Batch(trades=(bad,)))
    ((payload,),) = ask(database, "select payload from rejected_messages")
    assert msgspec.json.decode(payload, type=type(bad)) == bad


def test_many_bad_trades_in_a_large_batch_are_all_found(store: Store) -> None:
    trades = tuple(
        trade(second, price=Decimal(2 if second % 101 == 0 else "0.5")) for second in range(1000)
    )
    committed = store.commit(Batch(trades=trades))
    assert (committed.stored, committed.rejected) == (990, 10)


def bad_trades(*seconds: int) -> tuple[Trade, ...]:
    return tuple(trade(second, price=Decimal(2)) for second in seconds)


def test_more_than_one_bad_row_in_a_hundred_stops_the_batch_and_nothing_is_rejected(
    store: Store, database: str, journal_id: UUID
) -> None:
    good = tuple(trade(second) for second in range(98))
    with pytest.raises(StorePoisoned, match=r"more than 1% of 100 trades.*trades_price_check"):
        store.commit(Batch(trades=(*good, *bad_trades(500, 501)), watermark=7))

    assert store.open(journal_id).watermark == 1
    assert ask(database, "select count(*) from tracker.trades") == [(0,)]
    assert ask(database, "select count(*) from rejected_messages") == [(0,)]
    more = tuple(trade(second) for second in range(200))
    assert store.commit(Batch(trades=(*more, *bad_trades(500, 501)), watermark=7)).rejected == 2


def test_bad_rows_of_a_small_batch_do_not_stop_it(store: Store) -> None:
    assert store.commit(Batch(trades=bad_trades(*range(90)))).rejected == 90


def test_more_than_a_hundred_rejections_in_a_row_are_too_many_in_batches_of_any_size(
    store: Store, database: str, journal_id: UUID
) -> None:
    for start in (0, 25, 50, 75):
        assert store.commit(Batch(trades=bad_trades(*range(start, start + 25)))).rejected == 25
    with pytest.raises(StorePoisoned, match="100 trades more than 1% over several batches"):
        store.commit(Batch(trades=bad_trades(200)))
    assert ask(database, "select count(*) from rejected_messages") == [(100,)]

    store.open(journal_id)
    assert store.commit(Batch(trades=bad_trades(200))).rejected == 1


def test_neither_facts_nor_a_few_stored_trades_end_a_series_of_bad_trades(
    store: Store, database: str
) -> None:
    def batch(start: int) -> Batch:
        alive = (start + 1, ProcessAlive(ns(start)))
        bad = bad_trades(*range(start, start + 3))
        return Batch(trades=(trade(1_000 + start), *bad), facts=(alive,), watermark=start + 2)

    def store_all() -> None:
        for start in range(0, 300, 3):
            store.commit(batch(start))

    with pytest.raises(StorePoisoned, match="several batches"):
        store_all()
    ((kept,),) = ask(database, "select count(*) from rejected_messages")
    assert kept <= 102


def test_a_lost_connection_ends_no_series_of_bad_trades(store: Store, journal_id: UUID) -> None:
    store.commit(Batch(trades=bad_trades(*range(60))))
    store.open(journal_id)
    with pytest.raises(StorePoisoned, match="several batches"):
        store.commit(Batch(trades=bad_trades(*range(60, 120))))


def test_new_tokens_of_a_halved_batch_keep_their_numbers(store: Store, database: str) -> None:
    trades = [trade(token_id=TokenId(str(10**20 + number))) for number in range(8)]
    trades[3] = trade(token_id=trades[3].token_id, side="?")
    store.commit(Batch(trades=tuple(trades)))
    store.commit(Batch(trades=tuple(trade(1, token_id=row.token_id) for row in trades)))
    assert ask(database, "select count(*), count(distinct token_id) from trades") == [(15, 8)]


def test_a_market_may_have_any_name(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(question="a\x00b\ud83d", tags=("t\x00",)),)))
    assert ask(database, "select question, tags from markets") == [("a\ufffdb\ufffd", ["t\ufffd"])]


def test_a_market_that_cannot_be_stored_is_rejected(store: Store, database: str) -> None:
    other = market("0x" + "b2" * 32, ("3", "4"), volume=Decimal("1E+200000"))
    store.commit(Batch(markets=(other, market())))
    assert ask(database, "select condition_id from markets") == [(CONDITION,)]
    assert ask(database, "select count(*) from rejected_messages") == [(1,)]


def test_what_no_index_holds_is_rejected_alone(store: Store, database: str) -> None:
    details = msgspec.structs.replace(DETAILS, event=Event(event_id=LONG))
    bad = {
        "event": market("0x" + "b1" * 32, ("3", "4"), details=details),
        "group": market(
            "0x" + "b2" * 32,
            ("5", "6"),
            details=msgspec.structs.replace(DETAILS, neg_risk_market_id=LONG),
        ),
        "condition": market(LONG, ("7", "8")),
        "token": market("0x" + "b4" * 32, (LONG, "9")),
    }
    wrong: dict[str, Any] = {"condition_id": LONG}
    other = TokenId("77")  # nothing else tells its condition
    event = ConnectionEvent(at_ns=ns(0), connection=LONG, event="e", reason="")
    for _ in range(2):  # the second time everything is known
        committed = store.commit(
            Batch(
                markets=(*bad.values(), market()),
                trades=(trade(), trade(1, token_id=other, **wrong), trade(2, token_id=LONG)),
                observations=(observation(**wrong), observation()),
                resolutions=(resolution(**wrong), resolution()),
                events=(event,),
                watermark=2,
            )
        )
    # Of observations the evidence of the resolution, which counts as unproven.
    rejected = {"market": 4, "trade": 2, "connection event": 1, "observation": 2}
    assert dict(committed.rejected_rows) == rejected
    assert [str(each) for each in committed.unproven] == [LONG]
    assert ask(database, "select condition_id from markets") == [(CONDITION,)]
    assert ask(database, "select condition_id from resolutions") == [(CONDITION,)]
    assert ask(database, "select count(*) from trades") == [(1,)]


@pytest.mark.parametrize(
    ("payload", "stored"),
    [
        ('{"a": "x\\u0000y"}', {"a": "x\ufffdy"}),
        ('{"a": "x\\\\u0000y"}', {"a": "x\\u0000y"}),
        ('{"a": "\\ud800"}', '{"a": "\\ud800"}'),
        ("<html>\x00", "<html>\ufffd"),
    ],
)
def test_evidence_is_stored_even_if_it_is_not_json(
    store: Store, database: str, payload: str, stored: object
) -> None:
    earlier = observation(observed_at_ms=5, payouts=None, reason="open")
    store.commit(Batch(observations=(observation(payload=payload), earlier)))
    query = "select payload from resolution_observations order by observed_at desc"
    assert ask(database, query)[0] == (stored,)
    assert ask(database, "select count(*) from resolution_observations") == [(2,)]


def test_a_resolution_of_impossible_shape_is_rejected(store: Store, database: str) -> None:
    store.commit(Batch(resolutions=(resolution(kind="maybe"),), markets=(market(),)))
    assert ask(database, "select count(*) from resolutions") == [(0,)]
    ((reason,),) = ask(database, "select reason from rejected_messages")
    assert "resolutions" in reason


def test_a_fact_that_cannot_be_stored_does_not_stop_the_others(store: Store, database: str) -> None:
    facts = (
        (1, ListeningOpened(ns(0), "a-0001", 0)),
        (2, TokensConfirmed(1, 10**30, (YES,))),
        (3, TokensConfirmed(1, ns(1), (YES,))),
    )
    event = ConnectionEvent(at_ns=10**30, connection="c", event="e", reason="")
    store.commit(Batch(facts=facts, events=(event,), watermark=4))
    assert ask(database, "select confirmed_seq from tracker.listening") == [(3,)]
    assert ask(database, "select count(*) from rejected_messages") == [(2,)]


def test_one_bad_row_does_not_undo_the_other_rows(store: Store, database: str) -> None:
    event = ConnectionEvent(at_ns=ns(0), connection="c", event="e", reason="")
    batch = Batch(
        trades=(trade(0), trade(1)),
        markets=(market(),),
        resolutions=(resolution(kind="maybe"),),
        events=(event,),
        watermark=3,
    )
    committed = store.commit(batch)
    assert (committed.stored, committed.duplicates, committed.watermark) == (2, 0, 3)
    tables = ("tracker.trades", "markets", "connection_events", "rejected_messages")
    assert [len(ask(database, f"select from {table}")) for table in tables] == [2, 1, 1, 1]
    assert store.commit(batch).duplicates == 2
