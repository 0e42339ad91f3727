"""The catalog actor: which markets and tokens are watched.

Owns: the universe, the passes through Gamma's listings, what is not stored yet.
Receives: Tick, Poll, NewMarketSeen, MarketsRestored, MarketsReviewed, MarketsSettled,
StoreOpened, TicketsStored. Sends: MarketsSeen, RequestMarkets and RequestReview to the
writer, UniverseChanged to supervisor and resolution, CatalogReport to the supervisor.
Fails on unexpected errors only; a source that does not answer is an expected one. Restarted by the
supervisor; the new incarnation asks the writer for the stored markets and sweeps again.

Each Poll makes one request to Gamma (`catalog/discovery.py` decides which), then
the actor sends itself Poll again, so Tick and stop get through within the time of
one answer. Each kind of request has its own backoff; the rate limit is common, and a
wait that the server asks for holds for all.

Every sweep sends all markets to resolution again, so that what was in the mailbox
of an incarnation that failed is not lost for longer than that.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from actors.actor import Addresses, BaseActor, Incarnation
from actors.catalog.discovery import Discovery
from actors.catalog.lookups import Review
from actors.catalog.outbox import MarketOutbox
from actors.catalog.requests import (
    Kind,
    ListFormTry,
    Lookup,
    NextPage,
    Request,
    narrows,
    proves,
)
from actors.catalog.rest import Rest
from actors.catalog.universe import MOST_MARKETS, Filters, Universe, UniverseDiff
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    CatalogReport,
    MarketsRestored,
    MarketsReviewed,
    MarketsSettled,
    NewMarketSeen,
    Poll,
    RequestMarkets,
    RequestReview,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
)
from actors.model.assumptions import Assumption, ViolationCounter
from actors.model.conversion import chunks, milliseconds
from actors.model.market import Market, without_details
from actors.model.trade import ConditionId
from actors.polymarket.listings import MarketReader, Reading, spellings
from actors.polymarket.pagination import Pagination, Route, Row, Trouble, is_answer
from actors.polymarket.sources import GAMMA_LISTINGS, Gamma, RateLimit, SourceBackoff

log = logging.getLogger(__name__)

CHANGED_CHUNK = 1_000
TELL_S = 600.0
"""How long the log does not repeat what is wrong with a route."""
Overlooked = tuple[tuple[ConditionId, int], ...]
_ASSUMPTIONS = {Trouble.PASSED_OVER: Assumption.CLEAN_PAGES}


class CatalogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog watches, and how often it asks.

    Attributes:
        filters: Which markets are watched.
        discovery_s: Seconds between two polls for new markets.
        closed_s: Seconds for which a closed market is still watched.
        most: So many markets are watched at most without a limit of the operator.
    """

    filters: Filters
    discovery_s: float
    closed_s: float
    most: int = MOST_MARKETS


