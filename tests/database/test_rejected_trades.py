"""A trade that the database could not hold is a gap of its token, until the database has it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.app.reingest import understand
from actors.database.commands import kept
from actors.database.insertion import uncovered_ns
from actors.database.store import Store
from actors.errors import StorePoisoned
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    TokensConfirmed,
    TokensReleased,
    TokensWanted,
)
from actors.model.storage import Batch, TakenIn
from actors.model.trade import TokenId, Trade
from tests.database.samples import NO, YES, trade
from tests.database.test_kept import take_in
from tests.postgres import ask, do

pytestmark = pytest.mark.db

Span = tuple[float, float]
GAPS = "select lower(gap), upper(gap), cause from coverage_gaps(%s, %s, %s)"
BIG = Decimal(200)


@dataclass
class Tracker:
    """A tracker that listened to two tokens from second 0 to 60; second 0 was an hour ago."""

    store: Store
    dsn: str
    zero: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    )
    seq: int = 0

    def at(self, second: float) -> datetime:
        return self.zero + timedelta(seconds=second)

    def ns(self, second: float) -> int:
        return round(self.at(second).timestamp() * 1_000) * 1_000_000

    def add(self, fact: Fact) -> int:
        self.seq += 1
        self.store.commit(Batch(facts=((self.seq, fact),), watermark=self.seq + 1))
        return self.seq

    def start(self) -> None:
        self.add(ProcessStarted(self.ns(-2), "host", "1"))
        self.add(TokensWanted(self.ns(0), (YES, NO)))

    def listen(self) -> int:
        epoch = self.add(ListeningOpened(self.ns(-1), "a-0001", 0))
        self.add(TokensConfirmed(epoch, self.ns(0), (YES, NO)))
        self.add(ListeningProven(((epoch, self.ns(60)),)))
        return epoch

    def end(self, epoch: int) -> None:
        self.add(ListeningClosed(epoch, self.ns(61), self.ns(60), "planned"))

    def settle(self) -> None:
        while not self.store.settle():
            pass

    def trade(self, second: float, **changes: Any) -> Trade:
        given: dict[str, Any] = {
            "traded_at_ms": self.ns(second) // 1_000_000,
            "received_at_ns": self.ns(second),
        }
        return trade(**given | changes)

    def receive(self, *trades: Trade) -> None:
        self.seq += 1
        self.store.commit(Batch(trades=trades, watermark=self.seq + 1))

    def seconds(self, rows: Iterator[tuple[datetime, datetime]]) -> list[Span]:
        return [
            ((low - self.zero).total_seconds(), (high - self.zero).total_seconds())
            for low, high in rows
        ]

    def covered(self, token: TokenId = YES) -> list[Span]:
        query = """select lower(during), upper(during) from coverage
            where token_id = %s order by during"""
        return self.seconds((low, high) for low, high in ask(self.dsn, query, token))

    def gaps(self, since: float = 0, until: float = 60) -> list[tuple[float, float, str]]:
        found = ask(self.dsn, GAPS, YES, self.at(since), self.at(until))
        spans = self.seconds((low, high) for low, high, _ in found)
        return [(*span, cause) for span, (_, _, cause) in zip(spans, found, strict=True)]


@pytest.fixture
def tracker(store: Store, database: str) -> Tracker:
    return Tracker(store, database)


def forbid(dsn: str) -> None:
    do(dsn, "alter table tracker.trades add constraint silly check (size > 100) not valid")


def permit(dsn: str) -> None:
    do(dsn, "alter table tracker.trades drop constraint silly")


# ----------------------------------------------------------------- whatever is settled


def while_it_listens(tracker: Tracker) -> None:
    tracker.start()
    tracker.listen()


def while_it_has_ended(tracker: Tracker) -> None:
    tracker.start()
    tracker.end(tracker.listen())


def while_it_is_settled(tracker: Tracker) -> None:
    while_it_has_ended(tracker)
    tracker.settle()
    assert ask(tracker.dsn, "select count(*) from tracker.coverage_ranges") == [(2,)]


def while_a_part_is_settled(tracker: Tracker) -> None:
    tracker.start()
    tracker.add(TokensReleased(tracker.listen(), tracker.ns(30), (YES, NO), "released"))
    tracker.listen()
    tracker.settle()


def while_both_feeds_listen(tracker: Tracker) -> None:
    while_it_is_settled(tracker)
    tracker.listen()


def before_it_is_known_that_it_listened(tracker: Tracker) -> None:
    tracker.start()
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20.25))
    permit(tracker.dsn)
    tracker.end(tracker.listen())
    tracker.settle()


def while_another_one_listened(tracker: Tracker) -> None:
    while_it_is_settled(tracker)
    tracker.store.open(uuid4())
    tracker.seq = 0


@pytest.mark.parametrize(
    "state",
    [
        while_it_listens,
        while_it_has_ended,
        while_it_is_settled,
        while_a_part_is_settled,
        while_both_feeds_listen,
        before_it_is_known_that_it_listened,
        while_another_one_listened,
    ],
)
def test_a_trade_that_the_database_rejects_is_a_gap_of_its_token_until_it_is_taken_in(
    tracker: Tracker, state: Callable[[Tracker], None]
) -> None:
    state(tracker)
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20.25), tracker.trade(21, size=BIG))

    assert tracker.covered() == [(0, 20), (21, 60)]
    assert tracker.covered(NO) == [(0, 60)]
    assert tracker.gaps() == [(20, 21, "rejected")]
    listened = "select lower(bucket::text), listened from candles(%s, %s, %s, '1 second')"
    found = ask(tracker.dsn, listened, YES, tracker.at(19), tracker.at(22))
    assert [was for _, was in found] == [True, False, True]

    assert tracker.store.take_in(0).left == 1  # it still cannot be held
    assert tracker.gaps() == [(20, 21, "rejected")]
    permit(tracker.dsn)
    done = tracker.store.take_in(0)
    assert (done.trades, done.left, done.reason) == (1, 0, "")
    assert tracker.store.take_in(done.until or 0) == TakenIn()
    assert tracker.covered() == [(0, 60)]
    assert tracker.gaps() == []
    assert ask(tracker.dsn, "select count(*) from trades") == [(2,)]


def test_what_ended_before_the_trade_keeps_its_cause_and_the_trade_goes_on_from_there(
    tracker: Tracker,
) -> None:
    tracker.start()
    tracker.add(TokensReleased(tracker.listen(), tracker.ns(19.5), (YES,), "frozen"))
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20.25), tracker.trade(10), tracker.trade(11.5))

    assert tracker.gaps(until=21) == [(10, 12, "rejected"), (19.5, 21, "frozen")]
    assert tracker.covered() == [(0, 10), (12, 19.5)]


def test_a_gap_that_begins_within_the_second_of_a_missing_trade_has_its_cause(
    tracker: Tracker,
) -> None:
    tracker.start()
    tracker.add(TokensReleased(tracker.listen(), tracker.ns(20.5), (YES,), "frozen"))
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20.25))

    assert tracker.gaps(until=30) == [(20, 30, "rejected")]
    assert tracker.gaps(20.75, 30) == [(20.75, 30, "rejected")]
    assert tracker.gaps(21, 30) == [(21, 30, "frozen")]


def test_the_gap_is_there_as_soon_as_the_rejection_is_and_not_before(tracker: Tracker) -> None:
    while_it_listens(tracker)
    forbid(tracker.dsn)
    trades = [tracker.trade(second / 4) for second in range(120)]
    with pytest.raises(StorePoisoned):
        tracker.receive(*trades)

    assert ask(tracker.dsn, "select count(*) from rejected_messages") == [(0,)]
    assert tracker.covered() == [(0, 60)]


def test_what_is_known_of_the_rest_is_known_no_earlier_than_its_beginning(
    tracker: Tracker,
) -> None:
    while_it_is_settled(tracker)
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20.25))

    query = "select known_at >= lower(during) from coverage where token_id = %s"
    assert ask(tracker.dsn, query, YES) == [(True,), (True,)]


def test_that_nothing_is_missing_is_known_once_the_trade_is_taken_in(tracker: Tracker) -> None:
    while_it_is_settled(tracker)
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20.25))
    permit(tracker.dsn)
    query = "select known_at >= %s from coverage where token_id = %s"
    ((before,),) = ask(tracker.dsn, "select clock_timestamp()")
    assert ask(tracker.dsn, query, before, YES) == [(False,), (False,)]
    tracker.store.take_in(0)

    assert tracker.covered() == [(0, 60)]
    assert ask(tracker.dsn, query, before, YES) == [(True,)]
    assert ask(tracker.dsn, query, before, NO) == [(False,)]


def test_a_trade_is_missing_in_its_own_second_or_if_that_is_none_before_its_receipt() -> None:
    def never() -> int:
        raise AssertionError

    second = 10**9
    assert uncovered_ns(trade(traded_at_ms=1_999), never) == (second, 2 * second)
    assert uncovered_ns(trade(traded_at_ms=2_000), never) == (2 * second, 3 * second)
    odd = trade(traded_at_ms=10**15, received_at_ns=500 * second)
    assert uncovered_ns(odd, never) == (440 * second, 501 * second)
    odder = trade(traded_at_ms=10**15, received_at_ns=10**30)
    assert uncovered_ns(odder, lambda: 600 * second) == (540 * second, 601 * second)


# ------------------------------------------------------------------------ taken in


def test_a_start_tells_how_many_trades_are_missing(tracker: Tracker, journal_id: UUID) -> None:
    while_it_listens(tracker)
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20), tracker.trade(21))
    assert tracker.store.open(journal_id).rejected_trades == 2

    permit(tracker.dsn)
    tracker.store.take_in(0)
    assert tracker.store.open(journal_id).rejected_trades == 0


def test_trades_are_taken_in_a_few_at_a_time_and_what_cannot_be_held_hides_no_other(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "TRADES_AT_ONCE", 2)
    tracker.start()
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(1, side="?"), *(tracker.trade(each) for each in (2, 3, 4)))
    permit(tracker.dsn)

    steps, after = [], 0
    while (done := tracker.store.take_in(after)).until is not None:
        steps.append((done.trades, done.left))
        assert ("is_buy" in done.reason) == (after == 0)
        after = done.until
    assert steps == [(1, 3), (2, 1)]
    assert done == TakenIn(left=1)


def test_a_trade_that_came_again_meanwhile_is_stored_once(tracker: Tracker) -> None:
    while_it_listens(tracker)
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20))
    permit(tracker.dsn)
    tracker.receive(tracker.trade(20, received_at_ns=tracker.ns(21)))  # on the other feed
    assert tracker.gaps() == [(20, 21, "rejected")]

    assert tracker.store.take_in(0).trades == 1
    assert tracker.gaps() == []
    assert ask(tracker.dsn, "select count(*) from trades") == [(1,)]


def test_a_trade_that_was_taken_in_and_is_rejected_again_leaves_no_gap(
    tracker: Tracker, journal_id: UUID
) -> None:
    while_it_listens(tracker)
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20))
    permit(tracker.dsn)
    tracker.store.take_in(0)
    forbid(tracker.dsn)
    tracker.store.open(journal_id)  # forgets that it stored it
    tracker.receive(tracker.trade(20))

    assert tracker.gaps() == []


def test_messages_that_no_version_understands_are_left_to_the_command(
    tracker: Tracker,
) -> None:
    do(
        tracker.dsn,
        """insert into rejected_messages (received_at, connection, reason, payload, journal_key,
                                       occurrence)
        select now(), 'database', 'r', '{}', min(journal_key), 1 from tracker.journals""",
    )
    assert tracker.store.take_in(0) == TakenIn()


def test_the_command_closes_the_gap_too(tracker: Tracker) -> None:
    while_it_is_settled(tracker)
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(20))
    permit(tracker.dsn)
    (step,) = take_in(tracker.dsn, understand)

    assert (step.taken_in, step.stored) == (1, 1)
    assert tracker.gaps() == []


def test_a_gap_that_goes_on_is_still_there_when_the_process_is_alive(tracker: Tracker) -> None:
    while_it_listens(tracker)
    tracker.add(ProcessAlive(tracker.ns(3_600)))
    forbid(tracker.dsn)
    tracker.receive(tracker.trade(59.5))

    assert tracker.gaps() == [(59, 60, "rejected")]
