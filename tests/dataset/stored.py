"""A database with some days of everything, for tests of data sets."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from actors.database.store import Store
from actors.dataset.export.export import Wish, export
from actors.dataset.manifest import Manifest
from actors.model.facts import (
    Fact,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    TokensConfirmed,
    TokensWanted,
)
from actors.model.storage import Batch
from actors.model.trade import TokenId, Trade
from tests.database.samples import DETAILS, market, resolution, trade

DAY = date(2026, 3, 1)
DAY_S = 86_400
PAIRS = tuple((TokenId(f"{n}1" * 20), TokenId(f"{n}2" * 20)) for n in range(1, 7))
CONDITIONS = tuple("0x" + f"{n:02x}" * 32 for n in range(1, 7))
JOURNAL = UUID(int=1)
SIZES = ("0.000001", "12.5", "219.217767", "99999999999999999999.999999999999999999", "1e-18")
PRICES = ("0.001", "0.33", "0.9999999999999999", "1", "0.000000000000000001", "0.5")


def seconds(second: float) -> datetime:
    """Return a moment by its seconds after the beginning of the first day."""
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=second)


def ns(second: float) -> int:
    return round(seconds(second).timestamp() * 1_000) * 1_000_000


def some_trades(number: int, *, days: int = 2, seed: int = 1) -> tuple[Trade, ...]:
    """Return trades of these days, many of them in one millisecond, each another one."""
    rng = Random(seed)
    made: list[Trade] = []
    alike: Counter[tuple[object, ...]] = Counter()
    for place in range(number):
        at_ms = ns(rng.choice((rng.random() * days * DAY_S, 3_600.5))) // 1_000_000
        pair = rng.randrange(len(PAIRS))
        one = trade(
            token_id=PAIRS[pair][rng.randrange(2)],
            condition_id=CONDITIONS[pair],
            traded_at_ms=at_ms,
            received_at_ns=at_ms * 1_000_000 + rng.randrange(5_000_000) * 1_000,
            price=Decimal(rng.choice(PRICES)),
            size=Decimal(rng.choice(SIZES)),
            side=rng.choice(("BUY", "SELL")),
            fee_rate_bps=rng.choice((None, 0, 200)),
            transaction_hash=rng.choice((None, f"0x{place:064x}", "0x" + "5f" * 32)),
            extra=rng.choice((None, '{"a": 1}')),
        )
        told = (one.token_id, one.traded_at_ms, one.price, one.size, one.side)
        alike[*told, one.transaction_hash] += 1
        made.append(replace(one, occurrence=alike[*told, one.transaction_hash]))
    return tuple(made)


FACTS: tuple[Fact, ...] = (
    ProcessStarted(at_ns=ns(0), host="host-1", version="1"),
    TokensWanted(at_ns=ns(0), tokens=tuple(token for pair in PAIRS for token in pair)),
    ListeningOpened(at_ns=ns(1), connection="a-0001", feed=0),
    TokensConfirmed(at_ns=ns(600), epoch=3, tokens=tuple(pair[0] for pair in PAIRS)),
    ListeningProven(proofs=((3, ns(2 * DAY_S)),)),
    ProcessAlive(at_ns=ns(2 * DAY_S + 600)),
)


def fill(store: Store, number: int = 2_000) -> None:
    """Store markets, trades of two days, coverage, and some resolutions."""
    pairs = list(zip(CONDITIONS, PAIRS, strict=True))
    listed = [
        market(
            condition,
            pair,
            slug=f"slug-{place}",
            tags=("weather",) if place % 2 else ("sports", "nba"),
            details=DETAILS if place < 2 else None,
        )
        for place, (condition, pair) in enumerate(pairs)
    ]
    ended = [
        resolution(pair, condition_id=condition, resolved_at_ms=ns(DAY_S) // 1_000_000)
        for condition, pair in pairs[:3]
    ]
    store.commit(
        Batch(
            trades=some_trades(number),
            markets=tuple(listed),
            resolutions=tuple(ended),
            facts=tuple(enumerate(FACTS, 1)),
        )
    )


def wish(days: int = 2, **given: Any) -> Wish:
    return Wish(DAY, DAY + timedelta(days=days), **given)


def exported(dsn: str, root: Path, asked: Wish | None = None) -> Manifest:
    """Export two days, or what is asked for."""
    return export(dsn, root, asked or wish(), lambda *_: None)


Exported = Callable[..., Manifest]
