"""A contradiction is one row while it is open, and it ends."""

import psycopg
import pytest

from actors.database import queries
from actors.database.store import Store
from actors.model.market import Clearance, Contradiction, ContradictionKind, Source
from actors.model.storage import Batch
from actors.model.trade import ConditionId
from tests.database.samples import CONDITION, at, market, ns, resolution
from tests.postgres import ask, connected, do

pytestmark = pytest.mark.db

OTHER = ConditionId("0x" + "b2" * 32)
SEEN = "acknowledged: seen"
OUTCOME, MAPPING = ContradictionKind.OUTCOME, ContradictionKind.MAPPING
ROWS = """select detected_at, recorded, observed, source, kind, cleared_at, cleared_by
    from resolution_conflicts order by detected_at, source"""


def clash(second: int, source: Source = Source.CLOB, **changes: object) -> Contradiction:
    given: dict[str, object] = {
        "condition_id": CONDITION,
        "detected_at_ms": ns(second) // 1_000_000,
        "recorded": "winner 1",
        "observed": "winner 2",
        "source": source,
        **changes,
    }
    return Contradiction(**given)  # type: ignore[arg-type]


def clearance(second: int, kind: ContradictionKind = OUTCOME) -> Clearance:
    return Clearance(
        condition_id=CONDITION,
        kind=kind,
        cleared_at_ms=ns(second) // 1_000_000,
        reason="sources agree",
    )


def test_the_same_contradiction_is_one_row_whoever_tells_it_from_whichever_side(
    store: Store, database: str
) -> None:
    store.commit(Batch(contradictions=(clash(1),)))
    other_side = clash(2, Source.GAMMA, recorded="winner 2", observed="winner 1")
    store.commit(Batch(contradictions=(other_side, clash(3, Source.DATA))))
    store.commit(Batch(contradictions=(clash(4, observed="split"), clash(5, kind=MAPPING))))

    found = [(row[0], row[2], row[4]) for row in ask(database, ROWS)]
    assert found == [
        (at(1), "winner 2", "outcome"),
        (at(4), "split", "outcome"),
        (at(5), "winner 2", "mapping"),
    ]


def test_two_trackers_that_find_it_at_once_open_one_row(store: Store, database: str) -> None:
    store.commit(Batch(contradictions=(clash(1), clash(1, Source.DATA), clash(1, Source.GAMMA))))
    assert len(ask(database, ROWS)) == 1


def test_a_contradiction_of_each_kind_may_be_found_in_one_answer(
    store: Store, database: str
) -> None:
    named = clash(1, kind=MAPPING, recorded="Yes", observed="No")
    store.commit(Batch(contradictions=(clash(1), named)))

    assert [row[4] for row in ask(database, ROWS)] == ["outcome", "mapping"]


def test_what_was_known_does_not_change_when_a_contradiction_or_its_end_is_stored_late(
    store: Store, database: str
) -> None:
    """Both happened before the time that is asked about, and are stored behind an outage."""
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    present = "select clock_timestamp()"
    contested = "select array_agg(distinct contested) from labels_as_of(%s)"
    ((before,),) = ask(database, present)
    store.commit(Batch(contradictions=(clash(1),)))
    ((open_at,),) = ask(database, present)
    store.commit(Batch(clearances=(clearance(2),)))
    ((ended_at,),) = ask(database, present)

    found = [ask(database, contested, each)[0][0] for each in (before, open_at, ended_at)]
    assert found == [[False], [True], [False]]
    ((detected_at, cleared_at, recorded_at, ended_recorded_at),) = ask(
        database,
        """select detected_at, cleared_at, recorded_at, clearance_recorded_at
        from resolution_conflicts""",
    )
    assert (detected_at, cleared_at) == (at(1), at(2))
    assert before < recorded_at < open_at < ended_recorded_at < ended_at
    given = {"conditions": [CONDITION]}
    with connected(database) as base:
        kept = [
            base.execute(queries.SELECT_DATASET_CONFLICTS, {**given, "as_of": each}).fetchall()
            for each in (before, open_at, ended_at, None)
        ]
    assert [[row[2:] for row in rows] for rows in kept] == [
        [],
        [(recorded_at, None)],
        [(recorded_at, ended_recorded_at)],
        [(recorded_at, ended_recorded_at)],
    ]


def test_a_clearance_ends_what_is_open_of_its_kind(store: Store, database: str) -> None:
    store.commit(
        Batch(contradictions=(clash(1), clash(2, observed="split"), clash(3, kind=MAPPING)))
    )
    store.commit(Batch(clearances=(clearance(9),)))

    assert [(row[4], row[5], row[6]) for row in ask(database, ROWS)] == [
        ("outcome", at(9), "sources agree"),
        ("outcome", at(9), "sources agree"),
        ("mapping", None, None),
    ]


def test_what_comes_back_after_its_end_is_a_new_row(store: Store, database: str) -> None:
    store.commit(Batch(contradictions=(clash(1),)))
    store.commit(Batch(clearances=(clearance(2),)))
    store.commit(Batch(contradictions=(clash(3),)))

    assert [(row[0], row[5]) for row in ask(database, ROWS)] == [(at(1), at(2)), (at(3), None)]


