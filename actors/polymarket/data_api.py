"""Data API: the outcome in each row of `GET /v2/resolutions`.

Source: docs.polymarket.com, get-resolution-state, and recorded rows. Payouts
are millionths of a dollar in outcome order, so the row's market must be known.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from actors.errors import PayloadRejected
from actors.model.market import ALL, HALF, NOTHING, Market, Observation, Source, is_outcome
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import strict_json

Payouts = tuple[tuple[TokenId, Decimal], ...]

_ABSENT = msgspec.Raw(b"null")
_PAYOUTS = {Decimal(0): NOTHING, Decimal(500_000): HALF, Decimal(1_000_000): ALL}
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


_row = msgspec.json.Decoder(_Row)


def observe_all(
    raw_rows: tuple[bytes, ...], markets: Mapping[ConditionId, Market], observed_at_ms: int
) -> tuple[Observation, ...]:
    """Return the observation of each market that the Data API has a row for. Never raises.

    Rows about markets that were not requested, and rows without a readable
    condition id, are ignored. Rows about one market that differ are not final.

    Args:
        raw_rows: The rows, each as JSON.
        markets: Those that were requested, by condition id.
        observed_at_ms: Wall clock, milliseconds since 1970.
    """
    asked = {strict_json.condition(market.condition_id): market for market in markets.values()}
    observed: dict[ConditionId, Observation] = {}
    for raw in raw_rows:
        try:
            row = strict_json.read(raw, _row)
        except PayloadRejected:
            continue
        condition_id = strict_json.condition(row.condition_id)
        market = asked.get(condition_id) if condition_id else None
        if market is not None:
            found = _observation(raw, row, market, observed_at_ms)
            known = observed.setdefault(market.condition_id, found)
            observed[market.condition_id] = _merged(known, found)
    return tuple(observed.values())


def _observation(raw: bytes, row: _Row, market: Market, observed_at_ms: int) -> Observation:
    payouts, reason = _payouts(row, market)
    if payouts and strict_json.has_duplicate_keys(raw):
        payouts, reason = None, "twin keys"
    return Observation(
        condition_id=market.condition_id,
        source=Source.DATA,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=_evidence(row),
    )


def _payouts(row: _Row, market: Market) -> tuple[Payouts | None, str]:
    """Return the payouts, or None and the reason why there are none."""
    status = strict_json.text(row.status)
    if status != "resolved":
        return None, status if status in _UNDER_WAY else "unknown status"
    # Rows of the UMA lifecycle carry `price` and no `payouts`.
    if bytes(row.payouts) in (b"null", b"[]"):
        return None, "no payouts"
    shares = strict_json.numbers(row.payouts) or ()
    if len(shares) != 2 or len(market.assets) != 2:
        return None, "not two outcomes"
    # Exact numbers are compared, so that no division rounds something else into an outcome.
    if any(share not in _PAYOUTS for share in shares):
        return None, "payouts not final"
    payouts = tuple(_PAYOUTS[share] for share in shares)
    if not is_outcome(payouts):
        return None, "payouts not final"
    return tuple(zip(market.token_ids, payouts, strict=True)), ""


def _merged(one: Observation, other: Observation) -> Observation:
    if (one.payouts, one.reason) == (other.payouts, other.reason):
        return other
    return msgspec.structs.replace(other, payouts=None, reason="rows differ")


def _evidence(row: _Row) -> str:
    shares = strict_json.numbers(row.payouts)
    return strict_json.evidence(
        {
            "status": strict_json.text(row.status) or None,
            "payouts": None if shares is None else [str(share) for share in shares],
        }
    )
