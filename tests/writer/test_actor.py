"""The writer actor, unstarted: a database and a journal in memory."""

import logging
from collections.abc import Callable
from decimal import Decimal
from random import Random

import msgspec
import pytest

from actors.actor import Addresses, Incarnation
from actors.messages import (
    BatchWritten,
    CatchUp,
    ConnectionNoted,
    CoverageForgotten,
    DayRestored,
    Drain,
    FactSeen,
    Flush,
    MarketResolved,
    MarketsRestored,
    MarketsReviewed,
    MarketsSeen,
    Open,
    ReadJournal,
    RequestMarkets,
    RequestReview,
    ResolutionConflict,
    ResolutionObserved,
    StoreLost,
    StoreOpened,
    Tick,
    TicketsStored,
    TradesMissed,
    TradesSeen,
    WriterReport,
)
from actors.model.assumptions import Assumption
from actors.model.conversion import DAY_NS
from actors.model.facts import (
    Fact,
    FramesSeen,
    Hole,
    ListeningOpened,
    ProcessAlive,
    RangeLost,
    TokensConfirmed,
    TokensWanted,
    encode,
)
from actors.model.market import Asset, Contradiction, Market, Observation, Resolution, Source
from actors.model.storage import LIVE, Batch, Committed, DayStored, Review
from actors.model.trade import ConditionId, TokenId, Trade, trade_hashes
from actors.polymarket import channel
from actors.writer.actor import WriterActor, WriterSettings
from actors.writer.upkeep import SETTLE_EVERY_S, SETTLE_STEPS
from tests.fakes import JOURNAL_ID, FakeJournal, FakeStore
from tests.fakes_box import Box, drain, step
from tests.feed.test_actor import a_trade

NS = 1_790_000_000_000_000_000
CONDITION = ConditionId("0x" + "ab" * 32)
MARKET = Market(
    condition_id=CONDITION,
    question="?",
    slug="s",
    assets=(
        Asset(token_id=TokenId("1"), outcome="Yes", outcome_index=0),
        Asset(token_id=TokenId("2"), outcome="No", outcome_index=1),
    ),
)


class WriterHarness:
    """A writer with boxes for other actors; `connection` is whoever appends and tells."""

    def __init__(
        self,
        journal: FakeJournal | None = None,
        store: FakeStore | None = None,
        settings: WriterSettings | None = None,
        seed: int = 1,
    ) -> None:
        self.supervisor, self.catalog, self.resolution = Box(), Box(), Box()
        self.audit = Box()
        self.journal, self.store = journal or FakeJournal(), store or FakeStore()
        self.now = 100.0
        self.actor = WriterActor(
            Incarnation("writer", 1, Tick(now=self.now, wall_ns=NS)),
            to=Addresses(
                supervisor=self.supervisor,
                catalog=self.catalog,
                resolution=self.resolution,
                audit=self.audit,
            ),
            store=self.store,
            journal=self.journal,
            settings=settings or WriterSettings(),
            rng=Random(seed),
        )

    def open(self) -> "WriterHarness":
        self.actor.on_receive(Open())
        drain(self.actor)
        return self

    def tick(self, after_s: float = 1.0) -> None:
        self.now += after_s
        self.actor.on_receive(Tick(now=self.now, wall_ns=NS))

    def journal_trade(self, number: int) -> TradesSeen:
        """Append a trade as a connection does; give what it would tell."""
        raw = a_trade(at_ms=1_790_000_000_000 + number)
        frames = FramesSeen(
            epoch=1, connection="a", received_at_ns=NS + number, occurrences=(1,), raws=(raw,)
        )
        seq = self.journal.append(encode(frames), weight=1)
        trades = channel.decode((raw,), NS + number).trades
        hashes = trade_hashes(trades)
        return TradesSeen(seq=seq, connection="a", trades=trades, rejections=(), hashes=hashes)

    def journal_fact(self, fact: Fact) -> FactSeen:
        return FactSeen(seq=self.journal.append(encode(fact)), fact=fact)

    def tell(self, *messages: object) -> None:
        for message in messages:
            self.actor.on_receive(message)

    def flush(self) -> None:
        self.actor.on_receive(Flush())

    def stored(self) -> list[Trade]:
        return list(self.store.trades.values())


class SteadyStore(FakeStore):
    """During each commit a connection records one more trade."""

    meanwhile: Callable[[int], TradesSeen] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[TradesSeen] = []

    def commit(self, batch: Batch) -> Committed:
        if self.meanwhile is not None:
            self.messages.append(self.meanwhile(100 + len(self.messages)))
        return super().commit(batch)


def test_received_trades_and_the_watermark_are_committed_together() -> None:
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1), harness.journal_trade(2))
    assert not harness.stored()
    harness.flush()

    assert len(harness.stored()) == 2
    assert harness.store.watermark == 3
    assert harness.journal.watermark == 3
    assert harness.supervisor.last(BatchWritten).stored == 2


def test_nothing_is_committed_when_nothing_waits() -> None:
    harness = WriterHarness().open()
    harness.flush()

    assert harness.store.batches == []


