"""The writer actor as the memory of outcomes: what it gives back, and what it keeps."""

import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest

from actors.messages import (
    BatchWritten,
    ConflictCleared,
    ConflictsRestored,
    EvidenceRestored,
    MarketResolved,
    MarketsRestored,
    MarketsSeen,
    MarketsSettled,
    MarketStateChanged,
    Open,
    ReadJournal,
    RechecksRestored,
    RequestConflicts,
    RequestMarkets,
    RequestRechecks,
    RequestReview,
    RequestUnresolved,
    ResolutionConfirmed,
    TicketsStored,
    UnresolvedRestored,
    WriterReport,
)
from actors.model.market import (
    Clearance,
    Confirmation,
    ContradictionKind,
    Market,
    MarketState,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    TimeWindow,
    Transition,
)
from actors.model.storage import Housekept, OpenConflicts, Unresolved
from actors.model.trade import ConditionId
from tests.fakes import FakeStore
from tests.fakes_box import drain
from tests.writer.test_actor import CONDITION, MARKET, WriterHarness

STRETCH = TimeWindow(since_ms=None, until_ms=1_790_000_000_000)
WORD = Observation(
    condition_id=CONDITION,
    source=Source.GAMMA,
    observed_at_ms=1,
    payouts=None,
    reason="proposed",
    payload="",
)
RECHECK = Recheck(
    resolution=Resolution(
        condition_id=CONDITION,
        kind="winner",
        winning_token_id=MARKET.token_ids[0],
        winning_outcome="Yes",
        payouts=(Decimal(1), Decimal(0)),
        resolved_at_ms=1,
        sources=(Source.GAMMA, Source.DATA),
    ),
    market=MARKET,
    recorded_at_ms=1,
    due_at_ms=2,
)


def test_evidence_is_sent_before_the_markets_that_it_is_about() -> None:
    harness = WriterHarness()
    harness.store.unresolved = (MARKET,)
    harness.store.evidence = StoredEvidence(observations=(WORD,))
    harness.open()
    kinds = (EvidenceRestored, MarketsRestored)
    told = [message for message in harness.resolution.received if isinstance(message, kinds)]

    assert [type(message) for message in told] == [EvidenceRestored, MarketsRestored]
    assert harness.resolution.last(EvidenceRestored).evidence.observations == (WORD,)
    assert not harness.catalog.of(EvidenceRestored)
    harness.tell(RequestMarkets())
    assert len(harness.resolution.of(EvidenceRestored)) == 2


def test_of_many_markets_one_page_is_sent_at_a_time() -> None:
    class Paged(FakeStore):
        def open_markets(self) -> Iterator[tuple[Market, ...]]:
            yield self.unresolved
            yield ()
            yield self.unresolved

    store = Paged()
    store.unresolved = (MARKET,)
    harness = WriterHarness(store=store)
    harness.actor.on_receive(Open())
    assert len(harness.catalog.of(MarketsRestored)) == 1
    drain(harness.actor)
    assert len(harness.catalog.of(MarketsRestored)) == 2

    harness.actor.on_receive(RequestMarkets())
    store.away = True  # between two pages
    harness.actor.on_receive(RequestReview(after=ConditionId("")))
    drain(harness.actor)
    assert len(harness.catalog.of(MarketsRestored)) == 3


def test_rechecks_that_fall_due_are_sent_and_then_that_they_were_all() -> None:
    harness = WriterHarness().open()
    harness.store.rechecks = (RECHECK,)
    harness.tell(RequestRechecks(window=STRETCH))
    first, last = harness.resolution.of(RechecksRestored)

    assert harness.store.windows == [STRETCH]
    assert (first.rechecks, first.until_ms) == ((RECHECK,), None)
    assert (last.rechecks, last.until_ms) == ((), STRETCH.until_ms)


def test_rechecks_come_behind_the_evidence_on_their_markets() -> None:
    harness = WriterHarness().open()
    harness.store.rechecks = (RECHECK,)
    harness.store.evidence = StoredEvidence(observations=(WORD,))
    harness.tell(RequestRechecks(window=STRETCH))
    kinds = (EvidenceRestored, RechecksRestored)
    told = [message for message in harness.resolution.received if isinstance(message, kinds)]

    assert [type(message) for message in told[-3:]] == [
        EvidenceRestored,
        RechecksRestored,
        RechecksRestored,
    ]
    assert harness.resolution.last(EvidenceRestored).evidence.observations == (WORD,)


def test_of_a_long_time_only_the_first_part_is_answered() -> None:
    harness = WriterHarness().open()
    part = TimeWindow(STRETCH.until_ms - 5, STRETCH.until_ms - 3)
    harness.store.recheck_part = part
    harness.tell(RequestRechecks(window=STRETCH))

    assert harness.store.windows == [part]
    assert harness.resolution.last(RechecksRestored).until_ms == part.until_ms


def test_while_the_database_is_away_no_answer_pretends_that_nothing_falls_due() -> None:
    harness = WriterHarness()
    harness.store.away = True
    harness.open()
    harness.tell(RequestRechecks(window=STRETCH))

    assert not harness.resolution.of(RechecksRestored)


