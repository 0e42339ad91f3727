"""What the parts of the status document have in common, and its parts about the feed."""

from typing import Final, Literal

import msgspec

Level = Literal["attention", "degraded"]
"""How bad a reason is: a person should look today, or data or labels are at risk now."""
ATTENTION: Final = "attention"
DEGRADED: Final = "degraded"
MUTE: Final = "mute"
"""The state of a source that answers and says nothing."""
LONGEST_REASON = 200
"""Characters of a reason in the document; longer ones are cut off."""


def span(now: float, since: float | None) -> float:
    """Return the seconds since a moment, never less than 0; 0 when there is none."""
    return 0.0 if since is None else max(0.0, round(now - since, 3))


def because(what: str, why: str) -> str:
    """Return a sentence with its cause, when that is known."""
    return f"{what}: {why}" if why else what


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts of the document."""


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


class Assets(Part, frozen=True, kw_only=True):
    """Tokens of the plan.

    Attributes:
        wanted: Tokens to listen to.
        covered: Of these, those that are proven to be listened to.
        never_confirmed: Of these, those that have been unconfirmed for more than a minute.
    """

    wanted: int
    covered: int
    never_confirmed: int


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