def test_the_watermark_never_passes_what_was_not_received_yet() -> None:
    harness = WriterHarness().open()
    first, second = harness.journal_trade(1), harness.journal_trade(2)
    harness.tell(second)
    harness.flush()
    assert harness.store.watermark == 1

    harness.tell(first)
    harness.flush()
    assert harness.store.watermark == 3


def test_the_journal_keeps_what_was_overtaken() -> None:
    harness = WriterHarness().open()
    first, second = harness.journal_trade(1), harness.journal_trade(2)
    harness.tell(second)
    harness.flush()
    assert harness.journal.watermark == 1

    harness.tell(first)
    harness.flush()
    assert harness.journal.watermark == 3


def test_a_start_catches_up_from_the_committed_watermark() -> None:
    journal = FakeJournal()
    before = WriterHarness(journal).open()
    for number in range(5):
        before.journal_trade(number)

    journal.opened_at_seq = journal.next_seq
    after = WriterHarness(journal, before.store).open()

    assert len(after.stored()) == 5
    assert after.store.watermark == 6
    assert after.supervisor.last(BatchWritten).recovered == 5


def test_catching_up_goes_in_bounded_ranges_and_lets_other_work_through() -> None:
    journal = FakeJournal()
    harness = WriterHarness(journal, settings=WriterSettings(batch_trades=2))
    for number in range(5):
        harness.journal_trade(number)
    harness.actor.on_receive(Open())

    sizes = []
    while step(harness.actor) is not None:
        sizes = [len(batch.trades) for batch in harness.store.batches]
    assert sizes == [2, 2, 1]


def test_a_recovered_trade_keeps_the_occurrence_it_was_given() -> None:
    harness = WriterHarness()
    raw = a_trade()
    for occurrence in (1, 2):
        frames = FramesSeen(
            epoch=1, connection="a", received_at_ns=NS, occurrences=(occurrence,), raws=(raw,)
        )
        harness.journal.append(encode(frames))
    harness.open()

    assert sorted(p.occurrence for p in harness.stored()) == [1, 2]


def test_a_database_that_is_away_loses_nothing_and_keeps_nothing_in_memory() -> None:
    harness = WriterHarness().open()
    harness.store.away = True
    harness.tell(harness.journal_trade(1))
    harness.flush()
    assert harness.supervisor.last(StoreLost).reason == "server closed the connection"
    for number in range(2, 50):
        harness.tell(harness.journal_trade(number))
    assert harness.actor._gathered.records == 0

    harness.store.away = False
    for _ in range(3):
        harness.tick(2.0)
        drain(harness.actor)
    assert len(harness.stored()) == 49
    assert harness.store.watermark == harness.journal.next_seq


def test_a_cut_in_the_middle_of_commit_is_settled_by_the_watermark() -> None:
    harness = WriterHarness().open()
    harness.store.loses_answer = True
    harness.tell(harness.journal_trade(1))
    harness.flush()
    harness.tick(2.0)
    drain(harness.actor)

    assert len(harness.stored()) == 1
    assert harness.store.watermark == 2
    assert len(harness.store.batches) == 1


def test_a_database_that_is_away_at_start_is_tried_again() -> None:
    harness = WriterHarness()
    harness.store.away = True
    harness.open()
    harness.journal_trade(1)
    harness.store.away = False
    harness.tick(1.0)
    drain(harness.actor)

    assert len(harness.stored()) == 1
    opened = harness.supervisor.last(StoreOpened)
    assert (opened.server, opened.identity) == ("FakeSQL 1", "f4ke")


def test_what_was_too_much_to_send_is_read_from_the_journal() -> None:
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1))
    untold = harness.journal_trade(2)
    harness.tell(ReadJournal(seq=untold.seq))
    drain(harness.actor)

    assert len(harness.stored()) == 2
    assert harness.store.watermark == 3


def test_while_trades_never_cease_the_end_of_the_backlog_is_reached() -> None:
    harness = WriterHarness(store=(store := SteadyStore()))
    harness.tell(*(harness.journal_trade(number) for number in range(5)))
    store.meanwhile = harness.journal_trade
    harness.open()
    harness.tick()
    assert harness.supervisor.last(WriterReport).state == LIVE
    harness.tell(*store.messages)  # what was recorded during the commits comes by message
    harness.flush()

    assert len(harness.stored()) == 5 + 1
    assert len(harness.store.batches) == 2


def test_what_was_read_from_the_journal_already_is_not_read_again() -> None:
    harness = WriterHarness().open()
    untold = [harness.journal_trade(number) for number in range(3)]
    for each in untold:
        harness.tell(ReadJournal(seq=each.seq))
        drain(harness.actor)

    assert len(harness.stored()) == 3
    assert harness.journal.readings == 2  # at the start, and once for all three


def test_a_record_whose_sender_died_is_found_after_5_s() -> None:
    harness = WriterHarness().open()
    harness.journal_trade(1)
    harness.tell(harness.journal_trade(2))
    harness.flush()
    for _ in range(7):
        harness.tick(1.0)
        drain(harness.actor)

    assert len(harness.stored()) == 2
    assert harness.store.watermark == 3


