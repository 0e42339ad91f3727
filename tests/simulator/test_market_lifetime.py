import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from actors.simulator.beliefs import DEFAULTS
from actors.simulator.market import (
    FATES,
    NEVER,
    SOURCES,
    Lifetime,
    Market,
    Pace,
    plan_lifetime,
)
from actors.simulator.markets import Markets, MarketSpec
from actors.simulator.sources.finality import final_times
from tests.simulator.harness import QUIET, Rehearsal, rehearsal, run_async

PACE = Pace(settle=1000, lags=dict.fromkeys(SOURCES, (100, 400)))
ENDS = 60_000
MODULES = {
    "01": "0x1000008dD9001B968442c1000017eaE6E0dA00Ba",
    "02": "0x200000900045e3B6259600682756002200028933",
}
STATUS = {False: "umaResolutionStatus", True: "resolutionStatus"}


def lifetime(fate: str, winner: int | None = 1, seed: int = 1) -> Lifetime:
    return plan_lifetime(fate, winner, (0, 50_000, ENDS), PACE, random.Random(seed))


def market(fate: str, *, v2: bool = False) -> Market:
    spec = MarketSpec(announced=0, trades=50_000, ends=ENDS, fate=fate, winner=1, v2=v2)
    return Markets(1, 1, PACE).make(spec)


@pytest.mark.parametrize("fate", [*FATES])
def test_the_dates_of_every_lifetime_that_ends_are_in_order(fate: str) -> None:
    for seed in range(50):
        made = lifetime(fate, seed=seed)
        whens = [when for when, _, _ in made.stages]
        assert whens == sorted(whens)
        assert made.stages[-1][1] == "resolved"
        assert made.closed <= made.reported
        assert made.reported > made.ends
        assert made.statuses(made.reported)[-1] == "resolved"
        assert all(100 <= lag <= 400 for lag in made.lags.values())


@pytest.mark.parametrize("fate", ["long", "stuck"])
def test_endless_lifetime_is_never_reported(fate: str) -> None:
    made = lifetime(fate)
    assert made.reported == made.closed == NEVER
    assert final_times(market(fate)) == {}


def test_disputed_lifetime_proposes_the_loser_first() -> None:
    stages = lifetime("disputed", winner=0).stages
    assert [(word, side) for _, word, side in stages] == [
        ("proposed", 1),
        ("disputed", 1),
        ("proposed", 0),
        ("resolved", 0),
    ]


def test_proposal_comes_before_the_end_when_it_is_traded_on() -> None:
    made = lifetime("proposed_first")
    assert made.stages[0][0] < made.ends < made.reported


@pytest.mark.parametrize(
    ("fate", "v2", "silent"),
    [
        ("clean", False, set[str]()),
        ("split", False, {"clob"}),
        ("no_status", False, {"gamma"}),
        ("clean", True, {"clob"}),
        ("split", True, {"clob"}),
        ("no_status", True, {"gamma", "clob"}),
    ],
)
def test_sources_that_never_show_a_final_outcome_are_left_out(
    fate: str, v2: bool, silent: set[str]
) -> None:
    times = final_times(market(fate, v2=v2), DEFAULTS)
    assert set(times) == set(SOURCES) - silent


async def views(harness: Rehearsal, line: dict[str, Any]) -> dict[str, Any]:
    """Return what every source shows of a market now."""
    closed = [
        row
        for flag in ("false", "true")
        for row in await harness.get("/gamma/markets", id=line["gamma_id"], closed=flag)
    ]
    return {
        "gamma": closed[0],
        "clob": (await harness.answer(f"/clob/markets/{line['condition']}"))[1],
        "data": (await harness.get("/data/v2/resolutions", condition=line["condition"]))["data"][0],
        "chain": await on_chain(harness, line["condition"], v2=line["version"] == "v2"),
    }


