"""Nothing can be reached at all: the log warns with the cause, in few lines, and the status has it.

Nothing listens on port 9 (discard) of the loopback address.
"""

import threading
from pathlib import Path

import pytest

from tests.live.processes import processes_in, until

pytestmark = pytest.mark.live

NOWHERE = "127.0.0.1:9"
URLS = {
    "ws_url": f"ws://{NOWHERE}/ws",
    "rtds_url": f"ws://{NOWHERE}/rtds",
    **{f"{name}_url": f"http://{NOWHERE}/{name}" for name in ("gamma", "clob", "data", "rpc")},
}


def test_a_network_without_anything_is_named_in_log_and_status(
    tmp_path: Path, database: str
) -> None:
    with processes_in(tmp_path, database) as processes:
        processes.urls = URLS
        tracker = processes.tracker()
        found = processes.until_status(
            "it says why it does not start",
            lambda found: found["connections"]["last_failure"] and found["catalog"]["last_error"],
        )
        until(
            "the log warns",
            lambda: (
                {"connections_failed", "catalog_request_failed"}
                <= {line["event"] for line in tracker.events() if line["level"] == "WARNING"}
            ),
        )
        threading.Event().wait(5)
        lines = [line for line in tracker.events() if line["event"].startswith("connection")]
        assert tracker.stop() == 0

    (failed,) = lines
    assert list(failed["reasons"]) == ["refused"]
    assert failed["detail"] == "127.0.0.1: [Errno 111] Connection refused"
    assert found["state"] == "starting"
    assert any("the first connection: refused: 127.0.0.1" in why for why in found["reasons"])
    assert any("the first tokens: " in why and "refused" in why for why in found["reasons"])
    assert "ok" not in {one["state"] for one in found["resolutions"]["sources"].values()}
