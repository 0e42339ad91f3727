"""Outcomes as values: what sources say of a market, what is recorded of it."""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from actors.model.market import Market
from actors.model.trade import ConditionId, TokenId


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


NOTHING = Decimal(0)
HALF = Decimal("0.5")
ALL = Decimal(1)


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict to be recorded for ever.

    Attributes:
        kind: `winner` or `split`.
        winning_token_id, winning_outcome: None for a split.
        payouts: In outcome order, sum 1.
        resolved_at_ms: When the market resolved as the sources tell it, or the
            time from which two of them agreed when none tells.
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


def is_outcome(payouts: Sequence[Decimal]) -> bool:
    """Return whether these finite numbers are the payouts of a winner (1, 0) or a split (½, ½)."""
    return sorted(payouts) in ([NOTHING, ALL], [HALF, HALF])


DISPUTED = frozenset({"disputed", "challenged", "arbitration"})
PROPOSED = frozenset({"proposed", "reproposed"})
TRACKER = "tracker"
"""The source of a transition, beside the sources of words."""


class MarketState(StrEnum):
    """Where a market stands."""

    OPEN = "open"
    ENDED = "ended"
    PROPOSED = "proposed"
    DISPUTED = "disputed"
    HOLDING = "agreed-holding"
    RECORDED = "recorded"
    CONFLICT = "conflict"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A market stands elsewhere than before.

    Attributes:
        at_ms: Wall clock, milliseconds since 1970; later than that of the transition before.
        reason: What it waits for now, or what brought it here.
    """

    condition_id: ConditionId
    at_ms: int
    before: MarketState
    standing: MarketState
    reason: str


class StoredEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier lives heard last of markets that have no verdict.

    Attributes:
        observations: The last word of each source; their payload is left out.
        standings: (market, where it stood last, since when in ms).
        contradicted: Markets about which sources once contradicted each other.
    """

    observations: tuple[Observation, ...] = ()
    standings: tuple[tuple[ConditionId, MarketState, int], ...] = ()
    contradicted: tuple[ConditionId, ...] = ()


class TimeWindow(msgspec.Struct, frozen=True):
    """Looks that fall due after `since_ms` (None: since the last life) and until `until_ms`."""

    since_ms: int | None
    until_ms: int


class Recheck(msgspec.Struct, frozen=True, kw_only=True):
    """A stored verdict of which a look falls due.

    Attributes:
        recorded_at_ms: When the database took it.
        due_at_ms: The first look that falls due.
        told: (source, what it said) of contradictions that are known.
    """

    resolution: Resolution
    market: Market
    recorded_at_ms: int
    due_at_ms: int
    told: tuple[tuple[Source, str], ...] = ()


RECHECKS_MS = (
    600_000,
    3_600_000,
    6 * 3_600_000,
    24 * 3_600_000,
    3 * 24 * 3_600_000,
    7 * 24 * 3_600_000,
)
"""Ages of a verdict at which it is looked at again."""
