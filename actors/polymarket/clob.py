"""The CLOB: the outcome of a market in the answers of its two routes about one market.

- `GET /markets/{condition_id}` has winner flags. Source: recorded answers of 2022-2026. Old markets
  often carry no flag at all, and a 50/50 shows as none either: no flag means unknown, never a
  split. Not known to have V2 markets.
- `GET /clob-markets/{condition_id}` names the tokens and has no winner. Source:
  docs.polymarket.com of 2026.
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


class _Named(msgspec.Struct, frozen=True):
    t: str
    o: str = ""


class _Answer(msgspec.Struct, frozen=True):
    """Of either route; the second one has short keys."""

    condition_id: str = ""
    tokens: tuple[_Side, ...] = ()
    closed: bool | None = None
    c: str = ""
    t: tuple[_Named, ...] = ()

    @property
    def sides(self) -> tuple[_Side, ...]:
        """Return the tokens, by whichever route."""
        return self.tokens or tuple(_Side(token_id=side.t, outcome=side.o) for side in self.t)


_answer = msgspec.json.Decoder(_Answer)


def observe(raw: bytes, market: Market, observed_at_ms: int) -> Observation:
    """Return the observation of the CLOB. Never raises: what cannot be read is not final.

    Final is `closed` with exactly one `winner: true`. Whether the market still
    accepts orders is ignored.
    """
    payouts, reason = None, "unreadable answer"
    names: strict_json.Names = ()
    try:
        found = strict_json.read(raw, _answer)
    except PayloadRejected:
        payload = strict_json.excerpt(raw)
    else:
        payload = _evidence(found)
        reason = _misfit(found, market) or (
            "twin keys" if strict_json.has_duplicate_keys(raw) else ""
        )
        if not reason:
            names = strict_json.names(_sides(found), market)
            reason = _why_not(found)
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
        names=names,
    )


def _sides(found: _Answer) -> dict[TokenId, str]:
    return {TokenId(side.token_id): side.outcome for side in found.sides}


def _misfit(found: _Answer, market: Market) -> str:
    """Return why this answer is not about this market, or an empty text."""
    echoed = found.condition_id or found.c
    if strict_json.condition(echoed) != strict_json.condition(market.condition_id):
        return "wrong market echoed"
    if len(found.sides) != 2:
        return "not two outcomes"
    return strict_json.same_tokens(_sides(found), market)


def _why_not(found: _Answer) -> str:
    if found.t:
        return "winner not told"
    if not found.closed:
        return "open"
    winners = sum(side.winner is True for side in found.tokens)
    return ("no winner flag", "", "two winners")[winners]


def _evidence(found: _Answer) -> str:
    sides = found.sides[:2]
    return strict_json.evidence(
        {
            "closed": found.closed,
            "tokenIds": [storable_text(side.token_id) for side in sides],
            "outcomes": [storable_text(side.outcome) for side in sides],
            "winners": [storable_text(side.token_id) for side in sides if side.winner],
        }
    )
