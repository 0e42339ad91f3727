"""Answers of sources, for tests: a market, its raw descriptions, and the states in tests/data."""

import json
import os
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from actors.model.market import Asset, Market, Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.contract.slots import COLLATERALS, position_ids
from actors.resolution.evidence import Evidence

CONDITION = ConditionId("0x" + "c0ffee" * 10 + "0001")
# Those of the condition, as tests/data has them too.
YES, NO = position_ids(bytes.fromhex(CONDITION[2:]), COLLATERALS[0])
MARKET = Market(
    condition_id=CONDITION,
    question="Will it rain in Bern on 1 May?",
    slug="rain-in-bern",
    assets=(
        Asset(token_id=YES, outcome="Yes", outcome_index=0),
        Asset(token_id=NO, outcome="No", outcome_index=1),
    ),
)
AT_MS = 1_780_000_000_000

Payouts = tuple[tuple[TokenId, Decimal], ...]


class State(msgspec.Struct, frozen=True):
    """A state that a source can report, and what must be read from it (in outcome order)."""

    state: str
    reason: str
    payouts: list[str] | None
    answer: msgspec.Raw

    @property
    def expected(self) -> list[object] | None:
        """Return the payouts as exact numbers."""
        return None if self.payouts is None else [Decimal(share) for share in self.payouts]


def states(name: str) -> list[State]:
    path = Path(__file__).parent.parent / "data" / "outcome" / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=list[State])


def state(name: str, wanted: str) -> bytes:
    return next(bytes(each.answer) for each in states(name) if each.state == wanted)


def changed(raw: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(raw) | fields).encode()


def fixtures() -> Path | None:
    """Return the directory of recorded answers where there is one."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
    path = Path(os.environ.get("TRACKER_FIXTURES", beside))
    return path if path.is_dir() else None


def pays(yes: str, no: str) -> Payouts:
    return ((YES, Decimal(yes)), (NO, Decimal(no)))


def seen(
    source: Source, at_ms: int, payouts: Payouts | None = None, reason: str = "open"
) -> Observation:
    return Observation(
        condition_id=CONDITION,
        source=source,
        observed_at_ms=at_ms,
        payouts=payouts,
        reason="" if payouts else reason,
        payload="{}",
    )


def evidence_of(
    observations: Iterable[Observation], condition_id: ConditionId = CONDITION
) -> Evidence:
    """Return the evidence on a market after these observations, added by their time.

    Those of the same time are added in the order in which they are given.
    """
    evidence = Evidence(condition_id=condition_id)
    for observation in sorted(observations, key=lambda each: each.observed_at_ms):
        evidence = evidence.add(observation)
    return evidence


def in_order(observation: Observation, market: Market = MARKET) -> list[object] | None:
    """Return the payouts in outcome order, whatever order the source had."""
    if observation.payouts is None:
        return None
    shares = dict(observation.payouts)
    assert len(shares) == len(observation.payouts)
    return [shares[token_id] for token_id in market.token_ids]
