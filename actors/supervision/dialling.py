"""Dialling: how many connections may be opened at a time.

Many at once and the server refuses (HTTP 429); few, and a crowd that was cut off
stays away for long, which costs prints. How many it bears is documented nowhere,
so it is found out: each connection that comes to listen allows a little more for
the next, each that does not halves it.
"""

LEAST = 1.0
"""Four a second, with a look every 250 ms."""

MOST = 10.0
"""Forty a second: 1,500 in 38 s, each handshake some 5 ms of our processor."""

MORE = 0.25
"""For each that listens. From least to most takes 36 of them, some 4 s."""


class Dialling:
    """The pace at which connections are opened.

    Args:
        least: How many at one look there may always be.
        most: How many there may be when all goes well.
    """

    def __init__(self, *, least: float = LEAST, most: float = MOST) -> None:
        self._least = least
        self._most = most
        self._pace = least

    @property
    def room(self) -> int:
        """Give how many may be opened at this look."""
        return int(self._pace)

    def answered(self) -> None:
        """One came to listen."""
        self._pace = min(self._pace + MORE, self._most)

    def failed(self) -> None:
        """One ended and had never listened."""
        self._pace = max(self._pace / 2, self._least)
