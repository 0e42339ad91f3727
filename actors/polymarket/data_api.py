"""The Data API: the outcome of a market in the rows of `GET /v2/resolutions`.

Source: docs.polymarket.com, get-resolution-state, and recorded rows. Payouts are millionths of a
dollar by slot, or a price of UMA in their place.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from actors.errors import PayloadRejected
from actors.model.market import ALL, HALF, NOTHING, Market, Observation, Source, is_outcome
from actors.model.trade import ConditionId
from actors.polymarket import strict_json
from actors.polymarket.slots import UNPROVEN, Payouts, by_token

_ABSENT = msgspec.Raw(b"null")
_PAYOUTS = {Decimal(0): NOTHING, Decimal(500_000): HALF, Decimal(1_000_000): ALL}
_UMA_PRICES = {
    Decimal(10**18): (ALL, NOTHING),
    Decimal(0): (NOTHING, ALL),
    Decimal(5 * 10**17): (HALF, HALF),
}
"""What UMA answers about a market: the price of the first slot; 69 where it is not set."""
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


_row = msgspec.json.Decoder(_Row)


def observe(
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
    # Of two halves each token has one, and the slots of V1 markets are computed.
    mapped = payouts is not None and market.version != "v1" and _is_winner(payouts)
    if payouts and strict_json.has_duplicate_keys(raw):
        payouts, reason = None, "twin keys"
    return Observation(
        condition_id=market.condition_id,
        source=Source.DATA,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=_evidence(row),
        mapped_by=(Source.GAMMA,) if mapped else (),
    )


def _payouts(row: _Row, market: Market) -> tuple[Payouts | None, str]:
    """Return the payouts, or None and the reason why there are none."""
    status = strict_json.text(row.status)
    if status != "resolved":
        return None, status if status in _UNDER_WAY else "unknown status"
    payouts, reason = _by_slot(row)
    if payouts is None or len(market.assets) != 2:
        return None, reason or "not two outcomes"
    found = by_token(market, payouts)
    return found, "" if found else UNPROVEN


def _by_slot(row: _Row) -> tuple[tuple[Decimal, ...] | None, str]:
    """Return the payout of each slot, or None and the reason why there is none."""
    # Rows of the UMA lifecycle carry `price` and no `payouts`.
    if bytes(row.payouts) in (b"null", b"[]"):
        price = strict_json.numbers(msgspec.Raw(b"[%b]" % bytes(row.price))) or ()
        found = _UMA_PRICES.get(price[0]) if price else None
        return found, "" if found else "no payouts"
    shares = strict_json.numbers(row.payouts) or ()
    if len(shares) != 2:
        return None, "not two outcomes"
    # Exact numbers are compared, so that no division rounds something else into an outcome.
    payouts = tuple(_PAYOUTS[share] for share in shares if share in _PAYOUTS)
    return (payouts, "") if is_outcome(payouts) else (None, "payouts not final")


def _is_winner(payouts: Payouts) -> bool:
    return any(share == ALL for _, share in payouts)


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
            "price": strict_json.text(row.price) or None,
        }
    )
