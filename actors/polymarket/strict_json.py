"""Strict reading of the JSON that an HTTP source sent, and of the ids in it.

A 77-digit id that arrives as a number has passed through a float and lost digits,
so it is rejected and never repaired. `parts` takes apart what a parser rejects as a
whole, so that one bad value hides no other.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from typing import TypeVar

import msgspec

from actors.errors import PayloadRejected
from actors.model.conversion import storable_text
from actors.model.market import Market
from actors.model.trade import ConditionId, TokenId

T = TypeVar("T")
Field = str | bool | list[str] | None
"""What is kept of an answer as evidence."""
Names = tuple[tuple[TokenId, str], ...]

MAX_EVIDENCE_CHARS = 2_000
MAX_TEXT_CHARS = 2_000
"""Longest text that is kept of a market, but for its description. Recorded ones have 110."""
MAX_TAGS = 100
MAX_TAGS_BYTES = 20_000
"""Of an event, of which each of its markets gets a copy. Recorded ones have 3,000."""
MAX_ID_CHARS = 200
"""Recorded ids of Gamma have 7. An index of the database holds no text of thousands."""
_TOKEN = re.compile(r"[0-9]{1,78}")
_full = re.compile(r"0x[0-9a-fA-F]{64}").fullmatch
_bare = re.compile(r"0x[0-9a-fA-F]{62}").fullmatch
_texts = msgspec.json.Decoder(list[str])
_text = msgspec.json.Decoder(str)
_numbers = msgspec.json.Decoder(list[Decimal])
_SPACE = b" \t\r\n"
_token = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\[\]{},:]', re.DOTALL)
_CLOSER = {b"[": b"]", b"{": b"}"}
_CLOSERS = frozenset(_CLOSER.values())


def read(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the decoded value.

    Raises:
        PayloadRejected: `unexpected shape` for JSON that is something else,
            `not JSON` for anything that is none (HTML, half an answer, bad UTF-8).
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        raise PayloadRejected("unexpected shape") from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise PayloadRejected("not JSON") from exc


def has_duplicate_keys(raw: bytes) -> bool:
    """Return whether an object has one key twice: which of the two values counts is unknown.

    What cannot be read counts as such, too.
    """
    duplicates = False

    def check(pairs: list[tuple[str, object]]) -> None:
        nonlocal duplicates
        duplicates = duplicates or len({key for key, _ in pairs}) < len(pairs)

    try:
        json.loads(raw, object_pairs_hook=check)
    except (ValueError, RecursionError):
        return True
    return duplicates


def condition_id(text: str) -> ConditionId:
    """Return a condition id as `0x` and 64 hexadecimal digits in lower case.

    The ids of V2 markets have 31 bytes. Gamma spells them bare (62 digits), the feed and the Data
    API add a zero byte, and so do we.

    Raises:
        PayloadRejected: The text is no condition id.
    """
    if _full(text):
        return ConditionId(text.lower())
    if _bare(text):
        return ConditionId(f"{text.lower()}00")
    raise PayloadRejected("condition is malformed")


def condition(text: str) -> ConditionId | None:
    """Return the canonical form of a condition id, or None if the text is none."""
    try:
        return condition_id(text.lower())  # so `0X` is taken here, too
    except PayloadRejected:
        return None


def tokens(texts: list[str]) -> tuple[TokenId, ...] | None:
    """Return the token ids, or None unless all of them are decimal digits."""
    if not all(_TOKEN.fullmatch(text) for text in texts):
        return None
    return tuple(TokenId(text) for text in texts)


def text(raw: msgspec.Raw) -> str:
    """Return a string value that can be stored; empty for anything else."""
    try:
        return storable_text(read(bytes(raw), _text))
    except PayloadRejected:
        return ""


def is_id(text: str) -> bool:
    """Return whether a text may be the id of something."""
    return 0 < len(text) <= MAX_ID_CHARS


def short(text: str) -> str:
    """Return a text that can be stored, cut where it is longer than any that is kept."""
    return storable_text(text[:MAX_TEXT_CHARS])


def tags(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that are kept, in one order, since another one is no change."""
    return tuple(sorted({short(text).lower() for text in texts if text})[:MAX_TAGS])


