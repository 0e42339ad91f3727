"""Rows and watermark are stored exactly once, whatever comes again and whoever else writes."""

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from actors.database.store import Store
from actors.database.transaction import DEADLOCKS, Transaction
from actors.errors import SchemaMismatch, StoreUnavailable
from actors.model.facts import TokensWanted
from actors.model.storage import Batch, Committed, ConnectionEvent, RejectedRow
from actors.model.trade import Rejection, TokenId
from tests.database.samples import CONDITION, NO, YES, at, market, ns, trade, untimed
from tests.postgres import ask, do

pytestmark = pytest.mark.db

Opener = Callable[[UUID], Store]


NEW_MARKET = (
    "insert into markets (condition_id, question, slug, closed, active, neg_risk, version, tags)"
    " values (%s, '?', 's', false, true, false, 'v1', '{}')"
)


def watermark_of(database: str, journal_id: UUID) -> int:
    query = "select mark from tracker.journal_progress join tracker.journals using (journal_key)"
    return int(ask(database, query + " where journal_id = %s", journal_id)[0][0])


def test_a_trade_reads_back_as_it_was_stored(store: Store, database: str) -> None:
    store.commit(Batch(trades=(trade(3, extra='{"new": [1]}', trade_id="t-1"),)))
    rows = ask(
        database,
        "select traded_at, received_at, condition_id, token_id, outcome, price, size, side,"
        " fee_rate_bps, transaction_hash, occurrence, trade_id, extra from trades",
    )
    assert rows == [
        (
            *(at(3), at(3.005), CONDITION, YES, None, Decimal("0.330"), Decimal("10.820819")),
            *("BUY", 0, "0x" + "5f" * 32, 1, "t-1", {"new": [1]}),
        )
    ]


def test_fields_that_the_feed_left_out_are_null(store: Store, database: str) -> None:
    store.commit(Batch(trades=(trade(fee_rate_bps=None, transaction_hash=None),)))
    query = "select fee_rate_bps, transaction_hash, trade_id, extra from trades"
    assert ask(database, query) == [(None, None, None, None)]


def test_a_batch_committed_twice_is_stored_once(store: Store, database: str) -> None:
    batch = Batch(trades=tuple(trade(second) for second in range(50)), watermark=51)
    assert untimed(store.commit(batch)) == Committed(
        stored=50, duplicates=0, rejected=0, watermark=51
    )
    again = untimed(store.commit(batch))
    assert again == Committed(stored=0, duplicates=50, rejected=0, watermark=51)
    assert ask(database, "select count(*) from tracker.trades") == [(50,)]


def test_the_same_trade_twice_in_one_batch_is_stored_once_with_its_first_receipt(
    store: Store, database: str
) -> None:
    late, early = trade(1, received_at_ns=ns(9)), trade(1, received_at_ns=ns(2))
    assert store.commit(Batch(trades=(late, early))).duplicates == 1
    assert ask(database, "select received_at from trades") == [(at(2),)]


def test_an_equal_price_in_another_form_is_the_same_trade(store: Store) -> None:
    first, second = trade(price=Decimal("0.330")), trade(price=Decimal("0.33"))
    assert store.commit(Batch(trades=(first, second))).stored == 1


