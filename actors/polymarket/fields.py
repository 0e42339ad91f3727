"""How the feed spells a token, an amount, a time: each field by itself, checked and exact.

Every function gives the value or raises `PayloadRejected` with one stable phrase.
Only ASCII passes, so nothing of what passes can hold a NUL or half a surrogate pair.

What comes again and again is checked once and remembered, in bounded number; of equal
ids one string is kept, however many trades name them. What seldom comes again is checked
in columns: as they nearly always are, all at once; if not, one by one, which alone decides.
"""

import re
from binascii import unhexlify
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeGuard

from actors.errors import PayloadRejected
from actors.model.trade import ConditionId, TokenId

_EARLIEST_MS: Final = 1_577_836_800_000  # 2020-01-01, before the exchange existed
_DAY_MS: Final = 86_400_000
_LARGEST_FEE: Final = 999_999_999
_MOMENT_DIGITS: Final = 18
_LONGEST_HASH: Final = 2 + 128
_IDS: Final = 4_096  # a MiB, should all of them be long
_PRICES: Final = 4_096
_token = re.compile(r"[0-9]{1,78}").fullmatch
_condition = re.compile(r"0x[0-9a-fA-F]{62,64}").fullmatch
_amount = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,12})?|\.[0-9]{1,12}").fullmatch
_longer_amount = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+").fullmatch
_fee = re.compile(r"[0-9]{1,9}").fullmatch
_HASH_LENGTHS: Final = {66}
_hashes = re.compile(r"(?:0x[0-9a-fA-F]{64})+").fullmatch


@lru_cache(maxsize=_IDS)
def token(text: str) -> TokenId:
    """Return the token id: 1 to 78 digits."""
    if not _token(text):
        raise PayloadRejected("token is malformed")
    return TokenId(text)


@lru_cache(maxsize=_IDS)
def condition(text: str) -> ConditionId:
    """Return the condition id in lower case: 62 to 64 hexadecimal digits behind `0x`."""
    if not _condition(text):
        raise PayloadRejected("condition is malformed")
    return ConditionId(text.lower())


@lru_cache(maxsize=8)
def side(text: str) -> str:
    """Return the taker's side."""
    if text not in ("BUY", "SELL"):
        raise PayloadRejected("side is not BUY or SELL")
    return text


def amount(text: str, called: str) -> Decimal:
    """Return an amount above zero: plain notation, at most 20 digits and 12 decimals."""
    if not _amount(text):
        known = "has too many digits" if _longer_amount(text) else "is not a plain decimal"
        raise PayloadRejected(f"{called} {known}")
    value = Decimal(text)
    if not value:
        raise PayloadRejected(f"{called} out of range")
    return value


def sizes(texts: Sequence[str]) -> list[Decimal]:
    """Return a column of amounts above zero."""
    if all(map(_amount, texts)):
        values = list(map(Decimal, texts))
        if all(values):
            return values
    return [amount(text, "size") for text in texts]


@lru_cache(maxsize=_PRICES)
def price(text: str) -> Decimal:
    """Return a price: an amount of at most 1."""
    value = amount(text, "price")
    if value > 1:
        raise PayloadRejected("price out of range")
    return value


def moment(value: object, received_at_ns: int) -> int:
    """Return milliseconds since 1970, from 2020 to one day after the receipt."""
    if type(value) is str and len(value) <= _MOMENT_DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int:  # True is none
        raise PayloadRejected("timestamp is not milliseconds")
    if not _EARLIEST_MS <= value <= received_at_ns // 1_000_000 + _DAY_MS:
        raise PayloadRejected("timestamp out of range")
    return value


def moments(values: Sequence[object], received_at_ns: int) -> list[int]:
    """Return a column of milliseconds, likewise."""
    texts = [value for value in values if type(value) is str]
    digits = "".join(texts)
    usual = len(texts) == len(values) and all(texts) and digits.isascii() and digits.isdigit()
    if usual and max(map(len, texts)) <= _MOMENT_DIGITS:
        numbers = list(map(int, texts))
        latest_ms = received_at_ns // 1_000_000 + _DAY_MS
        if min(numbers) >= _EARLIEST_MS and max(numbers) <= latest_ms:
            return numbers
    return [moment(value, received_at_ns) for value in values]


def transaction_hash(text: str | None) -> str | None:
    """Return the hash in lower case, 1 to 64 bytes behind `0x`; None when there is none."""
    if not text:
        return None
    if not _is_hash(text):
        raise PayloadRejected("transaction_hash is malformed")
    return text.lower()


def transaction_hashes(texts: Sequence[str | None]) -> list[str | None]:
    """Return a column of hashes, likewise."""
    there = [text for text in texts if text]
    usual = len(there) == len(texts) and set(map(len, there)) == _HASH_LENGTHS
    if usual and _hashes("".join(there)):
        return [text.lower() for text in there]
    return list(map(transaction_hash, texts))


def _is_hash(text: str) -> bool:
    # Quicker than a regular expression, and there is one for each trade.
    if not text.startswith("0x") or len(text) > _LONGEST_HASH:
        return False
    try:
        return bool(unhexlify(text[2:]))
    except ValueError:
        return False


def is_fee(value: object) -> TypeGuard[str | int | None]:
    """Return whether this is a whole number of basis points, or none at all."""
    if isinstance(value, str):
        return not value or _fee(value) is not None
    if isinstance(value, int) and not isinstance(value, bool):
        return 0 <= value <= _LARGEST_FEE
    return value is None


@lru_cache(maxsize=64, typed=True)
def fee(value: str | int | None) -> int | None:
    """Return basis points, or None when the feed gave none."""
    if not is_fee(value):
        raise PayloadRejected("fee_rate_bps is not a whole number")
    return None if value is None or value == "" else int(value)


# MERGED: JSON seen as brackets and strings only: enough to take a damaged array apart. A
# parser gives up at the first wrong byte and takes every event of the array with it. This walk
# needs no more than strings that end and brackets that close, is linear, and never recurses.


# A string that does not end runs to the end of the bytes instead of failing: a
# failure would be tried again at every quote behind it.
_structure: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_SPACE: Final = b" \t\r\n"


def depth(raw: bytes) -> int:
    """Return how deeply brackets are nested."""
    deepest = level = 0
    for found in _structure.finditer(raw):
        mark = found[0]
        if mark in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif mark in b"]}":
            level -= 1
    return deepest


def elements(array: bytes) -> Iterator[bytes]:
    """Return the bytes of each element of an array that begins with `[`, in order.

    Empty elements are left out; what stands behind the last comma of an array
    that never closes, or behind its closing bracket, is an element too.
    """
    level, start = 0, 1
    for found in _structure.finditer(array):
        mark = found[0]
        if mark in b"[{":
            level += 1
        elif mark in b"]}":
            level -= 1
        if (level == 1 and mark == b",") or level == 0:
            yield from _kept(array[start : found.start()])
            start = found.end()
        if level == 0:
            break
    yield from _kept(array[start:])


def _kept(element: bytes) -> Iterator[bytes]:
    element = element.strip(_SPACE)
    if element:
        yield element
