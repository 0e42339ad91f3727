"""The outcome rule: from what the sources say to a verdict, or to none.

Sources: Gamma, CLOB, Data API, chain. See docs/architecture.md, "A market resolves".
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from actors.logic.trade import ConditionId, TokenId


class Source(StrEnum):
    """Who was asked."""

    GAMMA = "gamma"
    CLOB = "clob"
    DATA = "data"
    CHAIN = "chain"


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one source said of one market at one time.

    Attributes:
        observed_at_ms: Wall clock, milliseconds since 1970.
        payouts: (token id, payout) for each token when the source's word is
            final: payouts in 0..1 that add up to 1. None when it is not final.
        reason: Why it is not final, in one stable phrase; empty when final.
        payload: The part of the answer that says so, as JSON text.
    """

    condition_id: ConditionId
    source: Source
    observed_at_ms: int
    payouts: tuple[tuple[TokenId, Decimal], ...] | None
    reason: str
    payload: str


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict to be recorded for ever.

    Attributes:
        kind: `winner` or `split`.
        winning_token_id, winning_outcome: None for a split.
        payouts: In outcome order, sum 1.
        resolved_at_ms: When the market resolved as the sources tell it, or the
            time of the first final observation when none tells.
        sources: Who agreed.
    """

    condition_id: ConditionId
    kind: str
    winning_token_id: TokenId | None
    winning_outcome: str | None
    payouts: tuple[Decimal, ...]
    resolved_at_ms: int
    sources: tuple[Source, ...]


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A source says something else than what is recorded, or than another source."""

    condition_id: ConditionId
    detected_at_ms: int
    recorded: str
    observed: str
    source: Source
