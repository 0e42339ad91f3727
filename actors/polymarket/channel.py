"""The market channel's language: what we say to it, and what its frames say to us.

Reading is a pure function of the bytes and their time of receipt, so that a
journal read again gives the same trades in the same order. It never raises:
what cannot be a trade comes back verbatim with a reason, one bad event never
takes its siblings with it, and kinds that nobody knows are kept and named.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, compress, islice
from typing import Final

import msgspec

from actors.errors import PayloadRejected
from actors.model.trade import ConditionId, Rejection, TokenId, Trade
from actors.polymarket.events import (
    FRAME,
    UNREADABLE,
    BookEvent,
    Event,
    MarketEvent,
    PriceEvent,
    QuoteEvent,
    ResolvedEvent,
    TradeEvent,
    UnknownEvent,
    condition_of,
    moment_of,
    read,
    token_of,
    trade_of,
    trades_of,
)
from actors.polymarket.fields import elements

PING: Final = "PING"
"""The heartbeat. Before the first subscription the server answers it by closing (1008)."""

TOKENS_AT_ONCE: Final = 100
"""Most tokens of one subscription message."""

_SHORT_BYTES: Final = 200
_MOST_EVENTS: Final = 100_000
_SPACE: Final = b" \t\r\n"


class Decoded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What some frames said.

    Attributes:
        trades: In the order of the frames; `occurrence` is 1, numbering is `TwinCounter`'s.
        rejections: What could not be used, verbatim; unknown kinds among them.
        kept: The frames in which trades or rejections are, verbatim, in their order.
        books: Tokens of which a snapshot arrived.
        announced: Markets that were created.
        resolved: Markets that are said to have resolved.
        controls: Text that is not JSON, such as PONG or INVALID OPERATION, at most
            200 bytes each.
        unknown: Kinds of events that nobody knows, one entry per event.
        exchange_ms: The latest exchange time among the events whose timestamp
            means "now" (trades, price changes, quotes), or None.
    """

    trades: tuple[Trade, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    kept: tuple[bytes, ...] = ()
    books: tuple[TokenId, ...] = ()
    announced: tuple[ConditionId, ...] = ()
    resolved: tuple[ConditionId, ...] = ()
    controls: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    exchange_ms: int | None = None

    def __add__(self, later: "Decoded") -> "Decoded":
        """Return what these frames and later ones said."""
        told = [each for each in (self.exchange_ms, later.exchange_ms) if each is not None]
        return Decoded(
            trades=self.trades + later.trades,
            rejections=self.rejections + later.rejections,
            kept=self.kept + later.kept,
            books=self.books + later.books,
            announced=self.announced + later.announced,
            resolved=self.resolved + later.resolved,
            controls=self.controls + later.controls,
            unknown=self.unknown + later.unknown,
            exchange_ms=max(told, default=None),
        )


# -------------------------------------------------------------------- saying


def first_subscription(tokens: Sequence[TokenId], *, custom: bool) -> str:
    """Return the first message of a fresh socket; said twice it is an INVALID OPERATION.

    Without tokens it subscribes to nothing but the announcements of new markets.
    """
    return _text(
        {
            "assets_ids": list(tokens),
            "type": "market",
            "initial_dump": True,
            "level": 2,
            "custom_feature_enabled": custom,
        }
    )


def subscription(tokens: Sequence[TokenId], *, custom: bool) -> str:
    """Return the message that adds tokens; nothing but their first `book` confirms it."""
    return _text(
        {"assets_ids": list(tokens), "operation": "subscribe", "custom_feature_enabled": custom}
    )


def unsubscription(tokens: Sequence[TokenId]) -> str:
    """Return the message that lets tokens go; no answer follows."""
    return _text({"assets_ids": list(tokens), "operation": "unsubscribe"})


def _text(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()


# ------------------------------------------------------------------- reading


def decode(frames: Sequence[bytes], received_at_ns: int) -> Decoded:
    """Return what frames say that arrived together: each an object, an array, a word, or nothing.

    What they say does not depend on which of them are read together: they are read
    at once when all are well-formed, else in halves, down to the one that is not.
    """
    try:
        return _read_well_formed(frames, received_at_ns)
    except (*UNREADABLE, PayloadRejected):
        if len(frames) == 1:
            return _take_apart(frames[0], received_at_ns)
    middle = len(frames) // 2
    return decode(frames[:middle], received_at_ns) + decode(frames[middle:], received_at_ns)


def _read_well_formed(frames: Sequence[bytes], received_at_ns: int) -> Decoded:
    found = list(map(FRAME.decode, frames))
    gathered = _Gathering(received_at_ns)
    alone = [event for event in found if isinstance(event, TradeEvent)]
    if len(alone) == len(found):  # as nearly always where much comes together
        gathered.print(trades_of(alone, received_at_ns))
        return gathered.decoded(frames)
    events = [each if isinstance(each, list) else [each] for each in found]
    printed = [[each for each in some if isinstance(each, TradeEvent)] for some in events]
    gathered.print(trades_of(list(chain.from_iterable(printed)), received_at_ns))
    for event in chain.from_iterable(events):
        if not isinstance(event, TradeEvent):
            gathered.add(event)
    return gathered.decoded(compress(frames, printed))


def _take_apart(raw: bytes, received_at_ns: int) -> Decoded:
    body = raw.strip(_SPACE)
    if not body:
        return Decoded()
    if not body.startswith((b"[", b"{")):
        return _word(body, raw, received_at_ns)
    array = body.startswith(b"[")
    events = tuple(islice(elements(body), _MOST_EVENTS + 1)) if array else (body,)
    if not 0 < len(events) <= _MOST_EVENTS:
        return _rejected("too many events" if events else "not JSON", raw, received_at_ns)
    gathered = _Gathering(received_at_ns)
    for event in events:
        gathered.read(event)
    return gathered.decoded((raw,) if gathered.trades or gathered.rejections else ())


def _word(body: bytes, raw: bytes, received_at_ns: int) -> Decoded:
    """Tell a control word from a lone JSON value and from rubbish."""
    try:
        msgspec.json.decode(body)
    except UNREADABLE:
        text = body.decode(errors="replace") if len(body) <= _SHORT_BYTES else ""
        # A quote or bracket may be the rest of an event: that is kept, not counted away.
        if text.isprintable() and text and not set(text) & set('"{}[]\ufffd'):
            return Decoded(controls=(text,))
        return _rejected("not JSON", raw, received_at_ns)
    return _rejected("not an object", raw, received_at_ns)


def _rejected(reason: str, raw: bytes, received_at_ns: int) -> Decoded:
    rejection = Rejection(reason=reason, payload=bytes(raw), received_at_ns=received_at_ns)
    return Decoded(rejections=(rejection,), kept=(raw,))


class _Gathering:
    """Collects what events say that arrived together."""

    def __init__(self, received_at_ns: int) -> None:
        self.received_at_ns = received_at_ns
        self.trades: list[Trade] = []
        self.rejections: list[Rejection] = []
        self.books: list[TokenId] = []
        self.announced: list[ConditionId] = []
        self.resolved: list[ConditionId] = []
        self.unknown: list[str] = []
        self.exchange_ms: int | None = None

    def read(self, raw: bytes) -> None:
        """Read one event by itself, and keep it verbatim if it cannot be used."""
        try:
            event, extra = read(raw)
            self.add(event, extra)
        except PayloadRejected as rejection:
            self._keep(str(rejection), raw)
        else:
            if isinstance(event, UnknownEvent):
                self._keep("unknown event_type", raw)

    def print(self, trades: Sequence[Trade]) -> None:
        """Take in trades."""
        self.trades += trades
        self._heard(max([each.traded_at_ms for each in trades], default=None))

    def add(self, event: Event | UnknownEvent, extra: str | None = None) -> None:
        """Take in one event.

        Raises:
            PayloadRejected: A trade or an announcement has a malformed field.
        """
        if isinstance(event, TradeEvent):
            self.print((trade_of(event, self.received_at_ns, extra),))
        elif isinstance(event, PriceEvent | QuoteEvent):
            self._heard(moment_of(event.timestamp, self.received_at_ns))
        elif isinstance(event, BookEvent):
            token = token_of(event.asset_id)
            if token is not None:
                self.books.append(token)
        elif isinstance(event, MarketEvent):
            self.announced.append(condition_of(event.market))
        elif isinstance(event, ResolvedEvent):
            self.resolved.append(condition_of(event.market))
        elif isinstance(event, UnknownEvent):
            self.unknown.append(event.kind)

    def decoded(self, kept: Iterable[bytes]) -> Decoded:
        """Return what was gathered, from frames of which these are worth keeping."""
        return Decoded(
            trades=tuple(self.trades),
            rejections=tuple(self.rejections),
            kept=tuple(kept),
            books=tuple(self.books),
            announced=tuple(self.announced),
            resolved=tuple(self.resolved),
            unknown=tuple(self.unknown),
            exchange_ms=self.exchange_ms,
        )

    def _heard(self, exchange_ms: int | None) -> None:
        if exchange_ms is not None:
            self.exchange_ms = max(exchange_ms, self.exchange_ms or 0)

    def _keep(self, reason: str, raw: bytes) -> None:
        self.rejections.append(
            Rejection(reason=reason, payload=bytes(raw), received_at_ns=self.received_at_ns)
        )
