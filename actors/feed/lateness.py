"""How long after their time trades arrive, and how far a proof must stay behind because of that."""

from typing import Final

from actors.model.histogram import LATENESS_S, Histogram

BOUNDS_MS: Final = tuple(1_000 * seconds for seconds in LATENESS_S)
"""The proof stays behind by one of these. 120 ms were recorded, hence the least. The greatest is
less than a release waits for its proof; a trade that is later still is counted."""
_TURN_S: Final = 300.0


class Lateness:
    """Counts trades by how long after their time they arrived, and remembers the latest.

    When a connection ends just before a trade that is late, the trade is lost, and must not lie
    in time that is proven. So the proof stays behind by as much as trades have been late, within
    bounds.

    Attributes:
        counts: Trades up to each of `BOUNDS_MS` and above the one before; the last count is
            that of the later ones.
        sum_ms: How late all of them were, together; whoever calls `add` adds to it.
        allowance_ms: How far the proof stays behind: what was needed in the last five to ten
            minutes, here or anywhere (`tick`).
        beaten: Trades that arrived although the proof had passed their time.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.allowance_ms = BOUNDS_MS[0]
        self.beaten = self.sum_ms = 0
        self._now = self._before = 0
        self._elsewhere_ms = 0
        self._turned_at = float("-inf")

    @property
    def needed_ms(self) -> int:
        """Return how far the proof must stay behind by what arrived here."""
        return BOUNDS_MS[min(max(self._now, self._before), len(BOUNDS_MS) - 1)]

    def add(self, late_ms: int, count: int = 1) -> None:
        """Count trades that arrived so long after their time."""
        place = 0
        while place < len(BOUNDS_MS) and late_ms > BOUNDS_MS[place]:
            place += 1
        self.counts[place] += count
        if place > self._now:
            self._now = place
            self._settle()

    def tick(self, now: float, elsewhere_ms: int) -> None:
        """Forget what was late long ago; take what other connections need.

        Args:
            now: Monotonic seconds.
            elsewhere_ms: The most that any connection needs.
        """
        self._elsewhere_ms = min(elsewhere_ms, BOUNDS_MS[-1])
        if now - self._turned_at >= _TURN_S:
            self._turned_at = now
            self._before, self._now = self._now, 0
        self._settle()

    def _settle(self) -> None:
        self.allowance_ms = max(self.needed_ms, self._elsewhere_ms)

    @property
    def histogram(self) -> Histogram:
        """Return how late all trades were."""
        return Histogram(tuple(self.counts), self.sum_ms / 1_000)

    def take_beaten(self) -> int:
        """Return how many trades since the last call arrived behind the proof."""
        beaten, self.beaten = self.beaten, 0
        return beaten
