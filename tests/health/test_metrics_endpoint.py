import errno
import http.client
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest

from actors.errors import AddressTaken, ConfigError, Shortage
from actors.health import metrics
from actors.health.metrics import PAGE, Metrics, require_address
from actors.health.state import HealthState

pytestmark = pytest.mark.live


def document() -> bytes:
    state = HealthState(version="1.2.3", host="h", pid=1, now=0.0, wall_ns=0)
    return msgspec.json.encode(state.document(100.0, 0))


@pytest.fixture
def serve() -> Iterator[Callable[..., Metrics]]:
    with ExitStack() as stack:

        def start(answer: Callable[[], bytes] = document, port: int = 0) -> Metrics:
            made = Metrics(port, answer)
            stack.callback(made.close)
            return made

        yield start


def scrape(metrics: Metrics) -> dict[str, float]:
    url = f"http://127.0.0.1:{metrics.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as reply:
        text = reply.read().decode()
    found = re.findall(r"^((?:tracker|process)_\S+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_a_scrape_returns_the_status_document_in_numbers(serve: Callable[..., Metrics]) -> None:
    found = scrape(serve())
    assert found["tracker_up"] == 1
    assert found['tracker_info{database="",host="h",pid="1",server="",version="1.2.3"}'] == 1
    assert found['tracker_state{state="degraded"}'] == 1
    assert found['tracker_state{state="healthy"}'] == 0
    assert found['tracker_degraded{code="database_away"}'] == 1
    assert found["tracker_uptime_seconds"] == 100
    assert found["tracker_trades_stored_total"] == 0
    assert "tracker_disk_free_bytes" not in found
    assert found["process_open_fds"] > 3


def test_a_tracker_that_cannot_answer_is_down_and_nothing_else(
    serve: Callable[..., Metrics], capfd: pytest.CaptureFixture[str]
) -> None:
    def busy() -> bytes:
        raise TimeoutError

    for answer in (busy, lambda: b"garbage"):
        found = {n: v for n, v in scrape(serve(answer)).items() if n.startswith("tracker")}
        assert found == {"tracker_up": 0}
    assert capfd.readouterr().err == ""


def test_a_port_in_use_is_an_error_that_names_the_setting(serve: Callable[..., Metrics]) -> None:
    port = serve().port
    with pytest.raises(AddressTaken, match=f"{port}.*TRACKER_METRICS_PORT"):
        serve(port=port)


def test_counters_only_and_all_of_them_end_in_total(serve: Callable[..., Metrics]) -> None:
    url = f"http://127.0.0.1:{serve().port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as reply:
        text = reply.read().decode()
    kinds: dict[str, Any] = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in kinds.items())
    assert len(kinds) > 20


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_page_and_its_probes_are_served_beside_the_metrics(address: str) -> None:
    served = Metrics(0, document, address=address)
    try:
        peer = http.client.HTTPConnection(address, served.port, timeout=10)
        answers = {}
        for path in ("/", "/metrics", "/readyz"):
            peer.request("GET", path)
            with peer.getresponse() as reply:
                answers[path] = (reply.status, reply.read())
                assert "sha256-" in reply.headers["Content-Security-Policy"]
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
    finally:
        served.close()
    assert answers["/"] == (200, PAGE.read_bytes())
    assert answers["/metrics"][0] == 200
    assert answers["/readyz"][0] == 503


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_that_this_host_does_not_have_is_named_with_its_setting(address: str) -> None:
    for tried in (lambda: require_address(address), lambda: Metrics(0, document, address=address)):
        with pytest.raises(Shortage, match=f"{address}.*TRACKER_METRICS_ADDRESS"):
            tried()
    require_address("127.0.0.1")


def test_a_port_that_this_user_may_not_have_is_a_wrong_setting() -> None:
    found = metrics._unusable(PermissionError(errno.EACCES, "Permission denied"), "127.0.0.1", 80)
    assert isinstance(found, ConfigError)
    assert re.search(
        r"port 80 on 127\.0\.0\.1: Permission denied; .*TRACKER_METRICS_PORT", str(found)
    )
