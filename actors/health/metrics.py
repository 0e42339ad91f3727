"""The metrics: every field of the status document under a Prometheus name, served over HTTP.

`metric_tables.py` has the names. Single connections have metrics of their own only as long as
there are at most `MOST_CONNECTIONS`: a series for each of thousands costs the Prometheus more than
all others. `process_…` are memory, processor time and descriptors of the process, as every client
library has them.

Each scrape asks for a new document, by the same callable as the status socket. When nobody
answers, `tracker_up` is 0 and the other metrics of the tracker are missing. The same port serves
the page for people (`web`).
"""

import contextlib
import errno
import http.client
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from actors.errors import AddressTaken, Fatal, Shortage, start_error
from actors.health.document import Health
from actors.health.metric_tables import (
    COUNTERS,
    EACH,
    GAUGES,
    NAMED,
    TIMED,
    Each,
    Labels,
    Named,
    Timed,
    buckets,
    value,
)
from actors.health.web.page import Pages
from actors.health.web.server import BoundedServer, family_of

LOOPBACK = "127.0.0.1"
PAGE = Path(__file__).parent / "web" / "page.html"
MOST_CONNECTIONS = 300
LONGEST_LABEL = 80
PROBE_S, LONGEST_PROBE = 2.0, 1 << 16
"""Seconds and bytes for asking who has the port."""
UP_TEXT = "1 when the tracker answers; when it is 0, the tracker has no other metric."


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
    for timed in TIMED:
        yield _histogram(timed, health)
    yield from _connections(health)


def _connections(health: Health) -> Iterator[Metric]:
    """Return the metrics of single connections, or only that there are none."""
    each = health.connections.each
    shown = len(each) <= MOST_CONNECTIONS
    yield GaugeMetricFamily(
        "tracker_connection_series",
        "1 while single connections have metrics (tracker_connection_...); 0 when there are more"
        f" than {MOST_CONNECTIONS} connections, and only tracker-status shows them.",
        float(shown),
    )
    if not shown:
        return
    state = GaugeMetricFamily(
        "tracker_connection_state",
        "1 for the state of the connection.",
        labels=["connection", "state"],
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
        "Always 1; its labels say which tracker this is.",
        labels=["version", "host", "pid", "server", "database"],
    )
    server = health.database.server[:LONGEST_LABEL]
    database = health.database.identity
    info.add_metric([health.version, health.host, str(health.pid), server, database], 1.0)
    return info


def _labelled(numbers: Named | Each, label: str, values: Labels) -> Metric:
    kind = CounterMetricFamily if numbers.counts else GaugeMetricFamily
    family = kind(f"tracker_{numbers.name}", numbers.text, labels=[label])
    for key, found in values.items():
        family.add_metric([key[:LONGEST_LABEL]], found)
    return family


def _histogram(timed: Timed, health: Health) -> Metric:
    labels = [timed.label] if timed.label else []
    family = HistogramMetricFamily(f"tracker_{timed.name}", timed.text, labels=labels)
    for key, found in timed.read(health).items():
        family.add_metric([key] if labels else [], buckets(found), found.sum_s)
    return family


class Metrics:
    """Serves the metrics and the page until closed, in threads of its own.

    Args:
        port: TCP port; 0 takes any.
        answer: Returns the status document as JSON; may raise TimeoutError.
        address: IP address to listen on. Whoever reaches it may read, without a password.

    Raises:
        AddressTaken: The port is in use.
        ConfigError: It cannot be served there.
        Shortage: The machine lacks what it takes, or the address, for now.
    """

    def __init__(self, port: int, answer: Callable[[], bytes], *, address: str = LOOPBACK) -> None:
        # Describing would collect at registration, when the tracker cannot answer yet.
        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        registry.register(_HealthCollector(answer))
        html = PAGE.read_text(encoding="utf-8")
        pages = Pages(html, answer, make_wsgi_app(registry), names=(socket.gethostname(),))
        try:
            self._server = BoundedServer((address, port), pages)
        except OSError as exc:
            raise _unusable(exc, address, port) from exc
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


def require_address(address: str, port: int = 0) -> None:
    """Check that this host has an address on which the port can be served.

    Args:
        address: IP address.
        port: It must be free, too; 0: none.

    Raises:
        AddressTaken: The port is in use.
        ConfigError: It cannot be served there.
        Shortage: The machine lacks the address, for now.
    """
    try:
        with socket.socket(family_of(address)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind((address, port))
    except OSError as exc:
        raise _unusable(exc, address, port) from exc


def taken_sentence(address: str, port: int) -> str:
    """Return that another program than a tracker has the port; nothing if it is free or one's.

    Blocks for `PROBE_S` at most.
    """
    with contextlib.suppress(AddressTaken):
        require_address(address, port)
        return ""
    if _answers_as_a_tracker(address, port):
        return ""
    return (
        f"port {port} is taken by a program that is no tracker, so nobody gets metrics: end that,"
        " or set another TRACKER_METRICS_PORT"
    )


def _answers_as_a_tracker(address: str, port: int) -> bool:
    at = ip_address(address)
    host = str(at if not at.is_unspecified else {4: "127.0.0.1", 6: "::1"}[at.version])
    asked = http.client.HTTPConnection(host, port, timeout=PROBE_S)
    with contextlib.suppress(OSError, http.client.HTTPException):
        asked.request("GET", "/metrics")
        return b"\ntracker_" in asked.getresponse().read(LONGEST_PROBE)
    asked.close()
    return False


def open_sentence(address: str) -> str:
    """Return what a person should know about a port that others than this host can reach."""
    if not address:
        return ""
    where = "this host" if ip_address(address).is_unspecified else address
    return (
        f"whoever reaches {where} reads metrics and status page without a password and without"
        " TLS: keep others away with a firewall, or serve on 127.0.0.1 behind a proxy with a login"
    )


def _unusable(exc: OSError, address: str, port: int) -> Fatal:
    """Return the error of a port that cannot be served, with what to change."""
    if exc.errno == errno.EADDRINUSE:
        what = f"metrics port {port}: {exc.strerror}"
        return AddressTaken(f"{what}; set another TRACKER_METRICS_PORT")
    if exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        # Its interface may come up later, as after a boot: a start is tried again then.
        return Shortage(
            f"metrics address {address}: this host does not have it now; set"
            f" TRACKER_METRICS_ADDRESS to one that it has, or to {LOOPBACK}"
        )
    place = f"metrics port {port} on {address}"
    return start_error(exc, place, "set another TRACKER_METRICS_PORT or TRACKER_METRICS_ADDRESS")


class _HealthCollector(Collector):
    """Asks for the document at each scrape."""

    def __init__(self, answer: Callable[[], bytes]) -> None:
        self._answer = answer

    def collect(self) -> Iterator[Metric]:
        """Return all metrics, or only that the tracker does not answer."""
        try:
            health = msgspec.json.decode(self._answer(), type=Health)
        except Exception:  # noqa: BLE001 - whatever the cause, it does not answer
            yield GaugeMetricFamily("tracker_up", UP_TEXT, 0.0)
            return
        yield GaugeMetricFamily("tracker_up", UP_TEXT, 1.0)
        yield from families(health)
