"""A row that the database rejects is kept, claims nothing, and is taken in once it can be."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors.app.reingest import understand
from actors.database import columns
from actors.database.commands.kept import Step
from actors.database.store import Store
from actors.errors import StorePoisoned
from actors.model.audit import Audit, AuditResult, Witness
from actors.model.facts import (
    NO_EPOCH,
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    ProcessStopped,
    TokensConfirmed,
    TokensReleased,
    TokensUnwanted,
    TokensWanted,
)
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    MarketState,
    Source,
    Transition,
)
from actors.model.storage import Batch, ConnectionEvent
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
from tests.database.test_kept import take_in
from tests.postgres import ask, do

pytestmark = pytest.mark.db

MS = ns(0) // 1_000_000
BAD = "bad"
TRANSITION = Transition(
    condition_id=CONDITION,
    at_ms=MS + 5,
    before=MarketState.OPEN,
    after=MarketState.ENDED,
    reason=BAD,
)
CONTRADICTION = Contradiction(
    condition_id=CONDITION,
    detected_at_ms=MS,
    recorded="winner 1",
    observed=BAD,
    source=Source.CLOB,
)
CLEARANCE = Clearance(
    condition_id=CONDITION,
    kind=ContradictionKind.OUTCOME,
    cleared_at_ms=MS + 9,
    reason=BAD,
)
CONFIRMATION = Confirmation(condition_id=CONDITION, source=Source.CHAIN, confirmed_at_ms=MS)
EVENT = ConnectionEvent(at_ns=ns(0), connection="c", event=BAD, reason="")
AUDIT = Audit(
    condition_id=CONDITION,
    hour_ms=MS,
    witness=Witness.DATA,
    theirs=1,
    ours=1,
    missing=0,
    outside_gaps=0,
    unmatched=0,
    result=AuditResult.COMPLETE,
    checked_at_ms=MS,
    evidence=f'"{BAD}"',
)


def forbid(dsn: str, table: str, check: str) -> None:
    """Let the database reject some rows, as one does whose schema is not what was assumed."""
    do(dsn, f"alter table {table} add constraint not_yet check ({check})")


def permit(dsn: str, table: str) -> None:
    do(dsn, f"alter table {table} drop constraint not_yet")


def reasons(steps: Iterable[Step]) -> list[str]:
    return [reason for step in steps for reason in step.left]


def open_rows(dsn: str) -> int:
    query = "select count(*) from rejected_messages where taken_in_at is null"
    ((count,),) = ask(dsn, query)
    return int(count)


# ------------------------------------------------------------------------ findings

FINDINGS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "market": (
        "markets", "slug <> 'bad'", {"markets": (market(slug=BAD),)},
        "select slug from markets",
    ),
    "observation": (
        "resolution_observations", "reason <> 'bad'",
        {"observations": (observation(payouts=None, reason=BAD),)},
        "select reason from resolution_observations",
    ),
    "transition": (
        "resolution_observations", "reason <> 'bad'", {"transitions": (TRANSITION,)},
        "select reason from resolution_observations",
    ),
    "contradiction": (
        "resolution_conflicts", "observed <> 'bad'", {"contradictions": (CONTRADICTION,)},
        "select observed from resolution_conflicts",
    ),
    "audit": (
        "audits", "evidence <> '\"bad\"'", {"audits": (AUDIT,)},
        "select evidence #>> '{}' from audits",
    ),
    "connection event": (
        "connection_events", "event <> 'bad'", {"events": (EVENT,)},
        "select event from connection_events",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FINDINGS)
def test_a_row_of_any_kind_is_taken_in_once_the_database_can_hold_it(
    store: Store, database: str, kind: str
) -> None:
    table, check, rows, query = FINDINGS[kind]
    forbid(database, table, check)
    store.commit(Batch(trades=(trade(),), watermark=2, **rows))
    assert (ask(database, query), open_rows(database)) == ([], 1)

    (step,) = take_in(database, understand)
    assert (step.taken_in, [reason.partition(":")[0] for reason in step.left]) == (
        *(0, ["database rejected"]),
    )
    permit(database, table)
    (step,) = take_in(database, understand)
    assert (step.taken_in, step.rows, step.left) == (1, {kind: 1}, {})
    assert ask(database, query) == [(BAD,)]
    assert take_in(database, understand) == []


def test_a_market_that_came_again_meanwhile_is_not_overwritten(store: Store, database: str) -> None:
    forbid(database, "markets", "slug <> 'bad'")
    store.commit(Batch(markets=(market(slug=BAD),)))
    permit(database, "markets")
    store.commit(Batch(markets=(market(slug="later"),)))
    (step,) = take_in(database, understand)

    assert (step.taken_in, step.rows) == (1, {"market": 1})
    assert ask(database, "select slug from markets") == [("later",)]


def test_a_market_that_is_taken_in_has_its_tokens_and_waits_for_its_resolution(
    store: Store, database: str
) -> None:
    forbid(database, "markets", "slug <> 'bad'")
    store.commit(Batch(markets=(market(slug=BAD),), trades=(trade(),)))
    permit(database, "markets")
    take_in(database, understand)

    names = "select token_id, outcome from assets order by token_id"
    assert ask(database, names) == [(YES, "Yes"), (NO, "No")]
    assert ask(database, "select condition_id from tracker.unresolved") == [(CONDITION,)]


def test_a_confirmation_waits_for_the_resolution_that_it_confirms(
    store: Store, database: str
) -> None:
    forbid(database, "resolution_confirmations", "source <> 'chain'")
    store.commit(Batch(confirmations=(CONFIRMATION,)))
    permit(database, "resolution_confirmations")
    assert reasons(take_in(database, understand)) == [
        "confirmation of a resolution that is not recorded"
    ]
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    (step,) = take_in(database, understand)
    assert step.rows == {"confirmation": 1}
    assert ask(database, "select source from resolution_confirmations") == [("chain",)]


def test_a_resolution_is_never_taken_in_but_decided_again(store: Store, database: str) -> None:
    """What contradicts it may have come since; whoever decides again sees that."""
    forbid(database, "resolutions", "kind <> 'winner'")
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    permit(database, "resolutions")
    assert reasons(take_in(database, understand)) == ["resolution, which the tracker decides again"]
    assert ask(database, "select count(*) from resolutions") == [(0,)]

    store.commit(Batch(resolutions=(resolution(resolved_at_ms=MS + 1),)))
    (step,) = take_in(database, understand)
    assert (step.taken_in, step.rows) == (1, {"resolution": 1})
    assert ask(database, "select count(*) from resolutions") == [(1,)]


def test_the_end_of_a_contradiction_is_not_taken_in_while_it_is_open(
    store: Store, database: str
) -> None:
    """It may have been found again since, which makes no second row."""
    store.commit(Batch(contradictions=(CONTRADICTION,)))
    forbid(database, "resolution_conflicts", "cleared_by <> 'bad'")
    store.commit(Batch(clearances=(CLEARANCE,)))
    permit(database, "resolution_conflicts")
    assert reasons(take_in(database, understand)) == [
        "end of a contradiction, which the tracker tells again while it holds"
    ]
    assert ask(database, "select cleared_at from resolution_conflicts") == [(None,)]

    again = msgspec.structs.replace(CLEARANCE, cleared_at_ms=MS + 20, reason="sources agree")
    store.commit(Batch(clearances=(again,)))
    (step,) = take_in(database, understand)
    assert step.rows == {"clearance": 1}
    assert ask(database, "select cleared_by from resolution_conflicts") == [("sources agree",)]


def test_every_kind_of_row_is_read_back_as_it_was() -> None:
    rows = [
        trade(size=Decimal("NaN")),
        market(end_at=at(5), volume=Decimal("1E+200000")),
        observation(),
        observation(payouts=None, reason="open", mapped_by=(Source.CLOB,)),
        TRANSITION,
        msgspec.structs.replace(resolution(), evidence=()),
        resolution(),
        CONFIRMATION,
        CONTRADICTION,
        CLEARANCE,
        EVENT,
        *((seq, fact) for seq, fact in enumerate(FACTS, 1)),
        (7, TokensConfirmed(1, 10**30, (YES,))),
    ]
    for row in rows:
        assert str(columns.rejected_row(columns.rejected_payload(row))) == str(row)


@pytest.mark.parametrize(
    "payload",
    [b'{"question":"?"}', b"Market()", b"\xff", b"[]", b"[1]", b'[1,["new",2]]', b"{", b""],
)
def test_what_is_no_row_of_this_version_is_none(payload: bytes) -> None:
    assert columns.rejected_row(payload) is None


# ---------------------------------------------------------------------- coverage

Span = tuple[float, float]
FACTS: tuple[Fact, ...] = (
    ProcessStarted(ns(-3), "host", "1"),
    TokensWanted(ns(-2), (YES, NO)),
    ListeningOpened(ns(-1), "a-0001", 0),
    TokensConfirmed(3, ns(0), (YES, NO)),
    ListeningProven(((3, ns(10)),)),
    TokensReleased(3, ns(8), (YES,), "frozen"),
    ListeningProven(((3, ns(20)),)),
    TokensConfirmed(3, ns(22), (YES,)),
    ListeningProven(((3, ns(30)),)),
    TokensUnwanted(ns(31), (NO,)),
    ProcessAlive(ns(32)),
    ListeningClosed(3, ns(41), ns(40), "reset"),
    ProcessStopped(ns(50)),
)
WHOLE: dict[str, list[Span]] = {YES: [(0, 8), (22, 40)], NO: [(0, 40)]}
REJECTING: dict[int, tuple[str, str]] = {
    1: ("process_life", "start_seq <> 1"),
    2: ("wanted", "wanted_seq <> 2"),
    3: ("epochs", "opened_at is null"),
    4: ("listening", "confirmed_seq <> 4"),
    5: ("epochs", f"proven_until <> '{at(10)}'"),
    6: ("listening", "cause <> 'frozen'"),
    7: ("epochs", f"proven_until <> '{at(20)}'"),
    8: ("listening", "confirmed_seq <> 8"),
    9: ("epochs", f"proven_until <> '{at(30)}'"),
    10: ("wanted", "unwanted_seq <> 10"),
    11: ("process_life", f"alive_at <> '{at(32)}'"),
    12: ("epochs", "reason <> 'reset'"),
    13: ("process_life", "stopped_at is null"),
}
"""For each of these facts what makes the database reject it."""
GAPS = "select gap::text, cause from coverage_gaps(%s, %s, %s)"


def covered(dsn: str, token: str) -> list[Span]:
    query = "select lower(during), upper(during) from coverage where token_id = %s order by during"
    zero = at(0)
    return [
        ((low - zero).total_seconds(), (high - zero).total_seconds())
        for low, high in ask(dsn, query, token)
    ]


def is_within(spans: list[Span], whole: list[Span]) -> bool:
    return all(any(low >= a and high <= b for a, b in whole) for low, high in spans)


def store_facts(store: Store, facts: Iterable[tuple[int, Fact]], *, at_once: bool) -> None:
    """Store facts, and settle what is final."""
    numbered = tuple(facts)
    for some in [numbered] if at_once else [(each,) for each in numbered]:
        store.commit(Batch(facts=some, trades=(trade(),), watermark=some[-1][0] + 1))
    settle(store)


def settle(store: Store) -> None:
    while not store.settle():
        pass


@pytest.mark.parametrize(
    ("seq", "at_once"),
    # Of proofs that are stored at once only the last one is written.
    [
        *((seq, False) for seq in REJECTING),
        *((seq, True) for seq in REJECTING if seq not in (5, 7)),
    ],
)
def test_a_rejected_fact_claims_no_time_that_was_not_proven_and_is_taken_in_later(
    store: Store, database: str, seq: int, *, at_once: bool
) -> None:
    table, check = REJECTING[seq]
    forbid(database, table, check)
    store_facts(store, enumerate(FACTS, 1), at_once=at_once)
    assert open_rows(database) == 1
    assert {token: is_within(covered(database, token), WHOLE[token]) for token in WHOLE} == {
        YES: True,
        NO: True,
    }
    permit(database, table)
    (step,) = take_in(database, understand)
    assert (step.taken_in, step.rows, step.left) == (1, {"fact": 1}, {})
    settle(store)
    found = {token: covered(database, token) for token in (YES, NO)}
    assert found == WHOLE


def test_of_a_wish_that_was_rejected_the_gaps_show_once_it_is_taken_in(
    store: Store, database: str
) -> None:
    forbid(database, "wanted", "wanted_seq <> 2")
    store_facts(store, enumerate(FACTS, 1), at_once=True)
    permit(database, "wanted")
    assert ask(database, GAPS, YES, at(0), at(30)) == []
    take_in(database, understand)
    ((gap, cause),) = ask(database, GAPS, YES, at(0), at(30))
    assert cause == "frozen"
    assert "12:00:08" in gap


def test_other_connections_keep_what_they_claim_when_a_fact_is_rejected(
    store: Store, database: str
) -> None:
    forbid(database, "listening", "cause <> 'frozen'")
    other: tuple[Fact, ...] = (
        ListeningOpened(ns(-1), "b-0001", 1),
        TokensConfirmed(20, ns(0), (YES,)),
        ListeningProven(((20, ns(35)),)),
    )
    store_facts(store, (*enumerate(FACTS, 1), *enumerate(other, 20)), at_once=True)

    assert covered(database, YES) == covered(database, NO) == [(0, 40)]


def test_facts_without_a_connection_that_are_rejected_end_none(store: Store, database: str) -> None:
    forbid(database, "listening", "cause <> 'not_discovered'")
    overlooked: tuple[Fact, ...] = (
        TokensConfirmed(NO_EPOCH, ns(5), (YES,)),
        TokensReleased(NO_EPOCH, ns(5), (YES,), "not_discovered"),
    )
    store_facts(store, enumerate((*FACTS[:5], *overlooked), 1), at_once=True)

    assert ask(database, "select epoch, closed_seq from tracker.epochs") == [(3, None)]
    assert covered(database, YES) == [(0, 10)]


def test_of_an_end_with_an_impossible_time_nothing_is_claimed(store: Store, database: str) -> None:
    released = TokensReleased(3, 10**30, (YES,), "frozen")
    store_facts(store, enumerate((*FACTS[:5], released, *FACTS[6:]), 1), at_once=True)

    assert covered(database, YES) == [(22, 40)]
    assert covered(database, NO) == [(0, 40)]
    (reason,) = reasons(take_in(database, understand))
    assert reason.startswith("database rejected: ")


@pytest.mark.parametrize(("until_ns", "covered_s"), [(None, 30), (10**30, 30), (ns(40), 40)])
def test_an_end_of_a_connection_that_is_rejected_ends_it_all_the_same(
    store: Store, database: str, until_ns: int | None, covered_s: int
) -> None:
    forbid(database, "epochs", "reason <> 'reset'")
    closed = ListeningClosed(3, ns(41), until_ns, "reset")
    late = ListeningProven(((3, ns(60)),))
    store_facts(store, enumerate((*FACTS[:11], closed, late), 1), at_once=True)

    assert covered(database, NO) == [(0, covered_s)]
    query = "select distinct cause from tracker.coverage_ranges where until_at > %s"
    assert ask(database, query, at(20)) == [("fact_rejected",)]


def test_what_cannot_be_stored_and_not_be_taken_back_stops_the_storing(
    store: Store, database: str
) -> None:
    store_facts(store, enumerate(FACTS[:5], 1), at_once=True)
    forbid(database, "listening", "released_seq <> 6")
    with pytest.raises(StorePoisoned, match="coverage"):
        store_facts(store, enumerate(FACTS[5:7], 6), at_once=True)
    assert open_rows(database) == 0
    assert covered(database, YES) == [(0, 10)]


# ------------------------------------------------------------------------ counted


def test_rows_that_are_rejected_are_counted_by_their_kinds(store: Store, database: str) -> None:
    forbid(database, "markets", "slug <> 'bad'")
    forbid(database, "connection_events", "event <> 'bad'")
    batch: dict[str, Any] = {
        "markets": (market(slug=BAD), market("0x" + "b2" * 32, ("3", "4"), slug=BAD)),
        "events": (EVENT,),
        "trades": (trade(), trade(1, side="?")),
    }
    committed = store.commit(Batch(**batch))

    assert dict(committed.rejected_rows) == {"market": 2, "connection event": 1, "trade": 1}
    assert store.commit(Batch(trades=(trade(2),))).rejected_rows == ()
