"""The server: one port, WebSocket and HTTP on distinct paths, one event loop.

Every HTTP request passes `answer_under_faults`, which makes answers late, wrong, cut short or
endless, or rejects the request, while such a fault is in force.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial
from itertools import count
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from actors.simulator.channel import Connection
from actors.simulator.events import NOT_JSON, PONG, close_frame, frame
from actors.simulator.simulation import Simulation
from actors.simulator.sources.cached import Cache, Kept, cached
from actors.simulator.sources.chain import chain_answer
from actors.simulator.sources.clob import books_answer, clob_answer, compact_answer
from actors.simulator.sources.data_api import data_answer, tokens_answer
from actors.simulator.sources.endless import EndlessListing, asks_for_names
from actors.simulator.sources.listing import Listing, Query
from actors.simulator.sources.recorded_calls import RecordedCalls

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FaultValue = Callable[[str], float | None]
"""Returns the value of a lasting fault while it is in force, else None."""

CLIENT_BYTES = 4 << 20
"""Largest message or body of a client."""
HTML = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
SIDES = frozenset({"gamma", "clob", "data", "rpc"})
"""First parts of the paths of the exchange's HTTP sources."""
BLOCK = b" " * 65_536
DRIP_S = 0.5
OF_MARKETS = frozenset({"keyset_gone", "keyset_422", "cursor_ignored", "gamma_list_gone"})


async def answer_under_faults(
    request: web.Request, handler: Handler, fault_value: FaultValue
) -> web.StreamResponse:
    """Answer a request as the faults in force demand, else as its handler does.

    Args:
        request: Of any path; faults apply to the HTTP sources of the exchange only.
        handler: Answers when no fault does.
        fault_value: Of the lasting faults.
    """
    if request.path.split("/")[1] not in SIDES:
        return await handler(request)
    # The real services reject the default agent of urllib with this code.
    if request.headers.get("User-Agent", "").startswith("Python-urllib"):
        return web.Response(status=403, text="error code: 1010")
    delay = fault_value("slow_http")
    if delay is not None:
        await asyncio.sleep(delay)
    rejected = _rejection(fault_value)
    if rejected is not None:
        return rejected
    answer = await handler(request)
    if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
        return await _damaged(request, answer, answer.body, fault_value)
    return answer


def _rejection(fault_value: FaultValue) -> web.Response | None:
    """Return an answer that does not depend on the request, or None without such a fault."""
    after = fault_value("http_429")
    if after is not None:
        headers = {"Retry-After": f"{after:g}"}
        return web.Response(status=429, text="error code: 1015", headers=headers)
    if fault_value("http_500") is not None:
        return web.json_response({"error": "internal server error"}, status=500)
    share = fault_value("flaky_http")
    if share is not None and random.random() < share:
        return web.json_response({"error": "upstream timed out"}, status=503)
    if fault_value("http_html") is not None:
        return web.Response(text=HTML, content_type="text/html")
    if fault_value("http_redirect") is not None:
        return web.Response(status=302, headers={"Location": "http://127.0.0.2:9/elsewhere"})
    return None


