"""The exchange: markets begin, end and are resolved, trades and book noise are sent.

`turn(now, wall)` does all that is due since the last turn and flushes first the ledger, then the
sockets. All chance comes from one seeded generator; the number of events in a turn follows from
the clock. `Calendar` is a heap of dates (announced, opened, ended, resolved), so that a turn
costs only what is due in it.
"""

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from actors.simulator import events
from actors.simulator.channel import Channel, Connection
from actors.simulator.events import (
    PING,
    LevelPool,
    Trade,
    TradeGenerator,
    fragments,
    frame,
    refine_tick,
    spelled,
)
from actors.simulator.ledger import Ledger
from actors.simulator.market import NEVER, Market
from actors.simulator.markets import Markets, MarketSpec, ledger_line
from actors.simulator.options import Options
from actors.simulator.sources.finality import final_at, true_outcome
from actors.simulator.sources.matched import Stream
from actors.simulator.sources.trades import Tape

LATEST_S = 1.0
"""The most time that one turn catches up with."""
BOOK_AFTER_TRADE = 0.3
"""Share of the trades that a book follows."""
BOOK_TWICE = 0.02
"""Share of these books that are sent twice."""
RESOLVED_SENT = 0.8
"""Share of the resolutions that `market_resolved` announces."""
REBUILD_MS = 100
"""How often the weights of the trading markets are computed, at most."""
DAY_MS = 86_400_000
LATE_SHARE, LATE_MS = 0.05, 3_000
"""Where trades are late: the share of them, and by how much."""
EMPTY = frame(b"")


class Calendar:
    """Announces, opens, ends and resolves markets at their dates.

    Args:
        markets: The markets.
        channel: The subscribers.
        ledger: Gets the plan and the outcome of every market.
        pool: Sizes and hashes of books.
        rng: Source of chance.
        zipf: How unevenly trades are spread over markets; 0 makes all alike.

    Attributes:
        trading: Markets that trade, the busiest first.
        weights: Their cumulative weights.
        resolved: How many were resolved in this run.
    """

    def __init__(
        self,
        markets: Markets,
        channel: Channel,
        ledger: Ledger,
        pool: LevelPool,
        rng: random.Random,
        *,
        zipf: float,
    ) -> None:
        self.trading: list[Market] = []
        self.weights: list[float] = []
        self.resolved = 0
        self._markets = markets
        self._channel = channel
        self._ledger = ledger
        self._pool = pool
        self._rng = rng
        self._zipf = zipf
        self._dates: list[tuple[int, int, Market]] = []
        self._order = 0
        self._open: dict[str, Market] = {}
        self._stale = False
        self._built = 0

    def add(self, market: Market, wall: int) -> None:
        """Write a market with its planned lifetime to the ledger, and note its dates."""
        self._ledger.add("market", **ledger_line(market, self._markets.broken), ts=wall)
        lifetime = market.lifetime
        for when in (lifetime.announced, lifetime.trades, lifetime.ends, lifetime.reported):
            if when != NEVER:
                self._order += 1
                heapq.heappush(self._dates, (when, self._order, market))

    def turn(self, wall: int) -> None:
        """Do what is due at a time (wall clock, milliseconds)."""
        while self._dates and self._dates[0][0] <= wall:
            self._advance(heapq.heappop(self._dates)[2], wall)
        if self._stale and wall - self._built >= REBUILD_MS:
            self._rank(wall)

    def _rank(self, wall: int) -> None:
        self._stale, self._built = False, wall
        self.trading = sorted(self._open.values(), key=_rank_key)
        places = range(1, len(self.trading) + 1)
        self.weights = list(accumulate(place**-self._zipf for place in places))

    def _advance(self, market: Market, wall: int) -> None:
        lifetime = market.lifetime
        if not market.announced and lifetime.announced <= wall:
            market.announced = True
            self._channel.send(
                self._channel.custom_subscribers(), frame(events.new_market(market, wall))
            )
        if not market.ended and lifetime.trades <= wall and market.condition not in self._open:
            self._open[market.condition] = market
            self._stale = True
        if not market.ended and lifetime.ends <= wall:
            market.ended = True
            self._open.pop(market.condition, None)
            self._stale = True
            self._empty_book(market, wall)
        if not market.settled and lifetime.reported <= wall:
            self._settle(market, wall)

    def _empty_book(self, market: Market, wall: int) -> None:
        market.changed = [wall, wall]
        subscribers = self._channel.subscribers_of(market.tokens)
        for offset in (-3, -2, -1, 1, 2, 3):
            change = events.price_change(market, wall, offset, self._pool, gone=True)
            self._channel.send(subscribers, frame(change))

    def _settle(self, market: Market, wall: int) -> None:
        market.settled = True
        self.resolved += 1
        true = true_outcome(market, self._markets.broken)
        if true is not None:
            self._record_outcome(market, true, wall)
        if self._rng.random() < RESOLVED_SENT:
            subscribers = self._channel.subscribers_of(market.tokens, custom=True)
            self._channel.send(subscribers, frame(events.market_resolved(market, wall)))
        self._close_settled(market)

    def _record_outcome(self, market: Market, true: str, wall: int) -> None:
        self._ledger.add(
            "outcome",
            run=self._markets.run,
            condition=market.condition,
            true_outcome=true,
            winning_token=None if market.winner is None else market.tokens[market.winner],
            payouts=market.payouts(),
            final_at=final_at(market, self._markets.broken),
            fate=market.fate,
            ts=wall,
        )

    def _close_settled(self, market: Market) -> None:
        """Close the connections that are now subscribed to resolved markets only."""
        for connection in self._channel.subscribers_of(market.tokens):
            held = (self._markets.by_token[token][0] for token in connection.tokens)
            if all(one.settled for one in held):
                self._ledger.flush()
                connection.close(1000, "all subscribed assets resolved", by="server")


