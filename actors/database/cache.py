"""What one connection to the database remembers, so that it need not ask for it again.

Both caches learn during a transaction, and what they learn counts only once that transaction is
committed: call `commit` or `rollback`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from itertools import islice
from typing import Any

from msgspec.structs import replace
from psycopg.pq import TransactionStatus

from actors.database import queries
from actors.database.server.sequences import HINT
from actors.database.session import Connection
from actors.database.shared_rows import TOKENS_AT_ONCE, Changing, add_tokens
from actors.errors import StoreUnavailable
from actors.model.conversion import chunks
from actors.model.histogram import Histogram
from actors.model.storage import Batch, Committed
from actors.model.trade import Trade

MAX_KEYS = 65_536
"""Keys of one generation: a minute of 1,000 trades a second; at most 12 MiB for both."""
MAX_COPY_PAUSE_BATCHES = 64
"""Batches after which COPY is tried again at the latest."""


DAY_MS = 86_400_000
DAYS_AT_ONCE = 50
"""Days of trades in one transaction: each takes nine locks when it is made, and five when it is
written, of some 8,000 that all sessions of a server have by default."""
_NEW_DAYS_AT_ONCE = 10  # in one statement, which should take well below a second
_DAY_0 = date(1970, 1, 1)
_FIRST_DAY = (date(2020, 1, 1) - _DAY_0).days
_LAST_DAY = (date(2099, 12, 31) - _DAY_0).days
"""No trade is taken that is of another day, and `tracker.add_trade_day` makes no other."""
_MOST_DAYS = 1_000


class TokenKeys:
    """Token id → asset_key, the number of the token in the database.

    It costs some 200 bytes per token, and two pointers if the plan holds the token's text anyway.

    Args:
        most: About how many are remembered; above it the older half is forgotten. The whole
            exchange has 440,000 open tokens, and 80,000 come and go each day.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        self._most = most
        self._known: dict[str, int] = {}
        self._without_condition: set[str] = set()
        # Learned in the current transaction: key, and whether the condition is known.
        self._fresh: dict[str, tuple[int, bool]] = {}
        self._discarded: set[str] = set()

    def known(self, tokens: KeysView[str]) -> Mapping[str, int] | None:
        """Return the key of each of these tokens, or None when the database must be asked."""
        known, unnamed = self._known, self._without_condition
        if tokens <= known.keys() and unnamed.isdisjoint(tokens) and not self._fresh:
            return {token: known[token] for token in tokens}  # nearly always
        return None

    def get(
        self,
        connection: Connection,
        tokens: Iterable[str],
        conditions: Mapping[str, str],
        *,
        changing: Changing | None = None,
        unresolved: Iterable[str] = (),
    ) -> Mapping[str, int]:
        """Return the key of each of these tokens; give a new key to those that have none.

        Args:
            connection: In a transaction.
            tokens: Token ids, with or without duplicates.
            conditions: The condition of each token of which it is known.
            changing: What is locked beside those tokens.
            unresolved: Conditions to be remembered beside theirs.

        Raises:
            StoreUnavailable: The database did not keep a token that it was given.
        """
        wanted = set(tokens)
        asked = sorted(token for token in wanted if self._is_news(token, token in conditions))
        if asked or changing or unresolved:
            # Before they are read: ON CONFLICT DO NOTHING returns no row for a token that is there
            # already, and what another tracker has just committed is visible only to a new
            # statement (manual, 13.2.1).
            add_tokens(connection, asked, conditions, changing=changing, unresolved=unresolved)
        if asked:
            ours = {token: token for token in asked}  # kept instead of the driver's copies
            for some in chunks(asked, TOKENS_AT_ONCE):
                for token, key, named in connection.execute(
                    queries.SELECT_ASSETS, {"tokens": some}
                ):
                    self._fresh[ours[token]] = (key, named)
            lost = sum(token not in self._fresh for token in asked)
            if lost:
                raise StoreUnavailable(f"the database did not keep {lost} new tokens; {HINT}")
        return {token: self._key(token) for token in wanted}

    def _is_news(self, token: str, has_condition: bool) -> bool:
        """Return whether the database must be asked for the key or given the condition."""
        if token in self._fresh:
            return has_condition and not self._fresh[token][1]
        return token not in self._known or (has_condition and token in self._without_condition)

    def _key(self, token: str) -> int:
        return self._fresh[token][0] if token in self._fresh else self._known[token]

    def conditions_stored(self, tokens: Iterable[str]) -> None:
        """Record that the database now has the conditions of these tokens."""
        for token in tokens:
            if token in self._fresh or token in self._without_condition:
                self._fresh[token] = (self._key(token), True)

    def discard(self, tokens: Iterable[str]) -> None:
        """Forget these tokens at the commit, since they are hardly needed any more."""
        self._discarded.update(tokens)

    def commit(self) -> None:
        """Keep what was learned: the transaction is committed."""
        for token, (key, named) in self._fresh.items():
            self._known[token] = key
            (self._without_condition.discard if named else self._without_condition.add)(token)
        for token in self._discarded:
            self._known.pop(token, None)
            self._without_condition.discard(token)
        self._fresh.clear()
        self._discarded.clear()
        if len(self._known) > self._most:
            # A dict keeps the order of insertion: these are the oldest.
            for token in tuple(islice(self._known, len(self._known) // 2)):
                del self._known[token]
                self._without_condition.discard(token)

    def rollback(self) -> None:
        """Drop what was learned: the transaction, or a part of it, was rolled back."""
        self._fresh.clear()
        self._discarded.clear()


def days_of(trades: Iterable[Trade]) -> frozenset[int]:
    """Return the days (UTC) of these trades, as days since 1970."""
    return frozenset([trade.traded_at_ms // DAY_MS for trade in trades])


class TradeDays:
    """The days (UTC) for which the table of trades has a partition.

    Attributes:
        known: Those that are known here, as days since 1970.
    """

    def __init__(self) -> None:
        self.known: set[int] = set()

    def add(self, connection: Connection, days: AbstractSet[int]) -> None:
        """Make the partitions of these days, where they are not known.

        Made before the transaction that stores their trades, so that nobody waits for its end, and
        each few of them for good, whatever becomes of the rest; within a transaction they are made
        again if it is rolled back.
        """
        # Another day is left to the rejection of its trades.
        new = [day for day in sorted(days - self.known) if _FIRST_DAY <= day <= _LAST_DAY]
        for some in chunks(new, _NEW_DAYS_AT_ONCE):
            given = {"days": [_DAY_0 + timedelta(days=day) for day in some]}
            connection.execute(queries.ADD_TRADE_DAYS, given)
            if connection.info.transaction_status == TransactionStatus.IDLE:
                self.known = {*some, *(self.known if len(self.known) < _MOST_DAYS else ())}


def in_days(batch: Batch) -> Iterator[tuple[frozenset[int], Batch]]:
    """Yield a batch in parts, each a transaction, whose trades are of 50 days (UTC) at most.

    The last one holds the newest days and everything else, and moves the watermark. The others hold
    trades alone; when a later one fails, they come again.

    Yields:
        The days of a part, as days since 1970, and the part.
    """
    days = days_of(batch.trades)
    if len(days) <= DAYS_AT_ONCE:
        yield days, batch
        return
    *earlier, last = map(frozenset, chunks(sorted(days), DAYS_AT_ONCE))
    for some in earlier:
        yield some, Batch(**_of_days(batch, some))
    yield last, replace(batch, **_of_days(batch, last))


def _of_days(batch: Batch, days: frozenset[int]) -> dict[str, Any]:
    places = [at for at, row in enumerate(batch.trades) if row.traded_at_ms // DAY_MS in days]
    columns_of_trades = (batch.trades, batch.hashes, batch.origins)
    # Hashes and origins are as many as trades, or none.
    some = (tuple([each[at] for at in places]) if each else () for each in columns_of_trades)
    return dict(zip(("trades", "hashes", "origins"), some, strict=True))


def as_one(done: Sequence[Committed]) -> Committed:
    """Return what became of the parts of a batch, in their order, as of one transaction."""
    if len(done) == 1:
        return done[0]
    kinds = Counter[str]()
    for each in done:
        kinds.update(dict(each.rejected_rows))
    return replace(
        done[-1],
        stored=sum([each.stored for each in done]),
        duplicates=sum([each.duplicates for each in done]),
        rejected=sum([each.rejected for each in done]),
        rejected_rows=tuple(kinds.items()),
        rejected_because=next(filter(None, [each.rejected_because for each in done]), ""),
        took_s=sum([each.took_s for each in done]),
        ages=sum([each.ages for each in done], Histogram()),
    )


class RecentTrades:
    """Keys of trades that were stored a moment ago, so that the other feed's copies cost no query.

    Bounded: two generations of keys; the older one is dropped when the younger one is full.

    It also predicts whether the trades that are new here are new to the database too, so that COPY
    can be tried. They are not after a restart, and while another tracker writes the same trades.

    A key is any bytes that identify a trade.
    """

    def __init__(self, most: int = MAX_KEYS) -> None:
        self._most = most
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._fresh: list[bytes] = []
        self._copy_paused_left = self._copy_pause_length = 0

    def add(self, keys: KeysView[bytes]) -> set[bytes]:
        """Add keys that this transaction stores; return those that are known to be stored."""
        known = keys & self._young | keys & self._old
        self._fresh.extend(keys - known if known else keys)
        return known

    def commit(self) -> list[bytes]:
        """Keep and return what was added: the transaction is committed."""
        fresh, self._fresh = self._fresh, []
        self._young.update(fresh)
        if len(self._young) >= self._most:
            self._old, self._young = self._young, set()
        return fresh

    def rollback(self) -> None:
        """Drop what was added: the transaction, or a part of it, was rolled back."""
        self._fresh.clear()

    def expect_new(self) -> bool:
        """Return whether COPY is not paused: the batch is likely new. Call it once per batch."""
        if self._copy_paused_left:
            self._copy_paused_left -= 1
        return not self._copy_paused_left

    def was_not_new(self) -> None:
        """Record that a part of a batch was stored already: pause COPY for longer each time."""
        # A COPY that fails has written rows up to the error. They are invisible and take space
        # until a VACUUM (manual, COPY, "Notes"), so it is not tried with every batch.
        self._copy_pause_length = min(max(2 * self._copy_pause_length, 1), MAX_COPY_PAUSE_BATCHES)
        # One more, since `expect_new` counts down before it looks.
        self._copy_paused_left = self._copy_pause_length + 1

    def was_new(self) -> None:
        """Record that all of a batch was new."""
        self._copy_pause_length //= 2
