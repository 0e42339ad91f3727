"""The slots of the contract: which token of a market has which place in its payouts.

The Data API and the chain name a slot, not a token, and Gamma's list of tokens may have another
order. Which token has which slot is computed from the condition, so nobody has to be believed.
Sources: Gnosis ConditionalTokens (`getCollectionId`, `getPositionId`) on Polygon for V1; for V2
the source of Polymarket/polymarket-v2-external, and a recorded market of 2026-10-05.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from Crypto.Hash import keccak

from actors.model.market import Market
from actors.model.trade import ConditionId, TokenId

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


# Byte by byte: module, hash (16), number of conditions of the event (2), reserved (8), the chain
# that resolves it (2; 0: Polygon), which condition of the event it is (2), outcome (1).
_STRUCTURED = re.compile(r"0x(01|02)[0-9a-f]{36}0{20}[0-9a-f]{4}00")


def v2_module(condition_id: ConditionId) -> int | None:
    """Return the module of a V2 condition: 1 for binary, 2 for neg-risk markets; else None.

    Its id says so: eleven of its bytes are zero, which no hash of a V1 condition is by chance.
    """
    found = _STRUCTURED.fullmatch(condition_id)
    return int(found[1], 16) if found else None


def tokens_by_slot(market: Market) -> tuple[TokenId, ...] | None:
    """Return the tokens of a market in the order of the slots, as computed from its condition.

    None when its tokens are not those of its condition: that the order of a list is that of the
    slots is not known.
    """
    listed = set(market.token_ids)
    if v2_module(market.condition_id) is not None:
        # The last byte of a token id is the outcome; without it, it is the condition id.
        first = int(market.condition_id, 16)
        ids = TokenId(str(first)), TokenId(str(first + 1))
        return ids if set(ids) == listed else None
    if market.version != "v1":
        return None
    try:
        condition = bytes.fromhex(market.condition_id[2:])
    except ValueError:
        return None
    for collateral in COLLATERALS:
        computed = position_ids(condition, collateral)
        if set(computed) == listed:
            return computed
    return None


def by_token(market: Market, shares: Sequence[Decimal]) -> Payouts | None:
    """Return the payout of each token from those of the slots; None when the slots are unknown."""
    # Also of two halves: tokens that are not those of the condition may be another market's.
    tokens = tokens_by_slot(market)
    return None if tokens is None else tuple(zip(tokens, shares, strict=True))


@lru_cache(maxsize=20_000)
def position_ids(condition: bytes, collateral: bytes) -> tuple[TokenId, TokenId]:
    """Return the token ids of both slots: `getPositionId` of the CTF contract. Takes 0.5 ms."""
    first, second = (
        int.from_bytes(keccak256(collateral + _collection_id(condition, 1 << slot)), "big")
        for slot in (0, 1)
    )
    return TokenId(str(first)), TokenId(str(second))


def _collection_id(condition: bytes, index_set: int) -> bytes:
    """Return `getCollectionId` of the CTF contract without a parent: a point of alt_bn128."""
    start = int.from_bytes(keccak256(condition + index_set.to_bytes(32, "big")), "big")
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


def keccak256(data: bytes) -> bytes:
    """Return the hash that Ethereum calls keccak256."""
    return keccak.new(digest_bits=256, data=data).digest()
