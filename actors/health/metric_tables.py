"""Which field of the status document is which metric, and the help text of each.

`metrics.py` serves them. A field has a name of its own, or shares one and has a label; what
Prometheus can compute itself (the last minute, hour or day of a counter, quantiles) is left to it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from actors.health.document import Health
from actors.health.parts import ATTENTION, DEGRADED, MUTE, Level
from actors.health.timing import MORE, Times
from actors.model.connection import END_REASONS, GapCause

STATES = ("healthy", "attention", "degraded", "starting", "stopping")
DATABASE_STATES = ("live", "behind", "away", "stopped", "outdated", "mismatch")
Labels = Mapping[str, float]


class Number(msgspec.Struct, frozen=True):
    """One number: its field in the document, its metric name, its help text.

    Attributes:
        read: Returns it where it is not simply the value of the field.
    """

    field: str
    name: str
    text: str
    read: Callable[[Health], float | None] | None = None

    def of(self, health: Health) -> float | None:
        """Return its value, or None while there is none."""
        return self.read(health) if self.read else value(health, self.field)


class Named(msgspec.Struct, frozen=True):
    """Numbers under one metric name, which a label distinguishes; `counts` makes it a counter."""

    field: str
    name: str
    text: str
    label: str
    read: Callable[[Health], Labels]
    counts: bool = False


class Timed(msgspec.Struct, frozen=True):
    """A histogram, or several that a label distinguishes.

    Attributes:
        read: Returns the times by the value of the label, which is empty where there is none.
    """

    field: str
    name: str
    text: str
    read: Callable[[Health], Mapping[str, "Counts"]]
    label: str = ""


class Each(msgspec.Struct, frozen=True):
    """One number of every connection; `counts` makes it a counter."""

    field: str
    name: str
    text: str
    counts: bool = False


class Counts(Protocol):
    """What a histogram is made of."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the counts between the bounds, by the upper one."""

    @property
    def sum_s(self) -> float:
        """Return the sum."""


def value(part: object, field: str) -> float | None:
    """Return the number in a field: 1 for true, seconds since 1970 for a time of day."""
    for step in field.split("."):
        part = getattr(part, step, None)
    if isinstance(part, str):
        return datetime.fromisoformat(part).timestamp()
    return float(part) if isinstance(part, (int, float)) else None


def buckets(found: Counts) -> list[tuple[str, float]]:
    """Return (upper bound, how many up to it) as a histogram has them: each with all before it."""
    total, made = 0, list[tuple[str, float]]()
    for name, count in found.counts.items():
        total += count
        made.append(("+Inf" if name == MORE else str(float(name)), float(total)))
    return made


def _codes(health: Health, level: Level) -> Labels:
    found = zip(health.codes, health.levels, strict=True)
    return {code: 1.0 for code, its in found if its == level}


def _database_up(health: Health) -> float:
    return float(health.database.state != "away")


def _request_failing(health: Health) -> Labels:
    return {name: found.failing_s for name, found in health.catalog.requests.items()}


def _source_failing(health: Health) -> Labels:
    return {name: source.failing_s for name, source in health.resolutions.sources.items()}


def _source_mute(health: Health) -> Labels:
    sources = health.resolutions.sources.items()
    return {name: float(source.state == MUTE) for name, source in sources}


def _source_final(health: Health) -> Labels:
    return {name: source.final for name, source in health.resolutions.sources.items()}


def _source_without_final(health: Health) -> Labels:
    sources = health.resolutions.sources.items()
    found = {name: source.without_final for name, source in sources}
    return {name: count for name, count in found.items() if count is not None}


def _source_requests(health: Health) -> Labels:
    return {name: source.requests for name, source in health.resolutions.sources.items()}


def _source_failures(health: Health) -> Labels:
    return {name: source.failed for name, source in health.resolutions.sources.items()}


def _violated(health: Health) -> Labels:
    return {name: found.total for name, found in health.assumptions.items()}


def _violation_ages(health: Health) -> Labels:
    found = health.assumptions.items()
    return {name: seen.age_s for name, seen in found if seen.age_s is not None}


