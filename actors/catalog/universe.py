"""The universe: which markets are watched, and what a listing changes about it.

A market is chosen once and stays until it settles, whatever later listings say
or leave out, or until it has been closed for long: then nobody trades it, and whether
it has a verdict is not asked here. With a limit the largest by volume are chosen at
the end of a sweep; between sweeps new markets are taken only while the last sweep had to
turn nobody away.

Memory: one condition id (shared with the other actors) and a number a market,
measured at 70 bytes each for 220,000 markets, 110 during a sweep.
"""

import heapq
from collections.abc import Iterable
from decimal import Decimal
from itertools import takewhile
from math import inf

import msgspec

from actors.model.market import Market, Shard
from actors.model.trade import ConditionId

ASSETS_PER_MARKET = 2
MAX_SETTLED = 300_000


# MERGED: which chosen markets a listing called closed, and which of them to let
# go now. A closed market is kept for a while, in case it opens again. One that an earlier life
# chose, and that had closed before this life saw it open, is let go at once.


class ClosedMarkets:
    """Of the chosen markets alone: whoever lets one go says so by `forget`.

    Args:
        keep_s: How long a closed market is kept, in seconds.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._now: float | None = None
        self._since: dict[ConditionId, float] = {}  # the earliest first
        self._recalled: set[ConditionId] = set()  # not seen open in this life
        self._past: dict[ConditionId, None] = {}  # of these, those that had closed

    def __contains__(self, condition_id: object) -> bool:
        """Return whether a listing of this life called it closed after it was open."""
        return condition_id in self._since

    def recall(self, condition_id: ConditionId) -> None:
        """Note that an earlier life chose this one."""
        self._recalled.add(condition_id)

    def note(self, market: Market) -> None:
        """Take in what a listing says of a chosen market."""
        condition_id = market.condition_id
        recalled = condition_id in self._recalled
        self._recalled.discard(condition_id)
        if not market.closed:
            self._since.pop(condition_id, None)
            self._past.pop(condition_id, None)
        elif recalled:
            self._past[condition_id] = None
        else:
            self._since.setdefault(condition_id, self._now or 0.0)

    def forget(self, condition_id: ConditionId) -> None:
        """Note that this one is chosen no more."""
        self._since.pop(condition_id, None)
        self._recalled.discard(condition_id)
        self._past.pop(condition_id, None)

    def due(self, now: float) -> tuple[ConditionId, ...]:
        """Return those to let go, and forget them.

        Args:
            now: Seconds of a clock that never goes back.
        """
        if self._now is None:  # what closed before time began closed now
            self._since = dict.fromkeys(self._since, now)
        self._now = now
        old = takewhile(lambda each: now - self._since[each] >= self._keep_s, self._since)
        gone = (*self._past, *old)
        for condition_id in gone:
            self.forget(condition_id)
        return gone


# MERGED: the largest of the markets that a sweep lists, as many as there
# are places. Memory: a market each, and one entry of a heap.
class Candidates:
    """Of one sweep.

    Attributes:
        turned_away: Whether there were more than places.
        descending: Whether the server lists by volume, as it was asked to.
    """

    def __init__(self) -> None:
        self._entries: dict[ConditionId, tuple[Decimal, int, Market]] = {}
        self._smallest: list[tuple[Decimal, int, ConditionId]] = []
        self._arrivals = 0
        self._last_volume: Decimal | None = None
        self.turned_away = False
        self.descending = True

    def __len__(self) -> int:
        return len(self._entries)

    def watch_order(self, page: Iterable[Market]) -> None:
        """Notice when the server does not list by volume."""
        for market in page:
            volume = market.volume or _ZERO
            if self._last_volume is not None and volume > self._last_volume:
                self.descending = False
            self._last_volume = volume

    def add(self, market: Market, *, places: int) -> None:
        """Keep the largest, as many as there are places; the earlier of equals."""
        if market.condition_id in self._entries:  # listed twice: it moved between pages
            return
        volume = market.volume or _ZERO
        self._arrivals += 1
        self._entries[market.condition_id] = (volume, -self._arrivals, market)
        heapq.heappush(self._smallest, (volume, -self._arrivals, market.condition_id))
        while len(self._entries) > max(places, 0):
            self.turned_away = True
            self._entries.pop(heapq.heappop(self._smallest)[2], None)

    def forget(self, condition_id: ConditionId) -> None:
        """Let go of one that was chosen or settled meanwhile."""
        self._entries.pop(condition_id, None)

    def best(self) -> tuple[Market, ...]:
        """Return them, the largest first."""
        entries = sorted(self._entries.values(), key=lambda entry: entry[:2], reverse=True)
        return tuple(market for _, _, market in entries)


_ZERO = Decimal(0)
_UNWRITTEN = 0


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants watched. All of them must be met; the defaults admit all.

    Attributes:
        min_volume: USDC traded so far; a market that tells none has none.
        tags: Tag slugs, lower case; a market needs one of them.
        markets: Condition ids (lower case) or slugs.
        max_assets: Tokens, two a market; 0 = no limit. Not asked by `admits`.
        shard: Whose share is ours, when several trackers share the work.
    """

    min_volume: Decimal = _ZERO
    tags: frozenset[str] = frozenset()
    markets: frozenset[str] = frozenset()
    max_assets: int = 0
    shard: Shard = Shard()

    def admits(self, market: Market) -> bool:
        """Return whether this market is wanted."""
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
    """What a listing says, sorted by what is known.

    Attributes:
        added: Chosen now.
        changed: Chosen earlier and not as last written down.
        same: Chosen earlier and as last written down.
    """

    added: tuple[Market, ...] = ()
    changed: tuple[Market, ...] = ()
    same: tuple[Market, ...] = ()


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """Markets of earlier lives, sorted by what becomes of them.

    Attributes:
        chosen: To be listened to again.
        closed: Nobody trades them any more; only their verdict is waited for.
        rejected: Not wanted any more.
    """

    chosen: tuple[Market, ...] = ()
    closed: tuple[Market, ...] = ()
    rejected: tuple[Market, ...] = ()


