import json
import os
from pathlib import Path
from typing import Any

import pytest

from actors.simulator.recorded import Unreadable
from tests.simulator.harness import rehearsal, run_async

CONDITION = "0x" + "ab" * 32
TOKENS = ("1" * 77, "2" * 77)
PRINT = {
    "market": CONDITION,
    "asset_id": TOKENS[0],
    "price": "0.456",
    "size": "219.217767",
    "fee_rate_bps": "0",
    "side": "BUY",
    "timestamp": "1750428146322",
    "event_type": "last_trade_price",
    "transaction_hash": "0x" + "cd" * 32,
}
CHANGE = {
    "market": CONDITION,
    "price_changes": [
        {"asset_id": token, "price": "0.5", "size": "1", "side": "BUY", "hash": "00"}
        for token in TOKENS
    ],
    "timestamp": "1750428146000",
    "event_type": "price_change",
}
GAMMA = {
    "id": "77",
    "conditionId": CONDITION,
    "slug": "as-recorded",
    "clobTokenIds": json.dumps(TOKENS[::-1]),
    "outcomes": '["No", "Yes"]',
    "closed": True,
    "odd": 1.50,
}


def record(folder: Path, name: str, value: Any, indent: int | None = 1) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(value, indent=indent) + "\n")
    return path


async def served(tmp_path: Path, tokens: tuple[str, ...], *argv: str) -> list[str]:
    """Return the texts that a subscriber got after its books."""
    async with rehearsal(tmp_path / "run", *argv) as harness:
        listener = await harness.listener()
        await listener.ask(tokens)
        harness.turn(1)
        await listener.sync()
        assert listener.texts[0].startswith('[{"market"'), "books come first"
        return [text for text in listener.texts[1:] if text]


def test_frames_are_served_byte_by_byte_in_order_of_name(tmp_path: Path) -> None:
    async def steps() -> None:
        two = record(tmp_path / "in", "2.json", PRINT)
        one = record(tmp_path / "in", "1.json", CHANGE)
        record(tmp_path / "in", "3.json", {"no": "event"})
        texts = await served(tmp_path, TOKENS, f"--replay={tmp_path / 'in'}")
        assert texts == [one.read_text(), two.read_text()]

    run_async(steps)


def test_minified_frames_keep_numbers_and_order_of_keys(tmp_path: Path) -> None:
    async def steps() -> None:
        path = record(tmp_path / "in", "1.json", {**PRINT, "odd": 1.5})
        texts = await served(tmp_path, TOKENS, f"--replay={path}", "--minify")
        assert texts == [json.dumps({**PRINT, "odd": 1.5}, separators=(",", ":"))]

    run_async(steps)


@pytest.mark.parametrize("whole", [False, True])
def test_array_is_one_frame_or_one_for_each_element(tmp_path: Path, whole: bool) -> None:
    async def steps() -> None:
        path = record(tmp_path / "in", "1.json", [CHANGE, PRINT], indent=None)
        flags = ["--whole-arrays"] if whole else []
        texts = await served(tmp_path, TOKENS, f"--replay={path}", *flags)
        expected = [path.read_text()] if whole else [json.dumps(CHANGE), json.dumps(PRINT)]
        assert texts == expected

    run_async(steps)


def test_lines_of_a_jsonl_file_are_frames_even_when_not_json(tmp_path: Path) -> None:
    async def steps() -> None:
        path = tmp_path / "session.jsonl"
        path.write_text(f"NO NEW ASSETS\n{json.dumps(PRINT)}\n")
        texts = await served(tmp_path, TOKENS, f"--replay={path}")
        assert texts == ["NO NEW ASSETS", json.dumps(PRINT)]

    run_async(steps)


def test_frame_goes_only_to_subscribers_of_its_tokens_and_once_to_each(tmp_path: Path) -> None:
    async def steps() -> None:
        path = record(tmp_path / "in", "1.json", PRINT)
        async with rehearsal(tmp_path / "run", f"--replay={path}") as harness:
            owner, second, other = [await harness.listener() for _ in range(3)]
            await owner.ask(TOKENS)
            await other.ask(TOKENS[1:])
            harness.turn(1)
            await second.ask(TOKENS)
            await owner.operate("subscribe", TOKENS)
            harness.turn(1)
            for listener in (owner, second, other):
                await listener.sync()
            assert len(owner.of("last_trade_price")) == 1
            assert len(second.of("last_trade_price")) == 1
            assert other.of("last_trade_price") == []
            (line,) = harness.ledger("trade")
            assert (line["ts"], line["price"], line["size"], line["occurrence"]) == (
                1750428146322,
                "0.456",
                "219.217767",
                1,
            )

    run_async(steps)


