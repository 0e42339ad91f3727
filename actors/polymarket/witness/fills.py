"""The Data API's list of trades, `GET /v2/trades`: strictly read, and without persons.

Source: docs.polymarket.com, list-trades, and the official Python SDK, both as of 2026-10. Each row
also has a wallet, and often a name, a pseudonym and a picture: none of them is even decoded.
"""

from collections import Counter
from decimal import Decimal, DecimalException
from typing import Final, NamedTuple

import msgspec

from actors.errors import PayloadRejected
from actors.model.audit import Fill, Told
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import strict_json

PAGE_ROWS: Final = 1_000
"""The most that a page may have."""
SMALLEST: Final = "0.000001"
"""Shares of a row at least. 0 would be taken for 0.01, which is the default."""
MOST_PAGES: Final = 20
"""So many pages are read of one market."""
MOST_CURSOR_CHARS: Final = 2_048
_EARLIEST_S, _LATEST_S = 1_577_836_800, 4_102_444_800  # the years 2020 to 2099
_HASH_DIGITS = 64


class _Row(msgspec.Struct, frozen=True):
    """What is read of a row."""

    condition_id: str
    token_id: str
    size: Decimal
    price: Decimal
    timestamp: int
    transaction_hash: str


class _Pagination(msgspec.Struct, frozen=True):
    next_cursor: str | None = None
    has_more: bool | None = None


class _Page(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    pagination: _Pagination = _Pagination()


_page = msgspec.json.Decoder(_Page)
_row = msgspec.json.Decoder(_Row)


class FillPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list, newest first.

    Attributes:
        rows: How many it has, readable or not.
        rejected: (reason, how many rows could not be used).
        next_cursor: Where the next page begins; None on the last one.
    """

    fills: tuple[Fill, ...]
    rows: int
    rejected: tuple[tuple[str, int], ...]
    next_cursor: str | None


class PageRead(NamedTuple):
    """A page, and how sure its time is.

    Attributes:
        age_s: How old it was when it arrived, as caches say, in seconds.
        clock_wrong: Our clock differs from that of the server.
    """

    page: FillPage
    age_s: float
    clock_wrong: bool


def query(condition_id: ConditionId, cursor: str | None) -> list[tuple[str, str]]:
    """Return the parameters that ask for a page; a cursor has the size of the first one."""
    params = [
        ("condition", str(condition_id)),
        ("taker_only", "true"),  # each fill once
        ("filter_type", "TOKENS"),
        ("filter_amount", SMALLEST),
        ("limit", str(PAGE_ROWS)),
    ]
    return [*params, ("cursor", cursor)] if cursor else params


def read_page(raw: bytes, condition_id: ConditionId) -> FillPage:
    """Return a page; what of it cannot be used is counted.

    Raises:
        PayloadRejected: It is no page.
    """
    page = strict_json.read(raw, _page)
    rejected: Counter[str] = Counter()
    fills = []
    for raw_row in page.data:
        try:
            fills.append(_fill(bytes(raw_row), condition_id))
        except PayloadRejected as exc:
            rejected[str(exc)] += 1
    cursor = page.pagination.next_cursor or None
    if cursor is not None and len(cursor) > MOST_CURSOR_CHARS:
        raise PayloadRejected("unexpected shape")
    if page.pagination.has_more and cursor is None:
        rejected["no cursor"] += 1
    return FillPage(
        fills=tuple(fills),
        rows=len(page.data),
        rejected=tuple(sorted(rejected.items())),
        next_cursor=cursor,
    )


def _fill(raw: bytes, condition_id: ConditionId) -> Fill:
    try:
        row = strict_json.read(raw, _row)
    except DecimalException as exc:
        raise PayloadRejected("unexpected shape") from exc
    if strict_json.condition(row.condition_id) != condition_id:
        raise PayloadRejected("another market")
    return checked_fill(
        row.token_id, row.transaction_hash, row.size, row.price, timestamp=row.timestamp
    )


def checked_fill(
    token: str, transaction_hash: str, size: Decimal, price: Decimal, *, timestamp: int
) -> Fill:
    """Return a fill that is as it must be; `timestamp` in seconds since 1970.

    Raises:
        PayloadRejected: It is not.
    """
    tokens = strict_json.tokens([token])
    if tokens is None:
        raise PayloadRejected("token is malformed")
    transaction = transaction_hash.lower()
    digits = transaction.removeprefix("0x")
    if len(digits) != _HASH_DIGITS or digits == transaction or not _is_hexadecimal(digits):
        raise PayloadRejected("transaction is malformed")
    if not (size.is_finite() and size > 0 and price.is_finite()):
        raise PayloadRejected("size out of range")
    if not _EARLIEST_S <= timestamp < _LATEST_S:
        raise PayloadRejected("time out of range")
    return Fill(
        token_id=TokenId(tokens[0]),
        transaction=transaction,
        size=size,
        price=price,
        at_ms=timestamp * 1_000,
    )


def _is_hexadecimal(text: str) -> bool:
    return all(char in "0123456789abcdef" for char in text)


class Reading:
    """Reads the list of one market, page by page, back to a time. Memory is bounded by its pages.

    Args:
        condition_id: The market.
        since_ms: So far back, wall clock.
        most_pages: Then it ends, whole or not.

    Attributes:
        cursor: Where the next page begins; None for the first.
        is_over: No further page is needed, or wanted.
    """

    def __init__(
        self, condition_id: ConditionId, since_ms: int, most_pages: int = MOST_PAGES
    ) -> None:
        self.condition_id = condition_id
        self.cursor: str | None = None
        self.is_over = False
        self._since_ms, self._most_pages = since_ms, most_pages
        self._fills: list[Fill] = []
        self._seen: set[str] = set()
        self._rejected: Counter[str] = Counter()
        self._made_at_ms: int | None = None
        self._last_ms = _LATEST_S * 1_000
        self._rows = self._pages = 0
        self._is_whole = self._clock_wrong = False

    def add(self, page: FillPage, made_at_ms: int, *, clock_wrong: bool = False) -> None:
        """Take a page.

        Args:
            page: The next one.
            made_at_ms: When it was made, wall clock.
            clock_wrong: Our clock differs from the server's.
        """
        self._pages += 1
        self._rows += page.rows
        self._rejected.update(dict(page.rejected))
        self._clock_wrong |= clock_wrong
        known = self._made_at_ms
        self._made_at_ms = made_at_ms if known is None else min(known, made_at_ms)
        for fill in page.fills:
            self._rejected["not newest first"] += fill.at_ms > self._last_ms
            self._last_ms = fill.at_ms
            if fill.at_ms >= self._since_ms:
                self._fills.append(fill)
            else:
                self._is_whole = self.is_over = True
        if self.is_over:
            return
        if page.next_cursor is None:
            # A full last page is rather a limit than the end.
            self._is_whole = page.rows < PAGE_ROWS
            self.is_over = True
        elif page.next_cursor in self._seen or self._pages >= self._most_pages or not page.rows:
            self.is_over = True
        else:
            self._seen.add(page.next_cursor)
            self.cursor = page.next_cursor

    @property
    def told(self) -> Told:
        """Return what was read so far."""
        return Told(
            fills=tuple(self._fills),
            made_at_ms=self._made_at_ms or 0,
            is_whole=self._is_whole,
            is_known=self._rows > 0,
            rejected=tuple(sorted((+self._rejected).items())),
            pages=self._pages,
            clock_wrong=self._clock_wrong,
        )
