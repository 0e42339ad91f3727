"""Gamma: the market and its outcome in a market object of Gamma.

Source: docs.polymarket.com (gamma `/markets`, `/markets/keyset`), and recorded
answers of 2020-2026. Lists come as JSON in a string or native; V2 markets carry
`positionIds` and no `clobTokenIds`; any field may be missing.
"""

from decimal import Decimal, DecimalException

import msgspec

from actors.errors import PayloadRejected
from actors.model.market import Asset, Market
from actors.model.outcome import ALL, HALF, NOTHING, Observation, Source, is_outcome
from actors.model.text import storable_text
from actors.model.trade import ConditionId, TokenId
from actors.model.wall_time import milliseconds
from actors.polymarket import strict_json

_ABSENT = msgspec.Raw(b"null")
_SPELLING = {share: share for share in (NOTHING, HALF, ALL)}  # 1.00 becomes 1
_UNDER_WAY = frozenset({"proposed", "disputed"})


class _Answer(msgspec.Struct, rename="camel", frozen=True):
    condition_id: str = ""
    id: msgspec.Raw = _ABSENT
    question: msgspec.Raw = _ABSENT
    slug: msgspec.Raw = _ABSENT
    outcomes: msgspec.Raw = _ABSENT
    outcome_prices: msgspec.Raw = _ABSENT
    clob_token_ids: msgspec.Raw = _ABSENT
    position_ids: msgspec.Raw = _ABSENT
    version: msgspec.Raw = _ABSENT
    start_date: msgspec.Raw = _ABSENT
    end_date: msgspec.Raw = _ABSENT
    closed_time: msgspec.Raw = _ABSENT
    volume: msgspec.Raw = _ABSENT
    volume_num: msgspec.Raw = _ABSENT
    tags: msgspec.Raw = _ABSENT
    uma_resolution_status: str | None = None
    closed: bool | None = None
    active: bool | None = None
    neg_risk: bool | None = None


class _Tag(msgspec.Struct, frozen=True):
    slug: str = ""


_answer = msgspec.json.Decoder(_Answer)
_tags = msgspec.json.Decoder(list[_Tag | str])
_decimal = msgspec.json.Decoder(Decimal)


def parse_market(raw: bytes) -> Market:
    """Return the market that this object of Gamma describes.

    Raises:
        PayloadRejected: `not JSON`, `unexpected shape`, `no condition id`, `no
            tokens` (a market too young to trade, a placeholder), `token id is
            no digits`, `not two outcomes`, `same token twice`.
    """
    found = strict_json.read(raw, _answer)
    condition_id = strict_json.condition(found.condition_id)
    if condition_id is None:
        raise PayloadRejected("no condition id")
    return Market(
        condition_id=condition_id,
        question=strict_json.text(found.question),
        slug=strict_json.text(found.slug),
        assets=_assets(found),
        gamma_id=strict_json.text(found.id) or None,
        end_at=strict_json.moment(found.end_date),
        started_at=strict_json.moment(found.start_date),
        closed=found.closed is True,
        active=found.active is not False,
        neg_risk=found.neg_risk is True,
        version=_version(found),
        volume=_volume(found),
        tags=_slugs(found),
    )


def observe(raw: bytes, market: Market, observed_at_ms: int) -> Observation:
    """Return the observation of Gamma. Never raises: what cannot be read is not final.

    Final is `closed` with `umaResolutionStatus` exactly `resolved` and prices
    of exactly 1 and 0, or ½ and ½. A price alone proves nothing.
    """
    payouts, reason, payload = None, "unreadable answer", ""
    try:
        found = strict_json.read(raw, _answer)
    except PayloadRejected:
        payload = strict_json.excerpt(raw)
    else:
        payload = _evidence(found)
        reason = _why_not(found, market) or (
            "twin keys" if strict_json.has_duplicate_keys(raw) else ""
        )
        payouts = None if reason else _payouts(found)
        reason = reason if payouts or reason else "prices not final"
    return Observation(
        condition_id=market.condition_id,
        source=Source.GAMMA,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=payload,
    )


def resolved_at_ms(raw: bytes) -> int | None:
    """Return `closedTime` in milliseconds since 1970, or None when there is none."""
    try:
        at = strict_json.moment(strict_json.read(raw, _answer).closed_time)
    except PayloadRejected:
        return None
    return None if at is None else milliseconds(at)


