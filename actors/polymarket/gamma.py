"""Gamma: the market and its outcome in a market object of Gamma.

Source: docs.polymarket.com (gamma `/markets`, `/markets/keyset`), and recorded
answers of 2020-2026. Lists come as JSON in a string or native; V2 markets carry
`positionIds` and no `clobTokenIds`; any field may be missing, or have another type.

Only what identifies a market (condition id, tokens, outcomes) can reject it. Any other field
that cannot be read takes its default and is named, since a market without its question is
still worth listening to. An outcome is stricter: it is never read from a damaged object.
"""

import re
from decimal import Context, Decimal, DecimalException

import msgspec

from actors.errors import PayloadRejected
from actors.model.conversion import milliseconds, storable_text
from actors.model.market import (
    ALL,
    HALF,
    NOTHING,
    Asset,
    Market,
    Naming,
    Observation,
    Source,
    is_outcome,
    naming_of,
)
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import strict_json
from actors.polymarket.gamma_details import (
    ABSENT,
    FLAGS,
    DetailFields,
    flag,
    gamma_id,
    is_present,
    moment,
    read_details,
    text,
)

NO_TOKENS, NOT_TWO = "no tokens", "not two outcomes"
"""Why markets are rejected that are in order and not for us: placeholders, more outcomes."""
NO_JSON = "not JSON"
MAX_NAME_CHARS = 40
_VOLUME_STEP, _WIDE = Decimal("1e-18"), Context(prec=60)
_SPELLING = {share: share for share in (NOTHING, HALF, ALL)}  # 1.00 becomes 1
_UNDER_WAY = frozenset({"proposed", "disputed", "active"})
_CONDITION = re.compile(rb'"conditionId"\s*:\s*"(0[xX][0-9a-fA-F]{1,64})"')
_ID = re.compile(rb'"id"\s*:\s*"?([0-9]{1,20})')


class _Answer(DetailFields, rename="camel", frozen=True):
    condition_id: msgspec.Raw = ABSENT
    id: msgspec.Raw = ABSENT
    question: msgspec.Raw = ABSENT
    slug: msgspec.Raw = ABSENT
    outcomes: msgspec.Raw = ABSENT
    outcome_prices: msgspec.Raw = ABSENT
    clob_token_ids: msgspec.Raw = ABSENT
    position_ids: msgspec.Raw = ABSENT
    version: msgspec.Raw = ABSENT
    start_date: msgspec.Raw = ABSENT
    end_date: msgspec.Raw = ABSENT
    volume: msgspec.Raw = ABSENT
    volume_num: msgspec.Raw = ABSENT
    tags: msgspec.Raw = ABSENT
    uma_resolution_status: msgspec.Raw = ABSENT
    resolution_status: msgspec.Raw = ABSENT
    closed: msgspec.Raw = ABSENT
    active: msgspec.Raw = ABSENT
    neg_risk: msgspec.Raw = ABSENT


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A market, and the fields of it that could not be read as they are documented.

    Attributes:
        drift: Their names as Gamma spells them; of a field that is no JSON also where nothing
            reads it, since it makes the whole page no JSON.
    """

    market: Market
    drift: tuple[str, ...]


class _Tag(msgspec.Struct, frozen=True):
    slug: str = ""


_answer = msgspec.json.Decoder(_Answer)
_tags = msgspec.json.Decoder(list[_Tag | str])
_decimal = msgspec.json.Decoder(Decimal)
_string = msgspec.json.Decoder(str)
_KEYS = {
    f'"{name}"'.encode(): name
    for name in (field.encode_name for field in msgspec.structs.fields(_Answer))
}


def parse_market(raw: bytes) -> Market:
    """Return the market that this object of Gamma describes; raise as `read_market` does."""
    return read_market(raw).market


def read_market(raw: bytes) -> Reading:
    """Return the market that this object of Gamma describes, and what of it could not be read.

    Raises:
        PayloadRejected: `not JSON`, `unexpected shape`, `no condition id`, `no
            tokens` (a market too young to trade, a placeholder), `token id is
            no digits`, `not two outcomes`, `same token twice`.
    """
    found, drift = _open(raw)
    condition_id = strict_json.condition(strict_json.text(found.condition_id))
    if condition_id is None:
        raise PayloadRejected("no condition id")
    closed = flag(found.closed, "closed", drift)
    active = flag(found.active, "active", drift)
    neg_risk = flag(found.neg_risk, "negRisk", drift)
    market = Market(
        condition_id=condition_id,
        question=text(found.question, "question", drift),
        slug=text(found.slug, "slug", drift),
        assets=_assets(found),
        gamma_id=gamma_id(found.id, drift),
        end_at=moment(found.end_date, "endDate", drift),
        started_at=moment(found.start_date, "startDate", drift),
        closed=closed is True,
        active=active is not False,
        neg_risk=neg_risk is True,
        version=_version(found),
        volume=_volume(found, drift),
        tags=_slugs(found, drift),
        details=read_details(found, drift),
    )
    text(found.uma_resolution_status, "umaResolutionStatus", drift)
    text(found.resolution_status, "resolutionStatus", drift)
    return Reading(market=market, drift=tuple(drift))


def name_of(raw: bytes) -> str:
    """Return the condition id or else Gamma's id that these bytes seem to have, for a log line."""
    found = _CONDITION.search(raw) or _ID.search(raw)
    return found[1].decode() if found else "unknown"


