"""A simulator in the event loop of the test, with a clock that only the test moves."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from actors.simulator.admin import add_admin
from actors.simulator.market import Market
from actors.simulator.options import parse
from actors.simulator.server import Server, serve
from actors.simulator.simulation import Simulation

DEADLINE_S = 10.0
START_S = 1_790_000_000.0
QUIET = (
    "--markets=0",
    "--markets-per-second=0",
    "--trades-per-second=0",
    "--noise-per-second=0",
)
UPGRADE = (
    b"GET /ws/market HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Listener:
    """A subscriber. `texts` holds all text messages so far, without PONG."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.texts: list[str] = []
        self.pings = 0
        self.ended: tuple[int, str] | None = None

    async def ask(self, tokens: tuple[str, ...] | list[str], **fields: Any) -> list[Any]:
        """Send the first subscription; return the books."""
        await self.ws.send_json(
            {"assets_ids": list(tokens), "type": "market", "initial_dump": True, **fields}
        )
        return await self._books()

    async def operate(
        self, operation: str, tokens: tuple[str, ...] | list[str], **fields: Any
    ) -> list[str]:
        """Send an operation; return the texts that came back."""
        await self.ws.send_json(
            {"assets_ids": list(tokens), "operation": operation, "initial_dump": True, **fields}
        )
        return await self.sync()

    async def _books(self) -> list[Any]:
        texts = await self.sync()
        return [event for text in texts if text.startswith("[") for event in json.loads(text)]

    async def sync(self) -> list[str]:
        """Return the texts sent until now: the PONG for a PING comes after them."""
        before = len(self.texts)
        with contextlib.suppress(ConnectionResetError):
            await self.ws.send_str("PING")
        await self._read(until="PONG")
        return self.texts[before:]

    async def close_code(self) -> int | None:
        """Read until the end; return the code of the close frame, None without one."""
        await self._read(until=None)
        return self.ended[0] if self.ended else None

    async def _read(self, until: str | None) -> None:
        while True:
            message = await asyncio.wait_for(self.ws.receive(), DEADLINE_S)
            if message.type is aiohttp.WSMsgType.TEXT:
                if message.data == until:
                    return
                self.texts.append(message.data)
            elif message.type is aiohttp.WSMsgType.PING:
                self.pings += 1
            elif message.type is aiohttp.WSMsgType.CLOSE:
                self.ended = (message.data, message.extra or "")
                await self.ws.close()
                return
            elif message.type is not aiohttp.WSMsgType.PONG:
                return

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return all events that were received, in order, arrays unpacked."""
        found: list[dict[str, Any]] = []
        for text in self.texts:
            value = json.loads(text) if text.strip() else []
            found += value if isinstance(value, list) else [value]
        return found

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the received events of one type."""
        return [event for event in self.events if event["event_type"] == kind]


class Raw:
    """A subscriber that reads bytes, for faults below the level of messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, text: str) -> None:
        """Send a masked text frame."""
        data = text.encode()
        head = struct.pack("!BBH", 0x81, 0xFE, len(data)) + b"\0\0\0\0"
        self.writer.write(head + data)

    async def frame(self) -> tuple[int, bytes]:
        """Return the next frame: its first byte and its payload."""
        first, size = await self._exactly(2)
        if size == 126:
            size = struct.unpack("!H", await self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", await self._exactly(8))[0]
        return first, await self._exactly(size)

    async def _exactly(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), DEADLINE_S)


class Rehearsal:
    """The simulator, its clock (which starts `later_s` after START_S), and clients."""

    def __init__(self, folder: Path, *argv: str, later_s: float = 0.0) -> None:
        self._time = 1000.0
        self.simulation = Simulation(
            parse([f"--dir={folder}", *argv]),
            monotonic=lambda: self._time,
            clock=lambda: START_S + later_s,
        )
        self.port = 0
        self._raws: list[Raw] = []
        self.session: aiohttp.ClientSession

    async def leave(self) -> None:
        """Close the raw subscribers, and cut all others."""
        for raw in self._raws:
            raw.writer.transport.abort()
            with contextlib.suppress(OSError):
                await raw.writer.wait_closed()
        for one in tuple(self.simulation.channel.connections.values()):
            one.cut("the test is over", by="server")

    def turn(self, seconds: float, step: float = 0.01) -> None:
        """Let time pass in steps."""
        for _ in range(max(1, round(seconds / step))):
            self._time += step
            self.simulation.turn()

    def market(self, place: int = 0) -> Market:
        """Return a market by its place."""
        return list(self.simulation.markets)[place]

    async def listener(self) -> Listener:
        """Connect a subscriber without a subscription."""
        ws = await self.session.ws_connect(
            f"http://127.0.0.1:{self.port}/ws/market",
            autoping=False,
            autoclose=False,
            max_msg_size=0,
        )
        return Listener(ws)

    async def raw(self) -> Raw:
        """Connect a raw subscriber."""
        raw = Raw(*await asyncio.open_connection("127.0.0.1", self.port))
        self._raws.append(raw)
        raw.writer.write(UPGRADE)
        await asyncio.wait_for(raw.reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
        return raw

    async def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of an address; its status must be 200."""
        status, body = await self.answer(path, **params)
        assert status == 200, body
        return body

    async def answer(self, path: str, **params: Any) -> tuple[int, Any]:
        """Return the status and JSON of an address."""
        pairs = [
            (name, each)
            for name, value in params.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.get(url, params=pairs) as response:
            return response.status, await response.json()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Post JSON; return status and JSON."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.post(url, json=body) as response:
            return response.status, await response.json()

    async def inject(self, fault: str, **more: Any) -> list[int]:
        """Inject a fault now; return the numbers of the connections that it hit."""
        status, body = await self.post("/admin/fault", {"fault": fault, **more})
        assert status == 200, body
        hit: list[int] = body["connections"]
        return hit

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of one kind in the ledger now."""
        lines = self.simulation.ledger.path.read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["kind"] == kind]


@contextlib.asynccontextmanager
async def rehearsal(folder: Path, *argv: str, later_s: float = 0.0) -> AsyncIterator[Rehearsal]:
    """Run a simulator on a free port until the block ends; Gamma answers without a cache."""
    harness = Rehearsal(
        folder, "--intact=cached_300s,uma_rows_without_payouts", *argv, later_s=later_s
    )
    listening = socket.create_server(("127.0.0.1", 0))
    harness.port = listening.getsockname()[1]
    server = Server(harness.simulation)
    add_admin(server.app, harness.simulation)
    runner = await serve(server.app, listening)
    try:
        async with aiohttp.ClientSession() as harness.session:
            yield harness
    finally:
        await harness.leave()
        await runner.cleanup()
        harness.simulation.ledger.close()


def run_async(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine, with a deadline."""
    asyncio.run(asyncio.wait_for(steps(), 60))
