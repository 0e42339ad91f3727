"""Apply faults to connections and sources, and write each into the ledger.

Among them is garbage that no subscriber should fail on: text that is not JSON, trades that
cannot be, unknown events.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.simulator.channel import Channel, Connection
from actors.simulator.events import Churn, book, frame
from actors.simulator.faults import LASTING, ActiveFaults, Fault
from actors.simulator.ledger import Ledger
from actors.simulator.markets import Markets

FILLER = b" " * 65_536
DROP_S = 1.0
BUSIEST = 10


BAD_HASH = "0x" + "bad0" * 16
BAD_TEXT = frame(b'{"event_type":"last_trade_price","asset_id":"\xff\xfe"}')
"""A text frame that is not UTF-8; a strict reader has to end the connection."""
BAD_FRAME = b"\x83\x02??"
"""A frame with an opcode that RFC 6455 reserves."""


def garbage_pieces(token: str, condition: str, ts: int) -> tuple[bytes, ...]:
    """Return one text frame for each kind of rubbish, aimed at a real token.

    Each bad trade has exactly one thing wrong with it, and the transaction
    hash BAD_HASH, so that none can be taken for one of the ledger's.
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
        {"price": "0.5"},
        {"price": '"1e-1"'},
        {"price": '"0"'},
        {"size": '"0"'},
        {"size": '"1e400"'},
        {"size": '"0.1234567890123456789"'},
        {"side": '"HOLD"'},
        {"asset_id": token},
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
    too_dear = _object({**good, "price": '"2"'})
    texts = [
        "<html>502 Bad Gateway</html>",
        '{"event_type":"last_trade_price","asset_id":',
        '{"event_type":"last_trade_price"}',
        "[]",
        "null",
        "[null,1,{}]",
        f'{{"event_type":"moon_phase","asset_id":"{token}","phase":"full"}}',
        "[" * 5000,
        f'[{too_dear},{{"event_type":"moon_phase"}}]',
        *trades,
    ]
    return tuple(frame(text.encode()) for text in texts)


def _object(fields: dict[str, str | None]) -> str:
    return "{" + ",".join(f'"{k}":{v}' for k, v in fields.items() if v is not None) + "}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Injection:
    """What a fault brings upon each connection it hits, and when."""

    values: dict[str, float]
    now: float
    wall: int


