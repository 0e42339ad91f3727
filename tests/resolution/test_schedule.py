from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId
from actors.resolution.schedule import LONGEST_MS, NEWS_MS, NO_END_MS, Schedule

NOW = 1_791_000_000_000
POLL_MS = 60_000


def market(number: int, end_ms: int | None, *, closed: bool = False) -> Market:
    origin = datetime(1970, 1, 1, tzinfo=UTC)
    return Market(
        condition_id=ConditionId(f"0x{number:064x}"),
        question="?",
        slug="s",
        version="v2",
        closed=closed,
        end_at=None if end_ms is None else origin + timedelta(milliseconds=end_ms),
        assets=tuple(
            Asset(token_id=TokenId(str(number + side)), outcome=name, outcome_index=side)
            for side, name in enumerate(("Up", "Down"))
        ),
    )


ONE = market(1, None).condition_id


def schedule_with(end_ms: int | None, *, closed: bool = False) -> Schedule:
    schedule = Schedule(60.0)
    schedule.add(market(1, end_ms, closed=closed), NOW)
    return schedule


def next_poll(schedule: Schedule, now_ms: int) -> int:
    """Return when the market is due, to the second."""
    for at_ms in range(now_ms, now_ms + NO_END_MS * 2, 1000):
        if schedule.has_due(at_ms):
            return at_ms
    raise AssertionError("never due")


def taken(schedule: Schedule, now_ms: int) -> list[ConditionId]:
    return [condition_id for condition_id, _ in schedule.take(now_ms)]


def test_the_first_poll_is_at_the_planned_end() -> None:
    schedule = schedule_with(NOW + 300_000)
    assert not schedule.has_due(NOW + 299_999)
    assert schedule.has_due(NOW + 300_000)


def test_a_market_that_ended_long_ago_is_due_at_once() -> None:
    assert schedule_with(NOW - 86_400_000).has_due(NOW)


def test_without_an_end_the_first_poll_is_in_six_hours_unless_it_is_closed() -> None:
    assert next_poll(schedule_with(None), NOW) == NOW + NO_END_MS
    assert schedule_with(None, closed=True).has_due(NOW)


def test_the_interval_is_the_poll_at_first_and_grows_to_an_hour() -> None:
    schedule = schedule_with(NOW)
    intervals = []
    now = NOW
    for _ in range(100):
        assert taken(schedule, now) == [ONE]
        due = next_poll(schedule, now)
        intervals.append(due - now)
        now = due
    assert intervals[:10] == [POLL_MS] * 10
    assert intervals == sorted(intervals)
    assert intervals[-1] == LONGEST_MS


def test_a_change_brings_the_short_interval_back() -> None:
    schedule = schedule_with(NOW - 30 * 86_400_000)
    schedule.take(NOW)
    schedule.note_change(ONE, NOW)
    assert next_poll(schedule, NOW) == NOW + POLL_MS
    assert taken(schedule, NOW + POLL_MS) == [ONE]
    assert next_poll(schedule, NOW + POLL_MS) == NOW + 2 * POLL_MS


def test_a_market_is_polled_when_its_hold_ends() -> None:
    schedule = schedule_with(NOW - 30 * 86_400_000)
    schedule.take(NOW)
    schedule.expect(ONE, NOW + 120_000, NOW)
    assert next_poll(schedule, NOW) == NOW + 120_000
    assert schedule.take(NOW + 120_000) == ((ONE, True),)
    schedule.expect(ONE, NOW + 120_000, NOW + 120_000)  # to be confirmed
    assert next_poll(schedule, NOW + 120_000) == NOW + 120_000 + POLL_MS


def test_a_hold_that_broke_is_not_waited_for() -> None:
    schedule = schedule_with(NOW - 30 * 86_400_000)
    schedule.take(NOW)
    schedule.expect(ONE, NOW + 120_000, NOW)
    schedule.expect(ONE, None, NOW + 1_000)
    assert next_poll(schedule, NOW) == NOW + LONGEST_MS


def test_a_poll_that_nobody_answered_is_soon_made_up_for() -> None:
    schedule = schedule_with(NOW - 30 * 86_400_000)
    schedule.take(NOW)
    schedule.expect_soon(ONE, NOW)
    assert next_poll(schedule, NOW) == NOW + POLL_MS
    schedule.expect_soon(ONE, NOW + 30_000)
    assert next_poll(schedule, NOW) == NOW + POLL_MS  # not put off


def test_a_hint_makes_it_due_and_one_during_a_poll_makes_it_due_again() -> None:
    schedule = schedule_with(NOW + 86_400_000)
    assert schedule.make_due(ONE, NOW)
    assert taken(schedule, NOW) == [ONE]
    assert not schedule.has_due(NOW)
    schedule.make_due(ONE, NOW)
    assert taken(schedule, NOW) == [ONE]


@pytest.mark.parametrize(
    ("ended_ms", "urgent"), [(0, True), (-NEWS_MS + 1, True), (-NEWS_MS, False)]
)
def test_the_first_poll_is_urgent_unless_it_ended_long_ago(ended_ms: int, *, urgent: bool) -> None:
    assert schedule_with(NOW + ended_ms).take(NOW) == ((ONE, urgent),)


