"""How each belief about outcomes can be broken alone: orders of tokens, and sources that go."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors.simulator.beliefs import DEFAULTS
from actors.simulator.market import SOURCES, Market, Pace
from actors.simulator.market_ids import contract_tokens, structured_tokens
from actors.simulator.markets import Markets, MarketSpec, ledger_line, market_from_line
from actors.simulator.sources import chain
from actors.simulator.sources.chain import chain_answer
from actors.simulator.sources.clob import clob_market, compact_answer
from actors.simulator.sources.data_api import data_answer, tokens_answer
from actors.simulator.sources.finality import final_at, is_contradicted, is_due
from actors.simulator.sources.gamma import gamma_market
from tests.simulator.harness import QUIET, Rehearsal, rehearsal, run_async

PACE = Pace(settle=1000, lags=dict.fromkeys(SOURCES, (0, 0)))
ENDS = 100_000
EARLY, LATE = 2_000, 400_000
"""Soon after the listing, and when all is final and no list changes any more."""


class World:
    """Eight markets that side 1 wins, and what each source calls their winners."""

    def __init__(self, *broken: str, v2: bool = False, fate: str = "clean") -> None:
        self.markets = Markets(1, 1, PACE, broken=frozenset(broken))
        spec = MarketSpec(announced=1, trades=1, ends=ENDS, fate=fate, winner=1, v2=v2)
        self.all = [self.markets.make(spec) for _ in range(8)]

    def by_gamma(self, market: Market, at: int = LATE) -> str:
        row = gamma_market(market, at, broken=self.markets.broken)
        tokens = row["positionIds"] if market.v2 else json.loads(row["clobTokenIds"])
        price = json.loads(row["outcomePrices"])
        winner: str = tokens[price.index(max(price, key=float))]
        return winner

    def pairs(self, market: Market, at: int = LATE) -> dict[str, str]:
        """Return the name that Gamma's list gives each token."""
        row = gamma_market(market, at, broken=self.markets.broken)
        tokens = row["positionIds"] if market.v2 else json.loads(row["clobTokenIds"])
        return dict(zip(tokens, json.loads(row["outcomes"]), strict=True))

    def by_clob(self, market: Market) -> str:
        sides = clob_market(market, LATE)["tokens"]
        (winner,) = [side["token_id"] for side in sides if side["winner"]]
        return str(winner)

    def by_tokens(self, market: Market) -> dict[str, Any]:
        """Return the row of the winning token."""
        _, body = tokens_answer(self.markets, "", market.condition, LATE)
        (row,) = [row for row in body["data"] if row["final_price"] == 1]
        return dict(row)

    def slot_by_data(self, market: Market) -> int:
        _, body = data_answer(self.markets, market.condition, LATE)
        return int(body["data"][0]["payouts"].index(1_000_000))

    def slot_by_chain(self, market: Market) -> int:
        if market.v2:
            module = int(market.condition[:4], 16)
            to = next(to for to, its in chain.MODULES.items() if its == module)
            asked_of = call(chain.RESULT, market.condition, to=to)
            words = chain_answer(self.markets, asked_of, LATE)["result"][2 + 2 * 64 :]
            return [int(words[:64], 16), int(words[64:], 16)].index(1_000_000)
        asked = [call(chain.NUMERATOR, market.condition, f"{slot:064x}") for slot in (0, 1)]
        answers = chain_answer(self.markets, asked, LATE)
        return [int(each["result"], 16) for each in answers].index(1)


def call(
    selector: str, condition: str, argument: str = "", to: str = chain.CONTRACT
) -> dict[str, Any]:
    params = [{"to": to, "data": selector + condition[2:] + argument}, "latest"]
    return {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}


@pytest.mark.parametrize("v2", [False, True])
def test_reversed_ids_make_gamma_alone_name_the_loser_of_half_of_the_markets(*, v2: bool) -> None:
    world = World("ids_reversed", v2=v2)
    for market in world.all:
        loser, winner = market.tokens
        names = dict(zip(market.tokens, market.outcomes, strict=True))
        is_wrong = market.index % 2 == 0
        assert world.by_gamma(market) == (loser if is_wrong else winner)
        assert (world.pairs(market) != names) is is_wrong
        assert (world.pairs(market, EARLY) != names) is is_wrong
        assert world.by_clob(market) == winner
        assert world.by_tokens(market)["token_id"] == winner
        assert world.by_tokens(market)["outcome"] == names[winner]
        _, compact = compact_answer(world.markets, market.condition, LATE)
        assert {side["t"]: side["o"] for side in compact["t"]} == names
        assert ("gamma" in final_at(market, world.markets.broken)) is not is_wrong
        assert is_contradicted(market, world.markets.broken) is is_wrong


