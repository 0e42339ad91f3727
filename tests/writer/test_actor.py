"""The writer actor, unstarted: a database and a journal in memory."""

import logging
from decimal import Decimal
from random import Random

import msgspec
import pytest

from actors.actor import Addresses, Incarnation
from actors.messages import (
    BatchWritten,
    CatchUp,
    ConnectionNoted,
    Drain,
    FactSeen,
    Flush,
    MarketResolved,
    MarketsRestored,
    MarketsSeen,
    Open,
    ReadJournal,
    RequestMarkets,
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
from actors.model.facts import (
    Fact,
    FramesSeen,
    ListeningOpened,
    ProcessAlive,
    RangeLost,
    TokensConfirmed,
    TokensWanted,
    encode,
)
from actors.model.market import Asset, Market
from actors.model.outcome import Contradiction, Observation, Resolution, Source
from actors.model.trade import ConditionId, TokenId, Trade, trade_hashes
from actors.polymarket import channel
from actors.writer.actor import WriterActor, WriterSettings
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


class House:
    """A writer with its neighbours; `connection` stands for whoever appends and tells."""

    def __init__(
        self,
        journal: FakeJournal | None = None,
        store: FakeStore | None = None,
        settings: WriterSettings | None = None,
    ) -> None:
        self.supervisor, self.catalog, self.resolution = Box(), Box(), Box()
        self.journal, self.store = journal or FakeJournal(), store or FakeStore()
        self.now = 100.0
        self.actor = WriterActor(
            Incarnation("writer", 1, Tick(now=self.now, wall_ns=NS)),
            to=Addresses(
                supervisor=self.supervisor, catalog=self.catalog, resolution=self.resolution
            ),
            store=self.store,
            journal=self.journal,
            settings=settings or WriterSettings(),
            rng=Random(1),
        )

    def open(self) -> "House":
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


def test_received_trades_and_the_watermark_are_committed_together() -> None:
    house = House().open()
    house.tell(house.journal_trade(1), house.journal_trade(2))
    assert not house.stored()
    house.flush()

    assert len(house.stored()) == 2
    assert house.store.watermark == 3
    assert house.journal.watermark == 3
    assert house.supervisor.last(BatchWritten).stored == 2


def test_nothing_is_committed_when_nothing_waits() -> None:
    house = House().open()
    house.flush()

    assert house.store.batches == []


def test_the_watermark_never_passes_what_was_not_received_yet() -> None:
    house = House().open()
    first, second = house.journal_trade(1), house.journal_trade(2)
    house.tell(second)
    house.flush()
    assert house.store.watermark == 1

    house.tell(first)
    house.flush()
    assert house.store.watermark == 3


def test_the_journal_keeps_what_was_overtaken() -> None:
    house = House().open()
    first, second = house.journal_trade(1), house.journal_trade(2)
    house.tell(second)
    house.flush()
    assert house.journal.watermark == 1

    house.tell(first)
    house.flush()
    assert house.journal.watermark == 3


def test_a_start_catches_up_from_the_committed_watermark() -> None:
    journal = FakeJournal()
    before = House(journal).open()
    for number in range(5):
        before.journal_trade(number)

    journal.opened_at_seq = journal.next_seq
    after = House(journal, before.store).open()

    assert len(after.stored()) == 5
    assert after.store.watermark == 6
    assert after.supervisor.last(BatchWritten).recovered == 5


def test_catching_up_goes_in_bounded_ranges_and_lets_other_work_through() -> None:
    journal = FakeJournal()
    house = House(journal, settings=WriterSettings(batch_trades=2))
    for number in range(5):
        house.journal_trade(number)
    house.actor.on_receive(Open())

    sizes = []
    while step(house.actor) is not None:
        sizes = [len(batch.trades) for batch in house.store.batches]
    assert sizes == [2, 2, 1]


def test_a_recovered_trade_keeps_the_occurrence_it_was_given() -> None:
    house = House()
    raw = a_trade()
    for occurrence in (1, 2):
        frames = FramesSeen(
            epoch=1, connection="a", received_at_ns=NS, occurrences=(occurrence,), raws=(raw,)
        )
        house.journal.append(encode(frames))
    house.open()

    assert sorted(p.occurrence for p in house.stored()) == [1, 2]


def test_a_database_that_is_away_loses_nothing_and_keeps_nothing_in_memory() -> None:
    house = House().open()
    house.store.away = True
    house.tell(house.journal_trade(1))
    house.flush()
    assert house.supervisor.last(StoreLost).reason == "server closed the connection"
    for number in range(2, 50):
        house.tell(house.journal_trade(number))
    assert house.actor._gathered.records == 0

    house.store.away = False
    for _ in range(3):
        house.tick(2.0)
        drain(house.actor)
    assert len(house.stored()) == 49
    assert house.store.watermark == house.journal.next_seq


def test_a_cut_in_the_middle_of_commit_is_settled_by_the_watermark() -> None:
    house = House().open()
    house.store.loses_answer = True
    house.tell(house.journal_trade(1))
    house.flush()
    house.tick(2.0)
    drain(house.actor)

    assert len(house.stored()) == 1
    assert house.store.watermark == 2
    assert len(house.store.batches) == 1


def test_a_database_that_is_away_at_start_is_tried_again() -> None:
    house = House()
    house.store.away = True
    house.open()
    house.journal_trade(1)
    house.store.away = False
    house.tick(1.0)
    drain(house.actor)

    assert len(house.stored()) == 1
    assert house.supervisor.last(StoreOpened).server == "FakeSQL 1"


def test_what_was_too_much_to_send_is_read_from_the_journal() -> None:
    house = House().open()
    house.tell(house.journal_trade(1))
    untold = house.journal_trade(2)
    house.tell(ReadJournal(seq=untold.seq))
    drain(house.actor)

    assert len(house.stored()) == 2
    assert house.store.watermark == 3


def test_a_record_whose_sender_died_is_found_after_5_s() -> None:
    house = House().open()
    house.journal_trade(1)
    house.tell(house.journal_trade(2))
    house.flush()
    for _ in range(7):
        house.tick(1.0)
        drain(house.actor)

    assert len(house.stored()) == 2
    assert house.store.watermark == 3


def test_a_hole_in_the_journal_is_stepped_over() -> None:
    house = House()
    for number in range(5):
        house.journal_trade(number)
    house.journal.dig(2, 3)
    house.open()

    assert len(house.stored()) == 3
    assert house.store.watermark == 6


def test_an_unreadable_record_is_rejected_and_does_not_block() -> None:
    house = House()
    house.journal.append(b"\xc1 not a record")
    house.journal_trade(1)
    house.open()

    (batch,) = house.store.batches
    assert [aside.rejection.payload for aside in batch.rejections] == [b"\xc1 not a record"]
    assert len(house.stored()) == 1


def test_facts_are_committed_in_the_order_of_the_journal() -> None:
    house = House().open()
    first = house.journal_fact(ListeningOpened(at_ns=NS, connection="a", feed=0))
    second = house.journal_fact(TokensConfirmed(epoch=1, at_ns=NS, tokens=()))
    house.tell(second, first)
    house.flush()

    assert [seq for seq, _ in house.store.batches[-1].facts] == [first.seq, second.seq]


def test_tickets_are_stored_before_it_is_reported_to_their_owners() -> None:
    house = House().open()
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
    house.tell(
        MarketsSeen(ticket=7, markets=(MARKET,)),
        ResolutionObserved(ticket=8, observation=observation),
        MarketResolved(ticket=9, resolution=resolution),
        ResolutionConflict(ticket=10, contradiction=contradiction),
    )
    assert not house.catalog.of(TicketsStored)
    house.flush()

    assert house.store.batches[-1].markets == (MARKET,)
    assert house.store.batches[-1].observations == (observation,)
    assert house.store.batches[-1].resolutions == (resolution,)
    assert house.store.batches[-1].contradictions == (contradiction,)
    assert house.catalog.last(TicketsStored).tickets == (7,)
    assert house.resolution.last(TicketsStored).tickets == (8, 9, 10)


def test_many_markets_do_not_wait_for_the_window_and_make_no_long_transaction() -> None:
    house = House().open()
    house.tell(*(MarketsSeen(ticket=n, markets=(MARKET,) * 500) for n in range(5)))

    assert [len(batch.markets) for batch in house.store.batches] == [2_000]
    assert house.catalog.last(TicketsStored).tickets == (0, 1, 2, 3)
    house.flush()
    assert [len(batch.markets) for batch in house.store.batches] == [2_000, 500]


def test_many_trades_of_one_record_are_stored_with_the_hashes_they_came_with() -> None:
    house = House().open()
    first, second, third = (house.journal_trade(number) for number in (1, 2, 3))
    both = msgspec.structs.replace(second, trades=second.trades + third.trades, hashes=(5, 6))
    house.tell(both)
    house.flush()
    assert (house.store.watermark, len(house.stored())) == (1, 2)
    assert house.store.batches[-1].hashes == (5, 6)

    house.tell(first)
    house.flush()
    assert (house.store.watermark, len(house.stored())) == (3, 3)


def test_tickets_sent_while_the_database_is_away_are_not_confirmed() -> None:
    house = House()
    house.store.away = True
    house.open()
    house.tell(MarketsSeen(ticket=7, markets=(MARKET,)))
    house.flush()

    assert not house.catalog.of(TicketsStored)


def test_an_opened_database_is_reported_to_those_who_hold_tickets() -> None:
    house = House()
    house.store.unresolved = (MARKET,)
    house.open()

    assert house.catalog.of(StoreOpened)
    assert house.resolution.of(StoreOpened)
    assert house.catalog.last(MarketsRestored).markets == (MARKET,)
    assert house.resolution.last(MarketsRestored).markets == (MARKET,)


def test_a_restarted_actor_can_request_the_stored_markets() -> None:
    house = House().open()
    house.store.unresolved = (MARKET,)
    house.tell(RequestMarkets())

    assert house.catalog.last(MarketsRestored).markets == (MARKET,)


def test_connection_events_wait_for_the_database() -> None:
    house = House()
    house.store.away = True
    house.open()
    house.tell(ConnectionNoted(at_ns=NS, connection="a", event="connected", reason=""))
    house.store.away = False
    house.tick(2.0)
    drain(house.actor)
    house.flush()

    events = [event for batch in house.store.batches for event in batch.events]
    assert [event.event for event in events] == ["connected"]


def test_a_drain_commits_the_whole_journal() -> None:
    house = House().open()
    house.tell(house.journal_trade(1))
    house.journal_trade(2)

    assert house.actor.on_receive(Drain()) is True
    assert len(house.stored()) == 2


def test_a_drain_without_a_database_reports_it() -> None:
    house = House()
    house.store.away = True
    house.open()

    assert house.actor.on_receive(Drain()) is False


def test_a_late_catch_up_message_does_nothing_in_live_state() -> None:
    house = House().open()
    house.tell(house.journal_trade(1))
    house.actor.on_receive(CatchUp())
    house.flush()

    assert len(house.stored()) == 1
    assert len(house.store.batches) == 1


def test_a_full_batch_is_committed_without_waiting_for_the_window() -> None:
    house = House(settings=WriterSettings(batch_trades=3)).open()
    house.tell(*(house.journal_trade(number) for number in range(3)))

    assert len(house.stored()) == 3


def test_a_batch_is_full_when_every_feed_has_reported_its_trades() -> None:
    house = House(settings=WriterSettings(batch_trades=3, feeds=2)).open()
    house.tell(*(house.journal_trade(number) for number in range(5)))
    assert len(house.stored()) == 0
    house.tell(house.journal_trade(5))
    assert len(house.stored()) == 6


def test_a_replay_counts_what_was_there_as_duplicates() -> None:
    house = House().open()
    told = house.journal_trade(1)
    house.tell(told)
    house.flush()
    again = House(house.journal, house.store)
    again.store.watermark = 0
    again.open()

    assert again.supervisor.last(BatchWritten).duplicates == 1
    assert again.supervisor.last(BatchWritten).stored == 0


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [line for line in caplog.records if line.msg == event]


def test_what_was_written_is_logged_every_10_s_at_most(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house = House().open()
    for number in range(25):
        house.tell(house.journal_trade(number), house.journal_trade(1_000 + number))
        house.flush()
        house.tick(1.0)
        drain(house.actor)

    said = lines(caplog, "batches_written")
    assert [vars(line)["stored"] for line in said] == [2, 20, 20]
    assert [vars(line)["batches"] for line in said] == [1, 10, 10]


def test_a_stop_logs_what_was_written_since_the_last_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    house = House().open()
    for number in (1, 2):
        house.tell(house.journal_trade(number))
        house.flush()
        house.tick(1.0)
    house.actor.on_stop()

    assert [vars(line)["stored"] for line in lines(caplog, "batches_written")] == [1, 1]


def test_the_log_line_shows_how_long_trades_waited_for_a_database_that_was_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    house = House()
    house.store.away = True
    house.open()
    house.journal_trade(0)
    house.store.away = False
    house.now += 90.0
    house.actor.on_receive(Tick(now=house.now, wall_ns=NS + 90_000_000_000))
    drain(house.actor)
    house.tick(1.0)

    (line,) = lines(caplog, "batches_written")
    assert vars(line)["lag_s"] == pytest.approx(90.0)


def test_a_writer_without_trades_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house = House().open()
    house.tell(house.journal_fact(ProcessAlive(at_ns=NS)))
    house.flush()
    house.tick(20.0)

    assert house.store.batches
    assert not lines(caplog, "batches_written")


def test_too_many_rejected_rows_stop_the_storing_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House().open()
    house.store.poisoned = True
    house.tell(house.journal_trade(1))
    house.flush()

    assert house.supervisor.last(WriterReport).state == "stopped"
    assert "101 rows in a row" in house.supervisor.last(StoreLost).reason
    assert vars(lines(caplog, "storing_stopped")[0])["retry_s"] == 300.0
    house.tell(house.journal_trade(2), MarketsSeen(ticket=7, markets=(MARKET,)))
    house.flush()
    assert house.actor._gathered.records == 0
    assert house.journal.watermark == 1


def test_storing_is_tried_again_every_5_minutes() -> None:
    house = House().open()
    house.store.poisoned = True
    house.tell(house.journal_trade(1))
    house.flush()
    opens = house.store.opens
    for _ in range(299):
        house.tick()
        drain(house.actor)
    assert house.store.opens == opens

    house.tick()
    drain(house.actor)
    assert house.store.opens == opens + 1
    house.tick()
    assert house.supervisor.last(WriterReport).state == "stopped"

    house.store.poisoned = False
    for _ in range(300):
        house.tick()
        drain(house.actor)
    assert len(house.stored()) == 1
    assert house.supervisor.last(WriterReport).state == "live"


def test_a_batch_that_was_cut_off_is_followed_by_a_smaller_one() -> None:
    house = House(settings=WriterSettings(batch_trades=8)).open()
    house.store.away = True
    house.tell(*(house.journal_trade(number) for number in range(20)))
    house.store.away = False
    for _ in range(4):
        house.tick(2.0)
        drain(house.actor)

    assert [len(batch.trades) for batch in house.store.batches] == [4, 8, 8]


def restored(journal: FakeJournal, store: FakeStore) -> House:
    """Return a house whose state directory is older than its database."""
    house = House(journal, store)
    store.watermark = 10
    return house


# --------------------------------------------------------------------- comparison


def two_feeds() -> House:
    return House(settings=WriterSettings(feeds=2)).open()


def test_a_trade_that_only_one_feed_reported_is_sent_to_the_supervisor_once() -> None:
    house = two_feeds()
    house.tell(house.journal_trade(1))
    house.tick(4)
    assert not house.supervisor.of(TradesMissed)
    house.tick(1)
    house.tick(1)

    (told,) = house.supervisor.of(TradesMissed)
    assert [(one.trade.traded_at_ms, one.reported_by) for one in told.missed] == [
        (1_790_000_000_001, ("a",))
    ]


def test_a_trade_that_both_feeds_reported_is_sent_to_nobody() -> None:
    house = two_feeds()
    for name in ("a", "b"):
        house.tell(msgspec.structs.replace(house.journal_trade(1), connection=name))
    house.tick(6)

    assert not house.supervisor.of(TradesMissed)


def test_trades_whose_reports_were_dropped_do_not_count_as_missed() -> None:
    house = two_feeds()
    house.tell(house.journal_trade(1), ReadJournal(seq=2))
    house.tick(6)
    drain(house.actor)
    house.tick(6)

    assert not house.supervisor.of(TradesMissed)


# ------------------------------------------------- identity and damage


def test_a_journal_older_than_the_database_takes_another_identity_and_loses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = restored(FakeJournal(), FakeStore())
    for number in range(3):  # under numbers that the database believes to hold
        house.journal_trade(number)
    house.open()

    assert len(house.stored()) == 3
    assert house.journal.journal_id != JOURNAL_ID
    assert house.store.watermarks == {JOURNAL_ID: 10, house.journal.journal_id: 4}
    (line,) = lines(caplog, "journal_renewed")
    assert vars(line)["watermark"] == 10

    house.tell(house.journal_trade(4))
    house.flush()
    assert len(house.stored()) == 4


def test_a_journal_that_passed_the_watermark_before_the_acknowledgement_is_sent_again() -> None:
    house = restored(FakeJournal(), FakeStore())
    for number in range(30):
        house.journal_trade(number)
    house.open()

    assert len(house.stored()) == 30


def test_a_watermark_that_grew_since_the_acknowledgement_is_no_reason_for_another_identity() -> (
    None
):
    house = House().open()
    house.tell(house.journal_trade(1))
    house.flush()
    for _ in range(3):
        House(house.journal, house.store).open()

    assert list(house.store.watermarks) == [JOURNAL_ID]


def test_a_commit_whose_answer_was_lost_is_no_reason_either() -> None:
    house = House().open()
    house.store.loses_answer = True
    house.tell(house.journal_trade(1))
    house.flush()
    House(house.journal, house.store).open()

    assert house.store.watermarks == {JOURNAL_ID: 2}


def test_a_range_that_cannot_be_read_is_written_into_coverage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()
    for number in range(5):
        house.journal_trade(number)
    house.journal.dig(2, 3)
    house.open()

    facts = [fact for batch in house.store.batches for fact in batch.facts]
    assert facts == [(2, RangeLost(2, 3))]
    assert vars(lines(caplog, "journal_hole")[0])["first"] == 2


def test_a_hole_at_the_end_of_the_journal_is_written_too() -> None:
    house = House()
    for number in range(3):
        house.journal_trade(number)
    house.journal.dig(3, 3)
    house.open()

    assert house.store.batches[-1].facts == ((3, RangeLost(3, 3)),)
    assert house.store.watermark == 4


def test_a_damaged_record_that_was_stored_before_costs_no_coverage() -> None:
    house = House().open()
    house.journal_trade(1)
    second = house.journal_trade(2)
    house.tell(second)
    house.flush()
    house.journal.dig(2, 2)
    for _ in range(7):
        house.tick()
        drain(house.actor)

    assert house.store.watermark == 3
    assert not any(batch.facts for batch in house.store.batches)


def test_facts_that_name_many_tokens_are_committed_in_bounded_transactions() -> None:
    house = House(settings=WriterSettings(batch_records=2_500)).open()
    tokens = tuple(TokenId(str(number)) for number in range(1_000))
    for _ in range(5):
        house.tell(house.journal_fact(TokensWanted(at_ns=NS, tokens=tokens)))
    house.flush()
    assert [len(batch.facts) for batch in house.store.batches] == [3, 2]

    behind = House(house.journal, settings=WriterSettings(batch_records=2_500))
    behind.open()
    assert [len(batch.facts) for batch in behind.store.batches] == [3, 2]
