"""The simulator's stream of all markets, as a client hears it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.simulator.harness import DEADLINE_S, QUIET, Rehearsal, rehearsal, run_async

WORLD = ("--markets=3", QUIET[1], "--trades-per-second=100", QUIET[3])
SUBSCRIPTION = {
    "action": "subscribe",
    "subscriptions": [{"topic": "activity", "type": "orders_matched"}],
}


async def heard(ws: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Return what was told until now: the empty answer to a PING comes after it."""
    await ws.send_str("PING")
    found: list[dict[str, Any]] = []
    while True:
        message = await asyncio.wait_for(ws.receive(), DEADLINE_S)
        if message.type is not aiohttp.WSMsgType.TEXT or not message.data:
            return found
        found.append(json.loads(message.data))


def rows(harness: Rehearsal, told: list[dict[str, Any]]) -> set[tuple[str, str]]:
    assert harness.simulation.exchange.stream.told == len(told)
    return {(each["payload"]["transactionHash"], each["payload"]["asset"]) for each in told}


async def connected(harness: Rehearsal) -> aiohttp.ClientWebSocketResponse:
    url = f"http://127.0.0.1:{harness.port}/ws/rtds"
    return await harness.session.ws_connect(url)


def test_all_matches_of_all_markets_are_told_to_who_subscribes(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *WORLD) as harness:
            ws = await connected(harness)
            await ws.send_json({**SUBSCRIPTION, "action": "listen"})
            assert await heard(ws) == []
            await ws.send_json(SUBSCRIPTION)
            await heard(ws)
            harness.turn(2.0)
            harness.turn(2.0)
            told = await heard(ws)
            made = {(line["hash"], line["token"]) for line in harness.ledger("trade")}
            assert len(told) > 100
            assert rows(harness, told) <= made
            assert {each["type"] for each in told} == {"orders_matched"}
            assert told[0]["payload"]["pseudonym"]
            await ws.close()

    run_async(steps)


@pytest.mark.parametrize(("broken", "closed"), [("rtds_frozen", False), ("rtds_closed", True)])
def test_a_socket_falls_silent_or_ends(tmp_path: Path, broken: str, *, closed: bool) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *WORLD, f"--broken={broken}") as harness:
            ws = await connected(harness)
            await ws.send_json(SUBSCRIPTION)
            await heard(ws)
            harness.turn(3.0)
            assert await heard(ws)
            for _ in range(30):
                harness.turn(1.0)
            if not closed:
                await heard(ws)
                harness.turn(3.0)
                assert await heard(ws) == []
            else:
                while (await asyncio.wait_for(ws.receive(), DEADLINE_S)).type.name != "CLOSE":
                    pass
            await ws.close()

    run_async(steps)


def test_a_stream_that_is_gone_is_not_found(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *WORLD, "--broken=rtds_gone") as harness:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
                await connected(harness)

    run_async(steps)
