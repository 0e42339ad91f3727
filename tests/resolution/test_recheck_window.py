"""Promise: no look at a recorded verdict is left out, and none is looked for twice."""

from decimal import Decimal

from actors.model.outcome import Recheck, Resolution, Source, TimeWindow
from actors.resolution.recheck import AHEAD_MS, MARGIN_MS, RETRY_MS, SPREAD_MS, RecheckWindow, when
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


def test_a_new_life_asks_from_where_the_last_one_ended() -> None:
    assert RecheckWindow().tick(NOW) == TimeWindow(None, NOW + AHEAD_MS)


def test_the_next_stretch_begins_where_the_last_one_ended() -> None:
    known = RecheckWindow()
    first = known.tick(NOW)
    assert first is not None
    known.answered(first.until_ms)
    assert known.tick(NOW + AHEAD_MS - MARGIN_MS - 1) is None
    later = NOW + AHEAD_MS - MARGIN_MS
    assert known.tick(later) == TimeWindow(first.until_ms, later + AHEAD_MS)


def test_what_is_not_answered_is_asked_again_after_a_minute_or_when_the_database_opens() -> None:
    known = RecheckWindow()
    assert known.tick(NOW) is not None
    assert known.tick(NOW + RETRY_MS - 1) is None
    assert known.tick(NOW + RETRY_MS) == TimeWindow(None, NOW + RETRY_MS + AHEAD_MS)
    known.ask_soon()
    assert known.tick(NOW + RETRY_MS + 1) is not None


def test_a_late_answer_does_not_move_the_horizon_back() -> None:
    known = RecheckWindow()
    known.answered(NOW + 5)
    known.answered(NOW)
    assert known.horizon_ms == NOW + 5


def test_a_look_that_is_due_later_has_its_time_and_one_that_is_overdue_is_spread() -> None:
    assert when(recheck(NOW + 7), NOW) == NOW + 7
    late = when(recheck(NOW - 7), NOW)
    assert NOW <= late < NOW + SPREAD_MS
    assert when(recheck(NOW - 9), NOW) == late  # the same market, the same place