@pytest.mark.parametrize("broken", ["ids_reversed_later", "lists_reversed_later"])
def test_lists_change_later_of_some_markets_before_and_of_some_after_the_resolution(
    broken: str,
) -> None:
    world = World(broken)
    reported = {market.index: market.lifetime.reported for market in world.all}
    for market in world.all:
        names = dict(zip(market.tokens, market.outcomes, strict=True))
        order = [list(world.pairs(market, at)) for at in (EARLY, reported[market.index], LATE)]
        changed = [tokens != list(market.tokens) for tokens in order]
        half, quarter = market.index % 2 == 0, market.index // 4 % 2
        assert changed == [False, half and not quarter, half]
        if broken == "lists_reversed_later":
            assert world.pairs(market) == names
            assert world.by_gamma(market) == market.tokens[1]
            assert not is_contradicted(market, world.markets.broken)
        else:
            assert (world.pairs(market) != names) is half
            assert world.by_gamma(market) == market.tokens[0 if half else 1]
            assert is_contradicted(market, world.markets.broken) is half


@pytest.mark.parametrize("v2", [False, True])
def test_swapped_slots_change_the_places_of_payouts_and_nothing_that_names_tokens(
    *, v2: bool
) -> None:
    world = World("slots_swapped", v2=v2)
    seen = set()
    for market in world.all:
        winner = market.tokens[1]
        row = world.by_tokens(market)
        assert row["token_id"] == winner == world.by_gamma(market) == world.by_clob(market)
        assert world.slot_by_data(market) == row["outcome_index"] == 1 - market.swapped
        assert row["clob_index"] == 1
        seen.add(market.swapped)
        computed = (
            structured_tokens(market.condition)
            if v2
            else contract_tokens(market.condition, neg_risk=market.neg_risk)
        )
        assert computed[world.slot_by_chain(market)] == winner
    assert seen == {False, True}


def test_the_price_of_uma_is_that_of_the_first_slot() -> None:
    world = World("slots_swapped", "uma_rows_without_payouts")
    for market in world.all:
        _, body = data_answer(world.markets, market.condition, LATE)
        (row,) = body["data"]
        assert row["payouts"] is None
        assert row["price"] == ("1000000000000000000" if market.swapped else "0")


def test_swapped_slots_survive_the_ledger() -> None:
    for market in World("slots_swapped").all:
        line = json.loads(json.dumps(ledger_line(market)))
        assert market_from_line(line).swapped is market.swapped
        assert market_from_line(line).tokens == market.tokens
        del line["swapped"]
        assert market_from_line(line).swapped is False


def test_orders_are_the_same_while_no_belief_is_broken() -> None:
    world = World()
    for market in world.all:
        assert world.by_gamma(market) == market.tokens[1]
        assert world.by_tokens(market)["outcome_index"] == 1
        assert world.slot_by_data(market) == world.slot_by_chain(market) == 1


@pytest.mark.parametrize(
    ("broken", "v2", "fate", "names"),
    [
        ((), False, "clean", {"gamma", "clob", "data", "chain"}),
        (DEFAULTS, False, "clean", {"gamma", "clob", "data", "chain"}),
        (DEFAULTS, True, "clean", {"gamma", "data", "chain"}),
        (DEFAULTS, True, "split", {"gamma", "data", "chain"}),
        ((*DEFAULTS, "gamma_mute"), True, "clean", {"data", "chain"}),
        ((*DEFAULTS, "data_tokens_gone"), True, "clean", {"gamma", "data", "chain"}),
        (("clob_gone",), False, "clean", {"gamma", "data", "chain"}),
        (("data_gone",), False, "clean", {"gamma", "clob", "data", "chain"}),
        (("data_gone", "data_tokens_gone"), False, "clean", {"gamma", "clob", "chain"}),
        (("no_uma_status",), False, "clean", {"clob", "data", "chain"}),
        (("gamma_mute",), True, "clean", {"clob", "data", "chain"}),
        (("v2_unlisted",), True, "clean", {"clob", "data", "chain"}),
        (("free_nodes",), False, "clean", {"gamma", "clob", "data", "chain"}),
    ],
)
def test_who_shows_the_outcome_follows_from_what_is_broken(
    broken: Any, v2: bool, fate: str, names: set[str]
) -> None:
    world = World(*broken, v2=v2, fate=fate)
    for market in world.all:
        assert set(final_at(market, world.markets.broken)) == names
        assert is_due(market, world.markets.broken)


def test_a_market_with_one_source_left_is_not_due() -> None:
    broken = frozenset({*DEFAULTS, "gamma_mute", "data_gone", "data_tokens_gone"})
    market = World(v2=True).all[0]
    assert set(final_at(market, broken)) == {"chain"}
    assert not is_due(market, broken)
    assert is_due(market, broken - {"gamma_mute"})


