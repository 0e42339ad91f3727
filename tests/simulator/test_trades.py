"""The list of trades of the simulated Data API, as a client reads it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.harness import QUIET, Rehearsal, rehearsal, run_async

WORLD = ("--markets=1", QUIET[1], "--trades-per-second=100", QUIET[3])


async def read(harness: Rehearsal, **asked: Any) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    rows: list[dict[str, Any]] = []
    condition = harness.market().condition
    cursor: dict[str, str] = {}
    while True:
        status, body = await harness.answer(
            "/data/v2/trades", condition=condition, **asked, **cursor
        )
        assert status == 200
        rows += body["data"]
        if body["pagination"]["next_cursor"] is None:
            return rows
        cursor = {"cursor": body["pagination"]["next_cursor"]}


@pytest.mark.parametrize("limit", [7, 1_000])
def test_all_that_was_traded_is_listed_newest_first_in_fills(tmp_path: Path, limit: int) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *WORLD, "--intact=trades_cached_300s") as harness:
            harness.turn(4.0)
            harness.turn(8.0, step=8.0)
            rows = await read(harness, limit=limit, filter_amount="0.000001")
            made = harness.ledger("trade")
            until = max(row["timestamp"] for row in rows)
        times = [row["timestamp"] for row in rows]
        assert times == sorted(times, reverse=True)
        sums: dict[tuple[str, str], Decimal] = {}
        for row in rows:
            key = (row["transaction_hash"], row["token_id"])
            sums[key] = sums.get(key, Decimal(0)) + Decimal(str(row["size"]))
        told: dict[tuple[str, str], Decimal] = {}
        for line in made:
            if line["ts"] < (until - 6) * 1_000:
                key = (line["hash"], line["token"])
                told[key] = told.get(key, Decimal(0)) + Decimal(line["size"])
        assert len(told) > 50
        assert all(sums[key] >= size for key, size in told.items())
        assert len(rows) > len(sums), "some are settled in several fills"

    run_async(steps)


def test_an_old_answer_says_how_old_it_is(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *WORLD) as harness:
            url = f"http://127.0.0.1:{harness.port}/data/v2/trades"
            asked = {"condition": harness.market().condition}
            ages = []
            for wait_s in (0, 200, 101):
                harness.turn(wait_s, step=1)
                async with harness.session.get(url, params=asked) as answer:
                    ages.append(answer.headers.get("Age"))
        assert ages == [None, "200", None]

    run_async(steps)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"condition": "0x12"}, 400),
        ({"limit": "0"}, 400),
        ({"limit": "many"}, 400),
        ({"cursor": "1-2"}, 400),
        ({"filter_amount": "x"}, 400),
    ],
)
def test_what_is_asked_wrongly_is_rejected(
    tmp_path: Path, asked: dict[str, str], status: int
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *WORLD) as harness:
            whole = {"condition": harness.market().condition, **asked}
            found, _ = await harness.answer("/data/v2/trades", **whole)
        assert found == status

    run_async(steps)


def test_the_route_can_be_gone(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *WORLD, "--broken=data_trades_gone") as harness:
            condition = harness.market().condition
            status, _ = await harness.answer("/data/v2/trades", condition=condition)
        assert status == 404

    run_async(steps)