def test_a_database_that_goes_away_over_the_question_is_noticed() -> None:
    harness = WriterHarness().open()
    harness.store.away = True
    harness.tell(RequestRechecks(window=STRETCH))

    assert not harness.resolution.of(RechecksRestored)
    assert harness.store.closed


def test_a_transition_of_a_market_is_stored_and_its_ticket_confirmed() -> None:
    harness = WriterHarness().open()
    step = Transition(
        condition_id=CONDITION,
        at_ms=1,
        before=MarketState.OPEN,
        after=MarketState.ENDED,
        reason="open",
    )
    harness.tell(MarketStateChanged(ticket=9, transition=step))
    harness.flush()

    assert [each for batch in harness.store.batches for each in batch.transitions] == [step]
    assert harness.resolution.last(TicketsStored).tickets == (9,)


# ------------------------------------------------------- what ended, what is contradicted


def test_markets_that_ended_without_a_resolution_come_behind_their_evidence() -> None:
    harness = WriterHarness().open()
    until = ConditionId("0x" + "cd" * 32)
    harness.store.ended = Unresolved(markets=(MARKET,), until=until)
    harness.store.evidence = StoredEvidence(observations=(WORD,))
    harness.tell(RequestUnresolved(after=CONDITION))

    assert harness.store.ranges == [CONDITION]
    assert harness.resolution.received[-2:] == [
        EvidenceRestored(evidence=harness.store.evidence),
        UnresolvedRestored(markets=(MARKET,), until=until),
    ]
    assert not harness.catalog.of(UnresolvedRestored)


def test_a_range_without_such_markets_is_answered_all_the_same() -> None:
    harness = WriterHarness().open()
    harness.tell(RequestUnresolved(after=ConditionId("")))

    assert harness.resolution.last(UnresolvedRestored) == UnresolvedRestored(markets=(), until=None)
    assert not harness.resolution.of(EvidenceRestored)


def test_open_contradictions_come_with_the_resolutions_to_check_again() -> None:
    harness = WriterHarness().open()
    pairs = ((CONDITION, ContradictionKind.OUTCOME),)
    harness.store.conflicts = OpenConflicts(total=3, open=pairs, rechecks=(RECHECK,))
    harness.tell(RequestConflicts())

    assert harness.resolution.received[-2:] == [
        EvidenceRestored(evidence=StoredEvidence()),
        ConflictsRestored(total=3, open=pairs, rechecks=(RECHECK,)),
    ]


def test_no_open_contradiction_is_an_answer() -> None:
    harness = WriterHarness().open()
    harness.tell(RequestConflicts())

    assert harness.resolution.last(ConflictsRestored).total == 0


@pytest.mark.parametrize("question", [RequestUnresolved(after=ConditionId("")), RequestConflicts()])
@pytest.mark.parametrize("when", ["before", "over the question"])
def test_while_the_database_is_away_there_is_no_answer(
    question: RequestUnresolved | RequestConflicts, when: str
) -> None:
    harness = WriterHarness()
    if when == "before":
        harness.store.away = True
        harness.open()
    else:
        harness.open()
        harness.store.away = True
    harness.tell(question)

    assert not harness.resolution.of(UnresolvedRestored)
    assert not harness.resolution.of(ConflictsRestored)
    assert harness.store.closed


def test_a_confirmation_and_a_clearance_are_stored_and_their_tickets_confirmed() -> None:
    harness = WriterHarness().open()
    confirmation = Confirmation(condition_id=CONDITION, source=Source.CHAIN, confirmed_at_ms=5)
    clearance = Clearance(
        condition_id=CONDITION,
        kind=ContradictionKind.MAPPING,
        cleared_at_ms=6,
        reason="sources agree",
    )
    harness.tell(
        ResolutionConfirmed(ticket=3, confirmation=confirmation),
        ConflictCleared(ticket=4, clearance=clearance),
    )
    assert not harness.resolution.of(TicketsStored)
    harness.flush()

    (batch,) = harness.store.batches
    assert (batch.confirmations, batch.clearances, batch.rows) == ((confirmation,), (clearance,), 2)
    assert harness.resolution.last(TicketsStored).tickets == (3, 4)


def test_a_resolution_that_is_not_recorded_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    harness.store.unproven = (CONDITION,)
    with caplog.at_level(logging.ERROR):
        harness.tell(MarketResolved(ticket=9, resolution=RECHECK.resolution))
        harness.flush()

    (line,) = [each for each in caplog.records if each.message == "resolution_unproven"]
    assert (line.levelname, line.__dict__["condition_id"]) == ("ERROR", CONDITION)
    assert harness.resolution.last(TicketsStored).tickets == (9,)


def test_the_catalog_stops_watching_what_an_old_listing_calls_open_and_is_resolved() -> None:
    harness = WriterHarness().open()
    harness.tell(MarketsSeen(ticket=1, markets=(MARKET,)))
    harness.flush()
    assert not harness.catalog.of(MarketsSettled)

    harness.store.resolved = (MARKET.condition_id,)
    harness.tell(MarketsSeen(ticket=2, markets=(MARKET,)))
    harness.flush()
    assert harness.catalog.last(MarketsSettled).condition_ids == (MARKET.condition_id,)