def test_markets_of_recorded_frames_are_listed_and_open(tmp_path: Path) -> None:
    async def steps() -> None:
        path = record(tmp_path / "in", "1.json", [PRINT, CHANGE])
        async with rehearsal(tmp_path / "run", f"--replay={path}", "--lag-gamma=0") as harness:
            (row,) = await harness.get("/gamma/markets")
            assert row["conditionId"] == CONDITION
            assert json.loads(row["clobTokenIds"]) == list(TOKENS)
            clob = await harness.get(f"/clob/markets/{CONDITION}")
            assert clob["closed"] is False
            data = await harness.get("/data/v2/resolutions", condition=CONDITION)
            assert data["data"][0]["status"] == "initialized"

    run_async(steps)


def test_recorded_resolution_makes_its_market_resolve_that_way(tmp_path: Path) -> None:
    async def steps() -> None:
        event = {
            "event_type": "market_resolved",
            "market": CONDITION,
            "assets_ids": list(TOKENS),
            "winning_asset_id": TOKENS[1],
            "timestamp": "1",
        }
        path = record(tmp_path / "in", "1.json", event)
        async with rehearsal(tmp_path / "run", f"--replay={path}") as harness:
            harness.turn(20, step=0.5)
            (outcome,) = harness.ledger("outcome")
            assert outcome["winning_token"] == TOKENS[1]
            clob = await harness.get(f"/clob/markets/{CONDITION}")
            assert [token["winner"] for token in clob["tokens"]] == [False, True]

    run_async(steps)


@pytest.mark.parametrize("form", ["object", "array", "page"])
def test_recorded_gamma_market_is_served_as_it_is(tmp_path: Path, form: str) -> None:
    async def steps() -> None:
        value = {"object": GAMMA, "array": [GAMMA], "page": {"markets": [GAMMA]}}[form]
        path = record(tmp_path / "in", "gamma.json", value, indent=None)
        async with rehearsal(tmp_path / "run", f"--replay-gamma={path}") as harness:
            assert await harness.get("/gamma/markets") == []
            url = f"http://127.0.0.1:{harness.port}/gamma/markets/77"
            async with harness.session.get(url) as response:
                assert (await response.text()).strip() == json.dumps(GAMMA)
            (row,) = await harness.get("/gamma/markets", closed="true", condition_ids=CONDITION)
            assert row == GAMMA
            listener = await harness.listener()
            books = await listener.ask(TOKENS)
            assert [book["asset_id"] for book in books] == list(TOKENS)

    run_async(steps)


def test_recorded_clob_and_data_rows_are_served_as_they_are(tmp_path: Path) -> None:
    async def steps() -> None:
        clob = {"condition_id": CONDITION, "tokens": [], "closed": True}
        data = {"condition_id": CONDITION, "status": "resolved", "price": "0"}
        one = record(tmp_path / "in", "clob.json", {"data": [clob], "next_cursor": "MTAw"})
        two = record(tmp_path / "in", "data.json", data)
        async with rehearsal(
            tmp_path / "run", f"--replay-clob={one}", f"--replay-data={two}"
        ) as harness:
            assert await harness.get(f"/clob/markets/{CONDITION}") == clob
            rows = await harness.get("/data/v2/resolutions", condition=CONDITION)
            assert rows == {"data": [data]}

    run_async(steps)


def test_replay_sends_nothing_else_unless_a_rate_is_given(tmp_path: Path) -> None:
    async def steps() -> None:
        path = record(tmp_path / "in", "1.json", PRINT)
        async with rehearsal(tmp_path / "a", f"--replay={path}") as harness:
            harness.turn(2)
            summary = await harness.get("/admin/summary")
            assert (summary["sent"], summary["noise"], summary["markets"]) == (0, 0, 1)
        async with rehearsal(
            tmp_path / "b", f"--replay={path}", "--trades-per-second=50"
        ) as harness:
            harness.turn(2)
            assert (await harness.get("/admin/summary"))["sent"] > 50

    run_async(steps)


@pytest.mark.parametrize("content", [None, "{}", "not json"])
def test_recording_that_cannot_be_used_is_rejected_before_the_ledger_is_touched(
    tmp_path: Path, content: str | None
) -> None:
    async def steps() -> None:
        path = tmp_path / "1.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(Unreadable):
            async with rehearsal(tmp_path / "run", f"--replay={path}"):
                pass
        assert not (tmp_path / "run").exists()

    run_async(steps)


def test_every_recorded_frame_is_served_as_it_is(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    fixtures = Path(os.environ.get("TRACKER_FIXTURES") or root.parent / "shared" / "fixtures")
    if not fixtures.is_dir():
        pytest.skip("no recorded payloads here (TRACKER_FIXTURES)")

    async def steps() -> None:
        async with rehearsal(tmp_path, f"--replay={fixtures}", "--whole-arrays") as harness:
            listener = await harness.listener()
            tokens = [token for market in harness.simulation.markets for token in market.tokens]
            await listener.ask(tokens, custom_feature_enabled=True)
            harness.turn(2)
            await listener.sync()
            got = set(listener.texts)
            for path in (fixtures / "nautilus_trader" / "ws").glob("*.json"):
                assert path.read_text() in got, path.name

    run_async(steps)
