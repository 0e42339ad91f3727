"""Rows of the database as values: markets, evidence, rechecks. Pure."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from actors.model.conversion import milliseconds
from actors.model.facts import DayMeasured
from actors.model.market import (
    TRACKER,
    ContradictionKind,
    Market,
    MarketState,
    Naming,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
)
from actors.model.storage import DayStored, EarlierRun, RecordedOutcome, TokenName
from actors.model.trade import ConditionId, TokenId

Row = tuple[Any, ...]

_SOURCES = frozenset(Source)
_MARKET_STATES = frozenset(MarketState)
_NAMINGS = frozenset(Naming)

decode_market = msgspec.json.Decoder(Market).decode
_decode_day = msgspec.json.Decoder(DayMeasured).decode
_decode_payouts = msgspec.json.Decoder(tuple[tuple[TokenId, Decimal], ...]).decode
_decode_names = msgspec.json.Decoder(dict[TokenId, str]).decode
_decode_resolution = msgspec.json.Decoder(Resolution).decode
_decode_contradictions = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode


def day_stored(day: int, rows: Sequence[Row]) -> DayStored:
    """Return the rows of `select_day`; what was measured in a form of another version is none."""
    trades, resolutions, *_ = rows[0] if rows else (0, 0)
    runs = [
        EarlierRun(_ns(started_at), _ns(alive_at), _measured(text))
        for _, _, started_at, alive_at, text in rows
        if started_at is not None
    ]
    return DayStored(day=day, trades=trades, resolutions=resolutions, runs=tuple(runs))


def _ns(at: datetime) -> int:
    return milliseconds(at) * 1_000_000


def _measured(text: str | None) -> DayMeasured | None:
    if text is not None:
        with contextlib.suppress(msgspec.ValidationError):
            return _decode_day(text)
    return None


def evidence(rows: Sequence[Row]) -> StoredEvidence:
    """Return rows of `select_stored_evidence`; unknown sources and states are left out."""
    observations: list[Observation] = []
    states: list[tuple[ConditionId, MarketState, int]] = []
    contradicted: list[ConditionId] = []
    acknowledged: list[tuple[ConditionId, ContradictionKind, frozenset[str]]] = []
    for (
        condition_id,
        source,
        at_ms,
        reason,
        payouts,
        text,
        mapped_by,
        made_ms,
        naming,
        names,
    ) in rows:
        if source == "conflict":
            contradicted.append(condition_id)
        elif source == "acknowledged":
            acknowledged.append((condition_id, ContradictionKind(reason), frozenset(mapped_by)))
        elif source == TRACKER and text in _MARKET_STATES:
            states.append((condition_id, MarketState(text), at_ms))
        elif source in _SOURCES:
            observations.append(
                Observation(
                    condition_id=condition_id,
                    source=Source(source),
                    observed_at_ms=at_ms,
                    payouts=_decode_payouts(payouts) if payouts else None,
                    reason=reason,
                    payload="",
                    naming=Naming(naming) if naming in _NAMINGS else Naming.BY_ID,
                    names=tuple(sorted(_decode_names(names).items())) if names else (),
                    mapped_by=tuple(Source(each) for each in mapped_by if each in _SOURCES),
                    generated_at_ms=made_ms,
                )
            )
    return StoredEvidence(
        observations=tuple(observations),
        states=tuple(states),
        contradicted=tuple(contradicted),
        acknowledged=tuple(acknowledged),
    )


def recheck(row: Row) -> Recheck:
    """Return a row of `select_resolutions_to_check`."""
    _, recorded_ms, due_ms, resolution, market, contradictions = row
    known = (pair for pair in _decode_contradictions(contradictions) if pair[0] in _SOURCES)
    return Recheck(
        resolution=_decode_resolution(resolution),
        market=decode_market(market),
        recorded_at_ms=recorded_ms,
        due_at_ms=due_ms,
        contradicted_by=tuple((Source(source), observed) for source, observed in known),
    )


def token_name(row: Row) -> TokenName:
    """Return a row of `select_token_names`."""
    token_id, slug, question, outcome = row
    return TokenName(token_id=token_id, slug=slug, question=question, outcome=outcome)


def recorded_outcome(row: Row) -> RecordedOutcome:
    """Return a row of `select_recorded_outcomes`."""
    condition_id, slug, question, winner, resolved_ms, recorded_ms = row
    return RecordedOutcome(
        condition_id=condition_id,
        slug=slug,
        question=question,
        winner=winner,
        resolved_at_ms=resolved_ms,
        recorded_at_ms=recorded_ms,
    )
