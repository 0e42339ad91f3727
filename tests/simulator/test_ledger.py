import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from actors.simulator.channel import Connection
from actors.simulator.ledger import Ledger, history
from tests.simulator.harness import QUIET, START_S, Listener, Rehearsal, rehearsal, run_async

LIVELY = ("--markets=40", "--trades-per-second=400", "--noise-per-second=200", "--run=1")
Key = tuple[str, str, str, str, str, str]


def heard(listener: Listener) -> Counter[Key]:
    return Counter(
        (
            event["asset_id"],
            event["timestamp"],
            event["price"],
            event["size"],
            event["side"],
            event["transaction_hash"],
        )
        for event in listener.of("last_trade_price")
    )


def written(lines: list[dict[str, Any]], connection: int) -> Counter[Key]:
    return Counter(
        (line["token"], str(line["ts"]), line["price"], line["size"], line["side"], line["hash"])
        for line in lines
        if connection in line["to"]
    )


async def all_tokens(harness: Rehearsal) -> list[str]:
    return [token for market in harness.simulation.markets for token in market.tokens]


async def listen(harness: Rehearsal, listeners: list[Listener], turns: int) -> None:
    for _ in range(turns):
        harness.turn(0.25)
        for listener in listeners:
            await listener.sync()


def test_healthy_subscriber_received_exactly_what_the_ledger_says(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *LIVELY) as harness:
            tokens = await all_tokens(harness)
            whole, half = await harness.listener(), await harness.listener()
            await whole.ask(tokens)
            await half.ask(tokens[::3], custom_feature_enabled=True)
            await listen(harness, [whole, half], 40)
            lines = harness.ledger("trade")
            assert len(lines) > 3500
            assert heard(whole) == written(lines, 1)
            assert heard(half) == written(lines, 2)
            assert 0 < heard(half).total() < heard(whole).total()
            assert all(line["delivered"] == len(line["to"]) for line in lines)

    run_async(steps)


def test_trades_are_numbered_without_holes_and_identical_ones_are_counted(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *LIVELY) as harness:
            harness.turn(20)
            lines = harness.ledger("trade")
            assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
            counted = Counter(
                tuple(line[name] for name in ("token", "ts", "price", "size", "side", "hash"))
                for line in lines
            )
            identical = [line["occurrence"] for line in lines if line["occurrence"] > 1]
            assert identical
            assert sum(count - 1 for count in counted.values()) == len(identical)
            hashes = Counter(line["hash"] for line in lines if line["occurrence"] == 1)
            assert max(hashes.values()) > 1, "several trades of one transaction"

    run_async(steps)


def test_trades_have_the_oddities_of_the_feed(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *LIVELY) as harness:
            listener = await harness.listener()
            await listener.ask(await all_tokens(harness))
            await listen(harness, [listener], 40)
            trades = listener.of("last_trade_price")
            assert {event["fee_rate_bps"] for event in trades} == {"0", ""}
            assert max(len(event["size"].partition(".")[2]) for event in trades) == 6
            times = [int(event["timestamp"]) for event in trades]
            assert times != sorted(times), "older times follow newer ones"
            of_token: dict[str, list[int]] = {}
            for event in trades:
                of_token.setdefault(event["asset_id"], []).append(int(event["timestamp"]))
            assert all(times == sorted(times) for times in of_token.values())
            assert max(times) <= START_S * 1000 + 10_001
            assert "" in listener.texts
            assert listener.pings
            assert any(text.endswith("\n") for text in listener.texts)
            assert any(text.startswith('[{"market"') for text in listener.texts[1:])
            shares = Counter(event["market"] for event in trades).most_common()
            assert shares[0][1] > 5 * shares[-1][1], "some markets are hot"

    run_async(steps)


def test_rates_are_kept_over_time(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *LIVELY) as harness:
            harness.turn(10, step=0.005)
            summary = await harness.get("/admin/summary")
            assert 3950 <= summary["sent"] <= 4050
            assert 1990 <= summary["noise"] <= 2000

    run_async(steps)


class Witness(asyncio.Transport):
    """A transport that looks into the ledger whenever bytes are written."""

    def __init__(self, ledger: Path) -> None:
        super().__init__()
        self._ledger = ledger
        self.trades = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        known = self._ledger.read_text()
        for found in re.findall(rb'"transaction_hash":"(0x[0-9a-f]+)"', bytes(data)):
            self.trades += 1
            assert found.decode() in known

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


def test_trade_is_in_the_file_before_its_bytes_are_written(tmp_path: Path) -> None:
    harness = Rehearsal(tmp_path, *LIVELY)
    channel = harness.simulation.channel
    witness = Witness(harness.simulation.ledger.path)
    connection = Connection(1, witness, 1 << 20, now=harness.simulation.now())
    channel.open(connection, 0)
    tokens = [token for market in harness.simulation.markets for token in market.tokens]
    channel.receive(connection, json.dumps({"assets_ids": tokens, "type": "market"}), 0)
    harness.turn(2)
    harness.simulation.ledger.close()
    assert witness.trades > 700


def test_connections_are_in_the_ledger_from_open_to_close(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            listener = await harness.listener()
            await listener.ask(["1"])
            await listener.ws.close(code=1000, message=b"done")
            while len(harness.ledger("connection")) < 3:  # noqa: ASYNC110 - bounded by run_async()
                await asyncio.sleep(0)
            lines = harness.ledger("connection")
            assert [line["event"] for line in lines] == ["open", "subscribe", "close"]
            assert {line["connection"] for line in lines} == {1}
            assert (lines[-1]["code"], lines[-1]["reason"], lines[-1]["by"]) == (
                1000,
                "done",
                "client",
            )

    run_async(steps)


def test_torn_last_line_is_ended_and_skipped(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add("run", run=1)
    ledger.close()
    with ledger.path.open("ab") as file:
        file.write(b'{"kind":"market","cond')
    again = Ledger(tmp_path)
    again.add("run", run=2)
    again.close()
    assert [line["run"] for line in history(again.path)] == [1, 2]
    assert len(again.path.read_bytes().splitlines()) == 3


def test_ledger_is_only_appended_to(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.add("trade", n=1)
    first.flush()
    before = first.path.read_bytes()
    second = Ledger(tmp_path)
    second.add("trade", n=2)
    second.close()
    first.add("trade", n=3)
    first.close()
    after = first.path.read_bytes()
    assert after.startswith(before)
    assert [json.loads(line)["n"] for line in after.splitlines()] == [1, 2, 3]
