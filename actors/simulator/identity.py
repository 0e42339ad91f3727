"""Names that a seed and a run decide: tokens, conditions, hashes.

The same seed and run give the same names on every machine and Python; another
run of the same seed gives other names, so that two runs never collide in one
database.
"""

from hashlib import blake2b


def digest(*parts: object, size: int = 32) -> bytes:
    """Return `size` bytes that depend on all parts and on nothing else."""
    return blake2b("|".join(map(str, parts)).encode(), digest_size=size).digest()


def token_id(seed: int, run: int, index: int, side: int) -> str:
    """Return a token id: 76 to 78 decimal digits, as a uint256 has."""
    number = int.from_bytes(digest("token", seed, run, index, side), "big")
    return str(number | 1 << 252)


def condition_id(seed: int, run: int, index: int, *, v2: bool) -> str:
    """Return `0x` and 64 hexadecimal digits; of a V2 market the last byte is padding."""
    text = digest("condition", seed, run, index).hex()
    return f"0x{text[:62]}00" if v2 else f"0x{text}"


def gamma_id(run: int, index: int) -> str:
    """Return Gamma's number of a market, as text; unique for runs of up to a million markets."""
    return str(5_000_000 + run * 1_000_000 + index)


def hex_id(*parts: object, size: int = 32) -> str:
    """Return `0x` and the hexadecimal digits of a digest, as hashes on the wire have them."""
    return f"0x{digest(*parts, size=size).hex()}"
