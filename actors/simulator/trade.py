"""Prints: what is drawn for one, its text on the wire and its line in the ledger."""

import random
from dataclasses import dataclass, replace

from actors.simulator.identity import hex_id
from actors.simulator.market import CENT, MIL, Market

SHARED_HASH = 0.05
TWIN = 0.001
LATE = 0.02
LATE_MS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade. `n` counts the trades of the run from 1; `twin` the identical ones from 1."""

    n: int
    token: str
    condition: str
    price: str
    size: str
    side: str
    ts: int
    hash: str
    fee: str
    twin: int = 1

    @property
    def text(self) -> bytes:
        """Return the `last_trade_price` event."""
        return (
            f'{{"market":"{self.condition}","asset_id":"{self.token}","price":"{self.price}"'
            f',"size":"{self.size}","fee_rate_bps":"{self.fee}","side":"{self.side}"'
            f',"timestamp":"{self.ts}","event_type":"last_trade_price"'
            f',"transaction_hash":"{self.hash}"}}'
        ).encode()


class Tape:
    """Draws prints one after the other; every number it gives is used once.

    Args:
        seed: What decides the hashes.
        run: The run they belong to.
        rng: Where chance comes from.
    """

    def __init__(self, seed: int, run: int, rng: random.Random) -> None:
        self._seed = seed
        self.run = run
        self._rng = rng
        self._last_hash = ""
        self._seen: dict[tuple[str, ...], int] = {}
        self.n = 0

    def draw(self, market: Market, side: int, now: int) -> tuple[Trade, ...]:
        """Print one trade of a market, seldom with an identical twin behind it.

        Args:
            market: Whose price moves a step, perhaps.
            side: 0 or 1, the token.
            now: Wall clock, milliseconds; a few trades carry a slightly older time.
        """
        self._walk(market)
        rng = self._rng
        ts = now - rng.randint(1, LATE_MS) if rng.random() < LATE else now
        first = self.make(
            market,
            side,
            ts=ts,
            price=market.text_price(side),
            size=self._size(),
            taker=rng.choice(("BUY", "SELL")),
        )
        if rng.random() >= TWIN:
            return (first,)
        return (first, self.again(first))

    def make(
        self, market: Market, side: int, *, ts: int, price: str, size: str, taker: str
    ) -> Trade:
        """Number a trade; its time never steps back on its own token."""
        self.n += 1
        ts = max(ts, market.last_ts[side])
        market.last_ts[side] = ts
        market.last_price[side] = price
        market.volume += float(size)
        if not self._last_hash or self._rng.random() >= SHARED_HASH:
            self._last_hash = hex_id("tx", self._seed, self.run, self.n)
        trade = Trade(
            n=self.n,
            token=market.tokens[side],
            condition=market.condition,
            price=price,
            size=size,
            side=taker,
            ts=ts,
            hash=self._last_hash,
            fee="" if self.n % 20 == 0 else "0",
        )
        return replace(trade, twin=self._count(trade))

    def again(self, trade: Trade) -> Trade:
        """Return the identical twin of a trade, with a number of its own."""
        self.n += 1
        return replace(trade, n=self.n, twin=self._count(trade))

    def _count(self, trade: Trade) -> int:
        """Count identical trades; one hash lives for moments, so old keys are dropped."""
        if len(self._seen) > 4096:
            keep = list(self._seen.items())[-1024:]
            self._seen = dict(keep)
        key = (trade.token, trade.price, trade.size, trade.side, str(trade.ts), trade.hash)
        self._seen[key] = self._seen.get(key, 0) + 1
        return self._seen[key]

    def _walk(self, market: Market) -> None:
        step = self._rng.choice((-1, 0, 0, 0, 1))
        market.price = min(max(market.price + step, 2), market.ticks - 2)

    def _size(self) -> str:
        """Draw a size as the exchange shows it: often 0.02, often whole, up to 6 decimals."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.16:
            return "0.02"
        if kind < 0.5:
            return str(rng.randint(1, 500))
        return f"{rng.uniform(0.1, 4000):.{rng.randint(1, 6)}f}"


def finer(market: Market) -> int | None:
    """Change the price step near the edges; gives the steps a dollar before, if it changed."""
    share = market.price / market.ticks
    if market.ticks == CENT and not 0.04 <= share <= 0.96:
        market.ticks, market.price = MIL, market.price * 10
        return CENT
    return None
