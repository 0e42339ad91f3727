"""The status document: what the status socket answers, field by field.

The names are a contract with scripts and dashboards. Times of day are ISO 8601, UTC; ages and spans
are seconds; what ends in `_total` only rises while the process runs. `connections.list` is in order
of the ids. `docs/reference/status.schema.json` is made from this module and `parts.py`.
"""

from collections.abc import Iterable
from typing import Literal

from actors.health.audits import Audits
from actors.health.latest import Latest
from actors.health.parts import (
    Assets,
    Connection,
    Connections,
    Coverage,
    Descriptors,
    Level,
    Part,
    Reconnect,
)
from actors.health.timing import Timing
from actors.model.connection import LISTENING
from actors.model.conversion import counted, terminal_safe


class Trades(Part, frozen=True, kw_only=True):
    """New rows of `trades` that this process stored.

    Attributes:
        today: Those since midnight UTC, also of earlier processes.
        minutes: Each of the last 60 minutes, oldest first; the last is not over.
        received_last_minute, received_total: Trades received on all connections: a trade that
            arrives on two feeds counts twice.
        absent_s: For how long connections have listened to tokens, and received no trade; 0
            while none listens.
    """

    last_minute: int
    last_hour: int
    last_24h: int
    today: int
    total: int
    minutes: tuple[int, ...]
    received_last_minute: int
    received_total: int
    absent_s: float


class Journal(Part, frozen=True, kw_only=True):
    """What is received and not yet known to be in the database.

    Attributes:
        durable_lag: Records written and not yet synced to the disk.
        cap_bytes: The largest size that it may reach.
        free_bytes: Free space of its disk; None before the first measurement.
        full: Reading has stopped because the journal has no space (disk or cap).
        at_most: The database has not told yet what it holds: no more than so much can wait.
        exposed: Why the next process would not start in the state directory; empty when it would.
        gone: Why the next process would not find it, such as `/state/journal was deleted`; empty
            when it would.
    """

    pending_records: int
    bytes: int
    cap_bytes: int
    durable_lag: int
    oldest_s: float
    sync_p99_s: float
    free_bytes: int | None
    full: bool
    gone: str = ""
    at_most: bool = False
    exposed: str = ""


class Database(Part, frozen=True, kw_only=True):
    """The database as the writer reports it.

    Attributes:
        state: `live`, `behind` (catching up from the journal), `away`, `stopped`: it answers
            and rejects so many rows that nothing is stored for now, `outdated`: a newer
            version has migrated it, and this one must not write to it, or `mismatch`: it is
            empty, half restored, of an older version or of another program.
        identity: Which database and schema it is, whatever its address; the same text of two
            trackers means that both write to the same, except `unknown`: the role may not ask.
            Another one after each start of the server. Empty until it has answered once.
        unsafe: Settings by which what is stored is at risk, `name=value`.
        unverified: Servers of its address that nothing proves to be the right ones, each with the
            mode in force, such as `db.example.com (sslmode=prefer)`.
        lag_s: Age of the oldest trade of the last batch at its commit, or of what waits now.
        waiting: Journal records that the writer has gathered and not committed.
        away_s: Since it went away or storing ended; else 0.
        reason: Why it is away or nothing is stored.
        rejected_rows: Rows of any kind that it could not hold since the start.
        rejected_trades: Trades among these, also of before, that are missing in `trades` now.
        miscounts_total: Batches of which what it reported did not add up; nothing of them was
            acknowledged, and all of it waits in the journal.
        chores_failed_total: How often it did not delete what is kept for a time only.
        chores_failing: What it did not delete at the last try, each with the reason.
    """

    state: str
    server: str
    identity: str
    last_commit_at: str | None
    lag_s: float
    waiting: int
    away_s: float
    reason: str
    rejected_rows: int
    unsafe: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    miscounts_total: int = 0
    chores_failed_total: int = 0
    chores_failing: tuple[str, ...] = ()
    rejected_trades: int = 0


class SourceState(Part, frozen=True, kw_only=True):
    """One source of outcomes.

    Attributes:
        state: `unknown` until it was asked, then `ok`, or its last error; `mute` when it answers
            and has nothing final about markets that other sources call final.
        failing_s: For how long it has failed; 0 when the last request succeeded.
        requests: Requests since the resolution actor started.
        requests_10s: Of these in the last ten seconds; `polymarket/sources.py` has the limits.
        failed: Requests without a good answer since the resolution actor started.
        final: Its final answers that were news.
        without_final: About how many of the markets in `ended` it has had no final answer; None
            while that is not known.
    """

    state: str
    failing_s: float
    requests: int = 0
    requests_10s: int = 0
    failed: int = 0
    final: int = 0
    without_final: int | None = None


class Resolutions(Part, frozen=True, kw_only=True):
    """Outcomes.

    Attributes:
        recorded: Resolutions that this process recorded.
        recorded_today: All that were recorded since midnight UTC, also by earlier processes.
        conflicts: Contradictions between sources, or with a recorded resolution, since the start.
        conflicts_open: Markets about which one is open.
        conflicts_by: Open ones by the source whose answers have shown them to this process.
        ended: Markets that ended between 25 hours and one hour ago; None while that is not known.
        overdue: Of these, those about which no source has had a final answer.
        pending: How many markets wait, by the reason.
    """

    recorded: int
    recorded_today: int
    conflicts: int
    conflicts_open: int
    conflicts_by: dict[str, int]
    ended: int | None
    overdue: int | None
    pending_total: int
    pending: dict[str, int]
    sources: dict[str, SourceState]


class RequestState(Part, frozen=True, kw_only=True):
    """One kind of request to Gamma.

    Attributes:
        state: `ok`, or its last error.
        failing_s: For how long it has failed; 0 when the last one succeeded.
    """

    state: str
    failing_s: float


