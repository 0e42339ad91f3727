"""The numbers that the database gave to tokens, remembered."""

from collections.abc import Iterable, KeysView, Mapping
from itertools import islice

from actors.database import queries
from actors.database.session import Connection


class TokenKeys:
    """Token id → asset_key: two words a token that the plan knows, some 200 bytes for another.

    What a transaction learns counts only once it is committed: `keep` or `forget`.

    Args:
        most: How many are remembered, about; of more the older half is asked for again.
            The whole exchange has 440,000 open ones, and 80,000 come and go each day.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        self._most = most
        self._known: dict[str, int] = {}
        self._nameless: set[str] = set()
        self._fresh: dict[str, tuple[int, bool]] = {}
        self._parting: set[str] = set()

    def of(
        self, connection: Connection, tokens: Iterable[str], conditions: Mapping[str, str]
    ) -> Mapping[str, int]:
        """Return the key of each of these tokens; number those that have none.

        Args:
            connection: In a transaction.
            tokens: Token ids, repeated or not.
            conditions: The condition of those that are known to belong to one.

        Raises:
            KeyError: The database did not keep a token that it was given.
        """
        wanted = set(tokens)
        if wanted <= self._known.keys() and self._nameless.isdisjoint(wanted) and not self._fresh:
            return {token: self._known[token] for token in wanted}  # as nearly always
        asked = sorted(token for token in wanted if self._is_news(token, token in conditions))
        if asked:
            told = {"tokens": asked, "conditions": [conditions.get(token) for token in asked]}
            connection.execute(queries.INSERT_ASSETS, told)
            ours = {token: token for token in asked}  # kept instead of the database's copies
            for token, key, named in connection.execute(queries.SELECT_ASSETS, {"tokens": asked}):
                self._fresh[ours[token]] = (key, named)
        return {token: self._key(token) for token in wanted}

    def _is_news(self, token: str, told: bool) -> bool:
        if token in self._fresh:
            return told and not self._fresh[token][1]
        return token not in self._known or (told and token in self._nameless)

    def _key(self, token: str) -> int:
        return self._fresh[token][0] if token in self._fresh else self._known[token]

    def name(self, tokens: Iterable[str]) -> None:
        """Take note that the database has been told the conditions of these."""
        for token in tokens:
            if token in self._fresh or token in self._nameless:
                self._fresh[token] = (self._key(token), True)

    def part_with(self, tokens: Iterable[str]) -> None:
        """Take note that these are hardly needed any more: who needs one asks again."""
        self._parting.update(tokens)

    def keep(self) -> None:
        """Remember what was learned: the transaction is committed."""
        for token, (key, named) in self._fresh.items():
            self._known[token] = key
            (self._nameless.discard if named else self._nameless.add)(token)
        for token in self._parting:
            self._known.pop(token, None)
            self._nameless.discard(token)
        self._fresh.clear()
        self._parting.clear()
        if len(self._known) > self._most:
            for token in tuple(islice(self._known, len(self._known) // 2)):
                del self._known[token]
                self._nameless.discard(token)

    def forget(self) -> None:
        """Drop what was learned: the transaction, or a part of it, was rolled back."""
        self._fresh.clear()
        self._parting.clear()


# MERGED: Trades that were stored a moment ago, so that the other feed's are dropped
# without asking. Bounded: two generations of keys, and the older one goes when the younger is
# full. What a transaction stores counts only once it is committed: `keep` or `forget`. Beside
# it, whether the trades that are new here are likely new to the database too: it says otherwise
# after a restart, and while another tracker writes the same.


MOST_KEYS = 65_536
"""Keys of one generation: a minute of 1,000 prints a second; at most 12 MiB for both."""
LONGEST_WAIT = 64
"""Batches after which a collision is forgotten at the latest."""


class RecentTrades:
    """For as long as one connection to the database lives.

    A key is whatever bytes name a trade.
    """

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._fresh: list[bytes] = []
        self._wait = self._doubt = 0

    def among(self, keys: KeysView[bytes]) -> set[bytes]:
        """Return those of these keys that are known to be stored."""
        return keys & self._young | keys & self._old

    def add(self, keys: Iterable[bytes]) -> None:
        """Note what the database has once the transaction is committed."""
        self._fresh.extend(keys)

    def keep(self) -> None:
        """Remember what was noted: the transaction is committed."""
        self._young.update(self._fresh)
        self._fresh.clear()
        if len(self._young) >= self._most:
            self._old, self._young = self._young, set()

    def forget(self) -> None:
        """Drop what was noted: the transaction, or a part of it, was rolled back."""
        self._fresh.clear()

    def hopeful(self) -> bool:
        """Return whether a batch is likely new to the database; asked once a batch."""
        if self._wait:
            self._wait -= 1
        return not self._wait

    def collided(self) -> None:
        """Something of a batch was there already: be careful for longer each time."""
        self._doubt = min(max(2 * self._doubt, 1), LONGEST_WAIT)
        self._wait = self._doubt + 1

    def went_well(self) -> None:
        """All of a batch was new."""
        self._doubt //= 2