def observe(raw: bytes, market: Market, observed_at_ms: int) -> Observation:
    """Return the observation of Gamma. Never raises: what cannot be read is not final.

    Final is `closed` with `umaResolutionStatus`, or where there is none `resolutionStatus`, exactly
    `resolved` and prices of exactly 1 and 0, or ½ and ½. A price alone proves nothing.
    """
    payouts, reason, payload = None, "unreadable answer", ""
    names: strict_json.Names = ()
    try:
        found = _strict(raw)
    except PayloadRejected:
        payload = strict_json.excerpt(raw)
    else:
        payload = _evidence(found)
        reason = _misfit(found, market) or (
            "twin keys" if strict_json.has_duplicate_keys(raw) else ""
        )
        if not reason:
            names = strict_json.names(_sides(found), market)
            reason = _why_open(_status(found), closed=bytes(found.closed) == b"true")
        payouts = None if reason else _payouts(found)
        reason = reason if payouts or reason else "prices not final"
    return Observation(
        condition_id=market.condition_id,
        source=Source.GAMMA,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=payload,
        naming=naming_of(payouts, Naming.OWN_LIST),
        names=names,
    )


def resolved_at_ms(raw: bytes) -> int | None:
    """Return `closedTime` in milliseconds since 1970, or None when there is none."""
    try:
        at = strict_json.moment(_open(raw)[0].closed_time)
    except PayloadRejected:
        return None
    return None if at is None else milliseconds(at)


def condition_of(raw: bytes) -> ConditionId | None:
    """Return the condition id of this object of Gamma, or None when it has none."""
    try:
        return strict_json.condition(strict_json.text(_open(raw)[0].condition_id))
    except PayloadRejected:
        return None


# ------------------------------------------------------------------- one field


def _open(raw: bytes) -> tuple[_Answer, list[str]]:
    """Return the fields of an object, and the names of those that are no JSON, read or not."""
    try:
        return strict_json.read(raw, _answer), []
    except PayloadRejected as rejection:
        if str(rejection) != NO_JSON or raw.lstrip()[:1] != b"{":
            raise
    whole: dict[bytes, bytes] = {}
    broken: set[bytes] = set()
    for key, value in strict_json.parts(raw):
        member = key + b":" + value
        try:
            strict_json.read(b"{" + member + b"}", _answer)
        except PayloadRejected:
            broken.add(key)
        else:
            whole[key] = member
    # Of a key that is there twice, once damaged, nothing is known.
    kept = (member for key, member in whole.items() if key in _KEYS and key not in broken)
    names = sorted({_KEYS.get(key) or _unread_name(key) for key in broken}) or [NO_JSON]
    return strict_json.read(b"{" + b",".join(kept) + b"}", _answer), names


