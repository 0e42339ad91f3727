import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.harness import QUIET, Rehearsal, rehearsal, run_async

GAMMA_KEYS = {
    "id",
    "conditionId",
    "questionID",
    "slug",
    "question",
    "outcomes",
    "outcomePrices",
    "clobTokenIds",
    "umaResolutionStatuses",
    "version",
    "active",
    "closed",
    "archived",
    "acceptingOrders",
    "enableOrderBook",
    "startDate",
    "endDate",
    "negRisk",
    "negRiskOther",
    "bestBid",
    "bestAsk",
    "volume",
}
EVENT_KEYS = {
    "id",
    "ticker",
    "slug",
    "title",
    "description",
    "active",
    "closed",
    "negRisk",
    "negRiskAugmented",
    "seriesSlug",
}
CLOB_KEYS = {
    "condition_id",
    "question_id",
    "tokens",
    "closed",
    "active",
    "archived",
    "accepting_orders",
    "accepting_order_timestamp",
    "enable_order_book",
    "end_date_iso",
    "game_start_time",
    "seconds_delay",
    "neg_risk",
    "neg_risk_market_id",
    "neg_risk_request_id",
    "is_50_50_outcome",
    "minimum_tick_size",
    "minimum_order_size",
    "rewards",
    "tags",
}
DATA_KEYS = {
    "condition_id",
    "status",
    "payouts",
    "resolution_source",
    "was_disputed",
    "extended_review",
    "transaction_hash",
    "log_index",
    "resolved_block",
    "resolved_at",
    "last_update_timestamp",
}
FULL = ("--markets=230", "--markets-per-second=0", "--noise-per-second=0")


