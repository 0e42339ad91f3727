"""How large a stretch of the whole exchange is. Pure.

`scale` 1 is a year of bookkeeping and 100 million trades. What has ended is proportional to it.
What is open now is that of the whole exchange from a scale of 0.25 on, and below that four times
its share, so that also a small database has enough open connections for many steps of settling.
"""

from dataclasses import dataclass
from math import gcd

YEAR_DAYS = 365.0
MARKETS_A_DAY = 40_000
"""Begin and end each day; a market has two tokens."""
CONNECTIONS_A_FEED = 2_200
FEEDS = 2
TOKENS_A_CONNECTION = 200
TRADES = 100_000_000
TRADES_PER_S = 33.0
PENDING_MARKETS = 3_300
"""Have ended and have no resolution yet: those of two hours."""
EVENTS_DAYS = 90.0
"""What housekeeping leaves."""
SAMPLES_DAYS = 30.0
SAMPLES_A_DAY = 100
EVENTS_A_CONNECTION = 8
"""Connected and ended, four times a day."""
DAY_S = 86_400
BYTES_A_TRADE = 215
BYTES_A_TOKEN = 700
"""About, of a token that has ended: its row, its wish and its coverage, with indexes."""
BYTES_A_DESCRIPTION = 7_400
"""About, of a market that has ended: its texts, history, evidence and resolution, with indexes."""
BYTES_AN_OPEN_TOKEN = 1_500
SPARE_BYTES = 2_000_000_000
"""For the log of the server and what is not counted."""


@dataclass(frozen=True)
class Size:
    """One size; all numbers follow from `scale`.

    Args:
        scale: Of a year, above 0, 1 at most.
        described: Which share of the ended markets, the newest ones, has texts, history, evidence
            and a resolution, above 0, 1 at most. Storing looks such rows up by their key and
            never searches them; a year of them does not fit on every disk.

    Raises:
        ValueError: One of them is not in its range.
    """

    scale: float
    described: float = 1.0

    def __post_init__(self) -> None:
        """Check both."""
        if not 0 < self.described <= 1:
            raise ValueError(f"described is {self.described}: it must be above 0, and 1 at most")
        if not 0 < self.scale <= 1:
            raise ValueError(f"the scale is {self.scale}: it must be above 0, and 1 at most")

    @property
    def days(self) -> float:
        """Return how many days of bookkeeping there are."""
        return YEAR_DAYS * self.scale

    @property
    def open_share(self) -> float:
        """Return which share of what is open on the whole exchange is open here."""
        return min(1.0, 4 * self.scale)

    @property
    def slots(self) -> int:
        """Return how many connections each feed has."""
        return max(1, round(CONNECTIONS_A_FEED * self.open_share))

    @property
    def connections(self) -> int:
        """Return how many connections are open, on all feeds."""
        return self.slots * FEEDS

    @property
    def ended_markets(self) -> int:
        """Return how many markets have ended."""
        return round(MARKETS_A_DAY * self.days)

    @property
    def open_markets(self) -> int:
        """Return how many markets are open: as many as fill the connections."""
        return self.slots * TOKENS_A_CONNECTION // 2

    @property
    def markets(self) -> int:
        """Return how many markets there are."""
        return self.ended_markets + self.open_markets

    @property
    def pending_markets(self) -> int:
        """Return how many of the ended markets have no resolution."""
        return min(round(PENDING_MARKETS * self.open_share), self.ended_markets)

    @property
    def resolved_markets(self) -> int:
        """Return how many markets have a resolution: the first ones."""
        return self.ended_markets - self.pending_markets

    @property
    def described_from(self) -> int:
        """Return the first market with texts, history, evidence and a resolution."""
        return (
            1
            + self.ended_markets
            - max(self.pending_markets, round(self.ended_markets * self.described))
        )

    @property
    def described_markets(self) -> int:
        """Return how many markets have them, open ones included."""
        return self.markets - self.described_from + 1

    @property
    def trades(self) -> int:
        """Return how many trades there are."""
        return round(TRADES * self.scale)

    @property
    def trade_days(self) -> float:
        """Return in how many of the last days they were made."""
        return self.trades / TRADES_PER_S / DAY_S

    @property
    def trading_tokens(self) -> int:
        """Return how many tokens trade then: the open ones, and those that have ended since."""
        ended = min(self.ended_markets, round(self.trade_days * MARKETS_A_DAY))
        return 2 * (ended + self.open_markets)

    @property
    def events(self) -> int:
        """Return how many events of connections are kept."""
        days = min(EVENTS_DAYS, self.days)
        return round(days * EVENTS_A_CONNECTION * CONNECTIONS_A_FEED * FEEDS)

    @property
    def samples(self) -> int:
        """Return how many rejected messages are kept."""
        return max(1, round(SAMPLES_A_DAY * min(SAMPLES_DAYS, self.days)))

    @property
    def runs(self) -> int:
        """Return how often the process was started: once a week."""
        return 1 + int(max(0.0, self.days - 0.3) // 7)

    @property
    def bytes(self) -> int:
        """Return about how many bytes the database takes."""
        tokens = 2 * self.ended_markets * BYTES_A_TOKEN
        descriptions = self.described_markets * BYTES_A_DESCRIPTION
        open_now = 2 * self.open_markets * BYTES_AN_OPEN_TOKEN
        return self.trades * BYTES_A_TRADE + tokens + descriptions + open_now

    def disk_bytes(self, *, shared: bool = False) -> int:
        """Return how much disk must be free: for it, a copy of it, and the log of the server.

        Args:
            shared: The file system lets copies share their blocks.
        """
        return (1 if shared else 2) * self.bytes + SPARE_BYTES


def chunks(first: int, last: int, most: int) -> list[tuple[int, int]]:
    """Return `first` to `last` (both included) in parts of so many numbers at most.

    >>> chunks(1, 5, 2), chunks(1, 0, 2)
    ([(1, 2), (3, 4), (5, 5)], [])
    """
    return [(begin, min(begin + most - 1, last)) for begin in range(first, last + 1, most)]


def step_through(count: int, wanted: int = 7_919) -> int:
    """Return a number without a common divisor with `count`: rank * it, modulo `count`, meets all.

    >>> step_through(10), step_through(7_919)
    (7919, 7920)
    """
    while gcd(wanted, count) != 1:
        wanted += 1
    return wanted