def test_a_hole_in_the_journal_is_stepped_over() -> None:
    harness = WriterHarness()
    for number in range(5):
        harness.journal_trade(number)
    harness.journal.dig(2, 3)
    harness.open()

    assert len(harness.stored()) == 3
    assert harness.store.watermark == 6


def test_an_unreadable_record_is_rejected_and_does_not_block() -> None:
    harness = WriterHarness()
    harness.journal.append(b"\xc1 not a record")
    harness.journal_trade(1)
    harness.open()

    (batch,) = harness.store.batches
    assert [aside.rejection.payload for aside in batch.rejections] == [b"\xc1 not a record"]
    assert len(harness.stored()) == 1


def test_facts_are_committed_in_the_order_of_the_journal() -> None:
    harness = WriterHarness().open()
    first = harness.journal_fact(ListeningOpened(at_ns=NS, connection="a", feed=0))
    second = harness.journal_fact(TokensConfirmed(epoch=1, at_ns=NS, tokens=()))
    harness.tell(second, first)
    harness.flush()

    assert [seq for seq, _ in harness.store.batches[-1].facts] == [first.seq, second.seq]


def test_tickets_are_stored_before_it_is_reported_to_their_owners() -> None:
    harness = WriterHarness().open()
    observation = Observation(
        condition_id=CONDITION,
        source=Source.GAMMA,
        observed_at_ms=1,
        payouts=((TokenId("1"), Decimal(1)), (TokenId("2"), Decimal(0))),
        reason="",
        payload="{}",
    )
    resolution = Resolution(
        condition_id=CONDITION,
        kind="winner",
        winning_token_id=TokenId("1"),
        winning_outcome="Yes",
        payouts=(Decimal(1), Decimal(0)),
        resolved_at_ms=1,
        sources=(Source.GAMMA, Source.CLOB),
    )
    contradiction = Contradiction(
        condition_id=CONDITION,
        detected_at_ms=2,
        recorded="winner 1",
        observed="winner 2",
        source=Source.DATA,
    )
    harness.tell(
        MarketsSeen(ticket=7, markets=(MARKET,)),
        ResolutionObserved(ticket=8, observation=observation),
        MarketResolved(ticket=9, resolution=resolution),
        ResolutionConflict(ticket=10, contradiction=contradiction),
    )
    assert not harness.catalog.of(TicketsStored)
    harness.flush()

    assert harness.store.batches[-1].markets == (MARKET,)
    assert harness.store.batches[-1].observations == (observation,)
    assert harness.store.batches[-1].resolutions == (resolution,)
    assert harness.store.batches[-1].contradictions == (contradiction,)
    assert harness.catalog.last(TicketsStored).tickets == (7,)
    assert harness.resolution.last(TicketsStored).tickets == (8, 9, 10)


def test_many_markets_do_not_wait_for_the_window_and_make_no_long_transaction() -> None:
    harness = WriterHarness().open()
    harness.tell(*(MarketsSeen(ticket=n, markets=(MARKET,) * 500) for n in range(5)))

    assert [len(batch.markets) for batch in harness.store.batches] == [2_000]
    assert harness.catalog.last(TicketsStored).tickets == (0, 1, 2, 3)
    harness.flush()
    assert [len(batch.markets) for batch in harness.store.batches] == [2_000, 500]


def test_many_trades_of_one_record_are_stored_with_the_hashes_they_came_with() -> None:
    harness = WriterHarness().open()
    first, second, third = (harness.journal_trade(number) for number in (1, 2, 3))
    both = msgspec.structs.replace(second, trades=second.trades + third.trades, hashes=(5, 6))
    harness.tell(both)
    harness.flush()
    assert (harness.store.watermark, len(harness.stored())) == (1, 2)
    assert harness.store.batches[-1].hashes == (5, 6)

    harness.tell(first)
    harness.flush()
    assert (harness.store.watermark, len(harness.stored())) == (3, 3)


def test_tickets_sent_while_the_database_is_away_are_not_confirmed() -> None:
    harness = WriterHarness()
    harness.store.away = True
    harness.open()
    harness.tell(MarketsSeen(ticket=7, markets=(MARKET,)))
    harness.flush()

    assert not harness.catalog.of(TicketsStored)


def test_an_opened_database_is_reported_to_those_who_hold_tickets() -> None:
    harness = WriterHarness()
    harness.store.unresolved = (MARKET,)
    harness.open()

    assert harness.catalog.of(StoreOpened)
    assert harness.resolution.of(StoreOpened)
    assert harness.catalog.last(MarketsRestored).markets == (MARKET,)
    assert harness.resolution.last(MarketsRestored).markets == (MARKET,)


def test_a_restarted_actor_can_request_the_stored_markets() -> None:
    harness = WriterHarness().open()
    harness.store.unresolved = (MARKET,)
    harness.tell(RequestMarkets())

    assert harness.catalog.last(MarketsRestored).markets == (MARKET,)


def test_a_range_of_the_review_goes_to_the_catalog() -> None:
    harness = WriterHarness().open()
    unknown = ConditionId("0x" + "07" * 32)
    harness.store.reviewed = Review(unknown=(unknown,), until=unknown)
    harness.tell(RequestReview(after=ConditionId("")))

    assert harness.catalog.last(MarketsReviewed) == MarketsReviewed(
        unknown=(unknown,), until=unknown
    )


