"""Passes through the listings of Gamma, page by page to the end.

The parameters are described in docs/explanation/polymarket.md (documented 2026-04,
confirmed by clients of 2026-08): `closed` must be given, the cursor is sent as
`after_cursor`, a page holds at most 100 markets, a cursor may be repeated, and the
firewall in front of Gamma rejects some cursors always.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from actors.errors import PayloadRejected, SourceUnavailable

Params = tuple[tuple[str, str], ...]

PAGE_SIZE = 100
SMALLEST_PAGE = 40
PAGE_SHRINK = 7
"""Markets by which a page shrinks, to get other cursors; it does not grow again."""
CURSOR_FAILURES = 4
# All open markets were about 2,200 pages in 2026-10.
MAX_PAGES = 20_000
FAILURES = 2
"""Failures of a page before something else is tried."""
NARROWING_FAILURES = 60
PROOFS = 2
"""In so many orders another market is asked for, to see whether the server is down."""
LONGEST_JUMP_S = 1 << 26
LAST_TIME = datetime.max.replace(tzinfo=UTC)
_NAME_KEYS = frozenset({"condition_ids", "slug"})
_ORDER_KEYS = frozenset({"order", "ascending"})
_RISING: Params = (("order", "startDate"), ("ascending", "true"))
_INVALID = frozenset({400, 422})
_ROUTE_GONE = frozenset({404, 405, 410, 501})
_OVERLOADED = frozenset({429, 502, 503, 504})


class Route(StrEnum):
    """A way to ask Gamma for a listing.

    Attributes:
        KEYSET: `/markets/keyset`: the cursor of a page leads to the next.
        LIST: `/markets`, announced to end: the cursor is the number of markets before the page.
        EVENTS: `/events/keyset`: events with their markets. It knows no market by its name.
    """

    KEYSET = "keyset"
    LIST = "list form"
    EVENTS = "events"


class Trouble(StrEnum):
    """What can be wrong with a listing."""

    GONE = "no answer"
    CURSOR = "cursor ignored"
    ORDER = "order rejected"
    PASSED_OVER = "passed over"
    UNFINISHED = "not read to the end"


class Finding(msgspec.Struct, frozen=True):
    """A trouble that a pass has met, what it did, for people, and the order that is rejected."""

    trouble: Trouble
    route: Route
    text: str
    order: str = ""


class Row(NamedTuple):
    """What a pass looks at of each market of a page."""

    name: str
    started_at: datetime | None


class Pagination:
    """One pass through a listing, which reaches its end by whatever way the server leaves open.

    A page that fails is requested again. What fails for ever is gone around:

    - a route that is gone, or brings the first page again whatever the cursor: another
      route from its beginning; when all ignore their cursor, by start date alone;
    - a page that fails (one market of it may be the cause), while the server shows another
      market: smaller ones, down to one market. By offset that one is passed over. By
      cursor it cannot be: the whole listing by start date, and at that market a jump to
      earlier ones. What the jump left out is read by offset, or else from its other end, as
      a pass of its own (`rest`);
    - a cursor that the firewall rejects: again from the beginning with smaller pages,
      which have other cursors;
    - an order that is rejected: without it.

    Attributes:
        cursor: Of the next page; None for the first.
        route: To ask for it.
        pages: Pages read since it began, or began again.
        finished: Whether nothing is left to read.
        complete: Whether it was read to its end, as far as the server has it.
        rest: Passes through what this one left out, until they are taken; `is_rest`: it is one.

    Args:
        params: Filters and order.
        max_pages: After so many it ends, not complete.
        page_size: The largest page, 40 to 100. What is asked with another one is another question
            to a cache.
        avoid: Routes that did not answer a moment ago.
        top: The time now: markets begin at about this time or before.
    """

    def __init__(
        self,
        params: Params,
        *,
        max_pages: int = MAX_PAGES,
        page_size: int = PAGE_SIZE,
        avoid: Iterable[Route] = (),
        top: datetime = LAST_TIME,
    ) -> None:
        self._filters = tuple(pair for pair in params if pair[0] not in _ORDER_KEYS)
        self._order = tuple(pair for pair in params if pair[0] in _ORDER_KEYS)
        self._max_pages = max_pages
        self._top = top
        by_name = any(key in _NAME_KEYS for key, _ in params)
        self._routes = [each for each in Route if each is not Route.EVENTS or not by_name]
        self._gone = set(avoid)
        self._blind: set[Route] = set()  # routes that ignore their cursor
        self._largest = self._limit = page_size
        self._failures = 0  # of this page with this limit
        self._row = 0  # of any page, since the last answer
        self._most = 0  # markets on a page
        self._was_partial = self._capped = False  # pages by date
        self._window: set[str] = set()
        self._dated = self.is_rest = self._order_rejected = False
        self._until: datetime | None = None
        self._oldest: datetime | None = None
        self._bound: datetime | None = None
        self._last = ""
        self._jump_s = 0
        self._proofs = 0  # requests that prove that the server answers at all
        self._proven = False  # and that it did so, since pages became smaller
        self._resume: str | None = None
        self._findings: list[Finding] = []
        self._cursors: set[str] = set()
        self._first: set[str] = set()  # names on the first page, and on the one before
        self._previous: set[str] = set()
        self.cursor: str | None = None
        self.rest: list[Pagination] = []
        self.pages = 0
        self.finished, self.complete = False, True
        self._choose()

    @property
    def params(self) -> Params:
        """Return the query of the next page with its size, without its cursor."""
        if self._proofs:
            # Two orders: the first market of one of them may be what fails.
            order = (("order", "id"), ("ascending", "false")) if self._proofs % 2 == 0 else ()
            return (("closed", "false"), *order, ("limit", "1"))
        dated: Params = ()
        if self._dated:
            dated = (("order", "startDate"), ("ascending", "false"))
            if self._until is not None:
                dated += (("start_date_max", iso(self._until)),)
        return (*self._filters, *(dated or self._order), ("limit", str(self._limit)))

    @property
    def by_date(self) -> bool:
        """Return whether it began again by start date, whatever its order was."""
        return self._dated

    @property
    def proving(self) -> bool:
        """Return whether the next request is no page, and only shows that the server answers."""
        return self._proofs > 0

    @property
    def narrowing(self) -> bool:
        """Return whether it looks for the market that fails, on a server that shows others."""
        looking = self._proven or self._jump_s > 0
        return looking and self._row <= NARROWING_FAILURES

    def findings(self) -> tuple[Finding, ...]:
        """Return what was met since the last call."""
        found, self._findings = tuple(self._findings), []
        return found

    def advance(
        self, next_cursor: str | None, rows: Sequence[Row] = (), *, count: int | None = None
    ) -> None:
        """Take in a page, and go on to the next.

        Args:
            next_cursor: As the server sent it.
            rows: Its markets, as far as they can be read.
            count: Of its markets, those that cannot be read included.
        """
        if self._proofs:
            self._end_proof()
            return
        count = len(rows) if count is None else count
        # A server may hold smaller pages than are asked for.
        self._most = max(self._most, count)
        is_full = count >= min(self._limit, self._most)
        names = {row.name for row in rows}
        self.pages += 1
        seen = names & (self._first | self._previous)
        if self.cursor is not None and 2 * len(seen) > len(names):
            self._ignores_cursor()
            return
        self._first = self._first or names
        self._previous = names
        self._failures = self._row = 0
        self._limit = min(self._largest, self._limit * 2)
        if self._limit == self._largest:
            self._proven = False
        self._note_starts(rows)
        self._end_jump()
        if self.pages >= self._max_pages:
            self._give_up("too many pages")
        elif self._by_date_alone:
            self._next_window(more=self._more_follows(names, count))
        elif not next_cursor:
            self.finish()
        elif next_cursor in self._cursors:
            # The last page may name itself as the next one; it holds fewer markets than a page.
            if is_full:
                self._ignores_cursor()
            else:
                self.finish()
        else:
            self._cursors.add(next_cursor)
            self.cursor = next_cursor

    def failed(self, failure: Exception | None = None) -> None:
        """Stay on this page, or go around what makes it fail."""
        status = getattr(failure, "status", None)
        gone = status in _ROUTE_GONE or str(failure) == "unexpected shape"
        explained = gone or status in _INVALID or self._proven or self._jump_s > 0
        self._failures += 1
        self._row += 1
        if self._proofs:
            self._proofs += 1
            if status in _INVALID:  # an answer, too
                self._end_proof()
        elif status == 403 and self.cursor is not None:
            if self._failures >= CURSOR_FAILURES:
                self._largest = max(SMALLEST_PAGE, self._largest - PAGE_SHRINK)
                self._begin()
        elif is_answer(failure) and not explained:
            # One other market is asked for: while none comes either, the server is down.
            self._proofs, self._resume, self.cursor = 1, self.cursor, None
        elif self._failures < (1 if self._proven and self._limit > 1 else FAILURES) or (
            status in _INVALID and self._answer_invalid()
        ):
            return
        elif gone:
            self._is_gone(str(failure))
        elif self._limit > 1:
            self._limit //= 2
            self._failures = 0
        elif self._proven or self._jump_s:
            self._go_around()

    def finish(self) -> None:
        """End the pass: the markets that follow are known or not wanted."""
        self.finished = True

    # -------------------------------------------------------------------- ways

    @property
    def _by_date_alone(self) -> bool:
        return self._dated and self.route in self._blind

    def _begin(self) -> None:
        """Go back to the first page."""
        self._forget_pages()
        self._limit = self._largest
        self._failures = self.pages = 0
        self.cursor = None

    def _choose(self) -> None:
        """Begin with the best route that is left."""
        sound = [each for each in self._routes if each not in self._gone | self._blind]
        blind = [each for each in self._routes if each in self._blind - self._gone]
        if not sound and not blind:
            self._gone.clear()
            sound = list(self._routes)
        self.route = (sound or blind)[0]
        if not sound:
            self._begin_by_date()
        else:
            self._begin()

    def _begin_by_date(self) -> None:
        """Begin again, latest start first; not complete when the server rejects that order."""
        if self._order_rejected or self.is_rest:
            self._give_up("cannot be ordered")
            return
        self._dated = True
        self._until = self._oldest = None
        self._begin()

    def _is_gone(self, why: str) -> None:
        self._find(Trouble.GONE, why)
        self._gone.add(self.route)
        self._choose()

    def _ignores_cursor(self) -> None:
        self._find(Trouble.CURSOR, f"page {self.pages} came again")
        self._blind.add(self.route)
        self._choose()

    def _answer_invalid(self) -> bool:
        """Act on a query that is rejected as invalid; return whether that explains it."""
        if self.cursor is None and (self._dated or self._order) and not self._jump_s:
            order = dict(self.params).get("order", "")
            self._find(Trouble.ORDER, f"order {order} rejected, goes on without", order)
            self._order, self._order_rejected = (), True
            if self._dated:
                self._give_up("cannot be ordered")
            self._begin()
            return True
        if self.cursor is None:
            self._is_gone("query rejected")
            return True
        if self.route is Route.LIST:  # the largest offset is reached
            if self._dated:
                self._next_window(more=True)
            else:
                self._begin_by_date()
            return True
        return False

    def _end_proof(self) -> None:
        """Look for the market that fails; ask for the page again if the server was down."""
        self.cursor = self._resume
        # The first and the second may both have met a market that fails.
        self._proven = self._proofs <= PROOFS
        self._proofs = self._failures = 0

    def _go_around(self) -> None:
        """Go around the one market that makes even a page of one fail."""
        self._proven = False
        if self.route is Route.LIST and self.route not in self._blind:
            self._find(Trouble.PASSED_OVER, self._between())
            self.cursor = str(int(self.cursor or 0) + 1)
            self._failures = 0
        elif self.is_rest:
            self._find(Trouble.PASSED_OVER, self._between())
            self.finish()
        elif not self._dated:
            self._begin_by_date()
        else:
            self._jump_s = 2 * self._jump_s if 0 < self._jump_s < LONGEST_JUMP_S else 1
            base = self._oldest or self._top
            try:
                self._until = base - timedelta(seconds=self._jump_s)
            except OverflowError:
                self._give_up("no earlier start date")
            self.cursor = None
            self._forget_pages()
            self._failures = 0

    def _end_jump(self) -> None:
        """After a jump, leave what lies between to a pass from the other end."""
        if not self._jump_s or self._until is None:
            return
        rest = Pagination(
            (
                *(pair for pair in self._filters if pair[0] != "start_date_min"),
                *_RISING,
                ("start_date_min", iso(self._until)),
                *((("start_date_max", iso(_up(self._bound))),) if self._bound else ()),
            ),
            # By offset exactly one market is passed over.
            avoid=self._gone | self._blind or {Route.KEYSET},
        )
        rest.is_rest = True
        rest._routes = [Route.KEYSET, Route.LIST]  # events have start dates of their own
        self.rest.append(rest)
        self._jump_s = 0

    def _more_follows(self, names: set[str], count: int) -> bool:
        """Return whether more may follow a page by date, which tells nothing of it itself."""
        fresh, self._window = not names <= self._window, names
        # What followed a page that was not full shows that the server holds smaller ones.
        self._capped = self._capped or (fresh and self._was_partial)
        self._was_partial = count < self._limit
        return not self._was_partial or (count >= self._most and (fresh or self._capped))

    def _next_window(self, *, more: bool) -> None:
        """Go on with what began before the oldest that was seen."""
        if not more or self._oldest is None:
            self.finish()
            return
        until = _up(self._oldest)
        if self._until is not None and until >= self._until:
            # More markets began in this second than a page, or the largest offset, holds.
            self._find(Trouble.PASSED_OVER, f"some of {iso(until)}")
            until = self._until - timedelta(seconds=1)
        self._until = until
        self.cursor = None
        self._forget_pages()
        self._failures = 0

    def _forget_pages(self) -> None:
        self._cursors, self._first, self._previous = set(), set(), set()

    def _note_starts(self, rows: Sequence[Row]) -> None:
        self._bound = self._oldest  # as it was before a jump
        if rows:
            self._last = rows[-1].name
        starts = [row.started_at for row in rows if row.started_at is not None]
        if starts:
            self._oldest = min(starts) if self._oldest is None else min(self._oldest, *starts)

    def _between(self) -> str:
        bounds = dict(self._filters)
        since, until = bounds.get("start_date_min", ""), bounds.get("start_date_max", "")
        return f"between {self._last or since or 'the first'} and {until or 'the last'}"

    def _find(self, trouble: Trouble, text: str, order: str = "") -> None:
        self._findings.append(Finding(trouble, self.route, f"{self.route}: {text}", order))

    def _give_up(self, why: str) -> None:
        self._find(Trouble.UNFINISHED, why)
        self.complete = False
        self.finish()


def is_answer(failure: Exception | None) -> bool:
    """Return whether a failure says something about what was asked, not only about the server."""
    if isinstance(failure, SourceUnavailable):
        return failure.status is not None and failure.status not in _OVERLOADED
    return isinstance(failure, PayloadRejected)


def _up(at: datetime) -> datetime:
    """Return the next whole second, since the filters of Gamma are sent in seconds."""
    return at if not at.microsecond else at.replace(microsecond=0) + timedelta(seconds=1)


def iso(at: datetime) -> str:
    """Spell a time as Gamma does: `2026-10-05T12:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
