"""What is final in coverage is joined in bounded steps, and nothing of it grows with time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from actors.database.store import Store
from actors.database.upkeep import settlement
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessStarted,
    TokensConfirmed,
    TokensReleased,
    TokensWanted,
)
from actors.model.storage import Batch, RejectedRow
from actors.model.trade import Rejection, TokenId
from tests.postgres import ask, do

pytestmark = pytest.mark.db

TOKENS = tuple(TokenId(str(number)) for number in range(100, 110))
LEFT = "select (select count(*) from tracker.epochs), (select count(*) from tracker.listening)"
RANGES = """select token_id, from_at, until_at, cause from tracker.coverage_ranges
    join assets using (asset_key) order by 1, 2"""


class Tracker:
    """Stores facts one by one, in the order of a journal. Second 0 was an hour ago."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.zero = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self.seq = 0

    def ns(self, second: float) -> int:
        return round((self.zero + timedelta(seconds=second)).timestamp() * 10**9)

    def at(self, second: float) -> datetime:
        return self.zero + timedelta(seconds=second)

    def add(self, fact: Fact) -> int:
        self.seq += 1
        self.store.commit(Batch(facts=((self.seq, fact),), watermark=self.seq + 1))
        return self.seq

    def listen(self, second: float, *tokens: TokenId, until: float) -> int:
        epoch = self.add(ListeningOpened(self.ns(second), "a-0001", 0))
        self.add(TokensConfirmed(epoch, self.ns(second), tokens or TOKENS))
        self.add(ListeningProven(((epoch, self.ns(until)),)))
        return epoch

    def close(self, epoch: int, until: float, reason: str = "planned") -> None:
        self.add(ListeningClosed(epoch, self.ns(until), self.ns(until), reason))

    def settle(self) -> int:
        """Settle all; return in how many steps."""
        steps = 1
        while not self.store.settle():
            steps += 1
        return steps


@pytest.fixture
def tracker(store: Store) -> Tracker:
    return Tracker(store)


def test_a_token_without_interruption_is_one_row_however_often_its_connections_change(
    tracker: Tracker, database: str
) -> None:
    before = tracker.listen(0, until=15)
    for number in range(1, 30):
        after = tracker.listen(10 * number, until=10 * number + 15)
        tracker.close(before, 10 * number + 5)
        before = after
        tracker.settle()
    tracker.close(before, 310, "disconnected")
    tracker.settle()
    assert ask(database, LEFT) == [(0, 0)]
    assert ask(database, RANGES) == [
        (token, tracker.at(0), tracker.at(310), "disconnected") for token in TOKENS
    ]


def test_a_start_after_a_kill_writes_the_end_of_a_thousand_epochs_in_bounded_steps(
    tracker: Tracker, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "EPOCHS_AT_ONCE", 7)
    tracker.add(ProcessStarted(tracker.ns(0), "host", "1"))
    for number in range(50):
        tracker.listen(number, until=500 + number)
    tracker.add(ProcessStarted(tracker.ns(600), "host", "1"))
    # The start itself ends none, so that its transaction is short.
    assert ask(database, LEFT) == [(50, 500)]
    query = "select upper(during) from coverage where token_id = %s"
    assert ask(database, query, TOKENS[0]) == [(tracker.at(549),)]
    left = 50
    while left:
        tracker.store.settle()
        ((epochs, rows),) = ask(database, LEFT)
        assert epochs >= left - 7
        assert rows == 10 * epochs
        left = epochs
        assert ask(database, query, TOKENS[0]) == [(tracker.at(549),)]
    assert {cause for *_, cause in ask(database, RANGES)} == {"process_down"}


def test_what_one_process_began_to_settle_the_next_one_goes_on_with(
    tracker: Tracker,
    open_store: Callable[[UUID], Store],
    database: str,
    journal_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settlement, "EPOCHS_AT_ONCE", 2)
    for number in range(6):
        tracker.close(tracker.listen(number * 10, until=number * 10 + 5), number * 10 + 5)
    tracker.store.settle()
    tracker.store.close()
    tracker.store = open_store(journal_id)
    tracker.settle()
    assert ask(database, LEFT) == [(0, 0)]
    assert len(ask(database, RANGES)) == 6 * len(TOKENS)


def test_nothing_is_settled_above_the_watermark(tracker: Tracker, database: str) -> None:
    epoch = tracker.listen(0, until=10)
    missing = tracker.seq + 1  # a proof that has not arrived yet
    closed = ListeningClosed(epoch, tracker.ns(20), None, "frozen")
    tracker.store.commit(Batch(facts=((missing + 1, closed),), watermark=missing))
    tracker.settle()
    assert ask(database, LEFT) == [(1, len(TOKENS))]
    proof = ListeningProven(((epoch, tracker.ns(15)),))
    tracker.store.commit(Batch(facts=((missing, proof),), watermark=missing + 2))
    tracker.settle()
    assert {until for _, _, until, _ in ask(database, RANGES)} == {tracker.at(15)}


def test_what_comes_later_about_a_settled_epoch_brings_nothing_back(
    tracker: Tracker, database: str
) -> None:
    epoch = tracker.listen(0, until=10)
    tracker.close(epoch, 10)
    tracker.settle()
    before = ask(database, RANGES)
    tracker.add(ListeningProven(((epoch, tracker.ns(50)),)))
    tracker.add(TokensConfirmed(epoch, tracker.ns(40), TOKENS))
    tracker.add(TokensReleased(epoch, tracker.ns(45), TOKENS, "moved"))
    tracker.close(epoch, 60)
    tracker.settle()
    assert ask(database, LEFT) == [(0, 0)]
    assert ask(database, RANGES) == before


