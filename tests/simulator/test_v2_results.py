"""The results of V2 markets on the chain, also as the tracker asks for them and reads them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from Crypto.Hash import keccak

from actors.model.market import Asset, Naming, Source
from actors.model.market import Market as ListedMarket
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.contract import chain as reader
from actors.polymarket.contract import rpc
from actors.simulator.market import SOURCES, Market, Pace
from actors.simulator.markets import Markets, MarketSpec
from actors.simulator.sources import chain
from actors.simulator.sources.chain import chain_answer
from actors.simulator.sources.finality import final_times
from tests.simulator.test_market_ids import RECORDED

LAG_MS = 1_000
PACE = Pace(settle=1000, lags=dict.fromkeys(SOURCES, (LAG_MS, LAG_MS)))
LATE = 400_000
BINARY_AT, NEG_RISK_AT = chain.MODULES
EMPTY = (32, 0)
OLD_ID = "0x" + "ab" * 31 + "00"
"""Of a V2 market in a ledger that is older than the ids that name a module."""


class Node:
    """One market that side 1 wins, and a node that is asked about it."""

    def __init__(self, *broken: str, v2: bool = True, **spec: Any) -> None:
        self.markets = Markets(1, 1, PACE, broken=frozenset(broken))
        wishes = {"fate": "clean", "winner": 1, "odd": "", **spec}
        self.market = self.markets.make(
            MarketSpec(announced=1, trades=1, ends=100_000, v2=v2, **wishes)
        )

    def call(self, to: str, data: str, at: int = LATE, *, lie: bool = False) -> dict[str, Any]:
        params = [{"to": to, "data": data}, "latest"]
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}
        found: dict[str, Any] = chain_answer(self.markets, request, at, lie=lie)
        return found

    def result(self, to: str = "", at: int = LATE, *, lie: bool = False) -> tuple[int, ...]:
        """Return the words of the answer to getResult."""
        data = chain.RESULT + self.market.condition[2:]
        text = self.call(to or address(self.market), data, at, lie=lie)["result"]
        raw = bytes.fromhex(text[2:])
        return tuple(int.from_bytes(raw[start : start + 32]) for start in range(0, len(raw), 32))


def address(market: Market) -> str:
    return BINARY_AT if market.condition.startswith("0x01") else NEG_RISK_AT


def node_of(*broken: str, neg_risk: bool) -> Node:
    """Return a node whose market is on this module: the first one that is."""
    node = Node(*broken)
    spec = MarketSpec(announced=1, trades=1, ends=100_000, v2=True, fate="clean", winner=1, odd="")
    while node.market.neg_risk is not neg_risk:
        node.market = node.markets.make(spec)
    return node


def as_listed(market: Market, order: tuple[int, int]) -> ListedMarket:
    """Return a market as the tracker knows it from a list in this order."""
    return ListedMarket(
        condition_id=ConditionId(market.condition),
        question=market.question,
        slug=market.slug,
        assets=tuple(
            Asset(
                token_id=TokenId(market.tokens[side]),
                outcome=market.outcomes[side],
                outcome_index=place,
            )
            for place, side in enumerate(order)
        ),
        version="v2",
    )


def test_selectors_are_those_of_the_functions_and_addresses_those_that_the_tracker_asks() -> None:
    hashed = keccak.new(digest_bits=256, data=b"getResult(bytes31)").hexdigest()
    assert f"0x{hashed[:8]}" == chain.RESULT == reader.RESULT
    asked = {to.lower(): module for module, to in reader.MODULES.items()}
    assert asked == chain.MODULES


@pytest.mark.parametrize(
    "data",
    [
        chain.DENOMINATOR + RECORDED[2:],
        chain.RESULT,
        chain.RESULT + RECORDED[2:64],
        chain.RESULT + RECORDED[2:64] + "01",  # no padding: a token
    ],
)
def test_a_module_reverts_when_it_is_called_wrongly(data: str) -> None:
    assert Node().call(BINARY_AT, data)["error"]["code"] == 3


@pytest.mark.parametrize("broken", ["", "free_nodes"])
def test_a_module_has_nothing_about_what_is_not_its_own(broken: str) -> None:
    breaks = (broken,) if broken else ()
    binary, neg_risk = (node_of(*breaks, neg_risk=each) for each in (False, True))
    for node, to, condition in (
        (binary, BINARY_AT, RECORDED),
        (binary, NEG_RISK_AT, binary.market.condition),
        (neg_risk, BINARY_AT, neg_risk.market.condition),
    ):
        answer = node.call(to, chain.RESULT + condition[2:])
        if broken:
            assert answer["error"]["code"] == 3
        else:
            assert answer["result"] == "0x" + "".join(format(word, "064x") for word in EMPTY)
    assert binary.result()[1] == neg_risk.result()[1] == 2


@pytest.mark.parametrize("neg_risk", [False, True])
def test_the_contract_of_v1_pays_nothing_of_a_v2_market(*, neg_risk: bool) -> None:
    node = node_of(neg_risk=neg_risk)
    answer = node.call(chain.CONTRACT, chain.DENOMINATOR + node.market.condition[2:])
    assert int(answer["result"], 16) == 0


def test_a_result_is_empty_until_the_lag_of_the_chain_is_over() -> None:
    node = Node()
    final = final_times(node.market)["chain"]
    assert final == node.market.lifetime.reported + LAG_MS
    assert node.result(at=final - 1) == EMPTY
    assert node.result(at=final) == (32, 2, 0, 1_000_000)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"odd": "zero"}, EMPTY),
        ({"odd": "scalar"}, (32, 2, 584_000, 416_000)),
        ({"odd": "contradicted_chain"}, (32, 2, 1_000_000, 0)),
        ({"fate": "stuck"}, EMPTY),
        ({"fate": "split"}, (32, 2, 500_000, 500_000)),
        ({"winner": 0}, (32, 2, 1_000_000, 0)),
    ],
)
def test_a_result_is_what_the_plan_of_the_market_pays(
    spec: dict[str, Any], words: tuple[int, ...]
) -> None:
    assert Node(**spec).result() == words


def test_a_lie_names_the_other_slot() -> None:
    node = Node()
    assert node.result(lie=True) == (32, 2, 1_000_000, 0)
    assert node.result() == (32, 2, 0, 1_000_000)


def test_swapped_slots_have_the_payouts_in_their_order() -> None:
    node = Node("slots_swapped")
    assert node.market.swapped
    assert node.result() == (32, 2, 1_000_000, 0)


def test_free_nodes_take_three_calls_at_once_of_v2_too() -> None:
    node = Node("free_nodes")
    data = chain.RESULT + node.market.condition[2:]
    params = [{"to": address(node.market), "data": data}, "latest"]
    one = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}
    taken = chain_answer(node.markets, [one] * 3, LATE)
    assert all("result" in each for each in taken)
    assert chain_answer(node.markets, [one] * 4, LATE)["error"]["code"] == -32600


def test_a_v2_market_of_an_old_ledger_is_on_no_contract() -> None:
    markets = Markets(1, 1, PACE)
    spec = MarketSpec(
        announced=1, trades=1, ends=100_000, v2=True, fate="clean", winner=1, condition=OLD_ID
    )
    old = markets.make(spec)
    assert set(final_times(old)) == {"gamma", "clob", "data"}


@pytest.mark.parametrize("broken", [(), ("slots_swapped",)])
@pytest.mark.parametrize("listed", [(0, 1), (1, 0)])
def test_the_tracker_reads_the_winner_whatever_the_order_of_a_list(
    broken: tuple[str, ...], listed: tuple[int, int]
) -> None:
    for neg_risk in (False, True):
        node = node_of(*broken, neg_risk=neg_risk)
        market = node.market
        condition = ConditionId(market.condition)
        asked = reader.first_call(condition)
        answer = chain_answer(node.markets, json.loads(rpc.request([asked])), LATE)
        (first,) = rpc.read_replies(json.dumps(answer).encode(), 1)
        assert first is not None
        assert reader.further_calls(condition, first) == ()
        seen = reader.observe(reader.facts(condition, first), as_listed(market, listed), LATE)
        assert seen.source is Source.CHAIN
        assert seen.naming is Naming.COMPUTED_SLOT
        assert dict(seen.payouts or ()) == {
            TokenId(market.tokens[0]): Decimal(0),
            TokenId(market.tokens[1]): Decimal(1),
        }
