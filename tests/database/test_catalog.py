"""Markets, resolutions and evidence are stored once and read back as they were stored."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from actors.database import columns, queries
from actors.database.store import Store
from actors.model.conversion import instant_of_ms
from actors.model.facts import TokensUnwanted, TokensWanted
from actors.model.market import Contradiction, Observation, Source
from actors.model.storage import Batch
from tests.database.samples import (
    CONDITION,
    NO,
    YES,
    at,
    market,
    ns,
    observation,
    resolution,
    trade,
)
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

SAID_MS = 1_791_000_000_000


def open_ids(store: Store) -> list[str]:
    return [each.condition_id for chunk in store.open_markets() for each in chunk]


def test_a_market_reads_back_as_it_was_stored(store: Store) -> None:
    full = market(
        gamma_id="501",
        end_at=datetime(2026, 4, 1, tzinfo=UTC),
        started_at=datetime(2026, 2, 1, 1, 2, 3, 456000, tzinfo=UTC),
        neg_risk=True,
        version="v2",
        volume=Decimal("12345678901234567890.123456789"),
        tags=("sports", "nfl"),
        active=False,
    )
    bare = market("0x" + "b2" * 32, ("3", "4"))
    store.commit(Batch(markets=(full, bare)))
    assert list(store.open_markets()) == [(full, bare)]


def test_the_last_version_of_a_market_counts(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(question="old"), market(question="new"))))
    assert ask(database, "select question from markets") == [("new",)]
    store.commit(Batch(markets=(market(closed=True, slug="s"),)))
    assert ask(database, "select closed, slug from markets") == [(True, "s")]


def test_an_unchanged_market_does_not_change_its_row(store: Store, database: str) -> None:
    query = "select m.xmin, a.xmin from markets m join assets a using (condition_id)"
    store.commit(Batch(markets=(market(),)))
    before = ask(database, query)
    store.commit(Batch(markets=(market(),)))
    assert ask(database, query) == before


def test_naming_a_few_tokens_does_not_read_the_whole_table(database: str) -> None:
    do(
        database,
        "insert into assets (token_id, condition_id) select n, n from generate_series(1, 100000) n",
    )
    do(database, "vacuum analyze assets")
    with psycopg.connect(database) as connection:
        given = columns.named([market()])
        plan = connection.execute(b"explain " + queries.UPSERT_ASSETS, given).fetchall()
    assert not any("Seq Scan on assets" in line for (line,) in plan)
    assert any("assets_token_id_key" in line for (line,) in plan)


def test_known_tokens_use_up_no_numbers(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(),)))
    for number in range(5):
        store.commit(Batch(markets=(market(volume=Decimal(number)),), trades=(trade(number),)))
    store.commit(Batch(markets=(market("0x" + "b2" * 32, ("3", "4")),)))
    assert ask(database, "select max(asset_key) from assets") == [(4,)]


def test_open_markets_come_in_pages_and_each_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.database.store._PAGE_ROWS", 2)
    markets = tuple(
        market(f"0x{number:064x}", (f"{number}1", f"{number}2")) for number in range(1, 6)
    )
    store.commit(Batch(markets=markets))
    assert [len(chunk) for chunk in store.open_markets()] == [2, 2, 1]
    assert tuple(each for chunk in store.open_markets() for each in chunk) == markets


def test_a_closed_market_is_read_back_while_a_token_of_it_is_wanted(store: Store) -> None:
    store.commit(Batch(markets=(market(closed=True),)))
    assert open_ids(store) == []
    store.commit(Batch(facts=((1, TokensWanted(ns(0), (NO,))),)))
    assert open_ids(store) == [CONDITION]
    store.commit(Batch(facts=((2, TokensUnwanted(ns(1), (NO,))),)))
    assert open_ids(store) == []


OVER = (
    """insert into markets
      (condition_id, question, slug, closed, active, neg_risk, version, tags)
    select '0x' || md5(n::text), '', '', true, true, false, 'v1', '{}'
    from generate_series(1, 20000) n""",
    """insert into assets (token_id, condition_id, outcome, outcome_index)
    select 't' || n, '0x' || md5(n::text), 'Yes', 0 from generate_series(1, 20000) n""",
    """insert into resolutions
    select '0x' || md5(n::text), 'winner', 't' || n, 'Yes', '{1}', now(), now(), '{gamma}'
    from generate_series(1, 20000) n""",
    """insert into tracker.wanted
    select w.journal_key, a.asset_key, 2, 3, now(), now()
    from assets a, (select max(journal_key) as journal_key from tracker.journals) w
    where a.token_id like 't%'""",
)
"""Make 20,000 markets that are closed and resolved, and were wanted."""


@pytest.fixture(scope="module")
def past(server: Server, template: str) -> Iterator[str]:
    """Return a database with many markets that are over, and few that are not; it is only read."""
    today = tuple(market(f"0x{number:064x}", (f"{number}1", f"{number}2")) for number in range(9))
    closing = market("0x" + "c" * 64, (YES, NO), closed=True)
    tokens = tuple(each.token_id for one in (*today, closing) for each in one.assets)
    with server.database(template) as dsn:
        with opened(dsn) as store:
            wanted = TokensWanted(ns(0), tokens)
            store.commit(Batch(markets=(*today, closing), facts=((1, wanted),)))
        for command in OVER:
            do(dsn, command)
        do(dsn, "vacuum analyze")
        yield dsn


@contextlib.contextmanager
def opened(dsn: str) -> Iterator[Store]:
    with contextlib.closing(Store(dsn)) as store:
        store.open(UUID(int=1))
        yield store


def scanned(plan: dict[str, Any]) -> set[str]:
    """Return the tables that a plan reads from end to end."""
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set[str]()
    return found.union(*map(scanned, plan.get("Plans", ())))


@pytest.mark.parametrize("query", ["SELECT_OPEN_MARKETS", "SELECT_WANTED_MARKETS"])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_what_is_over_costs_a_start_no_time(past: str, query: str, mode: str) -> None:
    given = {"journal": 1, "after": "" if query == "SELECT_OPEN_MARKETS" else 0, "limit": 1000}
    explain = b"explain (analyze, buffers, format json) " + getattr(queries, query)
    with psycopg.connect(past, prepare_threshold=0) as connection:
        connection.execute(f"set plan_cache_mode = {mode}".encode())
        row = connection.execute(explain, given).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    assert scanned(plan) <= {"unresolved"}  # it is one page here
    # 9 of 20,009 markets; one scan of the whole index of markets alone would be 200 pages.
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 300


def test_a_start_reads_what_is_open_first_and_what_is_closed_and_wanted_once(past: str) -> None:
    with opened(past) as store:
        open_ones, closed = store.open_markets()
    assert len(open_ones) == 9
    assert [(each.condition_id, each.closed) for each in closed] == [("0x" + "c" * 64, True)]


def test_a_token_that_is_not_wanted_any_more_takes_no_memory_and_keeps_its_number(
    store: Store, database: str
) -> None:
    store.commit(Batch(trades=(trade(0, token_id=YES),), facts=((1, TokensWanted(ns(0), (YES,))),)))
    store.commit(Batch(facts=((2, TokensUnwanted(ns(1), (YES,))),)))
    assert YES not in store._tokens._known
    store.commit(Batch(trades=(trade(1, token_id=YES),)))
    assert ask(database, "select count(distinct asset_key), count(*) from tracker.trades") == [
        (1, 2)
    ]


def test_a_market_with_a_resolution_is_not_read_back(store: Store) -> None:
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    assert open_ids(store) == []


def test_a_resolution_reads_back_as_it_was_stored(store: Store, database: str) -> None:
    store.commit(Batch(resolutions=(resolution(),)))
    rows = ask(
        database,
        "select condition_id, kind, winning_token_id, winning_outcome, payouts, resolved_at,"
        " sources, recorded_at between now() - interval '1 minute' and now() from resolutions",
    )
    payouts = [Decimal(1), Decimal(0)]
    sources = ["gamma", "clob"]
    assert rows == [(CONDITION, "winner", YES, "Yes", payouts, at(0), sources, True)]


def test_a_split_has_no_winner(store: Store, database: str) -> None:
    half = Decimal("0.5")
    split = resolution(
        kind="split", winning_token_id=None, winning_outcome=None, payouts=(half, half)
    )
    store.commit(Batch(resolutions=(split,)))
    assert ask(database, "select kind, winning_token_id, payouts from resolutions") == [
        ("split", None, [half, half])
    ]


def test_the_first_resolution_stays_and_a_different_one_is_stored_as_a_conflict(
    store: Store, database: str
) -> None:
    other = resolution(winning_token_id=NO, winning_outcome="No", payouts=(Decimal(0), Decimal(1)))
    store.commit(Batch(resolutions=(resolution(),)))
    store.commit(Batch(resolutions=(resolution(resolved_at_ms=9),)))
    assert ask(database, "select count(*) from resolution_conflicts") == [(0,)]
    for _ in range(2):
        store.commit(Batch(resolutions=(other,)))
    assert ask(database, "select winning_token_id from resolutions") == [(YES,)]
    query = "select condition_id, recorded, observed, source from resolution_conflicts"
    assert ask(database, query) == [(CONDITION, f"winner {YES}", f"winner {NO}", "verdict")]


def test_of_two_resolutions_in_one_batch_one_is_stored(store: Store, database: str) -> None:
    other = resolution(winning_token_id=NO, winning_outcome="No", payouts=(Decimal(0), Decimal(1)))
    store.commit(Batch(resolutions=(resolution(), other)))
    assert ask(database, "select winning_token_id from resolutions") == [(YES,)]
    assert ask(database, "select count(*) from resolution_conflicts") == [(1,)]


def test_the_origin_of_an_observation_reads_back(store: Store, database: str) -> None:
    mapped = observation(
        source=Source.DATA, mapped_by=(Source.GAMMA,), generated_at_ms=SAID_MS - 7_000
    )
    plain = observation()
    store.commit(Batch(observations=(mapped, plain)))
    found = {each.source: each for each in store.stored_evidence([CONDITION]).observations}
    assert found[Source.DATA].mapped_by == (Source.GAMMA,)
    assert found[Source.DATA].generated_at_ms == SAID_MS - 7_000
    assert (found[Source.GAMMA].mapped_by, found[Source.GAMMA].generated_at_ms) == ((), None)
    # The same outcome, known by itself now.
    own = observation(source=Source.DATA, observed_at_ms=mapped.observed_at_ms + 1)
    store.commit(Batch(observations=(own,)))
    query = "select mapped_by from resolution_observations where source = 'data' order by 1 desc"
    assert ask(database, query) == [(["gamma"],), ([],)]


def test_an_observation_that_repeats_the_one_before_of_its_source_is_not_stored(
    store: Store, database: str
) -> None:
    def said(source: Source, second: int, reason: str) -> Observation:
        return observation(
            source=source, payouts=None, reason=reason, observed_at_ms=SAID_MS + 1000 * second
        )

    gamma = [said(Source.GAMMA, 0, "open"), said(Source.GAMMA, 2, "proposed")]
    store.commit(Batch(observations=(gamma[0], said(Source.DATA, 1, "open"))))
    # A process that does not know what is stored; and a change back, in one transaction.
    again = said(Source.GAMMA, 1, "open")
    back = said(Source.GAMMA, 3, "open")
    store.commit(Batch(observations=(again, gamma[1], said(Source.GAMMA, 4, "open"), back)))
    store.commit(Batch(observations=(said(Source.GAMMA, 5, "open"), said(Source.DATA, 6, "open"))))
    store.commit(Batch(observations=(gamma[0], gamma[1], back)))  # sent again

    query = "select source, observed_at, reason from resolution_observations order by 1, 2"
    assert [(row[0], row[1], row[2]) for row in ask(database, query)] == [
        ("data", instant_of_ms(SAID_MS + 1000), "open"),
        ("gamma", instant_of_ms(SAID_MS), "open"),
        ("gamma", instant_of_ms(SAID_MS + 2000), "proposed"),
        ("gamma", instant_of_ms(SAID_MS + 3000), "open"),
    ]


@pytest.mark.parametrize("table", ["resolutions", "resolution_observations"])
@pytest.mark.parametrize(
    "command", ["update {} set condition_id = 'x'", "delete from {}", "truncate {}"]
)
def test_resolutions_and_evidence_cannot_be_changed(
    store: Store, database: str, table: str, command: str
) -> None:
    store.commit(Batch(resolutions=(resolution(),), observations=(observation(),)))
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        do(database, command.format(table))
    assert set(ask(database, f"select condition_id from {table}")) == {(CONDITION,)}  # noqa: S608 - two constants


def test_evidence_is_stored_once_with_its_outcome(store: Store, database: str) -> None:
    final, open_ = (
        observation(),
        observation(source=Source.CLOB, payouts=None, reason="no winner flag", payload="[1]"),
    )
    store.commit(Batch(observations=(final, open_)))
    store.commit(Batch(observations=(open_, final)))
    rows = ask(
        database,
        "select condition_id, source, observed_at, verdict, reason, payouts, payload"
        " from resolution_observations order by source",
    )
    assert rows == [
        (CONDITION, "clob", at(0), "not final", "no winner flag", None, [1]),
        (CONDITION, "gamma", at(0), f"winner {YES}", "", [[YES, "1"], [NO, "0"]], {"closed": True}),
    ]


def test_a_contradiction_is_stored_once_however_often_it_is_found(
    store: Store, database: str
) -> None:
    for second in (1, 1, 2):
        contradiction = Contradiction(
            condition_id=CONDITION,
            detected_at_ms=ns(second) // 1_000_000,
            recorded="winner 1",
            observed="split",
            source=Source.CHAIN,
        )
        store.commit(Batch(contradictions=(contradiction,)))
    assert ask(database, "select detected_at, source from resolution_conflicts") == [
        (at(1), "chain")
    ]