class Catalog(Part, frozen=True, kw_only=True):
    """The search for markets.

    Attributes:
        keyset_error: Why `/markets/keyset` does not lead through listings, so that they are read
            another way; empty while it does.
        keyset_failing_s: For how long it has not; 0 while it does.
        requests: By kind: `lookup` (what the feed announced), `newest` (by start date), `created`
            (the latest made), `closed` (what the last sweep did not list), `sweep`, `list_form`
            (whether `/markets` still answers), `places` and `filters`: docs/reference/status.md.
    """

    markets: int
    last_sweep_age_s: float | None
    last_error: str
    failing_s: float
    keyset_error: str
    keyset_failing_s: float
    requests: dict[str, RequestState]


class Restarts(Part, frozen=True, kw_only=True):
    """Unexpected deaths of actors, each followed by a restart; a lost connection is none.

    The embedded database counts as one, `embedded-database`.

    Attributes:
        looping: Actors with repeated crashes: three within five minutes.
        reasons: Why each of these died last.
    """

    total: int
    children: dict[str, int]
    looping: tuple[str, ...]
    reasons: dict[str, str]


class Accounting(Part, frozen=True, kw_only=True):
    """Where everything is that was received: trades and rejected events, counted alike.

    received + recovered + adjusted = stored + duplicates + rejected + in_journal.

    Attributes:
        received: Appended to the journal by this process.
        recovered: Found in the journal at the start and committed since.
        adjusted: Correction after the writer lost count (the writer or its database
            failed between a commit and the report of it).
        stored: New rows of `trades`.
        duplicates: Trades that were in the table already.
        in_journal: Received and not yet committed.
        balanced: False when something is missing or was counted twice.
    """

    received: int
    recovered: int
    adjusted: int
    stored: int
    duplicates: int
    rejected: int
    in_journal: int
    balanced: bool


class Drift(Part, frozen=True, kw_only=True):
    """Events that could not be used: the protocol may have changed.

    Attributes:
        unknown_last_hour, unknown_total: Of unknown type.
        doubtful_last_hour, doubtful_total: Rejected, and perhaps a trade.
        left_out_last_hour, left_out_total: Rejected, and not kept, as enough of their kind were;
            those that may be trades are in `doubtful`, too; they are in no figure of `accounting`.
        clock_offset_s: The clock of the exchange minus ours, when that was last seen to be wrong by
            more than five seconds; None when it never was.
    """

    unknown_last_hour: int
    unknown_total: int
    doubtful_last_hour: int
    doubtful_total: int
    left_out_last_hour: int
    left_out_total: int
    clock_offset_s: float | None = None


class Lateness(Part, frozen=True, kw_only=True):
    """How long after their time trades arrive, over all connections.

    Attributes:
        trades: Trades received, by seconds: up to so many and more than the number before;
            `more` are later than all of them. A trade that arrives on two feeds counts twice.
        allowance_s: How far proofs of listening stay behind the exchange's time because of
            those of the last minutes.
        sum_s: How late all of them were, together.
    """

    trades: dict[str, int]
    allowance_s: float
    sum_s: float


class AssumptionCount(Part, frozen=True, kw_only=True):
    """How often an assumption about Polymarket was seen to be false.

    Attributes:
        age_s: Since the last time; None when it never was.
    """

    total: int
    last_hour: int
    age_s: float | None


class Health(Part, frozen=True, kw_only=True):
    """The whole document.

    Attributes:
        state: `healthy`, `attention` (something is odd and nothing is at risk), `degraded`
            (data or labels are at risk), `starting` or `stopping`.
        reasons: Why it is not healthy, one sentence each; those that degrade come first.
        codes: One stable word for each reason, in the same order (`health/rules.py`).
        levels: How bad each of them is, in the same order.
        at: When this document was made.
        assumptions: By the name of each assumption (`model/assumptions.py`).
    """

    state: Literal["healthy", "attention", "degraded", "starting", "stopping"]
    reasons: tuple[str, ...]
    codes: tuple[str, ...]
    levels: tuple[Level, ...]
    version: str
    host: str
    pid: int
    at: str
    started_at: str
    uptime_s: float
    trades: Trades
    connections: Connections
    descriptors: Descriptors
    assets: Assets
    coverage: Coverage
    last_reconnect: Reconnect | None
    journal: Journal
    database: Database
    resolutions: Resolutions
    catalog: Catalog
    restarts: Restarts
    accounting: Accounting
    drift: Drift
    lateness: Lateness
    timing: Timing
    assumptions: dict[str, AssumptionCount]
    latest: Latest
    audits: Audits


def state_line(health: Health) -> str:
    """Return the state and its reasons; what only needs attention is marked in a worse state."""
    # While it starts or stops, reasons have no level.
    known = len(health.levels) == len(health.reasons)
    levels = health.levels if known else (health.state,) * len(health.reasons)
    reasons = "; ".join(
        text if level == health.state else f"{level}: {text}"
        for text, level in zip(health.reasons, levels, strict=True)
    )
    return terminal_safe(f"{health.state}: {reasons}" if reasons else health.state)


def headline(health: Health) -> str:
    """Return the state, the reasons for it and the main figures, in one line."""
    total, connections = counted(health.trades.total, "trade"), health.connections
    return (
        f"{state_line(health)} | {total}, {health.trades.last_minute:,} last minute"
        f" | {connections.live} of {counted(connections.wanted, 'connection')} live"
        f" | {counted(health.resolutions.recorded, 'resolution')}"
    )


def in_trouble_first(each: Iterable[Connection]) -> list[Connection]:
    """Return connections as people want to see them: those in trouble, then the busiest."""
    return sorted(each, key=lambda one: (one.state == LISTENING, -one.last_hour, one.id))