async def _damaged(
    request: web.Request, answer: web.Response, body: bytes, fault_value: FaultValue
) -> web.StreamResponse:
    """Return a good answer cut short, byte by byte, or behind many blanks."""
    if fault_value("http_truncated") is not None:
        return web.Response(
            status=answer.status, body=body[: len(body) // 2], content_type="application/json"
        )
    size = fault_value("http_huge")
    if size is None and fault_value("http_drip") is None:
        return answer
    stream = web.StreamResponse(status=answer.status)
    stream.content_type = "application/json"
    await stream.prepare(request)
    if size is not None:
        for _ in range(int(size * (1 << 20)) // len(BLOCK)):
            await stream.write(BLOCK)
        await stream.write(body)
    else:
        for byte in body:
            await stream.write(bytes((byte,)))
            await asyncio.sleep(DRIP_S)
    await stream.write_eof()
    return stream


def hostile_cookies(host: str, size: int) -> tuple[str, str]:
    """Return a cookie of so many characters, and one by which a balancer keeps its clients.

    A library that keeps those that name a domain sends both with each later handshake.
    """
    where = f"; Domain={host}; Path=/; Max-Age=86400"
    # Escapes in quotes: reading them has cost some libraries the square of the length.
    value = '\\"' * ((size - len(where)) // 2)
    long = f'__cf_bm="{value}"'[: size - len(where) - 1] + '"' + where
    return long, f"sticky=server-a{where}"


class Server:
    """The aiohttp application of a simulation.

    Args:
        simulation: What is served.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._numbers = count(1)
        self._wall = simulation.wall
        self._markets = simulation.markets
        self._listing = Listing(simulation.markets, simulation.options.broken)
        # Breaks of the routes of markets are not those of events.
        self._events = Listing(simulation.markets, simulation.options.broken - OF_MARKETS)
        self._endless = EndlessListing(simulation.options.seed, simulation.options.pace)
        self._gamma_cache, self._trades_cache = Cache(), Cache()
        look = simulation.look
        self._recorded_calls = RecordedCalls(look.calls) if look is not None else None
        self.app = web.Application(middlewares=[self._with_faults], client_max_size=CLIENT_BYTES)
        self.app.router.add_get("/ws/market", self._market_channel)
        self.app.router.add_get("/ws/rtds", self._rtds)
        self.app.router.add_get("/gamma/markets/keyset", self._gamma_keyset)
        self.app.router.add_get("/gamma/markets", self._gamma_page)
        self.app.router.add_get("/gamma/events/keyset", self._gamma_events)
        self.app.router.add_get("/gamma/markets/{id}", self._gamma_by_id)
        self.app.router.add_get("/clob/markets/{condition}", self._clob)
        self.app.router.add_post("/clob/books", self._books)
        self.app.router.add_get("/clob/clob-markets/{condition}", self._clob_compact)
        self.app.router.add_get("/data/v2/resolutions", self._data)
        self.app.router.add_get("/data/v2/tokens", self._tokens)
        self.app.router.add_get("/data/v2/trades", self._trades)
        self.app.router.add_post("/rpc", self._rpc)

    # -- HTTP ---------------------------------------------------------------

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        side = request.path.split("/")[1]
        if side in SIDES:
            self._simulation.traffic.note(side, self._simulation.now())
        answer = await answer_under_faults(
            request, partial(self._recorded, handler=handler), self._simulation.fault_value
        )
        if not answer.prepared and "Date" not in answer.headers:
            answer.headers["Date"] = formatdate(self._wall() / 1000, usegmt=True)
        return answer

    async def _recorded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as it was recorded, if it was."""
        side, _, rest = request.path.removeprefix("/").partition("/")
        if self._recorded_calls is None or side not in SIDES:
            return await handler(request)
        target = f"/{rest}?{request.rel_url.raw_query_string}" if side != "rpc" else ""
        sent = await request.read()
        found = self._recorded_calls.answer(side, request.method, target, sent, self._wall() / 1000)
        if found is None:
            return await handler(request)
        if found.status is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        return web.Response(status=found.status, body=found.body, headers=found.headers)

    def _lies(self, source: str) -> bool:
        return self._simulation.fault_value(f"lie_{source}") is not None

    async def _gamma_keyset(self, request: web.Request) -> web.Response:
        return self._listed(request, self._listing.keyset)

    async def _gamma_page(self, request: web.Request) -> web.Response:
        return self._listed(request, self._listing.page)

    async def _gamma_events(self, request: web.Request) -> web.Response:
        return self._listed(request, self._event_page)

    def _event_page(self, query: Query, now: int, *, lie: bool = False) -> tuple[int, Any]:
        """Answer `/events/keyset`: each market is an event of its own."""
        order = ["volumeNum" if name == "volume" else name for name in query.get("order", ())]
        wanted = {**query, "include_tag": ["true"], **({"order": order} if order else {})}
        status, body = self._events.keyset(wanted, now, lie=lie)
        if status != 200:
            return status, body
        events = []
        for row in body.pop("markets"):
            known = row if isinstance(row, dict) else {}
            event = {"tags": known.get("tags", []), "closed": known.get("closed", False)}
            events.append({**event, "markets": [row]})
        return status, {"events": events, **body}

    def _listed(self, request: web.Request, listing: Callable[..., Any]) -> web.Response:
        now = self._wall()
        endless = self._simulation.fault_value("endless_listing")
        if endless is not None and not asks_for_names(request.query):
            return self._endless_page(request.path, now, int(endless))

        def make() -> Kept:
            status, body = listing(_query(request), now, lie=self._lies("gamma"))
            return status, msgspec.json.encode(body)

        if "cached_300s" not in self._simulation.options.broken:
            return _encoded(*make())
        return cached(self._gamma_cache, request.path_qs, now, make)

    def _endless_page(self, path: str, now: int, size: int) -> web.Response:
        rows, cursor = self._endless.page(now, size)
        if path.endswith("/markets"):
            return _json(200, rows)
        if path.endswith("/events/keyset"):
            events = [{"tags": row["tags"], "closed": False, "markets": [row]} for row in rows]
            return _json(200, {"events": events, "next_cursor": cursor})
        return _json(200, {"markets": rows, "next_cursor": cursor})

    async def _gamma_by_id(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return _json(*self._listing.by_id(name, self._wall(), lie=self._lies("gamma")))

    async def _clob(self, request: web.Request) -> web.Response:
        name = request.match_info["condition"]
        return _json(*clob_answer(self._markets, name, self._wall(), lie=self._lies("clob")))

    async def _clob_compact(self, request: web.Request) -> web.Response:
        return _json(*compact_answer(self._markets, request.match_info["condition"], self._wall()))

    async def _books(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=list[dict[str, str]])
        except NOT_JSON:
            return _json(400, {"error": "Invalid payload"})
        tokens = [one.get("token_id", "") for one in asked]
        pool = self._simulation.pool
        return _json(*books_answer(self._markets, tokens, self._wall(), pool))

    async def _data(self, request: web.Request) -> web.Response:
        text = request.query.get("condition", "")
        return _json(*data_answer(self._markets, text, self._wall(), lie=self._lies("data")))

    async def _tokens(self, request: web.Request) -> web.Response:
        tokens, conditions = (request.query.get(name, "") for name in ("token_id", "condition"))
        answer = tokens_answer(
            self._markets, tokens, conditions, self._wall(), lie=self._lies("data")
        )
        return _json(*answer)

    async def _trades(self, request: web.Request) -> web.Response:
        now, tape = self._wall(), self._simulation.exchange.tape

        def make() -> Kept:
            status, body = tape.answer(_query(request), now)
            return status, msgspec.json.encode(body)

        if "trades_cached_300s" not in self._simulation.options.broken:
            return _encoded(*make())
        return cached(self._trades_cache, request.path_qs, now, make)

    async def _rpc(self, request: web.Request) -> web.Response:
        try:
            call = msgspec.json.decode(await request.read())
        except NOT_JSON:
            error = {"code": -32700, "message": "parse error"}
            return _json(200, {"jsonrpc": "2.0", "id": None, "error": error})
        tape = self._simulation.exchange.tape
        answer = chain_answer(self._markets, call, self._wall(), lie=self._lies("chain"), tape=tape)
        return _json(200, answer)

    # -- market channel -----------------------------------------------------

    async def _market_channel(self, request: web.Request) -> web.StreamResponse:
        rejected = self._simulation.fault_value("reject_ws")
        if rejected is not None:
            return web.Response(status=int(rejected), headers={"Retry-After": "1"})
        look = self._simulation.look
        if look is not None and look.rejection is not None:
            if look.rejection == 0 and request.transport is not None:
                request.transport.abort()
            return web.Response(status=look.rejection or 502)
        # Frames are written to the transport by Connection; aiohttp only reads.
        ws = web.WebSocketResponse(
            timeout=0.1, autoping=False, autoclose=False, compress=False, max_msg_size=CLIENT_BYTES
        )
        simulation = self._simulation
        simulation.channel.with_cookies += "Cookie" in request.headers
        size = simulation.fault_value("cookies")
        if size is not None:
            for cookie in hostile_cookies(request.url.host or "", int(size * 1000)):
                ws.headers.add("Set-Cookie", cookie)
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws
        connection = Connection(
            next(self._numbers),
            transport,
            simulation.options.send_buffer_bytes,
            now=simulation.now(),
        )
        simulation.channel.open(connection, simulation.wall())
        try:
            await self._read_messages(ws, connection)
        finally:
            simulation.channel.closed(connection, simulation.wall())
            simulation.exchange.flush()
            # A stalled connection has an unfinished frame in its buffer that nobody reads.
            transport.abort() if connection.stalled else transport.close()
        return ws

    async def _read_messages(self, ws: web.WebSocketResponse, connection: Connection) -> None:
        """Read until either side ends the connection."""
        simulation = self._simulation
        while True:
            message = await ws.receive()
            connection.last_received = simulation.now()
            if message.type is WSMsgType.TEXT and self._is_played(connection, message.data):
                continue
            if "accept_then_drop" in simulation.options.broken and not connection.subscribed:
                connection.cut("accept_then_drop", by="server")
                return
            if message.type is WSMsgType.TEXT:
                simulation.channel.receive(connection, message.data, simulation.wall())
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
            simulation.exchange.flush()
            connection.flush()

    async def _rtds(self, request: web.Request) -> web.StreamResponse:
        """Serve the stream of all markets."""
        simulation, stream = self._simulation, self._simulation.exchange.stream
        if "rtds_gone" in simulation.options.broken:
            return web.Response(status=404)
        ws = web.WebSocketResponse(timeout=0.1, autoping=False, autoclose=False, compress=False)
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws
        connection = Connection(
            0, transport, simulation.options.send_buffer_bytes, now=simulation.now()
        )
        stream.opens()
        try:
            while True:
                message = await ws.receive()
                if message.type is WSMsgType.TEXT:
                    stream.receive(connection, message.data, simulation.now())
                elif message.type not in {WSMsgType.PING, WSMsgType.PONG}:
                    return ws
        finally:
            stream.closed(connection)
            transport.close()

    def _is_played(self, connection: Connection, text: str) -> bool:
        player = self._simulation.look_player
        return player is not None and player.receive(connection, text, self._simulation.now())


def _query(request: web.Request) -> dict[str, list[str]]:
    return {name: request.query.getall(name) for name in request.query}


def _json(status: int, body: Any) -> web.Response:
    return _encoded(status, msgspec.json.encode(body))


def _encoded(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


async def serve(app: web.Application, listening: socket.socket) -> web.AppRunner:
    """Serve on a listening socket; the runner's `cleanup` closes it."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner
