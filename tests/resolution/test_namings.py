"""Promise: whoever mixes up which token has which name neither names a winner nor a token."""

from decimal import Decimal

import msgspec
import pytest

from actors.model.market import ContradictionKind, Naming, Observation, Source
from actors.resolution.cases import NAMED_ALIKE, CaseBook
from actors.resolution.evidence import Names, Namings, listed_names
from actors.resolution.quorum import MAPPING, Decision, NotYet, Winner, decide
from tests.resolution.recorded_answers import (
    CONDITION,
    MARKET,
    NO,
    YES,
    Payouts,
    evidence_of,
    pays,
    seen,
)

GAMMA, CLOB, DATA, CHAIN = Source.GAMMA, Source.CLOB, Source.DATA, Source.CHAIN
Y, N = pays("1", "0"), pays("0", "1")
HOLD = 120
LISTED = listed_names(MARKET)
SWAPPED: Names = tuple(sorted(((YES, "No"), (NO, "Yes"))))
RENAMED: Names = tuple(sorted(((YES, "It rains"), (NO, "It does not"))))


def told(
    source: Source, names: Names, payouts: Payouts | None = None, at_ms: int = 0
) -> Observation:
    """Return what a source reports, Gamma by its own list and the others by token."""
    return msgspec.structs.replace(
        seen(source, at_ms, payouts),
        names=names,
        naming=Naming.OWN_LIST if source is GAMMA else Naming.BY_ID,
    )


def rule(*observations: Observation) -> Decision:
    twice = [
        msgspec.structs.replace(each, observed_at_ms=at_ms)
        for at_ms in (0, HOLD)
        for each in observations
    ]
    return decide(evidence_of(twice), MARKET, now_ms=HOLD, hold_ms=HOLD)


def test_a_list_whose_names_others_have_on_other_tokens_names_no_winner() -> None:
    # Gamma's ids stand in another order than its outcomes: by its own list the loser wins.
    assert rule(told(GAMMA, SWAPPED, N), told(CLOB, LISTED)) == NotYet(reason=MAPPING)
    found = rule(told(GAMMA, SWAPPED, N), told(CLOB, LISTED, Y), told(DATA, LISTED, Y))
    assert isinstance(found, Winner)
    assert (found.token_id, found.outcome, found.sources) == (YES, "Yes", (CLOB, DATA))


def test_a_list_that_changed_since_the_market_was_listed_names_no_winner() -> None:
    assert rule(told(GAMMA, SWAPPED, N), told(DATA, (), N)) == NotYet(reason="only data is final")


def test_a_list_that_another_source_has_alike_counts_though_it_was_once_listed_otherwise() -> None:
    found = rule(told(GAMMA, SWAPPED, N), told(CLOB, SWAPPED, N))
    assert isinstance(found, Winner)
    assert (found.token_id, found.outcome) == (NO, "Yes")


def test_a_winner_by_token_is_recorded_without_a_name_while_two_sources_disagree_about_it() -> None:
    found = rule(told(GAMMA, SWAPPED), told(CLOB, LISTED, Y), told(DATA, (), Y))
    assert isinstance(found, Winner)
    assert (found.token_id, found.outcome) == (YES, None)


def test_other_names_altogether_dispute_nothing_and_prove_nothing() -> None:
    found = rule(told(GAMMA, RENAMED, Y), told(CLOB, LISTED, Y))
    assert isinstance(found, Winner)
    assert (found.token_id, found.outcome) == (YES, None)


def test_case_and_blanks_dispute_nothing_and_a_spelling_of_one_source_is_no_name() -> None:
    loud = tuple((token, f" {name.upper()}") for token, name in LISTED)
    assert Namings(told=((GAMMA, LISTED), (CLOB, loud))).proven == ()  # nobody else spells it so
    assert Namings(told=((GAMMA, LISTED), (CLOB, loud), (DATA, LISTED))).proven == LISTED
    swapped = tuple((token, name.lower()) for token, name in SWAPPED)
    assert Namings(told=((GAMMA, LISTED), (CLOB, swapped))).is_contested


@pytest.mark.parametrize(
    ("names", "proven", "contested"),
    [
        ((), (), ()),
        ((LISTED,), (), ()),
        ((SWAPPED,), (), (GAMMA,)),
        ((LISTED, LISTED), LISTED, ()),
        ((LISTED, SWAPPED), (), (GAMMA, CLOB)),
        ((SWAPPED, LISTED, LISTED), LISTED, (GAMMA,)),
        ((SWAPPED, SWAPPED), SWAPPED, ()),
        ((SWAPPED, SWAPPED, LISTED, LISTED), (), (GAMMA, CLOB, DATA, CHAIN)),
    ],
)
def test_names_are_proven_by_two_alike_and_contested_by_any_on_another_token(
    names: tuple[Names, ...], proven: Names, contested: tuple[Source, ...]
) -> None:
    sources = (GAMMA, CLOB, DATA, CHAIN)
    found = Namings(told=tuple(zip(sources, names, strict=False)), listed=LISTED)
    assert (found.proven, found.contested) == (proven, frozenset(contested))


def test_a_mapping_is_contradicted_once_and_until_two_sources_name_the_tokens_alike() -> None:
    cases = CaseBook(poll_s=60, hold_s=HOLD)
    cases.add([MARKET], 0)
    assert cases.observe(told(GAMMA, LISTED), MARKET, 0).contradictions == ()
    (found,) = cases.observe(told(GAMMA, SWAPPED, at_ms=1), MARKET, 1).contradictions
    assert (found.kind, found.source) == (ContradictionKind.MAPPING, GAMMA)
    assert f"{YES} is Yes" in found.recorded
    assert f"{YES} is No" in found.observed
    assert cases.observe(told(GAMMA, SWAPPED, at_ms=2), MARKET, 2).contradictions == ()
    assert len(cases.conflicts) == 1
    again = cases.observe(told(CLOB, LISTED, at_ms=3), MARKET, 3)
    assert (again.contradictions, again.clearances) == ((), ())
    (cleared,) = cases.observe(told(DATA, LISTED, at_ms=4), MARKET, 4).clearances
    assert (cleared.condition_id, cleared.kind, cleared.reason) == (
        CONDITION,
        ContradictionKind.MAPPING,
        NAMED_ALIKE,
    )
    assert len(cases.conflicts) == 0


def test_what_a_resolution_pays_is_recorded_with_each_token_and_its_name() -> None:
    cases = CaseBook(poll_s=60, hold_s=0)
    cases.add([MARKET], 0)
    cases.observe(told(CLOB, LISTED, Y), MARKET, 1)
    resolution = cases.observe(told(DATA, LISTED, Y), MARKET, 1).resolution
    assert resolution is not None
    assert [(each.token_id, each.outcome, each.payout) for each in resolution.by_token] == [
        (YES, "Yes", Decimal(1)),
        (NO, "No", Decimal(0)),
    ]
    assert [each.source for each in resolution.evidence] == [CLOB, DATA]


def test_outcomes_that_differ_in_capitals_alone_are_two_names() -> None:
    ours: Names = tuple(sorted(((YES, "US"), (NO, "us"))))
    swapped: Names = tuple(sorted(((YES, "us"), (NO, "US"))))
    found = Namings(told=((GAMMA, ours), (CLOB, swapped)))
    assert (found.proven, found.contested) == ((), frozenset({GAMMA, CLOB}))