async def on_chain(harness: Rehearsal, condition: str, *, v2: bool) -> list[int]:
    """Return what the contract of a market pays in all, and to each slot."""
    to, key = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045", condition[2:]
    datas = ["0xdd34de67" + key] + ["0x0504c814" + key + format(side, "064x") for side in (0, 1)]
    if v2:
        to, datas = MODULES[key[:2]], ["0xe4939c77" + key]
    batch = [
        {
            "jsonrpc": "2.0",
            "id": n,
            "method": "eth_call",
            "params": [{"to": to, "data": data}, "latest"],
        }
        for n, data in enumerate(datas)
    ]
    _, answers = await harness.post("/rpc", batch)
    if not v2:
        return [int(each["result"], 16) for each in answers]
    words = bytes.fromhex(answers[0]["result"][2:])
    offset, count, *paid = (int.from_bytes(words[at : at + 32]) for at in range(0, len(words), 32))
    assert (offset, count) == (32, len(paid))
    return [sum(paid), *paid]


def final_word(line: dict[str, Any], view: dict[str, Any]) -> dict[str, int | str | None]:
    """Return the winner (its side, or `split`) that each source shows, None while it is not final.

    The rules are those of the sources' own documentation.
    """
    gamma, clob, data = view["gamma"], view["clob"], view["data"]
    found: dict[str, int | str | None] = dict.fromkeys(SOURCES)
    v2 = line["version"] == "v2"
    if gamma["closed"] and gamma.get(STATUS[v2]) == "resolved":
        prices = json.loads(gamma["outcomePrices"])
        tokens = gamma["positionIds"] if v2 else json.loads(gamma["clobTokenIds"])
        assert tokens == line["tokens"]
        found["gamma"] = "split" if prices == ["0.5", "0.5"] else prices.index("1")
    assert ("error" in clob) is v2
    flags = [token["winner"] for token in clob.get("tokens", ())]
    if any(flags) and clob["closed"]:
        found["clob"] = flags.index(True)
    if data["status"] == "resolved":
        payouts = data["payouts"]
        found["data"] = "split" if payouts == [500_000] * 2 else payouts.index(1_000_000)
    denominator, *numerators = view["chain"]
    if denominator:
        halves = numerators[0] == numerators[1]
        found["chain"] = "split" if halves else numerators.index(denominator)
    return found


