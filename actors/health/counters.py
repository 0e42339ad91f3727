"""Counts over the last minute, hour and day, in bounded memory.

`now` is monotonic seconds. A window is made of buckets and moves by whole ones,
so it is short of its name by up to one bucket and never longer.
"""

from array import array


class Ring:
    """How much was counted within `slots` buckets of `width_s` seconds.

    `total` costs as much as buckets went by since the last call.
    """

    __slots__ = ("_bucket", "_counts", "_sum", "_width_s")

    def __init__(self, width_s: float, slots: int) -> None:
        self._width_s = width_s
        self._counts = array("Q", bytes(8 * slots))
        self._bucket = 0
        self._sum = 0

    def add(self, now: float, count: int) -> None:
        """Count something that happened now; what is told late falls into the newest bucket."""
        self._advance(now)
        self._counts[self._bucket % len(self._counts)] += count
        self._sum += count

    def total(self, now: float) -> int:
        """Give the sum of the window that ends now."""
        self._advance(now)
        return self._sum

    def parts(self, now: float) -> tuple[int, ...]:
        """Give the count of each bucket of the window that ends now, oldest first."""
        self._advance(now)
        slots = len(self._counts)
        newest = self._bucket % slots
        return (*self._counts[newest + 1 :], *self._counts[: newest + 1])

    def _advance(self, now: float) -> None:
        bucket = int(now // self._width_s)
        if bucket <= self._bucket:
            return
        if self._sum:
            slots = len(self._counts)
            for old in range(max(self._bucket, bucket - slots) + 1, bucket + 1):
                self._sum -= self._counts[old % slots]
                self._counts[old % slots] = 0
        self._bucket = bucket


class Windows:
    """One count seen through three windows.

    Args:
        fine: Buckets of 1 s, 1 min and 1 min (13 kB) instead of 5 s, 1 min and
            15 min (2 kB), which thousands of counts can afford.
    """

    __slots__ = ("_day", "_hour", "_minute", "all")

    def __init__(self, *, fine: bool = False) -> None:
        self._minute = Ring(1, 60) if fine else Ring(5, 12)
        self._hour = Ring(60, 60)
        self._day = Ring(60, 1440) if fine else Ring(900, 96)
        self.all = 0

    def add(self, now: float, count: int) -> None:
        """Count something that happened now."""
        if count <= 0:
            return
        self.all += count
        for ring in (self._minute, self._hour, self._day):
            ring.add(now, count)

    def minute(self, now: float) -> int:
        """Give the count of the last 60 s."""
        return self._minute.total(now)

    def hour(self, now: float) -> int:
        """Give the count of the last 60 min."""
        return self._hour.total(now)

    def minutes(self, now: float) -> tuple[int, ...]:
        """Give the count of each of the last 60 min, oldest first."""
        return self._hour.parts(now)

    def day(self, now: float) -> int:
        """Give the count of the last 24 h."""
        return self._day.total(now)
