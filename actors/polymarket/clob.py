"""The CLOB: the outcome of a market in an answer of `GET /markets/{condition_id}`.

Source: recorded answers of 2022-2026. Old markets often carry no winner flag at all, and a 50/50
shows as none either: no flag means unknown, never a split.
"""

import msgspec

from actors.errors import PayloadRejected
from actors.model.conversion import storable_text
from actors.model.market import ALL, NOTHING, Market, Observation, Source
from actors.model.trade import TokenId
from actors.polymarket import strict_json


class _Side(msgspec.Struct, frozen=True):
    token_id: str
    outcome: str = ""
    winner: bool | None = None


class _Answer(msgspec.Struct, frozen=True):
    condition_id: str = ""
    tokens: tuple[_Side, ...] = ()
    closed: bool | None = None


_answer = msgspec.json.Decoder(_Answer)


def observe(raw: bytes, market: Market, observed_at_ms: int) -> Observation:
    """Return the observation of the CLOB. Never raises: what cannot be read is not final.

    Final is `closed` with exactly one `winner: true`. Whether the market still
    accepts orders is ignored.
    """
    payouts, reason = None, "unreadable answer"
    try:
        found = strict_json.read(raw, _answer)
    except PayloadRejected:
        payload = strict_json.excerpt(raw)
    else:
        payload = _evidence(found)
        reason = _why_not(found, market) or (
            "twin keys" if strict_json.has_duplicate_keys(raw) else ""
        )
        if not reason:
            payouts = tuple(
                (TokenId(side.token_id), ALL if side.winner else NOTHING) for side in found.tokens
            )
    return Observation(
        condition_id=market.condition_id,
        source=Source.CLOB,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=payload,
    )


def _why_not(found: _Answer, market: Market) -> str:
    if strict_json.condition(found.condition_id) != strict_json.condition(market.condition_id):
        return "wrong market echoed"
    if len(found.tokens) != 2:
        return "not two outcomes"
    sides = {TokenId(side.token_id): side.outcome for side in found.tokens}
    if reason := strict_json.same_sides(sides, market):
        return reason
    if not found.closed:
        return "open"
    winners = sum(side.winner is True for side in found.tokens)
    return ("no winner flag", "", "two winners")[winners]


def _evidence(found: _Answer) -> str:
    return strict_json.evidence(
        {
            "closed": found.closed,
            "tokenIds": [storable_text(side.token_id) for side in found.tokens[:2]],
            "winners": [storable_text(side.token_id) for side in found.tokens[:2] if side.winner],
        }
    )
