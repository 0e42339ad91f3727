from decimal import Decimal

from actors.logic.archive import RECHECKS_MS, Archive
from actors.logic.evidence import Observation, Source
from actors.logic.outcome import Resolution
from actors.logic.trade import ConditionId, TokenId

ONE = ConditionId("0x" + "1" * 64)
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


def test_a_verdict_is_looked_at_again_for_a_day() -> None:
    archive = Archive()
    times = [archive.record(resolution(), NOW)]
    while (again := archive.looked(ONE, times[-1])) is not None:
        times.append(again)
    assert times == [NOW + recheck for recheck in RECHECKS_MS]


def test_an_early_look_does_not_use_up_a_planned_one() -> None:
    archive = Archive()
    archive.record(resolution(), NOW)
    assert archive.looked(ONE, NOW + 1) == NOW + RECHECKS_MS[0]


def test_each_contradiction_is_given_once_for_each_source_and_word() -> None:
    archive = Archive()
    archive.record(resolution(), NOW)
    assert archive.check(says("1")) is None
    first = archive.check(says("0"))
    assert first is not None
    assert (first.source, first.observed) == (Source.DATA, f"winner {NO}")
    assert archive.check(says("0")) is None
    assert archive.check(says("0.5")) is not None
    assert archive.check(says("0", Source.CLOB)) is not None


def test_a_market_without_a_verdict_has_no_contradiction() -> None:
    assert Archive().check(says("0")) is None


def test_stored_means_that_the_database_has_it() -> None:
    archive = Archive()
    archive.stored(ONE)
    assert not archive.is_stored(ONE)
    archive.record(resolution(), NOW)
    assert not archive.is_stored(ONE)
    archive.stored(ONE)
    assert archive.is_stored(ONE)
    archive.forget(ONE)
    assert ONE not in archive
    assert not archive.is_stored(ONE)