def _rank_key(market: Market) -> tuple[int, int]:
    """Order markets from busy to quiet, old and new ones mixed, alike in every run of a seed."""
    return (market.index * 7919 % 101, market.index)


class Exchange:
    """Makes markets, trades and book noise at the rates of the options.

    Args:
        options: Rates and sizes.
        markets: The markets.
        channel: The subscribers.
        ledger: Gets every trade.
        pool: Sizes and hashes of books.
        rng: Source of chance.

    Attributes:
        trades_per_second, noise_per_second, markets_per_second: May be changed during the run.
        noise: `price_change` messages so far.
        delivered: Deliveries of trades so far, one for each subscriber.
        tape: What the Data API lists of them.
        stream: What RTDS tells of them.
    """

    def __init__(
        self,
        options: Options,
        markets: Markets,
        channel: Channel,
        ledger: Ledger,
        pool: LevelPool,
        rng: random.Random,
    ) -> None:
        self.trades_per_second = options.trades_per_second
        self.noise_per_second = options.noise_per_second
        self.markets_per_second = options.markets_per_second
        step_ms = 1000 if "seconds" in options.broken else 1
        self.generator = TradeGenerator(options.seed, markets.run, rng, step_ms=step_ms)
        self._broken = options.broken
        self.noise = 0
        self.delivered = 0
        self.tape = Tape(markets)
        self.stream = Stream(options.broken)
        self._options = options
        self._markets = markets
        self._channel = channel
        self._ledger = ledger
        self._pool = pool
        self._rng = rng
        self._sends_late = "late_3s" in options.broken
        self._late: deque[tuple[int, tuple[Trade, ...], Market, int]] = deque()
        self._owed: dict[str, float] = {}
        self._last: float | None = None
        self.calendar = Calendar(markets, channel, ledger, pool, rng, zipf=options.zipf)

    def populate(self, wall: int) -> None:
        """Make the markets that exist from the start, and write all to the ledger."""
        rng = random.Random(f"lives:{self._options.seed}:{self._markets.run}")
        for number in range(self._options.markets):
            market = self._markets.make(self._initial_spec(number, wall, rng))
            market.announced = True
        for market in self._markets:
            if not market.settled:
                self.calendar.add(market, wall)
        self._ledger.flush()

    def _initial_spec(self, number: int, wall: int, rng: random.Random) -> MarketSpec:
        """Describe one of the first markets: a share of them ends from `first_end` on, one by one.

        The rest outlives the run.
        """
        share = self._options.ending
        if int((number + 1) * share) == int(number * share):
            days = rng.randint(2, 300)
            fate = "stuck" if number % 50 == 48 else "long"
            return MarketSpec(announced=0, trades=wall, ends=wall + days * DAY_MS, fate=fate)
        latest = int(self._options.life[1] * 1000)
        earliest = int(self._options.first_end * 1000)
        ends = wall + rng.randint(min(earliest, latest), latest)
        return MarketSpec(announced=0, trades=wall, ends=ends)

    def add(self, spec: MarketSpec, wall: int) -> Market:
        """Make a market during the run; it is announced at its time."""
        market = self._markets.make(spec)
        self.calendar.add(market, wall)
        return market

    def turn(self, now: float, wall: int) -> None:
        """Send and change what is due.

        Args:
            now: Monotonic seconds.
            wall: Milliseconds since 1970.
        """
        passed = 0.0 if self._last is None else min(now - self._last, LATEST_S)
        self._last = now
        for _ in range(self._due("market", self.markets_per_second, passed)):
            self._start_market(wall)
        self.calendar.turn(wall)
        self._send_late_trades(wall)
        self._make_trades(self._due("trade", self.trades_per_second, passed), wall)
        self._send_noise(self._due("noise", self.noise_per_second, passed), wall)
        self._send_pings_and_empty_frames(passed)
        self.stream.turn(now, wall)
        self.flush()

    def flush(self) -> None:
        """Write the ledger, then the sockets."""
        self._ledger.flush()
        self._channel.flush()

    def _due(self, what: str, rate: float, passed: float) -> int:
        """Return how many of something are due; fractions are kept for the next turn."""
        owed = self._owed.get(what, 0.0) + rate * passed
        count = int(owed)
        self._owed[what] = owed - count
        return count

    def _start_market(self, wall: int) -> None:
        low, high = self._options.life
        trades = wall + self._rng.randint(2000, 3000)
        lifetime = self._rng.randint(int(low * 1000), int(high * 1000))
        self.add(MarketSpec(announced=wall, trades=trades, ends=trades + lifetime), wall)

    def _draw_markets(self, count: int) -> Sequence[Market]:
        calendar = self.calendar
        if not (count and calendar.trading):
            return ()
        return self._rng.choices(calendar.trading, cum_weights=calendar.weights, k=count)

    def _make_trades(self, count: int, wall: int) -> None:
        for market in self._draw_markets(count):
            if market.ended:
                continue
            side = self._rng.getrandbits(1)
            made = self.generator.draw(market, side, wall)
            if self._sends_late and self._rng.random() < LATE_SHARE:
                self._late.append((wall + LATE_MS, made, market, side))
            else:
                self.send_trades(made, market, side, wall)

    def _send_late_trades(self, wall: int) -> None:
        """Send what was held back, when its time has come; a market may have ended meanwhile."""
        while self._late and self._late[0][0] <= wall:
            _, trades, market, side = self._late.popleft()
            self.send_trades(trades, market, side, wall)

    def send_trades(self, trades: tuple[Trade, ...], market: Market, side: int, wall: int) -> None:
        """Write trades to the ledger and queue them for the subscribers of their token."""
        subscribers = self._channel.subscribers(market.tokens[side])
        market.changed[side] = wall
        for trade in trades:
            self._record(trade, subscribers)
            if subscribers:
                self._send_trade(trade, subscribers, market, wall)
        if subscribers and self._rng.random() < BOOK_AFTER_TRADE:
            self._book(market, side, wall)
        old = refine_tick(market)
        if old is not None:
            for which, token in enumerate(market.tokens):
                change = events.tick_size_change(market, which, wall, old)
                self._channel.send(self._channel.subscribers(token), frame(change))

    def _send_trade(
        self, trade: Trade, subscribers: Sequence[Connection], market: Market, wall: int
    ) -> None:
        data = self._frame_trade(spelled(trade, self._broken), market, wall)
        first, others = subscribers[:1], subscribers[1:]
        if "stamps_differ" in self._broken:
            self._channel.send(first, data)
            text = spelled(replace(trade, ts=trade.ts + 1), self._broken)
            self._channel.send(others, self._frame_trade(text, market, wall))
            return
        self._channel.send(subscribers, data)
        if "delivered_twice" in self._broken:
            self._channel.send(first, data)

    def _record(self, trade: Trade, subscribers: Sequence[Connection]) -> None:
        self.delivered += len(subscribers)
        self.tape.add(trade)
        self.stream.add(trade)
        self._ledger.add(
            "trade",
            run=self._markets.run,
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
            delivered=len(subscribers),
            to=[one.number for one in subscribers],
        )

    def _frame_trade(self, text: bytes, market: Market, wall: int) -> bytes:
        """Frame a trade: mostly alone, sometimes in an array, fragmented or with a newline."""
        chance = self._rng.random()
        if chance < 0.05:
            market.changed = [wall, wall]
            change = events.price_change(market, wall, 2, self._pool)
            return frame(b"[" + change + b"," + text + b"]")
        if chance < 0.07:
            return frame(text + b"\n")
        if chance < 0.08:
            return fragments(text, 3)
        return frame(text)

    def _book(self, market: Market, side: int, wall: int) -> None:
        data = frame(events.book(market, side, wall, self._pool))
        subscribers = self._channel.subscribers(market.tokens[side])
        self._channel.send(subscribers, data)
        if self._rng.random() < BOOK_TWICE:
            self._channel.send(subscribers, data)
        custom = [one for one in subscribers if one.custom]
        if custom:
            self._channel.send(custom, frame(events.best_bid_ask(market, side, wall)))

    def _send_noise(self, count: int, wall: int) -> None:
        self.noise += count
        offsets = self._rng.choices((-3, -2, -1, 1, 2, 3), k=count)
        for market, offset in zip(self._draw_markets(count), offsets, strict=False):
            market.changed = [wall, wall]
            subscribers = self._channel.subscribers_of(market.tokens)
            if subscribers:
                change = events.price_change(market, wall, offset, self._pool)
                self._channel.send(subscribers, frame(change))

    def _send_pings_and_empty_frames(self, passed: float) -> None:
        # The real server sends both now and then, and a reader must tolerate them.
        live = list(self._channel.connections.values())
        for _ in range(self._due("ping", 0.2 * len(live), passed)):
            one = self._rng.choice(live)
            if one.subscribed:
                self._channel.send((one,), frame(b"sim", PING))
        for _ in range(self._due("empty", 0.3 * len(live), passed)):
            one = self._rng.choice(live)
            if one.subscribed:
                self._channel.send((one,), EMPTY)
