"""What the catalog asks Gamma next, most urgent first.

1. Markets that the feed announced and that are due for a look-up; with them placeholders, and
   closed ones that may open again.
2. Markets that began since the last poll, every `discovery_s`.
3. Markets that were made since: one may be listed with an old start date.
4. Markets that the last sweep did not list, and those chosen around their planned end: have they
   closed? One that is neither listed nor found closed is asked for again for five minutes.
5. The next page of the sweep through everything, at start and every 30 minutes.
6. Whether the list form, the other way for all of these, still answers, every 2 minutes.

Each kind waits for itself after a failure, so that one that fails never holds up the others.
Times are monotonic seconds, except for the latest start of the polls, which is wall clock.
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from actors.catalog.lookups import PendingLookups, Placeholders
from actors.catalog.requests import Kind, ListFormTry, Lookup, NextPage, Request
from actors.catalog.universe import Filters
from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.polymarket.listings import (
    OVERLAP,
    KeysetState,
    LatestStart,
    created,
    everything,
    first_turn,
    named,
    newest,
)
from actors.polymarket.pagination import Pagination, is_answer
from actors.polymarket.sources import MAX_GAMMA_MARKETS

SWEEP_S = 1800.0
FREE_PLACES_SWEEP_S = 300.0
RESTORE_WAIT_S = 15.0
"""With a limit, how long the first sweep waits for the stored markets."""
RESTORED_WAIT_S = 1.0
"""How long it still waits once the database has sent some."""
LIST_FORM_S = 120.0
LOOKUP_S = 1.0
LATE, SOON = timedelta(minutes=10), timedelta(seconds=30)
"""A market that was chosen so long after its planned end, or before it, may have closed."""
CREATED_PAGES = 5
"""So many pages of the latest made markets are read by one poll."""


class Discovery:
    """What to ask Gamma, and when. Owned by the catalog actor.

    Attributes:
        announced: The look-ups of markets that the feed announced.
        placeholders: The look-ups of markets that cannot be traded yet.
        closed: The look-ups of markets that have closed, to see whether they open again.
        late: The look-ups, among the closed, of markets that were chosen around their planned end,
            or that no listing has.
        keyset: Whether the keyset leads through listings.
        swept_at: When the last complete sweep ended, or None before the first.
    """

    def __init__(self, filters: Filters, discovery_s: float) -> None:
        self._filters = filters
        self._tags = bool(filters.tags)
        self._discovery_s = discovery_s
        self._now = 0.0
        self._latest_start = LatestStart(datetime.fromtimestamp(0, UTC))
        self._wall = self._latest_start.at
        self._newest: deque[Pagination] = deque()
        self._newest_complete = True
        self._newest_at = self._created_at = self._sweep_at = 0.0
        self._lookup_at = self._placeholders_at = 0.0
        self._sweep: deque[Pagination] = deque()
        self._missing: deque[ConditionId] = deque()
        self._most = {Kind.LOOKUP: MAX_GAMMA_MARKETS, Kind.CLOSED: MAX_GAMMA_MARKETS}
        self._list_form_at = 0.0
        self._offset = self._oldest_age = timedelta(0)
        self._complete = True
        self._begun = self._sweep_begun = self._wall
        self._known_until: datetime | None = None
        self._turn = self._created_turn = self._sweeps = 0
        self._created: Pagination | None = None
        self._just_created: set[ConditionId] = set()  # what the last poll read of the latest made
        self._known_created: set[ConditionId] = set()  # and the poll before
        self.keyset = KeysetState()
        self.announced = PendingLookups()
        self.placeholders = Placeholders()
        self.closed = Placeholders(keep_latest=True)
        self.late = PendingLookups()
        self.swept_at: float | None = None

    def start(self, now: float, wall: datetime) -> None:
        """Set the clocks: everything that began before now is left to the first sweep."""
        self._now, self._wall = now, wall
        self._begun = wall
        self._latest_start = LatestStart(wall)
        self._turn = self._created_turn = self._sweeps = first_turn(wall)
        self._newest_at = self._created_at = now + self._discovery_s
        self._list_form_at = now + LIST_FORM_S
        # With a limit, markets that were chosen earlier keep their places: wait for them,
        # but not longer when the database is away.
        self._sweep_at = now + (RESTORE_WAIT_S if self._filters.max_assets else 0.0)

    def tick(self, now: float, wall: datetime) -> bool:
        """Record the time and start what is due; return whether a sweep starts."""
        self._now, self._wall = now, wall
        if not self._filters.markets:
            self._begin_polls()
        if now >= self._placeholders_at:
            self._placeholders_at = now + self._discovery_s
            self.placeholders.allow(self._most[Kind.LOOKUP])
            self.closed.allow(self._most[Kind.LOOKUP])
        if self._sweep or now < self._sweep_at:
            return False
        self._sweep = deque(self._sweep_listings())
        self._sweeps += 1
        self._sweep_begun = self._exchange_now
        self._complete = True
        return True

    def _begin_polls(self) -> None:
        """Begin what is due of the two polls for new markets; neither waits for the other."""
        now = self._now
        if not self._newest and now >= self._newest_at:
            # A clock that was ahead and is set back has left the latest start in the future.
            since = min(self._latest_start.since, self._exchange_now - OVERLAP)
            self._newest.append(
                newest(
                    since - self._oldest_age,
                    tags=self._tags,
                    turn=self._turn,
                    avoid=self.keyset.avoided(now),
                    top=self._exchange_now,
                )
            )
            self._turn += 1
            self._newest_complete = True
            self._newest_at = now + self._discovery_s
        if self._created is None and now >= self._created_at:
            if self._just_created:
                self._known_created, self._just_created = self._just_created, set()
            self._begin_created()
            self._created_at = now + self._discovery_s

    def _begin_created(self) -> None:
        avoid = self.keyset.avoided(self._now)
        self._created = created(tags=self._tags, turn=self._created_turn, avoid=avoid)
        self._created_turn += 1

    @property
    def _exchange_now(self) -> datetime:
        return self._wall + self._offset

    def next(self, is_ready: Callable[[Kind], bool] = lambda _: True) -> Request | None:
        """Return the most urgent request of a kind that is ready. Nothing changes until its answer.

        Args:
            is_ready: Whether a kind may be asked now.
        """
        return next((each for each in self._due() if is_ready(each.kind)), None)

    def _due(self) -> Iterator[Request]:
        if self._now >= self._lookup_at:
            most = self._most[Kind.LOOKUP]
            ids = self.announced.peek(self._now, most)
            ids += self.placeholders.peek(most - len(ids))
            ids += self.closed.peek(most - len(ids))
            if ids:
                yield Lookup(ids, closed=False)
        if self._newest:
            yield NextPage(self._newest[0], Kind.NEWEST)
        if self._created is not None:
            yield NextPage(self._created, Kind.CREATED)
        if self._missing:
            yield Lookup(tuple(self._missing)[: self._most[Kind.CLOSED]], closed=True)
        late = self.late.peek(self._now, self._most[Kind.CLOSED])
        if late:
            yield Lookup(late, closed=True, late=True)
        if self._sweep:
            yield NextPage(self._sweep[0], Kind.SWEEP)
        if self._now >= self._list_form_at:
            yield ListFormTry()

    def idle(self) -> tuple[Kind, ...]:
        """Return the kinds of which nothing waits to be asked, so that none of it can fail."""
        waiting = {
            Kind.LOOKUP: len(self.announced) + len(self.placeholders) + len(self.closed),
            Kind.NEWEST: self._newest,
            Kind.CREATED: self._created,
            Kind.CLOSED: len(self._missing) + len(self.late),
            Kind.SWEEP: self._sweep,
        }
        return tuple(kind for kind, some in waiting.items() if not some)

    # --------------------------------------------------------------- answers

    def answered(self, *, offset_s: float, age_s: float) -> None:
        """Take what an answer shows of the exchange.

        Args:
            offset_s: Its clock minus ours, in seconds.
            age_s: Of the answer. What began later than it was made is not in it.
        """
        self._offset = timedelta(seconds=offset_s)
        self._oldest_age = max(self._oldest_age, timedelta(seconds=age_s))

    def looked_up(
        self,
        lookup: Lookup,
        found: Iterable[Market],
        *,
        placeholders: Container[ConditionId] = (),
        age_s: float = 0.0,
    ) -> tuple[ConditionId, ...]:
        """Take in the answer to a look-up; announced markets that were not found stay pending.

        Args:
            lookup: What was asked.
            found: What can be traded.
            placeholders: What is shown and cannot.
            age_s: Of the answer.

        Returns:
            Announced markets that have not been listed for too long now, each once.
        """
        self._most[lookup.kind] = min(MAX_GAMMA_MARKETS, self._most[lookup.kind] * 2)
        if lookup.late:
            self.late.remove(market.condition_id for market in found)
            self.late.tried(lookup.ids, self._now, age_s=age_s)
        elif lookup.closed:
            self._pop_missing(lookup)
            closed = {market.condition_id for market in found}
            absent = [each for each in lookup.ids if each not in closed]
            self._neither_open_nor_closed(absent, age_s)
        if lookup.closed:
            return ()
        self._lookup_at = self._now + LOOKUP_S
        open_ones = {market.condition_id for market in found}
        self.announced.remove(open_ones)
        self.placeholders.tried(lookup.ids, placeholders)
        self.closed.tried(lookup.ids, set(lookup.ids) - open_ones)
        return self.announced.tried(lookup.ids, self._now, age_s=age_s)

    def news(self, found: Iterable[Market], *, age_s: float) -> tuple[Market, ...]:
        """Return what was found, without what an old answer calls open that has closed since.

        Args:
            found: Markets of one answer.
            age_s: Of the answer, in seconds; `date_clock` bounds it, so a market that does open
                again is believed after that time at the latest.
        """
        made_at = self._now - age_s
        return tuple(
            market for market in found if not self.closed.is_older(market.condition_id, made_at)
        )

    def chosen(self, markets: Iterable[Market]) -> tuple[ConditionId, ...]:
        """Return those of these that were chosen around their planned end, and look them up.

        Gamma lags, and caches are older still: they may have closed before, and then no `book`
        comes. Most go on beyond their end; nothing but its own answer shows that one has closed.
        """
        now = self._exchange_now
        late = tuple(
            market.condition_id
            for market in markets
            if market.end_at is not None and now - LATE <= market.end_at <= now + SOON
        )
        for condition_id in late:
            self.late.add(condition_id, self._now)
        return late

    def _neither_open_nor_closed(self, asked: Sequence[ConditionId], age_s: float) -> None:
        # The listings of open markets have them not, nor had this answer, which may come out of a
        # cache and be older than their end. The next sweep is half an hour away, and if they have
        # closed no `book` comes until then.
        for condition_id in asked:
            self.late.add(condition_id, self._now)
        self.late.tried(asked, self._now, age_s=age_s)

    def _pop_missing(self, lookup: Lookup) -> None:
        # What was not found is in `late` then, and in here again when the next sweep lacks it.
        for _ in lookup.ids:
            self._missing.popleft()

    def tried_list_form(self) -> None:
        """Set the next try of the list form."""
        self._list_form_at = self._now + LIST_FORM_S

    def failed(self, request: Request, failure: Exception | None = None) -> None:
        """Leave a request that was not answered for later, so that it cannot block the others."""
        if isinstance(request, NextPage):
            request.listing.failed(failure)
            self._page_failed(request, failure)
        elif isinstance(request, ListFormTry):
            self._list_form_at = self._now  # its own backoff is the pause
        elif len(request.ids) > 1:
            # One of the ids may be what makes it fail: the others are asked without it.
            self._most[request.kind] = len(request.ids) // 2
        elif request.late:
            self.late.tried(request.ids, self._now)
        elif request.closed:
            self._pop_missing(request)
        else:
            self._lookup_at = self._now + LOOKUP_S
            self.placeholders.tried(request.ids, request.ids)
            self.closed.tried(request.ids, request.ids)
            self.announced.tried(request.ids, self._now)

    def _page_failed(self, request: NextPage, failure: Exception | None) -> None:
        """End a listing for new markets that nothing is left to be done for."""
        listing = request.listing
        searching = is_answer(failure) or listing.proving or listing.narrowing
        if request.kind is Kind.CREATED and listing.by_date:
            listing.finish()  # a sweep finds what is behind the market that fails
        elif request.kind is Kind.CREATED and not searching:
            self._begin_created()  # a smaller page would fail as well
        elif request.kind is Kind.NEWEST and listing.is_rest and not searching:
            listing.complete = False  # so the next poll looks back as far as this one
            listing.finish()

    def newest_read(
        self,
        listing: Pagination,
        markets: Iterable[Market],
        placeholders: Iterable[ConditionId] = (),
    ) -> None:
        """Take in a page of the newest markets."""
        if listing is not self._created:
            self._latest_start.note(market.started_at for market in markets)
            return
        ids = {*(market.condition_id for market in markets), *placeholders}
        self._just_created |= ids
        # The first poll only learns where the listing is known.
        known = not self._known_created or not ids.isdisjoint(self._known_created)
        if known or listing.pages >= CREATED_PAGES:
            listing.finish()

    def end_newest(self) -> None:
        """Go on to the next pass of the polls for new markets, or end them."""
        if self._created is not None and self._created.finished:
            self._created = None
        if not self._newest or not self._newest[0].finished:
            return
        read = self._newest.popleft()
        self._newest_complete = self._newest_complete and read.complete
        self._newest.extend(read.rest)
        if not self._newest:
            self._latest_start.finish(self._exchange_now, complete=self._newest_complete)

    def page_swept(self, *, end: bool = False) -> bool:
        """Record that a page of the sweep was read; return whether the sweep is over.

        Args:
            end: Whether to end the sweep here.
        """
        if end:
            self._sweep.clear()
        elif self._sweep and self._sweep[0].finished:
            swept = self._sweep.popleft()
            self._complete = self._complete and swept.complete
            self._sweep.extend(swept.rest)
        return not self._sweep

    @property
    def sweep_complete(self) -> bool:
        """Return whether all listings of the sweep were read to their end."""
        return self._complete

    def sweep_ended(self, missing: Iterable[ConditionId], *, free_places: bool) -> None:
        """Set the next sweep, which comes sooner while places are free.

        Args:
            missing: Markets that the sweep did not list.
            free_places: Whether places are free although candidates were left out.
        """
        if self._complete:
            self._missing = deque(missing)
            self.swept_at = self._now
            self._known_until = self._sweep_begun - OVERLAP - self._oldest_age
        pause_s = FREE_PLACES_SWEEP_S if free_places or not self._complete else SWEEP_S
        # Named markets take a request or two, so they are listed as often as
        # new ones are looked for.
        self._sweep_at = self._now + (self._discovery_s if self._filters.markets else pause_s)

    def overlooked_since(self, market: Market) -> datetime | None:
        """Return since when a market that is found now could have been watched; None: since now.

        That is its start date, but not before the last complete sweep, which did not list it, or
        before the first one the start of this process. What waits for its volume was not
        overlooked, nor was what the feed announced.
        """
        by_volume = self._filters.min_volume > 0 or self._filters.max_assets > 0
        if by_volume or not market.active:
            return None
        since = market.started_at
        if self._known_until is not None:
            since = self._known_until if since is None else max(since, self._known_until)
        elif since is None or since < self._begun + self._offset:
            return None
        return since if since < self._exchange_now else None

    @property
    def is_first(self) -> bool:
        """Return whether no sweep has listed everything yet."""
        return self._known_until is None

    def sweep_soon(self) -> None:
        """Start a sweep at the next tick."""
        self._sweep_at = self._now

    def restored(self, chosen: Iterable[ConditionId] = ()) -> None:
        """Record that the database answered: a first sweep that waited for it starts soon.

        Args:
            chosen: Stored markets that are watched again. When the first sweep is
                over already, it did not list them: have they closed?
        """
        if self.swept_at is None:
            self._sweep_at = min(self._sweep_at, self._now + RESTORED_WAIT_S)
        else:
            self._missing.extend(chosen)

    def look_for(self, unknown: Iterable[ConditionId]) -> None:
        """Look these up among the open and among the closed markets."""
        for condition_id in unknown:
            self.announced.add(condition_id, self._now)
            self._missing.append(condition_id)

    def _sweep_listings(self) -> tuple[Pagination, ...]:
        filters = self._filters
        avoid = self.keyset.avoided(self._now)
        if filters.markets:
            names = sorted(filters.markets)
            return named(names, tags=self._tags, turn=self._sweeps, avoid=avoid)
        return (
            everything(
                min_volume=filters.min_volume,
                by_volume=filters.max_assets > 0,
                tags=self._tags,
                turn=self._sweeps,
                avoid=avoid,
                top=self._exchange_now,
            ),
        )
