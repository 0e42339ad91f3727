"""Metrics: serves the health document in the words of Prometheus, on 127.0.0.1.

Every scrape asks for the document anew, with the same callable as the status
socket. When nobody answers, `tracker_up` is 0 and nothing else of the tracker is
told. What each field is called stands in `exposition`. `process_…` are memory,
CPU and descriptors of the process, as every client library tells them.
"""

from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIServer

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.errors import AddressTaken
from actors.health.document import Health
from actors.health.metrics import families

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
        yield from families(health)