def test_a_review_waits_while_the_database_is_away() -> None:
    harness = WriterHarness()
    harness.store.away = True
    harness.tell(RequestReview(after=ConditionId("")))

    assert harness.store.reviews == []


def test_connection_events_wait_for_the_database() -> None:
    harness = WriterHarness()
    harness.store.away = True
    harness.open()
    harness.tell(ConnectionNoted(at_ns=NS, connection="a", event="connected", reason=""))
    harness.store.away = False
    harness.tick(2.0)
    drain(harness.actor)
    harness.flush()

    events = [event for batch in harness.store.batches for event in batch.events]
    assert [event.event for event in events] == ["connected"]


def test_coverage_is_settled_a_few_steps_at_a_time_while_there_is_something_to_settle() -> None:
    harness = WriterHarness().open()
    harness.store.unsettled = 2 * SETTLE_STEPS
    harness.tick()
    assert harness.store.settled == SETTLE_STEPS
    harness.tick()
    assert harness.store.settled == 2 * SETTLE_STEPS
    harness.store.unsettled = 1  # nothing was left: it is looked again after a while
    harness.tick(SETTLE_EVERY_S - 1)
    assert harness.store.unsettled == 1
    harness.tick(1.0)
    assert harness.store.unsettled == 0


def test_a_database_that_goes_away_while_coverage_is_settled_is_opened_again() -> None:
    harness = WriterHarness().open()
    harness.store.away = True
    harness.tick()
    assert harness.supervisor.last(StoreLost).reason == "server closed the connection"
    harness.store.away = False
    harness.tick(60.0)
    harness.store.unsettled = 1
    harness.tick(SETTLE_EVERY_S)
    assert harness.store.settled == 1


def test_a_drain_commits_the_whole_journal() -> None:
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1))
    harness.journal_trade(2)

    assert harness.actor.on_receive(Drain()) is True
    assert len(harness.stored()) == 2


def test_a_drain_without_a_database_reports_it() -> None:
    harness = WriterHarness()
    harness.store.away = True
    harness.open()

    assert harness.actor.on_receive(Drain()) is False


def test_a_late_catch_up_message_does_nothing_in_live_state() -> None:
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1))
    harness.actor.on_receive(CatchUp())
    harness.flush()

    assert len(harness.stored()) == 1
    assert len(harness.store.batches) == 1


def test_a_full_batch_is_committed_without_waiting_for_the_window() -> None:
    harness = WriterHarness(settings=WriterSettings(batch_trades=3)).open()
    harness.tell(*(harness.journal_trade(number) for number in range(3)))

    assert len(harness.stored()) == 3


def test_a_batch_is_full_when_every_feed_has_reported_its_trades() -> None:
    harness = WriterHarness(settings=WriterSettings(batch_trades=3, feeds=2)).open()
    harness.tell(*(harness.journal_trade(number) for number in range(5)))
    assert len(harness.stored()) == 0
    harness.tell(harness.journal_trade(5))
    assert len(harness.stored()) == 6


def test_a_replay_counts_what_was_there_as_duplicates() -> None:
    harness = WriterHarness().open()
    told = harness.journal_trade(1)
    harness.tell(told)
    harness.flush()
    again = WriterHarness(harness.journal, harness.store)
    again.store.watermark = 0
    again.open()

    assert again.supervisor.last(BatchWritten).duplicates == 1
    assert again.supervisor.last(BatchWritten).stored == 0


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [line for line in caplog.records if line.msg == event]


