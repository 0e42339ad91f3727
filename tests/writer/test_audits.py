"""What the writer does for the audit: it answers out of the database, and stores what is made."""

import pytest

from actors.messages import (
    AuditDataRead,
    AuditMade,
    RequestAuditData,
    StoreOpened,
    TicketsStored,
)
from actors.model.audit import (
    Audit,
    AuditQuestion,
    AuditResult,
    AuditSummary,
    HourQuestion,
    StoredHour,
    SummaryQuestion,
    Witness,
)
from actors.model.trade import ConditionId
from tests.writer.test_actor import WriterHarness

MARKET = ConditionId("0x" + "ab" * 32)
AUDIT = Audit(
    condition_id=MARKET,
    hour_ms=0,
    witness=Witness.DATA,
    theirs=1,
    ours=1,
    missing=0,
    outside_gaps=0,
    unmatched=0,
    result=AuditResult.COMPLETE,
    checked_at_ms=1,
    evidence="{}",
)
QUESTIONS: list[AuditQuestion] = [
    HourQuestion(condition_id=MARKET, from_ms=0, until_ms=1),
    SummaryQuestion(since_ms=0),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_out_of_the_database(question: AuditQuestion) -> None:
    harness = WriterHarness().open()
    harness.tell(RequestAuditData(question=question))

    answer = harness.audit.last(AuditDataRead)
    assert answer.question is question
    assert isinstance(answer.answer, StoredHour | AuditSummary)


def test_nothing_is_answered_while_the_journal_is_read_or_the_database_is_away() -> None:
    harness = WriterHarness()
    harness.tell(RequestAuditData(question=QUESTIONS[0]))
    harness.store.away = True
    harness.open()
    harness.tell(RequestAuditData(question=QUESTIONS[0]))

    assert harness.store.audit_questions == []
    assert harness.audit.of(AuditDataRead) == []


def test_a_database_that_is_lost_over_it_is_opened_again() -> None:
    harness = WriterHarness().open()
    harness.store.away = True
    harness.tell(RequestAuditData(question=QUESTIONS[0]))
    harness.store.away = False
    harness.tick(60.0)

    assert len(harness.audit.of(StoreOpened)) == 2


def test_audits_are_stored_with_the_next_batch_and_acknowledged() -> None:
    harness = WriterHarness().open()
    harness.tell(AuditMade(ticket=7, audit=AUDIT))
    assert harness.audit.of(TicketsStored) == []
    harness.flush()

    assert harness.store.batches[-1].audits == (AUDIT,)
    assert harness.audit.last(TicketsStored).tickets == (7,)
    assert all(each.tickets == () for each in harness.resolution.of(TicketsStored))
    harness.flush()
    assert len(harness.audit.of(TicketsStored)) == 1, "what carries none is not told"


def test_what_is_not_committed_is_not_acknowledged() -> None:
    harness = WriterHarness().open()
    harness.store.away = True
    harness.tell(AuditMade(ticket=7, audit=AUDIT))
    harness.flush()

    assert harness.audit.of(TicketsStored) == []
