"""The fields of a trade as the feed spells them, each checked and exact.

Every function returns the value or raises `PayloadRejected` with one stable phrase.
Only ASCII passes, so no value holds a NUL or half of a surrogate pair.

Values that recur (tokens, conditions, prices) are checked once and cached, in bounded
number, so trades that name the same id share one string. Values that seldom recur
(sizes, times, hashes) are checked as columns: all at once when each has its usual form,
otherwise one by one. The check of the single value decides.
"""

import re
from binascii import unhexlify
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeGuard

from actors.errors import PayloadRejected
from actors.model.trade import TokenId
from actors.polymarket import strict_json

_EARLIEST_MS: Final = 1_577_836_800_000  # 2020-01-01, before the exchange existed
DAY_MS: Final = 86_400_000
LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01: no time is later, whatever any clock shows. Times in another unit are later."""
_LARGEST_FEE: Final = 32_767
_MOMENT_DIGITS: Final = 18
_MILLISECOND_DIGITS: Final = 13  # from 2001 to 2286
_LONGEST_HASH: Final = 2 + 128
_IDS: Final = 4_096  # at most 1 MiB
_PRICES: Final = 4_096
# The largest id is below 2**256, which has 78 digits.
_token = re.compile(r"[0-9]{1,78}").fullmatch
# 18 decimals are what the database holds (tracker.trades): a number that somebody else computed as
# a float may have more than 12. Zeros at the end are none.
_DECIMALS: Final = r"\.[0-9]{1,18}0{0,12}"
_amount = re.compile(rf"[0-9]{{1,20}}(?:{_DECIMALS})?|{_DECIMALS}").fullmatch
_longer_amount = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+").fullmatch
_fee = re.compile(r"[0-9]{1,9}").fullmatch
_HASH_LENGTHS: Final = {66}
_hashes = re.compile(r"(?:0x[0-9a-fA-F]{64})+").fullmatch


@lru_cache(maxsize=_IDS)
def token(text: str) -> TokenId:
    """Return the token id: 1 to 78 digits.

    Raises:
        PayloadRejected: Other characters or another number of them.
    """
    if not _token(text):
        raise PayloadRejected("token is malformed")
    return TokenId(text)


# A cache of the feed alone: listings name many more conditions than are traded at a time.
condition = lru_cache(maxsize=_IDS)(strict_json.condition_id)


@lru_cache(maxsize=8)
def side(text: str) -> str:
    """Return the taker's side.

    Raises:
        PayloadRejected: Neither BUY nor SELL.
    """
    if text not in ("BUY", "SELL"):
        raise PayloadRejected("side is not BUY or SELL")
    return text


def is_amount(text: str) -> bool:
    """Return whether this is an amount in plain notation, of which `amount` says more."""
    return _amount(text) is not None


def amount(text: str, field: str) -> Decimal:
    """Return an amount above zero: plain notation, at most 20 digits and 18 decimals.

    Args:
        text: The amount.
        field: Name for the error message.

    Raises:
        PayloadRejected: Not a plain decimal, too many digits, or zero.
    """
    if not _amount(text):
        fault = "has too many digits" if _longer_amount(text) else "is not a plain decimal"
        raise PayloadRejected(f"{field} {fault}")
    value = Decimal(text)
    if not value:
        raise PayloadRejected(f"{field} out of range")
    return value


def sizes(texts: Sequence[str]) -> list[Decimal]:
    """Return a column of sizes: amounts above zero.

    Raises:
        PayloadRejected: One of them is no such amount.
    """
    if all(map(_amount, texts)):
        values = list(map(Decimal, texts))
        if all(values):
            return values
    return [amount(text, "size") for text in texts]


@lru_cache(maxsize=_PRICES)
def price(text: str) -> Decimal:
    """Return a price: an amount of at most 1.

    Raises:
        PayloadRejected: No amount above zero, or more than 1.
    """
    value = amount(text, "price")
    if value > 1:
        raise PayloadRejected("price out of range")
    return value


def latest_moment(received_at_ns: int) -> int:
    """Return the last moment that is taken by default: one day after the receipt."""
    return received_at_ns // 1_000_000 + DAY_MS


def is_milliseconds(value: object) -> TypeGuard[str | int]:
    """Return whether this is a number of milliseconds, as text or not, since 2001 at least."""
    if type(value) is str and value.isascii() and value.isdigit():
        return len(value) == _MILLISECOND_DIGITS
    return type(value) is int and len(str(value)) == _MILLISECOND_DIGITS


def moment(value: object, latest_ms: int) -> int:
    """Return milliseconds since 1970, from 2020 to `latest_ms`.

    Raises:
        PayloadRejected: Not milliseconds, or out of this range.
    """
    if type(value) is str and len(value) <= _MOMENT_DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int:  # isinstance would take True
        raise PayloadRejected("timestamp is not milliseconds")
    if not _EARLIEST_MS <= value <= latest_ms:
        raise PayloadRejected("timestamp out of range")
    return value


def moments(values: Sequence[object], latest_ms: int) -> list[int]:
    """Return a column of what `moment` returns.

    Raises:
        PayloadRejected: One of them is no such time.
    """
    texts = [value for value in values if type(value) is str]
    digits = "".join(texts)
    # An empty text would vanish in the joined one, and isdigit alone takes digits of other scripts.
    usual = len(texts) == len(values) and all(texts) and digits.isascii() and digits.isdigit()
    if usual and max(map(len, texts)) <= _MOMENT_DIGITS:
        numbers = list(map(int, texts))
        if min(numbers) >= _EARLIEST_MS and max(numbers) <= latest_ms:
            return numbers
    return [moment(value, latest_ms) for value in values]


def transaction_hash(text: str | None) -> str | None:
    """Return the hash in lower case, 1 to 64 bytes behind `0x`; None when there is none.

    Raises:
        PayloadRejected: Another text.
    """
    if not text:
        return None
    if not _is_hash(text):
        raise PayloadRejected("transaction_hash is malformed")
    return text.lower()


def transaction_hashes(texts: Sequence[str | None]) -> list[str | None]:
    """Return a column of what `transaction_hash` returns.

    Raises:
        PayloadRejected: One of them is no hash.
    """
    present = [text for text in texts if text]
    usual = len(present) == len(texts) and set(map(len, present)) == _HASH_LENGTHS
    # All have 66 characters, and the pattern takes 66 at a time: none can borrow from its
    # neighbour.
    if usual and _hashes("".join(present)):
        return [text.lower() for text in present]
    return list(map(transaction_hash, texts))


def _is_hash(text: str) -> bool:
    # Faster than a regular expression.
    if not text.startswith("0x") or len(text) > _LONGEST_HASH:
        return False
    try:
        return bool(unhexlify(text[2:]))
    except ValueError:
        return False


def is_fee(value: object) -> TypeGuard[str | int | None]:
    """Return whether this is a whole number of basis points that a column holds, or absent."""
    if isinstance(value, str):
        return not value or (_fee(value) is not None and int(value) <= _LARGEST_FEE)
    if isinstance(value, int) and not isinstance(value, bool):
        return 0 <= value <= _LARGEST_FEE
    return value is None


# typed: True equals 1 and would get the cached answer for 1.
@lru_cache(maxsize=64, typed=True)
def fee(value: str | int | None) -> int | None:
    """Return basis points, or None when the feed gave none.

    Raises:
        PayloadRejected: Not a whole number from 0 to 32,767.
    """
    if not is_fee(value):
        raise PayloadRejected("fee_rate_bps is not a whole number")
    return None if value is None or value == "" else int(value)