def test_what_was_written_is_logged_every_10_s_at_most(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    harness = WriterHarness().open()
    for number in range(25):
        harness.tell(harness.journal_trade(number), harness.journal_trade(1_000 + number))
        harness.flush()
        harness.tick(1.0)
        drain(harness.actor)

    said = lines(caplog, "batches_written")
    assert [vars(line)["stored"] for line in said] == [2, 20, 20]
    assert [vars(line)["batches"] for line in said] == [1, 10, 10]


def test_a_stop_logs_what_was_written_since_the_last_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    harness = WriterHarness().open()
    for number in (1, 2):
        harness.tell(harness.journal_trade(number))
        harness.flush()
        harness.tick(1.0)
    harness.actor.on_stop()

    assert [vars(line)["stored"] for line in lines(caplog, "batches_written")] == [1, 1]


def test_the_log_line_shows_how_long_trades_waited_for_a_database_that_was_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    harness = WriterHarness()
    harness.store.away = True
    harness.open()
    harness.journal_trade(0)
    harness.store.away = False
    harness.now += 90.0
    harness.actor.on_receive(Tick(now=harness.now, wall_ns=NS + 90_000_000_000))
    drain(harness.actor)
    harness.tick(1.0)

    (line,) = lines(caplog, "batches_written")
    assert vars(line)["lag_s"] == pytest.approx(90.0)


def test_a_writer_without_trades_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    harness = WriterHarness().open()
    harness.tell(harness.journal_fact(ProcessAlive(at_ns=NS)))
    harness.flush()
    harness.tick(20.0)

    assert harness.store.batches
    assert not lines(caplog, "batches_written")


def test_too_many_rejected_rows_stop_the_storing_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    harness.store.poisoned = True
    harness.tell(harness.journal_trade(1))
    harness.flush()

    assert harness.supervisor.last(WriterReport).state == "stopped"
    assert "101 rows in a row" in harness.supervisor.last(StoreLost).reason
    assert vars(lines(caplog, "storing_stopped")[0])["retry_s"] == 300.0
    harness.tell(harness.journal_trade(2), MarketsSeen(ticket=7, markets=(MARKET,)))
    harness.flush()
    assert harness.actor._gathered.records == 0
    assert harness.journal.watermark == 1


def test_storing_is_tried_again_every_5_minutes() -> None:
    harness = WriterHarness().open()
    harness.store.poisoned = True
    harness.tell(harness.journal_trade(1))
    harness.flush()
    opens = harness.store.opens
    for _ in range(299):
        harness.tick()
        drain(harness.actor)
    assert harness.store.opens == opens

    harness.tick()
    drain(harness.actor)
    assert harness.store.opens == opens + 1
    harness.tick()
    assert harness.supervisor.last(WriterReport).state == "stopped"

    harness.store.poisoned = False
    for _ in range(300):
        harness.tick()
        drain(harness.actor)
    assert len(harness.stored()) == 1
    assert harness.supervisor.last(WriterReport).state == "live"


def test_a_version_that_must_not_write_any_more_journals_on_until_it_is_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    harness.store.newer = "the database has the migration 9000_add_note.sql"
    harness.tell(harness.journal_trade(1))
    harness.flush()

    assert harness.supervisor.last(WriterReport).state == "outdated"
    assert "9000_add_note.sql" in harness.supervisor.last(StoreLost).reason
    assert vars(lines(caplog, "version_outdated")[0])["retry_s"] == 60.0
    harness.tell(harness.journal_trade(2), MarketsSeen(ticket=7, markets=(MARKET,)))
    harness.flush()
    assert harness.actor._gathered.records == 0
    assert harness.actor.on_receive(Drain()) is False
    assert harness.journal.watermark == 1

    replaced = WriterHarness(harness.journal, FakeStore()).open()
    assert len(replaced.stored()) == 2


def test_a_version_that_must_not_write_looks_every_minute_whether_it_may_again() -> None:
    harness = WriterHarness()
    harness.store.newer = "the database has the migration 9000_add_note.sql"
    harness.open()
    assert harness.supervisor.last(WriterReport).state == "outdated"
    harness.tell(harness.journal_trade(1))
    opens = harness.store.opens
    for _ in range(59):
        harness.tick()
    assert harness.store.opens == opens

    harness.store.newer = ""
    harness.tick()
    drain(harness.actor)
    assert harness.store.opens == opens + 1
    assert len(harness.stored()) == 1


def test_a_batch_that_was_cut_off_is_followed_by_a_smaller_one() -> None:
    harness = WriterHarness(settings=WriterSettings(batch_trades=8)).open()
    harness.store.away = True
    harness.tell(*(harness.journal_trade(number) for number in range(20)))
    harness.store.away = False
    for _ in range(4):
        harness.tick(2.0)
        drain(harness.actor)

    assert [len(batch.trades) for batch in harness.store.batches] == [4, 8, 8]


def journal_rejected(harness: WriterHarness, *payloads: bytes) -> TradesSeen:
    """Append rejected events as one record; give what a connection would tell."""
    frames = FramesSeen(epoch=1, connection="a", received_at_ns=NS, occurrences=(), raws=payloads)
    seq = harness.journal.append(encode(frames), weight=len(payloads))
    rejections = channel.decode(payloads, NS).rejections
    return TradesSeen(seq=seq, connection="a", trades=(), rejections=rejections, hashes=(), epoch=1)


MAYBE = [a_trade(event_type="trade_v2", size=str(number)) for number in range(1, 41)]
"""Events that may be trades."""


def test_rejected_events_fill_a_batch_as_trades_do() -> None:
    harness = WriterHarness(settings=WriterSettings(batch_trades=8)).open()
    for at in range(0, 40, 5):
        harness.tell(journal_rejected(harness, *MAYBE[at : at + 5]))

    sizes = [len(batch.rejections) for batch in harness.store.batches]
    assert sizes == [10, 10, 10, 10]
    assert harness.actor._gathered.records == 0


def test_rejected_events_that_are_read_back_fill_a_batch_as_trades_do() -> None:
    journal = FakeJournal()
    before = WriterHarness(journal)
    for at in range(0, 40, 5):
        journal_rejected(before, *MAYBE[at : at + 5])
    harness = WriterHarness(journal, settings=WriterSettings(batch_trades=8)).open()

    assert [len(batch.rejections) for batch in harness.store.batches] == [10, 10, 10, 10]
    assert harness.store.watermark == journal.next_seq


@pytest.mark.parametrize("is_read", [False, True])
def test_a_batch_is_bounded_in_bytes_of_rejected_events(*, is_read: bool) -> None:
    journal = FakeJournal()
    before = WriterHarness(journal)
    long = [a_trade(event_type="trade_v2", pad="x" * 100_000, size=str(n)) for n in range(1, 9)]
    told = [journal_rejected(before, raw) for raw in long]
    settings = WriterSettings(batch_trades=200)
    if is_read:
        harness = WriterHarness(journal, settings=settings).open()
    else:
        harness = WriterHarness(settings=settings).open()
        harness.tell(*told)

    harness.flush()
    assert [len(batch.rejections) for batch in harness.store.batches] == [3, 3, 2]


def restored(journal: FakeJournal, store: FakeStore) -> WriterHarness:
    """Return a harness whose state directory is older than its database."""
    harness = WriterHarness(journal, store)
    store.watermark = 10
    return harness


# --------------------------------------------------------------------- comparison


def two_feeds() -> WriterHarness:
    return WriterHarness(settings=WriterSettings(feeds=2)).open()


def test_a_trade_that_only_one_feed_reported_is_sent_to_the_supervisor_once() -> None:
    harness = two_feeds()
    harness.tell(harness.journal_trade(1))
    harness.tick(4)
    assert not harness.supervisor.of(TradesMissed)
    harness.tick(1)
    harness.tick(1)

    (told,) = harness.supervisor.of(TradesMissed)
    assert [(one.trade.traded_at_ms, one.reported_by) for one in told.missed] == [
        (1_790_000_000_001, ("a",))
    ]


def test_a_trade_that_both_feeds_reported_is_sent_to_nobody() -> None:
    harness = two_feeds()
    for name in ("a", "b"):
        harness.tell(msgspec.structs.replace(harness.journal_trade(1), connection=name))
    harness.tick(6)

    assert not harness.supervisor.of(TradesMissed)


def test_trades_whose_reports_were_dropped_do_not_count_as_missed() -> None:
    harness = two_feeds()
    harness.tell(harness.journal_trade(1), ReadJournal(seq=2))
    harness.tick(6)
    drain(harness.actor)
    harness.tick(6)

    assert not harness.supervisor.of(TradesMissed)


def test_a_trade_that_one_feed_alone_has_twice_is_marked_and_counted() -> None:
    harness = two_feeds()
    once = harness.journal_trade(1)
    again = tuple(msgspec.structs.replace(trade, occurrence=2) for trade in once.trades)
    harness.tell(once, msgspec.structs.replace(once, seq=2, trades=again))
    harness.tell(msgspec.structs.replace(once, seq=3, connection="b"))
    harness.tick(20)
    harness.flush()

    (marked,) = [event for batch in harness.store.batches for event in batch.events]
    assert (marked.connection, marked.event) == ("a", "sent_twice")
    assert marked.reason == f"{again[0].token_id} 1790000000001 2 0.5 10"
    assert harness.supervisor.last(WriterReport).violations == ((Assumption.SENT_ONCE, 1),)
    assert not harness.supervisor.of(TradesMissed)


def test_a_drain_marks_what_the_feeds_told_otherwise_a_moment_ago_after_the_trades() -> None:
    harness = two_feeds()
    first = harness.journal_trade(1)
    harness.tell(first)
    later = harness.journal_trade(2)
    harness.tell(msgspec.structs.replace(later, connection="b"))

    assert harness.actor.on_receive(Drain()) is True
    events = [event for batch in harness.store.batches for event in batch.events]
    assert [(one.connection, one.event) for one in events] == [("b", "dated_apart")]
    assert not harness.store.batches[-1].trades
    assert len(harness.stored()) == 2


def test_a_drain_marks_more_than_one_commit_takes() -> None:
    harness = two_feeds()
    seen = harness.journal_trade(1)
    again = [msgspec.structs.replace(seen.trades[0], occurrence=2 + n) for n in range(10_500)]
    harness.actor._comparison.add("a", [*seen.trades, *again], 0.0)
    harness.actor._comparison.add("b", seen.trades, 0.0)

    assert harness.actor.on_receive(Drain()) is True
    events = [event for batch in harness.store.batches for event in batch.events]
    assert len(events) == 10_500


# ------------------------------------------------- identity and damage


def test_a_journal_older_than_the_database_takes_another_identity_and_loses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = restored(FakeJournal(), FakeStore())
    for number in range(3):  # under numbers that the database believes to hold
        harness.journal_trade(number)
    harness.open()

    assert len(harness.stored()) == 3
    assert harness.journal.journal_id != JOURNAL_ID
    assert harness.store.watermarks == {JOURNAL_ID: 10, harness.journal.journal_id: 4}
    (line,) = lines(caplog, "journal_renewed")
    assert vars(line)["watermark"] == 10

    harness.tell(harness.journal_trade(4))
    harness.flush()
    assert len(harness.stored()) == 4


def test_a_journal_without_space_for_another_identity_waits_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = restored(FakeJournal(), FakeStore())
    harness.journal_trade(1)
    harness.journal.full = True
    harness.open()
    (line,) = lines(caplog, "database_away")
    assert "no space" in vars(line)["reason"]
    harness.tick(0.1)
    assert harness.supervisor.last(WriterReport).state == "away"
    assert harness.stored() == []

    harness.journal.full = False
    harness.tick(70)
    drain(harness.actor)
    assert len(harness.stored()) == 1


def test_a_journal_that_passed_the_watermark_before_the_acknowledgement_is_sent_again() -> None:
    harness = restored(FakeJournal(), FakeStore())
    for number in range(30):
        harness.journal_trade(number)
    harness.open()

    assert len(harness.stored()) == 30


def test_a_watermark_that_grew_since_the_acknowledgement_is_no_reason_for_another_identity() -> (
    None
):
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1))
    harness.flush()
    for _ in range(3):
        WriterHarness(harness.journal, harness.store).open()

    assert list(harness.store.watermarks) == [JOURNAL_ID]


