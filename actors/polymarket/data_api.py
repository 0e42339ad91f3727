"""The Data API: the outcome of a market in the rows of its two routes, which are one witness.

- `GET /v2/resolutions`: a row a market, with its status and its payouts in millionths of a dollar
  by slot, or a price of UMA in their place. Source: docs.polymarket.com, get-resolution-state, and
  recorded rows.
- `GET /v2/tokens`: a row a token, with its slot, name, and what it pays. Source: the official
  Python SDK of 2026-10.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, DecimalException

import msgspec

from actors.errors import PayloadRejected
from actors.model.conversion import storable_text
from actors.model.market import (
    ALL,
    HALF,
    NOTHING,
    Market,
    Naming,
    Observation,
    Source,
    is_outcome,
    naming_of,
)
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import strict_json
from actors.polymarket.contract.slots import UNPROVEN, Payouts, by_token

_ABSENT = msgspec.Raw(b"null")
_PAYOUTS = {Decimal(0): NOTHING, Decimal(500_000): HALF, Decimal(1_000_000): ALL}
_UMA_PRICES = {
    Decimal(10**18): (ALL, NOTHING),
    Decimal(0): (NOTHING, ALL),
    Decimal(5 * 10**17): (HALF, HALF),
}
"""What UMA answers about a market: the price of the first slot; 69 where it is not set."""
_EXACT = {share: share for share in (NOTHING, HALF, ALL)}  # 1.00 becomes 1
NO_PAYOUTS = "no payouts"
_TOKENS_DECIDE = frozenset({NO_PAYOUTS, UNPROVEN})
"""Why a row that is resolved is not final, where `/v2/tokens` knows what it does not."""
_UNDER_WAY = frozenset(
    {
        "initialized",
        "posed",
        "proposed",
        "challenged",
        "reproposed",
        "disputed",
        "active",
        "arbitration",
    }
)


class _Row(msgspec.Struct, frozen=True):
    condition_id: str
    status: msgspec.Raw = _ABSENT
    payouts: msgspec.Raw = _ABSENT
    price: msgspec.Raw = _ABSENT
    token_id: str | None = None


class _TokenRow(msgspec.Struct, frozen=True):
    condition_id: str
    token_id: str
    outcome_index: int | None = None
    outcome: str | None = None
    resolved: bool | None = None
    final_price: Decimal | None = None


_row = msgspec.json.Decoder(_Row)
_token_row = msgspec.json.Decoder(_TokenRow)


@dataclass(slots=True)
class _Rows:
    """All rows about one market.

    Attributes:
        rows: Of `/v2/resolutions`, each with its JSON.
        tokens: Of `/v2/tokens`, by token.
        damaged: Whether a row about a token could not be read, or one is there twice.
    """

    rows: list[tuple[bytes, _Row]] = field(default_factory=list)
    tokens: dict[TokenId, _TokenRow] = field(default_factory=dict)
    damaged: bool = False


def observe(
    raw_rows: Iterable[bytes], markets: Mapping[ConditionId, Market], observed_at_ms: int
) -> tuple[Observation, ...]:
    """Return the observation of each market that the Data API has a row for. Never raises.

    Rows about markets that were not requested, and rows without a readable
    condition id, are ignored. Rows about one market that differ are not final.

    Args:
        raw_rows: The rows of both routes, each as JSON; those of `/v2/tokens` have a token id.
        markets: Those that were requested, by condition id.
        observed_at_ms: Wall clock, milliseconds since 1970.
    """
    asked = {strict_json.condition(market.condition_id): market for market in markets.values()}
    found: dict[ConditionId, _Rows] = {}
    for raw in raw_rows:
        try:
            row = strict_json.read(raw, _row)
        except PayloadRejected:
            continue
        condition_id = strict_json.condition(row.condition_id)
        market = asked.get(condition_id) if condition_id else None
        if market is not None:
            _sort_in(raw, row, found.setdefault(market.condition_id, _Rows()))
    return tuple(_observation(rows, markets[each], observed_at_ms) for each, rows in found.items())


def _sort_in(raw: bytes, row: _Row, rows: _Rows) -> None:
    if row.token_id is None:
        rows.rows.append((raw, row))
        return
    try:
        token = strict_json.read(raw, _token_row)
    except (PayloadRejected, DecimalException):
        rows.damaged = True
        return
    token_id = TokenId(token.token_id)
    rows.damaged |= token_id in rows.tokens or strict_json.has_duplicate_keys(raw)
    rows.tokens[token_id] = token


def _observation(rows: _Rows, market: Market, observed_at_ms: int) -> Observation:
    """Return what both routes report, as the one witness that they are."""
    tokens = _tokens_of(rows, market)
    slots = _own_slots(tokens)
    by_slot = [_of_row(raw, row, market, slots) for raw, row in rows.rows]
    payouts, reason = by_slot[0] if by_slot else (None, "" if tokens else "unreadable answer")
    if any(each != by_slot[0] for each in by_slot):
        payouts, reason = None, "rows differ"
    elif not reason or reason in _TOKENS_DECIDE:
        payouts, reason = _both(payouts, reason, tokens)
    naming = Naming.BY_ID if tokens else Naming.COMPUTED_SLOT
    names = {token_id: row.outcome or "" for token_id, row in tokens.items()}
    return Observation(
        condition_id=market.condition_id,
        source=Source.DATA,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=_evidence(rows),
        naming=naming_of(payouts, naming),
        names=strict_json.names(names, market),
    )


def _tokens_of(rows: _Rows, market: Market) -> dict[TokenId, _TokenRow]:
    """Return the rows about the tokens of this market; none unless they are exactly its tokens."""
    if rows.damaged or strict_json.same_tokens(rows.tokens, market):
        return {}
    return rows.tokens


def _own_slots(tokens: Mapping[TokenId, _TokenRow]) -> tuple[TokenId, ...]:
    """Return the tokens by their slot as the Data API itself tells it, if it does."""
    by_slot = {row.outcome_index: token_id for token_id, row in tokens.items()}
    return (by_slot[0], by_slot[1]) if by_slot.keys() == {0, 1} else ()


def _both(
    payouts: Payouts | None, reason: str, tokens: Mapping[TokenId, _TokenRow]
) -> tuple[Payouts | None, str]:
    """Return the payouts of both routes: `/v2/tokens` lags up to a minute, and may be gone."""
    if not tokens or not all(row.resolved for row in tokens.values()):
        return payouts, reason or ("" if payouts else "active")
    shares = {token_id: row.final_price for token_id, row in tokens.items()}
    told = tuple(
        (token_id, _EXACT[share])
        for token_id, share in shares.items()
        if share is not None and share.is_finite() and share in _EXACT
    )
    if len(told) != 2 or not is_outcome([share for _, share in told]):
        return None, "payouts not final"
    if payouts is not None and frozenset(payouts) != frozenset(told):
        return None, "routes differ"
    return told, ""


def _of_row(
    raw: bytes, row: _Row, market: Market, slots: tuple[TokenId, ...]
) -> tuple[Payouts | None, str]:
    payouts, reason = _payouts(row, market, slots)
    if payouts and strict_json.has_duplicate_keys(raw):
        return None, "twin keys"
    return payouts, reason


def _payouts(row: _Row, market: Market, slots: tuple[TokenId, ...]) -> tuple[Payouts | None, str]:
    """Return the payouts, or None and the reason why there are none."""
    status = strict_json.text(row.status)
    if status != "resolved":
        return None, status if status in _UNDER_WAY else "unknown status"
    payouts, reason = _by_slot(row)
    if payouts is None or len(market.assets) != 2:
        return None, reason or "not two outcomes"
    found = by_token(market, payouts)
    if found is None and slots:
        found = tuple(zip(slots, payouts, strict=True))
    return found, "" if found else UNPROVEN


def _by_slot(row: _Row) -> tuple[tuple[Decimal, ...] | None, str]:
    """Return the payout of each slot, or None and the reason why there is none."""
    # Rows of the UMA lifecycle carry `price` and no `payouts`.
    if bytes(row.payouts) in (b"null", b"[]"):
        price = strict_json.numbers(msgspec.Raw(b"[%b]" % bytes(row.price))) or ()
        found = _UMA_PRICES.get(price[0]) if price else None
        return found, "" if found else NO_PAYOUTS
    shares = strict_json.numbers(row.payouts) or ()
    if len(shares) != 2:
        return None, "not two outcomes"
    # Exact numbers are compared, so that no division rounds something else into an outcome.
    payouts = tuple(_PAYOUTS[share] for share in shares if share in _PAYOUTS)
    return (payouts, "") if is_outcome(payouts) else (None, "payouts not final")


def _evidence(rows: _Rows) -> str:
    row = rows.rows[-1][1] if rows.rows else _Row(condition_id="")
    shares = strict_json.numbers(row.payouts)
    return strict_json.evidence(
        {
            "status": strict_json.text(row.status) or None,
            "payouts": None if shares is None else [str(share) for share in shares],
            "price": strict_json.text(row.price) or None,
            "tokens": [
                f"{storable_text(token_id)} {'' if each.resolved else 'not '}resolved,"
                f" pays {each.final_price}, slot {each.outcome_index}"
                for token_id, each in rows.tokens.items()
            ]
            or None,
        }
    )
