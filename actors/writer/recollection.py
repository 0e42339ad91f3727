"""What the database remembers of earlier lives, told to those who ask."""

from actors.feed.ports import Store
from actors.resolution.rechecks import Stretch
from actors.writer.notify import Tidings


class Recollection:
    """Reads outcomes back. Every method raises what the store raises."""

    def __init__(self, store: Store, tidings: Tidings) -> None:
        self._store = store
        self._tidings = tidings

    def unresolved(self) -> None:
        """Tell what earlier days left unresolved, and what was said of it."""
        for markets in self._store.open_markets():
            ids = tuple(market.condition_id for market in markets)
            self._tidings.remembered(markets, self._store.last_words(ids))

    def verdicts(self, stretch: Stretch) -> None:
        """Tell which verdicts fall due for another look in this stretch."""
        for verdicts in self._store.verdicts_to_check(stretch):
            self._tidings.due_again(verdicts)
        self._tidings.due_again((), until_ms=stretch.until_ms)