def test_a_commit_whose_answer_was_lost_is_no_reason_either() -> None:
    harness = WriterHarness().open()
    harness.store.loses_answer = True
    harness.tell(harness.journal_trade(1))
    harness.flush()
    WriterHarness(harness.journal, harness.store).open()

    assert harness.store.watermarks == {JOURNAL_ID: 2}


def test_a_range_that_cannot_be_read_is_written_into_coverage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness()
    for number in range(5):
        harness.journal_trade(number)
    harness.journal.dig(2, 3)
    harness.open()

    facts = [fact for batch in harness.store.batches for fact in batch.facts]
    assert facts == [(2, RangeLost(2, 3))]
    hole = vars(lines(caplog, "journal_hole")[0])
    assert (hole["first"], hole["last"], hole["bytes_lost"]) == (2, 3, 1)


def test_a_record_of_another_version_is_kept_and_named_and_its_time_is_not_claimed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness()
    harness.journal_trade(1)
    for _ in range(3):
        harness.journal.append(b"\x93\xa3new\x01\x02")
    harness.journal_trade(2)
    harness.open()

    (batch,) = harness.store.batches
    assert batch.facts == tuple((seq, RangeLost(seq, seq)) for seq in (2, 3, 4))
    assert [row.rejection.payload for row in batch.rejections] == [b"\x93\xa3new\x01\x02"] * 3
    assert len(batch.trades) == 2
    line = vars(lines(caplog, "journal_records_unknown")[0])
    assert (line["records"], line["first"], line["kinds"]) == (3, 2, {"new": 3})