@pytest.mark.parametrize("v2", [False, True])
@pytest.mark.parametrize("fate", [*FATES])
def test_no_source_is_final_before_its_time_and_all_are_right_after_it(
    tmp_path: Path, fate: str, v2: bool
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            _, line = await harness.post(
                "/admin/market", {"life_s": 3, "fate": fate, "winner": 1, "v2": v2}
            )
            shown: dict[str, int] = {}
            truth = "split" if fate == "split" else 1
            for _ in range(56):
                harness.turn(0.25, step=0.25)
                if harness.simulation.wall() < line["trades_at"] + 2100:
                    continue
                now = harness.simulation.wall()
                for source, word in final_word(line, await views(harness, line)).items():
                    assert word in {None, truth}
                    if word is not None:
                        shown.setdefault(source, now)
            (outcome,) = harness.ledger("outcome")
            assert outcome["true_outcome"] == ("split" if fate == "split" else "winner")
            assert outcome["winning_token"] == (None if fate == "split" else line["tokens"][1])
            assert shown.keys() == outcome["final_at"].keys()
            for source, at in outcome["final_at"].items():
                assert at <= shown[source] <= at + 260

    run_async(steps)


def test_proposed_market_is_open_at_almost_one_and_trades_on(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(
            tmp_path, *QUIET, "--lag-gamma=0", "--trades-per-second=50"
        ) as harness:
            body = {"life_s": 5, "fate": "proposed_first", "winner": 0}
            _, line = await harness.post("/admin/market", body)
            harness.turn(4)
            gamma = (await views(harness, line))["gamma"]
            assert (gamma["closed"], gamma["umaResolutionStatus"]) == (False, "proposed")
            assert json.loads(gamma["outcomePrices"]) == ["0.9995", "0.0005"]
            assert gamma["acceptingOrders"] is True
            before = (await harness.get("/admin/summary"))["sent"]
            harness.turn(0.5)
            assert (await harness.get("/admin/summary"))["sent"] > before

    run_async(steps)


def test_early_closed_market_shows_one_and_zero_while_only_proposed(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--lag-gamma=0", "--lag-clob=0") as harness:
            body = {"life_s": 1, "fate": "early_close", "winner": 1}
            _, line = await harness.post("/admin/market", body)
            harness.turn(1.5)
            view = await views(harness, line)
            assert (view["gamma"]["closed"], view["gamma"]["umaResolutionStatus"]) == (
                True,
                "proposed",
            )
            assert json.loads(view["gamma"]["outcomePrices"]) == ["0", "1"]
            assert [token["winner"] for token in view["clob"]["tokens"]] == [False, False]
            assert view["data"]["payouts"] is None

    run_async(steps)


def test_stuck_market_shows_halves_and_stays_open(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--lag-gamma=0") as harness:
            _, line = await harness.post("/admin/market", {"life_s": 2, "fate": "stuck"})
            harness.turn(60, step=1)
            view = await views(harness, line)
            assert json.loads(view["gamma"]["outcomePrices"]) == ["0.5", "0.5"]
            assert view["gamma"]["closed"] is False
            assert view["chain"] == [0, 0, 0]
            assert harness.ledger("outcome") == []

    run_async(steps)


def test_gamma_and_clob_show_a_market_closed_only_after_their_lags(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--lag-gamma=3", "--lag-clob=1") as harness:
            _, line = await harness.post("/admin/market", {"life_s": 1, "fate": "clean"})
            harness.turn((line["closed_at"] - harness.simulation.wall()) / 1000 + 0.5)
            seen = []
            for _ in range(3):
                view = await views(harness, line)
                seen.append((view["gamma"]["closed"], view["clob"]["closed"]))
                harness.turn(1.4)
            assert seen == [(False, False), (False, True), (True, True)]

    run_async(steps)


@pytest.mark.parametrize(
    ("source", "v2"), [*((source, False) for source in SOURCES), ("chain", True)]
)
def test_lying_source_contradicts_the_others_while_it_lasts(
    tmp_path: Path, source: str, v2: bool
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            body = {"life_s": 1, "fate": "clean", "winner": 1, "v2": v2}
            _, line = await harness.post("/admin/market", body)
            harness.turn(20, step=0.5)
            await harness.inject(f"lie_{source}:5")
            words = final_word(line, await views(harness, line))
            assert {name for name, word in words.items() if word == 0} == {source}
            harness.turn(6)
            words = final_word(line, await views(harness, line))
            assert {name for name, word in words.items() if word == 1} == set(SOURCES) - (
                {"clob"} if v2 else set()
            )

    run_async(steps)


def test_default_run_resolves_ten_markets_in_all_sources_within_25_seconds(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path) as harness:
            harness.turn(25, step=0.05)
            done = [
                line
                for line in harness.ledger("outcome")
                if {"gamma", "clob", "data"} <= set(line["final_at"])
                and max(line["final_at"].values()) <= harness.simulation.wall()
            ]
            assert len(done) >= 10
            assert {line["true_outcome"] for line in harness.ledger("outcome")} == {
                "winner",
                "split",
            }
            assert len(harness.ledger("trade")) >= 5000
            born = [line for line in harness.ledger("market") if line["announced_at"]]
            assert len(born) >= 10

    run_async(steps)


def test_next_run_serves_the_old_markets_and_resolves_what_was_open(tmp_path: Path) -> None:
    async def first() -> tuple[dict[str, Any], dict[str, Any]]:
        async with rehearsal(tmp_path, "--markets=20") as harness:
            harness.turn(8, step=0.05)
            done = harness.ledger("outcome")
            assert done
            settled = {line["condition"] for line in done}
            markets = {line["condition"]: line for line in harness.ledger("market")}
            return markets, {cid: markets[cid] for cid in settled}

    markets, settled = asyncio.run(first())

    async def second() -> None:
        async with rehearsal(tmp_path, *QUIET, later_s=100) as harness:
            assert harness.simulation.run == 2
            begun = harness.simulation.wall() + 1000
            assert len(harness.simulation.markets) == len(markets)
            known = {each: line for each, line in settled.items() if line["version"] == "v1"}
            for condition, line in known.items():
                flags = [
                    token["winner"]
                    for token in (await harness.get(f"/clob/markets/{condition}"))["tokens"]
                ]
                assert flags == [line["winner"] == 0, line["winner"] == 1]
            harness.turn(60, step=0.1)
            outcomes = [line["condition"] for line in harness.ledger("outcome")]
            assert len(outcomes) == len(set(outcomes)), "an outcome is written once"
            for line in harness.ledger("outcome"):
                if line["condition"] not in settled:
                    assert min(line["final_at"].values()) > begun, "nothing is final at once"
            assert set(outcomes) == set(markets)

    run_async(second)
