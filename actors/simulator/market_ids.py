"""The ids of markets: tokens, conditions, hashes.

A seed and a run decide all of them, alike on every machine and Python. Another run of the same
seed has other ids, so that two runs never collide in one database.
"""

import re
from hashlib import blake2b

from Crypto.Hash import keccak

USDC = "2791bca1f2de4661ed88a30c99a7a9449aa84174"
WRAPPED_USDC = "3a3bd7bb9528e159577f7c2e685cc81a765002e2"
"""Collaterals of V1 markets on Polygon; the second of negRisk markets."""
BINARY, NEG_RISK = 1, 2
"""Modules of V2 markets: the first byte of their condition ids."""
CURVE_PRIME = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47
_STRUCTURED = re.compile(r"0x0([12])[0-9a-f]{36}0{20}[0-9a-f]{4}00")


def digest(*parts: object, size: int = 32) -> bytes:
    """Return `size` bytes that depend on the parts alone."""
    return blake2b("|".join(map(str, parts)).encode(), digest_size=size).digest()


def contract_tokens(condition: str, *, neg_risk: bool) -> tuple[str, str]:
    """Return the tokens that the contract of V1 markets gives the two slots of a condition."""
    collateral = bytes.fromhex(WRAPPED_USDC if neg_risk else USDC)
    points = (_curve_point(bytes.fromhex(condition[2:]), slot) for slot in (1, 2))
    first, second = (_keccak(collateral + point.to_bytes(32, "big")) for point in points)
    return str(first), str(second)


def _curve_point(condition: bytes, index_set: int) -> int:
    """Return the point of alt_bn128 for a set of slots: its x, and bit 254 where y is odd."""
    hashed = _keccak(condition + index_set.to_bytes(32, "big"))
    x = hashed % CURVE_PRIME + 1
    while pow(x**3 + 3, CURVE_PRIME // 2, CURVE_PRIME) != 1:  # Euler: no square, no point
        x += 1
    return x | (hashed >> 255) << 254


def _keccak(data: bytes) -> int:
    return int.from_bytes(keccak.new(digest_bits=256, data=data).digest(), "big")


def condition_id(seed: int, run: int, index: int) -> str:
    """Return the condition id of a V1 market: `0x` and 64 hexadecimal digits."""
    return f"0x{digest('condition', seed, run, index).hex()}"


def structured_id(seed: int, run: int, index: int, *, neg_risk: bool) -> str:
    """Return the condition id of a V2 market: `0x`, 31 bytes and one of padding.

    The bytes are: module, hash (16), number of conditions of the event (2), reserved (8), the
    chain that resolves it (2; 0: Polygon), which condition of the event it is (2). A binary market
    has no event, and zero in all of them behind the hash.
    """
    drawn = digest("condition", seed, run, index)
    count = 2 + drawn[16] % 15 if neg_risk else 0
    number = drawn[17] % count if neg_risk else 0
    parts = (
        (NEG_RISK if neg_risk else BINARY).to_bytes(),
        drawn[:16],
        count.to_bytes(2),
        bytes(10),
        number.to_bytes(2),
        bytes(1),
    )
    return f"0x{b''.join(parts).hex()}"


def module_of(condition: str) -> int | None:
    """Return the module that a condition id of V2 names; None for any other id."""
    found = _STRUCTURED.fullmatch(condition)
    return int(found[1]) if found else None


def number_in_event(condition: str) -> int:
    """Return which condition of its event a V2 condition is."""
    return int(condition[60:64], 16)


def structured_tokens(condition: str) -> tuple[str, str]:
    """Return the tokens of both slots of a V2 condition: its number, and that plus one."""
    number = int(condition, 16)
    return str(number), str(number + 1)


def gamma_id(run: int, index: int) -> str:
    """Return Gamma's number of a market, as text; unique for runs of up to a million markets."""
    return str(5_000_000 + run * 1_000_000 + index)


def hex_id(*parts: object, size: int = 32) -> str:
    """Return `0x` and the hexadecimal digits of a digest."""
    return f"0x{digest(*parts, size=size).hex()}"
