"""Faults: their grammar, which of the lasting ones are in force, and how they are injected.

`AT:KIND[:VALUE[:VALUE]]`, AT in seconds from the start. FAULTS has the name and the default of
each value, docs/reference/simulator.md what each fault does. Each is written to the ledger. One
is garbage that no subscriber may fail on: text that is not JSON, impossible trades, unknown events.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from actors.simulator.channel import Channel, Connection
from actors.simulator.events import LevelPool, book, frame
from actors.simulator.ledger import Ledger
from actors.simulator.markets import Markets

FAULTS: dict[str, dict[str, float]] = {
    # on connections chosen at random
    "drop": {"count": 1},
    "close": {"code": 1011, "count": 1},
    "freeze": {"count": 1, "seconds": 0},
    "miss_token": {"count": 1},
    "garbage": {"count": 1},
    "bad_text": {"count": 1},
    "half_frame": {"count": 1},
    "drip": {"count": 1},
    "oversize": {"count": 1, "mebibytes": 64},
    "bad_frame": {"count": 1},
    # on connections of whose tokens each is on an older one as well
    "unfinished": {"count": 1, "mebibytes": 15},
    # on everything, for some seconds
    "freeze_all": {"seconds": 10},
    "no_books": {"seconds": 10},
    "reject_ws": {"seconds": 10, "status": 429},
    "cookies": {"seconds": 10, "kilobytes": 62},
    "slow_http": {"seconds": 10, "delay": 5},
    "http_429": {"seconds": 10, "retry_after": 2},
    "http_500": {"seconds": 10},
    "flaky_http": {"seconds": 10, "share": 0.2},
    "http_html": {"seconds": 10},
    "http_truncated": {"seconds": 10},
    "http_redirect": {"seconds": 10},
    "http_drip": {"seconds": 10},
    "http_huge": {"seconds": 10, "mebibytes": 100},
    "endless_listing": {"seconds": 10, "markets": 1000},
    "lie_gamma": {"seconds": 10},
    "lie_clob": {"seconds": 10},
    "lie_data": {"seconds": 10},
    "lie_chain": {"seconds": 10},
}
LASTING = frozenset(kind for kind, values in FAULTS.items() if "count" not in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: `at` in seconds from the start, `values` by name, with the defaults."""

    at: float
    kind: str
    values: dict[str, float]


def parse_fault(text: str) -> Fault:
    """Return the fault that `AT:KIND[:VALUE[:VALUE]]` describes.

    Raises:
        ValueError: The text is wrong; the message is one line for people.
    """
    at, _, rest = text.partition(":")
    return make_fault(rest, at=_number(at, text))


def make_fault(text: str, named: Mapping[str, float] | None = None, *, at: float = 0.0) -> Fault:
    """Return the fault that `KIND[:VALUE[:VALUE]]` and the named values describe.

    Raises:
        ValueError: The text is wrong; the message is one line for people.
    """
    kind, *given = text.split(":")
    if kind not in FAULTS:
        raise ValueError(f"unknown fault {kind!r}; known: {', '.join(FAULTS)}")
    values = dict(FAULTS[kind])
    if len(given) > len(values):
        raise ValueError(f"too many values in {text!r}: {kind} takes {', '.join(values)}")
    values.update(zip(values, (_number(part, text) for part in given), strict=False))
    for name, value in (named or {}).items():
        if name not in values:
            raise ValueError(f"{kind} has no value {name!r}; it takes {', '.join(values)}")
        values[name] = _number(str(value), name)
    return Fault(at=at, kind=kind, values=values)


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} in {whole!r} is not a number") from None
    if not 0 <= number < 1e9:
        raise ValueError(f"{text!r} in {whole!r} is out of range")
    return number


