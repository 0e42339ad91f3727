"""Metrics: the health document in the words of Prometheus, on 127.0.0.1; its library's only user.

Every scrape asks for the document anew, with the same callable as the status
socket. When nobody answers, `tracker_up` is 0 and nothing else is told.
"""

from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIServer

import msgspec
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.errors import AddressTaken
from actors.logic.vitals import Health

HOST = "127.0.0.1"

_STATES = ("healthy", "degraded", "starting", "stopping")

_GAUGES: tuple[tuple[str, str, Callable[[Health], float | None]], ...] = (
    ("uptime_seconds", "Age of the process.", lambda h: h.uptime_s),
    ("connections_wanted", "Connections in the plan.", lambda h: h.connections.wanted),
    ("connections_live", "Connections that listen.", lambda h: h.connections.live),
    ("connections_silent", "Live ones without data.", lambda h: h.connections.silent),
    ("assets_wanted", "Tokens to be listened to.", lambda h: h.assets.wanted),
    ("assets_covered", "Tokens proven to be.", lambda h: h.assets.covered),
    ("assets_never_confirmed", "Tokens without proof.", lambda h: h.assets.never_confirmed),
    ("journal_pending_records", "Not yet committed.", lambda h: h.journal.pending_records),
    ("journal_bytes", "Size of the journal.", lambda h: h.journal.bytes),
    ("journal_oldest_seconds", "Age of what waits.", lambda h: h.journal.oldest_s),
    ("journal_sync_p99_seconds", "Time of a sync to disk.", lambda h: h.journal.sync_p99_s),
    ("disk_free_bytes", "Room beside the journal.", lambda h: h.journal.free_bytes),
    ("database_up", "1 unless it is away.", lambda h: float(h.database.state != "away")),
    ("database_lag_seconds", "Age of prints when stored.", lambda h: h.database.lag_s),
    ("writer_waiting", "Messages not committed.", lambda h: h.database.waiting),
    ("resolutions_pending", "Markets to resolve.", lambda h: h.resolutions.pending_total),
    ("books_balanced", "1 when nothing is missing.", lambda h: float(h.books.balanced)),
)
_COUNTERS: tuple[tuple[str, str, Callable[[Health], float]], ...] = (
    ("trades_stored", "New rows of trades.", lambda h: h.trades.total),
    ("prints_heard", "Prints on all connections.", lambda h: h.trades.heard_total),
    ("received", "Prints and refused events journalled.", lambda h: h.books.received),
    ("recovered", "Of those, by earlier processes.", lambda h: h.books.recovered),
    ("repeated", "Prints that were stored before.", lambda h: h.books.repeated),
    ("refused", "Events set aside.", lambda h: h.books.refused),
    ("reconnects", "Connections that came back.", lambda h: h.connections.reconnects_total),
    ("restarts", "Unexpected deaths of actors.", lambda h: h.restarts.total),
    ("unknown_events", "Events of unknown type.", lambda h: h.drift.unknown_total),
    ("resolutions_recorded", "Verdicts recorded.", lambda h: h.resolutions.recorded),
    ("resolution_conflicts", "Contradictions.", lambda h: h.resolutions.conflicts),
)


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
        """Give the port that is listened on."""
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
        """Give all metrics, or only that the tracker does not answer."""
        try:
            health = msgspec.json.decode(self._answer(), type=Health)
        except Exception:  # noqa: BLE001 - whatever keeps it from answering, `up` is 0
            yield GaugeMetricFamily("tracker_up", "1 when the supervisor answers.", 0.0)
            return
        yield GaugeMetricFamily("tracker_up", "1 when the supervisor answers.", 1.0)
        yield from _metrics(health)


def _metrics(health: Health) -> Iterator[Metric]:
    info = GaugeMetricFamily("tracker_info", "Which tracker this is.", labels=["version"])
    info.add_metric([health.version], 1.0)
    yield info
    yield _labelled("state", "1 for the present state.", "state", {
        state: float(state == health.state) for state in _STATES
    })  # fmt: skip
    for name, text, gauge in _GAUGES:
        value = gauge(health)
        if value is not None:
            yield GaugeMetricFamily(f"tracker_{name}", text, value)
    for name, text, counter in _COUNTERS:
        yield CounterMetricFamily(f"tracker_{name}", text, counter(health))
    reasons = dict.fromkeys(health.codes, 1.0)
    yield _labelled("degraded", "1 for each reason (a stable word).", "code", reasons)
    failing = {name: source.failing_s for name, source in health.resolutions.sources.items()}
    yield _labelled("source_failing_seconds", "0 when it answers.", "source", failing)


def _labelled(name: str, text: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"tracker_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