def _reconnects(health: Health) -> Labels:
    # All of them from the start: a counter that appears with its first event hides that from
    # `increase()`.
    return {reason: health.connections.reconnects.get(reason, 0) for reason in END_REASONS}


def _audit_hours(health: Health) -> Labels:
    audits = health.audits
    return {
        "complete": audits.complete,
        "missing": audits.missing,
        "unknown": audits.unknown,
    }


class _Late(msgspec.Struct, frozen=True):
    counts: Mapping[str, int]
    sum_s: float


def _lateness(health: Health) -> Mapping[str, Counts]:
    return {"": _Late(health.lateness.trades, health.lateness.sum_s)}


def _requests(health: Health) -> Mapping[str, Times]:
    return health.timing.requests


GAUGES = (
    Number("at", "time_seconds", "Time at which these numbers were measured, since 1970."),
    Number("started_at", "start_time_seconds", "Time at which the process started, since 1970."),
    Number("uptime_s", "uptime_seconds", "Age of the process."),
    Number("connections.wanted", "connections_wanted", "Connections that the plan has."),
    Number("connections.live", "connections_live", "Connections that listen."),
    Number("connections.live_with_tokens", "connections_live_with_tokens",
           "Connections that listen to tokens: not the one for announcements."),
    Number("connections.silent", "connections_silent",
           "Live connections without data, of which nothing proves that nothing happened."),
    Number("connections.quiet", "connections_quiet",
           "Live connections without data, of which snapshots prove that nothing happened."),
    Number("connections.down", "connections_down",
           "Connections that have not listened for more than a minute."),
    Number("trades.absent_s", "trades_absent_seconds",
           "Time for which connections have listened to tokens and received no trade."),
    Number("descriptors.limit", "descriptors_limit", "File descriptors that the process may have."),
    Number("descriptors.connections", "descriptors_connections",
           "File descriptors that are for connections; the others are a reserve."),
    Number("descriptors.needed", "descriptors_needed",
           "Limit of file descriptors that all connections of the plan need."),
    Number("drift.clock_offset_s", "clock_offset_seconds",
           "Clock of the exchange minus that of the host, when it was last seen to be wrong."),
    Number("assets.wanted", "assets_wanted", "Tokens to listen to."),
    Number("assets.covered", "assets_covered", "Wanted tokens that are proven to be listened to."),
    Number("assets.proven_s", "assets_proven_age_seconds",
           "Time for which the longest silent connection of the covered tokens proved nothing."),
    Number("assets.lost_s", "assets_lost_seconds",
           "Time for which no token is covered, or less than half of those that were."),
    Number("assets.unproven_s", "assets_unproven_seconds",
           "Time for which most tokens have brought nothing, when that is far longer than usual."),
    Number("assets.never_confirmed", "assets_never_confirmed",
           "Wanted tokens that have been unconfirmed for more than a minute."),
    Number("coverage.since", "today_start_time_seconds",
           "Time since which the metrics of today count, since 1970: midnight UTC or the first"
           " start."),
    Number("coverage.wanted_token_s", "today_wanted_token_seconds",
           "Seconds in which tokens were wanted today, added up over all tokens."),
    Number("coverage.gap_token_s", "today_gap_token_seconds",
           "Seconds of today in which wanted tokens were not proven to be listened to, added up."),
    Number("coverage.blackout_s", "today_blackout_seconds",
           "Seconds of today in which tokens were wanted and none of them was listened to."),
    Number("coverage.down_s", "today_down_seconds",
           "Seconds of today in which the tracker did not run."),
    Number("trades.today", "today_trades",
           "Trades that were stored as new rows since midnight UTC, also before a restart."),
    Number("last_reconnect.at", "last_reconnect_time_seconds",
           "Time at which a connection listened again the last time, since 1970."),
    Number("journal.pending_records", "journal_pending_records",
           "Records of the journal that are not yet committed to the database."),
    Number("journal.bytes", "journal_bytes", "Size of the journal on the disk."),
    Number("journal.cap_bytes", "journal_cap_bytes", "Largest size that the journal may reach."),
    Number("journal.durable_lag", "journal_unsynced_records",
           "Records of the journal that are written and not yet synced to the disk."),
    Number("journal.at_most", "journal_at_most",
           "1 until the database has told what it holds: what waits is then the most that can be."),
    Number("journal.oldest_s", "journal_oldest_seconds",
           "Age of the oldest record of the journal that is not committed; 0 when there is none."),
    Number("journal.free_bytes", "disk_free_bytes", "Free space of the disk of the journal."),
    Number("journal.full", "journal_full",
           "1 while reading has stopped because the journal has no space (disk or cap)."),
    Number("journal.exposed", "state_directory_exposed",
           "1 when others may change the state directory, so that the next start would not use it.",
           lambda h: int(bool(h.journal.exposed))),
    Number("journal.gone", "journal_gone",
           "1 while the journal would not be found again after a restart.",
           lambda h: int(bool(h.journal.gone))),
    Number("database.state", "database_up",
           "1 while the database answers, also when nothing is stored.", _database_up),
    Number("database.last_commit_at", "database_last_commit_time_seconds",
           "Time of the last commit, since 1970."),
    Number("database.lag_s", "database_lag_seconds",
           "Time that the oldest trade waited, or waits, to be stored."),
    Number("database.away_s", "database_away_seconds",
           "Time since the database went away or storing ended; 0 while it works."),
    Number("database.unsafe", "database_unsafe_settings",
           "Settings by which what is stored is at risk; 0 is right.",
           lambda h: len(h.database.unsafe)),
    Number("database.unverified", "database_unverified_servers",
           "Servers of the database that nothing proves to be the right ones; 0 is right.",
           lambda h: len(h.database.unverified)),
    Number("database.rejected_trades", "database_rejected_trades",
           "Trades that the database could not hold and that are missing now; 0 is right."),
    Number("database.chores_failing", "database_chores_failing",
           "Kinds of old rows that could not be deleted at the last try; 0 is right.",
           lambda h: len(h.database.chores_failing)),
    Number("database.waiting", "writer_waiting_records",
           "Records of the journal that the writer has gathered and not committed."),
    Number("resolutions.conflicts_open", "resolution_conflicts_open",
           "Markets about which a contradiction is open."),
    Number("resolutions.ended", "markets_ended",
           "Markets that ended between 25 hours and one hour ago."),
    Number("resolutions.overdue", "labels_overdue",
           "Markets among those that ended about which no source has had a final answer."),
    Number("resolutions.recorded_today", "today_resolutions",
           "Resolutions that were recorded since midnight UTC."),
    Number("lateness.allowance_s", "proof_allowance_seconds",
           "Time by which proofs stay behind the exchange's time because trades are late."),
    Number("audits.share_complete", "audit_share_complete",
           "Share of the hours of markets that witnesses judged in 24 hours that is complete."),
    Number("audits.listed", "audit_listed",
           "What witnesses listed in the audits of 24 hours, by token and transaction."),
    Number("audits.not_stored", "audit_not_stored", "What of it is not stored."),
    Number("audits.outside_gaps", "audit_outside_gaps",
           "What of it is not stored although the token was listened to; 0 is right."),
    Number("audits.proven", "audit_proven",
           "Hours of markets with such, as two witnesses or the chain say; 0 is right."),
    Number("audits.last_checked_at", "audit_last_time_seconds",
           "Time of the last audit, since 1970."),
    Number("audits.waiting", "audit_waiting", "Audits that are made and not stored."),
    Number("audits.stream.kept", "audit_stream_kept",
           "Matches of the stream of all markets that are kept for comparison."),
    Number("audits.stream.markets", "audit_stream_markets", "Markets of these."),
    Number("audits.stream.share", "audit_stream_share",
           "Share of all markets that is kept of the stream."),
    Number("audits.stream.last_told_at", "audit_stream_last_time_seconds",
           "Time at which the stream told of a match last, since 1970."),
    Number("catalog.markets", "markets", "Markets that are watched."),
    Number("catalog.last_sweep_age_s", "catalog_sweep_age_seconds",
           "Time since all markets were listed."),
    Number("catalog.failing_s", "catalog_failing_seconds",
           "Time for which markets could not be listed; 0 while they can."),
    Number("catalog.keyset_failing_s", "catalog_keyset_failing_seconds",
           "Time for which /markets/keyset has not led through listings; 0 while it does."),
    Number("accounting.balanced", "accounting_balanced",
           "1 while received + recovered + adjusted = stored + duplicates + rejected + in the"
           " journal; 0 when trades may be missing."),
    Number("accounting.in_journal", "journal_trades",
           "Trades and rejected events that are received and not yet committed."),
    Number("accounting.adjusted", "accounting_adjusted",
           "Correction of the accounting after the writer lost count."),
)  # fmt: skip
COUNTERS = (
    Number("trades.total", "trades_stored", "Trades that were stored as new rows."),
    Number("trades.received_total", "trades_received",
           "Trades received on all connections; one that arrives on both feeds counts twice."),
    Number("accounting.received", "received",
           "Trades and rejected events that were written to the journal."),
    Number("accounting.recovered", "recovered",
           "Trades and rejected events that were found in the journal at the start and committed."),
    Number("accounting.duplicates", "duplicates", "Trades that had been stored before."),
    Number("accounting.rejected", "rejected", "Events that were rejected."),
    Number("database.rejected_rows", "database_rejected_rows",
           "Rows of any kind that the database could not hold."),
    Number("database.miscounts_total", "database_miscounts",
           "Batches of which what the database reported did not add up."),
    Number("database.chores_failed_total", "database_chores_failed",
           "Tries to delete old rows that failed."),
    Number("restarts.total", "restarts",
           "Unexpected ends of actors, each followed by a restart."),
    Number("drift.unknown_total", "unknown_events",
           "Events of kinds that this version does not know."),
    Number("drift.doubtful_total", "doubtful_events", "Rejected events that may be trades."),
    Number("drift.left_out_total", "left_out_events",
           "Rejected events that were not kept, as enough of their kind were."),
    Number("resolutions.recorded", "resolutions_recorded", "Resolutions that were recorded."),
    Number("resolutions.conflicts", "resolution_conflicts",
           "Contradictions between sources, or with a recorded resolution, that were found."),
    Number("audits.made_total", "audits_made", "Audits that were made."),
    Number("audits.rows_rejected_total", "audit_rows_rejected",
           "Rows of witnesses that could not be used."),
    Number("audits.stream.matches_total", "audit_stream_matches",
           "Matches that the stream of all markets told."),
    Number("audits.stream.lost_total", "audit_stream_lost", "Times that the stream was lost."),
    Number("audits.stream.frozen_total", "audit_stream_frozen",
           "Times of these that it was open and told nothing."),
    Number("audits.stream.rejected_total", "audit_stream_rejected",
           "Messages of the stream that could not be used."),
)  # fmt: skip
NAMED = (
    Named("state", "state", "1 for the state of the tracker, 0 for the other states.", "state",
          lambda h: {state: float(state == h.state) for state in STATES}),
    Named("codes", "degraded", "1 for each reason that holds and puts data or labels at risk.",
          "code", lambda h: _codes(h, DEGRADED)),
    Named("levels", "attention", "1 for each reason that holds and only needs attention.", "code",
          lambda h: _codes(h, ATTENTION)),
    Named("assets.causes", "assets_uncovered",
          "Wanted tokens that are not covered, by the cause of their gap.", "cause",
          lambda h: {cause: h.assets.causes.get(cause, 0) for cause in GapCause}),
    Named("connections.reconnects", "reconnects",
          "Connections that listened again, by the reason of the end before.", "reason",
          _reconnects, counts=True),
    Named("database.state", "database_state",
          "1 for the state of the database, 0 for the other states.", "state",
          lambda h: {state: float(state == h.database.state) for state in DATABASE_STATES}),
    Named("resolutions.conflicts_by", "resolution_conflicts_shown",
          "Open contradictions by the source whose answers have shown them to this process.",
          "source", lambda h: h.resolutions.conflicts_by),
    Named("resolutions.pending", "resolutions_pending",
          "Markets that wait for a resolution, by what they wait for.", "reason",
          lambda h: h.resolutions.pending),
    Named("resolutions.sources.failing_s", "source_failing_seconds",
          "Time for which the source of outcomes has failed; 0 while it answers.", "source",
          _source_failing),
    Named("resolutions.sources.state", "source_mute",
          "1 while the source answers, and has nothing final where other sources have.", "source",
          _source_mute),
    Named("resolutions.sources.without_final", "source_without_final",
          "Markets that ended about which the source has had no final answer.", "source",
          _source_without_final),
    Named("resolutions.sources.final", "source_final",
          "Final answers of the source that were news.", "source", _source_final, counts=True),
    Named("catalog.requests.failing_s", "catalog_request_failing_seconds",
          "Time for which this kind of request to Gamma has failed; 0 while it succeeds.",
          "request", _request_failing),
    Named("resolutions.sources.requests", "source_requests",
          "Requests about outcomes to the source.", "source", _source_requests, counts=True),
    Named("resolutions.sources.failed", "source_failures",
          "Requests about outcomes to the source that had no good answer.", "source",
          _source_failures, counts=True),
    Named("assumptions.total", "assumption_violations",
          "Times that an assumption about Polymarket was seen to be false.", "assumption",
          _violated, counts=True),
    Named("assumptions.age_s", "assumption_violation_age_seconds",
          "Time since the assumption about Polymarket was last seen to be false.", "assumption",
          _violation_ages),
    Named("audits.complete", "audits",
          "Hours of markets that were audited in 24 hours, by what was found.", "result",
          _audit_hours),
    Named("audits.witnesses", "audit_witness_failing",
          "1 while the witness does not answer, or not as expected.", "witness",
          lambda h: {n: float(s not in ("ok", "unknown")) for n, s in h.audits.witnesses.items()}),
    Named("restarts.children", "child_restarts",
          "Unexpected ends of one actor, each followed by a restart.", "child",
          lambda h: h.restarts.children, counts=True),
    Named("restarts.looping", "child_looping",
          "1 for an actor that ended unexpectedly three times within five minutes.", "child",
          lambda h: dict.fromkeys(h.restarts.looping, 1.0)),
)  # fmt: skip
TIMED = (
    Timed("timing.commits", "database_commit_duration_seconds",
          "Time that a transaction of the writer takes.", lambda h: {"": h.timing.commits}),
    Timed("timing.syncs", "journal_sync_duration_seconds",
          "Time that a sync of the journal to the disk takes.", lambda h: {"": h.timing.syncs}),
    Timed("timing.end_to_end", "trade_end_to_end_seconds",
          "Time from a trade at the exchange to the commit of its row.",
          lambda h: {"": h.timing.end_to_end}),
    Timed("timing.requests", "http_request_duration_seconds",
          "Time that an HTTP request to the source takes, answered or not.", _requests, "source"),
    Timed("lateness.trades", "trade_lateness_seconds",
          "Time from a trade at the exchange to its receipt, on every connection.", _lateness),
)  # fmt: skip
EACH = (
    Each("data_age_s", "connection_data_age_seconds", "Time since the connection's last data."),
    Each("down_s", "connection_down_seconds",
         "Time since the connection stopped listening; 0 while it listens."),
    Each("tokens", "connection_tokens", "Tokens that the connection has subscribed."),
    Each("confirmed", "connection_confirmed_tokens",
         "Tokens of the connection whose first book has arrived."),
    Each("trades", "connection_trades", "Trades that the connection received.", counts=True),
    Each("rejected", "connection_rejected", "Events of the connection that were rejected.",
         counts=True),
    Each("bytes", "connection_received_bytes", "Bytes that the connection received.",
         counts=True),
    Each("reconnects", "connection_reconnects", "Times that the connection listened again.",
         counts=True),
)  # fmt: skip
