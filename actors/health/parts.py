"""What the parts of the status document share, the limits of its rules, and the feed's parts."""

from typing import Final, Literal, Protocol

import msgspec

from actors.model.conversion import shortened

Level = Literal["attention", "degraded"]
"""How bad a reason is: a person should look today, or data or labels are at risk now."""
ATTENTION: Final = "attention"
DEGRADED: Final = "degraded"
MUTE: Final = "mute"
"""The state of a source that answers and says nothing."""
LONGEST_REASON = 300
"""Characters of a reason in the document; of longer ones the middle is left out."""


def kept(reason: str) -> str:
    """Return a reason as the document has it."""
    return shortened(reason, LONGEST_REASON)


def span(now: float, since: float | None) -> float:
    """Return the seconds since a moment, never less than 0; 0 when there is none."""
    return 0.0 if since is None else max(0.0, round(now - since, 3))


def because(what: str, why: str) -> str:
    """Return a sentence with its cause, when that is known."""
    return f"{what}: {why}" if why else what


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts of the document."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits beyond which a reason holds. Not part of the document.

    Attributes:
        starting_s: Seconds that a process may take to reach the database and the feed.
        down_s: Seconds that a connection may be down, or a token unconfirmed.
        lost_s: Seconds that all tokens, or most of those that were covered, may be without it.
        silent_s: Seconds that a connection may be without data. The tracker always sets
            nine tenths of TRACKER_SILENCE_SECONDS; the default serves tests.
        failing_s: Seconds that a source of outcomes or markets may fail.
        absent_s, many_tokens: Seconds for which no trade may come of so many tokens.
        discovery_s: Seconds that one way to find markets may fail.
        overdue, overdue_share: From so many markets on, and such a share of those that ended,
            labels that are overdue need attention.
        overdue_most: From such a share on they degrade.
        useful_sources: How many sources must be neither mute nor failing.
        lag_s: Seconds that a trade may wait for the database.
        journal_share: Share of its cap that the journal may reach.
        free_bytes: Bytes of the disk that must be free.
        loop_deaths, loop_s: So many unexpected deaths of one actor in so many seconds are a loop.
    """

    starting_s: float = 60.0
    down_s: float = 60.0
    lost_s: float = 15.0
    silent_s: float = 30.0
    failing_s: float = 300.0
    absent_s: float = 300.0
    many_tokens: int = 1_000
    discovery_s: float = 120.0
    overdue: int = 20
    overdue_share: float = 0.25
    overdue_most: float = 0.5
    useful_sources: int = 2
    lag_s: float = 60.0
    journal_share: float = 0.8
    free_bytes: int = 256 << 20
    loop_deaths: int = 3
    loop_s: float = 300.0


class Connection(Part, frozen=True, kw_only=True):
    """One connection of the plan; after a reconnect its counters go on.

    Attributes:
        state: `waiting`, then as the connection reports (`subscribing`,
            `listening`, `ended`), or, when it listens and is without data, `quiet` (snapshots
            prove that nothing happened) or `silent`.
        data_age_s: Since the last data; None before the first.
        down_s: Since it stopped listening; 0 while it listens.
        last_reason: Why it ended last; empty before its first end.
    """

    id: str
    state: str
    data_age_s: float | None
    down_s: float
    tokens: int
    confirmed: int
    last_minute: int
    last_hour: int
    last_24h: int
    trades: int
    rejected: int
    bytes: int
    reconnects: int
    last_reason: str


class Connections(Part, frozen=True, kw_only=True):
    """All connections.

    Attributes:
        live_with_tokens: Of the live ones, those that listen to tokens: not the one for
            announcements.
        silent: Of the live ones, those without data, where nothing proves that nothing happened.
        quiet: Of the live ones, those without data of which snapshots prove just that.
        down: Those that have not listened for longer than a minute.
        reconnects: How many of `reconnects_total` came after which end, one of
            `model.connection.END_REASONS`.
        last_failure: Why a connection that does not listen could not be opened, or ended before
            it received data: the latest of them; empty when there is none.
    """

    wanted: int
    live: int
    live_with_tokens: int
    silent: int
    quiet: int
    down: int
    reconnects_total: int
    reconnects: dict[str, int]
    last_failure: str
    each: tuple[Connection, ...] = msgspec.field(name="list")


class Descriptors(Part, frozen=True, kw_only=True):
    """File descriptors; every connection has one.

    Attributes:
        limit: How many the process may open (`LimitNOFILE=`).
        connections: Of these, how many are for connections; the others are a reserve.
        needed: The limit that all connections of the plan need.
    """

    limit: int
    connections: int
    needed: int


class UnconfirmedToken(Part, frozen=True, kw_only=True):
    """A token whose first book does not come on any feed.

    Attributes:
        condition_id: Its market; None when it is in no plan any more.
        connection: On which it has waited for so long.
    """

    token_id: str
    condition_id: str | None
    connection: str
    waiting_s: float


class Assets(Part, frozen=True, kw_only=True):
    """Tokens of the plan.

    Attributes:
        wanted: Tokens to listen to.
        covered: Of these, those that had their book on a connection that is not in doubt: while all
            connections are silent together, only those that snapshots prove.
        proven_s: For how long the longest silent of their connections has proven nothing: what came
            since counts once more data comes. None when nothing is covered.
        never_confirmed: Of these, those that have been unconfirmed for more than a minute.
        lost_s: For how long none is covered, or less than half of what was, until 90 % of that is
            again. Where connections brought nothing, since the last data of any.
        unproven_s: For how long most of the tokens of each feed have brought nothing, when that is
            far longer than usual and no snapshot proves that nothing happened; else 0.
        causes: How many are not covered, by the cause that their gap has (`coverage_gaps`).
        unconfirmed: Those of `never_confirmed` that have waited for longest, five at most.
    """

    wanted: int
    covered: int
    never_confirmed: int
    proven_s: float | None = None
    lost_s: float = 0.0
    unproven_s: float = 0.0
    causes: dict[str, int] = {}
    unconfirmed: tuple[UnconfirmedToken, ...] = ()


class Listening(Protocol):
    """The status document, which imports this module."""

    @property
    def assets(self) -> Assets:
        """Return its part about tokens."""


def coverage_unproven(health: Listening, _: object) -> str:
    """Return the reason that most tokens are silent for longer than ever, or an empty text."""
    silent_s = health.assets.unproven_s
    nothing = f"most tokens have brought nothing for {silent_s:.0f} s, far longer than usual"
    return f"{nothing}: they are proven until then alone" if silent_s else ""


class Coverage(Part, frozen=True, kw_only=True):
    """Today's coverage as the tracker measured it, once a second, in token seconds.

    An hour in which two tokens are wanted makes 7,200. It goes on over restarts. The relation
    `coverage_gaps` has every gap, to the millisecond.

    Attributes:
        since: Midnight UTC, or the start of the tracker when that was later: its first one, or one
            after more than a day.
        wanted_token_s: All that was wanted since then.
        gap_token_s: Of that, what was not proven to be listened to.
        blackout_s: Seconds in which tokens were wanted and none at all was listened to; the first
            minute of a process is none.
        down_s: Seconds in which no process ran; all that was wanted is in the gap then.
    """

    since: str
    wanted_token_s: float
    gap_token_s: float
    blackout_s: float
    down_s: float


class Reconnect(Part, frozen=True, kw_only=True):
    """The last reconnect: which connection listens again since when, and why it had ended."""

    at: str
    connection: str
    reason: str