def test_what_is_released_is_settled_although_its_connection_goes_on(
    tracker: Tracker, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "ROWS_AT_ONCE", 3)
    epoch = tracker.listen(0, until=10)
    tracker.add(TokensReleased(epoch, tracker.ns(10), TOKENS[:8], "moved"))
    tracker.settle()
    assert ask(database, LEFT) == [(1, 2)]
    assert [(token, cause) for token, *_, cause in ask(database, RANGES)] == [
        (token, "moved") for token in TOKENS[:8]
    ]


def test_an_epoch_in_doubt_waits_and_hides_no_other(
    tracker: Tracker, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "EPOCHS_AT_ONCE", 1)
    monkeypatch.setattr(settlement, "ROWS_AT_ONCE", 1)
    doubted = tracker.listen(0, *TOKENS[:3], until=10)
    tracker.seq += 1
    rejection = Rejection(reason="r", payload=b"x", received_at_ns=tracker.ns(10))
    row = RejectedRow(
        seq=tracker.seq,
        index=0,
        connection="a-0001",
        rejection=rejection,
        epoch=doubted,
        doubts=(None,),
    )
    tracker.store.commit(Batch(rejections=(row,), watermark=tracker.seq + 1))
    tracker.add(TokensReleased(doubted, tracker.ns(10), TOKENS[:3], "rejected"))
    other = tracker.listen(0, *TOKENS[5:], until=20)
    tracker.add(TokensReleased(other, tracker.ns(12), TOKENS[5:6], "moved"))
    tracker.settle()
    assert ask(database, LEFT) == [(2, 3 + 4)]
    tracker.close(doubted, 30)
    tracker.close(other, 30)
    tracker.settle()
    assert ask(database, LEFT) == [(1, 3)]
    do(database, "update rejected_messages set taken_in_at = now()")
    do(database, "update tracker.epochs set held = false")
    tracker.settle()
    assert ask(database, LEFT) == [(0, 0)]


def test_coverage_says_when_a_part_that_came_late_was_known(
    tracker: Tracker, database: str
) -> None:
    query = "select token_id, known_at = lower(during) from coverage order by 1"
    now = (datetime.now(UTC) - tracker.zero).total_seconds()
    at_once = tracker.listen(now - 100, TOKENS[0], until=now)
    late = tracker.listen(0, TOKENS[1], until=100)
    expected = [(TOKENS[0], True), (TOKENS[1], False)]
    assert ask(database, query) == expected
    tracker.close(at_once, now)
    tracker.close(late, 100)
    tracker.settle()
    assert ask(database, query) == expected


def test_what_goes_on_on_another_connection_was_known_all_the_time(
    tracker: Tracker, database: str
) -> None:
    query = "select known_at = lower(during) from coverage"
    now = (datetime.now(UTC) - tracker.zero).total_seconds()
    one = tracker.listen(now - 100, TOKENS[0], until=now - 20)
    other = tracker.listen(now - 50, TOKENS[0], until=now)
    assert ask(database, query) == [(True,)]
    for epoch, until in ((one, now - 20), (other, now)):
        tracker.close(epoch, until)
        tracker.settle()
        assert ask(database, query) == [(True,)]


def test_what_came_late_stays_late_when_the_same_connection_goes_on_in_time(
    tracker: Tracker, database: str
) -> None:
    query = "select token_id, known_at = lower(during) from coverage order by 1"
    now = (datetime.now(UTC) - tracker.zero).total_seconds()
    # The database was away: three proofs are stored now, the last of them in time.
    whole = tracker.listen(0, TOKENS[0], TOKENS[1], until=100)
    tracker.add(TokensReleased(whole, tracker.ns(90), (TOKENS[1],), "released"))
    tracker.add(ListeningProven(((whole, tracker.ns(now - 10)),)))
    tracker.add(TokensConfirmed(whole, tracker.ns(now + 60), (TOKENS[2],)))
    # Of another connection all of that is in one batch.
    tracker.listen(0, TOKENS[3], until=1)
    proofs = tuple((tracker.seq - 2, tracker.ns(each)) for each in (2, 1_000, now - 5))
    tracker.add(ListeningProven(proofs))
    tracker.add(ListeningProven(((whole, tracker.ns(now + 90)),)))
    # Listening to token 2 began after that.
    at_once = [(TOKENS[0], False), (TOKENS[1], False), (TOKENS[2], True), (TOKENS[3], False)]
    assert ask(database, query) == at_once
    tracker.close(whole, now + 90)
    tracker.settle()
    assert ask(database, query) == at_once


def test_a_killed_process_knew_what_it_had_proven_when_it_had_proven_it(
    tracker: Tracker, database: str
) -> None:
    tracker.add(ProcessStarted(tracker.ns(0), "host", "1"))
    epoch = tracker.listen(0, TOKENS[0], until=100)
    tracker.add(TokensWanted(tracker.ns(0), TOKENS))
    do(database, "update tracker.epochs set late_at = null where epoch = %s", epoch)
    tracker.add(ProcessStarted(tracker.ns(3000), "host", "1"))
    tracker.settle()
    assert ask(database, "select known_at = lower(during) from coverage") == [(True,)]
