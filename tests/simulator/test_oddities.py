"""Sources describe an odd market wrongly where its oddity says so, and rightly elsewhere."""

import json
import random
from typing import Any

import pytest

from actors.simulator import events
from actors.simulator.market import ODDITIES, SOURCES, Market, Pace
from actors.simulator.markets import Markets, MarketSpec, ledger_line, market_from_line
from actors.simulator.simulation import Traffic
from actors.simulator.sources import chain
from actors.simulator.sources.chain import chain_result
from actors.simulator.sources.clob import clob_market
from actors.simulator.sources.data_api import data_row
from actors.simulator.sources.finality import final_at, true_outcome
from actors.simulator.sources.gamma import gamma_market
from actors.simulator.sources.oddities import draw_oddity

PACE = Pace(settle=1000, lags=dict.fromkeys(SOURCES, (1000, 1000)))
LATE = 200_000
"""All sources are final by then."""


class Odd:
    """One market that side 1 wins, and what each source shows of it."""

    def __init__(self, odd: str, fate: str = "clean", *, v2: bool = False) -> None:
        self.markets = Markets(1, 1, PACE)
        wish = MarketSpec(announced=0, trades=1, ends=100_000, fate=fate, winner=1, odd=odd, v2=v2)
        self.market: Market = self.markets.make(wish)

    def gamma(self, at: int = LATE) -> dict[str, Any]:
        return gamma_market(self.market, at)

    def clob_winner(self) -> str | None:
        shown = clob_market(self.market, LATE)["tokens"]
        return next((side["token_id"] for side in shown if side["winner"]), None)

    def payouts(self) -> Any:
        return data_row(self.market, LATE)["payouts"]

    def numerators(self) -> list[int]:
        key = self.market.condition[2:]
        calls = [chain.NUMERATOR + key + f"{side:064x}" for side in (0, 1)]
        params = [{"to": chain.CONTRACT, "data": data} for data in calls]
        asked = [{"method": "eth_call", "id": 1, "params": [one]} for one in params]
        shown = [chain_result(self.markets, each, LATE, lie=False) for each in asked]
        return [int(each["result"], 16) for each in shown]


@pytest.mark.parametrize("odd", ["", "stale", "reordered", "wrong_hint"])
def test_the_winner_is_shown_right_by_token(odd: str) -> None:
    one = Odd(odd)
    assert one.clob_winner() == one.market.tokens[1]
    assert one.payouts() == [0, 1_000_000]
    assert one.numerators() == [0, 1]
    assert len(final_at(one.market)) == 4


@pytest.mark.parametrize("source", SOURCES)
def test_a_contradicted_market_has_one_source_that_names_the_other_side(source: str) -> None:
    one = Odd(f"contradicted_{source}")
    shown = {
        "gamma": json.loads(one.gamma()["outcomePrices"]) == ["0", "1"],
        "clob": one.clob_winner() == one.market.tokens[1],
        "data": one.payouts() == [0, 1_000_000],
        "chain": one.numerators() == [0, 1],
    }
    assert [name for name, right in shown.items() if not right] == [source]
    assert true_outcome(one.market) is None


def test_a_contradiction_by_a_source_without_final_outcome_is_none() -> None:
    one = Odd("contradicted_gamma", "no_status", v2=True)
    assert true_outcome(one.market) == "winner"
    assert set(final_at(one.market)) == {"clob", "data", "chain"}
    unknown = frozenset({"v2_not_in_clob"})
    assert true_outcome(Odd("contradicted_clob", v2=True).market, unknown) == "winner"
    assert true_outcome(Odd("contradicted_clob", v2=True).market) is None


def test_a_split_that_the_clob_calls_won_is_contradicted_too() -> None:
    assert final_at(Odd("contradicted_clob", fate="split").market) == {}
    assert set(final_at(Odd("", fate="split").market)) == {"gamma", "data", "chain"}


def test_a_contradicted_split_is_named_a_winner() -> None:
    one = Odd("contradicted_data", fate="split")
    assert one.payouts() == [1_000_000, 0]


@pytest.mark.parametrize(("odd", "shares"), [("scalar", [584_000, 416_000]), ("zero", None)])
def test_a_market_without_outcome_has_none_at_any_source(odd: str, shares: Any) -> None:
    one = Odd(odd)
    assert one.clob_winner() is None
    assert one.payouts() == shares
    assert true_outcome(one.market) is None
    assert json.loads(one.gamma()["outcomePrices"])[0] in {"0.584", "0"}


def test_stale_answers_come_every_third_time() -> None:
    one = Odd("stale")
    views = [one.market.view("gamma", LATE) for _ in range(6)]
    assert views == [LATE - 1000, LATE - 1000, LATE - 2000] * 2


def test_gamma_leaves_fields_out_only_once_the_market_closed() -> None:
    for odd, name in (("no_prices", "outcomePrices"), ("empty_tokens", "clobTokenIds")):
        one = Odd(odd)
        assert len(json.loads(one.gamma(at=50_000)[name])) == 2
        assert one.gamma().get(name) in (None, "[]")
        assert set(final_at(one.market)) == {"clob", "data", "chain"}
    assert len(json.loads(Odd("three_outcomes").gamma()["outcomes"])) == 3


def test_texts_wrong_ids_and_wrong_hints_are_shown() -> None:
    assert Odd("texts").payouts() == ["0", "1000000"]
    assert isinstance(Odd("texts").gamma()["clobTokenIds"], list)
    echoed = Odd("wrong_echo")
    assert clob_market(echoed.market, LATE)["condition_id"] != echoed.market.condition
    hinted = Odd("wrong_hint")
    shown = json.loads(events.market_resolved(hinted.market, LATE))
    assert shown["winning_asset_id"] == hinted.market.tokens[0]


def test_oddities_are_drawn_for_a_share_of_the_markets() -> None:
    rng = random.Random(1)
    drawn = [draw_oddity(rng, 0.5) for _ in range(2_000)]
    assert 900 < sum(map(bool, drawn)) < 1_100
    assert set(drawn) == {"", *ODDITIES}


def test_an_oddity_survives_the_ledger() -> None:
    assert market_from_line(json.loads(json.dumps(ledger_line(Odd("zero").market)))).odd == "zero"


def test_traffic_is_the_most_in_any_ten_seconds() -> None:
    traffic = Traffic()
    for now in (0.0, 1.0, 9.9, 10.0, 30.0):
        traffic.note("gamma", now)
    assert traffic.summary() == {"gamma": {"total": 5, "most_in_10_s": 3}}
