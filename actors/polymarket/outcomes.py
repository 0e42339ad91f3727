"""The outcome of a market in the answers of the CLOB, the Data API and the chain.

Gamma, which also lists the markets, has a module of its own (`gamma.py`).

- CLOB: `GET /markets/{condition_id}` of the order book service. Source: recorded answers of
  2022-2026. Old markets often carry no winner flag at all, and a 50/50 shows as none either: no
  flag means unknown, never a split.
- Data API: each row of `GET /v2/resolutions`. Source: docs.polymarket.com, get-resolution-state,
  and recorded rows. Payouts are millionths of a dollar by slot, or a price of UMA in their place.
- Chain: the calls to the CTF contract over JSON-RPC. Source: Gnosis ConditionalTokens on Polygon.
  `reportPayouts` needs a zero denominator, sets it to the sum of the numerators, and nothing ever
  changes them again. V2 markets do not live on this contract.

The Data API and the chain name a slot of the contract, not a token, and Gamma's list may have
another order. Which token of a V1 market has which slot is computed from the condition, so nobody
has to be believed (`tokens_by_slot`).
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec
from Crypto.Hash import keccak

from actors.errors import PayloadRejected
from actors.model.conversion import storable_text
from actors.model.market import ALL, HALF, NOTHING, Market, Observation, Source, is_outcome
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import strict_json

# ----------------------------------------------------------------------- CLOB


class _Side(msgspec.Struct, frozen=True):
    token_id: str
    outcome: str = ""
    winner: bool | None = None


class _Answer(msgspec.Struct, frozen=True):
    condition_id: str = ""
    tokens: tuple[_Side, ...] = ()
    closed: bool | None = None


_answer = msgspec.json.Decoder(_Answer)


def observe_clob(raw: bytes, market: Market, observed_at_ms: int) -> Observation:
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
        payload = _clob_evidence(found)
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


def _clob_evidence(found: _Answer) -> str:
    return strict_json.evidence(
        {
            "closed": found.closed,
            "tokenIds": [storable_text(side.token_id) for side in found.tokens[:2]],
            "winners": [storable_text(side.token_id) for side in found.tokens[:2] if side.winner],
        }
    )


# ---------------------------------------------------------------------- slots

Payouts = tuple[tuple[TokenId, Decimal], ...]

COLLATERALS = (
    bytes.fromhex("2791bca1f2de4661ed88a30c99a7a9449aa84174"),  # USDC
    bytes.fromhex("3a3bd7bb9528e159577f7c2e685cc81a765002e2"),  # wrapped, of neg-risk markets
)
"""What backs the tokens of V1 markets: addresses on Polygon."""
UNPROVEN = "slots of the tokens unknown"
_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583
"""The prime of alt_bn128 (EIP-196), over whose curve the contract combines conditions."""
_ODD = 1 << 254
"""Set in a collection id where y is odd."""


def tokens_by_slot(market: Market) -> tuple[TokenId, ...] | None:
    """Return the tokens of a market in the order of the slots of the CTF contract.

    Computed for V1 markets; None when its tokens are not those of its condition. Of a V2 market
    the order of its outcomes is returned: nothing proves another one.
    """
    if market.version != "v1":
        return market.token_ids
    try:
        condition = bytes.fromhex(market.condition_id[2:])
    except ValueError:
        return None
    for collateral in COLLATERALS:
        computed = position_ids(condition, collateral)
        if set(computed) == set(market.token_ids):
            return computed
    return None


def _by_token(market: Market, shares: Sequence[Decimal]) -> Payouts | None:
    """Return the payout of each token from those of the slots; None when the slots are unknown."""
    # Of two halves each token has one, whichever its slot is.
    tokens = market.token_ids if shares[0] == shares[1] else tokens_by_slot(market)
    return None if tokens is None else tuple(zip(tokens, shares, strict=True))


@lru_cache(maxsize=20_000)
def position_ids(condition: bytes, collateral: bytes) -> tuple[TokenId, TokenId]:
    """Return the token ids of both slots: `getPositionId` of the CTF contract. Takes 0.5 ms."""
    first, second = (
        int.from_bytes(_keccak(collateral + _collection_id(condition, 1 << slot)), "big")
        for slot in (0, 1)
    )
    return TokenId(str(first)), TokenId(str(second))


def _collection_id(condition: bytes, index_set: int) -> bytes:
    """Return `getCollectionId` of the CTF contract without a parent: a point of alt_bn128."""
    start = int.from_bytes(_keccak(condition + index_set.to_bytes(32, "big")), "big")
    x = start
    while True:  # one number in two is the x of a point
        x = (x + 1) % _FIELD
        square = (x**3 + 3) % _FIELD
        y = pow(square, (_FIELD + 1) // 4, _FIELD)
        if y * y % _FIELD == square:
            break
    # Of the two points with this x, the one whose y is as odd as the hash is high.
    odd = start >> 255 == 1
    return (x ^ _ODD if odd else x).to_bytes(32, "big")


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


# ------------------------------------------------------------------- Data API

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


def observe_data_api(
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
        payload=_data_api_evidence(row),
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
    found = _by_token(market, payouts)
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


def _data_api_evidence(row: _Row) -> str:
    shares = strict_json.numbers(row.payouts)
    return strict_json.evidence(
        {
            "status": strict_json.text(row.status) or None,
            "payouts": None if shares is None else [str(share) for share in shares],
            "price": strict_json.text(row.price) or None,
        }
    )


# ---------------------------------------------------------------------- chain

CTF = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
SLOTS = "0xd42dc0c2"  # getOutcomeSlotCount(bytes32)
DENOMINATOR = "0xdd34de67"  # payoutDenominator(bytes32)
NUMERATORS = "0x0504c814"  # payoutNumerators(bytes32,uint256)
CALLS_PER_CONDITION = 4

_WORD = re.compile(r"0x[0-9a-fA-F]{64}")  # 32 bytes, the unit of the EVM


class ChainCall(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON-RPC request."""

    id: int
    params: tuple[dict[str, str], str]
    jsonrpc: str = "2.0"
    method: str = "eth_call"


class ChainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the contract answered about one condition; words of 32 bytes in hexadecimal."""

    slots: str
    denominator: str
    numerators: tuple[str, str]


class _Reply(msgspec.Struct, frozen=True):
    id: int
    result: str | None = None


_replies = msgspec.json.Decoder(list[_Reply])


def chain_calls(condition_id: ConditionId, first_id: int = 0) -> tuple[ChainCall, ...]:
    """Return the four calls about one condition, numbered from `first_id`."""
    key = condition_id[2:].ljust(64, "0")
    data = (
        SLOTS + key,
        DENOMINATOR + key,
        NUMERATORS + key + format(0, "064x"),
        NUMERATORS + key + format(1, "064x"),
    )
    return tuple(
        ChainCall(id=first_id + index, params=({"to": CTF, "data": each}, "latest"))
        for index, each in enumerate(data)
    )


def chain_request(condition_ids: Sequence[ConditionId]) -> bytes:
    """Return the body of one JSON-RPC batch about all these conditions."""
    return msgspec.json.encode(
        [
            call
            for index, condition_id in enumerate(condition_ids)
            for call in chain_calls(condition_id, index * CALLS_PER_CONDITION)
        ]
    )


def chain_facts(raw: bytes, count: int) -> tuple[ChainFacts, ...]:
    """Return the facts about each of `count` conditions from the answer to their batch.

    Raises:
        PayloadRejected: The node did not answer every call of the batch.
    """
    # An error of a call comes with HTTP 200, as a member `error` in place of `result`. The order of
    # the replies is free (JSON-RPC 2.0, section 6), so they are sorted by id.
    replies = {reply.id: reply.result or "" for reply in strict_json.read(raw, _replies)}
    asked = range(count * CALLS_PER_CONDITION)
    if any(not replies.get(number) for number in asked):
        raise PayloadRejected("the node left calls unanswered")
    words = [replies[number] for number in asked]
    return tuple(
        ChainFacts(
            slots=words[at],
            denominator=words[at + 1],
            numerators=(words[at + 2], words[at + 3]),
        )
        for at in range(0, len(words), CALLS_PER_CONDITION)
    )


def observe_chain(found: ChainFacts, market: Market, observed_at_ms: int) -> Observation:
    """Return the observation of the chain. Never raises: what cannot be read is not final.

    Args:
        found: The facts about this market.
        market: With its assets in outcome order.
        observed_at_ms: Wall clock, milliseconds since 1970.
    """
    reason, shares = _shares(found, market)
    payouts = _by_token(market, shares) if shares else None
    if shares and payouts is None:
        reason = UNPROVEN
    return Observation(
        condition_id=market.condition_id,
        source=Source.CHAIN,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=_chain_evidence(found),
    )


def _shares(found: ChainFacts, market: Market) -> tuple[str, tuple[Decimal, ...]]:
    """Return why there is no outcome, or an empty reason and the share of each token."""
    words = (found.slots, found.denominator, *found.numerators)
    if market.version != "v1":
        return "not on this contract", ()
    if not all(_WORD.fullmatch(word) for word in words):
        return "unreadable answer", ()
    slots, denominator, *numerators = (int(word, 16) for word in words)
    # All is zero for an id that was never prepared, as for one without a report: only the number of
    # slots tells them apart.
    if slots != 2 or len(market.assets) != 2:
        return ("not two outcomes" if slots else "not prepared"), ()
    return _outcome(denominator, numerators)


def _outcome(denominator: int, numerators: list[int]) -> tuple[str, tuple[Decimal, ...]]:
    if denominator == 0:
        return "not reported", ()
    if sum(numerators) != denominator:
        return "payouts do not add up", ()
    if numerators[0] == numerators[1]:
        return "", (HALF, HALF)
    if denominator not in numerators:
        return "unusual payouts", ()
    return "", tuple(ALL if numerator else NOTHING for numerator in numerators)


def _chain_evidence(found: ChainFacts) -> str:
    return strict_json.evidence(
        {
            "slots": storable_text(found.slots),
            "denominator": storable_text(found.denominator),
            "numerators": [storable_text(word) for word in found.numerators],
        }
    )
