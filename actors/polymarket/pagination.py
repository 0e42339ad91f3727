"""Cursor pagination of the listings of Gamma, and the queries of the listings that we read.

The parameters are described in docs/explanation/polymarket.md (documented 2026-04,
confirmed by clients of 2026-08): `closed` must be given, the cursor is sent as
`after_cursor`, a page holds at most 100 markets, a cursor may be repeated, and the
firewall in front of Gamma rejects some cursors always.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from actors.model.chunks import chunks
from actors.model.trade import ConditionId

Params = tuple[tuple[str, str], ...]

PAGE_SIZE = 100
SMALLEST_PAGE = 40
PAGE_SHRINK = 7
"""Markets by which a page shrinks, to get other cursors; it does not grow again."""
CURSOR_FAILURES = 4
# All open markets were about 2,200 pages in 2026-10.
MAX_PAGES = 20_000
MAX_RESOLVED_PAGES = 50
OVERLAP = timedelta(minutes=2)
OPEN: Params = (("active", "true"), ("closed", "false"))


class Pagination:
    """One pass through a listing.

    A page that fails is requested again. When the same cursor fails four times in a
    row, the pass begins again with smaller pages, which have other cursors.

    Attributes:
        cursor: Of the next page; None for the first.
        pages: Pages read in this pass.
        finished: Whether nothing is left to read.
        repeated: Whether it ended because the server sent a cursor for the second time.
    """

    def __init__(self, params: Params, *, max_pages: int = MAX_PAGES) -> None:
        self._params = params
        self._max_pages = max_pages
        self._limit = PAGE_SIZE
        self._cursors: set[str] = set()
        self._failures = 0
        self.cursor: str | None = None
        self.pages = 0
        self.finished = False
        self.repeated = False

    @property
    def params(self) -> Params:
        """Return the query of the next page with its size, without its cursor."""
        return (*self._params, ("limit", str(self._limit)))

    def advance(self, next_cursor: str | None) -> None:
        """Go on to the page of this cursor; None or a repeated one ends the pass."""
        self.pages += 1
        self._failures = 0
        self.repeated = next_cursor is not None and next_cursor in self._cursors
        if not next_cursor or self.repeated or self.pages >= self._max_pages:
            self.finish()
            return
        self._cursors.add(next_cursor)
        self.cursor = next_cursor

    def failed(self) -> None:
        """Stay on this page, or begin again when its cursor seems to be rejected always."""
        self._failures += 1
        if self._failures < CURSOR_FAILURES or self.cursor is None:
            return
        self._limit = max(SMALLEST_PAGE, self._limit - PAGE_SHRINK)
        self._cursors.clear()
        self._failures = self.pages = 0
        self.cursor = None

    def finish(self) -> None:
        """End the pass: the markets that follow are known or not wanted."""
        self.finished = True


class LatestStart:
    """The latest start date that the polls of the newest markets have read.

    It is never in the future: a market dated there would hide those that are
    listed until then.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at

    def raise_to(self, times: Iterable[datetime | None], now: datetime) -> None:
        """Move forward to the latest of these times that is not in the future."""
        known = [time for time in times if time is not None]
        if known:
            self.at = max(self.at, min(max(known), now))

    @property
    def since(self) -> datetime:
        """Return the start date to poll from: two minutes earlier, as listings are not in order."""
        return self.at - OVERLAP


def newest(since: datetime, *, tags: bool) -> Pagination:
    """Return the listing of the open markets that started since then, latest first."""
    order = (
        ("order", "startDate"),
        ("ascending", "false"),
        ("start_date_min", iso(since)),
    )
    return Pagination((*OPEN, *order, *_with_tags(tags=tags)))


def everything(*, min_volume: Decimal, by_volume: bool, tags: bool) -> Pagination:
    """Return the listing of all open markets, the latest or the largest first."""
    order = (("order", "volumeNum" if by_volume else "createdAt"), ("ascending", "false"))
    least = (("volume_num_min", format(min_volume, "f")),) if min_volume > 0 else ()
    return Pagination((*OPEN, *order, *least, *_with_tags(tags=tags)))


def resolved() -> Pagination:
    """Return the listing of the resolved markets, latest closed first.

    The reader stops at those that it knows.
    """
    return Pagination(
        (
            ("closed", "true"),
            ("uma_resolution_status", "resolved"),
            ("order", "closedTime"),
            ("ascending", "false"),
        ),
        max_pages=MAX_RESOLVED_PAGES,
    )


def named(names: Sequence[str], *, tags: bool) -> tuple[Pagination, ...]:
    """Return the listings of these open markets by condition id or slug, 100 names each."""
    ids = sorted(name for name in names if name.startswith("0x"))
    slugs = sorted(name for name in names if not name.startswith("0x"))
    return tuple(
        Pagination((*OPEN, *((key, name) for name in chunk), *_with_tags(tags=tags)))
        for key, group in (("condition_ids", ids), ("slug", slugs))
        for chunk in chunks(group, PAGE_SIZE)
    )


def spellings(ids: Iterable[ConditionId]) -> tuple[ConditionId, ...]:
    """Return each id in the spellings in which Gamma may list it, at most two of each.

    The feed and the tracker pad the 31-byte ids of V2 with two zeros, Gamma does not.
    """
    return tuple(
        ConditionId(text)
        for each in ids
        for text in ((each, each[:64]) if len(each) == 66 and each.endswith("00") else (each,))
    )


def iso(at: datetime) -> str:
    """Spell a time as Gamma does: `2026-10-05T12:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_tags(*, tags: bool) -> Params:
    return (("include_tag", "true"),) if tags else ()
