"""The server: one port, WebSocket and HTTP on distinct paths, one event loop.

`HttpFaults` makes answers of the HTTP sides late, rejected, wrong, cut short or endless.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from actors.simulator.channel import Connection
from actors.simulator.events import PONG, close_frame, frame
from actors.simulator.gamma import Listing
from actors.simulator.sources import chain_answer, clob_answer, data_answer
from actors.simulator.world import World

CLIENT_BYTES = 4 << 20


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HttpFaults = Callable[[str], float | None]
HTML = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
SIDES = frozenset({"gamma", "clob", "data", "rpc"})
BLOCK = b" " * 65_536
DROP_S = 0.5


async def weather(request: web.Request, handler: Handler, rages: HttpFaults) -> web.StreamResponse:
    """Answer a request as the faults in force will have it, else as its handler does.

    Args:
        request: Of any path; only the HTTP sides of the exchange are struck.
        handler: What answers when nothing rages.
        rages: Gives a lasting fault's value while it is in force, else None.
    """
    if request.path.split("/")[1] not in SIDES:
        return await handler(request)
    if request.headers.get("User-Agent", "").startswith("Python-urllib"):
        return web.Response(status=403, text="error code: 1010")
    delay = rages("slow_http")
    if delay is not None:
        await asyncio.sleep(delay)
    rejected = _rejected(rages)
    if rejected is not None:
        return rejected
    answer = await handler(request)
    if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
        return await _mangled(request, answer, answer.body, rages)
    return answer


def _rejected(rages: HttpFaults) -> web.Response | None:
    """Return the answer of a source that does not even look at the question."""
    after = rages("http_429")
    if after is not None:
        headers = {"Retry-After": f"{after:g}"}
        return web.Response(status=429, text="error code: 1015", headers=headers)
    if rages("http_500") is not None:
        return web.json_response({"error": "internal server error"}, status=500)
    share = rages("flaky_http")
    if share is not None and random.random() < share:
        return web.json_response({"error": "upstream timed out"}, status=503)
    if rages("http_html") is not None:
        return web.Response(text=HTML, content_type="text/html")
    if rages("http_redirect") is not None:
        return web.Response(status=302, headers={"Location": "http://127.0.0.2:9/elsewhere"})
    return None


async def _mangled(
    request: web.Request, answer: web.Response, body: bytes, rages: HttpFaults
) -> web.StreamResponse:
    """Return a good answer cut short, drop by drop, or behind a mountain of blanks."""
    if rages("http_truncated") is not None:
        return web.Response(
            status=answer.status, body=body[: len(body) // 2], content_type="application/json"
        )
    size = rages("http_huge")
    if size is None and rages("http_drip") is None:
        return answer
    stream = web.StreamResponse(status=answer.status)
    stream.content_type = "application/json"
    await stream.prepare(request)
    if size is not None:
        for _ in range(int(size * (1 << 20)) // len(BLOCK)):
            await stream.write(BLOCK)
        await stream.write(body)
    for drop in body if size is None else b"":
        await stream.write(bytes((drop,)))
        await asyncio.sleep(DROP_S)
    await stream.write_eof()
    return stream


class Server:
    """The aiohttp application of a world.

    Args:
        world: What is served.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers = count(1)
        self._listing = Listing(world.universe)
        self.app = web.Application(middlewares=[self._storm], client_max_size=CLIENT_BYTES)
        self.app.router.add_get("/ws/market", self._market_channel)
        self.app.router.add_get("/gamma/markets/keyset", self._gamma_keyset)
        self.app.router.add_get("/gamma/markets", self._gamma_some)
        self.app.router.add_get("/gamma/markets/{id}", self._gamma_one)
        self.app.router.add_get("/clob/markets/{condition}", self._clob)
        self.app.router.add_get("/data/v2/resolutions", self._data)
        self.app.router.add_post("/rpc", self._rpc)

    # -- HTTP ---------------------------------------------------------------

    @web.middleware
    async def _storm(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        side = request.path.split("/")[1]
        if side in SIDES:
            self._world.traffic.note(side, self._world.now())
        return await weather(request, handler, self._world.rages)

    def _lies(self, source: str) -> bool:
        return self._world.rages(f"lie_{source}") is not None

    async def _gamma_keyset(self, request: web.Request) -> web.Response:
        world = self._world
        query = {name: request.query.getall(name) for name in request.query}
        return _json(*self._listing.keyset(query, world.wall(), lie=self._lies("gamma")))

    async def _gamma_some(self, request: web.Request) -> web.Response:
        world = self._world
        query = {name: request.query.getall(name) for name in request.query}
        return _json(*self._listing.some(query, world.wall(), lie=self._lies("gamma")))

    async def _gamma_one(self, request: web.Request) -> web.Response:
        world, name = self._world, request.match_info["id"]
        return _json(*self._listing.one(name, world.wall(), lie=self._lies("gamma")))

    async def _clob(self, request: web.Request) -> web.Response:
        world, name = self._world, request.match_info["condition"]
        return _json(*clob_answer(world.universe, name, world.wall(), lie=self._lies("clob")))

    async def _data(self, request: web.Request) -> web.Response:
        world, text = self._world, request.query.get("condition", "")
        return _json(*data_answer(world.universe, text, world.wall(), lie=self._lies("data")))

    async def _rpc(self, request: web.Request) -> web.Response:
        world = self._world
        try:
            asked = msgspec.json.decode(await request.read())
        except msgspec.DecodeError:
            error = {"code": -32700, "message": "parse error"}
            return _json(200, {"jsonrpc": "2.0", "id": None, "error": error})
        return _json(
            200, chain_answer(world.universe, asked, world.wall(), lie=self._lies("chain"))
        )

    # -- market channel -----------------------------------------------------

    async def _market_channel(self, request: web.Request) -> web.StreamResponse:
        rejected = self._world.rages("reject_ws")
        if rejected is not None:
            return web.Response(status=int(rejected), headers={"Retry-After": "1"})
        # Frames are written to the transport by Connection; aiohttp only reads.
        ws = web.WebSocketResponse(
            timeout=0.1, autoping=False, autoclose=False, compress=False, max_msg_size=CLIENT_BYTES
        )
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws
        world = self._world
        connection = Connection(
            next(self._numbers), transport, world.options.send_buffer_bytes, now=world.now()
        )
        world.channel.open(connection, world.wall())
        try:
            await self._converse(ws, connection)
        finally:
            world.channel.gone(connection, world.wall())
            world.exchange.flush()
            transport.abort() if connection.stalled else transport.close()
        return ws

    async def _converse(self, ws: web.WebSocketResponse, connection: Connection) -> None:
        """Read until the socket ends, by whichever side."""
        world = self._world
        while True:
            message = await ws.receive()
            connection.last_heard = world.now()
            if message.type is WSMsgType.TEXT:
                world.channel.hear(connection, message.data, world.wall())
            elif message.type is WSMsgType.PING:
                connection.control(frame(message.data, PONG))
            elif message.type is WSMsgType.CLOSE:
                if not connection.ended:
                    connection.control(close_frame(message.data or 1000))
                    connection.flush()
                connection.finish(message.data or 1005, str(message.extra or ""), by="client")
                return
            elif message.type in {WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR}:
                return
            world.exchange.flush()
            connection.flush()


def _json(status: int, body: Any) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


async def serve(app: web.Application, listening: socket.socket) -> web.AppRunner:
    """Serve on a socket that listens already; the runner's `cleanup` closes it."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner
