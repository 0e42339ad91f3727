"""The events of the market channel: their kinds, and two readers for them.

Both readers return the same events. `FRAME` decodes a whole frame of well-formed
events at once. `read` reads one event field by field, so that it can name what is
wrong and keep unknown fields; `elements` cuts a damaged array into its events first.

Source: Polymarket's market channel, AsyncAPI page and recordings of 2024 to
2026. All numbers are strings; `transaction_hash` is normally present, nullable.
Other spellings: `spelling.py`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from actors.errors import PayloadRejected
from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import fields, spelling, strict_json

_NOTHING: Final = Raw(b"null")
_DEEPEST: Final = 64
_SPACE: Final = b" \t\r\n"
# A string that does not end runs to the end of the bytes instead of failing: a
# failure would be tried again at every quote behind it.
_structure: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event_type"):
    """Base of the known kinds."""


# A trade with an unknown field fails in `FRAME`. It is then read field by field, so that the field
# is kept as `extra`.
class TradeEvent(
    Event, frozen=True, kw_only=True, tag="last_trade_price", forbid_unknown_fields=True, gc=False
):
    """A match between a taker and makers, its fields as received."""

    asset_id: str
    market: str
    price: str
    size: str
    side: str
    timestamp: str | int
    transaction_hash: str | None = None
    fee_rate_bps: str | int | None = None


class BookEvent(Event, frozen=True, kw_only=True, tag="book"):
    """A snapshot of an order book. Its timestamp is that of the last change, not "now"."""

    # Raw, here and below: a field of another type must not make the whole frame unreadable.
    asset_id: Raw = _NOTHING
    timestamp: Raw = _NOTHING


class PriceEvent(Event, frozen=True, kw_only=True, tag="price_change"):
    """Levels moved, in the format of 2025 or in one of the two older ones."""

    timestamp: Raw = _NOTHING


class QuoteEvent(Event, frozen=True, kw_only=True, tag="best_bid_ask"):
    """The best bid or ask moved."""

    timestamp: Raw = _NOTHING


class TickSizeEvent(Event, frozen=True, kw_only=True, tag="tick_size_change"):
    """The price step of a token changed."""


class MarketEvent(Event, frozen=True, kw_only=True, tag="new_market"):
    """A market was created; broadcast to every connection with custom features."""

    market: Raw = _NOTHING
    condition_id: Raw = _NOTHING
    assets_ids: Raw = _NOTHING
    clob_token_ids: Raw = _NOTHING
    outcomes: Raw = _NOTHING
    question: Raw = _NOTHING
    slug: Raw = _NOTHING
    tags: Raw = _NOTHING
    id: Raw = _NOTHING
    active: Raw = _NOTHING


class ResolvedEvent(Event, frozen=True, kw_only=True, tag="market_resolved"):
    """A market may have resolved: a hint to ask the sources, nothing more."""

    market: Raw = _NOTHING


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event of an unknown kind; `kind` is printable and at most 64 characters."""

    kind: str


KnownEvent = (
    TradeEvent | BookEvent | PriceEvent | QuoteEvent | TickSizeEvent | MarketEvent | ResolvedEvent
)

FRAME: Final[msgspec.json.Decoder[KnownEvent | list[KnownEvent]]] = msgspec.json.Decoder(
    KnownEvent | list[KnownEvent]
)
"""Reads a frame in which every event is of a known kind and every trade is well-typed."""

UNREADABLE: Final = (ValueError, RecursionError)
"""What msgspec raises for bad bytes: its errors and UnicodeDecodeError are ValueErrors."""


def _check_number(text: str) -> float:
    # jsonb writes numbers out in full: 1e9999 would become 10,000 digits, 1e-99999 an error.
    _, _, exponent = text.lower().partition("e")
    if len(text) > 4096 or abs(int(exponent or 0)) > 308:
        raise ValueError("number out of range")
    return 0.0


_fields: Final = msgspec.json.Decoder(dict[str, Raw])
_value: Final = msgspec.json.Decoder(float_hook=_check_number)
_string: Final = msgspec.json.Decoder(str)
_kinds: Final[Mapping[str, type[Event]]] = {
    "book": BookEvent,
    "price_change": PriceEvent,
    "best_bid_ask": QuoteEvent,
    "tick_size_change": TickSizeEvent,
    "new_market": MarketEvent,
    "market_resolved": ResolvedEvent,
}
# What makes an event of another name a trade: whatever it is called, it is kept and counted.
_likeness: Final = {"asset_id", "price", "size", "timestamp"}
_trade_fields: Final = frozenset({"event_type", *TradeEvent.__struct_fields__})


