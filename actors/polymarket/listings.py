"""The listings of Gamma that we read: their queries, and the markets on their pages.

The parameters are described in docs/explanation/polymarket.md (documented 2026-04,
confirmed by clients of 2026-08): `closed` must be given. Caches answer the same question with an
old answer for up to 300 s, so what is asked again is asked with another size of the page.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from actors.errors import PayloadRejected
from actors.model.conversion import chunks
from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.polymarket.gamma import NO_TOKENS, NOT_TWO, condition_of, name_of, read_market
from actors.polymarket.pagination import (
    LAST_TIME,
    PAGE_SIZE,
    Finding,
    Pagination,
    Params,
    Route,
    Trouble,
    iso,
)

log = logging.getLogger(__name__)

MAX_CLOSINGS_PAGES = 50
OVERLAP = timedelta(minutes=2)
SIZES = 31
"""So many sizes of a page are used in turn."""
FIRST_TURN_S = 10
"""Each process that begins so many seconds after another one begins with the next turn."""
SHIFTS = 10
"""Each time all sizes were used, the start date moves by a second, so many times in turn."""
MAX_NAMED = 10_000
"""Unreadable markets of which the log has named one and names none again."""
AVOID_S = 60.0
"""How long listings do not try the keyset after it failed."""
OPEN: Params = (("active", "true"), ("closed", "false"))


class KeysetState:
    """Whether the keyset leads through listings, as the passes have found. Seconds are monotonic.

    A fault that one order has shown is mended by a page in that order alone: others never had it.
    """

    def __init__(self) -> None:
        self._fault = ""
        self._cursor_ignored = False
        self._rejected: dict[str, str] = {}  # an order, and what was found
        self._avoided_until = 0.0

    @property
    def fault(self) -> str:
        """Return why it does not, or not in one of our orders; empty while it does."""
        return self._fault or next(iter(self._rejected.values()), "")

    def note(self, finding: Finding, now: float) -> None:
        """Take in what a pass has met."""
        if finding.route is not Route.KEYSET:
            return
        if finding.trouble in (Trouble.GONE, Trouble.CURSOR):
            self._fault, self._cursor_ignored = finding.text, finding.trouble is Trouble.CURSOR
            self._avoided_until = now + AVOID_S
            if finding.trouble is Trouble.GONE:
                self._rejected.clear()  # it was not the order
        elif finding.trouble is Trouble.ORDER:
            # It is not avoided: the walk goes on. What an order finds early is found late.
            self._rejected.setdefault(finding.order, finding.text)

    def answered(self, route: Route, *, behind_cursor: bool, order: str) -> None:
        """Record a good page: behind a cursor or not, in this order; empty: in none."""
        if route is not Route.KEYSET:
            return
        self._rejected.pop(order, None)
        if behind_cursor or not self._cursor_ignored:
            self._fault = ""

    def avoided(self, now: float) -> tuple[Route, ...]:
        """Return the routes with which no listing begins now."""
        return (Route.KEYSET,) if self._fault and now < self._avoided_until else ()


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


def first_turn(wall: datetime) -> int:
    """Return the turn with which a process begins at this time.

    In five minutes none comes again. So the answer to the first question of a process before, or of
    a look, which a cache may still have, is none to this one's: markets in it may have closed.
    """
    return int(wall.timestamp()) // FIRST_TURN_S % SIZES


def newest(
    since: datetime,
    *,
    tags: bool,
    turn: int = 0,
    avoid: Iterable[Route] = (),
    top: datetime = LAST_TIME,
) -> Pagination:
    """Return the listing of the open markets that started since then, latest first.

    Args:
        since: A start date.
        tags: Whether tags are wanted.
        turn: How often it was asked before.
        avoid: See `Pagination`.
        top: See `Pagination`.
    """
    shift = timedelta(seconds=turn // SIZES % SHIFTS)
    order = (
        ("order", "startDate"),
        ("ascending", "false"),
        ("start_date_min", iso(since + shift)),
    )
    params = (*OPEN, *order, *_with_tags(tags=tags))
    return Pagination(params, page_size=_page_size(turn), avoid=avoid, top=top)


def created(*, tags: bool, turn: int = 0, avoid: Iterable[Route] = ()) -> Pagination:
    """Return the listing of the markets that are not closed, placeholders too, latest made first.

    The reader stops at those that it knows. Arguments: see `newest`.
    """
    params = (("closed", "false"), ("order", "createdAt"), ("ascending", "false"))
    return Pagination((*params, *_with_tags(tags=tags)), page_size=_page_size(turn), avoid=avoid)


def everything(
    *,
    min_volume: Decimal,
    by_volume: bool,
    tags: bool,
    turn: int = 0,
    avoid: Iterable[Route] = (),
    top: datetime = LAST_TIME,
) -> Pagination:
    """Return the listing of all open markets, the latest or the largest first."""
    order = (("order", "volumeNum" if by_volume else "createdAt"), ("ascending", "false"))
    least = (("volume_num_min", format(min_volume, "f")),) if min_volume > 0 else ()
    params = (*OPEN, *order, *least, *_with_tags(tags=tags))
    return Pagination(params, page_size=_page_size(turn), avoid=avoid, top=top)


def closings(
    *, turn: int = 0, avoid: Iterable[Route] = (), resolved_only: bool = False
) -> Pagination:
    """Return the listing of the closed markets, latest closed first.

    The reader stops at those that it knows.

    Args:
        turn: Varies the size of the pages, so that no cache answers.
        avoid: Routes to leave out.
        resolved_only: Only those that UMA has resolved: no V2 markets, and none that closed early.
    """
    status = (("uma_resolution_status", "resolved"),) if resolved_only else ()
    return Pagination(
        (("closed", "true"), *status, ("order", "closedTime"), ("ascending", "false")),
        max_pages=MAX_CLOSINGS_PAGES,
        page_size=_page_size(turn),
        avoid=avoid,
    )


def named(
    names: Sequence[str], *, tags: bool, turn: int = 0, avoid: Iterable[Route] = ()
) -> tuple[Pagination, ...]:
    """Return the listings of these open markets by condition id or slug, 70 names each.

    Arguments: see `newest`.
    """
    ids = spellings(ConditionId(name) for name in names if name.startswith("0x"))
    slugs = sorted(name for name in names if not name.startswith("0x"))
    return tuple(
        Pagination(
            (*OPEN, *((key, name) for name in chunk), *_with_tags(tags=tags)),
            page_size=_page_size(turn),
            avoid=avoid,
        )
        for key, group in (("condition_ids", ids), ("slug", slugs))
        # As many as the smallest page holds.
        for chunk in chunks(group, _page_size(SIZES - 1))
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


def _page_size(turn: int) -> int:
    return PAGE_SIZE - turn % SIZES


def _with_tags(*, tags: bool) -> Params:
    return (("include_tag", "true"),) if tags else ()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the markets of an answer are.

    Attributes:
        markets: Those that can be read.
        placeholders: The ids of those that are shown and cannot be traded yet.
        unreadable: How many could not be read at all or in part, but for those that are in order
            and not for us.
    """

    markets: tuple[Market, ...]
    placeholders: tuple[ConditionId, ...]
    unreadable: int