def test_a_poll_is_urgent_after_news_and_not_after_its_interval() -> None:
    schedule = schedule_with(NOW)
    schedule.take(NOW)
    assert schedule.take(NOW + POLL_MS) == ((ONE, False),)
    schedule.note_change(ONE, NOW + POLL_MS)
    assert schedule.take(NOW + 2 * POLL_MS) == ((ONE, True),)
    schedule.make_due(ONE, NOW + 2 * POLL_MS)
    assert schedule.take(NOW + 2 * POLL_MS) == ((ONE, True),)


def test_what_is_put_off_is_due_after_its_interval_and_not_before() -> None:
    schedule = schedule_with(NOW)
    schedule.put_off(ONE, NOW)
    assert next_poll(schedule, NOW) == NOW + POLL_MS


def test_a_hint_about_an_unknown_market_is_rejected() -> None:
    assert not Schedule(60.0).make_due(ONE, NOW)


def test_adding_again_changes_nothing_but_the_end() -> None:
    schedule = schedule_with(NOW + 300_000)
    schedule.add(market(1, NOW + 300_000), NOW)
    assert len(schedule) == 1
    schedule.add(market(1, NOW + 100_000), NOW)
    assert next_poll(schedule, NOW) == NOW + 100_000
    schedule.add(market(1, NOW + 500_000), NOW)
    assert next_poll(schedule, NOW) == NOW + 500_000


def test_what_a_decision_needs_of_a_market_is_kept() -> None:
    kept = schedule_with(NOW).market(ONE)
    added = market(1, NOW)
    assert kept is not None
    assert (kept.condition_id, kept.assets, kept.version) == (ONE, added.assets, "v2")


def test_a_removed_market_is_never_due() -> None:
    schedule = schedule_with(NOW)
    schedule.remove(ONE)
    assert not schedule.has_due(NOW + NO_END_MS)
    assert schedule.take(NOW) == ()
    assert schedule.market(ONE) is None
    assert schedule.pending(5) == ()


def test_reasons_are_counted() -> None:
    schedule = schedule_with(NOW)
    schedule.add(market(2, NOW), NOW)
    schedule.wait_for(ONE, "proposed")
    assert set(schedule.pending(5)) == {("not ended", 1), ("proposed", 1)}
    schedule.remove(ONE)
    assert schedule.pending(5) == (("not ended", 1),)


def test_the_longest_waiting_is_taken_first() -> None:
    schedule = Schedule(60.0)
    for number in (3, 1, 2):
        schedule.add(market(number, NOW + number), NOW)
    assert [int(each, 16) for each in taken(schedule, NOW + 10)] == [1, 2, 3]


def test_nothing_is_set_for_a_market_that_is_not_there() -> None:
    schedule = Schedule(60.0)
    schedule.expect(ONE, NOW, NOW)
    schedule.expect_soon(ONE, NOW)
    schedule.note_change(ONE, NOW)
    schedule.set_due(ONE, NOW)
    schedule.put_off(ONE, NOW)
    assert not schedule.has_due(NOW + NO_END_MS)


operations = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "hint", "take", "expect", "broken", "soon", "news", "remove", "set due", "pass"]
        ),
        st.integers(0, 5),
        st.integers(0, 5_000_000),
    ),
    max_size=60,
)


@given(operations)
def test_every_market_that_waits_is_due_at_some_time_and_taken_once(
    steps: list[tuple[str, int, int]],
) -> None:
    schedule, now = Schedule(60.0), NOW
    present: set[ConditionId] = set()
    for what, number, span in steps:
        each = market(number, NOW + number * 1_000_000 if number else None)
        within_ms = _change(schedule, what, each, now, span)
        if what == "add":
            present.add(each.condition_id)
        elif what == "remove":
            present.discard(each.condition_id)
        elif what == "take":
            found = taken(schedule, now)
            assert len(set(found)) == len(found)
            assert not schedule.has_due(now)
        elif what == "pass":
            now += span
        if within_ms is not None and each.condition_id in present:
            assert schedule.has_due(now + within_ms)
    assert set(taken(schedule, now + NO_END_MS * 100)) == present
    assert sum(count for _, count in schedule.pending(100)) == len(present)


def _change(schedule: Schedule, what: str, each: Market, now: int, span: int) -> int | None:
    """Make a change; return within which time the market must be due, if the change says so."""
    cid = each.condition_id
    changes: dict[str, tuple[Callable[[], object], int | None]] = {
        "add": (lambda: schedule.add(each, now), None),
        "remove": (lambda: schedule.remove(cid), None),
        "hint": (lambda: schedule.make_due(cid, now), 0),
        "expect": (lambda: schedule.expect(cid, now + span, now), max(span, POLL_MS)),
        "broken": (lambda: schedule.expect(cid, None, now), None),
        "soon": (lambda: schedule.expect_soon(cid, now), POLL_MS),
        "news": (lambda: schedule.note_change(cid, now), POLL_MS),
        "set due": (lambda: schedule.set_due(cid, now + span), span),
    }
    change, within_ms = changes.get(what, (lambda: None, None))
    change()
    return within_ms
