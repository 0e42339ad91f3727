"""The exposition: what each field of the health document is called in Prometheus.

Every field is told, under a name of its own or by a label; what Prometheus can
count itself (the last minute, hour, day of a counter) is left to it. Numbers of
single connections are told for the `MOST_CONNECTIONS` that are worst off.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from wsgiref.simple_server import WSGIServer

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.errors import AddressTaken
from actors.health.document import Connection, Health

MOST_CONNECTIONS = 500
LONGEST_LABEL = 80
STATES = ("healthy", "degraded", "starting", "stopping")
DATABASE_STATES = ("live", "behind", "away", "stopped")
Labels = Mapping[str, float]


class Number(msgspec.Struct, frozen=True):
    """One number: its field in the document, its name, its help.

    `read` gives it where it is not simply the value of the field.
    """

    field: str
    name: str
    text: str
    read: Callable[[Health], float | None] | None = None

    def of(self, health: Health) -> float | None:
        """Return its value, or None while there is none."""
        return self.read(health) if self.read else value(health, self.field)


class Named(msgspec.Struct, frozen=True):
    """Numbers under one name, told apart by a label."""

    field: str
    name: str
    text: str
    label: str
    read: Callable[[Health], Labels]
    counts: bool = False


class Each(msgspec.Struct, frozen=True):
    """One number of every connection."""

    field: str
    name: str
    text: str
    counts: bool = False


def value(part: object, field: str) -> float | None:
    """Return the number in a field: truth is 1, a time of day is seconds since 1970."""
    for step in field.split("."):
        part = getattr(part, step, None)
    if isinstance(part, str):
        return datetime.fromisoformat(part).timestamp()
    return float(part) if isinstance(part, (int, float)) else None


def families(health: Health) -> Iterator[Metric]:
    """Return everything that the document tells."""
    yield _info(health)
    for kind, numbers in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
        for number in numbers:
            found = number.of(health)
            if found is not None:
                yield kind(f"tracker_{number.name}", number.text, found)
    for named in NAMED:
        yield _labelled(named, named.label, named.read(health))
    each = sorted(health.connections.each, key=_trouble)[:MOST_CONNECTIONS]
    state = GaugeMetricFamily(
        "tracker_connection_state", "1 for its present state.", labels=["connection", "state"]
    )
    for one in each:
        state.add_metric([one.id, one.state[:LONGEST_LABEL]], 1.0)
    yield state
    for figure in EACH:
        values = {one.id: value(one, figure.field) for one in each}
        told = {name: found for name, found in values.items() if found is not None}
        yield _labelled(figure, "connection", told)


def _info(health: Health) -> Metric:
    """Return the words of the document that hardly ever change, as labels of a 1."""
    info = GaugeMetricFamily(
        "tracker_info", "Which tracker this is.", labels=["version", "host", "pid", "server"]
    )
    base = health.database.server[:LONGEST_LABEL]
    info.add_metric([health.version, health.host, str(health.pid), base], 1.0)
    return info


def _trouble(one: Connection) -> tuple[float, float, str]:
    return (-one.down_s, -(one.data_age_s or 0.0), one.id)


def _labelled(said: Named | Each, label: str, values: Labels) -> Metric:
    kind = CounterMetricFamily if said.counts else GaugeMetricFamily
    family = kind(f"tracker_{said.name}", said.text, labels=[label])
    for key, found in values.items():
        family.add_metric([key[:LONGEST_LABEL]], found)
    return family


def _database_up(health: Health) -> float:
    return float(health.database.state != "away")


def _source_failing(health: Health) -> Labels:
    return {name: source.failing_s for name, source in health.resolutions.sources.items()}


def _source_requests(health: Health) -> Labels:
    return {name: source.requests for name, source in health.resolutions.sources.items()}


GAUGES = (
    Number("at", "time_seconds", "Its clock."),
    Number("started_at", "start_time_seconds", "When it began."),
    Number("uptime_s", "uptime_seconds", "Age of the process."),
    Number("connections.wanted", "connections_wanted", "Connections in the plan."),
    Number("connections.live", "connections_live", "Connections that listen."),
    Number("connections.silent", "connections_silent", "Live ones without data."),
    Number("connections.down", "connections_down", "Not listening for over a minute."),
    Number("assets.wanted", "assets_wanted", "Tokens to be listened to."),
    Number("assets.covered", "assets_covered", "Tokens proven to be."),
    Number("assets.never_confirmed", "assets_never_confirmed", "Tokens without proof."),
    Number("coverage.since", "today_start_time_seconds", "Since when today counts."),
    Number("coverage.wanted_token_s", "today_wanted_token_seconds", "To be heard today."),
    Number("coverage.gap_token_s", "today_gap_token_seconds", "Of that, not proven."),
    Number("coverage.deaf_s", "today_deaf_seconds", "Nothing at all was heard."),
    Number("last_reconnect.at", "last_reconnect_time_seconds", "When one came back last."),
    Number("journal.pending_records", "journal_pending_records", "Not yet committed."),
    Number("journal.bytes", "journal_bytes", "Size of the journal."),
    Number("journal.cap_bytes", "journal_cap_bytes", "The largest it may become."),
    Number("journal.durable_lag", "journal_unsynced_records", "Written, not yet synced."),
    Number("journal.oldest_s", "journal_oldest_seconds", "Age of what waits."),
    Number("journal.sync_p99_s", "journal_sync_p99_seconds", "Time of a sync to disk."),
    Number("journal.free_bytes", "disk_free_bytes", "Room beside the journal."),
    Number("journal.full", "journal_full", "1: reading has stopped for want of room."),
    Number("database.state", "database_up", "1 unless it is away.", _database_up),
    Number("database.last_commit_at", "database_last_commit_time_seconds", "Its last commit."),
    Number("database.lag_s", "database_lag_seconds", "Age of trades when stored."),
    Number("database.away_s", "database_away_seconds", "0 while it is there."),
    Number("database.waiting", "writer_waiting", "Messages not committed."),
    Number("resolutions.recorded_today", "today_resolutions", "Verdicts since midnight UTC."),
    Number("catalog.markets", "markets", "Markets that are watched."),
    Number("catalog.last_sweep_age_s", "catalog_sweep_age_seconds", "Since all were listed."),
    Number("catalog.failing_s", "catalog_failing_seconds", "0 when Gamma answers."),
    Number("books.balanced", "books_balanced", "1 when nothing is missing."),
    Number("books.in_journal", "journal_trades", "Prints and rejected not committed."),
    Number("books.adjusted", "books_adjusted", "Correction after a lost count."),
)  # fmt: skip
COUNTERS = (
    Number("trades.total", "trades_stored", "New rows of trades."),
    Number("trades.heard_total", "trades_heard", "Trades on all connections."),
    Number("books.received", "received", "Prints and rejected events journalled."),
    Number("books.recovered", "recovered", "Found in the journal and committed."),
    Number("books.repeated", "repeated", "Prints that were stored before."),
    Number("books.rejected", "rejected", "Events set aside."),
    Number("connections.reconnects_total", "reconnects", "Connections that came back."),
    Number("restarts.total", "restarts", "Unexpected deaths of actors."),
    Number("drift.unknown_total", "unknown_events", "Events of unknown type."),
    Number("resolutions.recorded", "resolutions_recorded", "Verdicts recorded."),
    Number("resolutions.conflicts", "resolution_conflicts", "Contradictions."),
)  # fmt: skip
NAMED = (
    Named("state", "state", "1 for the present state.", "state",
          lambda h: {state: float(state == h.state) for state in STATES}),
    Named("codes", "degraded", "1 for each reason (a stable word).", "code",
          lambda h: dict.fromkeys(h.codes, 1.0)),
    Named("database.state", "database_state", "1 for the present state.", "state",
          lambda h: {state: float(state == h.database.state) for state in DATABASE_STATES}),
    Named("resolutions.pending", "resolutions_pending", "Markets to resolve.", "reason",
          lambda h: h.resolutions.pending),
    Named("resolutions.sources.failing_s", "source_failing_seconds", "0 when it answers.", "source",
          _source_failing),
    Named("resolutions.sources.requests", "source_requests", "Questions asked of it.", "source",
          _source_requests, counts=True),
    Named("restarts.children", "child_restarts", "Unexpected deaths of one.", "child",
          lambda h: h.restarts.children, counts=True),
    Named("restarts.looping", "child_looping", "1: it dies again and again.", "child",
          lambda h: dict.fromkeys(h.restarts.looping, 1.0)),
)  # fmt: skip
EACH = (
    Each("data_age_s", "connection_data_age_seconds", "Since its last data."),
    Each("down_s", "connection_down_seconds", "0 while it listens."),
    Each("tokens", "connection_tokens", "Tokens on it."),
    Each("confirmed", "connection_confirmed_tokens", "Of those, proven."),
    Each("trades", "connection_trades", "Prints heard.", counts=True),
    Each("rejected", "connection_rejected", "Events set aside.", counts=True),
    Each("bytes", "connection_received_bytes", "Bytes of messages.", counts=True),
    Each("reconnects", "connection_reconnects", "Times it came back.", counts=True),
)  # fmt: skip


# MERGED: serves the health document in the words of Prometheus, on
# 127.0.0.1. Every scrape asks for the document anew, with the same callable as the status
# socket. When nobody answers, `tracker_up` is 0 and nothing else of the tracker is told. What
# each field is called stands in `exposition`. `process_…` are memory, CPU and descriptors of
# the process, as every client library tells them.


HOST = "127.0.0.1"


class Metrics:
    """Serves metrics until closed, in threads of its own.

    Args:
        port: TCP port; 0 takes any.
        answer: Gives the health document as JSON; may raise TimeoutError.

    Raises:
        AddressTaken: The port is in use.
    """

    def __init__(self, port: int, answer: Callable[[], bytes]) -> None:
        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        registry.register(_HealthCollector(answer))
        self._server: WSGIServer
        try:
            self._server, self._thread = start_http_server(port, HOST, registry)
        except OSError as exc:
            raise AddressTaken(
                f"metrics port {port}: {exc.strerror or exc}; set another TRACKER_METRICS_PORT"
            ) from exc

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)


class _HealthCollector(Collector):
    """Asks for the document at each scrape."""

    def __init__(self, answer: Callable[[], bytes]) -> None:
        self._answer = answer

    def collect(self) -> Iterator[Metric]:
        """Return all metrics, or only that the tracker does not answer."""
        try:
            health = msgspec.json.decode(self._answer(), type=Health)
        except Exception:  # noqa: BLE001 - whatever keeps it from answering, `up` is 0
            yield GaugeMetricFamily("tracker_up", "1 when the supervisor answers.", 0.0)
            return
        yield GaugeMetricFamily("tracker_up", "1 when the supervisor answers.", 1.0)
        yield from families(health)
