"""Trades that the database had rejected are tried again without anyone's help."""

import logging

import pytest

from actors.messages import MarketsSeen, WriterReport
from actors.model.storage import TakenIn
from actors.writer.pacing import RejectedTrades
from tests.writer.test_actor import MARKET, WriterHarness

DONE = "rejected_trades_taken_in"


def rests(trades: RejectedTrades, done: TakenIn, *, from_s: int, tries: int) -> list[int]:
    """Return after how many seconds each try is due, when each does the same."""
    found: list[int] = []
    last_s = from_s
    for now in range(from_s, from_s + 100_000):
        if len(found) == tries:
            break
        if trades.due(float(now)):
            found.append(now - last_s)
            last_s = now
            trades.took(done, float(now))
    return found


def test_what_cannot_be_held_is_tried_less_and_less_often() -> None:
    trades = RejectedTrades()
    trades.opened(3)

    left = TakenIn(left=3, reason="check violated")
    assert rests(trades, left, from_s=0, tries=9) == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert trades.waiting == 3


def test_after_a_try_that_took_in_some_the_next_one_comes_soon() -> None:
    trades = RejectedTrades()
    trades.opened(3)
    rests(trades, TakenIn(left=3), from_s=0, tries=5)
    rests(trades, TakenIn(trades=1, left=2), from_s=1_000, tries=1)

    assert rests(trades, TakenIn(left=2), from_s=2_000, tries=2) == [0, 20]
    trades.opened(2)
    assert rests(trades, TakenIn(left=2), from_s=3_000, tries=2) == [10, 20]


def test_nothing_is_due_while_nothing_is_missing_and_the_first_rejection_is_tried_soon() -> None:
    trades = RejectedTrades()
    trades.opened(0)
    assert not trades.due(1_000.0)
    trades.rejected(0)
    assert not trades.due(2_000.0)

    trades.rejected(2)
    trades.rejected(1)
    assert trades.waiting == 3
    assert rests(trades, TakenIn(left=3), from_s=3_000, tries=3) == [10, 20, 40]
    trades.rejected(1)  # a stream of them does not make it try all each ten seconds
    assert rests(trades, TakenIn(left=4), from_s=3_070, tries=1) == [80]


def test_a_try_that_loses_the_database_is_not_repeated_at_once() -> None:
    trades = RejectedTrades()
    trades.opened(1)
    waited = []
    for start in (0.0, 1_000.0, 2_000.0):
        due = next(second for second in range(1_000) if trades.due(start + second))
        waited.append(due)
        trades.opened(1)
    assert waited == [10, 20, 40]


def test_steps_go_on_with_each_tick_and_their_sum_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = WriterHarness()
    harness.store.rejected_trades = 5
    harness.store.taken_in = [
        TakenIn(until=7, trades=2, left=3),
        TakenIn(until=9, trades=1, left=2, reason="check violated"),
        TakenIn(left=2),
    ]
    harness.open()
    with caplog.at_level(logging.INFO):
        harness.tick()
        assert harness.supervisor.last(WriterReport).rejected_trades == 5
        harness.tick(9)
        assert harness.store.taken_after == []
        for _ in range(4):
            harness.tick()
    assert harness.store.taken_after == [0, 7, 9]
    assert harness.supervisor.last(WriterReport).rejected_trades == 2
    (line,) = [each for each in caplog.records if each.message == DONE]
    said = (line.levelname, *(line.__dict__[name] for name in ("trades", "left", "reason")))
    assert said == ("WARNING", 3, 2, "check violated")


def test_what_stays_is_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    harness = WriterHarness()
    harness.store.rejected_trades = 5
    harness.open()
    with caplog.at_level(logging.INFO):
        for _ in range(700):
            harness.tick(10)
    assert len([each for each in caplog.records if each.message == DONE]) == 2
    assert len(harness.store.taken_after) > 10


def test_trades_that_are_rejected_now_are_reported_and_other_rows_are_not() -> None:
    harness = WriterHarness().open()
    for rows in ((("market", 2),), (("trade", 3), ("fact", 1))):
        harness.store.rejected_rows = rows
        harness.tell(MarketsSeen(ticket=1, markets=(MARKET,)))
        harness.flush()
    harness.tick()

    assert harness.supervisor.last(WriterReport).rejected_trades == 3
