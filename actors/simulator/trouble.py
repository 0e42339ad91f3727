"""Brings faults upon connections and sources, and writes each into the ledger."""

import random
from collections import Counter, deque
from collections.abc import Sequence

from actors.simulator.channel import Channel
from actors.simulator.connection import Connection
from actors.simulator.event import Churn, book
from actors.simulator.fault import LASTING, Fault, Weather
from actors.simulator.garbage import BAD_FRAME, pieces
from actors.simulator.ledger import Ledger
from actors.simulator.universe import Universe

FILLER = b" " * 65_536
FOREVER = float("inf")
BUSIEST = 10


class Trouble:
    """Faults on schedule and on request.

    Args:
        schedule: Ordered by `at`.
        universe: The markets.
        channel: The subscribers.
        ledger: What happened.
        rng: Chooses who is hit.

    Attributes:
        weather: The lasting faults, for the HTTP sides and the handshake.
        counts: Faults so far, by kind.
    """

    def __init__(
        self,
        schedule: Sequence[Fault],
        universe: Universe,
        channel: Channel,
        ledger: Ledger,
        rng: random.Random,
    ) -> None:
        self.weather = Weather()
        self.counts: Counter[str] = Counter()
        self._schedule = deque(schedule)
        self._universe = universe
        self._channel = channel
        self._ledger = ledger
        self._rng = rng

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
        for one in self._channel.connections.values():
            if one.frozen and one.thaws_at <= now:
                one.frozen = False

    def strike(self, fault: Fault, now: float, wall: int, *, at: int | None = None) -> list[int]:
        """Bring a fault; gives the numbers of the connections that it hit.

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
        for one in hit:
            self._hit(one, fault, now, wall)
        return [one.number for one in hit]

    def _choose(self, fault: Fault, at: int | None) -> list[Connection]:
        live = [one for one in self._channel.connections.values() if one.tokens and one.live]
        if at is not None:
            return [one for one in self._channel.connections.values() if one.number == at]
        count = int(fault.values["count"])
        return self._rng.sample(live, min(count, len(live)))

    def _note(self, fault: Fault, wall: int, **more: object) -> None:
        self._ledger.add("fault", fault=fault.kind, values=fault.values, ts=wall, **more)

    def _hit(self, one: Connection, fault: Fault, now: float, wall: int) -> None:
        kind, values = fault.kind, fault.values
        if kind == "drop":
            one.cut("fault: drop", by="fault")
        elif kind == "close":
            one.close(int(values["code"]), "fault: close", by="fault")
        elif kind == "freeze":
            one.frozen = True
            one.thaws_at = now + values["seconds"] if values["seconds"] else FOREVER
        elif kind == "deaf":
            token = self._token(one)
            one.deaf.add(token)
            self._ledger.add("deaf", connection=one.number, token=token, ts=wall)
        elif kind == "garbage":
            self._litter(one, wall)
        elif kind == "half_frame":
            market, side = self._universe.by_token[self._token(one)]
            one.half_frame(book(market, side, wall, Churn(0)))
        elif kind == "oversize":
            one.oversize(int(values["mebibytes"] * (1 << 20)), [FILLER] * 16)
        elif kind == "bad_frame":
            one.stall(BAD_FRAME)

    def _token(self, one: Connection) -> str:
        """Choose a token of a connection: one of the busiest that still trade, if there is one."""
        held = sorted(one.tokens - one.deaf) or sorted(one.tokens)
        markets = {token: self._universe.by_token[token][0] for token in held}
        busy = [token for token in held if not markets[token].ended] or held
        busy.sort(key=lambda token: -markets[token].volume)
        return self._rng.choice(busy[:BUSIEST])

    def _litter(self, one: Connection, wall: int) -> None:
        token = self._token(one)
        condition = self._universe.by_token[token][0].condition
        rubbish = pieces(token, condition, wall)
        self._ledger.add(
            "garbage", connection=one.number, token=token, frames=len(rubbish), ts=wall
        )
        self._ledger.flush()
        for piece in rubbish:
            one.send(piece)
        one.flush()
