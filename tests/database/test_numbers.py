"""A batch whose numbers do not add up is not acknowledged: nothing of it is stored."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import cast
from uuid import UUID

import pytest

from actors.database import binary_copy, queries
from actors.database.binary_copy import sorted_chunks
from actors.database.cache import RecentTrades
from actors.database.commands.kept import BEGINNING, KeptMessages, Understood
from actors.database.insertion import insert_trades
from actors.database.session import Connection
from actors.database.store import Store
from actors.database.transaction import adds_up
from actors.errors import StoreMiscounts
from actors.model.storage import Batch, Committed, RejectedRow
from actors.model.trade import Rejection, Trade, trade_hashes
from tests.database.samples import YES, ns, trade
from tests.postgres import ask, do

KEYS: dict[str, int] = {YES: 7}

AFTER_A_CONFLICT = """
    create function lose_rows() returns trigger language plpgsql as $$
    begin
      if exists (select from tracker.trades p where (p.asset_key, p.traded_at, p.trade_hash)
                                          = (new.asset_key, new.traded_at, new.trade_hash)) then
        perform set_config('test.met', txid_current()::text, false);
      elsif current_setting('test.met', true) = txid_current()::text then
        return null;
      end if;
      return new;
    end $$;
    create trigger lose before insert on tracker.trades for each row execute function lose_rows();
"""
"""As TimescaleDB 2.18.0 does: what comes behind the first known row is left out."""

BIG_ONES = """
    create function lose_rows() returns trigger language plpgsql as $$
    begin
      return case when new.size < 1000 then new end;
    end $$;
    create trigger lose before insert on tracker.trades for each row execute function lose_rows();