@pytest.mark.parametrize(
    "change",
    [
        {"occurrence": 2},
        {"side": "SELL"},
        {"size": Decimal("10.82081")},
        {"transaction_hash": None},
        {"token_id": NO},
        {"traded_at_ms": ns(0) // 1_000_000 + 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_trade_that_differs_in_one_field_is_another_row(
    store: Store, change: dict[str, Any]
) -> None:
    assert store.commit(Batch(trades=(trade(), trade(**change)))).stored == 2


def test_the_same_trades_may_come_in_any_order(store: Store) -> None:
    trades = [trade(second) for second in range(20)]
    stored = [
        store.commit(Batch(trades=tuple(trades[10:]))).stored,
        store.commit(Batch(trades=tuple(reversed(trades)))).stored,
        store.commit(Batch(trades=tuple(trades[:10]))).stored,
    ]
    assert stored == [10, 10, 0]


def test_the_watermark_moves_with_the_rows_and_never_back(
    store: Store, database: str, journal_id: UUID
) -> None:
    assert watermark_of(database, journal_id) == 1
    assert store.commit(Batch(watermark=7)).watermark == 7
    assert store.commit(Batch(watermark=3)).watermark == 7
    assert store.commit(Batch()).watermark == 7
    assert store.open(journal_id).watermark == watermark_of(database, journal_id) == 7


ALL_TRANSACTIONS = """
    select xmin::text from tracker.trades union select xmin::text from markets
    union select xmin::text from connection_events union select xmin::text from tracker.wanted
    union select xmin::text from tracker.journal_progress where mark > 1
"""


def test_a_batch_without_faults_costs_one_transaction_number(store: Store, database: str) -> None:
    event = ConnectionEvent(at_ns=ns(0), connection="c", event="e", reason="")
    store.commit(
        Batch(
            trades=(trade(),),
            markets=(market(),),
            facts=((1, TokensWanted(at_ns=ns(0), tokens=(YES,))),),
            events=(event,),
            watermark=2,
        )
    )
    assert len(ask(database, ALL_TRANSACTIONS)) == 1


def test_each_journal_has_its_own_watermark(store: Store, open_store: Opener) -> None:
    store.commit(Batch(watermark=7))
    assert open_store(UUID(int=2)).commit(Batch(watermark=3)).watermark == 3
    assert store.commit(Batch()).watermark == 7


def test_a_failed_batch_leaves_rows_and_watermark_unchanged(
    store: Store, database: str, journal_id: UUID
) -> None:
    do(database, "alter table tracker.journal_progress add check (mark < 5)")
    with pytest.raises(StoreUnavailable):
        store.commit(Batch(trades=(trade(),), watermark=6))
    assert ask(database, "select count(*) from trades") == [(0,)]
    assert store.open(journal_id).watermark == 1
    assert store.commit(Batch(trades=(trade(),), watermark=4)).stored == 1


def test_a_token_learned_in_a_failed_batch_is_numbered_again(
    store: Store, database: str, journal_id: UUID
) -> None:
    test_a_failed_batch_leaves_rows_and_watermark_unchanged(store, database, journal_id)
    assert ask(database, "select token_id from trades") == [(YES,)]


def test_two_writers_of_the_same_trades_wait_for_each_other(open_store: Opener) -> None:
    stores = [open_store(UUID(int=1)), open_store(UUID(int=2))]
    results: list[Committed] = []

    def write(store: Store) -> None:
        for start in range(0, 200, 20):
            trades = tuple(trade(second) for second in range(start, start + 20))
            results.append(store.commit(Batch(trades=trades, watermark=start + 20)))

    threads = [threading.Thread(target=write, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sum(each.stored for each in results) == 200
    assert sum(each.duplicates for each in results) == 200


def test_two_trackers_may_store_the_same_new_tokens_at_once(
    open_store: Opener, database: str
) -> None:
    tokens = [TokenId(str(10**20 + number)) for number in range(300)]
    stores = [open_store(UUID(int=1)), open_store(UUID(int=2))]
    orders = (tokens, tokens[::-1])
    failures: list[BaseException] = []

    def write(store: Store, order: list[TokenId]) -> None:
        try:
            for second in range(5):
                batch = Batch(trades=tuple(trade(second, token_id=token) for token in order))
                store.commit(batch)
        except BaseException as exc:  # noqa: BLE001 - shown by the assertion below
            failures.append(exc)

    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(stores, orders, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert ask(database, "select count(*), count(distinct token_id) from trades") == [(1500, 300)]


@pytest.mark.timeout(30)
def test_a_deadlock_with_another_tracker_is_no_database_that_is_away(
    store: Store, database: str
) -> None:
    """Both store a new market and its first trade in the same instant, in another order."""
    stored: list[Committed] = []
    batch = Batch(trades=(trade(),), markets=(market(),))
    writer = threading.Thread(target=lambda: stored.append(store.commit(batch)))
    with psycopg.connect(database) as other:
        # The one that waits for longer than its own timeout is ended: not this one.
        other.execute("set deadlock_timeout = '20s'")
        other.execute(NEW_MARKET, [CONDITION])
        writer.start()
        while not ask(database, "select from pg_locks where not granted"):
            pass
        other.execute("insert into assets (token_id) values (%s) on conflict do nothing", [YES])
    writer.join(timeout=20)
    assert [*map(untimed, stored)] == [Committed(stored=1, duplicates=0, rejected=0, watermark=1)]
    assert ask(database, "select token_id, outcome from trades") == [(YES, "Yes")]


def test_one_deadlock_after_another_is_an_error_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def deadlock(*_: object) -> int:
        tries.append(1)
        raise psycopg.errors.DeadlockDetected("deadlock detected")

    monkeypatch.setattr(Transaction, "_store_trades", deadlock)
    with pytest.raises(StoreUnavailable):
        store.commit(Batch(trades=(trade(),)))
    assert len(tries) == 1 + DEADLOCKS


def test_two_trackers_may_store_the_same_markets_at_once(open_store: Opener, database: str) -> None:
    conditions = [f"0x{number:064x}" for number in range(2_500)]
    stores = [open_store(UUID(int=1)), open_store(UUID(int=2))]
    orders = (conditions, conditions[::-1])
    failures: list[BaseException] = []

    def write(store: Store, order: list[str], volume: int) -> None:
        try:
            for more in range(3):
                markets = [
                    market(each, (each[-9:], f"9{each[-9:]}"), volume=Decimal(volume + more))
                    for each in order
                ]
                store.commit(Batch(markets=tuple(markets)))
        except BaseException as exc:  # noqa: BLE001 - shown by the assertion below
            failures.append(exc)

    threads = [
        threading.Thread(target=write, args=(store, order, volume))
        for store, order, volume in zip(stores, orders, (10, 20), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert ask(database, "select count(*), (select count(*) from assets) from markets") == [
        (2_500, 5_000)
    ]
    assert ask(
        database, "select deadlocks from pg_stat_database where datname = current_database()"
    ) == [(0,)]


def test_new_tokens_are_numbered_in_their_order_however_many_are_known(
    store: Store, database: str
) -> None:
    # Otherwise two trackers with the same new tokens may deadlock.
    for known, new in ((0, 1000), (1000, 1010), (1010, 3000)):
        tokens = tuple(TokenId(f"{number * 7919 % 10007:05}") for number in range(new))
        store.commit(Batch(facts=((1, TokensWanted(at_ns=ns(0), tokens=tokens)),)))
        do(database, "analyze assets")
        query = f"select token_id from assets order by asset_key offset {known}"  # noqa: S608
        numbered = [token for (token,) in ask(database, query)]
        assert numbered == sorted(tokens[known:])


@pytest.mark.parametrize(("known", "named"), [(50, 10), (200, 20), (2000, 1500)])
def test_known_tokens_are_locked_in_their_order_to_be_named(
    store: Store, database: str, known: int, named: int
) -> None:
    # For the same reason: a writer that waits for one has locked all before it and none after.
    tokens = [TokenId(f"{number:05}") for number in range(known)]
    for seq, some in enumerate((tokens[known // 2 :], tokens[: known // 2]), 1):
        store.commit(Batch(facts=((seq, TokensWanted(at_ns=ns(0), tokens=tuple(some))),)))
    do(database, "analyze assets")
    chosen = tokens[:: known // named][:named]
    held = chosen[named // 3]
    trades = tuple(trade(1, token_id=token) for token in reversed(chosen))
    writer = threading.Thread(target=store.commit, args=(Batch(trades=trades),))
    with psycopg.connect(database) as other:
        other.execute("select from assets where token_id = %s for update", [held])
        writer.start()
        while not ask(database, "select from pg_locks where not granted"):
            pass
        left = "select token_id from assets for update skip locked"
        free = {token for (token,) in ask(database, left)}
    writer.join(timeout=60)
    assert [token for token in chosen if token not in free] == chosen[: named // 3 + 1]


def test_a_rejection_is_kept_verbatim_and_once(store: Store, database: str) -> None:
    payload = b'{"price":"\x00\xff"}'
    rejection = Rejection(reason="price out of range", payload=payload, received_at_ns=ns(1))
    rows = tuple(
        RejectedRow(seq=9, index=index, connection="a-0001", rejection=rejection)
        for index in (0, 1)
    )
    assert untimed(store.commit(Batch(rejections=rows))) == Committed(
        stored=0, duplicates=0, rejected=2, watermark=1
    )
    store.commit(Batch(rejections=rows))
    kept = ask(database, "select received_at, connection, reason, payload from rejected_messages")
    assert kept == [(at(1), "a-0001", "price out of range", payload)] * 2


def test_a_rejection_is_kept_with_what_a_later_version_must_know(
    store: Store, database: str
) -> None:
    rejection = Rejection(reason="r", payload=b"{", received_at_ns=ns(1), occurrence=3)
    row = RejectedRow(seq=9, index=0, connection="a-0001", rejection=rejection)
    rows = (
        row,
        replace(row, index=1, epoch=7),
        replace(row, index=2, epoch=7, doubts=(None,)),
        replace(row, index=3, epoch=7, doubts=(YES,)),
    )
    store.commit(Batch(rejections=rows))
    query = "select epoch, occurrence, doubt, taken_in_at from rejected_messages order by index"
    kept = [(None, 3, None, None), (7, 3, None, None), (7, 3, "*", None), (7, 3, YES, None)]
    assert ask(database, query) == kept


def test_an_event_stored_again_after_a_broken_commit_is_kept_once(
    store: Store, database: str
) -> None:
    event = ConnectionEvent(
        at_ns=ns(1), connection="c", event="ended", reason="bad\x00\ud800 words"
    )
    store.commit(Batch(events=(event,)))
    store.commit(Batch(events=(event,)))
    rows = ask(database, "select at, connection, event, reason from connection_events")
    assert rows == [(at(1), "c", "ended", "bad\ufffd\ufffd words")]


def test_a_token_gets_its_condition_from_the_first_row_that_names_it(
    store: Store, database: str
) -> None:
    query = "select condition_id, outcome, outcome_index from assets where token_id = %s"
    store.commit(Batch(facts=((1, TokensWanted(ns(0), (YES,))),)))
    assert ask(database, query, YES) == [(None, None, None)]
    store.commit(Batch(trades=(trade(),)))
    assert ask(database, query, YES) == [(CONDITION, None, None)]
    store.commit(Batch(markets=(market(),)))
    assert ask(database, query, YES) == [(CONDITION, "Yes", 0)]


def test_a_closed_store_is_unavailable(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        store.commit(Batch())


def test_a_database_without_a_schema_is_not_opened(empty_database: str, journal_id: UUID) -> None:
    store = Store(empty_database)
    with pytest.raises(SchemaMismatch, match="--migrate"):
        store.open(journal_id)


def test_a_commit_says_how_long_it_took_and_how_old_each_new_row_is(store: Store) -> None:
    first = store.commit(Batch(trades=(trade(1), trade(2), trade(2)), watermark=3))
    assert 0 < first.took_s < 30
    # The copy of a trade, in the same batch or in a later one, is no row.
    assert sum(first.ages.counts) == first.stored == 2
    again = store.commit(Batch(trades=(trade(2), trade(3)), watermark=5))
    assert sum(again.ages.counts) == again.stored == 1
    assert first.ages.counts[-1] == 2  # the trades of the samples are months old
    assert first.ages.sum_s > 2 * again.took_s


def test_the_age_of_a_row_is_measured_at_the_commit(database: str, journal_id: UUID) -> None:
    store = Store(database, wall_ns=lambda: ns(1) + 70_000_000)
    try:
        store.open(journal_id)
        done = store.commit(Batch(trades=(trade(1),), watermark=2))
    finally:
        store.close()
    assert done.ages.sum_s == pytest.approx(0.07, abs=0.001)