class Universe:
    """The chosen markets, and during a sweep the candidates for free places.

    Args:
        filters: What is wanted.
        closed_s: How long a chosen market stays that a listing calls closed, in seconds.
    """

    def __init__(self, filters: Filters, *, closed_s: float = inf) -> None:
        self._filters = filters
        self._chosen: dict[ConditionId, int] = {}
        self._closed = ClosedMarkets(closed_s)
        self._candidates = Candidates()
        self._settled: dict[ConditionId, None] = {}
        self._listed: set[ConditionId] = set()
        self._spacious = False

    def __len__(self) -> int:
        return len(self._chosen)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._chosen

    # -------------------------------------------------------------- listings

    def sweep(self, markets: Iterable[Market]) -> UniverseDiff:
        """Take in one page of a sweep; with a limit, newcomers wait for `end_sweep`."""
        page = tuple(markets)
        self._listed.update(market.condition_id for market in page)
        self._candidates.watch_order(page)
        return self._sort(page, sweeping=True)

    def end_sweep(self, *, complete: bool) -> tuple[Market, ...]:
        """Return the candidates that are chosen, the largest volume first.

        `complete` is False when the sweep ended early because it was `sated`.
        """
        candidates, self._candidates = self._candidates, Candidates()
        self._spacious = complete and not candidates.turned_away
        return tuple(self._choose(market) for market in candidates.best()[: self._places()])

    def glimpse(self, markets: Iterable[Market]) -> UniverseDiff:
        """Take in markets that were polled or looked up outside of a sweep."""
        return self._sort(tuple(markets), sweeping=False)

    def missing(self) -> tuple[ConditionId, ...]:
        """Return what the finished sweep did not list and nobody called closed yet; ask it once.

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
    def sated(self) -> bool:
        """Return whether the rest of this sweep can choose nobody: places full, volumes falling."""
        return (
            self._filters.max_assets > 0
            and self._candidates.descending
            and len(self._candidates) >= self._places()
        )

    @property
    def starved(self) -> bool:
        """Return whether places are free although the last sweep turned somebody away."""
        return not self._spacious and self._places() > 0

    # ------------------------------------------------------ coming and going

    def time_passed(self, now: float) -> tuple[ConditionId, ...]:
        """Let go of chosen markets that were closed for long; one that opens again is chosen anew.

        One that is remembered, and was closed before it was seen open, goes at once.

        Args:
            now: Seconds of a clock that never goes back.
        """
        gone = self._closed.due(now)
        for condition_id in gone:
            self._chosen.pop(condition_id, None)
        return gone

    def remember(self, markets: Iterable[Market]) -> Remembered:
        """Take back markets of earlier lives."""
        chosen: list[Market] = []
        closed: list[Market] = []
        rejected: list[Market] = []
        for market in markets:
            if market.condition_id in self._chosen or market.condition_id in self._settled:
                continue
            if not self._filters.admits(market):
                rejected.append(market)
            elif market.closed:
                closed.append(market)
            elif self._places() > 0:
                chosen.append(self._choose(market))
                self._closed.recall(market.condition_id)
            else:
                rejected.append(market)
        return Remembered(chosen=tuple(chosen), closed=tuple(closed), rejected=tuple(rejected))

    def settle(self, condition_ids: Iterable[ConditionId]) -> tuple[ConditionId, ...]:
        """Let these go for good; give those that were not let go before."""
        gone = tuple(each for each in condition_ids if each not in self._settled)
        for condition_id in gone:
            self._settled[condition_id] = None
            self._chosen.pop(condition_id, None)
            self._closed.forget(condition_id)
            self._candidates.forget(condition_id)
        while len(self._settled) > MAX_SETTLED:  # the oldest are no longer listed as open
            del self._settled[next(iter(self._settled))]
        return gone

    def unwritten(self, markets: Iterable[Market]) -> None:
        """Count these as changed when they are listed again: nobody could write them down."""
        for market in markets:
            if market.condition_id in self._chosen:
                self._chosen[market.condition_id] = _UNWRITTEN

    # ---------------------------------------------------------------- inside

    def _sort(self, page: tuple[Market, ...], *, sweeping: bool) -> UniverseDiff:
        added: list[Market] = []
        changed: list[Market] = []
        same: list[Market] = []
        for market in page:
            if market.condition_id in self._settled:
                continue
            if market.condition_id in self._chosen:
                (changed if self._renew(market) else same).append(market)
            elif not self._wanted(market):
                continue
            elif sweeping and self._filters.max_assets > 0:
                self._candidates.add(market, places=self._places())
            elif self._filters.max_assets == 0 or (self._spacious and self._places() > 0):
                added.append(self._choose(market))
        return UniverseDiff(added=tuple(added), changed=tuple(changed), same=tuple(same))

    def _wanted(self, market: Market) -> bool:
        return market.active and not market.closed and self._filters.admits(market)

    def _choose(self, market: Market) -> Market:
        self._chosen[market.condition_id] = fingerprint(market)
        self._candidates.forget(market.condition_id)  # remembered in the middle of a sweep
        self._closed.note(market)
        return market

    def _renew(self, market: Market) -> bool:
        self._closed.note(market)
        print_ = fingerprint(market)
        if self._chosen[market.condition_id] == print_:
            return False
        self._chosen[market.condition_id] = print_
        return True

    def _places(self) -> int:
        """Return the markets for which there is room."""
        if self._filters.max_assets == 0:
            return MAX_SETTLED
        return self._filters.max_assets // ASSETS_PER_MARKET - len(self._chosen)


def fingerprint(market: Market) -> int:
    """Return a number that changes when anything but the volume does; never 0.

    Only for this process: the hash of text differs in the next one.
    """
    return (
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
            )
        )
        or 1
    )
