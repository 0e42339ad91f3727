"""`tracker --check --online` against a simulated Polymarket."""

import errno
import os
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.live.processes import Process, Processes, processes_in
from tests.postgres import open_folder

pytestmark = [pytest.mark.live]


@pytest.fixture
def processes() -> Iterator[Processes]:
    with open_folder() as place, processes_in(place, "") as found:
        yield found


def looked(processes: Processes, *broken: str) -> dict[str, str]:
    """Return what the look says of each assumption, in its order, of a simulated Polymarket."""
    processes.simulator("--markets", "150", "--trades-per-second", "400", *broken)
    return said(processes)


def said(processes: Processes, *options: str) -> dict[str, str]:
    """Return what the look says of what is at these addresses."""
    env = {
        "TRACKER_STATE_DIR": str(processes.folder / "state"),
        "TRACKER_MARKET_WS_URL": processes.urls["ws_url"],
        "TRACKER_GAMMA_URL": processes.urls["gamma_url"],
        "TRACKER_CLOB_URL": processes.urls["clob_url"],
        "TRACKER_DATA_URL": processes.urls["data_url"],
        "TRACKER_POLYGON_RPC_URLS": processes.urls["rpc_url"],
    }
    process = Process(
        "tracker", ["--check", "--online", *options], env, processes.folder / "errors"
    )
    output = process.process.stdout
    assert output is not None
    text = output.read()
    assert process.stop(within_s=20) == 0, process.log_text()
    lines = text.partition("all is well\n")[2].splitlines()
    return {name: judgement.strip() for name, _, judgement in (x.partition(" ") for x in lines)}


def test_a_look_tells_what_differs_and_what_does_not(processes: Processes) -> None:
    found = looked(processes, "--broken", "gamma_list_gone,cursor_ignored")
    assert list(found) == [
        "keyset", "clean_pages", "gamma_list", "clob", "data", "clock", "fresh_answers",
        "connection", "served", "dump_by_default", "repeated_book", "event_names", "spelling",
        "on_time", "sent_once", "chain", "filters",
    ]  # fmt: skip
    assert found.pop("keyset") == "differs: the cursor brings the first page again"
    assert "HTTP 404" in found.pop("gamma_list")
    # Of one page, whose size follows the clock.
    filters = r"at least \d+ markets, \d+ tokens, 3 connections, 171 descriptors, about "
    assert re.match(filters, found.pop("filters"))
    # What the simulator breaks by default may differ; on a busy machine trades are late.
    holds = set(found) - {"clob", "fresh_answers", "dump_by_default", "repeated_book", "on_time"}
    assert {found[name] for name in holds} == {"ok"}


def test_a_dead_network_is_told_and_quickly(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = f"127.0.0.1:{listening.getsockname()[1]}"
    names = ("gamma_url", "clob_url", "data_url", "rpc_url")
    processes.urls = {"ws_url": f"ws://{place}/", **dict.fromkeys(names, f"http://{place}")}
    began = time.monotonic()
    found = said(processes)
    assert time.monotonic() - began < 20
    assert os.strerror(errno.ECONNREFUSED) in found.pop("keyset")
    assert os.strerror(errno.ECONNREFUSED) in found.pop("connection")
    unlisted = "not seen: no market was listed"
    assert found == {
        **dict.fromkeys(("clean_pages", "gamma_list", "clob", "data", "filters"), unlisted),
        "clock": "not seen: too few answers that no cache gave",
        "fresh_answers": "not seen: no answer",
    }
