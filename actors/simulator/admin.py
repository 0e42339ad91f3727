"""The back door: faults, markets and trades on request, rates, and the books.

JSON in, JSON out; a wrong request is answered by 400 and one line.
"""

from typing import Any

import msgspec
from aiohttp import web

from actors.simulator.faults import make_fault
from actors.simulator.market import ENDLESS, FATES, ODDITIES
from actors.simulator.markets import Wish, line_of
from actors.simulator.world import World

RATES = ("trades_per_second", "noise_per_second", "markets_per_second")


def add_admin(app: web.Application, world: World) -> None:
    """Add the routes below `/admin` to an application."""
    admin = Admin(world)
    app.router.add_get("/admin/summary", admin.summary)
    app.router.add_get("/admin/connections", admin.connections)
    app.router.add_get("/admin/markets", admin.markets)
    app.router.add_post("/admin/fault", admin.fault)
    app.router.add_post("/admin/market", admin.market)
    app.router.add_post("/admin/trade", admin.trades)
    app.router.add_post("/admin/rates", admin.rates)


class Admin:
    """Handlers of the back door.

    Args:
        world: What they look at and change.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def summary(self, _: web.Request) -> web.Response:
        """Return the books of this run."""
        return _json(self._world.summary())

    async def connections(self, _: web.Request) -> web.Response:
        """Return every open connection with its number, tokens and faults."""
        rows = [
            {
                "connection": one.number,
                "subscribed": one.subscribed,
                "custom": one.custom,
                "tokens": len(one.tokens),
                "frozen": one.frozen,
                "stalled": one.stalled,
                "missed": sorted(one.missed),
            }
            for one in self._world.channel.connections.values()
        ]
        return _json({"connections": rows})

    async def markets(self, _: web.Request) -> web.Response:
        """Return every market with its whole plan, as in the ledger."""
        return _json({"markets": [line_of(market) for market in self._world.universe]})

    async def fault(self, request: web.Request) -> web.Response:
        """Apply a fault now: `{"fault": "drop:2"}` or `{"kind": "drop", "count": 2}`.

        With `connection`, it hits that one.
        """
        asked = await _asked(request)
        at = asked.pop("connection", None)
        kind = str(asked.pop("fault", None) or asked.pop("kind", ""))
        try:
            fault = make_fault(kind, asked)
        except ValueError as exc:
            raise _bad(str(exc)) from exc
        if at is not None and at not in self._world.channel.connections:
            raise _bad(f"no connection {at!r}")
        world = self._world
        hit = world.trouble.strike(fault, world.now(), world.wall(), at=at)
        world.exchange.flush()
        return _json({"fault": fault.kind, "connections": hit})

    async def market(self, request: web.Request) -> web.Response:
        """Make a market: `{"fate": …, "winner": 0|1, "opens_in_s": …, "life_s": …, "v2": …}`."""
        asked = await _asked(request)
        wall = self._world.wall()
        fate = asked.get("fate")
        if fate is not None and fate not in (*FATES, *ENDLESS):
            raise _bad(f"unknown fate {fate!r}; known: {', '.join((*FATES, *ENDLESS))}")
        odd = asked.get("odd")
        if odd not in {None, "", *ODDITIES}:
            raise _bad(f"unknown oddity {odd!r}; known: {', '.join(ODDITIES)}")
        winner = asked.get("winner")
        if winner not in {None, 0, 1}:
            raise _bad("winner is 0 or 1")
        opens = wall + int(_number(asked, "opens_in_s", 0) * 1000)
        wish = Wish(
            announced=wall,
            trades=opens,
            ends=opens + int(_number(asked, "life_s", 10) * 1000),
            fate=fate,
            winner=winner,
            v2=bool(asked.get("v2", False)),
            odd=odd,
        )
        market = self._world.exchange.add(wish, wall)
        self._world.exchange.flush()
        return _json(line_of(market))

    async def trades(self, request: web.Request) -> web.Response:
        """Trade now: `{"token", "price", "size", "side", "count"}`; count > 1: identical trades."""
        asked = await _asked(request)
        world = self._world
        found = world.universe.by_token.get(str(asked.get("token")))
        if found is None:
            raise _bad("no such token")
        market, side = found
        wall, tape = world.wall(), world.exchange.tape
        first = tape.make(
            market,
            side,
            ts=wall,
            price=str(asked.get("price", "0.5")),
            size=str(asked.get("size", "1")),
            taker=str(asked.get("side", "BUY")),
        )
        count = int(_number(asked, "count", 1))
        trades = (first, *(tape.again(first) for _ in range(count - 1)))
        world.exchange.show(trades, market, side, wall)
        world.exchange.flush()
        return _json({"n": [trade.n for trade in trades]})

    async def rates(self, request: web.Request) -> web.Response:
        """Change rates while it runs: any of trades_, noise_ and markets_per_second."""
        asked = await _asked(request)
        for name in asked:
            if name not in RATES:
                raise _bad(f"unknown rate {name!r}; known: {', '.join(RATES)}")
        for name in asked:
            setattr(self._world.exchange, name, _number(asked, name, 0))
        return _json({name: getattr(self._world.exchange, name) for name in RATES})


async def _asked(request: web.Request) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(await request.read())
    except msgspec.DecodeError as exc:
        raise _bad(str(exc)) from exc
    if not isinstance(asked, dict):
        raise _bad("a JSON object is expected")
    return asked


def _number(asked: dict[str, Any], name: str, default: float) -> float:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise _bad(f"{name} is a number from 0")
    return float(value)


def _bad(line: str) -> web.HTTPBadRequest:
    text = msgspec.json.encode({"error": line}).decode()
    return web.HTTPBadRequest(text=text, content_type="application/json")


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
