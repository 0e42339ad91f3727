from decimal import Decimal

import msgspec
import pytest

from actors.model.market import RECHECKS_MS, Observation, Recheck, Resolution, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.rechecks import RecordedResolutions
from tests.resolution.recorded_answers import MARKET

ONE = ConditionId("0x" + "1" * 64)
TWO = ConditionId("0x" + "2" * 64)
YES, NO = TokenId("11"), TokenId("22")
NOW = 1_791_000_000_000


def resolution() -> Resolution:
    return Resolution(
        condition_id=ONE,
        kind="winner",
        winning_token_id=YES,
        winning_outcome="Yes",
        payouts=(Decimal(1), Decimal(0)),
        resolved_at_ms=NOW,
        sources=(Source.GAMMA, Source.DATA),
    )


def seen(yes: str | None, source: Source = Source.DATA) -> Observation:
    return Observation(
        condition_id=ONE,
        source=source,
        observed_at_ms=NOW,
        payouts=None if yes is None else ((YES, Decimal(yes)), (NO, 1 - Decimal(yes))),
        reason="" if yes else "open",
        payload="{}",
    )


def test_a_resolution_is_checked_again_after_ten_minutes_by_the_process_that_recorded_it() -> None:
    recorded = RecordedResolutions()
    first = recorded.record(resolution(), NOW)
    assert first == NOW + RECHECKS_MS[0]
    assert (
        recorded.next_recheck_ms(ONE, first, horizon_ms=0) is None
    )  # the database brings back the rest


def test_rechecks_within_the_horizon_are_not_left_to_the_database() -> None:
    recorded = RecordedResolutions()
    recorded.record(resolution(), NOW)
    times = [NOW + RECHECKS_MS[0]]
    while (
        again := recorded.next_recheck_ms(ONE, times[-1], horizon_ms=NOW + RECHECKS_MS[-1])
    ) is not None:
        times.append(again)
    assert times == [NOW + recheck for recheck in RECHECKS_MS]
    assert RECHECKS_MS[-1] == 7 * 86_400_000


def test_an_early_check_does_not_replace_the_first_recheck() -> None:
    recorded = RecordedResolutions()
    recorded.record(resolution(), NOW)
    assert recorded.next_recheck_ms(ONE, NOW + 1, horizon_ms=0) == NOW + RECHECKS_MS[0]


def test_a_restored_resolution_is_stored_and_contradicted_until_its_source_agrees() -> None:
    recorded = RecordedResolutions()
    recorded.restore(
        Recheck(
            resolution=resolution(),
            market=MARKET,
            recorded_at_ms=NOW,
            due_at_ms=NOW,
            contradicted_by=((Source.DATA, f"winner {NO}"),),
        )
    )
    assert recorded.is_stored(ONE)
    assert recorded.is_contradicted(ONE)
    assert recorded.check(seen("1", Source.CLOB)) is None
    assert recorded.is_contradicted(ONE)
    assert recorded.check(seen("1")) is None
    assert not recorded.is_contradicted(ONE)


def test_the_first_recheck_is_past_only_after_it() -> None:
    recorded = RecordedResolutions()
    recorded.record(resolution(), NOW)
    assert not recorded.is_past_first_recheck(ONE, NOW + RECHECKS_MS[0])
    assert recorded.is_past_first_recheck(ONE, NOW + RECHECKS_MS[1])
    recorded.remove(ONE)
    assert not recorded.is_past_first_recheck(ONE, NOW + RECHECKS_MS[1])


def test_a_final_observation_that_differs_contradicts_until_its_source_withdraws_it() -> None:
    recorded = RecordedResolutions()
    recorded.record(resolution(), NOW)
    assert recorded.check(seen("1")) is None
    first = recorded.check(seen("0"))
    assert first is not None
    assert (first.source, first.observed) == (Source.DATA, f"winner {NO}")
    assert recorded.check(seen("0.5", Source.CLOB)) is not None
    assert recorded.check(seen(None)) is None
    assert recorded.is_contradicted(ONE)
    assert recorded.check(seen(None, Source.CLOB)) is None
    assert not recorded.is_contradicted(ONE)


def test_a_source_that_took_no_part_in_the_decision_confirms_it_once() -> None:
    recorded = RecordedResolutions()
    recorded.record(resolution(), NOW)
    assert recorded.confirm(seen("1", resolution().sources[0])) is None
    assert recorded.confirm(seen("0", Source.CHAIN)) is None
    assert recorded.confirm(seen(None, Source.CHAIN)) is None
    found = recorded.confirm(seen("1", Source.CHAIN))
    assert found is not None
    assert (found.condition_id, found.source) == (ONE, Source.CHAIN)
    assert recorded.confirm(seen("1", Source.CHAIN)) is None


def test_a_market_without_a_resolution_has_no_contradiction() -> None:
    assert RecordedResolutions().check(seen("0")) is None


def test_stored_means_that_the_database_has_it() -> None:
    recorded = RecordedResolutions()
    recorded.mark_stored(ONE)
    assert not recorded.is_stored(ONE)
    recorded.record(resolution(), NOW)
    assert not recorded.is_stored(ONE)
    recorded.mark_stored(ONE)
    assert recorded.is_stored(ONE)
    recorded.remove(ONE)
    assert ONE not in recorded
    assert recorded.is_stored(ONE)  # not kept any more, and still known


def test_of_removed_resolutions_a_bounded_number_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.resolution.rechecks.MAX_DONE", 1)
    recorded = RecordedResolutions()
    recorded.remove(ONE)
    assert not recorded.is_stored(ONE)
    for each in (ONE, TWO):
        recorded.record(msgspec.structs.replace(resolution(), condition_id=each), NOW)
        recorded.remove(each)
    assert not recorded.is_stored(ONE)
    assert recorded.is_stored(TWO)