def texts(raw: msgspec.Raw) -> list[str] | None:
    """Return a list of strings that is native or, as Gamma writes it, JSON in a string."""
    try:
        inner = text(raw).encode() if bytes(raw)[:1] == b'"' else bytes(raw)
        found = read(inner, _texts)
    except PayloadRejected:
        return None
    return [short(item) for item in found]


def numbers(raw: msgspec.Raw) -> tuple[Decimal, ...] | None:
    """Return a list of finite decimals, native or in a string, each a string or a number."""
    try:
        inner = text(raw).encode() if bytes(raw)[:1] == b'"' else bytes(raw)
        found = read(inner, _numbers)
    except (PayloadRejected, DecimalException):
        return None
    return tuple(found) if all(number.is_finite() for number in found) else None


def moment(raw: msgspec.Raw) -> datetime | None:
    """Return an aware UTC time, or None for anything else.

    Read are `2026-05-09 02:07:01+00` and ISO 8601 with any fraction.
    """
    try:
        found = datetime.fromisoformat(text(raw))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def same_tokens(found: Iterable[TokenId], market: Market) -> str:
    """Return why these tokens are not those of the market; an empty text if they are."""
    known = set(market.token_ids)
    return "" if len(known) == 2 and set(found) == known else "other tokens"


def names(found: Mapping[TokenId, str], market: Market) -> Names:
    """Return the names that an answer has for the tokens of a market; none unless it has both."""
    if same_tokens(found, market) or not all(found.values()):
        return ()
    return tuple((token, short(found[token])) for token in sorted(found))


def evidence(fields: Mapping[str, Field]) -> str:
    """Return the JSON text to keep; one that is too long is cut and put under the key `cut`."""
    kept = msgspec.json.encode(fields).decode()
    if len(kept) <= MAX_EVIDENCE_CHARS:
        return kept
    return msgspec.json.encode({"cut": kept[: MAX_EVIDENCE_CHARS // 4]}).decode()


def excerpt(raw: bytes) -> str:
    """Return evidence of an answer that could not be read: its beginning."""
    return evidence({"unreadable": storable_text(raw[:200].decode(errors="replace"))})


# --------------------------------------------------------------------- damage
# A parser stops at the first wrong byte and loses all of a page. This one sees nothing but strings,
# brackets, commas and colons, so whatever stands in a value (half of an emoji, a raw tab, NaN,
# bytes that are no UTF-8) stays within it. Linear, and without recursion.


def parts(raw: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return (key in quotes, value) of each member of an object, or (empty, element) of an array.

    Keys and values are verbatim and not checked.

    Raises:
        PayloadRejected: `not JSON`: neither of the two, not closed, or brackets that do not match.
    """
    raw = raw.strip(_SPACE)
    if raw[:1] not in _CLOSER:
        raise PayloadRejected("not JSON")
    found: list[tuple[bytes, bytes]] = []
    open_: list[bytes] = []
    start, colon = 1, -1
    for match in _token.finditer(raw):
        token, at = match[0], match.start()
        if token in _CLOSER:
            open_.append(_CLOSER[token])
        elif token == b'"' or (token in _CLOSERS and (not open_ or open_.pop() != token)):
            break  # a string without end, or the wrong bracket
        if len(open_) == 1 and token == b":" and colon < 0 and raw[:1] == b"{":
            colon = at
        elif (len(open_) == 1 and token == b",") or not open_:
            _add(found, raw[start:at], colon - start)
            start, colon = at + 1, -1
        if not open_:
            if at + 1 < len(raw):
                break
            return tuple(found)
    raise PayloadRejected("not JSON")


def _add(found: list[tuple[bytes, bytes]], member: bytes, colon: int) -> None:
    if colon >= 0:
        found.append((member[:colon].strip(_SPACE), member[colon + 1 :].strip(_SPACE)))
    elif member := member.strip(_SPACE):
        found.append((b"", member))
