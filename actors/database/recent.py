"""Prints that were stored a moment ago, so that the other leg's are dropped without asking.

Bounded: two generations of keys, and the older one goes when the younger is full.
What a transaction stores counts only once it is committed: `keep` or `forget`.

Beside it, whether the prints that are new here are likely new to the database too:
it says otherwise after a restart, and while another tracker writes the same.
"""

from collections.abc import Iterable, KeysView

MOST_KEYS = 65_536
"""Keys of one generation: a minute of 1,000 prints a second; at most 12 MiB for both."""

LONGEST_WAIT = 64
"""Batches after which a collision is forgotten at the latest."""


class Recent:
    """For as long as one connection to the database lives.

    A key is whatever bytes name a print.
    """

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()
        self._fresh: list[bytes] = []
        self._wait = self._doubt = 0

    def among(self, keys: KeysView[bytes]) -> set[bytes]:
        """Give those of these keys that are known to be stored."""
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
        """Tell whether a batch is likely new to the database; asked once a batch."""
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
