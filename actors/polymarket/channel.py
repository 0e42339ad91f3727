"""The market channel: the messages that we send, and what the frames that arrive hold.

`decode` is a pure function of the frames and their time of receipt, so a journal that
is read again gives the same trades in the same order. It never raises: what cannot be
a trade is returned verbatim with a reason, a bad event does not affect the others of
its frame, and events of unknown kinds are kept and named.

Sections in the order of the data: messages, frames (`decode`), trades (`trades_of`).
"""

from collections.abc import Iterable, Sequence
from itertools import chain, compress, islice
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import astuple

from actors.errors import PayloadRejected
from actors.model.market import Market
from actors.model.trade import ConditionId, Rejection, TokenId, Trade
from actors.polymarket import fields
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
    announced_market,
    condition_of,
    elements,
    moment_of,
    read,
    token_of,
    trade_hidden_in,
)

PING: Final = "PING"
"""The heartbeat. Before the first subscription the server answers it by closing (1008)."""

CONTROL_WORDS: Final = frozenset({"PONG", "NO NEW ASSETS", "INVALID OPERATION"})
"""Texts that are known to be answers. Any other text is kept as a rejection, too."""

_CONTROL_BYTES: Final = 200
# A frame of 16 MiB may hold millions of elements, and each could become a rejection.
_MOST_EVENTS: Final = 100_000
_SPACE: Final = b" \t\r\n"
UNKNOWN_KIND: Final = "unknown event_type"
"""Why an event of a kind that this version does not know is rejected."""


class Doubt(NamedTuple):
    """A rejected event that may be a trade.

    Attributes:
        trades_before: How many of the decoded trades stand in front of it.
        token: Its token; None when that cannot be read, so it may be any.
    """

    trades_before: int
    token: TokenId | None


class Decoded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What some frames hold.

    Attributes:
        trades: In the order of the frames. `occurrence` is 1: `OccurrenceCounter` numbers them.
        rejections: What could not be used, verbatim; events of unknown kinds among them.
        rejected_after: For each rejection, how many of the trades stand in front of it.
        rejected_in: For each rejection, the place of its frame in `kept`.
        kinds: For each rejection that cannot be a trade, its unknown kind or else the reason;
            empty for one that may be a trade.
        doubts: The rejections that may be trades, in order.
        kept: The frames that hold trades or rejections, verbatim, in their order.
        books: Tokens of which a snapshot of the order book arrived.
        changes: (token, when its book changed last, in exchange time) of those whose snapshot
            says so.
        announced: Markets that were created, as far as their events describe them.
        resolved: Markets that are reported to have resolved.
        controls: Texts that are not JSON, such as PONG or INVALID OPERATION, at most
            200 bytes each; those that are not known are rejections, too.
        unknown: Unknown kinds, one entry for each event.
        respelled: How many of the trades were not spelled as today.
        exchange_ms: The latest exchange time among the events whose timestamp
            means "now" (trades, price changes, quotes), or None.
    """

    trades: tuple[Trade, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    rejected_after: tuple[int, ...] = ()
    rejected_in: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    kept: tuple[bytes, ...] = ()
    books: tuple[TokenId, ...] = ()
    changes: tuple[tuple[TokenId, int], ...] = ()
    announced: tuple[Market, ...] = ()
    resolved: tuple[ConditionId, ...] = ()
    controls: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    respelled: int = 0
    exchange_ms: int | None = None

    def __add__(self, later: "Decoded") -> "Decoded":
        """Return what these frames and later ones hold."""
        times = [each for each in (self.exchange_ms, later.exchange_ms) if each is not None]
        return Decoded(
            trades=self.trades + later.trades,
            rejections=self.rejections + later.rejections,
            rejected_after=self.rejected_after
            + tuple([len(self.trades) + place for place in later.rejected_after]),
            rejected_in=self.rejected_in
            + tuple([len(self.kept) + place for place in later.rejected_in]),
            kinds=self.kinds + later.kinds,
            doubts=self.doubts
            + tuple([Doubt(len(self.trades) + place, token) for place, token in later.doubts]),
            kept=self.kept + later.kept,
            books=self.books + later.books,
            changes=self.changes + later.changes,
            announced=self.announced + later.announced,
            resolved=self.resolved + later.resolved,
            controls=self.controls + later.controls,
            unknown=self.unknown + later.unknown,
            respelled=self.respelled + later.respelled,
            exchange_ms=max(times, default=None),
        )


# ------------------------------------------------------------------- messages


def first_subscription(tokens: Sequence[TokenId], *, custom: bool) -> str:
    """Return the first message on a new connection; a second one is an INVALID OPERATION.

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
    """Return the message that adds tokens; only their first `book` confirms it."""
    return _text(
        {
            "assets_ids": list(tokens),
            "operation": "subscribe",
            # Documented as the default, but without it some tokens never got a book (reported).
            "initial_dump": True,
            "custom_feature_enabled": custom,
        }
    )


def unsubscription(tokens: Sequence[TokenId]) -> str:
    """Return the message that removes tokens; no answer follows."""
    return _text({"assets_ids": list(tokens), "operation": "unsubscribe"})