class ActiveFaults:
    """The lasting faults in force; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, float]] = {}

    def start(self, fault: Fault, now: float) -> None:
        """Put a lasting fault in force from now on; 0 seconds end it."""
        seconds, *more = fault.values.values()
        self._until[fault.kind] = (now + seconds, more[0] if more else 0.0)

    def value(self, kind: str, now: float) -> float | None:
        """Return the second value of a fault in force, 0 when it has none; else None."""
        until, value = self._until.get(kind, (0.0, 0.0))
        return value if now < until else None


FILLER = b" " * 65_536
PIECE = b" " * 262_144
DRIP_S = 1.0
BUSIEST = 10
"""A missed token is one of so many of the busiest."""

BAD_HASH = "0x" + "bad0" * 16
BAD_TEXT = frame(b'{"event_type":"last_trade_price","asset_id":"\xff\xfe"}')
"""A text frame that is not UTF-8; RFC 6455 has a client fail the connection."""
BAD_FRAME = b"\x83\x02??"
"""A frame with an opcode that RFC 6455 reserves."""


def garbage_pieces(token: str, condition: str, ts: int) -> tuple[bytes, ...]:
    """Return one text frame for each kind of garbage, with the ids of a real market.

    Each bad trade has exactly one wrong field, and the transaction hash BAD_HASH (unless that is
    the wrong field), so that none can be mistaken for a trade of the ledger.
    """
    good = {
        "market": f'"{condition}"',
        "asset_id": f'"{token}"',
        "price": '"0.5"',
        "size": '"1"',
        "side": '"BUY"',
        "fee_rate_bps": '"0"',
        "timestamp": f'"{ts}"',
        "transaction_hash": f'"{BAD_HASH}"',
        "event_type": '"last_trade_price"',
    }
    wrong: tuple[dict[str, str | None], ...] = (
        {"price": '"1.5"'},
        {"price": '"-0.1"'},
        {"price": '"NaN"'},
        {"price": "null"},
        {"price": "[0.5]"},
        {"price": '"0,5"'},
        {"price": '"0"'},
        {"size": '"0"'},
        {"size": '"1e400"'},
        {"size": f'"0.{"123456789" * 4}"'},
        {"side": '"HOLD"'},
        {"asset_id": str(int(float(token)))},
        {"asset_id": '"not a number"'},
        {"market": '"0x12"'},
        {"timestamp": '"0"'},
        {"timestamp": '"99999999999999"'},
        {"timestamp": None},
        {"asset_id": None},
        {"transaction_hash": '"0xbad"'},
        {"transaction_hash": "7"},
    )
    trades = [_object({**good, **change}) for change in wrong]
    price_above_1 = _object({**good, "price": '"2"'})
    texts = [
        "<html>502 Bad Gateway</html>",
        '{"event_type":"last_trade_price","asset_id":',
        '{"event_type":"last_trade_price"}',
        "[]",
        "null",
        "[null,1,{}]",
        f'{{"event_type":"moon_phase","asset_id":"{token}","phase":"full"}}',
        "[" * 5000,
        f'[{price_above_1},{{"event_type":"moon_phase"}}]',
        *trades,
    ]
    return tuple(frame(text.encode()) for text in texts)


def _object(fields: dict[str, str | None]) -> str:
    return "{" + ",".join(f'"{k}":{v}' for k, v in fields.items() if v is not None) + "}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Injection:
    """The values of a fault and its time, for each connection that it hits."""

    values: dict[str, float]
    now: float
    wall: int


class FaultInjector:
    """Injects faults on schedule and on request.

    Args:
        schedule: Ordered by `at`.
        markets: The markets.
        channel: The subscribers.
        ledger: Gets every fault.
        pool: Sizes and hashes of books.
        rng: Chooses the connections that are hit.

    Attributes:
        active: The lasting faults in force, for HTTP sources and handshakes.
        counts: Faults so far, by kind.
    """

    def __init__(
        self,
        schedule: Sequence[Fault],
        markets: Markets,
        channel: Channel,
        ledger: Ledger,
        pool: LevelPool,
        rng: random.Random,
    ) -> None:
        self._pool = pool
        self.active = ActiveFaults()
        self.counts: Counter[str] = Counter()
        self._schedule = deque(schedule)
        self._markets = markets
        self._channel = channel
        self._ledger = ledger
        self._rng = rng
        self._frozen: dict[Connection, float] = {}
        self._dripping: list[Connection] = []
        self._going_on: list[Connection] = []
        self._next_drip = 0.0
        self._actions: dict[str, Callable[[Connection, _Injection], None]] = {
            "drop": lambda one, _: one.cut("fault: drop", by="fault"),
            "close": self._close,
            "freeze": self._freeze,
            "miss_token": self._miss_token,
            "garbage": self._garbage,
            "bad_text": self._bad_text,
            "half_frame": self._half_frame,
            "drip": self._drip,
            "oversize": self._oversize,
            "bad_frame": lambda one, _: one.stall(BAD_FRAME),
            "unfinished": self._unfinished,
        }

    def turn(self, elapsed: float, now: float, wall: int) -> None:
        """Inject what is due by the schedule, and end what has lasted long enough.

        Args:
            elapsed: Seconds since the start.
            now: Monotonic seconds.
            wall: Milliseconds since 1970.
        """
        while self._schedule and self._schedule[0].at <= elapsed:
            self.inject(self._schedule.popleft(), now, wall)
        self._channel.no_books = self.active.value("no_books", now) is not None
        self._channel.freeze(frozen=self.active.value("freeze_all", now) is not None)
        for one, until in tuple(self._frozen.items()):
            if until <= now:
                del self._frozen[one]
                one.freeze(frozen=False)
        # All at once, it would be moved in memory with each little that the reader takes.
        self._going_on = [one for one in self._going_on if one.go_on(PIECE)]
        if now >= self._next_drip:
            self._next_drip = now + DRIP_S
            self._dripping = [one for one in self._dripping if not one.ended]
            for one in self._dripping:
                one.drip_next()

    def inject(self, fault: Fault, now: float, wall: int, *, at: int | None = None) -> list[int]:
        """Apply a fault and return the numbers of the connections that it hit.

        Args:
            fault: Which.
            now: Monotonic seconds.
            wall: Milliseconds since 1970.
            at: Number of the connection to hit; None chooses at random.
        """
        self.counts[fault.kind] += 1
        if fault.kind in LASTING:
            self.active.start(fault, now)
            self._record(fault, wall)
            return []
        hit = self._choose(fault, at)
        self._record(fault, wall, connections=[one.number for one in hit])
        # Some faults write at once, and the ledger must be written before any socket.
        self._ledger.flush()
        self._channel.flush()
        injection = _Injection(values=fault.values, now=now, wall=wall)
        for one in hit:
            self._actions[fault.kind](one, injection)
        return [one.number for one in hit]

    def _choose(self, fault: Fault, at: int | None) -> list[Connection]:
        live = [one for one in self._channel.connections.values() if one.tokens and one.live]
        if at is not None:
            return [one for one in live if one.number == at]
        if fault.kind == "unfinished":
            live = _newer(live)
        count = int(fault.values["count"])
        return self._rng.sample(live, min(count, len(live)))

    def _record(self, fault: Fault, wall: int, **more: object) -> None:
        self._ledger.add("fault", fault=fault.kind, values=fault.values, ts=wall, **more)

    def _close(self, one: Connection, injection: _Injection) -> None:
        one.close(int(injection.values["code"]), "fault: close", by="fault")

    def _freeze(self, one: Connection, injection: _Injection) -> None:
        one.freeze(frozen=True)
        if injection.values["seconds"]:
            self._frozen[one] = injection.now + injection.values["seconds"]

    def _miss_token(self, one: Connection, injection: _Injection) -> None:
        token = self._token(one)
        one.missed.add(token)
        self._ledger.add("miss_token", connection=one.number, token=token, ts=injection.wall)

    def _garbage(self, one: Connection, injection: _Injection) -> None:
        token = self._token(one)
        condition = self._markets.by_token[token][0].condition
        self._send_garbage(one, garbage_pieces(token, condition, injection.wall), injection)

    def _bad_text(self, one: Connection, injection: _Injection) -> None:
        self._send_garbage(one, (BAD_TEXT,), injection)

    def _half_frame(self, one: Connection, injection: _Injection) -> None:
        one.half_frame(self._book(one, injection))

    def _drip(self, one: Connection, injection: _Injection) -> None:
        one.drip(self._book(one, injection))
        self._dripping.append(one)

    def _oversize(self, one: Connection, injection: _Injection) -> None:
        one.oversize(int(injection.values["mebibytes"] * (1 << 20)), [FILLER] * 16)

    def _unfinished(self, one: Connection, injection: _Injection) -> None:
        one.unfinished(int(injection.values["mebibytes"] * (1 << 20)))
        self._going_on.append(one)

    def _book(self, one: Connection, injection: _Injection) -> bytes:
        market, side = self._markets.by_token[self._token(one)]
        return book(market, side, injection.wall, self._pool)

    def _token(self, one: Connection) -> str:
        """Choose a token of a connection, one of the busiest that still trade if there is one."""
        # A token missed on every connection would look like a quiet one.
        missed = {token for other in self._channel.connections.values() for token in other.missed}
        held = sorted(one.tokens - missed) or sorted(one.tokens)
        markets = {token: self._markets.by_token[token][0] for token in held}
        busy = [token for token in held if not markets[token].ended] or held
        busy.sort(key=lambda token: -markets[token].volume)
        return self._rng.choice(busy[:BUSIEST])

    def _send_garbage(
        self, one: Connection, pieces: Sequence[bytes], injection: _Injection
    ) -> None:
        self._ledger.add("garbage", connection=one.number, frames=len(pieces), ts=injection.wall)
        self._ledger.flush()
        for piece in pieces:
            one.send(piece)
        one.flush()


def _newer(live: Sequence[Connection]) -> list[Connection]:
    """Return those of whose tokens each is on an older connection as well.

    The oldest one of a token is never among them, so whatever is done to these, again and again,
    each token has a connection to which nothing is done.
    """
    found, held = [], set[str]()
    for one in sorted(live, key=lambda each: each.number):
        if held.issuperset(one.tokens):
            found.append(one)
        held |= one.tokens
    return found
