"""The comparison: trades that one feed heard and another did not.

Every token is on one slot of each feed, so a trade comes once from each. The
comparison only finds who did not report; whether that connection claims to have
listened then, and truly did not hear it, only the connection itself can say.
`now` is monotonic seconds.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from actors.model.connection import slot_of
from actors.model.trade import MissedTrade, TokenId, Trade

Key = tuple[TokenId, int, object]
MOST_AT_ONCE: Final = 20


@dataclass(slots=True)
class _Heard:
    at: float
    trade: Trade
    slots: tuple[str, ...]


class FeedComparison:
    """Compares what the feeds report.

    Only the first of identical trades is followed: one that the exchange sends
    twice to one connection looks like twins, and would accuse the others.

    Args:
        feeds: How many slots should report each trade; with one there is nothing to compare.
        judged_s: How long after the first report the others must be there.
        window_s: How long a trade is remembered.
        most: The most trades that are remembered, about 500 bytes each; beyond
            that, new ones are not followed.
    """

    def __init__(
        self, feeds: int, *, judged_s: float = 5.0, window_s: float = 20.0, most: int = 50_000
    ) -> None:
        self._feeds = feeds
        self._judged_s = judged_s
        self._window_s = window_s
        self._most = most
        self._trades: dict[Key, _Heard] = {}
        self._open: deque[_Heard] = deque()

    def __len__(self) -> int:
        """Return how many trades are remembered."""
        return len(self._trades)

    def heard(self, connection: str, trades: Iterable[Trade], now: float) -> None:
        """A connection reported these."""
        if self._feeds < 2:
            return
        slot = slot_of(connection)
        for trade in trades:
            if trade.occurrence == 1:
                self._heard(slot, trade, now)

    def _heard(self, slot: str, trade: Trade, now: float) -> None:
        said = (trade.price, trade.size, trade.side, trade.transaction_hash)
        key = (trade.token_id, trade.traded_at_ms, said)
        found = self._trades.get(key)
        if found is not None:
            if slot not in found.slots:
                found.slots = (*found.slots, slot)
        elif len(self._trades) < self._most:
            self._trades[key] = found = _Heard(now, trade, (slot,))
            self._open.append(found)

    def forget(self) -> None:
        """Reports may have passed by: what is remembered proves nothing any more."""
        self._trades.clear()
        self._open.clear()

    def missed(self, now: float) -> tuple[MissedTrade, ...]:
        """Return trades that too few slots reported: one of each token, `MOST_AT_ONCE` at most."""
        while self._trades:
            key, oldest = next(iter(self._trades.items()))
            if now - oldest.at < self._window_s:
                break
            del self._trades[key]
        found: dict[TokenId, MissedTrade] = {}
        while self._open and now - self._open[0].at >= self._judged_s:
            one = self._open.popleft()
            if len(one.slots) < self._feeds and len(found) < MOST_AT_ONCE:
                found[one.trade.token_id] = MissedTrade(one.trade, one.slots)
        return tuple(found.values())
