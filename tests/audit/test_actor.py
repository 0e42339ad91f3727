"""The audit actor: one audit at a time, paced, after the journal, and never in the way."""

import queue
from collections.abc import Sequence
from decimal import Decimal
from random import Random

import msgspec
import pytest

from actors.actor import Address, Addresses, Incarnation, Mailbox
from actors.audit.actor import (
    ASK_AGAIN_S,
    MOST_FAILURES,
    MOST_WAITING,
    OVERDUE_S,
    AuditActor,
    AuditSettings,
)
from actors.audit.asking import (
    PageAnswered,
    PageRequest,
    ReceiptsAnswered,
    ReceiptsRequest,
    Request,
    ThreadAsker,
    answered,
    settled,
)
from actors.audit.comparison import HOUR_MS
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    AuditDataRead,
    AuditMade,
    AuditReport,
    Message,
    RequestAuditData,
    StoreOpened,
    Tick,
    TicketsStored,
)
from actors.model.audit import (
    AuditAnswer,
    AuditQuestion,
    AuditResult,
    AuditSummary,
    Candidate,
    Fill,
    HourQuestion,
    Sample,
    SampleQuestion,
    StoredHour,
    StoredSum,
    SummaryQuestion,
    Witness,
)
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.contract.receipts import Settlement, State, unknown
from actors.polymarket.witness.fills import FillPage, PageRead
from tests.fakes_box import Box

START = 1_000.0
WALL_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS + 1_800_000
MARKET = ConditionId("0x" + "ab" * 32)
YES, NO = TokenId("1"), TokenId("2")
HASH = "0x" + "cd" * 32


class FakeAsker:
    """Keeps what is asked; a test answers."""

    def __init__(self, *, has_chain: bool = False) -> None:
        self.asked: list[PageRequest] = []
        self.receipts: list[ReceiptsRequest] = []
        self.has_chain = has_chain
        self.trackers = 0
        self.closed = False

    def share(self, trackers: int) -> None:
        self.trackers = trackers

    def ask(self, request: Request, reply_to: Mailbox) -> None:
        assert reply_to is not None
        if isinstance(request, PageRequest):
            self.asked.append(request)
        else:
            self.receipts.append(request)

    def close(self) -> None:
        self.closed = True