def _text(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()


# --------------------------------------------------------------------- frames


def decode(frames: Sequence[bytes], received_at_ns: int, latest_ms: int | None = None) -> Decoded:
    """Return what frames hold that arrived together.

    Each frame is an event, an array of events, a control text, or empty. The result does
    not depend on which frames are read together: they are read at once when all are
    well-formed, else in halves, down to the one that is not.

    Args:
        frames: Whole frames.
        received_at_ns: When they arrived.
        latest_ms: The last exchange time that is taken; None: a day after the receipt. Whoever
            knows that our clock is wrong names another.
    """
    if latest_ms is None:
        latest_ms = fields.latest_moment(received_at_ns)
    return _decode(frames, received_at_ns, latest_ms)


def decode_numbered(frames: Sequence[bytes], received_at_ns: int, trades: int) -> Decoded:
    """Return what frames hold of which so many trades were taken when they arrived.

    More than `decode` finds: our clock was behind then, and later times were taken. Which ones
    follows from their number: all trades up to some time were.
    """
    decoded = decode(frames, received_at_ns)
    if len(decoded.trades) >= trades:
        return decoded
    decoded = decode(frames, received_at_ns, fields.LATEST_MS)
    if len(decoded.trades) <= trades:
        return decoded
    times = sorted([trade.traded_at_ms for trade in decoded.trades])
    return decode(frames, received_at_ns, times[trades - 1])


def _decode(frames: Sequence[bytes], received_at_ns: int, latest_ms: int) -> Decoded:
    try:
        return _read_well_formed(frames, received_at_ns, latest_ms)
    except (*UNREADABLE, PayloadRejected):
        if len(frames) == 1:
            return _read_event_by_event(frames[0], received_at_ns, latest_ms)
    middle = len(frames) // 2
    earlier = _decode(frames[:middle], received_at_ns, latest_ms)
    return earlier + _decode(frames[middle:], received_at_ns, latest_ms)


def _read_well_formed(frames: Sequence[bytes], received_at_ns: int, latest_ms: int) -> Decoded:
    found = list(map(FRAME.decode, frames))
    lone_trades = [event for event in found if isinstance(event, TradeEvent)]
    if len(lone_trades) == len(found) > 0:  # nearly always, where much arrives at once
        trades = trades_of(lone_trades, received_at_ns, latest_ms)
        exchange_ms = max([trade.traded_at_ms for trade in trades])
        return Decoded(trades=tuple(trades), kept=tuple(frames), exchange_ms=exchange_ms)
    events = [each if isinstance(each, list) else [each] for each in found]
    trade_events = [[each for each in some if isinstance(each, TradeEvent)] for some in events]
    collector = _Collector(received_at_ns, latest_ms)
    trades = trades_of(list(chain.from_iterable(trade_events)), received_at_ns, latest_ms)
    collector.add_trades(trades)
    for event in chain.from_iterable(events):
        if not isinstance(event, TradeEvent):
            collector.add_event(event)
    return collector.decoded(compress(frames, trade_events))


def _read_event_by_event(raw: bytes, received_at_ns: int, latest_ms: int) -> Decoded:
    # Empty frames, and frames with a line feed at the end, are in recordings of 2026-10.
    body = raw.strip(_SPACE)
    if not body:
        return Decoded()
    if not body.startswith((b"[", b"{")):
        return _read_text(body, raw, received_at_ns)
    array = body.startswith(b"[")
    events = tuple(islice(elements(body), _MOST_EVENTS + 1)) if array else (body,)
    if not 0 < len(events) <= _MOST_EVENTS:
        return _rejected("too many events" if events else "not JSON", raw, received_at_ns)
    collector = _Collector(received_at_ns, latest_ms)
    for event in events:
        collector.add_raw(event)
    return collector.decoded((raw,) if collector.trades or collector.rejections else ())


def _read_text(body: bytes, raw: bytes, received_at_ns: int) -> Decoded:
    """Return a control word as such; reject all else, and show a short text as well."""
    try:
        msgspec.json.decode(body)
    except UNREADABLE:
        text = body.decode(errors="replace") if len(body) <= _CONTROL_BYTES else ""
        if text in CONTROL_WORDS:
            return Decoded(controls=(text,))
        # A quote or bracket may be the rest of an event, which nobody needs to read in the log.
        is_text = text.isprintable() and text and not set(text) & set('"{}[]\ufffd')
        rejected = _rejected("not JSON", raw, received_at_ns)
        return Decoded(controls=(text,)) + rejected if is_text else rejected
    return _rejected("not an object", raw, received_at_ns)


def _rejected(reason: str, raw: bytes, received_at_ns: int) -> Decoded:
    rejection = Rejection(reason=reason, payload=bytes(raw), received_at_ns=received_at_ns)
    doubts = tuple([Doubt(0, token) for token in trade_hidden_in(raw)])
    return Decoded(
        rejections=(rejection,),
        rejected_after=(0,),
        rejected_in=(0,),
        kinds=("" if doubts else reason,),
        doubts=doubts,
        kept=(raw,),
    )


class _Collector:
    """Collects what events hold that arrived together."""

    def __init__(self, received_at_ns: int, latest_ms: int) -> None:
        self.trades: list[Trade] = []
        self.rejections: list[Rejection] = []
        self._rejected_after: list[int] = []
        self._kinds: list[str] = []
        self._doubts: list[Doubt] = []
        self._received_at_ns = received_at_ns
        self._latest_ms = latest_ms
        self._books: list[TokenId] = []
        self._changes: list[tuple[TokenId, int]] = []
        self._announced: list[Market] = []
        self._resolved: list[ConditionId] = []
        self._unknown: list[str] = []
        self._respelled = 0
        self._exchange_ms: int | None = None

    def add_raw(self, raw: bytes) -> None:
        """Read one event, and keep it verbatim if it cannot be used."""
        try:
            event, extra, respelled = read(raw, self._received_at_ns)
            self.add_event(event, extra)
        except PayloadRejected as rejection:
            self._reject(str(rejection), raw)
        else:
            self._respelled += respelled
            if isinstance(event, UnknownEvent):
                self._reject(UNKNOWN_KIND, raw, event.kind)

    def add_trades(self, trades: Sequence[Trade]) -> None:
        """Add trades."""
        self.trades += trades
        self._note_time(max([each.traded_at_ms for each in trades], default=None))

    def add_event(self, event: Event | UnknownEvent, extra: str | None = None) -> None:
        """Add one event.

        Raises:
            PayloadRejected: A trade or an announcement has a malformed field.
        """
        if isinstance(event, TradeEvent):
            self.add_trades(trades_of((event,), self._received_at_ns, self._latest_ms, extra))
        elif isinstance(event, PriceEvent | QuoteEvent):
            self._note_time(moment_of(event.timestamp, self._received_at_ns, self._latest_ms))
        elif isinstance(event, BookEvent):
            token = token_of(event.asset_id)
            if token is not None:
                self._books.append(token)
                changed_ms = moment_of(event.timestamp, self._received_at_ns, self._latest_ms)
                if changed_ms is not None:
                    self._changes.append((token, changed_ms))
        elif isinstance(event, MarketEvent):
            self._announced.append(announced_market(event))
        elif isinstance(event, ResolvedEvent):
            self._resolved.append(condition_of(event.market))
        elif isinstance(event, UnknownEvent):
            self._unknown.append(event.kind)

    def decoded(self, kept: Iterable[bytes]) -> Decoded:
        """Return what was collected, and the frames that are worth keeping.

        Of more than one frame nothing was rejected.
        """
        return Decoded(
            trades=tuple(self.trades),
            rejections=tuple(self.rejections),
            rejected_after=tuple(self._rejected_after),
            rejected_in=(0,) * len(self.rejections),
            kinds=tuple(self._kinds),
            doubts=tuple(self._doubts),
            kept=tuple(kept),
            books=tuple(self._books),
            changes=tuple(self._changes),
            announced=tuple(self._announced),
            resolved=tuple(self._resolved),
            unknown=tuple(self._unknown),
            respelled=self._respelled,
            exchange_ms=self._exchange_ms,
        )

    def _note_time(self, exchange_ms: int | None) -> None:
        if exchange_ms is not None:
            self._exchange_ms = max(exchange_ms, self._exchange_ms or 0)

    def _reject(self, reason: str, raw: bytes, kind: str = "") -> None:
        self._rejected_after.append(len(self.trades))
        hidden = trade_hidden_in(raw)
        self._kinds.append("" if hidden else kind or reason)
        self._doubts += [Doubt(len(self.trades), token) for token in hidden]
        self.rejections.append(
            Rejection(reason=reason, payload=bytes(raw), received_at_ns=self._received_at_ns)
        )


# --------------------------------------------------------------------- trades


def trades_of(
    events: Sequence[TradeEvent], received_at_ns: int, latest_ms: int, extra: str | None = None
) -> list[Trade]:
    """Return the trades of events that arrived together, checked a column at a time.

    None may be later than `latest_ms`.

    Raises:
        PayloadRejected: A field of one of them is malformed or out of range. Which field
            is named is certain for a single event only.
    """
    if not events:
        return []
    # The fields in the order in which `TradeEvent` declares them.
    tokens, conditions, prices, sizes, sides, times, hashes, fees = zip(
        *map(astuple, events), strict=True
    )
    columns = zip(  # lists, so that the first fault in this order is the one that is named
        list(map(fields.token, tokens)),
        list(map(fields.condition, conditions)),
        fields.moments(times, latest_ms),
        list(map(fields.price, prices)),
        fields.sizes(sizes),
        list(map(fields.side, sides)),
        list(map(fields.fee, fees)),
        fields.transaction_hashes(hashes),
        strict=True,
    )
    return [
        Trade(
            token_id=token,
            condition_id=condition,
            traded_at_ms=traded_at_ms,
            received_at_ns=received_at_ns,
            price=price,
            size=size,
            side=side,
            fee_rate_bps=fee,
            transaction_hash=transaction_hash,
            extra=extra,
        )
        for token, condition, traded_at_ms, price, size, side, fee, transaction_hash in columns
    ]