def _unread_name(key: bytes) -> str:
    """Return the name of a damaged field that is not read, `not JSON` where it has none."""
    return strict_json.text(msgspec.Raw(key))[:MAX_NAME_CHARS] or NO_JSON


def _strict(raw: bytes) -> _Answer:
    """Return an answer about an outcome: all of what decides has its documented type."""
    found = strict_json.read(raw, _answer)
    for name in (found.condition_id, found.uma_resolution_status, found.resolution_status):
        if is_present(name) and bytes(name)[:1] != b'"':
            raise PayloadRejected("unexpected shape")
        if is_present(name):
            strict_json.read(bytes(name), _string)
    if is_present(found.closed) and bytes(found.closed) not in FLAGS:
        raise PayloadRejected("unexpected shape")
    return found


# ------------------------------------------------------------- tokens, outcomes


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
        raise PayloadRejected(NO_TOKENS)
    if not texts or (tokens := strict_json.tokens(texts)) is None:
        raise PayloadRejected("token id is no digits")
    outcomes = strict_json.texts(found.outcomes) or []
    if len(tokens) != 2 or len(outcomes) != 2:
        raise PayloadRejected(NOT_TWO)
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


def _volume(found: _Answer, drift: list[str]) -> Decimal | None:
    for raw in (found.volume, found.volume_num):
        try:
            volume = strict_json.read(bytes(raw), _decimal)
        except (PayloadRejected, DecimalException):
            continue
        if volume.is_finite() and volume >= 0 and _is_small(volume):
            return _as_stored(volume)
    if any(is_present(raw) and bytes(raw) != b'""' for raw in (found.volume, found.volume_num)):
        drift.append("volume")
    return None


def _is_small(number: Decimal) -> bool:
    # The column is a numeric(38, 18); no volume needs more than it holds.
    return -30 < number.adjusted() < 20 and len(number.as_tuple().digits) < 60


def _as_stored(volume: Decimal) -> Decimal:
    # What the column would round is rounded here: else each listing would change the row.
    rounded = volume.quantize(_VOLUME_STEP, context=_WIDE)
    return volume if volume == rounded else rounded


def _slugs(found: _Answer, drift: list[str]) -> tuple[str, ...]:
    if not is_present(found.tags):
        return ()
    try:
        tags = strict_json.read(bytes(found.tags), _tags)
    except PayloadRejected:
        drift.append("tags")
        return ()
    if len(tags) > strict_json.MAX_TAGS:
        drift.append("tags")
    return strict_json.tags(tag if isinstance(tag, str) else tag.slug for tag in tags)


def _sides(found: _Answer) -> dict[TokenId, str]:
    names = strict_json.texts(found.outcomes) or []
    return dict(zip(map(TokenId, _token_texts(found)), names, strict=False))


def _misfit(found: _Answer, market: Market) -> str:
    """Return why this object is not about this market, or an empty text."""
    condition_id = strict_json.condition(strict_json.text(found.condition_id))
    if condition_id != strict_json.condition(market.condition_id):
        return "wrong market echoed"
    tokens, outcomes = _token_texts(found), strict_json.texts(found.outcomes) or []
    if len(tokens) != 2 or len(outcomes) != 2:
        return "not two outcomes"
    return strict_json.same_tokens(map(TokenId, tokens), market)


def _status(found: _Answer) -> str:
    """Return the word of UMA, or of V2, whose markets know no other; empty before there is one."""
    of_v2 = strict_json.text(found.resolution_status)
    return strict_json.text(found.uma_resolution_status) or ("" if of_v2 == "inactive" else of_v2)


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
            "closed": FLAGS.get(bytes(found.closed)),
            "umaResolutionStatus": strict_json.text(found.uma_resolution_status) or None,
            "resolutionStatus": strict_json.text(found.resolution_status) or None,
            "outcomePrices": None if prices is None else [str(price) for price in prices],
            "tokenIds": _token_texts(found),
            "outcomes": [storable_text(name) for name in strict_json.texts(found.outcomes) or []],
            "closedTime": strict_json.text(found.closed_time) or None,
        }
    )
