"""The queries of the listings of Gamma that we read, and from which start date.

The parameters are described in docs/explanation/polymarket.md (documented 2026-04,
confirmed by clients of 2026-08): `closed` must be given.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from actors.model.chunks import chunks
from actors.model.trade import ConditionId
from actors.polymarket.pagination import LAST_TIME, PAGE_SIZE, Pagination, Params, Route, iso

MAX_RESOLVED_PAGES = 50
OVERLAP = timedelta(minutes=2)
OPEN: Params = (("active", "true"), ("closed", "false"))


class LatestStart:
    """The latest start date that finished polls of the newest markets have read.

    It is never in the future: a market dated there would hide those that are
    listed until then. What a poll has read counts when it has read everything, since
    behind a page that failed there may be others.
    """

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._read: datetime | None = None

    def note(self, times: Iterable[datetime | None]) -> None:
        """Take in the start dates of a page of the poll under way."""
        known = [time for time in (*times, self._read) if time is not None]
        self._read = max(known, default=None)

    def finish(self, now: datetime, *, complete: bool) -> None:
        """End the poll: move forward to the latest it has read that is not in the future.

        Args:
            now: The time of the exchange.
            complete: Whether it has read everything.
        """
        if complete and self._read is not None:
            self.at = max(self.at, min(self._read, now))
        self._read = None

    @property
    def since(self) -> datetime:
        """Return the start date to poll from: two minutes earlier, as listings are not in order."""
        return self.at - OVERLAP


def newest(
    since: datetime,
    *,
    tags: bool,
    avoid: Iterable[Route] = (),
    top: datetime = LAST_TIME,
) -> Pagination:
    """Return the listing of the open markets that started since then, latest first."""
    order = (
        ("order", "startDate"),
        ("ascending", "false"),
        ("start_date_min", iso(since)),
    )
    return Pagination((*OPEN, *order, *_with_tags(tags=tags)), avoid=avoid, top=top)


def everything(
    *,
    min_volume: Decimal,
    by_volume: bool,
    tags: bool,
    avoid: Iterable[Route] = (),
    top: datetime = LAST_TIME,
) -> Pagination:
    """Return the listing of all open markets, the latest or the largest first."""
    order = (("order", "volumeNum" if by_volume else "createdAt"), ("ascending", "false"))
    least = (("volume_num_min", format(min_volume, "f")),) if min_volume > 0 else ()
    return Pagination((*OPEN, *order, *least, *_with_tags(tags=tags)), avoid=avoid, top=top)


def resolved(*, avoid: Iterable[Route] = ()) -> Pagination:
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
        avoid=avoid,
    )


def named(
    names: Sequence[str], *, tags: bool, avoid: Iterable[Route] = ()
) -> tuple[Pagination, ...]:
    """Return the listings of these open markets by condition id or slug, 100 names each."""
    ids = sorted(name for name in names if name.startswith("0x"))
    slugs = sorted(name for name in names if not name.startswith("0x"))
    return tuple(
        Pagination((*OPEN, *((key, name) for name in chunk), *_with_tags(tags=tags)), avoid=avoid)
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


def _with_tags(*, tags: bool) -> Params:
    return (("include_tag", "true"),) if tags else ()
