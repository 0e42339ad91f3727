from decimal import Decimal

import pytest

from actors.simulator.market import Market, Pace
from actors.simulator.markets import Markets, MarketSpec
from actors.simulator.options import LAGS
from tests.chaos.payouts import Row, judge_payouts
from tests.chaos.resolutions import RunSize, count_markets, plain_reason

ONE, NONE, HALF = Decimal(1), Decimal(0), Decimal("0.5")


def market(fate: str = "clean", *, odd: str = "", v2: bool = False, broken: str = "") -> Market:
    markets = Markets(1, 1, Pace(settle=1000, lags=LAGS), broken=frozenset({broken} - {""}))
    spec = MarketSpec(announced=1, trades=1, ends=60_000, fate=fate, winner=1, odd=odd, v2=v2)
    return markets.make(spec)


def rows(one: Market, *payouts: Decimal, reverse: bool = False) -> list[Row]:
    sides: list[Row] = [
        (one.condition, *side) for side in zip(one.tokens, one.outcomes, payouts, strict=True)
    ]
    return sides[::-1] if reverse else sides


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("fate", "odd", "shares", "wrong"),
    [
        ("clean", "", (NONE, ONE), 0),
        ("clean", "contradicted_data", (NONE, ONE), 0),
        ("clean", "", (ONE, NONE), 2),
        ("clean", "", (HALF, HALF), 2),
        ("split", "", (HALF, HALF), 0),
        ("split", "", (NONE, ONE), 2),
        ("clean", "scalar", (NONE, ONE), 2),
        ("long", "", (NONE, ONE), 2),
    ],
)
def test_payouts_are_judged_by_token_whatever_their_order(
    fate: str, odd: str, shares: tuple[Decimal, Decimal], wrong: int, *, reverse: bool
) -> None:
    one = market(fate, odd=odd)
    counts = judge_payouts(rows(one, *shares, reverse=reverse), {one.condition: one})
    assert (counts["payouts"], counts["payouts_wrong"], counts["names_wrong"]) == (2, wrong, 0)


def test_a_foreign_token_and_the_name_of_the_other_side_are_wrong_and_no_name_is_not() -> None:
    one = market()
    first, second = rows(one, NONE, ONE)
    swapped = [(*first[:2], second[2], NONE), (*second[:2], None, ONE)]
    counts = judge_payouts([*swapped, (one.condition, "7", None, ONE)], {one.condition: one})
    assert (counts["payouts_wrong"], counts["names_wrong"]) == (1, 1)


def counted(one: Market, broken: str, row: int | None) -> set[str]:
    """Return what is counted of a market for which this side, or nothing, is recorded."""
    size = RunSize(minutes=1, markets=1, pace=1, kills=0, seed=1, broken=broken)
    labels = {} if row is None else {one.condition: (one.tokens[row], 10**9)}
    counts = count_markets({one.condition: one}, labels, set(), size.in_force)
    return {name for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("broken", "v2", "row", "found"),
    [
        ("", False, None, "missing"),
        ("", True, None, "missing"),
        ("", True, 1, "right"),
        ("", False, 0, "wrong"),
        ("data_tokens_gone", True, None, "missing"),  # slots are computed
        ("data_tokens_gone", False, None, "missing"),
        ("gamma_mute", True, None, "missing"),  # the Data API and the chain know it
        ("gamma_mute,data_gone,data_tokens_gone", True, None, "rightly_absent"),
        ("ids_reversed", False, None, "rightly_absent"),
        ("ids_reversed", False, 1, "right"),
        ("slots_swapped", True, 0, "wrong"),
    ],
)
def test_what_becomes_of_a_market_is_judged_by_what_its_sources_can_tell(
    broken: str, *, v2: bool, row: int | None, found: str
) -> None:
    assert counted(market(v2=v2, broken=broken), broken, row) == {found}


@pytest.mark.parametrize(
    ("broken", "row", "found"),
    [("ids_reversed", 0, "two_wrong"), ("ids_reversed", 1, "right"), ("", 0, "wrong")],
)
def test_of_two_wrong_sources_nothing_is_promised(broken: str, row: int, found: str) -> None:
    seen = counted(market(odd="contradicted_data", broken=broken), broken, row)
    assert seen - {"contradicted", "conflicts_missed"} == {found}


def test_reasons_are_counted_without_the_tokens_that_they_name() -> None:
    words = f"conflict: data says {'7' * 77}; gamma says {'8' * 76}"
    assert plain_reason(words) == "conflict: data says …; gamma says …"
