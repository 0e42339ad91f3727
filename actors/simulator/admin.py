"""The admin interface: faults, markets and trades on request, rates, and the summary of a run.

JSON in, JSON out; a wrong request is answered by 400 and one line.
"""

from typing import Any

import msgspec
from aiohttp import web

from actors.simulator.events import NOT_JSON
from actors.simulator.fault_injector import make_fault
from actors.simulator.market import ENDLESS, FATES, ODDITIES, Market
from actors.simulator.markets import MarketSpec, ledger_line
from actors.simulator.simulation import Simulation

RATES = ("trades_per_second", "noise_per_second", "markets_per_second")


def add_admin(app: web.Application, simulation: Simulation) -> None:
    """Add the routes below `/admin` to an application."""
    admin = Admin(simulation)
    app.router.add_get("/admin/summary", admin.summary)
    app.router.add_get("/admin/connections", admin.connections)
    app.router.add_get("/admin/markets", admin.markets)
    app.router.add_post("/admin/fault", admin.fault)
    app.router.add_post("/admin/market", admin.market)
    app.router.add_post("/admin/trade", admin.trades)
    app.router.add_post("/admin/rates", admin.rates)


class Admin:
    """Handlers of the admin interface.

    Args:
        simulation: What they read and change.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def summary(self, _: web.Request) -> web.Response:
        """Return the summary of this run."""
        return _json(self._simulation.summary())

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
            for one in self._simulation.channel.connections.values()
        ]
        return _json({"connections": rows})

    async def markets(self, _: web.Request) -> web.Response:
        """Return every market with its planned lifetime, as in the ledger."""
        return _json({"markets": [self._line(market) for market in self._simulation.markets]})

    def _line(self, market: Market) -> dict[str, Any]:
        return ledger_line(market, self._simulation.markets.broken)

    async def fault(self, request: web.Request) -> web.Response:
        """Apply a fault now: `{"fault": "drop:2"}` or `{"kind": "drop", "count": 2}`.

        With `connection`, it hits the connection of that number.
        """
        body = await _body(request)
        at = body.pop("connection", None)
        kind = str(body.pop("fault", None) or body.pop("kind", ""))
        try:
            fault = make_fault(kind, body)
        except ValueError as exc:
            raise _bad(str(exc)) from exc
        if at is not None and at not in self._simulation.channel.connections:
            raise _bad(f"no connection {at!r}")
        simulation = self._simulation
        hit = simulation.injector.inject(fault, simulation.now(), simulation.wall(), at=at)
        simulation.exchange.flush()
        return _json({"fault": fault.kind, "connections": hit})

    async def market(self, request: web.Request) -> web.Response:
        """Make a market: `{"fate": …, "winner": 0|1, "opens_in_s": …, "life_s": …, "v2": …}`."""
        body = await _body(request)
        wall = self._simulation.wall()
        fate = body.get("fate")
        if fate is not None and fate not in (*FATES, *ENDLESS):
            raise _bad(f"unknown fate {fate!r}; known: {', '.join((*FATES, *ENDLESS))}")
        odd = body.get("odd")
        if odd not in {None, "", *ODDITIES}:
            raise _bad(f"unknown oddity {odd!r}; known: {', '.join(ODDITIES)}")
        winner = body.get("winner")
        if winner not in {None, 0, 1}:
            raise _bad("winner is 0 or 1")
        opens = wall + int(_number(body, "opens_in_s", 0) * 1000)
        spec = MarketSpec(
            announced=wall,
            trades=opens,
            ends=opens + int(_number(body, "life_s", 10) * 1000),
            fate=fate,
            winner=winner,
            v2=bool(body.get("v2", False)),
            odd=odd,
        )
        market = self._simulation.exchange.add(spec, wall)
        self._simulation.exchange.flush()
        return _json(self._line(market))

    async def trades(self, request: web.Request) -> web.Response:
        """Send trades now, identical ones: `{"token", "price", "size", "side", "count"}`."""
        body = await _body(request)
        simulation = self._simulation
        found = simulation.markets.by_token.get(str(body.get("token")))
        if found is None:
            raise _bad("no such token")
        market, side = found
        wall, generator = simulation.wall(), simulation.exchange.generator
        first = generator.create(
            market,
            side,
            ts=wall,
            price=str(body.get("price", "0.5")),
            size=str(body.get("size", "1")),
            taker=str(body.get("side", "BUY")),
        )
        count = int(_number(body, "count", 1))
        trades = (first, *(generator.repeat(first) for _ in range(count - 1)))
        simulation.exchange.send_trades(trades, market, side, wall)
        simulation.exchange.flush()
        return _json({"n": [trade.n for trade in trades]})

    async def rates(self, request: web.Request) -> web.Response:
        """Change rates during the run: any of trades_, noise_ and markets_per_second."""
        body = await _body(request)
        for name in body:
            if name not in RATES:
                raise _bad(f"unknown rate {name!r}; known: {', '.join(RATES)}")
        for name in body:
            setattr(self._simulation.exchange, name, _number(body, name, 0))
        return _json({name: getattr(self._simulation.exchange, name) for name in RATES})


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(await request.read())
    except NOT_JSON as exc:
        raise _bad(str(exc)) from exc
    if not isinstance(body, dict):
        raise _bad("a JSON object is expected")
    return body


def _number(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise _bad(f"{name} is a number from 0")
    return float(value)


def _bad(line: str) -> web.HTTPBadRequest:
    text = msgspec.json.encode({"error": line}).decode()
    return web.HTTPBadRequest(text=text, content_type="application/json")


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
