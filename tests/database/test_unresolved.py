"""Every market without a resolution is remembered, and those that ended are found again."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from actors.database import queries
from actors.database.store import Store
from actors.model.facts import ProcessStopped, TokensWanted
from actors.model.market import Market
from actors.model.storage import Batch, Unresolved
from actors.model.trade import ConditionId
from tests.database.samples import CONDITION, NO, YES, at, market, ns, resolution, trade
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

START = ConditionId("")
OTHER = ConditionId("0x" + "b2" * 32)
REMEMBERED = "select condition_id from tracker.unresolved order by 1"


def test_a_market_is_remembered_until_it_has_its_resolution(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(), market(OTHER, ("3", "4")))))
    assert ask(database, REMEMBERED) == [(CONDITION,), (OTHER,)]
    store.commit(Batch(resolutions=(resolution(),)))
    store.commit(Batch(markets=(market(closed=True),), trades=(trade(1),)))

    assert ask(database, REMEMBERED) == [(OTHER,)]


def test_a_market_and_its_resolution_in_one_batch_leave_nothing(
    store: Store, database: str
) -> None:
    store.commit(Batch(markets=(market(),), trades=(trade(1),), resolutions=(resolution(),)))

    assert ask(database, REMEMBERED) == []


def test_a_condition_that_only_trades_name_is_remembered(store: Store, database: str) -> None:
    store.commit(Batch(trades=(trade(1),)))
    assert ask(database, REMEMBERED) == [(CONDITION,)]
    assert store.unresolved_after(START) == Unresolved()


def test_what_another_tracker_left_behind_goes_when_the_resolution_is_sent_again(
    store: Store, database: str
) -> None:
    """It stored the market while the resolution was being recorded."""
    store.commit(Batch(resolutions=(resolution(),)))
    do(database, "insert into tracker.unresolved values (%s)", CONDITION)
    assert store.unresolved_after(START) == Unresolved()
    store.commit(Batch(resolutions=(resolution(),)))

    assert ask(database, REMEMBERED) == []


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"closed": True}, True),
        ({"end_at": at(0)}, True),
        ({"end_at": at(10**9)}, False),
        ({}, False),
        ({"closed": True, "end_at": at(10**9)}, True),
    ],
)
def test_a_market_has_ended_when_it_is_closed_or_its_planned_end_is_over(
    store: Store, changes: dict[str, Any], *, ended: bool
) -> None:
    given = market(**changes)
    store.commit(Batch(markets=(given,)))

    assert store.unresolved_after(START) == Unresolved(markets=(given,) if ended else ())


def test_it_does_not_matter_who_wants_its_tokens(
    store: Store, open_store: Callable[[UUID], Store]
) -> None:
    wanted = TokensWanted(at_ns=ns(0), tokens=(YES, NO))
    closed = market(closed=True)
    store.commit(Batch(markets=(closed,), facts=((1, wanted),), watermark=2))
    gone = open_store(UUID(int=2))
    gone.commit(Batch(facts=((1, wanted), (2, ProcessStopped(at_ns=ns(1)))), watermark=3))

    assert store.unresolved_after(START).markets == (closed,)
    assert gone.unresolved_after(START).markets == (closed,)


def test_a_market_without_named_tokens_cannot_be_asked_about(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(closed=True),)))
    do(database, "update assets set outcome = null, outcome_index = null")

    assert store.unresolved_after(START) == Unresolved()


def test_ranges_follow_each_other_until_the_last(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.database.reading.UNRESOLVED_MARKETS", 2)
    given = tuple(
        market(f"0x{number:064x}", (f"{number}1", f"{number}2"), closed=number != 3)
        for number in range(1, 6)
    )
    store.commit(Batch(markets=given))
    found: list[Market] = []
    sizes, after = [], START
    while True:
        step = store.unresolved_after(after)
        found += step.markets
        sizes.append(len(step.markets))
        if step.until is None:
            break
        after = step.until

    assert found == [each for each in given if each.closed]
    assert sizes == [2, 1, 1]


# ------------------------------------------------------------------ many markets

MANY = (
    """insert into markets (condition_id, question, slug, closed, active, neg_risk, version, tags)
    select '0x' || md5(n::text), '', '', true, true, false, 'v1', '{}'
    from generate_series(1, 30000) n""",
    """insert into assets (token_id, condition_id, outcome, outcome_index)
    select 't' || n || s, '0x' || md5(n::text), case s when 0 then 'Yes' else 'No' end, s
    from generate_series(1, 30000) n, generate_series(0, 1) s""",
    """insert into resolutions
    select '0x' || md5(n::text), 'winner', 't' || n || 0, 'Yes', '{1,0}', now(), now(), '{gamma}'
    from generate_series(1, 28000) n""",
)
"""Make 30,000 markets that are over, 2,000 of them without a resolution."""


@pytest.fixture(scope="module")
def many(server: Server, template: str) -> Iterator[str]:
    """Return a database that is only read."""
    with server.database(template) as dsn:
        for command in MANY:
            do(dsn, command)
        do(dsn, "insert into unresolved select condition_id from markets m where not exists"
           " (select from resolutions r where r.condition_id = m.condition_id)")  # fmt: skip
        do(dsn, "vacuum analyze")
        yield dsn


@pytest.mark.parametrize("query", ["SELECT_UNRESOLVED", "SELECT_OPEN_MARKETS"])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_a_step_reads_a_range_of_an_index_and_no_table(many: str, query: str, mode: str) -> None:
    explain = b"explain (analyze, buffers, format json) " + getattr(queries, query)
    given: dict[str, Any] = {"after": "0x8", "limit": 100}
    with psycopg.connect(many, prepare_threshold=0) as connection:
        connection.execute(f"set plan_cache_mode = {mode}".encode())
        row = connection.execute(explain, given).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]

    assert "Seq Scan" not in str(plan)
    # At most four looks of four pages for each market of the step, whatever the tables hold.
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < given["limit"] * 16
