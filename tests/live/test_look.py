"""`tracker --check --online` against a simulated Polymarket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.processes import Process, Processes, processes_in

pytestmark = [pytest.mark.live]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with processes_in(tmp_path, "") as found:
        yield found


def looked(processes: Processes, *broken: str) -> dict[str, str]:
    """Return what the look says of each assumption, in its order."""
    processes.simulator("--markets", "150", "--trades-per-second", "400", *broken)
    env = {
        "TRACKER_STATE_DIR": str(processes.folder / "state"),
        "TRACKER_MARKET_WS_URL": processes.urls["ws_url"],
        "TRACKER_GAMMA_URL": processes.urls["gamma_url"],
        "TRACKER_CLOB_URL": processes.urls["clob_url"],
        "TRACKER_DATA_URL": processes.urls["data_url"],
        "TRACKER_POLYGON_RPC_URLS": processes.urls["rpc_url"],
    }
    process = Process("tracker", ["--check", "--online"], env, processes.folder / "errors")
    output = process.process.stdout
    assert output is not None
    said = output.read()
    assert process.stop(within_s=20) == 0, process.log_text()
    lines = said.partition("all is well\n")[2].splitlines()
    return {name: judgement.strip() for name, _, judgement in (x.partition(" ") for x in lines)}


def test_a_look_tells_what_differs_and_what_does_not(processes: Processes) -> None:
    found = looked(processes, "--broken", "gamma_list_gone,cursor_ignored")
    assert list(found) == [
        "keyset", "clean_pages", "gamma_list", "clob", "data", "clock", "connection", "served",
        "dump_by_default", "repeated_book", "event_names", "spelling", "on_time", "chain",
    ]  # fmt: skip
    assert found.pop("keyset") == "differs: the cursor brings the first page again"
    assert "HTTP 404" in found.pop("gamma_list")
    # What the simulator breaks by default may differ; on a busy machine trades are late.
    holds = set(found) - {"clob", "dump_by_default", "repeated_book", "on_time"}
    assert {found[name] for name in holds} == {"ok"}
