"""Which hours of which markets are audited next."""

from random import Random

from actors.audit.comparison import HOUR_MS
from actors.audit.rounds import DAY_HOURS, MOST_IN_A_ROUND, OVER_MS, Lengths, Pace, Rounds
from actors.model.audit import AuditSummary, Candidate, Sample, Witness
from actors.model.trade import ConditionId

NOON_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS


def rounds(seed: int = 1) -> Rounds:
    return Rounds(Random(seed), Witness.DATA)


def candidate(number: int, *, touched: bool = False, traded: bool = False) -> Candidate:
    name = ConditionId(f"0x{number:064x}")
    return Candidate(condition_id=name, touched=touched, traded=traded)


CANDIDATE = candidate(0xA, traded=True)


def test_the_latest_hour_is_one_that_is_over_for_a_quarter_of_an_hour() -> None:
    assert rounds().question(NOON_MS + OVER_MS).from_ms == NOON_MS - HOUR_MS
    assert rounds().question(NOON_MS + OVER_MS - 1).from_ms == NOON_MS - 2 * HOUR_MS


def test_every_other_round_is_about_an_earlier_hour_of_a_day() -> None:
    asked = rounds()
    latest = NOON_MS - HOUR_MS
    hours = [asked.question(NOON_MS + OVER_MS).from_ms for _ in range(400)]

    assert set(hours[::2]) == {latest}
    assert set(hours[1::2]) == {latest - (n + 1) * HOUR_MS for n in range(DAY_HOURS)}


def test_hours_in_which_a_connection_began_or_ended_come_first() -> None:
    asked = rounds()
    eventful = NOON_MS - 5 * HOUR_MS
    old = NOON_MS - 40 * HOUR_MS
    asked.summarised(AuditSummary(eventful=(old, eventful, NOON_MS)))

    assert {asked.question(NOON_MS + OVER_MS).from_ms for _ in range(50)} == {
        NOON_MS - HOUR_MS,
        eventful,
    }


def test_an_hour_of_which_something_is_missing_is_audited_again_each_hour_before_others() -> None:
    """A witness may have been wrong, and what was kept aside may be stored since."""
    asked = rounds()
    hour_ms = NOON_MS - 7 * HOUR_MS
    lost = (ConditionId("0x" + "c" * 64), hour_ms)
    asked.summarised(AuditSummary(disputed=(lost,)))

    def first(wall_ms: int) -> tuple[ConditionId, int] | None:
        asked.sampled(asked.question(wall_ms), Sample(candidates=(CANDIDATE,)))
        found = asked.next()
        return None if found is None else (found.condition_id, found.hour_ms)

    begin_ms = NOON_MS + OVER_MS
    assert first(begin_ms) == lost
    assert first(begin_ms + 60_000) != lost
    assert first(begin_ms + HOUR_MS) == lost
    asked.summarised(AuditSummary())
    assert first(begin_ms + 2 * HOUR_MS) != lost


def test_many_hours_of_which_something_is_missing_leave_half_of_a_round_to_others() -> None:
    asked = rounds()
    lost = tuple((ConditionId(f"0x{n:064x}"), NOON_MS - HOUR_MS) for n in range(100, 120))
    asked.summarised(AuditSummary(disputed=lost))
    again = set()
    for turn in range(4):
        others = (CANDIDATE,) * 10
        asked.sampled(asked.question(NOON_MS + OVER_MS + turn), Sample(candidates=others))
        asked_now = [each.condition_id for each in iter(asked.next, None)]
        assert asked_now.count(CANDIDATE.condition_id) == MOST_IN_A_ROUND // 2
        again |= set(asked_now)
    assert again == {CANDIDATE.condition_id, *(market for market, _ in lost)}


def test_the_probe_is_in_the_hour_and_the_first_market_any() -> None:
    asked = rounds()
    questions = [asked.question(NOON_MS + OVER_MS) for _ in range(200)]

    assert all(each.from_ms <= each.probe_ms < each.until_ms for each in questions)
    assert len({each.after[:3] for each in questions}) == 16
    assert all(len(each.after) == 66 for each in questions)


def test_touched_markets_come_first_and_quiet_ones_after_three_that_traded() -> None:
    asked = rounds()
    question = asked.question(NOON_MS + OVER_MS)
    asked.sampled(
        question,
        Sample(
            candidates=(
                *(candidate(100 + n) for n in range(20)),
                *(candidate(200 + n, traded=True) for n in range(20)),
                candidate(300, touched=True),
                candidate(301, touched=True, traded=True),
            )
        ),
    )
    found = []
    while (hour := asked.next()) is not None:
        found.append(int(hour.condition_id, 16) // 100)
        assert (hour.hour_ms, hour.end_ms) == (question.from_ms, question.until_ms)

    assert found == [3, 3, 2, 2, 2, 1, 2, 2, 2, 1]
    assert len(found) == MOST_IN_A_ROUND


def test_quiet_markets_alone_are_audited_too() -> None:
    asked = rounds()
    question = asked.question(NOON_MS + OVER_MS)
    asked.sampled(question, Sample(candidates=(candidate(1), candidate(2))))

    assert asked.next() is not None
    assert asked.next() is not None
    assert asked.next() is None


def test_hours_of_rehearsals_are_shorter() -> None:
    lengths = Lengths(hour_ms=5_000, over_ms=1_000, edge_ms=500, settled_ms=700, again_ms=9_000)
    asked = Rounds(Random(1), Witness.DATA, lengths)
    question = asked.question(NOON_MS + 1_000)
    asked.sampled(question, Sample(candidates=(candidate(1),)))
    hour = asked.next()

    assert (question.from_ms, question.until_ms) == (NOON_MS - 5_000, NOON_MS)
    assert question.again_ms == NOON_MS - 8_000
    assert hour is not None
    assert (hour.length_ms, hour.edge_ms, hour.settled_ms) == (5_000, 500, 700)


def test_audits_are_spread_over_the_hour_and_a_start_is_no_reason_for_one() -> None:
    pace = Pace(20, now=1_000.0)

    assert not pace.is_due(1_179.0)
    assert pace.is_due(1_180.0)
    assert pace.is_due(9_999.0)
    pace.began(9_999.0)
    assert not pace.is_due(10_178.0)
    assert pace.is_due(10_179.0)