class CatalogActor(BaseActor):
    """One incarnation of the catalog.

    Args:
        incarnation: This incarnation.
        to: The other actors; it sends to the supervisor, the writer and resolution.
        gamma: The listings of Gamma; closed when the actor stops.
        settings: What is watched, and how often Gamma is asked.
        rest: What it leaves to the other threads.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        gamma: Gamma,
        settings: CatalogSettings,
        rest: Rest,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._writer = to.writer
        self._resolution = to.resolution
        self._gamma = gamma
        self._universe = Universe(settings.filters, closed_s=settings.closed_s, most=settings.most)
        self._outbox = MarketOutbox(to.writer, self._universe, incarnation=incarnation.number)
        self._backoffs = {kind: SourceBackoff() for kind in Kind}
        self._pause_until = 0.0
        self._rest = rest
        self._violations = ViolationCounter()
        self._told: dict[tuple[Trouble, Route, str], float] = {}
        self._rate_limit = RateLimit(GAMMA_LISTINGS)
        self._review = Review()
        self._discovery = Discovery(settings.filters, settings.discovery_s)
        self._reader = MarketReader()
        self._now = 0.0
        self._ticked = self._polling = False
        self.handlers = {
            Tick: self._tick,
            Poll: self._poll,
            NewMarketSeen: self._new_market_seen,
            MarketsRestored: self._markets_restored,
            MarketsReviewed: self._markets_reviewed,
            MarketsSettled: self._markets_settled,
            StoreOpened: self._store_opened,
            TicketsStored: self._tickets_stored,
        }

    def on_stop(self) -> None:
        """Close the HTTP session, which belongs to this actor alone."""
        self._gamma.close()

    # ------------------------------------------------------------------ time

    def _tick(self, tick: Tick) -> None:
        """Record the time, start what is due, report."""
        self._now = tick.now
        self._rate_limit.share(tick.trackers, tick.now)
        wall = datetime.fromtimestamp(tick.wall_ns / 1e9, UTC)
        if not self._ticked:
            self._ticked = True
            self._discovery.start(tick.now, wall)
            # The writer sends them by itself only when it opens the database.
            if self.incarnation > 1:
                self._writer.tell(RequestMarkets())
        self._release_closed()
        after = self._review.due(tick.now)
        if after is not None:
            self._writer.tell(RequestReview(after=after))
        if self._discovery.tick(tick.now, wall):
            self._outbox.overflowed = False
        for kind in self._discovery.idle():
            self._backoffs[kind].succeeded()  # what failed is gone, not waited for any more
        self._go_on()
        self._violations.add(Assumption.CLOCK, self._gamma.take_clock_errors())
        self._violations.add(Assumption.FRESH_ANSWERS, self._gamma.take_old_answers())
        self.supervisor.tell(
            CatalogReport(
                child=self.child,
                incarnation=self.incarnation,
                now=tick.now,
                violations=self._violations.totals(),
                clock_offset_s=self._gamma.clock_offset_s,
                markets=len(self._universe),
                last_sweep_at=self._discovery.swept_at,
                last_error=self._listing_error(),
                waiting=len(self._outbox),
                requests=(
                    *((kind.value, each.state) for kind, each in self._backoffs.items()),
                    *self._universe.states(),
                ),
                keyset_error=self._discovery.keyset.fault,
            )
        )

    def _listing_error(self) -> str:
        """Return why markets cannot be listed; empty while they can."""
        return self._backoffs[Kind.NEWEST].error or self._backoffs[Kind.SWEEP].error

    def _release_closed(self) -> None:
        """Stop watching what closed long ago; resolution still waits for its outcome."""
        gone = self._universe.release_closed(self._now)
        for chunk in chunks(gone, CHANGED_CHUNK):
            self.supervisor.tell(UniverseChanged(added=(), removed=chunk))
        self._discovery.closed.note(gone, self._now)
        if gone:
            log.info("closed_markets_released", extra={"markets": len(gone)})

    # ------------------------------------------------------------------ poll

    def _poll(self, _: Poll) -> None:
        """Make one request to Gamma, then go on. Blocks for 20 s at most."""
        self._polling = False
        request = self._next()
        if request is None or not self._may_ask():
            return
        # Before it is sent: the server counts it, whether its answer arrives or not.
        self._rate_limit.spend(self._now)
        try:
            self._request(request)
        except (SourceUnavailable, PayloadRejected) as failure:
            self._failed(request, failure)
        else:
            self._backoffs[request.kind].succeeded()
        if isinstance(request, NextPage):
            self._report_findings(request)
            self._end_page(request)
        self._rest.end()
        self._go_on()

    def _failed(self, request: Request, failure: SourceUnavailable | PayloadRejected) -> None:
        """Wait before a request of this kind; before any, if the server asked for it."""
        # What ends the search for the one market that makes a request fail is part of it.
        expected, proving = narrows(request), proves(request)
        self._discovery.failed(request, failure)
        expected = expected or narrows(request)
        wait_s = self._backoffs[request.kind].failed(self._now, failure, expected=expected)
        if isinstance(failure, SourceUnavailable) and failure.retry_after_s is not None:
            self._pause_until = self._now + wait_s
        if isinstance(request, ListFormTry) and is_answer(failure):
            self._violations.add(Assumption.GAMMA_LIST)
        if expected or (proves(request) and not proving):
            return  # the log names the market when it is found, or the server when it is down
        log.warning(
            "catalog_request_failed",
            extra={"request": request.kind.value, "reason": str(failure), "retry_s": wait_s},
        )

    def _report_findings(self, request: NextPage) -> None:
        """Count and log what the pass of this request has met."""
        for finding in request.listing.findings():
            self._discovery.keyset.note(finding, self._now)
            self._violations.add(_ASSUMPTIONS.get(finding.trouble, Assumption.KEYSET))
            # What is wrong with a route is met with every pass.
            what = (finding.trouble, finding.route, finding.order)
            if finding.trouble is not Trouble.PASSED_OVER and self._told.get(what, 0.0) > self._now:
                continue
            self._told[what] = self._now + TELL_S
            log.warning(
                "listing_trouble",
                extra={
                    "request": request.kind.value,
                    "trouble": finding.trouble.value,
                    "reason": finding.text,
                },
            )

    def _go_on(self) -> None:
        """Send Poll to this actor when there is a request and Gamma may be asked."""
        if self._polling or not self._may_ask() or not self._next():
            return
        self._polling = True
        self.actor_ref.tell(Poll())

    def _next(self) -> Request | None:
        return self._discovery.next(lambda kind: self._backoffs[kind].ready(self._now))

    def _may_ask(self) -> bool:
        ready = self._now >= self._pause_until and self._rest.is_over(self._now)
        return ready and self._rate_limit.ready(self._now)

    def _request(self, request: Request) -> None:
        if isinstance(request, Lookup):
            self._look_up(request)
        elif isinstance(request, ListFormTry):
            self._gamma.try_list_form()
            self._discovery.tried_list_form()
        elif request.sweep:
            self._sweep(request.listing)
        else:
            proving = request.listing.proving
            page = self._read_page(request.listing)
            if not proving:
                self._discovery.newest_read(request.listing, page.markets, page.placeholders)
            self._publish(self._universe.update(self._news(page.markets)))

    def _news(self, markets: tuple[Market, ...]) -> tuple[Market, ...]:
        """Return these markets of the last answer; see `Discovery.news`."""
        return self._discovery.news(markets, age_s=self._gamma.age_s)

    def _end_page(self, request: NextPage) -> None:
        """Go on to the next pass, or end the poll or sweep; a failure can end a pass, too."""
        if not request.sweep:
            self._discovery.end_newest()
            return
        end = self._universe.can_end_sweep and not request.listing.finished
        if self._discovery.page_swept(end=end):
            self._end_sweep(cut_short=end)

    def _look_up(self, lookup: Lookup) -> None:
        """Read markets by id. One that does not trade yet counts as not listed."""
        raw = self._gamma.markets_by_condition(spellings(lookup.ids), closed=lookup.closed)
        read = self._parse(raw)
        found = tuple(market for market in read.markets if market.active or lookup.closed)
        found = found if lookup.closed else self._news(found)
        overdue = self._discovery.looked_up(
            lookup, found, placeholders=read.placeholders, age_s=self._gamma.age_s
        )
        self._violations.add(Assumption.LISTED, self._universe.feed_only(overdue))
        self._publish(self._universe.update(found))
        self._store_unknown(found)

    def _store_unknown(self, found: tuple[Market, ...]) -> None:
        """Store what the database lacked, watched or not, and let its outcome be looked for."""
        new = self._review.take(found)
        self._send_resolution(new)  # what is watched was sent already, and changes nothing
        self._outbox.send_unlisted(new)

    def _sweep(self, listing: Pagination) -> None:
        diff = self._universe.sweep(self._news(self._read_page(listing).markets))
        self._publish(diff)
        self._send_resolution(diff.same)

    def _end_sweep(self, *, cut_short: bool) -> None:
        complete = self._discovery.sweep_complete
        self._publish(
            UniverseDiff(added=self._universe.end_sweep(complete=complete and not cut_short))
        )
        self._discovery.sweep_ended(
            self._universe.missing(), free_places=self._universe.has_free_places
        )
        extra = {"markets": len(self._universe), "rejected": dict(self._reader.rejected)}
        if complete:
            log.info("sweep_finished", extra=extra)
        else:
            log.warning("sweep_incomplete", extra=extra)
        self._reader.rejected.clear()
        if unmatched := self._universe.take_unmatched():
            log.warning("filters_unmatched", extra={"reason": unmatched})

    def _read_page(self, listing: Pagination) -> Reading:
        cursor, route, params = listing.cursor, listing.route, listing.params
        order = "" if listing.proving else dict(params).get("order", "")
        page = self._gamma.markets_page(params, cursor, route=route)
        self._rest.begin()
        read = self._parse(page.markets)
        self._discovery.answered(offset_s=self._gamma.clock_offset_s, age_s=self._gamma.age_s)
        self._discovery.placeholders.note(read.placeholders)
        rows = [Row(market.condition_id, market.started_at) for market in read.markets]
        listing.advance(page.next_cursor, rows, count=len(page.markets))
        if listing.route is route:
            behind_cursor = cursor is not None
            self._discovery.keyset.answered(route, behind_cursor=behind_cursor, order=order)
        return read

    def _parse(self, objects: tuple[bytes, ...]) -> Reading:
        """Return what these markets are; those that cannot be read are counted."""
        read = self._reader.read(objects)
        self._violations.add(Assumption.CLEAN_PAGES, read.unreadable)
        return read

    # ---------------------------------------------- messages of other actors

    def _new_market_seen(self, message: NewMarketSeen) -> None:
        """Watch a market that the feed announced, and look it up; Gamma lists it later."""
        if message.condition_id not in self._universe:
            if message.market is not None:
                self._publish(self._universe.announce(message.market))
            self._discovery.announced.add(message.condition_id, self._now)
            self._go_on()

    def _markets_restored(self, message: MarketsRestored) -> None:
        """Watch stored markets again, unless they have closed or are no longer wanted."""
        restored = self._universe.restore(message.markets)
        self._send_added(restored.chosen)
        self._send_resolution(restored.closed)
        self._discovery.closed.note((each.condition_id for each in restored.closed), self._now)
        # An earlier process may have journalled their tokens as wanted; without this they would
        # count as a gap for ever.
        for chunk in chunks(restored.closed, CHANGED_CHUNK):
            self.supervisor.tell(_removed(chunk))
        for chunk in chunks(restored.rejected, CHANGED_CHUNK):
            change = _removed(chunk)
            self.supervisor.tell(change)
            self._resolution.tell(change)
        self._discovery.restored(market.condition_id for market in restored.chosen)

    def _markets_reviewed(self, message: MarketsReviewed) -> None:
        """Look up conditions of which the database has trades or tokens, and no market."""
        self._review.answered(self._now, message.unknown, message.until)
        self._discovery.look_for(message.unknown)
        self._go_on()

    def _markets_settled(self, message: MarketsSettled) -> None:
        """Remove markets whose resolution is stored."""
        self._discovery.closed.remove(message.condition_ids)
        for chunk in chunks(self._universe.settle(message.condition_ids), CHANGED_CHUNK):
            change = UniverseChanged(added=(), removed=chunk)
            self.supervisor.tell(change)
            self._resolution.tell(change)

    def _store_opened(self, _: StoreOpened) -> None:
        """Send the writer again what may not be stored; sweep for what did not fit the outbox."""
        self._outbox.send_again()
        if self._outbox.overflowed:
            self._discovery.sweep_soon()
        self._discovery.restored()

    def _tickets_stored(self, message: TicketsStored) -> None:
        self._outbox.stored(message.tickets, self._now)

    # ---------------------------------------------------------------- sending

    def _publish(self, diff: UniverseDiff) -> None:
        """Send the writer what is new or changed, supervisor and resolution what to watch."""
        self._send_added(diff.added, self._overlooked)
        self._universe.late(self._discovery.chosen(diff.added))
        for chunk in chunks(without_details(diff.listed), CHANGED_CHUNK):
            self.supervisor.tell(UniverseChanged(added=chunk, removed=()))
        self._send_resolution(diff.changed)
        self._outbox.send(diff.added + diff.changed)

    def _send_added(
        self,
        added: tuple[Market, ...],
        overlooked: Callable[[Iterable[Market]], Overlooked] = lambda _: (),
    ) -> None:
        first = self._discovery.is_first
        for chunk in chunks(without_details(added), CHANGED_CHUNK):
            change = UniverseChanged(
                added=chunk, removed=(), overlooked=overlooked(chunk), is_first=first
            )
            self.supervisor.tell(change)
            self._resolution.tell(change)

    def _overlooked(self, markets: Iterable[Market]) -> Overlooked:
        dated = ((each.condition_id, self._discovery.overlooked_since(each)) for each in markets)
        return tuple((each, milliseconds(at) * 1_000_000) for each, at in dated if at is not None)

    def _send_resolution(self, markets: tuple[Market, ...]) -> None:
        for chunk in chunks(without_details(markets), CHANGED_CHUNK):
            self._resolution.tell(UniverseChanged(added=chunk, removed=()))


def _removed(markets: tuple[Market, ...]) -> UniverseChanged:
    """Return the message that restored markets, perhaps unknown to others, are not watched."""
    return UniverseChanged(
        added=(),
        removed=tuple(market.condition_id for market in markets),
        unwanted=tuple(token for market in markets for token in market.token_ids),
    )
