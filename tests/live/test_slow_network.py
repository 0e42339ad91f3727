"""A network so slow that the books of a subscription take long: they are read to their end.

The proxy hands 2 KiB/s to each connection in small pieces; the first frame, with the books of the
tokens of 25 markets, takes longer than a frame without progress is waited for (10 s).
"""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chaos.proxy import Proxy, Toxics
from tests.live.processes import processes_in

pytestmark = [pytest.mark.live, pytest.mark.long]

SLOW = Toxics(bytes_per_s=2048, slice_bytes=256)


def test_a_large_frame_that_comes_slowly_is_read_to_its_end(tmp_path: Path, database: str) -> None:
    with processes_in(tmp_path, database) as processes:
        processes.simulator(
            "--markets", "25", "--markets-per-second", "0", "--trades-per-second", "0",
            "--noise-per-second", "0", "--life", "900-1000",
        )  # fmt: skip
        feed = urlsplit(processes.urls["ws_url"])
        assert feed.hostname is not None
        assert feed.port is not None
        with Proxy((feed.hostname, feed.port)) as proxy:
            proxy.toxics = SLOW
            url = feed._replace(netloc=f"{proxy.address[0]}:{proxy.address[1]}").geturl()
            tracker = processes.tracker(
                TRACKER_MARKET_WS_URL=url,
                TRACKER_REDUNDANCY="1",
                TRACKER_ASSETS_PER_CONNECTION="100",
            )
            found = processes.until_status(
                "every token has its book",
                lambda found: found["assets"]["covered"] == 50,
                within_s=60,
            )
            assert tracker.stop() == 0
    ended = [line for line in tracker.events() if line.get("reason") == "stalled_frame"]
    failed = [line for line in tracker.events() if line["event"] == "connections_failed"]

    assert found["connections"]["list"][0]["bytes"] > 12 * SLOW.bytes_per_s
    assert (ended, failed) == ([], [])