class ReadEvent(NamedTuple):
    """One event, read field by field.

    Attributes:
        event: Of a trade, its fields in today's spelling.
        extra: The fields of a trade that we do not know, as the text of a JSON object.
        respelled: It is a trade that was spelled otherwise.
    """

    event: Event | UnknownEvent
    extra: str | None = None
    respelled: bool = False


def read(raw: bytes, received_at_ns: int) -> ReadEvent:
    """Return one event.

    Raises:
        PayloadRejected: The bytes are no event, or a trade with a field that has no one meaning.
    """
    members = read_fields(raw)
    kind = text_of(members.get("event_type", _NOTHING))
    if kind is None:
        raise PayloadRejected("event_type is missing")
    if kind == "last_trade_price":
        return _read_trade(members, received_at_ns)
    known = _kinds.get(kind)
    if known is None:
        return ReadEvent(UnknownEvent(_printable(kind)))
    return ReadEvent(known(**{k: members[k] for k in known.__struct_fields__ if k in members}))


def read_fields(raw: bytes) -> dict[str, Raw]:
    """Return the members of an event, undecoded.

    Raises:
        PayloadRejected: The bytes are no JSON object.
    """
    try:
        return _fields.decode(raw)
    except msgspec.ValidationError as exc:
        raise PayloadRejected("not an object") from exc
    except RecursionError as exc:
        raise PayloadRejected("nested too deeply") from exc
    except ValueError as exc:
        raise PayloadRejected("not JSON") from exc


def trade_hidden_in(raw: bytes) -> tuple[TokenId | None, ...]:
    """Return the token of the trade that a rejected event may be.

    None stands for a token that cannot be read, so it may be any. Nothing is returned for what is
    no trade: an event of a known other kind, one without token, price, size and time, or a text
    that is no part of an event.
    """
    try:
        members = read_fields(raw)
    except PayloadRejected:
        # A part of an event has names and values.
        return (None,) if b'"' in raw and b":" in raw else ()
    kind = text_of(members.get("event_type", _NOTHING)) or ""
    if kind in _kinds or (kind != "last_trade_price" and not members.keys() >= _likeness):
        return ()
    try:
        return (fields.token(spelling.token(members.get("asset_id", _NOTHING))),)
    except PayloadRejected:
        return (None,)


def _read_trade(members: Mapping[str, Raw], received_at_ns: int) -> ReadEvent:
    unknown = {name: value for name, value in members.items() if name not in _trade_fields}
    fee = _plain(members.get("fee_rate_bps", _NOTHING))
    raw_time = members.get("timestamp", _NOTHING)
    timestamp = _plain(raw_time)
    respelled = not fields.is_fee(fee)
    if not fields.is_fee(fee):
        unknown["fee_rate_bps"] = members["fee_rate_bps"]
        fee = None
    if not fields.is_milliseconds(timestamp):
        respelled = True
        timestamp, is_all = spelling.moment(raw_time, received_at_ns)
        if not is_all:  # what a millisecond cannot hold is kept
            unknown["timestamp"] = raw_time
    texts = {
        "asset_id": spelling.token(_of(members, "asset_id", "token")),
        "market": spelling.condition(_of(members, "market", "condition")),
        "price": spelling.amount(_of(members, "price"), "price"),
        "size": spelling.amount(_of(members, "size"), "size"),
        "side": spelling.side(_of(members, "side")),
    }
    spoken = spelling.transaction_hash(members.get("transaction_hash", _NOTHING))
    event = TradeEvent(
        **texts,
        timestamp=timestamp,
        transaction_hash=spoken,
        fee_rate_bps=fee,
    )
    if spoken is not None:
        texts["transaction_hash"] = spoken
    respelled = respelled or any(text_of(members[name]) != text for name, text in texts.items())
    return ReadEvent(event, _extra_text(unknown) if unknown else None, respelled)


def _of(members: Mapping[str, Raw], name: str, field: str = "") -> Raw:
    raw = members.get(name)
    if raw is None:
        raise PayloadRejected(f"{field or name} is missing")
    return raw


def _extra_text(unknown: Mapping[str, Raw]) -> str:
    """Return a JSON object that PostgreSQL's jsonb takes: no NUL, no lone surrogate."""
    parts: list[bytes] = []
    for name in sorted(unknown):
        raw = bytes(unknown[name])
        try:
            _value.decode(raw)
        except UNREADABLE as exc:
            raise PayloadRejected("unknown field cannot be kept") from exc
        # Without pairs of backslashes, a backslash before `u0000` is a real escape.
        if "\0" in name or b"\\u0000" in raw.replace(b"\\\\", b"") or depth(raw) > _DEEPEST:
            raise PayloadRejected("unknown field cannot be kept")
        parts.append(msgspec.json.encode(name) + b":" + raw)
    return (b"{" + b",".join(parts) + b"}").decode()


