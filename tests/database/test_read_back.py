"""Promise: the last evidence on outcomes survives a restart, exactly as it was stored."""

from decimal import Decimal

import psycopg
import pytest
from psycopg import sql

from actors.database.store import Store
from actors.model.market import (
    RECHECKS_MS,
    Contradiction,
    ContradictionKind,
    MarketState,
    Source,
    StoredEvidence,
    TimeWindow,
    Transition,
)
from actors.model.storage import Batch
from actors.model.trade import ConditionId
from tests.database.samples import CONDITION, NO, YES, at, market, ns, observation, resolution
from tests.postgres import ask, do

pytestmark = pytest.mark.db

OTHER = ConditionId("0x" + "b2" * 32)
T0 = ns(0) // 1_000_000


def step(at_ms: int, standing: MarketState, condition: ConditionId = CONDITION) -> Transition:
    return Transition(
        condition_id=condition,
        at_ms=at_ms,
        before=MarketState.OPEN,
        after=standing,
        reason="why not",
    )


def clash(source: Source = Source.CLOB) -> Contradiction:
    return Contradiction(
        condition_id=CONDITION,
        detected_at_ms=T0,
        recorded=f"winner {YES}",
        observed=f"winner {NO}",
        source=source,
    )


def test_the_last_observation_of_each_source_reads_back_as_it_was_stored(store: Store) -> None:
    first = observation(observed_at_ms=T0, payouts=None, reason="proposed")
    last = observation(observed_at_ms=T0 + 1)
    chain = observation(source=Source.CHAIN, observed_at_ms=T0, payouts=None, reason="not reported")
    store.commit(
        Batch(
            observations=(first, last, chain, observation(condition_id=OTHER)),
            transitions=(step(T0, MarketState.PROPOSED), step(T0 + 1, MarketState.HOLDING)),
        )
    )
    evidence = store.stored_evidence([CONDITION])
    bare = {each.source: each for each in evidence.observations}
    assert set(bare) == {Source.GAMMA, Source.CHAIN}
    assert bare[Source.GAMMA].payouts == ((YES, Decimal(1)), (NO, Decimal(0)))
    assert bare[Source.GAMMA].observed_at_ms == T0 + 1
    assert (bare[Source.CHAIN].payouts, bare[Source.CHAIN].reason) == (None, "not reported")
    assert evidence.states == ((CONDITION, MarketState.HOLDING, T0 + 1),)
    assert evidence.contradicted == ()


def test_a_market_that_was_contradicted_is_named(store: Store) -> None:
    store.commit(Batch(contradictions=(clash(),)))
    assert store.stored_evidence([CONDITION, OTHER]).contradicted == (CONDITION,)
    assert store.stored_evidence([]) == StoredEvidence()


def test_what_a_person_has_acknowledged_is_named_with_both_reports(
    store: Store, database: str
) -> None:
    found = clash()
    store.commit(Batch(contradictions=(found,)))
    assert store.stored_evidence([CONDITION]).acknowledged == ()
    do(
        database,
        "update resolution_conflicts set cleared_at = now(), cleared_by = 'acknowledged: seen'",
    )
    pair = frozenset((found.recorded, found.observed))
    said = store.stored_evidence([CONDITION, OTHER])
    assert said.acknowledged == ((CONDITION, ContradictionKind.OUTCOME, pair),)
    assert said.contradicted == (CONDITION,)


def recorded(store: Store, dsn: str, count: int) -> tuple[list[ConditionId], int]:
    """Record resolutions; return their markets and when the database stored them, in ms."""
    ids = [ConditionId(f"0x{number:064x}") for number in range(1, count + 1)]
    store.commit(
        Batch(
            markets=tuple(
                market(each, (f"{number}1", f"{number}2"), version="v2")
                for number, each in enumerate(ids, start=1)
            ),
            resolutions=tuple(resolution(condition_id=each) for each in ids),
        )
    )
    ((at_ms,),) = ask(
        dsn, "select distinct (extract(epoch from recorded_at) * 1000)::bigint from resolutions"
    )
    return ids, at_ms


def due(store: Store, since_ms: int | None, until_ms: int) -> list[str]:
    window = TimeWindow(since_ms, until_ms)
    return [
        each.resolution.condition_id
        for chunk in store.resolutions_to_check(window)
        for each in chunk
    ]


@pytest.mark.parametrize("stage_ms", RECHECKS_MS)
def test_a_recheck_falls_due_at_each_age_and_at_no_other(
    store: Store, database: str, stage_ms: int
) -> None:
    ids, at_ms = recorded(store, database, 1)
    due_ms = at_ms + stage_ms
    assert due(store, due_ms - 1_000, due_ms + 1_000) == ids
    assert due(store, due_ms + 1_000, due_ms + 60_000) == []
    assert due(store, due_ms - 60_000, due_ms - 1_000) == []


