"""The universe: which markets are watched, and what a listing changes about it.

A market is chosen once and stays until it is settled, whatever later listings
report or leave out, or until it has been closed for long: then nobody trades it,
and only the resolution actor still waits for its outcome. With a limit the largest
markets by volume are chosen at the end of a sweep; between sweeps new markets are
taken only while the last sweep had a place for every candidate.

Memory: one condition id (shared with the other actors) and a number a market,
measured at 70 bytes each for 220,000 markets, 110 during a sweep.
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import takewhile
from math import inf

import msgspec

from actors.catalog.candidates import Candidates
from actors.catalog.unmatched import Unmatched
from actors.model.market import Market, Shard
from actors.model.trade import ConditionId

ASSETS_PER_MARKET = 2
MOST_MARKETS = 600_000
"""So many are watched at most without a limit of the operator: nearly three times all that were
open in 2026-10. A listing without end must not fill the memory of all actors."""
MAX_SETTLED = 300_000
MAX_FEED_ONLY = 50_000
"""Markets known from the feed alone; beyond that Gamma is waited for."""
_ZERO = Decimal(0)
_NOT_STORED = 0


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants to watch. A market must pass all of them; the defaults pass all.

    Attributes:
        min_volume: USDC traded so far; a market that reports none has none.
        tags: Tag slugs, lower case; a market needs one of them.
        markets: Condition ids (lower case) or slugs.
        max_assets: Tokens, two a market; 0: `MOST_MARKETS`. Not checked by `admits`.
        shard: The share of the markets that this tracker watches, when several share them.
    """

    min_volume: Decimal = _ZERO
    tags: frozenset[str] = frozenset()
    markets: frozenset[str] = frozenset()
    max_assets: int = 0
    shard: Shard = Shard()

    @property
    def is_everything(self) -> bool:
        """Return whether all markets are wanted, by this tracker."""
        return self == Filters()

    def unmatched(self) -> Unmatched:
        """Return what finds the names that no market has."""
        return Unmatched(self.markets, self.tags, by_volume=self.min_volume > 0)

    def admits(self, market: Market) -> bool:
        """Return whether this market passes."""
        return (
            (self.min_volume <= 0 or (market.volume or _ZERO) >= self.min_volume)
            and (not self.tags or not self.tags.isdisjoint(market.tags))
            and (
                not self.markets
                or market.condition_id in self.markets
                or market.slug in self.markets
            )
            and self.shard.holds(market.condition_id)
        )


class UniverseDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The markets of a listing, compared with the universe.

    Attributes:
        added: Chosen now.
        changed: Chosen earlier; they differ from what was stored last.
        same: Chosen earlier; they are as they were stored last.
        listed: Of `changed`, those that were known from the feed alone until now, and trade.
    """

    added: tuple[Market, ...] = ()
    changed: tuple[Market, ...] = ()
    same: tuple[Market, ...] = ()
    listed: tuple[Market, ...] = ()


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """Stored markets without a resolution, by what becomes of them.

    Attributes:
        chosen: Watched again.
        closed: No longer traded; only their outcome is waited for.
        rejected: No longer wanted.
    """

    chosen: tuple[Market, ...] = ()
    closed: tuple[Market, ...] = ()
    rejected: tuple[Market, ...] = ()


class Universe:
    """The chosen markets, and during a sweep the candidates for free places.

    Owned by the catalog actor.

    Args:
        filters: What is wanted.
        closed_s: Seconds for which a chosen market stays after a listing reports it closed.
        most: So many are chosen without a limit of the operator.
    """

    def __init__(
        self, filters: Filters, *, closed_s: float = inf, most: int = MOST_MARKETS
    ) -> None:
        self._most = most
        self._filters = filters
        self._chosen: dict[ConditionId, int] = {}  # the fingerprint of what was stored last
        self._closed = ClosedMarkets(closed_s)
        self._candidates = Candidates()
        self._settled: dict[ConditionId, None] = {}
        self._listed: set[ConditionId] = set()
        self._feed_only: set[ConditionId] = set()  # chosen; no listing called them active
        self._all_fit = False  # the last sweep had a place for every candidate
        self._left_out = self._left_out_before = 0  # in this sweep, and in the one before
        self._unmatched = filters.unmatched()
        self._swept = self._told = False  # all that is open was listed

    def __len__(self) -> int:
        return len(self._chosen)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._chosen

    @property
    def overflow(self) -> str:
        """Return that more is listed than may be watched without a limit; empty if it is not."""
        count = self._left_out or self._left_out_before
        if not count:
            return ""
        files = "" if self._most >= MOST_MARKETS else ", since the process may open too few files"
        return f"more than {self._most:,} markets are listed: {count:,} have no place{files}"

    def states(self) -> tuple[tuple[str, str], ...]:
        """Return what is to be reported of the places and of the filters: `ok`, or what is not."""
        unmatched = self._unmatched.sentence() if self._swept else ""
        return (("places", self.overflow or "ok"), ("filters", unmatched or "ok"))

    def take_unmatched(self) -> str:
        """Return, once, which names of the filters no market has; empty before that is known."""
        if not self._swept or self._told:
            return ""
        self._told = True
        return self._unmatched.sentence()

    # -------------------------------------------------------------- listings

    def sweep(self, markets: Iterable[Market]) -> UniverseDiff:
        """Take in one page of a sweep; with a limit, new markets wait for `end_sweep`."""
        page = tuple(markets)
        self._candidates.check_order(page)
        diff = self._compare(page, sweeping=True)
        # Not those that are neither: a listing without end would have no end here, either.
        self._listed.update(
            market.condition_id
            for market in page
            if market.condition_id in self._chosen or market.condition_id in self._candidates
        )
        return diff

    def end_sweep(self, *, complete: bool) -> tuple[Market, ...]:
        """Return the candidates that are chosen, the largest volume first.

        Args:
            complete: False when the sweep ended early, because of `can_end_sweep`.
        """
        candidates, self._candidates = self._candidates, Candidates()
        self._all_fit = complete and not candidates.overflowed
        self._swept = self._swept or complete
        self._left_out_before, self._left_out = self._left_out, 0
        return tuple(self._choose(market) for market in candidates.best()[: self._places()])

    def update(self, markets: Iterable[Market]) -> UniverseDiff:
        """Take in markets that were listed or looked up outside of a sweep."""
        return self._compare(tuple(markets), sweeping=False)

    def announce(self, market: Market) -> UniverseDiff:
        """Choose a market that the feed announced, if what its event says passes the filters.

        What only Gamma tells, such as its volume, is waited for.
        """
        known = market.condition_id in self._chosen or market.condition_id in self._settled
        if known or not self._has_place() or not self._filters.admits(market):
            return UniverseDiff()
        if len(self._feed_only) >= MAX_FEED_ONLY:
            return UniverseDiff()
        return UniverseDiff(added=(self._choose(market),))

    def feed_only(self, condition_ids: Iterable[ConditionId]) -> int:
        """Return how many of these are watched though no listing has called them active."""
        return sum(each in self._feed_only for each in condition_ids)

    def missing(self) -> tuple[ConditionId, ...]:
        """Return what the finished sweep did not list and no listing called closed; call it once.

        Listings hold open markets only, so these have probably closed.
        """
        gone = tuple(
            condition_id
            for condition_id in self._chosen
            if condition_id not in self._listed and condition_id not in self._closed
        )
        self._listed = set()
        return gone

    @property
    def can_end_sweep(self) -> bool:
        """Return whether no later page can change the choice: places full, volumes falling."""
        return (
            self._filters.max_assets > 0
            and self._candidates.descending
            and len(self._candidates) >= self._places()
        )

    @property
    def has_free_places(self) -> bool:
        """Return whether places are free although the last sweep left candidates out."""
        return not self._all_fit and self._places() > 0

    # ------------------------------------------------------ adding, removing

    def release_closed(self, now: float) -> tuple[ConditionId, ...]:
        """Remove and return chosen markets that have been closed for long.

        A restored one that was closed before it was seen open is removed at once.
        One that opens again is chosen again.

        Args:
            now: Monotonic seconds.
        """
        gone = self._closed.release(now)
        for condition_id in gone:
            self._chosen.pop(condition_id, None)
            self._feed_only.discard(condition_id)
        return gone

    def late(self, condition_ids: Iterable[ConditionId]) -> None:
        """Release these as soon as a listing calls them closed: nobody may have traded them."""
        for condition_id in condition_ids:
            self._closed.late(condition_id)

    def restore(self, markets: Iterable[Market]) -> Restored:
        """Take over stored markets that have no resolution."""
        chosen: list[Market] = []
        closed: list[Market] = []
        rejected: list[Market] = []
        for market in markets:
            self._unmatched.note((market,))
            if market.condition_id in self._chosen or market.condition_id in self._settled:
                continue
            if not self._filters.admits(market):
                rejected.append(market)
            elif market.closed:
                closed.append(market)
            elif self._places() > 0:
                chosen.append(self._choose(market))
                self._closed.restore(market.condition_id)
            else:
                rejected.append(market)
        return Restored(chosen=tuple(chosen), closed=tuple(closed), rejected=tuple(rejected))

    def settle(self, condition_ids: Iterable[ConditionId]) -> tuple[ConditionId, ...]:
        """Remove these for good; return those that were not settled before."""
        gone = tuple(each for each in condition_ids if each not in self._settled)
        for condition_id in gone:
            self._settled[condition_id] = None
            self._chosen.pop(condition_id, None)
            self._feed_only.discard(condition_id)
            self._closed.remove(condition_id)
            self._candidates.remove(condition_id)
        while len(self._settled) > MAX_SETTLED:  # the oldest are no longer listed as open
            del self._settled[next(iter(self._settled))]
        return gone

    def not_stored(self, markets: Iterable[Market]) -> None:
        """Count these as changed when they are listed again, since they could not be stored."""
        for market in markets:
            if market.condition_id in self._chosen:
                self._chosen[market.condition_id] = _NOT_STORED

    # ---------------------------------------------------------------- inside

    def _compare(self, page: tuple[Market, ...], *, sweeping: bool) -> UniverseDiff:
        added: list[Market] = []
        changed: list[Market] = []
        same: list[Market] = []
        listed: list[Market] = []
        self._unmatched.note(page)
        for market in page:
            if market.condition_id in self._settled:
                continue
            if market.condition_id in self._feed_only and market.active and not market.closed:
                self._feed_only.remove(market.condition_id)
                listed.append(market)
            if market.condition_id in self._chosen:
                (changed if self._has_changed(market) else same).append(market)
            elif not self._is_wanted(market):
                continue
            elif sweeping and self._filters.max_assets > 0:
                self._candidates.add(market, places=self._places())
            elif self._has_place():
                added.append(self._choose(market))
            elif self._filters.max_assets == 0:
                self._left_out += 1
        return UniverseDiff(
            added=tuple(added), changed=tuple(changed), same=tuple(same), listed=tuple(listed)
        )

    def _is_wanted(self, market: Market) -> bool:
        return market.active and not market.closed and self._filters.admits(market)

    def _choose(self, market: Market) -> Market:
        self._chosen[market.condition_id] = fingerprint(market)
        if not market.active:
            self._feed_only.add(market.condition_id)
        self._candidates.remove(market.condition_id)  # restored in the middle of a sweep
        self._closed.note(market)
        return market

    def _has_changed(self, market: Market) -> bool:
        """Return whether a chosen market differs from what was stored, and remember it."""
        self._closed.note(market)
        new = fingerprint(market)
        if self._chosen[market.condition_id] == new:
            return False
        self._chosen[market.condition_id] = new
        return True

    def _has_place(self) -> bool:
        """Return whether a market may be chosen now, outside of a sweep with a limit."""
        fits = self._filters.max_assets == 0 or self._all_fit
        return fits and self._places() > 0

    def _places(self) -> int:
        """Return how many more markets may be chosen."""
        limit = self._filters.max_assets
        return (limit // ASSETS_PER_MARKET if limit else self._most) - len(self._chosen)


class ClosedMarkets:
    """Which chosen markets a listing called closed, and which of them to release now.

    A closed market is kept for a while, in case it opens again. One that was restored,
    and was closed before this process saw it open, is released at once. Only chosen
    markets are here: whoever removes one from the universe calls `remove`.

    Args:
        keep_s: Seconds for which a closed market is kept.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._now: float | None = None
        self._since: dict[ConditionId, float] = {}  # the earliest first
        self._restored: set[ConditionId] = set()  # not seen open by this process
        self._late: set[ConditionId] = set()  # chosen around their end
        self._closed_before: dict[ConditionId, None] = {}  # of both, those that had closed

    def __contains__(self, condition_id: object) -> bool:
        """Return whether a listing called it closed after this process saw it open."""
        return condition_id in self._since

    def restore(self, condition_id: ConditionId) -> None:
        """Record that this market was chosen by an earlier process."""
        self._restored.add(condition_id)

    def late(self, condition_id: ConditionId) -> None:
        """Record that this market was chosen around its planned end."""
        self._late.add(condition_id)

    def note(self, market: Market) -> None:
        """Take in whether a listing calls a chosen market closed."""
        condition_id = market.condition_id
        restored = condition_id in self._restored
        self._restored.discard(condition_id)
        if not market.closed:
            self._since.pop(condition_id, None)
            self._closed_before.pop(condition_id, None)
        elif restored or condition_id in self._late:
            self._closed_before[condition_id] = None
        else:
            self._since.setdefault(condition_id, self._now or 0.0)

    def remove(self, condition_id: ConditionId) -> None:
        """Forget a market that is no longer chosen."""
        self._since.pop(condition_id, None)
        self._restored.discard(condition_id)
        self._late.discard(condition_id)
        self._closed_before.pop(condition_id, None)

    def release(self, now: float) -> tuple[ConditionId, ...]:
        """Remove and return those that were kept long enough.

        Args:
            now: Monotonic seconds.
        """
        if self._now is None:  # what closed before the first tick counts as closed now
            self._since = dict.fromkeys(self._since, now)
        self._now = now
        old = takewhile(lambda each: now - self._since[each] >= self._keep_s, self._since)
        gone = (*self._closed_before, *old)
        for condition_id in gone:
            self.remove(condition_id)
        return gone


def fingerprint(market: Market) -> int:
    """Return a number that changes when anything but the volume does; never 0.

    Only for this process: the hash of text differs in the next one.
    """
    return (
        # Without the volume: it changes with every trade, so every sweep would
        # store every market again.
        hash(
            (
                market.question,
                market.slug,
                market.assets,
                market.gamma_id,
                market.end_at,
                market.started_at,
                market.closed,
                market.active,
                market.neg_risk,
                market.version,
                market.tags,
                market.details,
            )
        )
        # 0 is `_NOT_STORED`.
        or 1
    )