def test_a_hole_at_the_end_of_the_journal_is_written_too() -> None:
    harness = WriterHarness()
    for number in range(3):
        harness.journal_trade(number)
    harness.journal.dig(3, 3)
    harness.open()

    assert harness.store.batches[-1].facts == ((3, RangeLost(3, 3)),)
    assert harness.store.watermark == 4


def test_a_journal_that_cannot_be_opened_for_now_is_read_again_and_no_hole_is_forgotten() -> None:
    """Not even one that was read before the descriptors ran out."""
    harness = WriterHarness()
    for number in range(5):
        harness.journal_trade(number)
    harness.journal.dig(2, 3)
    harness.journal.busy_at = 4
    harness.open()
    assert harness.store.batches == []
    harness.journal.busy_at = None
    for _ in range(7):
        harness.tick()
        drain(harness.actor)

    facts = [fact for batch in harness.store.batches for fact in batch.facts]
    assert facts == [(2, RangeLost(2, 3))]
    assert len(harness.stored()) == 3
    assert harness.store.watermark == 6


def test_a_damaged_record_that_was_stored_before_costs_no_coverage() -> None:
    harness = WriterHarness().open()
    harness.journal_trade(1)
    second = harness.journal_trade(2)
    harness.tell(second)
    harness.flush()
    harness.journal.dig(2, 2)
    for _ in range(7):
        harness.tick()
        drain(harness.actor)

    assert harness.store.watermark == 3
    assert not any(batch.facts for batch in harness.store.batches)


def test_facts_that_name_many_tokens_are_committed_in_bounded_transactions() -> None:
    harness = WriterHarness(settings=WriterSettings(batch_records=2_500)).open()
    tokens = tuple(TokenId(str(number)) for number in range(1_000))
    for _ in range(5):
        harness.tell(harness.journal_fact(TokensWanted(at_ns=NS, tokens=tokens)))
    harness.flush()
    assert [len(batch.facts) for batch in harness.store.batches] == [3, 2]

    behind = WriterHarness(harness.journal, settings=WriterSettings(batch_records=2_500))
    behind.open()
    assert [len(batch.facts) for batch in behind.store.batches] == [3, 2]


def test_a_watermark_that_this_process_never_sent_is_that_of_another_one() -> None:
    # The machine was set back while it ran: its clone has gone on under the same numbers.
    harness = WriterHarness().open()
    harness.tell(harness.journal_trade(1))
    harness.flush()
    harness.store.watermarks[JOURNAL_ID] = 40
    harness.store.away = True
    for number in range(2, 60):
        harness.tell(harness.journal_trade(number))
    harness.flush()
    harness.store.away = False
    harness.tick(60.0)
    drain(harness.actor)
    assert len(harness.stored()) == 59
    assert harness.journal.journal_id != JOURNAL_ID


