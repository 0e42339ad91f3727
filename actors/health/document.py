"""The health document: what the status socket answers, field by field.

The names are a contract with scripts and dashboards. Times of day are ISO 8601,
UTC; ages and spans are seconds; what ends in `_total` only rises in one life of
the process. `connections.list` is in order of the ids.
`docs/reference/status.schema.json` is made from this room.
"""

import inspect
import json
import re
from typing import Any, Literal

import msgspec

from actors.model.wall_time import instant


def span(now: float, since: float | None) -> float:
    """Return the seconds since a moment, never less than 0; 0 for a moment that never was."""
    return 0.0 if since is None else max(0.0, round(now - since, 3))


def iso(wall_ns: int) -> str:
    """Return a wall-clock time (nanoseconds since 1970) as the document spells it."""
    return instant(wall_ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts of the document."""


class Trades(Part, frozen=True, kw_only=True):
    """New rows of `trades` that this process stored; `heard` counts receipt, twice for two feeds.

    Attributes:
        minutes: Each of the last 60 minutes, oldest first; the last is not over.
    """

    last_minute: int
    last_hour: int
    last_24h: int
    total: int
    minutes: tuple[int, ...]
    heard_last_minute: int
    heard_total: int


class Connection(Part, frozen=True, kw_only=True):
    """One WebSocket through all its lives.

    Attributes:
        state: `waiting`, then as the connection reports (`subscribing`,
            `listening`, `ended`), or `silent`: listening and without data.
        data_age_s: Since the last data; None before the first.
        down_s: Since it stopped listening; 0 while it listens.
        last_reason: Why its last life ended; empty in its first.
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
    """All connections. `down` counts those that have not listened for longer than a minute."""

    wanted: int
    live: int
    silent: int
    down: int
    reconnects_total: int
    each: tuple[Connection, ...] = msgspec.field(name="list")


class Assets(Part, frozen=True, kw_only=True):
    """Tokens: to be listened to, proven to be, and waiting for proof longer than a minute."""

    wanted: int
    covered: int
    never_confirmed: int


class Coverage(Part, frozen=True, kw_only=True):
    """Today's listening as this process measured it, once a second, in token seconds.

    An hour in which two tokens are wanted makes 7,200. What no process measured
    (it was down) is not in here; the relation `coverage_gaps` has every gap, to
    the millisecond.

    Attributes:
        since: Midnight UTC, or the start of the process when that was later.
        wanted_token_s: All that was to be heard since then.
        gap_token_s: Of that, what was not proven to be heard.
        deaf_s: Seconds in which tokens were wanted and none at all was heard.
    """

    since: str
    wanted_token_s: float
    gap_token_s: float
    deaf_s: float


class Reconnect(Part, frozen=True, kw_only=True):
    """The last time that a connection listened again."""

    at: str
    connection: str
    reason: str


class Journal(Part, frozen=True, kw_only=True):
    """What is received and not yet known to be in the database.

    Attributes:
        durable_lag: Records written and not yet synced to the disk.
        cap_bytes: The largest it may become.
        full: Reading has stopped for want of room.
    """

    pending_records: int
    bytes: int
    cap_bytes: int
    durable_lag: int
    oldest_s: float
    sync_p99_s: float
    free_bytes: int | None
    full: bool


class Database(Part, frozen=True, kw_only=True):
    """The database as the writer finds it.

    Attributes:
        state: `live`, `behind` (catching up from the journal), `away`, or `stopped`:
            it is there and rejects so much that we store nothing for now.
        lag_s: Age of the oldest trade of the last batch when it was committed,
            or of the oldest record that waits, whichever is more.
        waiting: Messages that the writer has and has not committed.
        away_s: Since it went away or storing stopped; else 0.
        reason: Why that is so.
    """

    state: str
    server: str
    last_commit_at: str | None
    lag_s: float
    waiting: int
    away_s: float
    reason: str


class SourceState(Part, frozen=True, kw_only=True):
    """One source of outcomes: `ok` or its last error, and for how long it has failed.

    Attributes:
        requests: Asked since the resolution actor was born.
        requests_10s: Of these in the last ten seconds; `polymarket/ratelimit.py` has the most.
    """

    state: str
    failing_s: float
    requests: int = 0
    requests_10s: int = 0


class Resolutions(Part, frozen=True, kw_only=True):
    """Outcomes.

    Attributes:
        recorded: Verdicts of this process.
        recorded_today: Of those, since midnight UTC.
        pending: How many markets wait, by the reason.
    """

    recorded: int
    recorded_today: int
    conflicts: int
    pending_total: int
    pending: dict[str, int]
    sources: dict[str, SourceState]


class Catalog(Part, frozen=True, kw_only=True):
    """The search for markets."""

    markets: int
    last_sweep_age_s: float | None
    last_error: str
    failing_s: float


class Restarts(Part, frozen=True, kw_only=True):
    """Unexpected deaths of children; a lost connection is none. `looping`: dies again and again."""

    total: int
    children: dict[str, int]
    looping: tuple[str, ...]


class Books(Part, frozen=True, kw_only=True):
    """Where everything that was received is: trades and rejected events, counted alike.

    received + recovered + adjusted = stored + repeated + rejected + in_journal.

    Attributes:
        received: Appended to the journal by this process.
        recovered: Found in the journal at start and committed since.
        adjusted: Correction after the writer lost count (its database or its life
            ended between a commit and the news of it).
        in_journal: Received and not yet committed.
        balanced: False when something is missing or was counted twice.
    """

    received: int
    recovered: int
    adjusted: int
    stored: int
    repeated: int
    rejected: int
    in_journal: int
    balanced: bool


class Drift(Part, frozen=True, kw_only=True):
    """Events of a kind that nobody knows: the protocol has changed."""

    unknown_last_hour: int
    unknown_total: int


class Health(Part, frozen=True, kw_only=True):
    """The whole document.

    Attributes:
        state: `healthy`, `degraded`, `starting` or `stopping`.
        reasons: Why it is not healthy, one sentence each.
        codes: One stable word for each reason, in the same order (`alarm.RULES`).
        at: When this was said.
    """

    state: Literal["healthy", "degraded", "starting", "stopping"]
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    version: str
    host: str
    pid: int
    at: str
    started_at: str
    uptime_s: float
    trades: Trades
    connections: Connections
    assets: Assets
    coverage: Coverage
    last_reconnect: Reconnect | None
    journal: Journal
    database: Database
    resolutions: Resolutions
    catalog: Catalog
    restarts: Restarts
    books: Books
    drift: Drift


LONGEST_REASON = 200


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is still healthy. Seconds, bytes, and a share of the journal's cap.

    Attributes:
        starting_s: How long a process may take to reach the database and the feed.
        down_s: How long a connection may be away, a token unconfirmed.
        silent_s: How long a connection may be without data.
        failing_s: How long a source of outcomes or markets may fail.
        lag_s: How long a trade may wait for the database.
        journal_share: How full the journal may be.
        free_bytes: How much of the disk must be free.
        loop_deaths, loop_s: So many unexpected deaths of one child in so long are a loop.
    """

    starting_s: float = 60.0
    down_s: float = 60.0
    silent_s: float = 30.0
    failing_s: float = 300.0
    lag_s: float = 60.0
    journal_share: float = 0.8
    free_bytes: int = 256 << 20
    loop_deaths: int = 3
    loop_s: float = 300.0


# MERGED: The JSON Schema of the health document, made from its types and their
# descriptions.


DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FIELD = re.compile(
    r"^    (\w+(?:, \w+)*): (.+?)(?=^    \w+(?:, \w+)*: |\Z)", re.MULTILINE | re.DOTALL
)


def schema() -> str:
    """Return the schema as text."""
    made = msgspec.json.schema(Health)
    for part in made["$defs"].values():
        _describe(part)
    told = {"$schema": DIALECT, "title": "What tracker-status --json prints", **made}
    return f"{json.dumps(told, indent=1, ensure_ascii=False)}\n"


def _describe(part: dict[str, Any]) -> None:
    """Move what a docstring says of an attribute to that attribute."""
    text = inspect.cleandoc(part.get("description", ""))
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    part["description"] = _plain(summary)
    for names, meaning in _FIELD.findall(attributes):
        for name in names.split(", "):
            found = part["properties"][name]
            # A reference says what it is where it leads to, and allows no neighbours everywhere.
            if "$ref" not in found:
                found["description"] = _plain(meaning)


def _plain(text: str) -> str:
    return " ".join(text.split())
