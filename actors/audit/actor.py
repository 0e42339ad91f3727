"""The audit actor: asks witnesses whether a trade is missing.

Owns: the audit that is under way, which ones come next, those that are not stored yet, and the
thread that asks the witnesses.
Receives: Tick from the supervisor; PageAnswered and ReceiptsAnswered from its thread; Streamed from
the stream; AuditDataRead, StoreOpened and TicketsStored from the writer. Sends: RequestAuditData
and AuditMade to the writer, RequestStreamed to the stream, AuditReport to the supervisor. Fails on
unexpected errors only, not when a witness does not answer. Restarted by the supervisor; what was
audited is in the database.

One audit at a time, in this order: the pages of the Data API, then what is stored, so that what is
listed had more time to be stored; where both disagree, what the chain says of these transactions,
and what is stored once more. `audit/comparison.py` alone judges, `rounds.py` chooses.
"""

import logging
from random import Random
from typing import Final

import msgspec

from actors.actor import Address, Addresses, BaseActor, Incarnation, Outbox
from actors.audit.arbitration import MOST_ASKED, arbitrate, in_dispute
from actors.audit.asking import (
    Asker,
    PageAnswered,
    PageRequest,
    ReceiptsAnswered,
    ReceiptsRequest,
)
from actors.audit.comparison import MARGIN_MS, Hour, compare
from actors.audit.rounds import Lengths, Pace, Rounds
from actors.audit.streamed import StreamAudits
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    AuditDataRead,
    AuditMade,
    AuditReport,
    RequestAuditData,
    StoreOpened,
    Streamed,
    Tick,
    TicketsStored,
)
from actors.model.audit import (
    Audit,
    AuditQuestion,
    AuditSummary,
    HourQuestion,
    Sample,
    SampleQuestion,
    StoredHour,
    SummaryQuestion,
    Witness,
)
from actors.polymarket.contract.receipts import Settlement
from actors.polymarket.sources import AUDIT, RateLimit, SourceBackoff
from actors.polymarket.witness.fills import Reading

log = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
ASK_AGAIN_S: Final = 60.0
"""A question to the database that is not answered is asked again after so long."""
SUMMARY_S: Final = 300.0
"""How often it is asked what the audits of all trackers found."""
OVERDUE_S: Final = 300.0
"""A call that takes so long hangs where no deadline reaches."""
MOST_FAILURES: Final = 5
"""After so many failures in a row the next market is audited, lest it be about this one."""
MOST_WAITING: Final = 100
"""So many audits may wait to be stored; meanwhile none is made."""


class AuditSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much is audited.

    Attributes:
        markets: Hours of markets that are audited in an hour.
        stream: Whether as many are compared with the stream of all markets.
        lengths: Of hours and waits.
    """

    markets: int
    stream: bool = False
    lengths: Lengths = Lengths()


class _UnderWay:
    """The audit under way.

    Attributes:
        request: The page that was asked for; None while none is.
        asked_at, asked_ms: When that was, monotonic seconds and wall clock.
        question: What the database is asked; None while a witness is to be asked.
        receipts: What the chain was asked; None while it was not.
        settlements: What it answered; None before.
    """

    def __init__(self, hour: Hour) -> None:
        self.hour = hour
        self.reading = Reading(hour.condition_id, hour.told_since_ms)
        self.request: PageRequest | None = None
        self.asked_at, self.asked_ms = 0.0, 0
        self.question: HourQuestion | None = None
        self.failures = 0
        self.receipts: ReceiptsRequest | None = None
        self.settlements: tuple[Settlement, ...] | None = None


class AuditActor(BaseActor):
    """One incarnation of the audit.

    Args:
        incarnation: This incarnation.
        to: The other actors; it sends to the supervisor and the writer.
        asker: Asks the witnesses; closed when the actor stops.
        rng: Chance, by which hours and markets are drawn.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        asker: Asker,
        settings: AuditSettings,
        rng: Random,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._writer, self._stream = to.writer, to.stream
        self._asker = asker
        self._me = Address()  # of this incarnation alone: an answer to an earlier one is lost
        self._me.move_to(self.actor_ref)
        self._lengths = settings.lengths
        self._pace = Pace(settings.markets, incarnation.at.now)
        self._rounds = Rounds(rng, Witness.DATA, settings.lengths)
        self._limit, self._backoff = RateLimit(AUDIT), SourceBackoff()
        self._chain_backoff = SourceBackoff()
        self._streamed = (
            StreamAudits(settings.markets, incarnation.at.now, settings.lengths)
            if settings.stream
            else None
        )
        self._outbox = Outbox(incarnation=incarnation.number)
        self._under_way: _UnderWay | None = None
        self._sampling: SampleQuestion | None = None
        self._sampled_at = self._summarised_at = self._question_at = float("-inf")
        self._summary: AuditSummary | None = None
        self._made_total = self._rows_rejected = 0
        self._now, self._wall_ms = incarnation.at.now, incarnation.at.wall_ns // 1_000_000
        # The process before may have made all requests a moment ago.
        self._limit.exhaust(self._now)
        self.handlers = {
            Tick: self._tick,
            PageAnswered: self._page_answered,
            ReceiptsAnswered: self._receipts_answered,
            Streamed: self._stream_answered,
            AuditDataRead: self._data_read,
            StoreOpened: self._store_opened,
            TicketsStored: self._tickets_stored,
        }

    def on_stop(self) -> None:
        """End the thread that asks, and close its HTTP session."""
        self._asker.close()

    # ------------------------------------------------------------------ time

    def _tick(self, tick: Tick) -> None:
        """Record the time, do what is due, report."""
        self._now, self._wall_ms = tick.now, tick.wall_ns // 1_000_000
        self._limit.share(tick.trackers, tick.now)
        self._asker.share(tick.trackers)
        if tick.now - self._summarised_at >= SUMMARY_S:
            self._ask_summary()
        self._go_on()
        self._begin_streamed()
        self.supervisor.tell(
            AuditReport(
                child=self.child,
                incarnation=self.incarnation,
                now=tick.now,
                summary=self._summary,
                made_total=self._made_total,
                witnesses=self._witnesses(),
                waiting=len(self._outbox),
                doing=self._doing(),
                rows_rejected=self._rows_rejected,
            )
        )

    def _witnesses(self) -> tuple[tuple[str, str], ...]:
        """Return (witness, `unknown`, `ok` or its last error)."""
        data = (Witness.DATA.value, self._backoff.state)
        chain = (Witness.CHAIN.value, self._chain_backoff.state)
        return (data, chain) if self._asker.has_chain else (data,)

    def _doing(self) -> str:
        if self._under_way is None:
            return "waiting"
        return "asking" if self._under_way.question is None else "reading"

    def _go_on(self) -> None:
        """Take the next step of the audit under way, or begin one."""
        if self._under_way is None:
            self._begin()
        if self._under_way is None:
            return
        if self._under_way.receipts is not None and self._under_way.settlements is None:
            if self._now - self._under_way.asked_at >= OVERDUE_S:
                self._chain_failed(SourceUnavailable(f"no answer in {OVERDUE_S:g} s"))
        elif self._under_way.question is None:
            self._ask_witness(self._under_way)
        elif self._now - self._question_at >= ASK_AGAIN_S:
            self._ask_stored(self._under_way.question)

    def _begin(self) -> None:
        """Begin the next audit, if one is due; a new round begins when none is left in this one."""
        if not self._pace.is_due(self._now) or len(self._outbox) >= MOST_WAITING:
            return
        hour = self._rounds.next()
        if hour is not None:
            self._pace.began(self._now)
            self._under_way = _UnderWay(hour)
        elif self._now - self._sampled_at >= ASK_AGAIN_S:
            self._sampled_at = self._now
            self._sampling = self._rounds.question(self._wall_ms)
            self._ask_database(self._sampling)

    def _begin_streamed(self) -> None:
        """Ask the stream for the next market; nothing waits for its answer."""
        if self._streamed is not None and len(self._outbox) < MOST_WAITING:
            request = self._streamed.begin(self._now, self._wall_ms)
            if request is not None:
                self._stream.tell(request)

    def _stream_answered(self, message: Streamed) -> None:
        """Ask the database about what the stream told."""
        question = None if self._streamed is None else self._streamed.answered(message)
        if question is not None:
            self._ask_database(question)

    # ---------------------------------------------------------------- witness

    def _ask_witness(self, audit: _UnderWay) -> None:
        """Ask for the next page, if the witness may be asked now."""
        if audit.request is not None:
            if self._now - audit.asked_at >= OVERDUE_S:
                self._failed(audit, SourceUnavailable(f"no answer in {OVERDUE_S:g} s"))
            return
        if not self._backoff.ready(self._now) or not self._limit.ready(self._now):
            return
        self._limit.spend(self._now)
        audit.asked_at, audit.asked_ms = self._now, self._wall_ms
        audit.request = PageRequest(
            condition_id=audit.hour.condition_id, cursor=audit.reading.cursor
        )
        self._asker.ask(audit.request, self._me)

    def _page_answered(self, message: PageAnswered) -> None:
        """Take in a page or a failure, and go on."""
        audit = self._under_way
        if audit is None or audit.request is not message.request:
            return  # it was given up
        failure, read = message.failure, message.read
        if isinstance(failure, SourceUnavailable | PayloadRejected):
            self._failed(audit, failure)
            return
        if read is None:
            raise failure or RuntimeError("neither a page nor a failure")
        audit.request, audit.failures = None, 0
        self._backoff.succeeded()
        self._rows_rejected += sum(count for _, count in read.page.rejected)
        # Not made before it was asked for, but for what a cache had it.
        made_ms = audit.asked_ms - int(read.age_s * 1_000)
        audit.reading.add(read.page, made_ms, clock_wrong=read.clock_wrong)
        if audit.reading.is_over:
            self._read_stored(audit)
        else:
            self._go_on()

    def _failed(self, audit: _UnderWay, failure: SourceUnavailable | PayloadRejected) -> None:
        """Leave the witness alone for a while; after some failures leave this market, too."""
        audit.request = None
        audit.failures += 1
        wait_s = self._backoff.failed(self._now, failure)
        self._log_failure(Witness.DATA, failure, wait_s)
        if audit.failures >= MOST_FAILURES:
            self._under_way = None

    # ------------------------------------------------------------------ chain

    def _ask_chain(self, audit: _UnderWay, stored: StoredHour) -> bool:
        """Ask the chain about what is in dispute; return whether it was asked."""
        if not self._asker.has_chain or not self._chain_backoff.ready(self._now):
            return False
        asked = in_dispute(audit.hour, stored, audit.reading.told)[:MOST_ASKED]
        if not asked:
            return False
        audit.question, audit.asked_at = None, self._now
        audit.receipts = ReceiptsRequest(transactions=asked)
        self._asker.ask(audit.receipts, self._me)
        return True

    def _receipts_answered(self, message: ReceiptsAnswered) -> None:
        """Take in what the chain says, and read once more what is stored."""
        audit = self._under_way
        if audit is None or audit.receipts is not message.request:
            return  # it was given up
        failure = message.failure
        if isinstance(failure, SourceUnavailable | PayloadRejected):
            self._chain_failed(failure)
            return
        if message.settlements is None:
            raise failure or RuntimeError("neither settlements nor a failure")
        self._chain_backoff.succeeded()
        audit.settlements = message.settlements
        self._read_stored(audit)

    def _chain_failed(self, failure: SourceUnavailable | PayloadRejected) -> None:
        """Leave the chain alone for a while; this audit is over without it."""
        wait_s = self._chain_backoff.failed(self._now, failure)
        self._log_failure(Witness.CHAIN, failure, wait_s)
        self._under_way = None

    def _log_failure(self, witness: Witness, failure: Exception, wait_s: float) -> None:
        log.warning(
            "witness_failed",
            extra={"witness": witness.value, "reason": str(failure), "retry_s": wait_s},
        )

    # --------------------------------------------------------------- database

    def _read_stored(self, audit: _UnderWay) -> None:
        """Ask what is stored of the hour and around it."""
        audit.question = HourQuestion(
            condition_id=audit.hour.condition_id,
            from_ms=audit.hour.hour_ms - MARGIN_MS,
            until_ms=audit.hour.end_ms + MARGIN_MS,
        )
        self._ask_stored(audit.question)

    def _ask_database(self, question: AuditQuestion) -> None:
        self._writer.tell(RequestAuditData(question=question))

    def _ask_stored(self, question: HourQuestion) -> None:
        self._question_at = self._now
        self._ask_database(question)

    def _ask_summary(self) -> None:
        self._summarised_at = self._now
        self._ask_database(SummaryQuestion(since_ms=self._wall_ms - DAY_MS))

    def _data_read(self, message: AuditDataRead) -> None:
        """Take in what the database answered; what was not asked, or given up, changes nothing."""
        question, answer = message.question, message.answer
        if isinstance(answer, AuditSummary):
            self._summary = answer
            self._rounds.summarised(answer)
        elif isinstance(answer, Sample) and question is self._sampling is not None:
            self._rounds.sampled(self._sampling, answer)
            self._sampling = None
            self._go_on()
        elif isinstance(answer, StoredHour):
            audit = self._under_way
            # The same question is asked before and after the chain: it is that very object.
            if audit is not None and question is audit.question is not None:
                self._stored_read(audit, answer)
            elif self._streamed is not None:
                made = self._streamed.stored(question, answer, self._wall_ms)
                if made is not None:
                    self._made(made)

    def _stored_read(self, audit: _UnderWay, stored: StoredHour) -> None:
        """Judge; after the first time ask the chain, if there is something to ask."""
        told = audit.reading.told
        if audit.settlements is None:
            self._made(
                compare(
                    audit.hour,
                    stored,
                    told,
                    witness=Witness.DATA,
                    checked_at_ms=self._wall_ms,
                )
            )
            if self._ask_chain(audit, stored):
                return
        else:
            self._made(
                arbitrate(audit.hour, stored, told, audit.settlements, checked_at_ms=self._wall_ms)
            )
        self._under_way = None

    def _made(self, audit: Audit) -> None:
        """Send an audit to be stored; say at once what is missing though it was listened to."""
        if audit.outside_gaps:
            log.warning(
                "audit_missing",
                extra={
                    "witness": audit.witness.value,
                    "condition_id": audit.condition_id,
                    "hour_ms": audit.hour_ms,
                    "missing": audit.outside_gaps,
                    "evidence": audit.evidence,
                },
            )
        self._writer.tell(self._outbox.put(lambda ticket: AuditMade(ticket=ticket, audit=audit)))

    def _store_opened(self, _: StoreOpened) -> None:
        """Send the writer again what is not stored; ask soon what it knows."""
        for message in self._outbox.to_send_again():
            self._writer.tell(message)
        self._summarised_at = float("-inf")

    def _tickets_stored(self, message: TicketsStored) -> None:
        """Forget what is stored, and ask what all audits found with it."""
        self._made_total += len(self._outbox.stored(message.tickets, self._now))
        self._ask_summary()