class FaultInjector:
    """Faults on schedule and on request.

    Args:
        schedule: Ordered by `at`.
        universe: The markets.
        channel: The subscribers.
        ledger: What happened.
        churn: Sizes and hashes of books.
        rng: Chooses who is hit.

    Attributes:
        weather: The lasting faults, for the HTTP sides and the handshake.
        counts: Faults so far, by kind.
    """

    def __init__(
        self,
        schedule: Sequence[Fault],
        universe: Markets,
        channel: Channel,
        ledger: Ledger,
        churn: Churn,
        rng: random.Random,
    ) -> None:
        self._churn = churn
        self.weather = ActiveFaults()
        self.counts: Counter[str] = Counter()
        self._schedule = deque(schedule)
        self._universe = universe
        self._channel = channel
        self._ledger = ledger
        self._rng = rng
        self._frozen: dict[Connection, float] = {}
        self._dripping: list[Connection] = []
        self._next_drop = 0.0
        self._blows: dict[str, Callable[[Connection, _Injection], None]] = {
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
        }

    def turn(self, elapsed: float, now: float, wall: int) -> None:
        """Do what the schedule says, and let pass what has lasted long enough.

        Args:
            elapsed: Seconds since the start.
            now: Monotonic seconds.
            wall: Milliseconds since 1970.
        """
        while self._schedule and self._schedule[0].at <= elapsed:
            self.strike(self._schedule.popleft(), now, wall)
        self._channel.no_books = self.weather.rages("no_books", now) is not None
        self._channel.frozen = self.weather.rages("freeze_all", now) is not None
        for one, until in tuple(self._frozen.items()):
            if until <= now:
                del self._frozen[one]
                one.freeze(frozen=False)
        if now >= self._next_drop:
            self._next_drop = now + DROP_S
            self._dripping = [one for one in self._dripping if not one.ended]
            for one in self._dripping:
                one.fall()

    def strike(self, fault: Fault, now: float, wall: int, *, at: int | None = None) -> list[int]:
        """Apply a fault and return the numbers of the connections that it hit.

        Args:
            fault: Which.
            now: Monotonic seconds.
            wall: Milliseconds since 1970.
            at: Number of the connection to hit, or None for chance.
        """
        self.counts[fault.kind] += 1
        if fault.kind in LASTING:
            self.weather.begin(fault, now)
            self._note(fault, wall)
            return []
        hit = self._choose(fault, at)
        self._note(fault, wall, connections=[one.number for one in hit])
        # The ledger goes first, as always: some faults write at once.
        self._ledger.flush()
        self._channel.flush()
        blow = _Injection(values=fault.values, now=now, wall=wall)
        for one in hit:
            self._blows[fault.kind](one, blow)
        return [one.number for one in hit]

    def _choose(self, fault: Fault, at: int | None) -> list[Connection]:
        live = [one for one in self._channel.connections.values() if one.tokens and one.live]
        if at is not None:
            return [one for one in live if one.number == at]
        count = int(fault.values["count"])
        return self._rng.sample(live, min(count, len(live)))

    def _note(self, fault: Fault, wall: int, **more: object) -> None:
        self._ledger.add("fault", fault=fault.kind, values=fault.values, ts=wall, **more)

    def _close(self, one: Connection, blow: _Injection) -> None:
        one.close(int(blow.values["code"]), "fault: close", by="fault")

    def _freeze(self, one: Connection, blow: _Injection) -> None:
        one.freeze(frozen=True)
        if blow.values["seconds"]:
            self._frozen[one] = blow.now + blow.values["seconds"]

    def _miss_token(self, one: Connection, blow: _Injection) -> None:
        token = self._token(one)
        one.missed.add(token)
        self._ledger.add("miss_token", connection=one.number, token=token, ts=blow.wall)

    def _garbage(self, one: Connection, blow: _Injection) -> None:
        token = self._token(one)
        condition = self._universe.by_token[token][0].condition
        self._litter(one, garbage_pieces(token, condition, blow.wall), blow)

    def _bad_text(self, one: Connection, blow: _Injection) -> None:
        self._litter(one, (BAD_TEXT,), blow)

    def _half_frame(self, one: Connection, blow: _Injection) -> None:
        one.half_frame(self._book(one, blow))

    def _drip(self, one: Connection, blow: _Injection) -> None:
        one.drip(self._book(one, blow))
        self._dripping.append(one)

    def _oversize(self, one: Connection, blow: _Injection) -> None:
        one.oversize(int(blow.values["mebibytes"] * (1 << 20)), [FILLER] * 16)

    def _book(self, one: Connection, blow: _Injection) -> bytes:
        market, side = self._universe.by_token[self._token(one)]
        return book(market, side, blow.wall, self._churn)

    def _token(self, one: Connection) -> str:
        """Choose a token of a connection: one of the busiest that still trade, if there is one."""
        # A token that nobody is told of any more would just be a quiet one.
        missed = {token for other in self._channel.connections.values() for token in other.missed}
        held = sorted(one.tokens - missed) or sorted(one.tokens)
        markets = {token: self._universe.by_token[token][0] for token in held}
        busy = [token for token in held if not markets[token].ended] or held
        busy.sort(key=lambda token: -markets[token].volume)
        return self._rng.choice(busy[:BUSIEST])

    def _litter(self, one: Connection, rubbish: Sequence[bytes], blow: _Injection) -> None:
        self._ledger.add("garbage", connection=one.number, frames=len(rubbish), ts=blow.wall)
        self._ledger.flush()
        for piece in rubbish:
            one.send(piece)
        one.flush()