def test_a_long_time_is_asked_about_part_by_part(store: Store, database: str) -> None:
    part_ms, day_ms = 900_000, 86_400_000
    assert store.recheck_window(TimeWindow(T0, T0 + 5)) == TimeWindow(T0, T0 + 5)
    assert store.recheck_window(TimeWindow(T0, T0 + day_ms)) == TimeWindow(T0, T0 + part_ms)
    # Nothing was seen to so far, so nothing is overdue.
    assert store.recheck_window(TimeWindow(None, T0)) == TimeWindow(T0, T0)

    store.commit(Batch(observations=(observation(),)))
    ((at_ms,),) = ask(
        database,
        "select (extract(epoch from max(recorded_at)) * 1000)::bigint from resolution_observations",
    )
    since_ms = at_ms - 600_000
    assert store.recheck_window(TimeWindow(None, at_ms + day_ms)) == TimeWindow(
        since_ms, since_ms + part_ms
    )
    much_later_ms = at_ms + 40 * day_ms
    since_ms = much_later_ms - 30 * day_ms
    assert store.recheck_window(TimeWindow(None, much_later_ms)) == TimeWindow(
        since_ms, since_ms + part_ms
    )


def test_rechecks_come_in_pages_and_each_resolution_once(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.database.store._PAGE_ROWS", 2)
    ids, at_ms = recorded(store, database, 5)
    until_ms = at_ms + RECHECKS_MS[-1] + 1_000
    assert due(store, at_ms, until_ms) == ids  # although all six ages lie in it
    sizes = [len(chunk) for chunk in store.resolutions_to_check(TimeWindow(at_ms, until_ms))]
    assert sizes == [2, 2, 1]


def test_a_recheck_comes_with_market_and_contradictions(store: Store, database: str) -> None:
    ids, at_ms = recorded(store, database, 1)
    doubt = Contradiction(
        condition_id=ids[0],
        detected_at_ms=T0,
        recorded="split",
        observed="winner 12",
        source=Source.CLOB,
    )
    store.commit(Batch(contradictions=(doubt,)))
    ((found,),) = store.resolutions_to_check(TimeWindow(at_ms, at_ms + RECHECKS_MS[0] + 1_000))
    assert found.resolution == resolution(condition_id=ids[0], evidence=())
    assert found.market.token_ids == ("11", "12")
    assert found.market.version == "v2"
    assert (found.recorded_at_ms, found.due_at_ms) == (at_ms, at_ms + RECHECKS_MS[0])
    assert found.contradicted_by == ((Source.CLOB, "winner 12"),)


def test_a_new_process_starts_ten_minutes_before_the_last_stored_evidence(
    store: Store, database: str
) -> None:
    assert due(store, None, T0 + 1_000) == []  # no evidence at all: no process ran before
    ids, at_ms = recorded(store, database, 1)
    first = at_ms + RECHECKS_MS[0]
    assert due(store, None, first + 1_000) == ids


def test_unresolved_markets_have_their_state_and_a_reason(store: Store, database: str) -> None:
    third, fourth = (ConditionId("0x" + pair * 32) for pair in ("c3", "d4"))
    store.commit(
        Batch(
            markets=(
                market(end_at=at(0)),
                market(OTHER, ("3", "4"), end_at=at(10**9)),
                market(third, ("5", "6"), closed=True),
                market(fourth, ("7", "8"), end_at=at(0)),
            ),
            observations=(
                observation(payouts=None, reason="proposed"),
                observation(source=Source.DATA, observed_at_ms=T0 + 7),
            ),
            transitions=(step(T0, MarketState.ENDED), step(T0 + 1, MarketState.PROPOSED)),
            resolutions=(resolution(condition_id=fourth),),
        )
    )
    rows = ask(
        database,
        "select condition_id, ended_at, state, reason, last_observed_at from unresolved_markets"
        " order by 1",
    )
    assert rows == [
        (
            CONDITION,
            at(0),
            "proposed",
            f"data: winner {YES}; gamma: proposed",
            at(0.007),
        ),
        (third, None, "ended", "not asked yet", None),
    ]
    store.commit(Batch(transitions=(step(T0, MarketState.HOLDING, OTHER),)))
    query = "select ended_at, state from unresolved_markets where condition_id = %s"
    assert ask(database, query, OTHER) == [(at(0), "agreed-holding")]  # it ended before its time


def test_neither_the_services_role_nor_a_superuser_can_change_resolutions(
    store: Store, database: str
) -> None:
    store.commit(Batch(resolutions=(resolution(),), observations=(observation(),)))
    role = sql.Identifier("tracker_writer_of_a_test")
    with psycopg.connect(database, autocommit=True) as connection:
        run = connection.execute
        run(sql.SQL("create role {}").format(role))
        try:
            # As a person would grant it who trusts the service with everything but the schema.
            run(sql.SQL("grant all on all tables in schema public to {}").format(role))
            for who in (sql.SQL("set role {}").format(role), sql.SQL("reset role")):
                run(who)
                for table in ("resolutions", "resolution_observations"):
                    for command in ("update {} set recorded_at = now()", "delete from {}"):
                        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                            run(sql.SQL(command).format(sql.Identifier(table)))
                    with pytest.raises(psycopg.errors.RestrictViolation):
                        run(sql.SQL("truncate {}").format(sql.Identifier(table)))
                assert run("select count(*) from resolutions").fetchone() == (1,)
            run(sql.SQL("set role {}").format(role))
            run(
                "insert into resolutions select 'x', kind, winning_token_id, winning_outcome,"
                " payouts, resolved_at, now(), sources from resolutions"
            )
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                run("alter table resolutions disable trigger append_only")
        finally:
            run("reset role")
            run(sql.SQL("drop owned by {}").format(role))
            run(sql.SQL("drop role {}").format(role))