class Harness:
    """An audit actor, unstarted, with its boxes and a clock that a test moves."""

    def __init__(
        self, markets: int = 3_600, incarnation: int = 1, *, has_chain: bool = False
    ) -> None:
        self.writer, self.supervisor = Box(), Box()
        self.asker = FakeAsker(has_chain=has_chain)
        self.now = START
        self.actor = AuditActor(
            Incarnation("audit", incarnation, self.time()),
            to=Addresses(writer=self.writer, supervisor=self.supervisor),
            asker=self.asker,
            settings=AuditSettings(markets=markets),
            rng=Random(1),
        )

    def time(self) -> Tick:
        wall_ns = (WALL_MS + round((self.now - START) * 1_000)) * 1_000_000
        return Tick(now=self.now, wall_ns=wall_ns)

    def tick(self, after_s: float = 1.0) -> "Harness":
        self.now += after_s
        self.actor.on_receive(self.time())
        return self

    def questions(self, kind: type[AuditQuestion]) -> list[AuditQuestion]:
        asked = self.writer.of(RequestAuditData)
        return [each.question for each in asked if isinstance(each.question, kind)]

    def answer(self, answer: Sample | StoredHour | AuditSummary) -> "Harness":
        kinds: dict[type[AuditAnswer], type[AuditQuestion]] = {
            Sample: SampleQuestion,
            StoredHour: HourQuestion,
            AuditSummary: SummaryQuestion,
        }
        question = self.questions(kinds[type(answer)])[-1]
        self.actor.on_receive(AuditDataRead(question=question, answer=answer))
        return self

    def begun(self) -> "Harness":
        """Let the first audit begin, and its first page be asked for."""
        self.tick(12.0)
        self.answer(Sample(candidates=(Candidate(condition_id=MARKET, traded=True),)))
        assert len(self.asker.asked) == 1
        return self

    @property
    def hour_ms(self) -> int:
        question = self.questions(SampleQuestion)[-1]
        assert isinstance(question, SampleQuestion)
        return question.from_ms

    def page(
        self,
        *fills: Fill,
        cursor: str | None = None,
        age_s: float = 0.0,
        rejected: tuple[tuple[str, int], ...] = (),
    ) -> "Harness":
        page = FillPage(fills=fills, rows=len(fills), rejected=rejected, next_cursor=cursor)
        read = PageRead(page, age_s, clock_wrong=False)
        return self.reply(PageAnswered(request=self.asker.asked[-1], read=read))

    def fail(self, failure: Exception) -> "Harness":
        return self.reply(PageAnswered(request=self.asker.asked[-1], failure=failure))

    def disputed(self) -> "Harness":
        """Let an audit find a trade that is not stored."""
        self.begun().page(self.fill())
        return self.answer(self.stored())

    def receipt(self, at_ms: int | None = None, **changes: object) -> "Harness":
        """Answer for the chain that the trade was settled."""
        found = Settlement(
            transaction=HASH,
            state=State.SETTLED,
            shares=((YES, Decimal(5), Decimal(5)),),
            at_ms=self.fill().at_ms if at_ms is None else at_ms,
        )
        found = msgspec.structs.replace(found, **changes)
        request = self.asker.receipts[-1]
        return self.reply(ReceiptsAnswered(request=request, settlements=(found,)))

    def reply(self, message: PageAnswered | ReceiptsAnswered) -> "Harness":
        self.actor.on_receive(message)
        return self

    def fill(self, minute: int = 30, size: str = "5") -> Fill:
        return Fill(
            token_id=YES,
            transaction=HASH,
            size=Decimal(size),
            price=Decimal("0.5"),
            at_ms=self.hour_ms + 60_000 * minute,
        )

    def stored(self, *sums: StoredSum) -> StoredHour:
        span = (self.hour_ms - HOUR_MS, self.hour_ms + 2 * HOUR_MS)
        return StoredHour(tokens=(YES, NO), sums=sums, covered=((YES, *span), (NO, *span)))

    def sum(self) -> StoredSum:
        at_ms = self.hour_ms + 1_797_500
        return StoredSum(
            token_id=YES, transaction=HASH, size=Decimal(5), first_ms=at_ms, last_ms=at_ms
        )

    @property
    def made(self) -> list[AuditMade]:
        return self.writer.of(AuditMade)

    @property
    def report(self) -> AuditReport:
        return self.supervisor.last(AuditReport)


def test_nothing_is_asked_before_the_first_audit_is_due() -> None:
    harness = Harness(markets=20)
    for _ in range(179):
        harness.tick()
    assert harness.questions(SampleQuestion) == []
    harness.tick()

    assert len(harness.questions(SampleQuestion)) == 1
    assert harness.asker.asked == []


def test_an_audit_reads_the_witness_then_the_database_and_is_stored() -> None:
    harness = Harness().begun()
    harness.page(harness.fill())
    assert harness.report.doing == "waiting"
    (question,) = harness.questions(HourQuestion)
    assert isinstance(question, HourQuestion)
    assert question.from_ms == harness.hour_ms - 600_000
    harness.answer(harness.stored(harness.sum()))

    (made,) = harness.made
    audit = made.audit
    assert (audit.result, audit.condition_id) == (AuditResult.COMPLETE, MARKET)
    assert (audit.theirs, audit.ours, audit.witness) == (1, 1, Witness.DATA)
    assert harness.tick().report.waiting == 1
    harness.actor.on_receive(TicketsStored(tickets=(made.ticket,)))
    assert (harness.tick().report.waiting, harness.report.made_total) == (0, 1)


def test_what_is_missing_is_stored_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    harness = Harness().begun()
    harness.page(harness.fill())
    harness.answer(harness.stored())

    assert harness.made[0].audit.result is AuditResult.MISSING
    (line,) = [each for each in caplog.records if each.message == "audit_missing"]
    assert HASH in vars(line)["evidence"]


