"""What a report is made of, as it was read from the database. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WIDTHS: Final = (
    *(n * MINUTE for n in (1, 5, 15)), *(n * HOUR for n in (1, 3, 6)),
    *(n * DAY for n in (1, 7, 28, 91, 364)),
)  # fmt: skip
"""Widths of bins; each but the first is a multiple of the one before, or nearly."""


class Span(NamedTuple):
    """The time that a report is about: from its start on, before its end."""

    start: datetime
    end: datetime

    @property
    def lasts(self) -> timedelta:
        """Return how long it lasts."""
        return self.end - self.start

    def width(self, most: int) -> timedelta:
        """Return the width of bins of which it has at most so many."""
        return next((each for each in WIDTHS if self.lasts <= most * each), WIDTHS[-1])

    def bins(self, width: timedelta) -> list[datetime]:
        """Return the start of each bin; the last one may end behind the span."""
        return [self.start + number * width for number in range(-(-self.lasts // width))]


class Name(NamedTuple):
    """How a market is called. Strangers chose both texts."""

    question: str
    slug: str


class Bin(NamedTuple):
    """The trades of a part of the span."""

    at: datetime
    trades: int
    usdc: Decimal


class Traded(NamedTuple):
    """The trades of one market within the span.

    Attributes:
        token_id: Its token with the most trades.
    """

    condition_id: str
    token_id: str
    trades: int
    usdc: Decimal


class Trades(NamedTuple):
    """The trades of the span.

    Attributes:
        bins: Those that have any.
        markets: The most traded ones first, not all of them.
        market_count: How many markets were traded.
    """

    bins: tuple[Bin, ...] = ()
    markets: tuple[Traded, ...] = ()
    market_count: int = 0

    @property
    def total(self) -> int:
        """Return how many there are."""
        return sum(each.trades for each in self.bins)

    @property
    def usdc(self) -> Decimal:
        """Return what they were worth."""
        return sum((each.usdc for each in self.bins), Decimal(0))


class Stretch(NamedTuple):
    """A part of the span in which a token was listened to, or was wanted and was not.

    Attributes:
        cause: Why not; empty when it was.
    """

    condition_id: str
    token_id: str
    start: datetime
    end: datetime
    cause: str = ""

    @property
    def seconds(self) -> float:
        """Return how long it lasts."""
        return (self.end - self.start).total_seconds()


class MarketDays(NamedTuple):
    """How many markets were complete on the days that are computed.

    Attributes:
        number: Markets, each counted on each day on which it was wanted.
        complete: So many of them.
        changed: So many of them are to be computed again, and count as not complete.
    """

    number: int = 0
    complete: int = 0
    changed: int = 0


class Coverage(NamedTuple):
    """What was listened to, and what was missed, of some markets.

    Attributes:
        stretches: In the order of their start.
        markets: Of so many markets.
        cut: There are more than were read.
        days: Of all markets; None in a report of one.
    """

    stretches: tuple[Stretch, ...] = ()
    markets: int = 0
    cut: bool = False
    days: MarketDays | None = None


class Candle(NamedTuple):
    """The prices of one token in a part of the span; None without a trade."""

    at: datetime
    low: Decimal | None
    high: Decimal | None
    close: Decimal | None


class Path(NamedTuple):
    """The price of one token over the span."""

    condition_id: str
    token_id: str
    outcome: str | None
    candles: tuple[Candle, ...]


class Label(NamedTuple):
    """A resolution that was recorded within the span."""

    condition_id: str
    kind: str
    winner: str | None
    resolved_at: datetime
    recorded_at: datetime
    sources: tuple[str, ...]


class LabelCount(NamedTuple):
    """How many resolutions of a kind were recorded so late: `LATENESS` numbers the classes."""

    kind: str
    late: int
    number: int


class Labels(NamedTuple):
    """The resolutions that were recorded within the span.

    Attributes:
        counts: By kind and lateness.
        late_s: Seconds from resolution to record: median, 90th, 99th percentile and the most.
        last: The last of them.
    """

    counts: tuple[LabelCount, ...] = ()
    late_s: tuple[float, ...] = ()
    last: tuple[Label, ...] = ()

    @property
    def total(self) -> int:
        """Return how many there are."""
        return sum(each.number for each in self.counts)


class Waiting(NamedTuple):
    """Markets that should have a label and have none, by their state."""

    state: str
    number: int
    oldest: datetime | None


class Overdue(NamedTuple):
    """A market that should have a label and has none."""

    condition_id: str
    state: str
    ended_at: datetime | None
    reason: str


class Said(NamedTuple):
    """What a source said of a market.

    Attributes:
        what: In the words of `resolution_observations`.
        payload: The beginning of its answer.
    """

    source: str
    at: datetime
    what: str
    reason: str
    payload: str


class Conflict(NamedTuple):
    """A contradiction, with what each source had said last when it was seen."""

    condition_id: str
    kind: str
    source: str
    detected_at: datetime
    recorded: str
    observed: str
    cleared_at: datetime | None
    cleared_by: str | None
    label_recorded_at: datetime | None
    evidence: tuple[Said, ...]


class Rejected(NamedTuple):
    """Messages that were not used, by reason.

    Attributes:
        doubtful: They may be trades.
        taken_in: So many of them were understood later.
        sample: The beginning of the first one.
    """

    reason: str
    doubtful: bool
    messages: int
    taken_in: int
    first: datetime
    last: datetime
    sample: str


class Event(NamedTuple):
    """What happened to connections, by kind and reason."""

    event: str
    reason: str
    times: int
    connections: int
    last: datetime


class Token(NamedTuple):
    """One outcome of the market that a report is about."""

    token_id: str
    outcome: str | None
    payout: Decimal | None


class Market(NamedTuple):
    """The market that a report is about."""

    condition_id: str
    name: Name
    event: str | None
    description: str | None
    closed: bool
    end_date: datetime | None
    first_seen_at: datetime
    resolution: Label | None
    tokens: tuple[Token, ...]


class Contents(NamedTuple):
    """All that a report shows.

    Attributes:
        known_until: The time of the database when the span was not over yet, else None.
        market: The one that it is about, or None.
        names: Of the markets that are shown; `outcomes`: of the tokens that sources name.
    """

    span: Span
    known_until: datetime | None
    market: Market | None
    trades: Trades
    coverage: Coverage
    paths: tuple[Path, ...]
    labels: Labels
    waiting: tuple[Waiting, ...]
    overdue: tuple[Overdue, ...]
    conflicts: tuple[Conflict, ...]
    rejected: tuple[Rejected, ...]
    events: tuple[Event, ...]
    said: tuple[Said, ...]
    names: dict[str, Name]
    outcomes: dict[str, str]


MOST_MARKETS: Final = 40
"""Rows of the heat map."""
MOST_BINS: Final = 62
"""Parts of the span: bars, and cells of a row."""
LATENESS: Final[Sequence[tuple[float, str]]] = (
    (60, "under 1 min"),
    (300, "1 to 5 min"),
    (900, "5 to 15 min"),
    (3_600, "15 to 60 min"),
    (21_600, "1 to 6 h"),
    (86_400, "6 to 24 h"),
    (float("inf"), "over a day"),
)
"""Classes of seconds from resolution to record, each with its end."""
