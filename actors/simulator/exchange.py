"""The exchange itself: time passes, markets begin and end, trades and book noise are sent.

`turn(now, wall)` does all that is due since the last turn and flushes the ledger, then the
sockets, in this order. All chance comes from one seeded generator; how many events a turn has
follows from the clock. `Calendar` is a heap of coming dates (announced, opened, ended, resolved),
so that a turn costs only what is due in it.
"""

import heapq
import random
from collections.abc import Sequence
from itertools import accumulate

from actors.simulator import events
from actors.simulator.channel import Channel
from actors.simulator.events import PING, Churn, Tape, Trade, finer, fragments, frame
from actors.simulator.ledger import Ledger
from actors.simulator.market import NEVER, Market
from actors.simulator.markets import Markets, Wish, line_of
from actors.simulator.options import Options

LATEST_S = 1.0
BOOK_AFTER_TRADE = 0.3
DAY_MS = 86_400_000
EMPTY = frame(b"")


RESOLVED_TOLD = 0.8
REBUILD_MS = 100


class Calendar:
    """Lives of markets, as time passes.

    Args:
        universe: The markets.
        channel: Who is told.
        ledger: What happened.
        churn: Sizes and hashes of books.
        rng: Where chance comes from.
        zipf: How much hotter the hot markets are; 0 makes all alike.

    Attributes:
        trading: Markets that trade, hot ones first.
        weights: Their cumulative weights.
        resolved: How many were settled in this run.
    """

    def __init__(
        self,
        universe: Markets,
        channel: Channel,
        ledger: Ledger,
        churn: Churn,
        rng: random.Random,
        *,
        zipf: float,
    ) -> None:
        self.trading: list[Market] = []
        self.weights: list[float] = []
        self.resolved = 0
        self._universe = universe
        self._channel = channel
        self._ledger = ledger
        self._churn = churn
        self._rng = rng
        self._zipf = zipf
        self._dates: list[tuple[int, int, Market]] = []
        self._order = 0
        self._open: dict[str, Market] = {}
        self._stale = False
        self._built = 0

    def enter(self, market: Market, wall: int) -> None:
        """Put a market with its whole plan into the ledger and on the calendar."""
        self._ledger.add("market", **line_of(market), ts=wall)
        life = market.life
        for when in (life.announced, life.trades, life.ends, life.reported):
            if when != NEVER:
                self._order += 1
                heapq.heappush(self._dates, (when, self._order, market))

    def turn(self, wall: int) -> None:
        """Do what is due."""
        while self._dates and self._dates[0][0] <= wall:
            self._grow(heapq.heappop(self._dates)[2], wall)
        if self._stale and wall - self._built >= REBUILD_MS:
            self._rank(wall)

    def _rank(self, wall: int) -> None:
        self._stale, self._built = False, wall
        self.trading = sorted(self._open.values(), key=_heat)
        places = range(1, len(self.trading) + 1)
        self.weights = list(accumulate(place**-self._zipf for place in places))

    def _grow(self, market: Market, wall: int) -> None:
        life = market.life
        if not market.announced and life.announced <= wall:
            market.announced = True
            self._channel.tell(self._channel.custom(), frame(events.new_market(market, wall)))
        if not market.ended and life.trades <= wall and market.condition not in self._open:
            self._open[market.condition] = market
            self._stale = True
        if not market.ended and life.ends <= wall:
            market.ended = True
            self._open.pop(market.condition, None)
            self._stale = True
            self._empty_book(market, wall)
        if not market.settled and life.reported <= wall:
            self._settle(market, wall)

    def _empty_book(self, market: Market, wall: int) -> None:
        listeners = self._channel.of_market(market.tokens)
        for offset in (-3, -2, -1, 1, 2, 3):
            change = events.price_change(market, wall, offset, self._churn, gone=True)
            self._channel.tell(listeners, frame(change))

    def _settle(self, market: Market, wall: int) -> None:
        market.settled = True
        self.resolved += 1
        if market.true_outcome is not None:
            self._tell_outcome(market, wall)
        if self._rng.random() < RESOLVED_TOLD:
            told = self._channel.of_market(market.tokens, custom=True)
            self._channel.tell(told, frame(events.market_resolved(market, wall)))
        self._dismiss(market)

    def _tell_outcome(self, market: Market, wall: int) -> None:
        self._ledger.add(
            "outcome",
            run=self._universe.run,
            condition=market.condition,
            true_outcome=market.true_outcome,
            winning_token=None if market.winner is None else market.tokens[market.winner],
            payouts=market.payouts(),
            final_at=market.final_at,
            fate=market.fate,
            ts=wall,
        )

    def _dismiss(self, market: Market) -> None:
        """Close whoever is now subscribed to settled markets only."""
        for connection in self._channel.of_market(market.tokens):
            held = (self._universe.by_token[token][0] for token in connection.tokens)
            if all(one.settled for one in held):
                self._ledger.flush()
                connection.close(1000, "all subscribed assets resolved", by="server")


def _heat(market: Market) -> tuple[int, int]:
    """Order from hot to cold, old and new markets mixed, the same in every run of a seed."""
    return (market.index * 7919 % 101, market.index)


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
        self.markets_per_second = options.markets_per_second
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
        for _ in range(self._due("market", self.markets_per_second, passed)):
            self._begin_market(wall)
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

    def _begin_market(self, wall: int) -> None:
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
                occurrence=trade.occurrence,
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
                change = events.tick_size_change(market, which, wall, old)
                self._channel.tell(self._channel.listeners(token), frame(change))

    def _dress(self, text: bytes, market: Market, wall: int) -> bytes:
        """Frame a trade: mostly alone, at times in an array, in pieces or with a newline."""
        chance = self._rng.random()
        if chance < 0.05:
            change = events.price_change(market, wall, 2, self._churn)
            return frame(b"[" + change + b"," + text + b"]")
        if chance < 0.07:
            return frame(text + b"\n")
        if chance < 0.08:
            return fragments(text, 3)
        return frame(text)

    def _book(self, market: Market, side: int, wall: int) -> None:
        data = frame(events.book(market, side, wall, self._churn))
        listeners = self._channel.listeners(market.tokens[side])
        self._channel.tell(listeners, data)
        if self._rng.random() < 0.02:
            self._channel.tell(listeners, data)
        custom = [one for one in listeners if one.custom]
        if custom:
            self._channel.tell(custom, frame(events.best_bid_ask(market, side, wall)))

    def _rustle(self, count: int, wall: int) -> None:
        self.noise += count
        offsets = self._rng.choices((-3, -2, -1, 1, 2, 3), k=count)
        for market, offset in zip(self._draw(count), offsets, strict=False):
            listeners = self._channel.of_market(market.tokens)
            if listeners:
                change = events.price_change(market, wall, offset, self._churn)
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