def test_pages_follow_each_other_until_the_hour_is_read() -> None:
    harness = Harness().begun()
    harness.page(harness.fill(59), cursor="a")
    assert [each.cursor for each in harness.asker.asked] == [None, "a"]
    harness.page(harness.fill(-2))

    assert len(harness.asker.asked) == 2
    assert len(harness.questions(HourQuestion)) == 1


def test_the_age_of_an_answer_counts_from_when_it_was_asked_for() -> None:
    harness = Harness().begun()
    harness.now += 100.0
    harness.page(harness.fill(), age_s=3_000.0)
    harness.answer(harness.stored(harness.sum()))

    assert harness.made[0].audit.result is AuditResult.UNKNOWN
    evidence = msgspec.json.decode(harness.made[0].audit.evidence)
    assert evidence["reasons"] == ["answer too old"]


def test_no_more_than_ten_pages_leave_in_ten_seconds() -> None:
    harness = Harness().begun()
    for number in range(12):
        if len(harness.asker.asked) == number + 1:
            harness.page(harness.fill(59), cursor=f"c{number}")
    assert len(harness.asker.asked) == 10
    harness.tick(5.0)
    assert len(harness.asker.asked) == 10
    harness.tick(10.0)

    assert len(harness.asker.asked) == 11


def test_a_witness_that_fails_is_left_alone_and_asked_again() -> None:
    harness = Harness().begun()
    harness.fail(SourceUnavailable("HTTP 503", retry_after_s=30.0))
    assert harness.tick(20.0).report.witnesses == (("data", "HTTP 503"),)
    assert len(harness.asker.asked) == 1
    harness.tick(11.0)
    assert len(harness.asker.asked) == 2
    harness.page(harness.fill())

    assert harness.tick().report.witnesses == (("data", "ok"),)
    assert harness.report.doing == "reading"


def test_after_some_failures_the_next_market_comes() -> None:
    harness = Harness().begun()
    for _ in range(MOST_FAILURES):
        harness.fail(PayloadRejected("unexpected shape"))
        harness.tick(61.0)

    assert harness.report.doing == "waiting"
    assert len(harness.questions(SampleQuestion)) == 2
    assert harness.made == []


def test_a_fault_of_ours_ends_it() -> None:
    with pytest.raises(ZeroDivisionError):
        Harness().begun().fail(ZeroDivisionError())


def test_a_call_that_hangs_is_given_up_and_its_answer_ignored() -> None:
    harness = Harness().begun()
    late = harness.asker.asked[0]
    harness.tick(OVERDUE_S)
    harness.tick(2.0)
    assert len(harness.asker.asked) == 2
    harness.reply(PageAnswered(request=late, failure=SourceUnavailable("late")))

    assert harness.tick().report.witnesses[0][1].startswith("no answer")
    assert harness.report.doing == "asking"


def test_questions_that_the_database_does_not_answer_are_asked_again() -> None:
    harness = Harness()
    harness.tick(12.0)
    harness.tick(ASK_AGAIN_S - 1)
    assert len(harness.questions(SampleQuestion)) == 1
    harness.tick(2.0)
    assert len(harness.questions(SampleQuestion)) == 2
    harness.answer(Sample(candidates=(Candidate(condition_id=MARKET),)))
    harness.page(harness.fill())
    harness.tick(ASK_AGAIN_S + 1)
    assert len(harness.questions(HourQuestion)) == 2
    harness.answer(harness.stored(harness.sum()))
    harness.answer(harness.stored(harness.sum()))

    assert len(harness.made) == 1, "the second answer is of an audit that was made"


def test_an_answer_to_an_earlier_round_changes_nothing() -> None:
    harness = Harness()
    harness.tick(12.0)
    old = harness.questions(SampleQuestion)[0]
    harness.tick(ASK_AGAIN_S + 1)
    sample = Sample(candidates=(Candidate(condition_id=MARKET),))
    harness.actor.on_receive(AuditDataRead(question=old, answer=sample))

    assert harness.asker.asked == []