"""


def tables(database: str) -> list[tuple[int, ...]]:
    return ask(
        database,
        "select (select count(*) from tracker.trades), (select count(*) from rejected_messages),"
        " (select max(mark) from tracker.journal_progress)",
    )


@pytest.mark.db
def test_rows_that_are_lost_behind_a_known_one_are_noticed_and_nothing_is_acknowledged(
    store: Store, database: str, journal_id: UUID
) -> None:
    store.commit(Batch(trades=(trade(1),), watermark=2))
    do(database, AFTER_A_CONFLICT)
    again = Batch(trades=tuple(trade(second) for second in range(10)), watermark=12)
    store.open(journal_id)
    with pytest.raises(StoreMiscounts, match=r"8 of 10 trades"):
        store.commit(again)
    assert tables(database) == [(1, 0, 2)]

    do(database, "drop trigger lose on tracker.trades")
    assert store.open(journal_id).watermark == 2
    assert store.commit(again).stored == 9


@pytest.mark.db
def test_rows_that_copy_loses_are_noticed(store: Store, database: str, journal_id: UUID) -> None:
    do(database, BIG_ONES)
    some = (trade(1), trade(2, size=Decimal(1000)), trade(3))
    with pytest.raises(StoreMiscounts, match="2 of 3 trades"):
        store.commit(Batch(trades=some, watermark=2))
    assert tables(database) == [(0, 0, 1)]
    assert store.open(journal_id).watermark == 1


@pytest.mark.db
def test_they_are_noticed_in_a_batch_with_a_bad_row_too(store: Store, database: str) -> None:
    do(database, BIG_ONES)
    some = (trade(1), trade(2, side="buy"), trade(3, size=Decimal(1000)))
    with pytest.raises(StoreMiscounts):
        store.commit(Batch(trades=some, watermark=2))
    assert tables(database) == [(0, 0, 1)]


@pytest.mark.db
def test_they_are_noticed_where_kept_messages_are_taken_in(store: Store, database: str) -> None:
    kept = Rejection(reason="r", payload=b"x", received_at_ns=ns(1))
    row = RejectedRow(seq=2, index=0, connection="c", rejection=kept)
    store.commit(Batch(rejections=(row,), watermark=3))
    do(database, BIG_ONES)
    messages = KeptMessages(database)
    with pytest.raises(StoreMiscounts):
        messages.step(0, BEGINNING, lambda _: Understood(trades=(trade(2, size=Decimal(1000)),)))
    messages.close()
    assert ask(database, "select count(taken_in_at) from rejected_messages") == [(0,)]


@pytest.mark.db
def test_rejections_that_are_lost_are_noticed(store: Store, database: str) -> None:
    do(
        database,
        BIG_ONES.replace("tracker.trades", "rejected_messages").replace("new.size < 1000", "false"),
    )
    kept = Rejection(reason="r", payload=b"x", received_at_ns=ns(1))
    row = RejectedRow(seq=2, index=0, connection="c", rejection=kept)
    with pytest.raises(StoreMiscounts, match="rejections"):
        store.commit(Batch(rejections=(row,), watermark=3))
    assert tables(database) == [(0, 0, 1)]


@pytest.mark.db
def test_rejections_that_come_again_are_not_lost(store: Store, database: str) -> None:
    rows = tuple(
        RejectedRow(
            seq=seq,
            index=0,
            connection="c",
            rejection=Rejection(reason="r", payload=b"%d" % seq, received_at_ns=ns(1)),
        )
        for seq in (-1, 1, 2)
    )
    for count in (2, 3, 3):
        assert store.commit(Batch(rejections=rows[:count], watermark=3)).rejected == count
    assert ask(database, "select count(*) from rejected_messages") == [(3,)]


@pytest.mark.db
def test_a_watermark_that_did_not_move_is_noticed(store: Store, database: str) -> None:
    do(
        database,
        "create function stay() returns trigger language plpgsql as"
        " $$ begin new.mark := old.mark; return new; end $$;"
        " create trigger stay before update on tracker.journal_progress"
        " for each row execute function stay()",
    )
    with pytest.raises(StoreMiscounts, match="watermark"):
        store.commit(Batch(trades=(trade(1),), watermark=2))
    assert tables(database) == [(0, 0, 1)]


class LyingDriver:
    """A connection whose server reports these numbers; there is none."""

    def __init__(self, rowcount: int, missing: int | None = 0) -> None:
        self.rowcount = rowcount
        self._missing = missing

    def execute(self, _query: bytes, _given: object, **_options: object) -> "LyingDriver":
        return self

    def fetchone(self) -> tuple[int] | None:
        return None if self._missing is None else (self._missing,)

    def cursor(self) -> "AbstractContextManager[LyingDriver]":
        return nullcontext(self)

    def copy(self, _query: bytes) -> "AbstractContextManager[LyingDriver]":
        return nullcontext(self)

    def write(self, _data: bytes) -> None:
        """Do nothing."""


def copied(driver: LyingDriver, rows: Sequence[Trade]) -> int:
    unknown = [(0, 0)] * len(rows)
    chunks = sorted_chunks(rows, [*trade_hashes(rows)], unknown, KEYS, RecentTrades())
    return binary_copy.copy(cast(Connection, driver), queries.COPY_TRADES, chunks, 0)


def inserted(driver: LyingDriver, rows: Sequence[Trade]) -> int:
    return insert_trades(cast(Connection, driver), rows, [(0, 0)] * len(rows), KEYS, 0)


ROWS = tuple(trade(second) for second in range(5))


@pytest.mark.parametrize("reported", [-1, 0, 4, 6, 10**9])
def test_copy_must_report_as_many_rows_as_it_was_given(reported: int) -> None:
    with pytest.raises(StoreMiscounts, match=rf"{reported} of 5 trades"):
        copied(LyingDriver(reported), ROWS)
    assert copied(LyingDriver(5), ROWS) == 5


@pytest.mark.parametrize("reported", [-1, -5, 6, 10**9])
def test_insert_must_report_no_more_rows_than_it_was_given(reported: int) -> None:
    with pytest.raises(StoreMiscounts, match=rf"{reported} of 5 trades"):
        inserted(LyingDriver(reported), ROWS)


@pytest.mark.parametrize("missing", [1, 5, -1, None])
def test_what_insert_has_not_stored_must_be_there(missing: int | None) -> None:
    with pytest.raises(StoreMiscounts):
        inserted(LyingDriver(3, missing), ROWS)


@pytest.mark.parametrize("reported", range(6))
def test_numbers_that_add_up_are_taken(reported: int) -> None:
    assert inserted(LyingDriver(reported), ROWS) == reported


def test_no_trade_needs_no_server() -> None:
    assert inserted(LyingDriver(7), ()) == 0


@pytest.mark.parametrize(
    ("numbers", "right"),
    [
        ((2, 1, 2), True),
        ((5, 0, 0), True),
        ((2, 2, 2), False),
        ((6, -1, 0), False),
        ((-1, 6, 0), False),
    ],
)
def test_a_commit_adds_up_or_not(numbers: tuple[int, int, int], right: bool) -> None:
    stored, duplicates, rejected = numbers
    committed = Committed(stored=stored, duplicates=duplicates, rejected=rejected, watermark=1)
    assert adds_up(committed, given=5) is right
