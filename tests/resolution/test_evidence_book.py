from decimal import Decimal

import msgspec

from actors.model.market import Asset, Market, Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.resolution.evidence_book import EvidenceBook, Novelty
from actors.resolution.quorum import NotYet, Winner

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


def seen(source: Source, yes: str | None, at_ms: int = T0, reason: str = "open") -> Observation:
    return Observation(
        condition_id=ONE,
        source=source,
        observed_at_ms=at_ms,
        payouts=None if yes is None else ((YES, Decimal(yes)), (NO, 1 - Decimal(yes))),
        reason=reason if yes is None else "",
        payload="",
    )


def test_a_source_reports_something_first_then_nothing_new_then_something_else() -> None:
    book = EvidenceBook(0)
    assert book.add(seen(Source.GAMMA, None), MARKET) is Novelty.FIRST
    assert book.add(seen(Source.GAMMA, None, T0 + 1), MARKET) is Novelty.NONE
    assert book.add(seen(Source.DATA, None), MARKET) is Novelty.FIRST
    assert book.add(seen(Source.GAMMA, None, T0 + 2, "proposed"), MARKET) is Novelty.CHANGED
    assert book.add(seen(Source.GAMMA, "1", T0 + 3), MARKET) is Novelty.CHANGED
    assert book.add(seen(Source.GAMMA, "1", T0 + 4), MARKET) is Novelty.NONE
    assert book.add(seen(Source.GAMMA, "0", T0 + 5), MARKET) is Novelty.CHANGED


def test_what_a_cache_kept_from_before_is_nothing_new() -> None:
    book = EvidenceBook(0)
    book.add(seen(Source.GAMMA, "1", T0 + 100), MARKET)
    cached = msgspec.structs.replace(seen(Source.GAMMA, None, T0 + 200), generated_at_ms=T0 + 99)
    assert book.add(cached, MARKET) is Novelty.NONE
    newer = msgspec.structs.replace(seen(Source.GAMMA, None, T0 + 300), generated_at_ms=T0 + 101)
    assert book.add(newer, MARKET) is Novelty.CHANGED


def test_another_mapping_of_the_same_outcome_is_new() -> None:
    book = EvidenceBook(0)
    listed = msgspec.structs.replace(seen(Source.DATA, "1"), mapped_by=(Source.GAMMA,))
    book.add(listed, MARKET)
    assert book.add(seen(Source.DATA, "1", T0 + 1), MARKET) is Novelty.CHANGED


def test_a_market_that_no_source_knows_waits() -> None:
    assert EvidenceBook(0).decision(MARKET, T0) == NotYet(reason="no source knows it")


def test_a_resolution_is_dated_by_a_possible_closing_time_or_by_the_first_final_observation() -> (
    None
):
    for closed_ms, resolved_ms in (
        (T0 - 5_000, T0 - 5_000),
        (None, T0),
        (T0 + 86_400_000, T0),
        (17, T0),
    ):
        book = EvidenceBook(0)
        book.closed(ONE, closed_ms, T0)
        book.add(seen(Source.GAMMA, "1", T0), MARKET)
        book.add(seen(Source.DATA, "1", T0 + 60_000), MARKET)
        decision = book.decision(MARKET, T0 + 60_000)
        assert isinstance(decision, Winner)
        assert book.resolution(decision, MARKET).resolved_at_ms == resolved_ms


def test_what_was_removed_is_new_again() -> None:
    book = EvidenceBook(0)
    book.add(seen(Source.GAMMA, None), MARKET)
    book.remove(ONE)
    assert book.add(seen(Source.GAMMA, None), MARKET) is Novelty.FIRST