class MarketReader:
    """Reads the markets of answers, and names in the log, once, those that it cannot read.

    Attributes:
        rejected: How many it could not read, by reason.
    """

    def __init__(self) -> None:
        self.rejected: Counter[str] = Counter()
        self._named: set[str] = set()

    def read(self, objects: Iterable[bytes]) -> Reading:
        """Return what these objects of Gamma are."""
        markets: list[Market] = []
        placeholders: list[ConditionId | None] = []
        unreadable = 0
        for raw in objects:
            try:
                found = read_market(raw)
            except PayloadRejected as rejection:
                why = str(rejection)
                self.rejected[why] += 1
                if why == NO_TOKENS:
                    placeholders.append(condition_of(raw))
                elif why != NOT_TWO:
                    self._name(raw, why)
                    unreadable += 1
                continue
            markets.append(found.market)
            if not found.market.active:
                placeholders.append(found.market.condition_id)
            if found.drift:
                self._name(raw, ", ".join(found.drift))
                unreadable += 1
        return Reading(
            markets=tuple(markets),
            placeholders=tuple(each for each in placeholders if each is not None),
            unreadable=unreadable,
        )

    def _name(self, raw: bytes, why: str) -> None:
        market = name_of(raw)
        if market not in self._named and len(self._named) < MAX_NAMED:
            self._named.add(market)
            log.warning("market_unreadable", extra={"market": market, "reason": why})