def test_in_one_batch_an_end_counts_for_what_was_found_before_it(
    store: Store, database: str
) -> None:
    store.commit(Batch(contradictions=(clash(1),)))
    back = Batch(contradictions=(clash(3),), clearances=(clearance(2),))
    store.commit(back)
    store.commit(Batch(contradictions=(clash(5, observed="split"),), clearances=(clearance(6),)))

    assert [(row[0], row[5]) for row in ask(database, ROWS)] == [
        (at(1), at(2)),
        (at(3), at(6)),
        (at(5), at(6)),
    ]


def test_what_is_sent_again_changes_nothing(store: Store, database: str) -> None:
    """Also what was left out, because the same contradiction was open then."""
    batches = (
        Batch(contradictions=(clash(1),)),
        Batch(contradictions=(clash(2, Source.DATA),)),
        Batch(clearances=(clearance(3),)),
        Batch(contradictions=(clash(4),)),
    )
    for batch in batches:
        store.commit(batch)
    before = ask(database, ROWS)
    for batch in batches:
        store.commit(batch)

    assert ask(database, ROWS) == before
    assert [(row[0], row[5]) for row in before] == [(at(1), at(3)), (at(4), None)]


def test_a_resolution_of_another_tracker_is_a_contradiction_once(
    store: Store, database: str
) -> None:
    other = resolution(winning_token_id="2", winning_outcome="No")
    store.commit(Batch(resolutions=(resolution(),)))
    store.commit(Batch(resolutions=(other,)))
    do(database, "update resolution_conflicts set cleared_at = now(), cleared_by = 'x'")
    store.commit(Batch(resolutions=(other,)))

    assert [row[3] for row in ask(database, ROWS)] == ["verdict"]


@pytest.mark.parametrize("command", ["delete from", "truncate"])
def test_contradictions_are_never_deleted(store: Store, database: str, command: str) -> None:
    """They may be cleared, so the error does not say that rows are only added."""
    store.commit(Batch(contradictions=(clash(1),)))
    message = r"^resolution_conflicts keeps its rows, which may only be cleared: \w+ is rejected"
    with pytest.raises(psycopg.errors.RestrictViolation, match=message):
        do(database, f"{command} resolution_conflicts")


# ------------------------------------------------------------- what is read back


def test_open_contradictions_are_read_back_with_the_resolutions_of_their_markets(
    store: Store,
) -> None:
    store.commit(
        Batch(
            markets=(market(),),
            resolutions=(resolution(),),
            contradictions=(
                clash(1),
                clash(1, Source.DATA, observed="split"),
                clash(1, condition_id=OTHER, kind=MAPPING),
            ),
        )
    )
    found = store.open_conflicts()

    assert (found.total, found.open) == (2, ((CONDITION, OUTCOME), (OTHER, MAPPING)))
    (recheck,) = found.rechecks
    assert recheck.resolution == resolution(evidence=())
    assert recheck.market.token_ids == market().token_ids
    assert recheck.due_at_ms >= recheck.recorded_at_ms
    assert set(recheck.contradicted_by) == {
        (Source.CLOB, "winner 2"),
        (Source.DATA, "split"),
    }


def test_a_market_with_contradictions_of_both_kinds_is_one_market_and_rechecked_once(
    store: Store,
) -> None:
    both = (clash(1), clash(1, kind=MAPPING))
    store.commit(Batch(resolutions=(resolution(),), contradictions=both))
    found = store.open_conflicts()

    assert (found.total, len(found.open), len(found.rechecks)) == (1, 2, 1)


def test_of_many_open_contradictions_some_are_read_and_all_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.database.reading.OPEN_CONFLICTS", 3)
    many = tuple(clash(1, condition_id=ConditionId(f"0x{each:064x}")) for each in range(5))
    store.commit(Batch(contradictions=many))
    found = store.open_conflicts()

    assert (found.total, len(found.open)) == (5, 3)


def test_what_is_cleared_is_not_read_back(store: Store) -> None:
    store.commit(Batch(resolutions=(resolution(),), contradictions=(clash(1),)))
    store.commit(Batch(clearances=(clearance(2),)))

    assert (store.open_conflicts().total, store.open_conflicts().open) == (0, ())


def test_counting_the_open_ones_reads_no_cleared_row(store: Store, database: str) -> None:
    do(
        database,
        "insert into resolution_conflicts select '0x' || md5(n::text), now(), 'a', 'b', 'clob',"
        " 'outcome', now(), 'x' from generate_series(1, 20000) n",
    )
    store.commit(Batch(contradictions=(clash(1),)))
    do(database, "vacuum analyze resolution_conflicts")
    query = "select count(distinct condition_id) from resolution_conflicts where cleared_at is null"
    plan = "\n".join(line for (line,) in ask(database, f"explain {query}"))

    assert "resolution_conflicts_open" in plan
    assert "Seq Scan" not in plan


def test_what_a_person_has_acknowledged_is_not_opened_again(store: Store, database: str) -> None:
    store.commit(Batch(contradictions=(clash(1),)))
    do(database, "update resolution_conflicts set cleared_at = %s, cleared_by = %s", at(2), SEEN)
    store.commit(Batch(contradictions=(clash(3), clash(4, Source.GAMMA), clash(5, kind=MAPPING))))
    assert [(row[0], row[6]) for row in ask(database, ROWS)] == [(at(1), SEEN), (at(5), None)]
