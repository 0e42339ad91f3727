"""The ids of markets: tokens, conditions, hashes.

A seed and a run decide all of them, alike on every machine and Python. Another run of the same
seed has other ids, so that two runs never collide in one database.
"""

from hashlib import blake2b

from Crypto.Hash import keccak

USDC = "2791bca1f2de4661ed88a30c99a7a9449aa84174"
WRAPPED_USDC = "3a3bd7bb9528e159577f7c2e685cc81a765002e2"
"""Collaterals of V1 markets on Polygon; the second of negRisk markets."""
CURVE_PRIME = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47


def digest(*parts: object, size: int = 32) -> bytes:
    """Return `size` bytes that depend on the parts alone."""
    return blake2b("|".join(map(str, parts)).encode(), digest_size=size).digest()


def token_id(seed: int, run: int, index: int, side: int) -> str:
    """Return a token id of a V2 market: 76 to 78 decimal digits, as a uint256 has."""
    number = int.from_bytes(digest("token", seed, run, index, side), "big")
    return str(number | 1 << 252)


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


def condition_id(seed: int, run: int, index: int, *, v2: bool) -> str:
    """Return `0x` and 64 hexadecimal digits; of a V2 market the last byte is padding."""
    text = digest("condition", seed, run, index).hex()
    return f"0x{text[:62]}00" if v2 else f"0x{text}"


def gamma_id(run: int, index: int) -> str:
    """Return Gamma's number of a market, as text; unique for runs of up to a million markets."""
    return str(5_000_000 + run * 1_000_000 + index)


def hex_id(*parts: object, size: int = 32) -> str:
    """Return `0x` and the hexadecimal digits of a digest."""
    return f"0x{digest(*parts, size=size).hex()}"