def test_of_many_listings_with_other_names_a_few_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    harness.store.mapping_changed = tuple(ConditionId(f"0x{each:064x}") for each in range(500))
    with caplog.at_level(logging.WARNING):
        harness.tell(MarketsSeen(ticket=1, markets=(MARKET,)))
        harness.flush()

    lines = [each for each in caplog.records if each.message == "mapping_changed"]
    assert len(lines) == 10
    assert [each.__dict__["more"] for each in lines] == [0] * 9 + [490]


def test_rows_that_the_database_rejected_are_counted_and_named_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    harness.store.rejected_rows = (("market", 2), ("fact", 1))
    with caplog.at_level(logging.ERROR):
        for ticket in (1, 2, 3):
            harness.tell(MarketsSeen(ticket=ticket, markets=(MARKET,)))
            harness.flush()
        harness.tick()
        harness.tick()

    (line,) = [each for each in caplog.records if each.message == "rows_rejected"]
    said = line.__dict__
    assert (said["rows"], said["reason"]) == ({"market": 6, "fact": 3}, "value out of range")
    assert [each.rejected_rows for each in harness.supervisor.of(BatchWritten)] == [3, 3, 3]


def test_old_rows_are_deleted_step_by_step_some_time_after_the_start_and_then_at_intervals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    steps = [
        Housekept(what="samples", deleted=7),
        Housekept(what="others", permitted=False, failed="permission denied"),
        Housekept(what="samples", deleted=2, is_last=True),
    ]
    harness.store.chores = [*steps, *steps]
    harness.tick(599)
    assert len(harness.store.chores) == 6
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            harness.tick()
    assert len(harness.store.chores) == 3
    said = {each.message: each.__dict__ for each in caplog.records}
    assert said["old_rows_deleted"]["rows"] == {"samples": 9}
    assert said["housekeeping_forbidden"]["what"] == "others"

    harness.tick(21_590)
    assert len(harness.store.chores) == 3
    harness.tick(10)
    assert len(harness.store.chores) == 2


def test_coverage_of_days_that_may_not_be_computed_is_shown_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is tried every minute, and shown until a try succeeds."""
    harness = WriterHarness().open()
    failed = "permission denied for table changed_market_days"
    forbidden = Housekept(what="market_coverage", permitted=False, failed=failed, is_last=True)
    harness.store.computed = [forbidden, forbidden]
    shown = []
    with caplog.at_level(logging.WARNING):
        for seconds in (60, 59, 1, 60):
            harness.tick(seconds)
            report = harness.supervisor.last(WriterReport)
            shown.append((report.chores_failed_total, report.chores_failing))
    said = (f"market_coverage: {failed}",)
    assert shown == [(1, said), (1, said), (2, said), (2, ())]
    logged = [each for each in caplog.records if each.message.startswith("housekeeping_")]
    assert [(each.message, each.__dict__["what"]) for each in logged] == [
        ("housekeeping_forbidden", "market_coverage")
    ]


def test_a_chore_that_fails_is_counted_shown_and_logged_once_an_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    harness.tick(600)
    failed = Housekept(what="samples", failed="division by zero")
    other = Housekept(what="others", failed="permission denied", permitted=False)
    slow = Housekept(what="samples", is_slow=True)
    harness.store.chores = [failed, other, slow, failed, Housekept(what="others"), failed]
    harness.store.chores.append(Housekept(what="samples"))
    shown = []
    with caplog.at_level(logging.WARNING):
        # The last step of the first tick began a rest of six hours.
        for seconds in (21_600, 1, 1, 1, 1, 3_600, 1):
            harness.tick(seconds)
            report = harness.supervisor.last(WriterReport)
            shown.append((report.chores_failed_total, report.chores_failing))

    samples, others = "samples: division by zero", "others: permission denied"
    assert shown == [
        (1, (samples,)),
        (2, (others, samples)),
        (2, (others, samples)),
        (3, (others, samples)),
        (3, (samples,)),
        (4, (samples,)),
        (4, ()),
    ]
    logged = [each for each in caplog.records if each.message.startswith("housekeeping_")]
    assert [(each.message, each.__dict__["what"]) for each in logged] == [
        ("housekeeping_failed", "samples"),
        ("housekeeping_forbidden", "others"),
        ("housekeeping_failed", "samples"),
    ]
    assert logged[0].__dict__["reason"] == "division by zero"


def test_nothing_is_deleted_while_the_writer_catches_up_or_the_database_is_away() -> None:
    harness = WriterHarness().open()
    harness.store.chores = [Housekept(what="samples", is_last=True)]
    harness.tell(ReadJournal(seq=1))
    harness.tick(700)
    assert len(harness.store.chores) == 1

    drain(harness.actor)
    harness.store.away = True
    harness.tick()
    assert harness.supervisor.last(WriterReport).state == "away"
    harness.store.away = False
    for _ in range(4):
        harness.tick(5)
        drain(harness.actor)
    assert not harness.store.chores
