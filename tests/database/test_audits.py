"""Audits in the database: which one stays, which hours may be audited, what is read for one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from actors.database.auditing import MOST_SUMS
from actors.database.session import Connection
from actors.database.store import Store
from actors.database.upkeep.housekeeping import AUDITS_KEPT, Housekeeping, OldAudits
from actors.model.audit import (
    Audit,
    AuditResult,
    AuditSummary,
    Candidate,
    HourQuestion,
    Sample,
    SampleQuestion,
    StoredHour,
    StoredSum,
    SummaryQuestion,
    Witness,
)
from actors.model.facts import (
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    TokensConfirmed,
    TokensWanted,
)
from actors.model.storage import Batch, ConnectionEvent, Housekept
from actors.model.trade import ConditionId
from tests.database.samples import CONDITION, NO, START, YES, market, ns, trade
from tests.postgres import ask

pytestmark = pytest.mark.db

START_MS = round(START.timestamp() * 1_000)
HOUR_MS = START_MS // 3_600_000 * 3_600_000
AUDIT = Audit(
    condition_id=CONDITION,
    hour_ms=HOUR_MS,
    witness=Witness.DATA,
    theirs=9,
    ours=8,
    missing=1,
    outside_gaps=1,
    unmatched=0,
    result=AuditResult.MISSING,
    checked_at_ms=START_MS,
    evidence='{"reasons": []}',
)
HASH = "0x" + "ab" * 32


def audit(result: str, minute: int, **changes: object) -> Audit:
    found = 1 if result == "missing" else 0
    figures = {"missing": found, "outside_gaps": found, **changes}
    return msgspec.structs.replace(
        AUDIT,
        result=AuditResult(result),
        checked_at_ms=START_MS + 60_000 * minute,
        **figures,
    )


def results(dsn: str) -> list[tuple[str, int]]:
    query = """select result, extract(epoch from checked_at - %s)::integer / 60 from audits
        order by condition_id, hour, witness"""
    return [(result, minute) for result, minute in ask(dsn, query, START)]


def listened(store: Store, *, until_s: int = 600) -> None:
    """Store that one token was listened to from the start on for a while."""
    store.commit(
        Batch(
            markets=(market(),),
            facts=(
                (1, TokensWanted(at_ns=ns(0), tokens=(YES, NO))),
                (2, ListeningOpened(at_ns=ns(0), connection="a-0001", feed=0)),
                (3, TokensConfirmed(at_ns=ns(0), epoch=2, tokens=(YES,))),
                (4, ListeningProven(proofs=((2, ns(until_s)),))),
                (5, ListeningClosed(ns(until_s), 2, ns(until_s), "reset")),
            ),
            watermark=6,
        )
    )


def hour_question() -> HourQuestion:
    return HourQuestion(
        condition_id=CONDITION, from_ms=START_MS - 3_600_000, until_ms=START_MS + 3_600_000
    )


def stored_hour(store: Store) -> StoredHour:
    found = store.for_audit(hour_question())
    assert isinstance(found, StoredHour)
    return found


def sampled(store: Store, **changes: object) -> list[Candidate]:
    question = SampleQuestion(
        witness=Witness.DATA,
        from_ms=START_MS - 60_000,
        until_ms=START_MS + 3_600_000 - 60_000,
        probe_ms=START_MS,
        after=ConditionId("0x"),
        again_ms=START_MS,
    )
    found = store.for_audit(msgspec.structs.replace(question, **changes))
    assert isinstance(found, Sample)
    return list(found.candidates)


def summary(store: Store, minute: int = 0) -> AuditSummary:
    found = store.for_audit(SummaryQuestion(since_ms=START_MS + 60_000 * minute))
    assert isinstance(found, AuditSummary)
    return found


# ---------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        ("unknown", "complete", "complete"),
        ("unknown", "missing", "missing"),
        ("unknown", "unknown", "unknown"),
        ("complete", "missing", "missing"),
        ("missing", "complete", "complete"),
    ],
)
def test_a_later_audit_replaces_the_row(
    store: Store, database: str, before: str, after: str, stays: str
) -> None:
    store.commit(Batch(audits=(audit(before, 1),)))
    store.commit(Batch(audits=(audit(after, 2),)))

    assert results(database) == [(stays, 2)]


@pytest.mark.parametrize("known", ["complete", "missing"])
def test_an_unknown_one_replaces_nothing_that_is_known(
    store: Store, database: str, known: str
) -> None:
    store.commit(Batch(audits=(audit(known, 1),)))
    store.commit(Batch(audits=(audit("unknown", 2),)))

    assert results(database) == [(known, 1)]


def test_an_earlier_one_that_is_sent_again_replaces_nothing(store: Store, database: str) -> None:
    store.commit(Batch(audits=(audit("complete", 2),)))
    store.commit(Batch(audits=(audit("missing", 1),)))

    assert results(database) == [("complete", 2)]


def test_of_several_in_one_transaction_the_last_known_one_stays(
    store: Store, database: str
) -> None:
    store.commit(Batch(audits=(audit("unknown", 9), audit("missing", 1), audit("complete", 2))))

    assert results(database) == [("complete", 2)]


def test_witnesses_and_hours_have_rows_of_their_own(store: Store, database: str) -> None:
    other = msgspec.structs.replace(AUDIT, witness=Witness.CHAIN)
    later = msgspec.structs.replace(AUDIT, hour_ms=HOUR_MS + 3_600_000)
    store.commit(Batch(audits=(AUDIT, other, later)))

    assert len(results(database)) == 3
    columns = "theirs, ours, missing, outside_gaps, unmatched, evidence"
    row = f"select {columns} from audits where witness = 'chain'"  # noqa: S608 - names from above
    assert ask(database, row) == [(9, 8, 1, 1, 0, {"reasons": []})]


def test_old_ones_are_deleted_a_few_at_a_time(store: Store, database: str) -> None:
    now = datetime.now(UTC)
    ages = [AUDITS_KEPT + timedelta(hours=1)] * 5 + [AUDITS_KEPT - timedelta(hours=1)] * 2
    store.commit(
        Batch(
            audits=tuple(
                msgspec.structs.replace(
                    AUDIT,
                    hour_ms=HOUR_MS + place * 3_600_000,
                    checked_at_ms=round((now - age).timestamp() * 1_000),
                )
                for place, age in enumerate(ages)
            )
        )
    )
    keeping = Housekeeping([OldAudits()], rows=2)
    steps = list[Housekept]()
    with Connection.connect(database, autocommit=True) as connection:
        while not steps or not steps[-1].is_last:
            with connection.transaction():
                steps.append(keeping.step(connection, now))

    assert [step.deleted for step in steps] == [2, 2, 1]
    assert not any(step.failed for step in steps)
    assert ask(database, "select count(*) from audits") == [(2,)]


# ------------------------------------------------------------- what is stored


def test_sums_are_by_token_and_transaction_and_exact(store: Store) -> None:
    listened(store)
    store.commit(
        Batch(
            trades=(
                trade(1, transaction_hash=HASH, size=Decimal("1.000001")),
                trade(3, transaction_hash=HASH, size=Decimal("2.5")),
                trade(2, transaction_hash=HASH, token_id=NO, size=Decimal(7)),
                trade(4, transaction_hash=None, size=Decimal(3)),
                trade(5, transaction_hash=None, size=Decimal(3)),
            )
        )
    )
    found = stored_hour(store)
    first_ms = ns(1) // 1_000_000

    assert StoredSum(
        token_id=YES, transaction=HASH, size=Decimal("3.500001"),
        first_ms=first_ms, last_ms=first_ms + 2_000,
    ) in found.sums  # fmt: skip
    nameless = [each.size for each in found.sums if each.transaction is None]
    assert nameless == [Decimal(3), Decimal(3)]
    assert len(found.sums) == 4
    assert set(found.tokens) == {YES, NO}
    assert found.is_whole


def test_coverage_is_that_of_the_time_that_is_asked_about(store: Store) -> None:
    listened(store)
    found = stored_hour(store)

    assert found.covered == ((YES, START_MS, START_MS + 600_000),)
    assert set(found.tokens) == {YES, NO}


def test_a_market_that_is_not_known_has_no_tokens(store: Store) -> None:
    assert stored_hour(store) == StoredHour()


def test_too_many_sums_are_said_to_be_no_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_SUMS == 20_000
    listened(store)
    store.commit(Batch(trades=tuple(trade(n, transaction_hash=f"0x{n:064x}") for n in range(4))))
    monkeypatch.setattr("actors.database.auditing.MOST_SUMS", 3)
    found = stored_hour(store)

    assert (len(found.sums), found.is_whole) == (3, False)


# ------------------------------------------------------------------ candidates


def test_a_market_that_was_listened_to_may_be_audited(store: Store) -> None:
    listened(store, until_s=3_600)
    assert sampled(store) == [Candidate(condition_id=CONDITION, touched=True, traded=False)]
    store.commit(Batch(trades=(trade(1),)))

    assert [each.traded for each in sampled(store)] == [True]
    # It has no other market behind it, and traded only before that moment.
    assert sampled(store, after=ConditionId("0xg"), probe_ms=START_MS + 5_000) == []


def test_listening_that_goes_on_over_the_hour_touches_nothing(store: Store) -> None:
    listened(store, until_s=9_000)

    assert [each.touched for each in sampled(store)] == [True], "it began in it"
    within = {"from_ms": START_MS + 1_000, "probe_ms": START_MS + 2_000}
    assert [each.touched for each in sampled(store, **within)] == [False]


def test_a_market_that_nobody_listened_to_is_not_audited(store: Store) -> None:
    store.commit(Batch(markets=(market(),), trades=(trade(1),)))

    assert sampled(store) == []


@pytest.mark.parametrize(("minute", "named"), [(-1, 1), (0, 0), (5, 0)])
def test_what_was_audited_of_late_is_not_audited_again(
    store: Store, minute: int, named: int
) -> None:
    listened(store)
    made = audit("complete", minute, hour_ms=START_MS - 60_000)
    store.commit(Batch(audits=(made,)))

    assert len(sampled(store)) == named
    assert len(sampled(store, witness=Witness.CHAIN)) == 1


# --------------------------------------------------------------------- summary


def test_the_summary_counts_what_was_found_since_a_time(store: Store) -> None:
    old = audit("missing", -1, hour_ms=HOUR_MS - 3_600_000)
    complete = audit("complete", 3, hour_ms=HOUR_MS + 3_600_000)
    store.commit(Batch(audits=(old, audit("missing", 2), complete)))

    found = summary(store)
    assert dict(found.results) == {"complete": 1, "missing": 1}
    assert (found.theirs, found.missing, found.outside_gaps) == (18, 1, 1)
    assert found.disputed == ((CONDITION, HOUR_MS),)
    assert found.checked_at_ms == START_MS + 180_000
    assert summary(store, 4) == AuditSummary()


def test_two_witnesses_or_the_chain_prove_what_is_missing(store: Store) -> None:
    chain = msgspec.structs.replace(audit("missing", 1), witness=Witness.CHAIN)
    alone = audit("missing", 1, hour_ms=HOUR_MS + 3_600_000)
    store.commit(Batch(audits=(audit("missing", 1), alone)))
    assert summary(store).proven == 0
    store.commit(Batch(audits=(chain,)))

    assert summary(store).proven == 1


def test_an_hour_counts_once_whatever_witnesses_were_asked(store: Store) -> None:
    known = msgspec.structs.replace(audit("unknown", 1), witness=Witness.CHAIN, theirs=2)
    store.commit(Batch(audits=(audit("complete", 1), known)))

    found = summary(store)
    assert (dict(found.results), found.theirs) == ({"complete": 1}, 9)
    missing = msgspec.structs.replace(audit("missing", 2), witness=Witness.CHAIN)
    store.commit(Batch(audits=(missing,)))
    found = summary(store)
    assert (dict(found.results), found.missing, found.outside_gaps) == ({"missing": 1}, 1, 1)


@pytest.mark.parametrize(
    ("minute", "changes", "left"),
    [
        (5, {}, 1),
        (5, {"result": AuditResult.UNKNOWN}, 2),
        (5, {"hour_ms": HOUR_MS + 3_600_000}, 2),
        (0, {}, 2),
    ],
)
def test_what_the_chain_said_of_a_dispute_is_over_when_both_sides_agree(
    store: Store, database: str, minute: int, changes: dict[str, object], left: int
) -> None:
    chain = msgspec.structs.replace(audit("missing", 1), witness=Witness.CHAIN)
    store.commit(Batch(audits=(chain,)))
    store.commit(Batch(audits=(msgspec.structs.replace(audit("complete", minute), **changes),)))

    assert len(results(database)) == left


def test_hours_in_which_connections_began_or_ended_are_named(store: Store) -> None:
    def event(second: int, name: str) -> ConnectionEvent:
        return ConnectionEvent(at_ns=ns(second), connection="a-0001", event=name, reason="")

    events = (event(10, "connected"), event(20, "disconnected"), event(7_300, "dated_apart"))
    store.commit(Batch(events=events))

    assert summary(store).eventful == (HOUR_MS,)
    assert summary(store, 30).eventful == ()


def test_the_second_of_a_trade_that_the_database_rejected_is_not_covered_for_an_audit(
    store: Store,
) -> None:
    listened(store)
    store.commit(Batch(trades=(trade(20.25, size=Decimal(-1)),), watermark=7))
    spans = [(since - START_MS, until - START_MS) for _, since, until in stored_hour(store).covered]
    assert spans == [(0, 20_000), (21_000, 600_000)]
