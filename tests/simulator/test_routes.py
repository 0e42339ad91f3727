"""Routes that know V2 markets as well: tokens with their slots, the compact CLOB, V2's status."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.harness import QUIET, Rehearsal, rehearsal, run_async

TOKEN_KEYS = {
    "token_id",
    "condition_id",
    "structural_condition_id",
    "module",
    "outcome_index",
    "clob_index",
    "outcome",
    "opposite_token_id",
    "resolved",
    "final_price",
    "title",
    "market_slug",
    "closed",
    "neg_risk",
    "neg_risk_market_id",
    "question_index",
    "event_id",
    "event_slug",
}


async def made(harness: Rehearsal, **fields: Any) -> dict[str, Any]:
    """Return a market that ends after a second and that side 1 wins."""
    body = {"life_s": 1, "fate": "clean", "winner": 1, **fields}
    _, line = await harness.post("/admin/market", body)
    found: dict[str, Any] = line
    return found


async def rows(harness: Rehearsal, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await harness.get("/data/v2/tokens", **query))["data"]
    return found


@pytest.mark.parametrize("v2", [False, True])
def test_a_row_of_a_token_has_all_fields_and_its_payout_once_it_is_known(
    tmp_path: Path, *, v2: bool
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--lag-data=2") as harness:
            line = await made(harness, v2=v2)
            assert await rows(harness, condition=line["condition"]) == []
            harness.turn(2)
            before = await rows(harness, condition=line["condition"])
            harness.turn((line["reported_at"] - harness.simulation.wall()) / 1000 + 1.9)
            late = await rows(harness, condition=line["condition"])
            harness.turn(0.2)
            after = await rows(harness, condition=line["condition"])
        assert all(set(row) == TOKEN_KEYS for row in before + after)
        assert [(row["resolved"], row["final_price"]) for row in before] == [(False, None)] * 2
        assert late == before
        assert [(row["resolved"], row["final_price"]) for row in after] == [(True, 0), (True, 1)]
        assert [row["token_id"] for row in after] == line["tokens"]
        assert [row["opposite_token_id"] for row in after] == line["tokens"][::-1]
        assert [row["outcome"] for row in after] == line["outcomes"]
        assert {row["closed"] for row in after} == {True}
        module = {False: {"v1_ctf"}, True: {"binary", "neg_risk"}}[v2]
        assert {row["module"] for row in after} <= module

    run_async(steps)


def test_tokens_are_found_by_id_and_by_long_and_short_conditions(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            old, new = await made(harness), await made(harness, v2=True)
            harness.turn(5)
            tokens = [new["tokens"][1], old["tokens"][0]]
            by_token = await rows(harness, token_id=",".join([*tokens, "7", tokens[0]]))
            short = new["condition"][:64]
            assert [row["token_id"] for row in by_token] == tokens
            by_condition = await rows(harness, condition=f"{short},{old['condition']},{short}")
            both = {row["condition_id"] for row in by_condition}
            assert both == {old["condition"], new["condition"]}
            assert len(by_condition) == 4

    run_async(steps)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"token_id": "7", "condition": "0x" + "1" * 64},
        {"token_id": ","},
        {"token_id": "0x7"},
        {"token_id": ",".join(map(str, range(51)))},
        {"condition": "0x" + "1" * 63},
        {"condition": "0x" + "A" * 64},
        {"condition": ",".join(f"0x{number:064x}" for number in range(11))},
    ],
)
def test_a_wrong_request_for_tokens_is_rejected_as_one_for_resolutions_is(
    tmp_path: Path, query: dict[str, str]
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            status, body = await harness.answer("/data/v2/tokens", **query)
            assert status == 400
            assert set(body) == {"error", "code", "retryable", "trace_id"}

    run_async(steps)


def test_fifty_tokens_and_ten_conditions_are_not_too_many(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            assert await rows(harness, token_id=",".join([*map(str, range(50)), "3"])) == []
            ids = [f"0x{number:064x}" for number in range(10)]
            assert await rows(harness, condition=",".join(ids)) == []

    run_async(steps)


@pytest.mark.parametrize(
    ("odd", "prices"),
    [
        ("texts", ["0.0", "1.0"]),
        ("scalar", [0.584, 0.416]),
        ("zero", [None, None]),
        ("contradicted_data", [1, 0]),
    ],
)
def test_the_oddity_of_a_market_is_that_of_its_tokens_too(
    tmp_path: Path, odd: str, prices: list[Any]
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            line = await made(harness, odd=odd)
            harness.turn(20, step=0.5)
            found = await rows(harness, condition=line["condition"])
        assert [row["final_price"] for row in found] == prices
        assert {row["resolved"] for row in found} == {odd != "zero"}

    run_async(steps)


def test_both_routes_of_the_data_api_lie_together(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            line = await made(harness)
            harness.turn(20, step=0.5)
            await harness.inject("lie_data:5")
            found = await rows(harness, condition=line["condition"])
            answer = await harness.get("/data/v2/resolutions", condition=line["condition"])
        assert [row["final_price"] for row in found] == [1, 0]
        assert answer["data"][0]["payouts"] == [1_000_000, 0]

    run_async(steps)


@pytest.mark.parametrize("v2", [False, True])
def test_the_compact_clob_knows_both_versions_and_no_winner(tmp_path: Path, *, v2: bool) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--lag-clob=1") as harness:
            line = await made(harness, v2=v2)
            path = f"/clob/clob-markets/{line['condition']}"
            assert await harness.answer(path) == (404, {"error": "market not found"})
            harness.turn(20, step=0.5)
            assert await harness.get(path) == {
                "c": line["condition"],
                "t": [
                    {"t": token, "o": outcome}
                    for token, outcome in zip(line["tokens"], line["outcomes"], strict=True)
                ],
                "mts": 0.01,
                "mos": 5,
                "ao": False,
            }

    run_async(steps)


def test_v2_markets_have_a_status_of_their_own_from_inactive_to_resolved(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--lag-gamma=0") as harness:
            line = await made(harness, v2=True)
            seen: list[tuple[Any, bool]] = []
            for _ in range(40):
                harness.turn(0.1)
                row = await harness.get(f"/gamma/markets/{line['gamma_id']}")
                assert "umaResolutionStatus" not in row
                assert json.loads(row["umaResolutionStatuses"]) == []
                status = (row["resolutionStatus"], row["closed"])
                seen += [] if seen[-1:] == [status] else [status]
        assert seen == [("inactive", False), ("active", False), ("resolved", True)]

    run_async(steps)


def test_markets_are_found_by_the_status_of_v2(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await made(harness)
            new = await made(harness, v2=True)
            harness.turn(20, step=0.5)
            for status, count in (("resolved", 1), ("active", 0)):
                found = await harness.get("/gamma/markets", closed="true", resolution_status=status)
                assert [row["id"] for row in found] == [new["gamma_id"]] * count

    run_async(steps)