def test_a_journal_that_another_process_stores_takes_another_identity(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness().open()
    harness.store.taken = True
    harness.tell(harness.journal_trade(1))
    harness.flush()
    assert not harness.stored()
    assert harness.journal.journal_id != JOURNAL_ID
    harness.tick(60.0)
    drain(harness.actor)
    assert len(harness.stored()) == 1
    assert [vars(line)["watermark"] for line in lines(caplog, "journal_renewed")] == [None]


@pytest.mark.parametrize(("is_new", "since_ns"), [(True, 0), (False, 7_000_000)])
def test_a_database_that_forgot_what_the_journal_has_deleted_is_told_the_plan_again(
    *, is_new: bool, since_ns: int
) -> None:
    harness = WriterHarness().open()
    for number in range(20):
        harness.tell(harness.journal_trade(number))
    harness.flush()
    harness.journal.oldest_seq = 15
    harness.store.moved_at_ms = 7
    harness.store.watermarks = {} if is_new else {JOURNAL_ID: 3}
    harness.actor.on_receive(Open())
    assert harness.supervisor.last(CoverageForgotten).since_ns == since_ns


def test_a_database_that_gets_it_from_the_journal_is_not_told_the_plan_again() -> None:
    harness = WriterHarness().open()
    for number in range(20):
        harness.tell(harness.journal_trade(number))
    harness.flush()
    harness.store.watermarks = {}  # all that it forgot is in the journal
    harness.actor.on_receive(Open())
    drain(harness.actor)
    assert not harness.supervisor.of(CoverageForgotten)
    later = WriterHarness(harness.journal, FakeStore())  # a new process sends its plan anyway
    harness.journal.opened_at_seq = harness.journal.oldest_seq = 18
    later.open()
    assert not later.supervisor.of(CoverageForgotten)


def test_today_is_told_as_often_as_the_journal_is_read_to_its_end() -> None:
    before = WriterHarness()
    before.journal_trade(1)
    harness = WriterHarness(journal=before.journal, store=before.store)
    harness.actor.on_receive(Open())
    assert not harness.supervisor.of(DayRestored)  # the journal still holds some of it
    drain(harness.actor)
    assert [each.found.trades for each in harness.supervisor.of(DayRestored)] == [1]
    assert harness.store.days == [(NS // DAY_NS, harness.journal.opened_at_seq)]
    harness.store.away = True
    harness.tell(harness.journal_trade(2))
    harness.flush()
    harness.store.away = False
    harness.tick(after_s=600.0)
    drain(harness.actor)
    assert [each.found.trades for each in harness.supervisor.of(DayRestored)] == [1, 2]


def test_a_database_that_is_lost_over_today_is_opened_again() -> None:
    class Lost(FakeStore):
        def day_stored(self, day: int, opened_at_seq: int) -> DayStored:
            self.away = not self.days
            return super().day_stored(day, opened_at_seq)

    harness = WriterHarness(store=Lost()).open()
    assert harness.supervisor.of(StoreLost)
    harness.store.away = False
    harness.tick(after_s=600.0)
    drain(harness.actor)
    assert len(harness.supervisor.of(DayRestored)) == 1


def test_what_of_coverage_may_stand_in_lost_records_is_told_again_once() -> None:
    harness = WriterHarness()
    for number in range(20):
        harness.journal_trade(number)
    harness.journal.dig(5, 6)
    harness.journal.dig(9, 9)
    harness.open()
    assert harness.supervisor.of(CoverageForgotten) == [
        CoverageForgotten(since_ns=4_000, is_earlier=False)
    ]
    harness.store.away = True
    harness.tell(harness.journal_trade(21))
    harness.flush()
    later = harness.journal_trade(22).seq
    harness.journal.dig(later, later)
    harness.store.away = False
    harness.tick(60.0)
    drain(harness.actor)
    again = CoverageForgotten(since_ns=(later - 1) * 1_000, is_earlier=False)
    assert harness.supervisor.of(CoverageForgotten)[1:] == [again]


def test_what_an_earlier_process_told_in_lost_records_is_told_again_as_its() -> None:
    harness = WriterHarness()
    for number in range(4):
        harness.journal_trade(number)
    harness.journal.opened_at_seq = harness.journal.next_seq
    harness.store.moved_at_ms = 7
    harness.journal.dig(1, 1)  # nothing before it tells the time
    harness.open()
    assert harness.supervisor.last(CoverageForgotten) == CoverageForgotten(
        since_ns=7_000_000, is_earlier=True
    )


def test_records_that_were_stored_before_they_were_lost_are_not_told_again() -> None:
    harness = WriterHarness()
    for number in range(4):
        harness.journal_trade(number)
    harness.journal.holes.append(Hole(first=5, last=8, bytes_lost=0, skipped=True))
    harness.journal.next_seq = 9
    harness.open()
    assert not harness.supervisor.of(CoverageForgotten)


def test_a_database_that_was_restored_before_the_start_is_told_since_when() -> None:
    before = WriterHarness().open()
    for number in range(20):
        before.tell(before.journal_trade(number))
    before.flush()
    before.journal.oldest_seq, before.journal.opened_at_seq = 15, 21
    before.store.moved_at_ms = 7
    before.store.watermarks = {JOURNAL_ID: 3}
    harness = WriterHarness(before.journal, before.store).open()
    assert harness.supervisor.last(CoverageForgotten) == CoverageForgotten(
        since_ns=7_000_000, is_earlier=True
    )
