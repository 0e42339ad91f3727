"""Other spellings of the fields of a trade, read into today's when they have one meaning.

Today every field is a text in one form (`fields.py`). Each function here takes the bytes of one
JSON value and returns the text that `fields` takes for the same value, or raises `PayloadRejected`
with one stable phrase. Values are taken from their own text, never through a float. What could
mean two things (`0,5`, a time without a zone, an id that has lost digits) is rejected and kept.

Only unusual trades come here, one at a time; `fields` checks the result once more.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Raw

from actors.errors import PayloadRejected
from actors.model.trade import canonical_decimal
from actors.polymarket import fields

_LONGEST: Final = 200
_LARGEST_EXPONENT: Final = 100
_EXACT_FLOATS: Final = 2**53
_HASH_DIGITS: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEAR: Final = timedelta(minutes=5)  # zones differ by a quarter of an hour at least
_NO_TIME: Final = "timestamp is not milliseconds"
_SPACE: Final = " \t\r\n"
_number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,4}))?").fullmatch
_hex = re.compile(r"(?:0[xX])?([0-9a-fA-F]+)").fullmatch
_date_and_time = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ][0-9].*").fullmatch
_fraction = re.compile(r"[.,]([0-9]+)").search
_UNITS: Final = tuple((Decimal(10) ** (9 + at), Decimal(10) ** (3 - at)) for at in (0, 3, 6, 9))
"""Of seconds, milli-, micro- and nanoseconds: their least number since 2001, and what makes them
milliseconds. Up to 2286 no number can be of two of them."""


def text_of(raw: Raw, field: str) -> str:
    """Return a JSON string, or the text of a JSON number, without space around it."""
    text = bytes(raw).decode(errors="replace")
    if text.startswith('"'):
        try:
            return msgspec.json.decode(raw, type=str).strip(_SPACE)
        except ValueError as exc:
            raise PayloadRejected(f"{field} is not a string") from exc
    text = text.strip(_SPACE)
    if not _number(text):
        raise PayloadRejected(f"{field} is not a string")
    return text


def amount(raw: Raw, field: str) -> str:
    """Return an amount in plain notation: `12.5` of `12.5`, `"1.25e1"` or `" +12.50 "`."""
    text = text_of(raw, field)
    if fields.is_amount(text):
        return text
    return canonical_decimal(_decimal(text, f"{field} is not a plain decimal"))


def _decimal(text: str, fault: str) -> Decimal:
    found = _number(text)
    if not found or len(text) > _LONGEST or abs(int(found[1] or 0)) > _LARGEST_EXPONENT:
        raise PayloadRejected(fault)
    value = Decimal(text)
    if value.is_signed():
        raise PayloadRejected(fault)
    return value


def side(raw: Raw) -> str:
    """Return the side in upper case."""
    return text_of(raw, "side").upper()


def token(raw: Raw) -> str:
    """Return the decimal digits of a token id: of a text, or of a number that kept its digits."""
    text = text_of(raw, "token")
    if bytes(raw)[:1] != b'"' and not _kept_its_digits(text):
        raise PayloadRejected("token has lost digits")
    if text[:2] in ("0x", "0X") and len(text) == 2 + _HASH_DIGITS and _hex(text):
        return str(int(text, 16))
    return text


def _kept_its_digits(text: str) -> bool:
    # A float has 53 bits. An id of 256 that is equal to one has passed through it.
    if not text.isdigit() or len(text) > _LONGEST:
        return False
    value = int(text)
    return value < _EXACT_FLOATS or int(float(value)) != value


def condition(raw: Raw) -> str:
    """Return a condition id with `0x` in front."""
    return _prefixed(text_of(raw, "condition"), 62)


def transaction_hash(raw: Raw) -> str | None:
    """Return a transaction hash with `0x` in front; None when there is none."""
    if bytes(raw) == b"null":
        return None
    if bytes(raw)[:1] != b'"':
        raise PayloadRejected("transaction_hash is not a string")
    return _prefixed(text_of(raw, "transaction_hash"), _HASH_DIGITS)


def _prefixed(text: str, least: int) -> str:
    # Without a prefix, fewer digits may be a number or an id of something else.
    found = _hex(text)
    bare = found is not None and text[:2] not in ("0x", "0X")
    if found is None or (bare and not least <= len(text) <= _HASH_DIGITS):
        return text
    return f"0x{found[1]}"


def moment(raw: Raw, received_at_ns: int) -> tuple[int, bool]:
    """Return milliseconds since 1970, and whether they are all that the value says.

    Read are seconds, milli-, micro- and nanoseconds, which cannot be confused, with or without
    decimals, and ISO 8601. Without a zone that is taken for UTC when it is close to the receipt.
    """
    try:
        text = text_of(raw, "timestamp")
    except PayloadRejected:
        raise PayloadRejected(_NO_TIME) from None
    if _date_and_time(text):
        return _iso(text, received_at_ns)
    value = _decimal(text, _NO_TIME)
    for least, factor in _UNITS:
        if least <= value < 10 * least:
            ms = value * factor
            return int(ms), ms == int(ms)
    raise PayloadRejected("timestamp out of range")


def _iso(text: str, received_at_ns: int) -> tuple[int, bool]:
    try:
        found = datetime.fromisoformat(text.upper())
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
            received = _EPOCH + timedelta(microseconds=received_at_ns // 1000)
            if abs(received - found) > _NEAR:
                raise PayloadRejected("timestamp without a zone")
    except (ValueError, OverflowError) as exc:
        raise PayloadRejected(_NO_TIME) from exc
    fraction = _fraction(text)
    is_all = fraction is None or not fraction[1][3:].strip("0")
    return (found - _EPOCH) // timedelta(milliseconds=1), is_all
