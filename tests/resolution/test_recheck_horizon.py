"""Promise: no recheck of a recorded resolution is left out, and none is read twice."""

from decimal import Decimal

from actors.model.market import Recheck, Resolution, Source, TimeWindow
from actors.resolution.rechecks import (
    AHEAD_MS,
    MARGIN_MS,
    RETRY_MS,
    SPREAD_MS,
    RecheckHorizon,
    due_ms,
)
from tests.resolution.recorded_answers import MARKET, YES

NOW = 1_791_000_000_000


def recheck(due_at_ms: int) -> Recheck:
    resolution = Resolution(
        condition_id=MARKET.condition_id,
        kind="winner",
        winning_token_id=YES,
        winning_outcome="Yes",
        payouts=(Decimal(1), Decimal(0)),
        resolved_at_ms=NOW,
        sources=(Source.GAMMA, Source.DATA),
    )
    return Recheck(resolution=resolution, market=MARKET, recorded_at_ms=NOW, due_at_ms=due_at_ms)


def test_a_new_process_asks_from_where_the_last_one_ended() -> None:
    assert RecheckHorizon().tick(NOW) == TimeWindow(None, NOW + AHEAD_MS)


def test_the_next_window_begins_where_the_last_one_ended() -> None:
    horizon = RecheckHorizon()
    first = horizon.tick(NOW)
    assert first is not None
    horizon.answered(first.until_ms)
    assert horizon.tick(NOW + AHEAD_MS - MARGIN_MS - 1) is None
    later = NOW + AHEAD_MS - MARGIN_MS
    assert horizon.tick(later) == TimeWindow(first.until_ms, later + AHEAD_MS)


def test_what_is_not_answered_is_asked_again_after_a_minute_or_when_the_database_opens() -> None:
    horizon = RecheckHorizon()
    assert horizon.tick(NOW) is not None
    assert horizon.tick(NOW + RETRY_MS - 1) is None
    assert horizon.tick(NOW + RETRY_MS) == TimeWindow(None, NOW + RETRY_MS + AHEAD_MS)
    horizon.ask_soon()
    assert horizon.tick(NOW + RETRY_MS + 1) is not None


def test_after_days_without_a_tracker_it_asks_part_by_part() -> None:
    horizon = RecheckHorizon()
    assert horizon.tick(NOW) is not None
    horizon.answered(NOW - 7_200_000)
    assert horizon.tick(NOW + 1) == TimeWindow(NOW - 7_200_000, NOW + 1 + AHEAD_MS)
    assert horizon.tick(NOW + 2) is None  # it waits for the answer
    horizon.answered(NOW + 1 + AHEAD_MS)
    assert horizon.tick(NOW + 3) is None


def test_a_part_that_reaches_a_little_into_the_future_is_not_the_whole() -> None:
    horizon = RecheckHorizon()
    assert horizon.tick(NOW) is not None
    horizon.answered(NOW + MARGIN_MS + 60_000)
    assert horizon.tick(NOW + 1) == TimeWindow(NOW + MARGIN_MS + 60_000, NOW + 1 + AHEAD_MS)


def test_a_late_answer_does_not_move_the_horizon_back() -> None:
    horizon = RecheckHorizon()
    horizon.answered(NOW + 5)
    horizon.answered(NOW)
    assert horizon.until_ms == NOW + 5


def test_a_recheck_that_is_due_later_has_its_time_and_an_overdue_one_is_spread() -> None:
    assert due_ms(recheck(NOW + 7), NOW) == NOW + 7
    late = due_ms(recheck(NOW - 7), NOW)
    assert NOW <= late < NOW + SPREAD_MS
    assert due_ms(recheck(NOW - 9), NOW) == late  # the same market, the same time
