from decimal import Decimal

import msgspec
import pytest

from actors.model.outcome import RECHECKS_MS, Observation, Resolution, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.recheck import RecordedResolutions

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


def says(yes: str, source: Source = Source.DATA) -> Observation:
    return Observation(
        condition_id=ONE,
        source=source,
        observed_at_ms=NOW,
        payouts=((YES, Decimal(yes)), (NO, 1 - Decimal(yes))),
        reason="",
        payload="{}",
    )


def test_a_verdict_is_looked_at_again_after_ten_minutes_in_the_life_that_reached_it() -> None:
    archive = RecordedResolutions()
    first = archive.record(resolution(), NOW)
    assert first == NOW + RECHECKS_MS[0]
    assert archive.looked(ONE, first, horizon_ms=0) is None  # the database remembers the rest


def test_looks_within_the_horizon_are_not_left_to_the_database() -> None:
    archive = RecordedResolutions()
    archive.record(resolution(), NOW)
    times = [NOW + RECHECKS_MS[0]]
    while (again := archive.looked(ONE, times[-1], horizon_ms=NOW + RECHECKS_MS[-1])) is not None:
        times.append(again)
    assert times == [NOW + recheck for recheck in RECHECKS_MS]
    assert RECHECKS_MS[-1] == 7 * 86_400_000


def test_an_early_look_does_not_use_up_the_first_one() -> None:
    archive = RecordedResolutions()
    archive.record(resolution(), NOW)
    assert archive.looked(ONE, NOW + 1, horizon_ms=0) == NOW + RECHECKS_MS[0]


def test_a_verdict_of_an_earlier_life_is_stored_and_its_contradictions_are_known() -> None:
    archive = RecordedResolutions()
    archive.remember(resolution(), NOW, frozenset({(Source.DATA, f"winner {NO}")}))
    assert archive.is_stored(ONE)
    assert archive.check(says("0")) is None
    assert archive.check(says("0", Source.CLOB)) is not None


def test_only_a_verdict_that_was_looked_at_before_is_old() -> None:
    archive = RecordedResolutions()
    archive.record(resolution(), NOW)
    assert not archive.is_old(ONE, NOW + RECHECKS_MS[0])
    assert archive.is_old(ONE, NOW + RECHECKS_MS[1])
    archive.forget(ONE)
    assert not archive.is_old(ONE, NOW + RECHECKS_MS[1])


def test_each_contradiction_is_given_once_for_each_source_and_word() -> None:
    archive = RecordedResolutions()
    archive.record(resolution(), NOW)
    assert archive.check(says("1")) is None
    first = archive.check(says("0"))
    assert first is not None
    assert (first.source, first.observed) == (Source.DATA, f"winner {NO}")
    assert archive.check(says("0")) is None
    assert archive.check(says("0.5")) is not None
    assert archive.check(says("0", Source.CLOB)) is not None


def test_a_market_without_a_verdict_has_no_contradiction() -> None:
    assert RecordedResolutions().check(says("0")) is None


def test_stored_means_that_the_database_has_it() -> None:
    archive = RecordedResolutions()
    archive.stored(ONE)
    assert not archive.is_stored(ONE)
    archive.record(resolution(), NOW)
    assert not archive.is_stored(ONE)
    archive.stored(ONE)
    assert archive.is_stored(ONE)
    archive.forget(ONE)
    assert ONE not in archive
    assert archive.is_stored(ONE)  # not kept any more, and still known


def test_of_verdicts_that_are_let_go_a_bounded_number_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.resolution.recheck.MAX_DONE", 1)
    archive = RecordedResolutions()
    archive.forget(ONE)
    assert not archive.is_stored(ONE)
    for each in (ONE, TWO):
        archive.record(msgspec.structs.replace(resolution(), condition_id=each), NOW)
        archive.forget(each)
    assert not archive.is_stored(ONE)
    assert archive.is_stored(TWO)