def test_what_is_not_stored_is_sent_again_and_only_that() -> None:
    harness = Harness().begun()
    harness.page(harness.fill())
    harness.answer(harness.stored(harness.sum()))
    harness.actor.on_receive(StoreOpened(server="s"))
    assert [each.ticket for each in harness.made] == [harness.made[0].ticket] * 2
    harness.actor.on_receive(TicketsStored(tickets=(harness.made[0].ticket,)))
    harness.actor.on_receive(StoreOpened(server="s"))

    assert len(harness.made) == 2


def test_none_is_made_while_many_wait_to_be_stored() -> None:
    harness = Harness()
    for _ in range(MOST_WAITING):
        harness.tick(ASK_AGAIN_S + 1)
        harness.answer(Sample(candidates=(Candidate(condition_id=MARKET),)))
        harness.page(harness.fill())
        harness.answer(harness.stored(harness.sum()))
    before = len(harness.questions(SampleQuestion))
    harness.tick(10 * ASK_AGAIN_S)

    assert harness.report.waiting == len(harness.made) == MOST_WAITING
    assert len(harness.questions(SampleQuestion)) == before


def test_the_summary_is_asked_for_at_first_and_after_each_audit() -> None:
    harness = Harness().tick()
    assert len(harness.questions(SummaryQuestion)) == 1
    assert harness.report.summary is None
    harness.answer(AuditSummary(theirs=7))
    assert harness.tick().report.summary == AuditSummary(theirs=7)
    harness.actor.on_receive(TicketsStored(tickets=()))
    assert len(harness.questions(SummaryQuestion)) == 2
    harness.tick(400.0)

    assert len(harness.questions(SummaryQuestion)) == 3


def test_rejected_rows_are_counted() -> None:
    harness = Harness().begun()
    harness.page(harness.fill(), rejected=(("not JSON", 3),))

    assert harness.tick().report.rows_rejected == 3


def test_it_closes_what_it_asks_with() -> None:
    harness = Harness()
    harness.actor.on_stop()

    assert harness.asker.closed


def test_the_chain_is_asked_about_what_is_in_dispute_and_the_database_once_more() -> None:
    harness = Harness(has_chain=True).disputed()
    assert [each.audit.witness for each in harness.made] == [Witness.DATA]
    assert [each.transactions for each in harness.asker.receipts] == [(HASH,)]
    assert harness.tick().report.doing == "asking"
    harness.receipt()
    assert harness.tick().report.doing == "reading"
    assert len(harness.questions(HourQuestion)) == 2
    harness.answer(harness.stored())

    found = harness.made[-1].audit
    assert (found.witness, found.result, found.missing) == (Witness.CHAIN, AuditResult.MISSING, 1)
    assert harness.tick().report.witnesses == (("data", "ok"), ("chain", "ok"))
    assert harness.report.doing == "waiting"


def test_what_was_stored_while_the_chain_was_asked_is_not_missing() -> None:
    harness = Harness(has_chain=True).disputed().receipt()
    harness.answer(harness.stored(harness.sum()))

    assert harness.made[-1].audit.result is AuditResult.UNKNOWN


def test_where_both_sides_agree_the_chain_is_not_asked() -> None:
    harness = Harness(has_chain=True).begun().page(Harness.fill(Harness().begun()))
    harness.answer(harness.stored(harness.sum()))

    assert harness.asker.receipts == []
    assert len(harness.made) == 1


def test_an_old_answer_of_the_database_is_not_taken_for_the_second_one() -> None:
    harness = Harness(has_chain=True).begun()
    harness.page(harness.fill())
    first = harness.questions(HourQuestion)[-1]
    harness.answer(harness.stored()).receipt()
    harness.actor.on_receive(AuditDataRead(question=first, answer=harness.stored()))
    assert len(harness.made) == 1
    harness.answer(harness.stored())

    assert len(harness.made) == 2


def test_a_chain_that_fails_ends_the_audit_and_is_left_alone() -> None:
    harness = Harness(has_chain=True).disputed()
    failure = SourceUnavailable("HTTP 502", retry_after_s=600.0)
    harness.reply(ReceiptsAnswered(request=harness.asker.receipts[0], failure=failure))
    assert harness.tick().report.doing in {"waiting", "asking"}
    assert harness.report.witnesses[1] == ("chain", "HTTP 502")
    harness.tick(ASK_AGAIN_S)
    harness.answer(Sample(candidates=(Candidate(condition_id=MARKET, traded=True),)))
    harness.page(harness.fill())
    harness.answer(harness.stored())

    assert len(harness.asker.receipts) == 1
    assert [each.audit.witness for each in harness.made] == [Witness.DATA] * 2


