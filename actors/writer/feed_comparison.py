"""Compare the feeds: trades that one received and another did not.

Every token is on one slot of each feed, so a trade comes once from each. The comparison only
finds which slots did not report it; whether their connection claims to have listened then, and
really did not receive it, only the connection itself can tell. `now` is monotonic seconds.
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
class _Reported:
    at: float
    trade: Trade
    slots: tuple[str, ...]


class FeedComparison:
    """Compares what the feeds report. In the thread of the writer.

    Only the first of identical trades is followed: one that the exchange sends twice to one
    connection looks like two identical trades, and would count as missed by the others.

    Args:
        feeds: How many slots should report each trade; with one there is nothing to compare.
        judged_s: How long after the first report the others must be there.
        window_s: How long a trade is remembered.
        most: The most trades that are remembered, about 500 bytes each; beyond that, new
            ones are not followed.
    """

    def __init__(
        self, feeds: int, *, judged_s: float = 5.0, window_s: float = 20.0, most: int = 50_000
    ) -> None:
        self._feeds = feeds
        self._judged_s = judged_s
        self._window_s = window_s
        self._most = most
        self._trades: dict[Key, _Reported] = {}
        self._open: deque[_Reported] = deque()

    def __len__(self) -> int:
        """Return how many trades are remembered."""
        return len(self._trades)

    def add(self, connection: str, trades: Iterable[Trade], now: float) -> None:
        """Record that a connection reported these trades."""
        if self._feeds < 2:
            return
        slot = slot_of(connection)
        reported = self._trades
        for trade in trades:
            if trade.occurrence != 1:
                continue
            content = (trade.price, trade.size, trade.side, trade.transaction_hash)
            key = (trade.token_id, trade.traded_at_ms, content)
            found = reported.get(key)
            if found is not None:
                if slot not in found.slots:
                    found.slots = (*found.slots, slot)
            elif len(reported) < self._most:
                reported[key] = found = _Reported(now, trade, (slot,))
                self._open.append(found)

    def forget(self) -> None:
        """Forget all trades: reports may have been dropped, so they would prove nothing."""
        self._trades.clear()
        self._open.clear()

    def missed(self, now: float) -> tuple[MissedTrade, ...]:
        """Return trades that too few slots reported: one of each token, `MOST_AT_ONCE` at most."""
        while self._trades:
            # A dict keeps the order of insertion, so the oldest comes first.
            key, oldest = next(iter(self._trades.items()))
            if now - oldest.at < self._window_s:
                break
            del self._trades[key]
        found: dict[TokenId, MissedTrade] = {}
        while self._open and now - self._open[0].at >= self._judged_s:
            reported = self._open.popleft()
            if len(reported.slots) < self._feeds and len(found) < MOST_AT_ONCE:
                # One trade of a token is enough to have its connections recheck it.
                found[reported.trade.token_id] = MissedTrade(reported.trade, reported.slots)
        return tuple(found.values())
