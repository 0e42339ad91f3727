"""Trades of very many days: each transaction has few of them, and what is stored stays stored."""

from collections import Counter
from uuid import UUID

import pytest

from actors.database import cache
from actors.database.commands import kept
from actors.database.commands.kept import BEGINNING, KeptMessage, KeptMessages, Step, Understood
from actors.database.insertion import insert_trades
from actors.database.session import Connection
from actors.database.store import Store
from actors.errors import StoreUnavailable
from actors.model.storage import Batch, Committed, RejectedRow
from actors.model.trade import Rejection, Trade
from tests.database.samples import YES, market, ns, trade, untimed
from tests.postgres import ask, do

pytestmark = pytest.mark.db

DAYS = 14
BOUND = 4


@pytest.fixture(autouse=True)
def _few_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make few days very many: each costs the server 20 ms or more."""
    for module in (cache, kept):
        monkeypatch.setattr(module, "DAYS_AT_ONCE", BOUND)


def on_days(days: int = DAYS, **changes: object) -> tuple[Trade, ...]:
    """Return a trade of each of so many days, the newest first, every seventh day left out."""
    return tuple(trade(-86_400 * day * 7 // 6, **changes) for day in range(days))


def rejection(seq: int = 1, payload: bytes = b"{}") -> RejectedRow:
    message = Rejection(reason="r", payload=payload, received_at_ns=ns(0))
    return RejectedRow(seq=seq, index=0, connection="a-0001", rejection=message)


def transactions(dsn: str) -> Counter[str]:
    """Return the transactions that stored trades, each with the number of days that it stored."""
    query = "select xmin::text, count(distinct traded_at::date) from tracker.trades group by 1"
    return Counter(dict(ask(dsn, query)))


def test_a_record_with_trades_of_very_many_days_is_stored_in_bounded_steps(
    store: Store, database: str
) -> None:
    batch = Batch(
        trades=(*on_days(), trade(1)),
        rejections=(rejection(),),
        markets=(market(),),
        watermark=2,
    )

    done = untimed(store.commit(batch))
    assert done == Committed(stored=DAYS + 1, duplicates=0, rejected=1, watermark=2)
    found = transactions(database)
    assert sum(found.values()) == DAYS
    assert max(found.values()) <= BOUND
    # Behind all the others, and with the newest day.
    query = """select (select xmin from tracker.journal_progress) = xmin from tracker.trades
        order by traded_at desc limit 1"""
    assert ask(database, query) == [(True,)]
    again = untimed(store.commit(batch))
    assert again == Committed(stored=0, duplicates=DAYS + 1, rejected=1, watermark=2)


def test_trades_keep_their_numbers_and_their_order_of_receipt_in_whatever_step(
    store: Store, database: str
) -> None:
    trades = on_days()
    origins = tuple((5, place) for place in range(DAYS))
    store.commit(Batch(trades=trades, origins=origins, watermark=2))

    found = ask(database, "select traded_at from trades order by sequence")
    assert [at for (at,) in found] == sorted((at for (at,) in found), reverse=True)
    assert ask(database, "select count(distinct sequence) from trades") == [(DAYS,)]


def test_what_was_stored_before_a_step_that_failed_counts_as_duplicates_when_it_comes_again(
    store: Store, database: str, journal_id: UUID
) -> None:
    do(database, "alter table tracker.journal_progress add constraint low check (mark < 2)")
    batch = Batch(trades=on_days(), markets=(market(),), watermark=2)
    with pytest.raises(StoreUnavailable):
        store.commit(batch)
    ((before,),) = ask(database, "select count(*) from trades")
    assert before == DAYS // BOUND * BOUND
    assert ask(database, "select count(*) from markets") == [(0,)]

    do(database, "alter table tracker.journal_progress drop constraint low")
    assert store.open(journal_id).watermark == 1
    assert untimed(store.commit(batch)) == Committed(
        stored=DAYS - before, duplicates=before, rejected=0, watermark=2
    )


def test_a_row_that_the_database_rejects_is_rejected_once_in_whatever_step(
    store: Store, database: str
) -> None:
    bad = tuple(trade(-86_400 * day, size=10, side="?") for day in (3, 19))
    batch = Batch(trades=(*on_days(), *bad), watermark=2)
    for stored in (DAYS, 0):
        committed = store.commit(batch)
        assert (committed.stored, committed.duplicates) == (stored, DAYS - stored)
        assert committed.rejected_rows == (("trade", 2),)
        assert "is_buy" in committed.rejected_because
    assert ask(database, "select count(*) from rejected_messages") == [(2,)]


def test_days_between_two_late_trades_are_not_locked_to_find_that_both_are_there(
    database: str,
) -> None:
    pair = (trade(0), trade(86_400 * 9))
    do(database, "insert into assets (token_id) values (%s)", YES)
    do(database, "select add_trade_day('2026-03-01'::date + n) from generate_series(0, 9) n")
    locked = """select count(distinct c.relname)
        from pg_locks l join pg_class c on c.oid = l.relation
        where l.pid = pg_backend_pid() and c.relname ~ '^trades_2..._.._..$'"""
    with Connection.connect(database, autocommit=True) as connection:
        found = []
        for _ in range(14):  # the server plans a statement otherwise after some executions
            with connection.transaction():
                insert_trades(connection, pair, [(0, 0)] * 2, {YES: 1}, 0)
                found.append(connection.execute(locked).fetchone())
    assert found == [(2,)] * 14


# ----------------------------------------------------------------- kept messages


def take_in(dsn: str, trades: tuple[Trade, ...]) -> Step:
    """Take in the one kept message, in which these trades are found."""

    def understand(_: KeptMessage) -> Understood:
        return Understood(trades)

    messages = KeptMessages(dsn)
    try:
        step = messages.step(0, BEGINNING, understand)
    finally:
        messages.close()
    assert step is not None
    return step


def test_a_kept_message_with_trades_of_very_many_days_is_taken_in_in_bounded_steps(
    store: Store, database: str
) -> None:
    trades = on_days()
    store.commit(Batch(trades=trades[:1], rejections=(rejection(),), watermark=2))
    step = take_in(database, (*trades, trades[5]))

    assert (step.taken_in, step.trades, step.stored) == (1, DAYS + 1, DAYS - 1)
    assert sum(transactions(database).values()) == DAYS
    assert max(transactions(database).values()) <= BOUND


def test_of_such_a_message_what_the_database_rejects_stays_kept_and_the_rest_is_stored(
    store: Store, database: str
) -> None:
    store.commit(Batch(rejections=(rejection(),), watermark=2))
    step = take_in(database, (*on_days(10), trade(-86_400, side="?")))

    assert (step.taken_in, step.stored) == (0, 10)
    assert [reason.partition(":")[0] for reason in step.left] == ["database rejected"]
    assert ask(database, "select count(*) from trades") == [(10,)]
