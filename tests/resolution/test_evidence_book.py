from decimal import Decimal

from actors.model.market import Asset, Market
from actors.model.outcome import Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.cases import EvidenceBook, Novelty
from actors.resolution.quorum import Conflict, NotYet, Winner

ONE = ConditionId("0x" + "1" * 64)
YES, NO = TokenId("11"), TokenId("22")
T0 = 1_791_000_000_000
MARKET = Market(
    condition_id=ONE,
    question="",
    slug="",
    assets=(
        Asset(token_id=YES, outcome="Yes", outcome_index=0),
        Asset(token_id=NO, outcome="No", outcome_index=1),
    ),
)


def says(source: Source, yes: str | None, at_ms: int = T0, reason: str = "open") -> Observation:
    return Observation(
        condition_id=ONE,
        source=source,
        observed_at_ms=at_ms,
        payouts=None if yes is None else ((YES, Decimal(yes)), (NO, 1 - Decimal(yes))),
        reason=reason if yes is None else "",
        payload="",
    )


def test_a_source_says_something_first_then_nothing_new_then_something_else() -> None:
    evidence = EvidenceBook(0)
    assert evidence.hear(says(Source.GAMMA, None)) is Novelty.FIRST
    assert evidence.hear(says(Source.GAMMA, None, T0 + 1)) is Novelty.NONE
    assert evidence.hear(says(Source.DATA, None)) is Novelty.FIRST
    assert evidence.hear(says(Source.GAMMA, None, T0 + 2, "proposed")) is Novelty.CHANGED
    assert evidence.hear(says(Source.GAMMA, "1", T0 + 3)) is Novelty.CHANGED
    assert evidence.hear(says(Source.GAMMA, "1", T0 + 4)) is Novelty.NONE
    assert evidence.hear(says(Source.GAMMA, "0", T0 + 5)) is Novelty.CHANGED


def test_a_market_that_no_source_knows_waits() -> None:
    assert EvidenceBook(0).verdict(MARKET, T0) == NotYet(reason="no source knows it")


def test_a_resolution_is_dated_by_a_possible_closing_time_or_by_the_first_final_word() -> None:
    for told_ms, dated_ms in (
        (T0 - 5_000, T0 - 5_000),
        (None, T0),
        (T0 + 86_400_000, T0),
        (17, T0),
    ):
        evidence = EvidenceBook(0)
        evidence.dated(ONE, told_ms, T0)
        evidence.hear(says(Source.GAMMA, "1", T0))
        evidence.hear(says(Source.DATA, "1", T0 + 60_000))
        verdict = evidence.verdict(MARKET, T0 + 60_000)
        assert isinstance(verdict, Winner)
        assert evidence.resolution(verdict, MARKET).resolved_at_ms == dated_ms


def clash_of(evidence: EvidenceBook, observation: Observation) -> tuple[str, str] | None:
    evidence.hear(observation)
    verdict = evidence.verdict(MARKET, T0)
    assert isinstance(verdict, Conflict)
    clash = evidence.clash(verdict, observation)
    return None if clash is None else (clash.recorded, clash.observed)


def test_a_clash_is_given_once_until_somebody_says_something_else() -> None:
    evidence = EvidenceBook(0)
    evidence.hear(says(Source.GAMMA, "1"))
    expected = (f"gamma says winner {YES}", f"winner {NO}")
    assert clash_of(evidence, says(Source.DATA, "0")) == expected
    assert clash_of(evidence, says(Source.DATA, "0", T0 + 1)) is None
    assert clash_of(evidence, says(Source.DATA, "0.5", T0 + 2)) == (expected[0], "split")


def test_a_source_that_is_not_final_takes_no_part_in_a_clash() -> None:
    evidence = EvidenceBook(0)
    evidence.hear(says(Source.GAMMA, "1"))
    evidence.hear(says(Source.DATA, "0"))
    assert clash_of(evidence, says(Source.CLOB, None)) is None


def test_what_is_forgotten_is_new_again() -> None:
    evidence = EvidenceBook(0)
    evidence.hear(says(Source.GAMMA, None))
    evidence.forget(ONE)
    assert evidence.hear(says(Source.GAMMA, None)) is Novelty.FIRST