def test_slots_that_nobody_names_are_those_of_the_condition_whatever_the_order_of_a_list() -> None:
    broken = frozenset({*DEFAULTS, "data_tokens_gone", "slots_swapped", "ids_reversed"})
    world = World(*broken, v2=True)
    for market in world.all:
        computed = structured_tokens(market.condition)
        assert (computed == market.tokens) is not market.swapped
        winner = market.tokens[1]
        assert computed[world.slot_by_data(market)] == winner
        assert computed[world.slot_by_chain(market)] == winner
        names_the_loser = market.index % 2 == 0
        assert set(final_at(market, broken)) == {"data", "chain"} | (
            set() if names_the_loser else {"gamma"}
        )
        assert is_contradicted(market, broken) is names_the_loser


async def two(harness: Rehearsal) -> list[dict[str, Any]]:
    """Return a market of each version, both over."""
    found = []
    for v2 in (False, True):
        body = {"life_s": 1, "fate": "clean", "winner": 1, "v2": v2}
        found.append((await harness.post("/admin/market", body))[1])
    harness.turn(20, step=0.5)
    return found


@pytest.mark.parametrize(
    ("broken", "statuses"),
    [
        ("", [200, 404, 200, 200, 200]),
        ("clob_gone", [404, 404, 200, 200, 200]),
        ("data_gone", [200, 404, 200, 404, 200]),
        ("data_tokens_gone", [200, 404, 200, 200, 410]),
    ],
)
def test_a_route_that_is_gone_is_gone_alone(
    tmp_path: Path, broken: str, statuses: list[int]
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, f"--broken={broken}") as harness:
            old, new = (line["condition"] for line in await two(harness))
            answers = [
                await harness.answer(f"/clob/markets/{old}"),
                await harness.answer(f"/clob/markets/{new}"),
                await harness.answer(f"/clob/clob-markets/{new}"),
                await harness.answer("/data/v2/resolutions", condition=old),
                await harness.answer("/data/v2/tokens", condition=old),
            ]
        assert [status for status, _ in answers] == statuses
        assert all("error" in body for status, body in answers if status != 200)

    run_async(steps)


def test_the_clob_knows_v2_markets_where_that_belief_holds(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--intact=v2_not_in_clob") as harness:
            _, new = await two(harness)
            row = await harness.get(f"/clob/markets/{new['condition']}")
        assert [side["winner"] for side in row["tokens"]] == [False, True]

    run_async(steps)


def test_without_statuses_a_resolved_market_is_closed_and_priced_only(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--broken=no_uma_status") as harness:
            for line in await two(harness):
                (row,) = await harness.get("/gamma/markets", id=line["gamma_id"], closed="true")
                assert {"umaResolutionStatus", "resolutionStatus"}.isdisjoint(row)
                assert json.loads(row["outcomePrices"]) == ["0", "1"]
            for name in ("uma_resolution_status", "resolution_status"):
                query = {"closed": "true", name: "resolved"}
                assert await harness.get("/gamma/markets", **query) == []

    run_async(steps)


def test_a_mute_gamma_lists_markets_and_finds_none_by_id(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--broken=gamma_mute") as harness:
            old, _ = await two(harness)
            listed = await harness.get("/gamma/markets", closed="true")
            assert old["gamma_id"] in {row["id"] for row in listed}
            for name, value in (
                ("condition_ids", old["condition"]),
                ("id", old["gamma_id"]),
                ("slug", old["slug"]),
                ("clob_token_ids", old["tokens"][0]),
            ):
                query = {"closed": "true", name: value}
                assert await harness.get("/gamma/markets", **query) == []
                assert await harness.get("/gamma/markets/keyset", **query) == {"markets": []}
            assert (await harness.answer(f"/gamma/markets/{old['gamma_id']}"))[0] == 404

    run_async(steps)


def test_a_free_node_takes_three_calls_and_reverts_about_what_it_does_not_know() -> None:
    for broken in ((), ("free_nodes",)):
        world, new = World(*broken), World(*broken, v2=True)
        known, strange = world.all[0].condition, "0x" + "1" * 64
        asked = [call(chain.SLOTS, known), call(chain.SLOTS, strange), call(chain.SLOTS, known)]
        first, second, third = chain_answer(world.markets, asked, LATE)
        assert int(first["result"], 16) == int(third["result"], 16) == 2
        assert ("error" in second) is bool(broken)
        v2 = chain_answer(new.markets, call(chain.DENOMINATOR, new.all[0].condition), LATE)
        assert ("error" in v2) is bool(broken)
        alone, in_a_list = (
            chain_answer(world.markets, [*asked, asked[0]], LATE + block * chain.BLOCK_MS)
            for block in (0, 1)
        )
        if broken:
            assert alone["error"]["code"] == in_a_list[0]["error"]["code"] == -32600
            assert len(in_a_list) == 1
        else:
            assert len(alone) == len(in_a_list) == 4