def test_a_chain_that_hangs_is_given_up_and_its_answer_ignored() -> None:
    harness = Harness(has_chain=True).disputed()
    late = harness.asker.receipts[0]
    harness.tick(OVERDUE_S - 1)
    assert harness.report.doing == "asking"
    harness.tick(2.0)
    assert harness.report.witnesses[1][1].startswith("no answer")
    harness.reply(ReceiptsAnswered(request=late, settlements=(unknown(HASH, "no receipt"),)))

    assert len(harness.made) == 1


def test_a_fault_of_ours_in_the_chain_ends_it() -> None:
    harness = Harness(has_chain=True).disputed()
    request = harness.asker.receipts[0]
    with pytest.raises(ZeroDivisionError):
        harness.reply(ReceiptsAnswered(request=request, failure=ZeroDivisionError()))
    with pytest.raises(RuntimeError, match="neither"):
        harness.reply(ReceiptsAnswered(request=request))


def test_the_parts_of_other_trackers_are_passed_on() -> None:
    harness = Harness()
    harness.actor.on_receive(msgspec.structs.replace(harness.time(), trackers=3))

    assert harness.asker.trackers == 3


class FakeReceipts:
    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.trackers = 0
        self.closed = False

    def share(self, trackers: int) -> None:
        self.trackers = trackers

    def settlements(self, transactions: Sequence[str]) -> tuple[Settlement, ...]:
        if self.failure is not None:
            raise self.failure
        return tuple(unknown(each, "no receipt") for each in transactions)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("failure", [None, SourceUnavailable("away"), ZeroDivisionError()])
def test_a_call_of_the_chain_brings_settlements_or_what_it_raised(
    failure: Exception | None,
) -> None:
    request = ReceiptsRequest(transactions=(HASH,))
    found = settled(FakeReceipts(failure), request)

    assert found.request is request
    assert found.failure is failure
    assert (found.settlements is None) == (failure is not None)
    assert isinstance(settled(None, request).failure, TypeError)


class Answers(Address):
    """Gives what another thread sends to the thread of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def tell(self, message: Message) -> None:
        self.queue.put(message)


def test_the_thread_asks_each_witness() -> None:
    answers, receipts = Answers(), FakeReceipts()
    asker = ThreadAsker(FakePages(), receipts)
    assert asker.has_chain
    assert not ThreadAsker(FakePages()).has_chain
    asker.share(2)
    ThreadAsker(FakePages()).share(2)
    asker.ask(ReceiptsRequest(transactions=(HASH,)), answers)
    asker.ask(PageRequest(condition_id=MARKET, cursor=None), answers)
    found = [type(answers.queue.get(timeout=10.0)) for _ in range(2)]
    asker.close()

    assert found == [ReceiptsAnswered, PageAnswered]
    assert (receipts.trackers, receipts.closed) == (2, True)


class FakePages:
    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.closed = False

    def page(self, condition_id: ConditionId, cursor: str | None) -> PageRead:
        assert (condition_id, cursor) == (MARKET, None)
        if self.failure is not None:
            raise self.failure
        page = FillPage(fills=(), rows=0, rejected=(), next_cursor=None)
        return PageRead(page, 0.0, clock_wrong=False)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("failure", [None, SourceUnavailable("away"), ZeroDivisionError()])
def test_a_call_brings_a_page_or_what_it_raised(failure: Exception | None) -> None:
    request = PageRequest(condition_id=MARKET, cursor=None)
    found = answered(FakePages(failure), request)

    assert found.request is request
    assert found.failure is failure
    assert (found.read is None) == (failure is not None)


def test_closing_what_asked_nothing_starts_no_thread() -> None:
    pages = FakePages()
    ThreadAsker(pages).close()

    assert pages.closed
