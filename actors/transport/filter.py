"""MarkerSearch: where the wanted markers stand in a buffer.

Each marker is searched once a buffer, however often another one is found and
however often the walk over the buffer is interrupted.
"""

from actors.transport.frames import PLAIN_TEXT

_TRIES = 16  # finds of a letter in vain before the marker itself is searched


# MERGED: Book noise: what the feed sends most and nobody keeps, and the proof that a
# message is it. Proof for an object: it holds a key of a book event. For anything else (arrays
# of events): every `event_type` in it is a book kind, so one stranger among them makes the
# whole array no noise. Text inside JSON strings cannot look like these: a quote has a backslash
# before it there.
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


def is_book_noise(buffer: bytes | bytearray, at: int, stop: int, lead: int) -> int:
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
    """Return the place of the first letter in a marker that book noise never has, or -1."""
    return next((at for at, letter in enumerate(marker) if letter not in _LETTERS), -1)


class MarkerSearch:
    """Finds the next of several markers.

    Attributes:
        markers: What is looked for since the last `begin`.
        next: Where the next one stands, once that is known; -1: it is not.
    """

    __slots__ = ("_ahead", "_rare", "markers", "next")

    def __init__(self, markers: tuple[bytes, ...]) -> None:
        self.markers: tuple[bytes, ...] = ()
        self._rare: tuple[int, ...] = ()
        self.begin(markers)

    def begin(self, markers: tuple[bytes, ...]) -> None:
        """Forget the last buffer, and look for these from now on."""
        if markers is not self.markers:
            self.markers = markers
            self._rare = tuple(map(rare_at, markers))
        self.next = -1
        self._ahead = [-1] * len(markers)

    def seek(self, buffer: bytearray, at: int, end: int) -> int:
        """Return where the next of the markers stands at `at` or behind it, or `end`."""
        nearest = end
        for index, marker in enumerate(self.markers):
            where = self._ahead[index]
            if where < at:
                where = self._ahead[index] = _find(buffer, marker, self._rare[index], at, end)
            nearest = min(nearest, where)
        self.next = nearest
        return nearest

    def sign_at(self, buffer: bytearray, at: int) -> bytes:
        """Return the marker that stands here, or one that stands nowhere."""
        return next((each for each in self.markers if buffer.startswith(each, at)), b"\0")


def _find(buffer: bytearray, marker: bytes, rare: int, at: int, end: int) -> int:
    # Where a marker stands, or `end`. Its letter that noise has not is found far sooner than
    # the marker itself, and is nearly always the marker's; else it is the length of a frame.
    where = at
    if rare >= 0:
        letter = marker[rare]
        for _ in range(_TRIES):
            where = buffer.find(letter, where + rare, end) - rare
            if where < at:
                return end
            if buffer.startswith(marker, where, end):
                return where
            where += 1
    where = buffer.find(marker, where, end)
    return end if where < 0 else where


# MERGED: A row: wanted messages that follow each other, as in a burst of trades. In
# messages of one kind the marker stands equally far from the end, whatever their lengths. So in
# a row it is not searched: it is looked for where it stood in the last one.


def take_run(
    buffer: bytearray, lo: int, end: int, *, sign: bytes, trail: int, short: int
) -> tuple[int, list[bytes]]:
    """Take the plain text frames from `lo` on whose messages end like the last wanted one.

    Args:
        buffer: What was read, up to `end`.
        lo: Where a frame begins.
        end: One past the last byte.
        sign: The marker.
        trail: It stood so many bytes before the end of its message.
        short: Messages up to so many bytes are not taken.

    Returns:
        Where the first frame begins that was not taken, and the messages.
    """
    messages: list[bytes] = []
    least, last = max(short, trail), end - 4
    while lo <= last and buffer[lo] == PLAIN_TEXT:
        size = buffer[lo + 1]
        at = lo + 2
        if size == 126:
            at = lo + 4
            size = buffer[lo + 2] << 8 | buffer[lo + 3]
        elif size > 126:  # a 64-bit length, or a masked frame
            break
        stop = at + size
        if stop > end or size <= least or not buffer.startswith(sign, stop - trail):
            break
        messages.append(bytes(buffer[at:stop]))
        lo = stop
    return lo, messages
