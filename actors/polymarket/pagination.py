"""A walk through one Gamma listing, page by page, and what to ask for.

Parameters and their recipe: docs/explanation/polymarket.md (documented 2026-04, confirmed by
clients of 2026-08): `closed` must be given, the cursor goes back as
`after_cursor`, a page holds at most 100 markets, a cursor may be repeated, and
some cursors are rejected for ever by the firewall in front.
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
PATIENT_FAILURES = 4
MAX_PAGES = 20_000
MAX_RESOLVED_PAGES = 50
OVERLAP = timedelta(minutes=2)
OPEN: Params = (("active", "true"), ("closed", "false"))


class Pagination:
    """One pass through a listing.

    A page that fails is asked for again. When the same cursor fails four times
    in a row, the walk begins anew with smaller pages: their cursors are others.

    Attributes:
        pages: Pages read in this pass.
        finished: Nothing is left to read.
        repeated: It ended because the server gave a cursor for the second time.
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
        """Return the query of the next page, its size included, its cursor not."""
        return (*self._params, ("limit", str(self._limit)))

    def turn(self, next_cursor: str | None) -> None:
        """Go on to the page behind this cursor; none or a repeated one ends the walk."""
        self.pages += 1
        self._failures = 0
        self.repeated = next_cursor is not None and next_cursor in self._cursors
        if not next_cursor or self.repeated or self.pages >= self._max_pages:
            self.finish()
            return
        self._cursors.add(next_cursor)
        self.cursor = next_cursor

    def failed(self) -> None:
        """Stay on this page, or begin anew when its cursor seems to be rejected for ever."""
        self._failures += 1
        if self._failures < PATIENT_FAILURES or self.cursor is None:
            return
        self._limit = max(SMALLEST_PAGE, self._limit - PAGE_SHRINK)
        self._cursors.clear()
        self._failures = self.pages = 0
        self.cursor = None

    def finish(self) -> None:
        """End here: what follows is known or not wanted."""
        self.finished = True


class Watermark:
    """How far the incremental polls have read, in wall clock.

    It never runs ahead of the clock: a market dated in the future would hide
    those that are listed between now and then.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at

    def raise_to(self, times: Iterable[datetime | None], now: datetime) -> None:
        """Move forward to the latest of these times that is not in the future."""
        told = [time for time in times if time is not None]
        if told:
            self.at = max(self.at, min(max(told), now))

    @property
    def since(self) -> datetime:
        """Return the time to ask from: two minutes back, since listings come out of order."""
        return self.at - OVERLAP


def newest(since: datetime, *, tags: bool) -> Pagination:
    """Pagination the open markets that began since then, latest first."""
    order = (
        ("order", "startDate"),
        ("ascending", "false"),
        ("start_date_min", iso(since)),
    )
    return Pagination((*OPEN, *order, *_with_tags(tags=tags)))


def everything(*, min_volume: Decimal, by_volume: bool, tags: bool) -> Pagination:
    """Pagination all open markets, the latest or the largest first."""
    order = (("order", "volumeNum" if by_volume else "createdAt"), ("ascending", "false"))
    least = (("volume_num_min", format(min_volume, "f")),) if min_volume > 0 else ()
    return Pagination((*OPEN, *order, *least, *_with_tags(tags=tags)))


def resolved() -> Pagination:
    """List the resolved markets, latest closed first: the reader stops where it knows them."""
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
    """Pagination exactly these markets, told by condition id or slug, 100 names a walk."""
    ids = sorted(name for name in names if name.startswith("0x"))
    slugs = sorted(name for name in names if not name.startswith("0x"))
    return tuple(
        Pagination((*OPEN, *((key, name) for name in chunk), *_with_tags(tags=tags)))
        for key, group in (("condition_ids", ids), ("slug", slugs))
        for chunk in chunks(group, PAGE_SIZE)
    )


def spellings(ids: Iterable[ConditionId]) -> tuple[ConditionId, ...]:
    """Return each id as it may be listed: the 31-byte ids of V2 stand bare in Gamma.

    We and the feed pad them with two zeros; at most two spellings an id.
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
