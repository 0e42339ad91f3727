"""When trading of a market ended, as `market_coverage` has it, may be learned late and change.

A market closes, is opened again, closes another time; it is stored, gets a token or resolves after
its day was computed. Each time the row says that it is not known, until it is computed again.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from actors.database.store import Store
from actors.model.facts import (
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessStarted,
    ProcessStopped,
    TokensConfirmed,
    TokensWanted,
)
from actors.model.storage import Batch
from tests.database.samples import CONDITION, NO, YES, market
from tests.database.test_market_days import H, _three_days_ago, at, compute, ns, row
from tests.postgres import ask, connected, do

pytestmark = pytest.mark.db

__all__ = ["_three_days_ago"]  # a fixture of every test here
END = 60 * H
ROW = "select complete, computed_at is not null from market_coverage where day = %s"
RESOLVES = """insert into resolutions (condition_id, kind, payouts, resolved_at, sources)
    values (%s, 'split', '{0.5,0.5}', %s, '{}')"""
INSERTS = """insert into markets (condition_id, question, slug, closed, active, neg_risk, version,
      tags, closed_time) values (%s, 'q', 's', true, false, false, 'v1', '{}', %s)"""


def heard(store: Store, *gap: float, end: float = END, tokens: tuple[Any, ...] = (YES, NO)) -> None:
    """Let a market be listened to from one o'clock on, but for a gap."""
    facts: list[Any] = [ProcessStarted(ns(0), "host", "1"), TokensWanted(ns(H), tokens)]
    begin = H
    for until in (*gap[:1], end):
        epoch = len(facts) + 1
        facts.append(ListeningOpened(ns(begin), "a-0001", 0))
        facts.append(TokensConfirmed(epoch, ns(begin), tokens))
        facts.append(ListeningProven(((epoch, ns(until)),)))
        facts.append(ListeningClosed(epoch, ns(until), ns(until), "reset"))
        begin = gap[1] if gap else 0
    facts.append(ProcessStopped(ns(END)))
    store.commit(Batch(facts=tuple(enumerate(facts, 1)), watermark=len(facts) + 1))


def known(store: Store, **more: Any) -> None:
    store.commit(Batch(markets=(market(**more),)))


def learn(database: str, second: float, *, closed: bool) -> None:
    """Let it be learned at a time that a market is closed, or is not."""
    with connected(database) as db, db.transaction():
        history = "insert into market_history values (%s, %s, jsonb_build_object('closed', %s))"
        db.execute(history, (CONDITION, at(second), closed))
        db.execute("alter table markets disable trigger keep_history")
        db.execute("update markets set closed = %s", (closed,))
        db.execute("alter table markets enable trigger keep_history")


def said(database: str) -> tuple[bool, bool] | None:
    """Return what the row of the first day says: whether complete, and whether it is known."""
    found = ask(database, ROW, at(0).date())
    return (found[0][0], found[0][1]) if found else None


def now_and_then(store: Store, database: str) -> tuple[bool, bool]:
    """Return what the row says once it is computed again, which is what the function says."""
    before = said(database)
    compute(store, database)
    after = said(database)
    assert before is not None
    assert after is not None
    assert after == (row(database)[0], True)
    assert before in {(False, False), after}, "it said what was not so"
    return after


def test_an_end_that_is_learned_to_be_later_takes_the_row_back(store: Store, database: str) -> None:
    known(store)
    heard(store, 13 * H, 14 * H)
    learn(database, 12 * H, closed=True)
    compute(store, database)
    assert said(database) == (True, True)
    do(database, "update markets set closed_time = %s", at(33 * H))
    assert now_and_then(store, database) == (False, True)


def test_a_resolution_at_a_later_time_takes_the_row_back(store: Store, database: str) -> None:
    known(store)
    heard(store, 13 * H, 14 * H)
    learn(database, 12 * H, closed=True)
    compute(store, database)
    do(database, RESOLVES, CONDITION, at(33 * H))
    assert now_and_then(store, database) == (False, True)


def test_an_end_that_is_told_to_be_later_takes_the_row_back(store: Store, database: str) -> None:
    known(store)
    heard(store, 13 * H, 14 * H)
    do(database, "update markets set closed = true, closed_time = %s", at(12 * H))
    compute(store, database)
    assert said(database) == (True, True)
    do(database, "update markets set closed_time = %s", at(33 * H))
    assert now_and_then(store, database) == (False, True)
    do(database, "update markets set closed_time = %s", at(12 * H))
    assert now_and_then(store, database) == (True, True)


@pytest.mark.parametrize("closed_time", [False, True])
def test_a_market_that_is_opened_again_goes_on(
    store: Store, database: str, closed_time: bool
) -> None:
    known(store)
    heard(store, 13 * H, 14 * H)
    learn(database, 12 * H, closed=True)
    if closed_time:
        do(database, "update markets set closed_time = %s", at(12 * H))
    compute(store, database)
    assert said(database) == (True, True)
    learn(database, 12.5 * H, closed=False)
    assert now_and_then(store, database) == (False, True)


def test_of_a_market_that_closes_twice_the_last_time_counts(store: Store, database: str) -> None:
    known(store)
    heard(store, 13 * H, 14 * H)
    learn(database, 12 * H, closed=True)
    compute(store, database)
    learn(database, 12.5 * H, closed=False)
    compute(store, database)
    do(database, "update markets set closed = true")  # which is learned now
    assert now_and_then(store, database) == (False, True)


@pytest.mark.parametrize("is_named", [True, False])
def test_a_token_that_is_found_late_takes_the_rows_of_its_market_back(
    store: Store, database: str, is_named: bool
) -> None:
    if not is_named:
        do(database, "insert into assets (token_id) values (%s)", NO)
    known(store, tokens=(YES,))
    heard(store, tokens=(YES,))
    compute(store, database)
    assert said(database) == (True, True)
    known(store)
    assert said(database) == (False, False)
    assert now_and_then(store, database) == (False, True)


def test_a_market_that_is_stored_late_and_was_closed_takes_its_rows_back(
    store: Store, database: str
) -> None:
    query = "insert into assets (token_id, condition_id) values (%s, %s)"
    do(database, query, YES, CONDITION)
    heard(store, end=12 * H, tokens=(YES,))
    compute(store, database)
    assert said(database) == (False, True), "the tracker stopped listening while it went on"
    do(database, INSERTS, CONDITION, at(12 * H))
    assert now_and_then(store, database) == (True, True)


def test_new_markets_mark_nothing(store: Store, database: str) -> None:
    heard(store)
    compute(store, database)
    other = "0x" + "b2" * 32
    known(store, condition_id=other, tokens=("8", "9"), closed=True)
    do(database, RESOLVES, other, datetime.now(UTC))
    assert ask(database, "select count(*) from changed_market_days") == [(0,)]


def test_triggers_that_ask_the_history_of_a_market_fire_when_it_is_written(database: str) -> None:
    """Those of one kind fire in the order of their names."""
    query = """select tgname::text from pg_trigger
        where tgrelid = 'markets'::regclass and not tgisinternal order by 1"""
    first, *others = [name for (name,) in ask(database, query)]
    assert (first, others) == ("keep_history", ["mark_late_close", "mark_late_market"])
