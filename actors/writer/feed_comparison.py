"""Compare the feeds: trades that one received and another did not, or received otherwise.

Every token is on one slot of each feed, so a trade comes once from each. The comparison only
finds which slots did not report it; whether their connection claims to have listened then, and
really did not receive it, only the connection itself can tell. `now` is monotonic seconds.

The exchange may also send one trade twice on one connection, or with another time on each. Then
a row too many is stored, because nothing in a trade says that it is the same. Such trades are
*disputed*: the feeds do not tell them alike.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import msgspec

from actors.model.connection import slot_of
from actors.model.trade import MissedTrade, TokenId, Trade

Key = tuple[TokenId, int, object]
How = Literal["sent_twice", "dated_apart"]
MOST_AT_ONCE: Final = 20
MOST_DISPUTED: Final = 1_000
"""So many disputed trades are named at a time; the others wait."""
MOST_WAITING: Final = 50_000
"""So many disputed trades wait to be named; more are only counted."""
APART_MS: Final = 2_000
"""So far apart two feeds may date one trade."""


class Disputed(NamedTuple):
    """A row of `trades` that may be one too many.

    Attributes:
        how: Only this slot had so many of it (`sent_twice`), or another had it with an
            earlier time (`dated_apart`).
        trade: With its occurrence.
        slot: Which slot reported it.
    """

    how: How
    trade: Trade
    slot: str


@dataclass(slots=True)
class _Reported:
    """One trade.

    Attributes:
        slots: Those that reported it.
        repeated: Of these, (slot, occurrence) of those that reported more than one.
        paired: It was found to be the same as one with another time.
    """

    at: float
    trade: Trade
    slots: tuple[str, ...]
    repeated: tuple[tuple[str, int], ...] = ()
    paired: bool = False


class FeedComparison:
    """Compares what the feeds report. In the thread of the writer.

    Only the first of identical trades can be missed: one that the exchange sends twice to one
    connection looks like two identical trades, and would count as missed by the others. How many
    there are of each is compared when the trade is forgotten.

    Args:
        feeds: How many slots should report each trade; with one there is nothing to compare.
        judged_s: How long after the first report the others must be there.
        window_s: How long a trade is remembered.
        most: The most trades that are remembered, about 500 bytes each; beyond that, new
            ones are not followed.

    Attributes:
        disputed_total: Trades that were found to be disputed.
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
        self._disputed: deque[Disputed] = deque()
        self.disputed_total = 0

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
            content = (trade.price, trade.size, trade.side, trade.transaction_hash)
            key = (trade.token_id, trade.traded_at_ms, content)
            found = reported.get(key)
            if found is not None:
                if slot not in found.slots:
                    found.slots = (*found.slots, slot)
                if trade.occurrence != 1:
                    found.repeated = (*found.repeated, (slot, trade.occurrence))
            elif trade.occurrence == 1 and len(reported) < self._most:
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
            self._compare_counts(oldest)
        alone = []
        while self._open and now - self._open[0].at >= self._judged_s:
            reported = self._open.popleft()
            if len(reported.slots) < self._feeds and not reported.paired:
                alone.append(reported)
        found: dict[TokenId, MissedTrade] = {}
        for reported in self._without_pairs(alone) if alone else ():
            if len(found) < MOST_AT_ONCE:
                # One trade of a token is enough to have its connections recheck it.
                found[reported.trade.token_id] = MissedTrade(reported.trade, reported.slots)
        return tuple(found.values())

    def end(self) -> None:
        """Dispute what the feeds told otherwise until now, since they tell nothing more.

        What only one of them told is not missed: the other may have ended a moment earlier.
        """
        alone = [one for one in self._trades.values() if len(one.slots) < self._feeds]
        self._open.clear()
        for _ in self._without_pairs(alone):
            pass
        for reported in self._trades.values():
            self._compare_counts(reported)
        self.forget()

    def take_disputed(self) -> tuple[Disputed, ...]:
        """Return, once, disputed trades that were found; `MOST_DISPUTED` at most."""
        most = min(len(self._disputed), MOST_DISPUTED)
        return tuple(self._disputed.popleft() for _ in range(most))

    def _compare_counts(self, reported: _Reported) -> None:
        """Dispute each trade that only some of the slots had so often."""
        if not reported.repeated or len(reported.slots) < self._feeds:
            return
        counts = dict.fromkeys(reported.slots, 1)
        for slot, occurrence in reported.repeated:
            counts[slot] = max(occurrence, counts[slot])
        slot, most = max(counts.items(), key=lambda one: one[1])
        self._dispute_each("sent_twice", reported, range(min(counts.values()) + 1, most + 1), slot)

    def _without_pairs(self, alone: list[_Reported]) -> Iterator[_Reported]:
        """Yield the trades that no other slot has with another time; dispute the others."""
        others: dict[object, list[_Reported]] = {}
        for each in (*alone, *self._open):
            if len(each.slots) < self._feeds:
                others.setdefault(_content(each.trade), []).append(each)
        for each in alone:
            if each.paired:
                continue
            pair = next((one for one in others[_content(each.trade)] if _pairs(each, one)), None)
            if pair is None:
                yield each
                continue
            each.paired = pair.paired = True
            later = max(each, pair, key=lambda one: one.trade.traded_at_ms)
            most = max((occurrence for _, occurrence in later.repeated), default=1)
            self._dispute_each("dated_apart", later, range(1, most + 1), later.slots[0])

    def _dispute_each(self, how: How, reported: _Reported, numbers: range, slot: str) -> None:
        """Dispute these of the identical trades, by their occurrence."""
        self.disputed_total += len(numbers)
        for occurrence in numbers[: MOST_WAITING - len(self._disputed)]:
            trade = msgspec.structs.replace(reported.trade, occurrence=occurrence)
            self._disputed.append(Disputed(how, trade, slot))


def _content(trade: Trade) -> tuple[object, ...]:
    return (trade.token_id, trade.price, trade.size, trade.side, trade.transaction_hash)


def _pairs(one: _Reported, other: _Reported) -> bool:
    """Return whether two trades of the same content are one that different slots date apart."""
    # Without a transaction, two such trades may well have happened.
    if one.trade.transaction_hash is None or other.paired or set(one.slots) & set(other.slots):
        return False
    return 0 < abs(one.trade.traded_at_ms - other.trade.traded_at_ms) <= APART_MS
