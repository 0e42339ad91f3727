"""Trades, markets, resolutions and observations for tests of the database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from actors.model.histogram import Histogram
from actors.model.market import (
    Asset,
    Details,
    Event,
    Market,
    Observation,
    Resolution,
    Source,
    TokenPayout,
)
from actors.model.storage import Committed
from actors.model.trade import ConditionId, TokenId, Trade

CONDITION = ConditionId("0x" + "a1" * 32)
YES = TokenId("1" * 77)
NO = TokenId("2" * 78)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def ns(second: float) -> int:
    return round(at(second).timestamp() * 1000) * 1_000_000


def trade(second: float = 0, **changes: Any) -> Trade:
    given: dict[str, Any] = {
        "token_id": YES,
        "condition_id": CONDITION,
        "traded_at_ms": ns(second) // 1_000_000,
        "received_at_ns": ns(second) + 5_000_000,
        "price": Decimal("0.330"),
        "size": Decimal("10.820819"),
        "side": "BUY",
        "fee_rate_bps": 0,
        "transaction_hash": "0x" + "5f" * 32,
    }
    return Trade(**given | changes)


EVENT = Event(
    event_id="30829",
    slug="weather",
    title="The weather",
    series_slug="daily-weather",
    neg_risk=True,
    neg_risk_augmented=False,
    neg_risk_market_id="0x" + "c3" * 32,
    starts_at=datetime(2026, 3, 2, tzinfo=UTC),
    end_at=datetime(2026, 3, 3, tzinfo=UTC),
)
DETAILS = Details(
    event=EVENT,
    neg_risk_market_id="0x" + "c3" * 32,
    group_title="Rain",
    game_start=datetime(2026, 3, 2, 12, tzinfo=UTC),
    closed_time=datetime(2026, 3, 3, 12, tzinfo=UTC),
    tick_size=Decimal("0.001"),
    fee_schedule='{"exponent":1,"rate":0.03,"rebateRate":0.25,"takerOnly":true}',
    description="This market resolves to Yes if it rains.",
)


def market(
    condition_id: str = CONDITION, tokens: tuple[str, ...] = (YES, NO), **more: Any
) -> Market:
    names = ("Yes", "No")
    given: dict[str, Any] = {
        "condition_id": ConditionId(condition_id),
        "question": "Will it rain?",
        "slug": "will-it-rain",
        "assets": tuple(
            Asset(token_id=TokenId(token), outcome=names[index], outcome_index=index)
            for index, token in enumerate(tokens)
        ),
    }
    return Market(**given | more)


def observation(**changes: Any) -> Observation:
    given: dict[str, Any] = {
        "condition_id": CONDITION,
        "source": Source.GAMMA,
        "observed_at_ms": ns(0) // 1_000_000,
        "payouts": ((YES, Decimal(1)), (NO, Decimal(0))),
        "reason": "",
        "payload": '{"closed": true}',
    }
    return Observation(**given | changes)


def resolution(tokens: tuple[str, str] = (YES, NO), **changes: Any) -> Resolution:
    """Return a resolution with its evidence: each of its sources says so, at the first second."""
    given: dict[str, Any] = {
        "condition_id": CONDITION,
        "kind": "winner",
        "winning_token_id": tokens[0],
        "winning_outcome": "Yes",
        "payouts": (Decimal(1), Decimal(0)),
        "resolved_at_ms": ns(0) // 1_000_000,
        "sources": (Source.GAMMA, Source.CLOB),
        **changes,
    }
    paid = tuple(zip(map(TokenId, tokens), given["payouts"], strict=True))
    proof: dict[str, Any] = {
        "by_token": tuple(
            TokenPayout(token_id=token, outcome=name, payout=payout)
            for (token, payout), name in zip(paid, ("Yes", "No"), strict=True)
        ),
        "evidence": tuple(
            observation(condition_id=given["condition_id"], source=source, payouts=paid)
            for source in given["sources"]
        ),
    }
    return Resolution(**proof | given)


def untimed(committed: Committed) -> Committed:
    """Return what was committed, without what the clocks say of it."""
    return replace(committed, took_s=0.0, ages=Histogram())
