"""What happens to markets when: announced, opened, ended, resolved.

A heap of coming dates, so that a turn costs only what is due in it.
"""

import heapq
import random
from itertools import accumulate

from actors.simulator import event
from actors.simulator.channel import Channel
from actors.simulator.event import Churn
from actors.simulator.frame import frame
from actors.simulator.ledger import Ledger
from actors.simulator.life import NEVER
from actors.simulator.market import Market
from actors.simulator.universe import Markets, line_of

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
        """Let happen what is due."""
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
            self._channel.tell(self._channel.custom(), frame(event.new_market(market, wall)))
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
            change = event.price_change(market, wall, offset, self._churn, gone=True)
            self._channel.tell(listeners, frame(change))

    def _settle(self, market: Market, wall: int) -> None:
        market.settled = True
        self.resolved += 1
        if market.verdict is not None:
            self._tell_outcome(market, wall)
        if self._rng.random() < RESOLVED_TOLD:
            told = self._channel.of_market(market.tokens, custom=True)
            self._channel.tell(told, frame(event.market_resolved(market, wall)))
        self._dismiss(market)

    def _tell_outcome(self, market: Market, wall: int) -> None:
        self._ledger.add(
            "outcome",
            run=self._universe.run,
            condition=market.condition,
            verdict=market.verdict,
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