async def walk(harness: Rehearsal, **params: Any) -> tuple[list[dict[str, Any]], int]:
    """Follow the cursors to the end; return all rows and the number of pages."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for page in range(1, 100):
        body = await harness.get("/gamma/markets/keyset", **{**params, **cursor})
        rows += body["markets"]
        if "next_cursor" not in body:
            return rows, page
        cursor = {"after_cursor": body["next_cursor"]}
    raise AssertionError("the listing has no end")


@pytest.mark.parametrize("order", [{}, {"order": "startDate,volumeNum", "ascending": "false"}])
def test_pages_hold_every_open_market_once(tmp_path: Path, order: dict[str, str]) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL) as harness:
            harness.turn(0.5)
            rows, pages = await walk(harness, limit="100", **order)
            assert pages == 3
            assert len({row["id"] for row in rows}) == len(rows) == 230
            assert {row["conditionId"] for row in rows} == {
                line.condition[:64] if line.v2 else line.condition
                for line in harness.simulation.markets
            }

    run_async(steps)


def test_pages_by_volume_skip_nothing_while_volumes_change(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL, "--life=100-200") as harness:
            harness.turn(1)
            seen: list[str] = []
            cursor: dict[str, str] = {}
            while len(seen) < 230:
                body = await harness.get(
                    "/gamma/markets/keyset", order="volumeNum", ascending="false", **cursor
                )
                seen += [row["id"] for row in body["markets"]]
                cursor = {"after_cursor": body.get("next_cursor", "")}
                harness.turn(0.5)
            assert len(set(seen)) == len(seen) == 230

    run_async(steps)


def test_page_has_20_rows_by_default_and_a_wrong_cursor_parameter_is_ignored(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL) as harness:
            first = await harness.get("/gamma/markets/keyset")
            assert len(first["markets"]) == 20
            ignored = await harness.get("/gamma/markets/keyset", cursor=first["next_cursor"])
            assert ignored["markets"][0]["id"] == first["markets"][0]["id"]

    run_async(steps)


def test_cursor_survives_a_market_that_closes_between_two_pages(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL, "--trades-per-second=0") as harness:
            first = await harness.get("/gamma/markets/keyset", limit="100")
            harness.turn(20, step=1)
            left, _ = await walk(harness, limit="100", after_cursor=first["next_cursor"])
            seen = {row["id"] for row in first["markets"]} | {row["id"] for row in left}
            now, _ = await walk(harness, limit="100")
            assert 100 < len(now) < 230
            assert {row["id"] for row in now} <= seen

    run_async(steps)


@pytest.mark.parametrize(
    "params",
    [
        {"offset": "0"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "ten"},
        {"after_cursor": "%%%"},
        {"condition_ids": "0x1,0x2"},
        {"condition_ids": [f"0x{n}" for n in range(101)]},
        {"order": "moon"},
        {"start_date_min": "yesterday"},
    ],
)
def test_wrong_query_is_answered_by_422(tmp_path: Path, params: dict[str, Any]) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            status, body = await harness.answer("/gamma/markets/keyset", **params)
            assert status == 422
            assert body["type"] == "validation error"

    run_async(steps)


def test_closed_markets_are_hidden_unless_requested_even_by_id(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            _, line = await harness.post("/admin/market", {"life_s": 1, "fate": "clean"})
            harness.turn(10)
            asked = {"condition_ids": [line["condition"]]}
            assert await harness.get("/gamma/markets", **asked) == []
            (row,) = await harness.get("/gamma/markets", **asked, closed="true")
            assert row["closedTime"].endswith("+00")
            assert " " in row["closedTime"]
            assert (await harness.get(f"/gamma/markets/{line['gamma_id']}"))["id"] == row["id"]

    run_async(steps)


def test_new_market_is_listed_and_known_to_the_clob_only_after_their_lags(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--lag-gamma=2", "--lag-clob=4") as harness:
            _, line = await harness.post("/admin/market", {"opens_in_s": 1, "life_s": 60})
            harness.turn(1)
            assert await harness.get("/gamma/markets") == []
            assert (await harness.answer(f"/gamma/markets/{line['gamma_id']}"))[0] == 404
            harness.turn(1.5)
            assert len(await harness.get("/gamma/markets")) == 1
            status, body = await harness.answer(f"/clob/markets/{line['condition']}")
            assert (status, body) == (404, {"error": "market not found"})
            harness.turn(2)
            assert (await harness.answer(f"/clob/markets/{line['condition']}"))[0] == 200

    run_async(steps)


def test_markets_can_be_requested_by_slug_token_date_and_volume(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL) as harness:
            harness.turn(2)
            every, _ = await walk(harness, limit="100")
            row = next(row for row in every if row["clobTokenIds"])
            (token, _) = json.loads(row["clobTokenIds"])
            for params in (
                {"slug": row["slug"]},
                {"clob_token_ids": token},
                {"id": row["id"]},
                {"condition_ids": row["conditionId"]},
            ):
                (found,) = await harness.get("/gamma/markets", **params)
                assert found["id"] == row["id"]
            busy, _ = await walk(harness, limit="100", volume_num_min="500")
            assert {row["id"] for row in busy} == {
                row["id"] for row in every if row["volumeNum"] >= 500
            }
            assert 0 < len(busy) < 230
            late = sorted(row["endDate"] for row in every)[150]
            found, _ = await walk(harness, limit="100", end_date_min=late)
            assert {row["id"] for row in found} == {
                row["id"] for row in every if row["endDate"] >= late
            }

    run_async(steps)


def test_gamma_market_has_the_keys_and_formats_of_the_real_one(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL) as harness:
            rows, _ = await walk(harness, limit="100")
            for row in rows:
                assert set(row) >= GAMMA_KEYS
                assert len(json.loads(row["outcomes"])) == 2
                assert len(json.loads(row["outcomePrices"])) == 2
                assert row["endDate"].endswith("Z")
                assert "tags" not in row
            old = [row for row in rows if row["version"] == "v1"]
            new = [row for row in rows if row["version"] == "v2"]
            assert all(len(json.loads(row["clobTokenIds"])) == 2 for row in old)
            assert new
            for row in new:
                assert row["clobTokenIds"] is None
                assert len(row["positionIds"]) == 2
                assert len(row["conditionId"]) == 64
            assert len({row["outcomes"] for row in rows}) > 2
            assert any(row["negRisk"] and row["negRiskMarketID"] for row in rows)
            (tagged,) = await harness.get("/gamma/markets", id=rows[0]["id"], include_tag="true")
            assert set(tagged["tags"][0]) == {"id", "label", "slug"}

    run_async(steps)


def test_clob_and_data_rows_have_the_keys_of_the_real_ones(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, "--markets=4") as harness:
            ids = [market.condition for market in harness.simulation.markets]
            harness.turn(20, step=0.5)
            for condition in ids:
                row = await harness.get(f"/clob/markets/{condition}")
                assert set(row) >= CLOB_KEYS
                assert set(row["tokens"][0]) == {"token_id", "outcome", "price", "winner"}
            body = await harness.get("/data/v2/resolutions", condition=",".join(ids))
            assert [row["condition_id"] for row in body["data"]] == ids
            assert all(set(row) >= DATA_KEYS for row in body["data"])
            assert any(row["status"] == "resolved" for row in body["data"])

    run_async(steps)


@pytest.mark.parametrize(
    "condition", ["", "0x" + "1" * 62, "0x" + "A" * 64, ",".join(["0x" + "1" * 64] * 21)]
)
def test_data_api_rejects_anything_but_up_to_20_long_ids(tmp_path: Path, condition: str) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            status, body = await harness.answer("/data/v2/resolutions", condition=condition)
            assert status == 400
            assert set(body) == {"error", "code", "retryable", "trace_id"}

    run_async(steps)


def test_data_api_returns_no_row_for_an_unknown_condition(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            unknown = "0x" + "1" * 64
            assert await harness.get("/data/v2/resolutions", condition=unknown) == {"data": []}

    run_async(steps)


def test_chain_answers_alone_in_batches_and_with_errors(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            _, line = await harness.post("/admin/market", {"life_s": 1})
            call = {"to": "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"}
            slots = {**call, "data": "0xd42dc0c2" + line["condition"][2:]}
            ask = {"jsonrpc": "2.0", "id": 7, "method": "eth_call", "params": [slots, "latest"]}
            _, body = await harness.post("/rpc", ask)
            assert body == {"jsonrpc": "2.0", "id": 7, "result": "0x" + format(2, "064x")}
            unknown = {**call, "data": "0xd42dc0c2" + "1" * 64}
            _, body = await harness.post("/rpc", [{**ask, "params": [unknown]}, {**ask, "id": 8}])
            assert [(each["id"], int(each["result"], 16)) for each in body] == [(7, 0), (8, 2)]
            for wrong, code in (
                ({**ask, "method": "eth_moon"}, -32601),
                ({**ask, "params": []}, -32602),
                ({"id": 1}, -32600),
                ([], -32600),
            ):
                status, body = await harness.post("/rpc", wrong)
                assert (status, body["error"]["code"]) == (200, code)

    run_async(steps)


def test_the_default_agent_of_urllib_is_rejected(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            url = f"http://127.0.0.1:{harness.port}/gamma/markets"
            headers = {"User-Agent": "Python-urllib/3.11"}
            async with harness.session.get(url, headers=headers) as response:
                assert response.status == 403

    run_async(steps)


def test_markets_of_a_group_tell_the_same_event_and_the_same_id_everywhere(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL) as harness:
            harness.turn(0.5)
            rows, _ = await walk(harness, limit="100")
            groups: dict[str, set[str]] = {}
            for row in rows:
                (event,) = row["events"]
                assert set(event) >= EVENT_KEYS
                assert event.get("negRiskMarketID") == row.get("negRiskMarketID")
                assert event["negRisk"] == row["negRisk"]
                groups.setdefault(row.get("negRiskMarketID", ""), set()).add(event["id"])
            alone = groups.pop("")
            assert all(len(events) == 1 for events in groups.values())
            shared = [row for row in rows if row["negRisk"]]
            assert 1 < len(groups) < len(shared)
            assert len(alone) == len(rows) - len(shared)
            row = next(each for each in shared if each["version"] == "v1")
            clob = await harness.get(f"/clob/markets/{row['conditionId']}")
            assert clob["neg_risk_market_id"] == row["negRiskMarketID"]

    run_async(steps)


def test_games_tell_their_fees(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *FULL) as harness:
            harness.turn(0.5)
            rows, _ = await walk(harness, limit="100")
            games = [row for row in rows if "gameStartTime" in row]
            assert 0 < len(games) < len(rows)
            assert all(row["feesEnabled"] == (row in games) for row in rows)
            assert {frozenset(row["feeSchedule"]) for row in games} == {
                frozenset({"exponent", "rate", "rebateRate", "takerOnly"})
            }

    run_async(steps)
