"""The catalogue actor: the universe of markets and tokens to watch.

Owns: the universe, the walks through Gamma's listings, what is not yet stored.
Hears: Tick, Poll, NewMarketSeen, MarketsRestored, MarketsSettled, StoreOpened,
TicketsStored. Tells: MarketsSeen to the writer, UniverseChanged to supervisor and
resolution, CatalogReport to the supervisor. Dies when: the unexpected happens; a
source that does not answer is not. Restarted: by the supervisor; the new life
asks the writer for what is remembered and sweeps again.

Each Poll asks Gamma one question (`catalog/discovery.py` says which), then tells itself
Poll again, so Tick and stop get through within the time of one answer.

Resolution is told of every market again at each sweep, so that what a dead life
of it had in its mailbox is not lost for longer than that.
"""

import logging
from collections import Counter
from datetime import UTC, datetime

import msgspec

from actors.actor import Addresses, BaseActor, Incarnation, Outbox
from actors.catalog.discovery import Discovery, Lookup, Question
from actors.catalog.universe import Filters, Universe, UniverseDiff
from actors.errors import PayloadRejected, SourceUnavailable
from actors.messages import (
    CatalogReport,
    MarketsRestored,
    MarketsSeen,
    MarketsSettled,
    NewMarketSeen,
    Poll,
    RequestMarkets,
    StoreOpened,
    Tick,
    TicketsStored,
    UniverseChanged,
)
from actors.model.chunks import chunks
from actors.model.market import Market
from actors.polymarket import gamma as answers
from actors.polymarket.pagination import Pagination, spellings
from actors.polymarket.ports import Gamma
from actors.polymarket.ratelimit import GAMMA_LISTINGS, RateLimit, SourceBackoff

log = logging.getLogger(__name__)

SEEN_CHUNK = 500
CHANGED_CHUNK = 1_000
OUTBOX_MAX = 200


class CatalogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue watches, and how often it looks.

    Attributes:
        filters: Which markets are watched.
        discovery_s: Seconds between two looks for new markets.
        closed_s: How long a closed market is still listened to, in seconds.
    """

    filters: Filters
    discovery_s: float
    closed_s: float


class CatalogActor(BaseActor):
    """One life of the catalogue."""

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        gamma: Gamma,
        settings: CatalogSettings,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._writer = to.writer
        self._resolution = to.resolution
        self._gamma = gamma
        self._universe = Universe(settings.filters, closed_s=settings.closed_s)
        self._outbox = Outbox(incarnation=incarnation.number)
        self._backoff = SourceBackoff()
        self._rate_limit = RateLimit(GAMMA_LISTINGS)
        self._agenda = Discovery(settings.filters, settings.discovery_s)
        self._rejected: Counter[str] = Counter()
        self._now = 0.0
        self._ticked = self._polling = self._overflowed = False
        self.handlers = {
            Tick: self._tick,
            Poll: self._poll,
            NewMarketSeen: self._new_market_seen,
            MarketsRestored: self._markets_remembered,
            MarketsSettled: self._markets_settled,
            StoreOpened: self._store_opened,
            TicketsStored: self._tickets_stored,
        }

    def on_stop(self) -> None:
        """Close the HTTP session, which belongs to this actor alone."""
        self._gamma.close()

    # ------------------------------------------------------------------ time

    def _tick(self, tick: Tick) -> None:
        """Note the time, begin what is due, report."""
        self._now = tick.now
        wall = datetime.fromtimestamp(tick.wall_ns / 1e9, UTC)
        if not self._ticked:
            self._ticked = True
            self._agenda.begin(tick.now, wall)
            if self.incarnation > 1:
                self._writer.tell(RequestMarkets())
        self._part_with_closed()
        if self._agenda.tick(tick.now, wall):
            self._overflowed = False
        self._go_on()
        self.supervisor.tell(
            CatalogReport(
                child=self.child,
                incarnation=self.incarnation,
                now=tick.now,
                markets=len(self._universe),
                last_sweep_at=self._agenda.swept_at,
                last_error=self._backoff.error,
                waiting=len(self._outbox),
            )
        )

    def _part_with_closed(self) -> None:
        """Listen no more to what closed long ago; resolution goes on asking for its verdict."""
        gone = self._universe.time_passed(self._now)
        for chunk in chunks(gone, CHANGED_CHUNK):
            self.supervisor.tell(UniverseChanged(added=(), removed=chunk))
        if gone:
            log.info("closed_markets_released", extra={"markets": len(gone)})

    # ------------------------------------------------------------------ poll

    def _poll(self, _: Poll) -> None:
        """Ask Gamma one question, then go on. Blocks for 20 s at most."""
        self._polling = False
        question = self._agenda.next()
        if question is None or not self._may_ask():
            return
        self._rate_limit.spend(self._now)
        try:
            self._ask(question)
        except (SourceUnavailable, PayloadRejected) as failure:
            self._agenda.failed(question)
            wait_s = self._backoff.failed(self._now, failure)
            log.warning(
                "catalog_question_failed", extra={"reason": str(failure), "retry_s": wait_s}
            )
        else:
            self._backoff.succeeded()
        self._go_on()

    def _go_on(self) -> None:
        """Tell itself Poll when there is something to ask and Gamma may be asked."""
        if self._polling or not self._may_ask() or not self._agenda.next():
            return
        self._polling = True
        self.actor_ref.tell(Poll())

    def _may_ask(self) -> bool:
        return self._backoff.ready(self._now) and self._rate_limit.ready(self._now)

    def _ask(self, question: Question) -> None:
        if isinstance(question, Lookup):
            self._look_up(question)
        elif question.sweep:
            self._sweep(question.walk)
        else:
            markets = self._read_page(question.walk)
            self._agenda.polled(markets)
            self._tell(self._universe.glimpse(markets))

    def _look_up(self, lookup: Lookup) -> None:
        """Read markets by name. One that does not trade yet is as good as not listed."""
        raw = self._gamma.markets_by_condition(spellings(lookup.ids), closed=lookup.closed)
        found = tuple(market for market in self._parse(raw) if market.active or lookup.closed)
        self._agenda.looked_up(lookup, found)
        self._tell(self._universe.glimpse(found))

    def _sweep(self, walk: Pagination) -> None:
        difference = self._universe.sweep(self._read_page(walk))
        self._tell(difference)
        self._tell_resolution(difference.same)
        sated = self._universe.sated and not walk.finished
        if self._agenda.swept(sated=sated):
            self._end_sweep(complete=not sated)

    def _end_sweep(self, *, complete: bool) -> None:
        self._tell(UniverseDiff(added=self._universe.end_sweep(complete=complete)))
        self._agenda.sweep_ended(self._universe.missing(), starved=self._universe.starved)
        log.info(
            "sweep_finished",
            extra={"markets": len(self._universe), "rejected": dict(self._rejected)},
        )
        self._rejected.clear()

    def _read_page(self, walk: Pagination) -> tuple[Market, ...]:
        page = self._gamma.markets_page(walk.params, walk.cursor)
        walk.turn(page.next_cursor)
        if walk.repeated:
            log.warning("cursor_repeated", extra={"pages": walk.pages})
        return self._parse(page.markets)

    def _parse(self, objects: tuple[bytes, ...]) -> tuple[Market, ...]:
        """Return the markets that can be read; the others are counted by reason."""
        markets: list[Market] = []
        for raw in objects:
            try:
                markets.append(answers.parse_market(raw))
            except PayloadRejected as rejection:
                self._rejected[str(rejection)] += 1
        return tuple(markets)

    # ------------------------------------------------------- what others say

    def _new_market_seen(self, message: NewMarketSeen) -> None:
        """Look for a market that the feed announced; Gamma lags behind it."""
        if message.condition_id not in self._universe:
            self._agenda.announced.add(message.condition_id, self._now)
            self._go_on()

    def _markets_remembered(self, message: MarketsRestored) -> None:
        """Watch on what an earlier life watched, unless it has closed or is wanted no more."""
        told = self._universe.remember(message.markets)
        self._tell_everyone(told.chosen)
        self._tell_resolution(told.closed)
        for chunk in chunks(told.closed, CHANGED_CHUNK):
            self.supervisor.tell(_let_go(chunk))
        for chunk in chunks(told.rejected, CHANGED_CHUNK):
            change = _let_go(chunk)
            self.supervisor.tell(change)
            self._resolution.tell(change)
        self._agenda.recalled(market.condition_id for market in told.chosen)

    def _markets_settled(self, message: MarketsSettled) -> None:
        """Let go of markets whose verdict is stored."""
        for chunk in chunks(self._universe.settle(message.condition_ids), CHANGED_CHUNK):
            change = UniverseChanged(added=(), removed=chunk)
            self.supervisor.tell(change)
            self._resolution.tell(change)

    def _store_opened(self, _: StoreOpened) -> None:
        """Tell the writer again what is not stored; find what could not wait."""
        for message in self._outbox.waiting():
            self._writer.tell(message)
        if self._overflowed:
            self._agenda.sweep_soon()
        self._agenda.recalled()

    def _tickets_stored(self, message: TicketsStored) -> None:
        self._outbox.stored(message.tickets)

    # ------------------------------------------------------------------ tell

    def _tell(self, difference: UniverseDiff) -> None:
        """Tell the writer what is new or changed, supervisor and resolution what to watch."""
        self._tell_everyone(difference.added)
        self._tell_resolution(difference.changed)
        for chunk in chunks(difference.added + difference.changed, SEEN_CHUNK):
            self._write_down(chunk)

    def _tell_everyone(self, added: tuple[Market, ...]) -> None:
        for chunk in chunks(added, CHANGED_CHUNK):
            change = UniverseChanged(added=chunk, removed=())
            self.supervisor.tell(change)
            self._resolution.tell(change)

    def _tell_resolution(self, markets: tuple[Market, ...]) -> None:
        for chunk in chunks(markets, CHANGED_CHUNK):
            self._resolution.tell(UniverseChanged(added=chunk, removed=()))

    def _write_down(self, markets: tuple[Market, ...]) -> None:
        """Tell the writer; while too much waits, leave it to the next sweep to find them again."""
        if len(self._outbox) >= OUTBOX_MAX:
            self._universe.unwritten(markets)
            self._overflowed = True
            return
        self._writer.tell(
            self._outbox.put(lambda ticket: MarketsSeen(ticket=ticket, markets=markets))
        )


def _let_go(markets: tuple[Market, ...]) -> UniverseChanged:
    """Return the message that markets, which nobody here may know, are wanted no more."""
    return UniverseChanged(
        added=(),
        removed=tuple(market.condition_id for market in markets),
        unwanted=tuple(token for market in markets for token in market.token_ids),
    )