def _plain(raw: Raw) -> object:
    """Return the value, or the bytes themselves when they are no valid JSON."""
    try:
        value: object = _value.decode(raw)
    except UNREADABLE:
        return bytes(raw)
    return value


def text_of(raw: Raw) -> str | None:
    """Return the string that these JSON bytes hold, or None when they hold anything else."""
    try:
        return _string.decode(raw)
    except UNREADABLE:
        return None


def _printable(text: str) -> str:
    return text[:64] if text[:64].isprintable() else ascii(text[:64])[:64]


def token_of(raw: Raw) -> TokenId | None:
    """Return the token id, or None when the bytes are not one."""
    try:
        return fields.token(text_of(raw) or "")
    except PayloadRejected:
        return None


def condition_of(raw: Raw) -> ConditionId:
    """Return the condition id, in lower case.

    Raises:
        PayloadRejected: The bytes are not one.
    """
    return fields.condition(text_of(raw) or "")


def moment_of(raw: Raw, received_at_ns: int, latest_ms: int) -> int | None:
    """Return the exchange time in milliseconds, or None when it is absent or out of range."""
    value = _plain(raw)
    try:
        if not fields.is_milliseconds(value):
            value, _ = spelling.moment(raw, received_at_ns)
        return fields.moment(value, latest_ms)
    except PayloadRejected:
        return None


# --------------------------------------------------------------- announcements


def announced_market(event: MarketEvent) -> Market:
    """Return the market that is announced; it is not `active` before Gamma says so.

    Without tokens when they are not clear, or when the event says that it does not trade yet.

    Raises:
        PayloadRejected: The event names no condition id.
    """
    condition_id = _announced_condition(event)
    gamma_id = strict_json.text(event.id)
    return Market(
        condition_id=condition_id,
        question=strict_json.text(event.question)[: strict_json.MAX_TEXT_CHARS],
        slug=strict_json.text(event.slug)[: strict_json.MAX_TEXT_CHARS],
        assets=() if bytes(event.active) == b"false" else _announced_assets(event),
        gamma_id=gamma_id if strict_json.is_id(gamma_id) else None,
        active=False,
        # The ids of V2 have 31 bytes; one in 256 of V1 ends so, too, until Gamma lists it.
        version="v2" if condition_id.endswith("00") else "v1",
        tags=strict_json.tags(strict_json.texts(event.tags) or ()),
    )


def _announced_condition(event: MarketEvent) -> ConditionId:
    try:
        return condition_of(event.market)
    except PayloadRejected:
        return condition_of(event.condition_id)


def _announced_assets(event: MarketEvent) -> tuple[Asset, ...]:
    texts = strict_json.texts(event.assets_ids) or strict_json.texts(event.clob_token_ids) or []
    tokens = strict_json.tokens(texts)
    outcomes = strict_json.texts(event.outcomes) or []
    if tokens is None or len(set(tokens)) != 2 or len(tokens) != 2 or len(outcomes) != 2:
        return ()
    return tuple(
        Asset(token_id=token_id, outcome=outcome, outcome_index=index)
        for index, (token_id, outcome) in enumerate(zip(tokens, outcomes, strict=True))
    )


# ------------------------------------------------------------- damaged arrays
# A parser stops at the first wrong byte and loses every event of the array. These two
# see nothing but strings and brackets; they are linear and do not recurse.


def elements(array: bytes) -> Iterator[bytes]:
    """Return the bytes of each element of an array that begins with `[`, in order.

    Empty elements are left out. What follows the last comma of an array that is not
    closed, or the closing bracket, is an element, too.
    """
    level, start = 0, 1
    for found in _structure.finditer(array):
        token = found[0]
        if token in b"[{":
            level += 1
        elif token in b"]}":
            level -= 1
        if (level == 1 and token == b",") or level == 0:
            yield from _stripped(array[start : found.start()])
            start = found.end()
        if level == 0:
            break
    yield from _stripped(array[start:])


def depth(raw: bytes) -> int:
    """Return how deeply brackets are nested."""
    deepest = level = 0
    for found in _structure.finditer(raw):
        token = found[0]
        if token in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif token in b"]}":
            level -= 1
    return deepest


def _stripped(element: bytes) -> Iterator[bytes]:
    element = element.strip(_SPACE)
    if element:
        yield element
