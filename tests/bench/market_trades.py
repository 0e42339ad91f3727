"""Many generated trades of 3,000 tokens, a few of them busy, as on the exchange."""

import random
from collections.abc import Iterator
from decimal import Decimal

from actors.model.trade import ConditionId, TokenId, Trade

START_MS = 1_785_000_000_000
TOKENS = 3000


def made(count: int, *, seed: int = 1) -> list[Trade]:
    """Return so many different trades, in the order of their times, 200 a second."""
    rng = random.Random(f"prints:{seed}")
    tokens = [str(10**76 + rng.randrange(9 * 10**76)) for _ in range(TOKENS)]
    conditions = [f"0x{rng.getrandbits(256):064x}" for _ in range(TOKENS // 2)]
    weights = [1 / (place + 1) ** 0.9 for place in range(TOKENS)]
    chosen = rng.choices(range(TOKENS), weights, k=count)
    return [_made(rng, number, token, tokens, conditions) for number, token in enumerate(chosen)]


def _made(
    rng: random.Random, number: int, token: int, tokens: list[str], conditions: list[str]
) -> Trade:
    at_ms = START_MS + number * 5
    digits = rng.choice((0, 1, 2, 2, 6, 6))
    return Trade(
        token_id=TokenId(tokens[token]),
        condition_id=ConditionId(conditions[token // 2]),
        traded_at_ms=at_ms,
        received_at_ns=(at_ms + 40) * 1_000_000,
        price=Decimal(f"0.{rng.randrange(10, 1000):03d}"),
        size=Decimal(f"{rng.uniform(1, 900):.{digits}f}"),
        side=rng.choice(("BUY", "SELL")),
        fee_rate_bps=0,
        transaction_hash=f"0x{rng.getrandbits(256):064x}",
    )


def on_two_feeds(trades: list[Trade], *, apart: int = 200) -> Iterator[Trade]:
    """Yield every trade twice, the second time so many trades later."""
    for number, trade in enumerate(trades):
        yield trade
        if number >= apart:
            yield trades[number - apart]
    yield from trades[-apart:]
