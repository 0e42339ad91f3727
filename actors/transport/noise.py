"""Book noise: what the feed sends most and nobody keeps, and the proof that a message is it.

Proof for an object: it holds a key of a book event. For anything else (arrays of
events): every `event_type` in it is a book kind, so one stranger among them makes
the whole array no noise. Text inside JSON strings cannot look like these: a quote
has a backslash before it there.
"""

OBJECT = 0x7B
"""`{`, the first byte of an object."""

PRICE_CHANGES = b'"price_changes"'
"""The commonest sign. It stands near the front of its message, so it is found soon."""

_BOOK_KEYS = (b'"best_bid_ask"', b'"tick_size_change"', b'"price_change"')
_BIDS = b'"bids"'
_EVENT = b'"event_type"'
_LETTERS = frozenset(
    b'"market":"0x0123456789abcdef","price_changes":[{"asset_id":"1","price":"0.5","size":"2",'
    b'"side":"BUY SELL","hash":"","best_bid":"0","best_ask":"1"}],"timestamp":"",'
    b'"event_type":"price_change book","bids":[],"asks":[]'
)
_BOOK_EVENTS = (
    b'"event_type":"price_change"',
    b'"event_type":"book"',
    b'"event_type":"best_bid_ask"',
    b'"event_type":"tick_size_change"',
)


def proof(buffer: bytes | bytearray, at: int, stop: int, lead: int) -> int:
    """Prove that the message `buffer[at:stop]` (not empty) is book noise.

    `PRICE_CHANGES` is looked for first `lead` bytes behind its beginning.

    Returns:
        -1: It may be something else. 0: It is noise. More: It is noise, since
        `PRICE_CHANGES` stands so many bytes behind its beginning.
    """
    if buffer[at] != OBJECT:
        events = buffer.count(_EVENT, at, stop)
        known = sum(buffer.count(kind, at, stop) for kind in _BOOK_EVENTS)
        return 0 if events and events == known else -1
    if buffer.startswith(PRICE_CHANGES, at + lead, stop):
        return lead
    find = buffer.find
    if find(_BIDS, at, stop) >= 0:
        return 0
    where = find(PRICE_CHANGES, at, stop)
    if where >= 0:
        return where - at
    return 0 if any(find(key, at, stop) >= 0 for key in _BOOK_KEYS) else -1


def rare_at(marker: bytes) -> int:
    """Give the place of the first letter of a marker that book noise is not written with, or -1."""
    return next((at for at, letter in enumerate(marker) if letter not in _LETTERS), -1)
