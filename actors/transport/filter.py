"""Search: where the wanted markers stand in a buffer.

Each marker is searched once a buffer, however often another one is found and
however often the walk over the buffer is interrupted.
"""

from actors.transport.noise import rare_at

_TRIES = 16  # finds of a letter in vain before the marker itself is searched


class Search:
    """Finds the next of several markers.

    Attributes:
        markers: What is looked for since the last `begin`.
        next: Where the next one stands, once that is known; -1: it is not.
    """

    __slots__ = ("_ahead", "_rare", "markers", "next")

    def __init__(self, markers: tuple[bytes, ...]) -> None:
        self.markers: tuple[bytes, ...] = ()
        self._rare: tuple[int, ...] = ()
        self.begin(markers)

    def begin(self, markers: tuple[bytes, ...]) -> None:
        """Forget the last buffer, and look for these from now on."""
        if markers is not self.markers:
            self.markers = markers
            self._rare = tuple(map(rare_at, markers))
        self.next = -1
        self._ahead = [-1] * len(markers)

    def seek(self, buffer: bytearray, at: int, end: int) -> int:
        """Give where the next of the markers stands at `at` or behind it, or `end`."""
        nearest = end
        for index, marker in enumerate(self.markers):
            where = self._ahead[index]
            if where < at:
                where = self._ahead[index] = _find(buffer, marker, self._rare[index], at, end)
            nearest = min(nearest, where)
        self.next = nearest
        return nearest

    def sign_at(self, buffer: bytearray, at: int) -> bytes:
        """Give the marker that stands here, or one that stands nowhere."""
        return next((each for each in self.markers if buffer.startswith(each, at)), b"\0")


def _find(buffer: bytearray, marker: bytes, rare: int, at: int, end: int) -> int:
    # Where a marker stands, or `end`. Its letter that noise has not is found far sooner than
    # the marker itself, and is nearly always the marker's; else it is the length of a frame.
    where = at
    if rare >= 0:
        letter = marker[rare]
        for _ in range(_TRIES):
            where = buffer.find(letter, where + rare, end) - rare
            if where < at:
                return end
            if buffer.startswith(marker, where, end):
                return where
            where += 1
    where = buffer.find(marker, where, end)
    return end if where < 0 else where
