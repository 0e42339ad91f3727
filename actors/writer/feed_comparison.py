"""The witness: prints that one leg heard and another did not.

Every token is on one lane of each leg, so a print comes once from each. The
witness only finds who did not report; whether that connection claims to have
listened then, and truly did not hear it, only the connection itself can say.
`now` is monotonic seconds.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from actors.model.connection import lane_of
from actors.model.trade import MissedTrade, TokenId, Trade

Key = tuple[TokenId, int, object]


MOST_AT_ONCE: Final = 20


@dataclass(slots=True)
class _Heard:
    at: float
    trade: Trade
    lanes: tuple[str, ...]


class FeedComparison:
    """Compares what the legs report.

    Only the first of identical prints is followed: one that the exchange sends
    twice to one connection looks like twins, and would accuse the others.

    Args:
        legs: How many lanes should report each print; with one there is nothing to compare.
        judged_s: How long after the first report the others must be there.
        window_s: How long a print is remembered.
        most: The most prints that are remembered, about 500 bytes each; beyond
            that, new ones are not followed.
    """

    def __init__(
        self, legs: int, *, judged_s: float = 5.0, window_s: float = 20.0, most: int = 50_000
    ) -> None:
        self._legs = legs
        self._judged_s = judged_s
        self._window_s = window_s
        self._most = most
        self._prints: dict[Key, _Heard] = {}
        self._open: deque[_Heard] = deque()

    def __len__(self) -> int:
        """Give how many prints are remembered."""
        return len(self._prints)

    def heard(self, connection: str, prints: Iterable[Trade], now: float) -> None:
        """A connection reported these."""
        if self._legs < 2:
            return
        lane = lane_of(connection)
        for trade in prints:
            if trade.occurrence == 1:
                self._heard(lane, trade, now)

    def _heard(self, lane: str, trade: Trade, now: float) -> None:
        said = (trade.price, trade.size, trade.side, trade.transaction_hash)
        key = (trade.token_id, trade.traded_at_ms, said)
        found = self._prints.get(key)
        if found is not None:
            if lane not in found.lanes:
                found.lanes = (*found.lanes, lane)
        elif len(self._prints) < self._most:
            self._prints[key] = found = _Heard(now, trade, (lane,))
            self._open.append(found)

    def forget(self) -> None:
        """Reports may have passed by: what is remembered proves nothing any more."""
        self._prints.clear()
        self._open.clear()

    def missed(self, now: float) -> tuple[MissedTrade, ...]:
        """Give prints that too few lanes reported: one of each token, `MOST_AT_ONCE` at most."""
        while self._prints:
            key, oldest = next(iter(self._prints.items()))
            if now - oldest.at < self._window_s:
                break
            del self._prints[key]
        found: dict[TokenId, MissedTrade] = {}
        while self._open and now - self._open[0].at >= self._judged_s:
            one = self._open.popleft()
            if len(one.lanes) < self._legs and len(found) < MOST_AT_ONCE:
                found[one.trade.token_id] = MissedTrade(one.trade, one.lanes)
        return tuple(found.values())
