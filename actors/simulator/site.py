"""The doors: one port, WebSocket and HTTP sides on distinct paths, one event loop."""

import socket
from itertools import count
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from actors.simulator.chain import chain_answer
from actors.simulator.clob import clob_answer
from actors.simulator.connection import Connection
from actors.simulator.data_api import data_answer
from actors.simulator.frame import PONG, close_frame, frame
from actors.simulator.listing import Listing
from actors.simulator.storm import SIDES, Handler, weather
from actors.simulator.world import World

CLIENT_BYTES = 4 << 20


class Server:
    """The aiohttp application of a world.

    Args:
        world: What is behind the doors.
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
