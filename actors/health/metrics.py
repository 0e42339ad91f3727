"""The metrics: every field of the status document under a Prometheus name, on 127.0.0.1.

A field has a name of its own, or shares one and has a label; sums that Prometheus can make
itself (the last minute, hour or day of a counter) are left to it. Numbers of single
connections are given for the `MOST_CONNECTIONS` in the worst state. `process_…` are memory,
processor time and descriptors of the process, as every client library has them.

Each scrape asks for a new document, by the same callable as the status socket. When nobody
answers, `tracker_up` is 0 and the other metrics of the tracker are missing.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.errors import SHORTAGES, AddressTaken, start_error
from actors.health.document import ATTENTION, DEGRADED, MUTE, Connection, Health, Level
from actors.health.metrics_server import BoundedServer

# Loopback only: whoever reaches the port may read, without a password.
HOST = "127.0.0.1"
MOST_CONNECTIONS = 500
LONGEST_LABEL = 80
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


class Each(msgspec.Struct, frozen=True):
    """One number of every connection; `counts` makes it a counter."""

    field: str
    name: str
    text: str
    counts: bool = False


def value(part: object, field: str) -> float | None:
    """Return the number in a field: 1 for true, seconds since 1970 for a time of day."""
    for step in field.split("."):
        part = getattr(part, step, None)
    if isinstance(part, str):
        return datetime.fromisoformat(part).timestamp()
    return float(part) if isinstance(part, (int, float)) else None


def families(health: Health) -> Iterator[Metric]:
    """Return the metrics of a document."""
    yield _info(health)
    for kind, numbers in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
        for number in numbers:
            found = number.of(health)
            if found is not None:
                yield kind(f"tracker_{number.name}", number.text, found)
    for named in NAMED:
        yield _labelled(named, named.label, named.read(health))
    each = sorted(health.connections.each, key=_worst_first)[:MOST_CONNECTIONS]
    state = GaugeMetricFamily(
        "tracker_connection_state", "1 for its present state.", labels=["connection", "state"]
    )
    for one in each:
        state.add_metric([one.id, one.state[:LONGEST_LABEL]], 1.0)
    yield state
    for figure in EACH:
        values = {one.id: value(one, figure.field) for one in each}
        known = {name: found for name, found in values.items() if found is not None}
        yield _labelled(figure, "connection", known)


def _info(health: Health) -> Metric:
    """Return the texts of the document that seldom change, as labels of a 1."""
    info = GaugeMetricFamily(
        "tracker_info",
        "Which tracker this is.",
        labels=["version", "host", "pid", "server", "database"],
    )
    server = health.database.server[:LONGEST_LABEL]
    database = health.database.identity
    info.add_metric([health.version, health.host, str(health.pid), server, database], 1.0)
    return info


def _worst_first(one: Connection) -> tuple[float, float, str]:
    return (-one.down_s, -(one.data_age_s or 0.0), one.id)


def _labelled(numbers: Named | Each, label: str, values: Labels) -> Metric:
    kind = CounterMetricFamily if numbers.counts else GaugeMetricFamily
    family = kind(f"tracker_{numbers.name}", numbers.text, labels=[label])
    for key, found in values.items():
        family.add_metric([key[:LONGEST_LABEL]], found)
    return family


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


GAUGES = (
    Number("at", "time_seconds", "When this was measured."),
    Number("started_at", "start_time_seconds", "When the process started."),
    Number("uptime_s", "uptime_seconds", "Age of the process."),
    Number("connections.wanted", "connections_wanted", "Connections in the plan."),
    Number("connections.live", "connections_live", "Connections that listen."),
    Number("connections.silent", "connections_silent", "Live ones without data or proof."),
    Number("connections.quiet", "connections_quiet", "Without data; proven that nothing happened."),
    Number("connections.down", "connections_down", "Not listening for over a minute."),
    Number("trades.absent_s", "trades_absent_seconds", "Since the last trade, while listening."),
    Number("descriptors.limit", "descriptors_limit", "Files that the process may open."),
    Number("descriptors.connections", "descriptors_connections", "Of these, for connections."),
    Number("descriptors.needed", "descriptors_needed", "What all connections of the plan need."),
    Number("assets.wanted", "assets_wanted", "Tokens of the plan."),
    Number("assets.covered", "assets_covered", "Tokens proven to be listened to."),
    Number("assets.never_confirmed", "assets_never_confirmed", "Unconfirmed for over a minute."),
    Number("coverage.since", "today_start_time_seconds", "Where today begins."),
    Number("coverage.wanted_token_s", "today_wanted_token_seconds", "Wanted today."),
    Number("coverage.gap_token_s", "today_gap_token_seconds", "Of that, not proven."),
    Number("coverage.blackout_s", "today_blackout_seconds", "No wanted token was listened to."),
    Number("coverage.down_s", "today_down_seconds", "The tracker did not run."),
    Number("trades.today", "today_trades", "New rows of trades since midnight UTC."),
    Number("last_reconnect.at", "last_reconnect_time_seconds", "When the last reconnect was."),
    Number("journal.pending_records", "journal_pending_records", "Records not yet committed."),
    Number("journal.bytes", "journal_bytes", "Size of the journal."),
    Number("journal.cap_bytes", "journal_cap_bytes", "The largest size it may reach."),
    Number("journal.durable_lag", "journal_unsynced_records", "Records written, not yet synced."),
    Number("journal.oldest_s", "journal_oldest_seconds", "Age of the oldest pending record."),
    Number("journal.sync_p99_s", "journal_sync_p99_seconds", "Time of a sync to disk."),
    Number("journal.free_bytes", "disk_free_bytes", "Free space on the disk of the journal."),
    Number("journal.full", "journal_full",
           "1 when reading has stopped because the journal has no space (disk or cap)."),
    Number("database.state", "database_up", "1 while it answers, also when nothing is stored.",
           _database_up),
    Number("database.last_commit_at", "database_last_commit_time_seconds", "Its last commit."),
    Number("database.lag_s", "database_lag_seconds", "Age of trades when stored."),
    Number("database.away_s", "database_away_seconds", "0 while it answers."),
    Number("database.unsafe", "database_unsafe_settings",
           "Settings by which what is stored is at risk.", lambda h: len(h.database.unsafe)),
    Number("database.unverified", "database_unverified_servers",
           "Servers that nothing proves to be right.", lambda h: len(h.database.unverified)),
    Number("database.chores_failing", "database_chores_failing",
           "Chores whose last try failed.", lambda h: len(h.database.chores_failing)),
    Number("database.waiting", "writer_waiting", "Journal records gathered, not committed."),
    Number("resolutions.conflicts_open", "resolution_conflicts_open",
           "Markets about which a contradiction is open."),
    Number("resolutions.ended", "markets_ended", "Ended between 25 hours and one hour ago."),
    Number("resolutions.overdue", "labels_overdue", "Of those, without any final answer."),
    Number("resolutions.recorded_today", "today_resolutions", "Recorded since midnight UTC."),
    Number("lateness.allowance_s", "proof_allowance_seconds",
           "How far proofs stay behind the exchange's time because trades are late."),
    Number("catalog.markets", "markets", "Markets that are watched."),
    Number("catalog.last_sweep_age_s", "catalog_sweep_age_seconds", "Since all were listed."),
    Number("catalog.failing_s", "catalog_failing_seconds", "0 when Gamma answers."),
    Number("catalog.keyset_failing_s", "catalog_keyset_failing_seconds",
           "0 while the keyset leads through listings."),
    Number("accounting.balanced", "accounting_balanced", "1 when nothing is missing."),
    Number("accounting.in_journal", "journal_trades", "Trades and rejected events not committed."),
    Number("accounting.adjusted", "accounting_adjusted", "Correction after the writer lost count."),
)  # fmt: skip
COUNTERS = (
    Number("trades.total", "trades_stored", "New rows of trades."),
    Number("trades.received_total", "trades_received", "Trades on all connections."),
    Number("accounting.received", "received", "Trades and rejected events written to the journal."),
    Number("accounting.recovered", "recovered", "Found in the journal and committed."),
    Number("accounting.duplicates", "duplicates", "Trades that were stored before."),
    Number("accounting.rejected", "rejected", "Rejected events."),
    Number("database.rejected_rows", "database_rejected_rows", "Rows that it could not hold."),
    Number("database.miscounts_total", "database_miscounts", "Batches that did not add up."),
    Number("database.chores_failed_total", "database_chores_failed", "Tries that failed."),
    Number("connections.reconnects_total", "reconnects", "Reconnects of all connections."),
    Number("restarts.total", "restarts",
           "Unexpected deaths of actors, each followed by a restart."),
    Number("drift.unknown_total", "unknown_events", "Events of unknown type."),
    Number("drift.doubtful_total", "doubtful_events", "Rejected, and perhaps trades."),
    Number("drift.left_out_total", "left_out_events", "Rejected, and not kept."),
    Number("resolutions.recorded", "resolutions_recorded", "Resolutions recorded."),
    Number("resolutions.conflicts", "resolution_conflicts", "Contradictions about outcomes."),
)  # fmt: skip
NAMED = (
    Named("state", "state", "1 for the present state.", "state",
          lambda h: {state: float(state == h.state) for state in STATES}),
    Named("codes", "degraded", "1 for each reason that degrades (a stable word).", "code",
          lambda h: _codes(h, DEGRADED)),
    Named("levels", "attention", "1 for each reason that only needs attention.", "code",
          lambda h: _codes(h, ATTENTION)),
    Named("database.state", "database_state", "1 for the present state.", "state",
          lambda h: {state: float(state == h.database.state) for state in DATABASE_STATES}),
    Named("resolutions.pending", "resolutions_pending", "Markets without outcome.", "reason",
          lambda h: h.resolutions.pending),
    Named("resolutions.sources.failing_s", "source_failing_seconds", "0 when it answers.", "source",
          _source_failing),
    Named("resolutions.sources.state", "source_mute", "1: it answers and says nothing.", "source",
          _source_mute),
    Named("resolutions.sources.without_final", "source_without_final",
          "Ended markets about which it has no final answer.", "source", _source_without_final),
    Named("resolutions.sources.final", "source_final", "Final answers that were news.", "source",
          _source_final, counts=True),
    Named("catalog.requests.failing_s", "catalog_request_failing_seconds", "0 when it succeeds.",
          "request", _request_failing),
    Named("resolutions.sources.requests", "source_requests", "Requests to it.", "source",
          _source_requests, counts=True),
    Named("resolutions.sources.failed", "source_failures", "Requests that failed.", "source",
          _source_failures, counts=True),
    Named("lateness.trades", "trades_by_lateness",
          "Trades received by how many seconds after their time.", "seconds",
          lambda h: h.lateness.trades, counts=True),
    Named("assumptions.total", "assumption_violations",
          "How often an assumption about Polymarket was seen to be false.", "assumption",
          _violated, counts=True),
    Named("assumptions.age_s", "assumption_violation_age_seconds",
          "Since it was last seen to be false.", "assumption", _violation_ages),
    Named("restarts.children", "child_restarts",
          "Unexpected deaths of one actor, each followed by a restart.", "child",
          lambda h: h.restarts.children, counts=True),
    Named("restarts.looping", "child_looping", "1 while it has repeated crashes.", "child",
          lambda h: dict.fromkeys(h.restarts.looping, 1.0)),
)  # fmt: skip
EACH = (
    Each("data_age_s", "connection_data_age_seconds", "Since its last data."),
    Each("down_s", "connection_down_seconds", "0 while it listens."),
    Each("tokens", "connection_tokens", "Tokens on it."),
    Each("confirmed", "connection_confirmed_tokens", "Of those, proven."),
    Each("trades", "connection_trades", "Trades received.", counts=True),
    Each("rejected", "connection_rejected", "Rejected events.", counts=True),
    Each("bytes", "connection_received_bytes", "Bytes of messages.", counts=True),
    Each("reconnects", "connection_reconnects", "Its reconnects.", counts=True),
)  # fmt: skip


class Metrics:
    """Serves the metrics until closed, in threads of its own.

    Args:
        port: TCP port; 0 takes any.
        answer: Returns the status document as JSON; may raise TimeoutError.

    Raises:
        AddressTaken: The port is in use.
        Shortage: The machine lacks what it takes.
    """

    def __init__(self, port: int, answer: Callable[[], bytes]) -> None:
        # Describing would collect at registration, when the tracker cannot answer yet.
        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        registry.register(_HealthCollector(answer))
        try:
            self._server = BoundedServer((HOST, port), make_wsgi_app(registry))
        except OSError as exc:
            if exc.errno in SHORTAGES:
                raise start_error(exc, f"metrics port {port}") from exc
            raise AddressTaken(
                f"metrics port {port}: {exc.strerror or exc}; set another TRACKER_METRICS_PORT"
            ) from exc
        self._server.start()

    @property
    def port(self) -> int:
        """Return the TCP port."""
        return self._server.server_port

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._server.is_alive

    def close(self) -> None:
        """Stop serving."""
        self._server.stop()


class _HealthCollector(Collector):
    """Asks for the document at each scrape."""

    def __init__(self, answer: Callable[[], bytes]) -> None:
        self._answer = answer

    def collect(self) -> Iterator[Metric]:
        """Return all metrics, or only that the tracker does not answer."""
        try:
            health = msgspec.json.decode(self._answer(), type=Health)
        except Exception:  # noqa: BLE001 - whatever the cause, it does not answer
            yield GaugeMetricFamily("tracker_up", "1 when the supervisor answers.", 0.0)
            return
        yield GaugeMetricFamily("tracker_up", "1 when the supervisor answers.", 1.0)
        yield from families(health)