def condition_of(raw: bytes) -> ConditionId | None:
    """Return the condition id of this object of Gamma, or None when it has none."""
    try:
        return strict_json.condition(strict_json.read(raw, _answer).condition_id)
    except PayloadRejected:
        return None


def _token_texts(found: _Answer) -> list[str]:
    return [
        text
        for text in strict_json.texts(found.clob_token_ids)
        or strict_json.texts(found.position_ids)
        or []
        if text
    ]


def _assets(found: _Answer) -> tuple[Asset, ...]:
    texts = _token_texts(found)
    numeric = strict_json.numbers(found.clob_token_ids) or strict_json.numbers(found.position_ids)
    if not texts and not numeric:
        raise PayloadRejected("no tokens")
    if not texts or (tokens := strict_json.tokens(texts)) is None:
        raise PayloadRejected("token id is no digits")
    outcomes = strict_json.texts(found.outcomes) or []
    if len(tokens) != 2 or len(outcomes) != 2:
        raise PayloadRejected("not two outcomes")
    if tokens[0] == tokens[1]:
        raise PayloadRejected("same token twice")
    return tuple(
        Asset(token_id=token_id, outcome=outcomes[index], outcome_index=index)
        for index, token_id in enumerate(tokens)
    )


def _version(found: _Answer) -> str:
    if strict_json.text(found.version).lower() == "v2" or not strict_json.texts(
        found.clob_token_ids
    ):
        return "v2"
    return "v1"


def _volume(found: _Answer) -> Decimal | None:
    for raw in (found.volume, found.volume_num):
        try:
            volume = strict_json.read(bytes(raw), _decimal)
        except (PayloadRejected, DecimalException):
            continue
        if volume.is_finite() and volume >= 0 and _is_small(volume):
            return volume
    return None


def _is_small(number: Decimal) -> bool:
    # A database numeric has its limits; no volume needs more than these.
    return abs(number.adjusted()) < 30 and len(number.as_tuple().digits) < 60


def _slugs(found: _Answer) -> tuple[str, ...]:
    try:
        tags = strict_json.read(bytes(found.tags), _tags)
    except PayloadRejected:
        return ()
    slugs = (tag if isinstance(tag, str) else tag.slug for tag in tags)
    return tuple(dict.fromkeys(storable_text(slug).lower() for slug in slugs if slug))


def _why_not(found: _Answer, market: Market) -> str:
    if strict_json.condition(found.condition_id) != strict_json.condition(market.condition_id):
        return "wrong market echoed"
    tokens, outcomes = _token_texts(found), strict_json.texts(found.outcomes) or []
    if len(tokens) != 2 or len(outcomes) != 2:
        return "not two outcomes"
    sides = {TokenId(token): name for token, name in zip(tokens, outcomes, strict=True)}
    status = found.uma_resolution_status or ""
    return strict_json.same_sides(sides, market) or _why_open(status, closed=found.closed is True)


def _why_open(status: str, *, closed: bool) -> str:
    if status == "resolved":
        return "" if closed else "resolved but open"
    # Recorded 2026-05-09: closed, prices 1 and 0, orders accepted, and no status at all.
    if not status:
        return "closed without status" if closed else "open"
    return status if status in _UNDER_WAY else "unknown status"


def _payouts(found: _Answer) -> tuple[tuple[TokenId, Decimal], ...] | None:
    # Only after the status: prices of 0.9995 and of ½ were recorded of markets that were proposed
    # and open, one of them for ten months.
    prices = strict_json.numbers(found.outcome_prices) or ()
    if len(prices) != 2 or not is_outcome(prices):
        return None
    tokens = map(TokenId, _token_texts(found))
    exact = (_SPELLING[price] for price in prices)
    return tuple(zip(tokens, exact, strict=True))


def _evidence(found: _Answer) -> str:
    prices = strict_json.numbers(found.outcome_prices)
    return strict_json.evidence(
        {
            "closed": found.closed,
            "umaResolutionStatus": storable_text(found.uma_resolution_status or "") or None,
            "outcomePrices": None if prices is None else [str(price) for price in prices],
            "tokenIds": _token_texts(found),
            "closedTime": strict_json.text(found.closed_time) or None,
        }
    )
