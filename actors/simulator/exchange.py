"""The exchange itself: time passes, markets live, trades and noise go out.

`turn(now, wall)` does all that is due since the last turn and flushes ledger,
then sockets, in this order. Everything that is chance comes from one seeded
generator; how many events a turn has follows from the clock.
"""

import random
from collections.abc import Sequence

from actors.simulator import event
from actors.simulator.calendar import Calendar
from actors.simulator.channel import Channel
from actors.simulator.event import Churn
from actors.simulator.frame import PING, fragments, frame
from actors.simulator.ledger import Ledger
from actors.simulator.market import Market
from actors.simulator.options import Options
from actors.simulator.trade import Tape, Trade, finer
from actors.simulator.universe import Markets, Wish

LATEST_S = 1.0
BOOK_AFTER_TRADE = 0.3
DAY_MS = 86_400_000
EMPTY = frame(b"")


class Exchange:
    """The clockwork.

    Args:
        options: Rates and sizes.
        universe: The markets.
        channel: The subscribers.
        ledger: What happened.
        churn: Sizes and hashes of books.
        rng: Where chance comes from.

    Attributes:
        trades_per_second, noise_per_second: May be changed while it runs.
    """

    def __init__(
        self,
        options: Options,
        universe: Markets,
        channel: Channel,
        ledger: Ledger,
        churn: Churn,
        rng: random.Random,
    ) -> None:
        self.trades_per_second = options.trades_per_second
        self.noise_per_second = options.noise_per_second
        self.births_per_second = options.births_per_second
        self.tape = Tape(options.seed, universe.run, rng)
        self.noise = 0
        self.delivered = 0
        self._options = options
        self._universe = universe
        self._channel = channel
        self._ledger = ledger
        self._churn = churn
        self._rng = rng
        self._owed: dict[str, float] = {}
        self._last: float | None = None
        self.calendar = Calendar(universe, channel, ledger, churn, rng, zipf=options.zipf)

    def populate(self, wall: int) -> None:
        """Make the markets that are there from the start, and tell the ledger of all."""
        rng = random.Random(f"lives:{self._options.seed}:{self._universe.run}")
        for number in range(self._options.markets):
            market = self._universe.make(self._first_wish(number, wall, rng))
            market.announced = True
        for market in self._universe:
            if not market.settled:
                self.calendar.enter(market, wall)
        self._ledger.flush()

    def _first_wish(self, number: int, wall: int, rng: random.Random) -> Wish:
        """A share of them ends one after the other, from `first_end` on; the rest outlive it."""
        share = self._options.ending
        if int((number + 1) * share) == int(number * share):
            days = rng.randint(2, 300)
            fate = "stuck" if number % 50 == 48 else "long"
            return Wish(announced=0, trades=wall, ends=wall + days * DAY_MS, fate=fate)
        latest = int(self._options.life[1] * 1000)
        earliest = int(self._options.first_end * 1000)
        ends = wall + rng.randint(min(earliest, latest), latest)
        return Wish(announced=0, trades=wall, ends=ends)

    def add(self, wish: Wish, wall: int) -> Market:
        """Make a market while the run goes on; it is announced when its time comes."""
        market = self._universe.make(wish)
        self.calendar.enter(market, wall)
        return market

    def turn(self, now: float, wall: int) -> None:
        """Do what is due.

        Args:
            now: Monotonic seconds.
            wall: Milliseconds since 1970.
        """
        passed = 0.0 if self._last is None else min(now - self._last, LATEST_S)
        self._last = now
        for _ in range(self._due("birth", self.births_per_second, passed)):
            self._birth(wall)
        self.calendar.turn(wall)
        self._print(self._due("trade", self.trades_per_second, passed), wall)
        self._rustle(self._due("noise", self.noise_per_second, passed), wall)
        self._quirks(passed)
        self.flush()

    def flush(self) -> None:
        """Write the ledger, then the sockets."""
        self._ledger.flush()
        self._channel.flush()

    def _due(self, what: str, rate: float, passed: float) -> int:
        owed = self._owed.get(what, 0.0) + rate * passed
        count = int(owed)
        self._owed[what] = owed - count
        return count

    def _birth(self, wall: int) -> None:
        low, high = self._options.life
        trades = wall + self._rng.randint(2000, 3000)
        life = self._rng.randint(int(low * 1000), int(high * 1000))
        self.add(Wish(announced=wall, trades=trades, ends=trades + life), wall)

    def _draw(self, count: int) -> Sequence[Market]:
        calendar = self.calendar
        if not (count and calendar.trading):
            return ()
        return self._rng.choices(calendar.trading, cum_weights=calendar.weights, k=count)

    def _print(self, count: int, wall: int) -> None:
        for market in self._draw(count):
            if market.ended:
                continue
            side = self._rng.getrandbits(1)
            self.show(self.tape.draw(market, side, wall), market, side, wall)

    def show(self, trades: tuple[Trade, ...], market: Market, side: int, wall: int) -> None:
        """Enter trades into the ledger and queue them for whoever hears their token."""
        listeners = self._channel.listeners(market.tokens[side])
        for trade in trades:
            self.delivered += len(listeners)
            self._ledger.add(
                "trade",
                run=self._universe.run,
                n=trade.n,
                token=trade.token,
                condition=trade.condition,
                price=trade.price,
                size=trade.size,
                side=trade.side,
                ts=trade.ts,
                hash=trade.hash,
                fee=trade.fee,
                twin=trade.twin,
                delivered=len(listeners),
                to=[one.number for one in listeners],
            )
            if listeners:
                self._channel.tell(listeners, self._dress(trade.text, market, wall))
        if listeners and self._rng.random() < BOOK_AFTER_TRADE:
            self._book(market, side, wall)
        old = finer(market)
        if old is not None:
            for which, token in enumerate(market.tokens):
                change = event.tick_size_change(market, which, wall, old)
                self._channel.tell(self._channel.listeners(token), frame(change))

    def _dress(self, text: bytes, market: Market, wall: int) -> bytes:
        """Frame a trade: mostly alone, at times in an array, in pieces or with a newline."""
        chance = self._rng.random()
        if chance < 0.05:
            change = event.price_change(market, wall, 2, self._churn)
            return frame(b"[" + change + b"," + text + b"]")
        if chance < 0.07:
            return frame(text + b"\n")
        if chance < 0.08:
            return fragments(text, 3)
        return frame(text)

    def _book(self, market: Market, side: int, wall: int) -> None:
        data = frame(event.book(market, side, wall, self._churn))
        listeners = self._channel.listeners(market.tokens[side])
        self._channel.tell(listeners, data)
        if self._rng.random() < 0.02:
            self._channel.tell(listeners, data)
        custom = [one for one in listeners if one.custom]
        if custom:
            self._channel.tell(custom, frame(event.best_bid_ask(market, side, wall)))

    def _rustle(self, count: int, wall: int) -> None:
        self.noise += count
        offsets = self._rng.choices((-3, -2, -1, 1, 2, 3), k=count)
        for market, offset in zip(self._draw(count), offsets, strict=False):
            listeners = self._channel.of_market(market.tokens)
            if listeners:
                change = event.price_change(market, wall, offset, self._churn)
                self._channel.tell(listeners, frame(change))

    def _quirks(self, passed: float) -> None:
        live = list(self._channel.connections.values())
        for _ in range(self._due("ping", 0.2 * len(live), passed)):
            one = self._rng.choice(live)
            if one.subscribed:
                self._channel.tell((one,), frame(b"sim", PING))
        for _ in range(self._due("empty", 0.3 * len(live), passed)):
            one = self._rng.choice(live)
            if one.subscribed:
                self._channel.tell((one,), EMPTY)
