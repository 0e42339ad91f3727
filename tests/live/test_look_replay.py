"""A look that was recorded, served again offline: looks and trackers find what was found then."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.simulator.beliefs import DEFAULTS
from actors.simulator.judge import judge, ledger_lines
from tests.live.processes import Process, Processes, processes_in, until
from tests.postgres import open_folder

pytestmark = [pytest.mark.live]

# None ends, so that no token of a subscription is gone meanwhile.
BUSY = (
    "--markets", "150", "--ending", "0", "--markets-per-second", "0",
    "--trades-per-second", "200", "--noise-per-second", "200",
)  # fmt: skip
INTACT = ("--intact", ",".join(DEFAULTS))
BROKEN = ("--broken", "numbers,late_3s,gamma_list_gone,cursor_ignored,repeat_empty,clock_-30s")


@pytest.fixture
def processes() -> Iterator[Processes]:
    with open_folder() as place, processes_in(place, "") as found:
        yield found


@pytest.fixture
def with_database(empty_database: str) -> Iterator[Processes]:
    with open_folder() as place, processes_in(place, empty_database) as found:
        yield found


def look(processes: Processes, *options: str) -> dict[str, str]:
    """Return what a look says, without the figures that depend on how fast this machine is."""
    env = {
        name: value
        for name, value in processes.settings().items()
        if name.endswith(("_URL", "_URLS", "_DIR")) and not name.endswith("DATABASE_URL")
    }
    arguments = ["--check", "--online", *options]
    process = Process("tracker", arguments, env, processes.folder / "errors")
    assert process.process.stdout is not None
    text = process.process.stdout.read()
    assert process.stop() == 0, process.log_text()
    lines = text.partition("all is well\n")[2].splitlines()
    found = {name: rest.strip() for name, _, rest in (line.partition(" ") for line in lines)}
    found.pop("recording", None)
    return {name: plain(rest) for name, rest in found.items()}


def plain(judgement: str) -> str:
    return re.sub(r"about \d+ kB|\d+ of \d+ trades|[+-]\d+\.\d s", "#", judgement)


def lasts_ms(ledger: Path) -> int:
    """Return for how long trades have been made."""
    times = [int(line["ts"]) for line in ledger_lines(ledger) if line["kind"] == "trade"]
    return max(times, default=0) - min(times, default=0)


def replayed(processes: Processes, folder: Path, *options: str) -> Process:
    return processes.simulator("--replay", str(folder), *options)


# How far a listing comes, and how late trades are, differs where two looks have not the same time.
@pytest.mark.alone
@pytest.mark.parametrize(
    "broken", [pytest.param((), marks=pytest.mark.long), BROKEN], ids=["intact", "broken"]
)
def test_a_look_at_a_recording_finds_what_was_found_when_it_was_made(
    processes: Processes, broken: tuple[str, ...]
) -> None:
    folder = processes.folder / "look"
    simulator = processes.simulator(*BUSY, *INTACT, *broken)
    until("trades are late", lambda: lasts_ms(processes.ledger) > 5000)
    then = look(processes, "--record", str(folder))
    assert simulator.stop() == 0
    kept = [json.loads(line) for line in (folder / "recording.jsonl").read_text().splitlines()]
    findings = [line for line in kept if line["kind"] == "finding"]
    assert {line["name"]: plain(line["judgement"]) for line in findings} == then
    differing = {name for name, rest in then.items() if rest.startswith("differs")}
    expected = {"keyset", "gamma_list", "clock", "repeated_book", "spelling", "on_time"}
    assert differing == (expected if broken else set()), then
    replayed(processes, folder)
    assert look(processes) == then
    if not broken:
        assert look(processes) == then  # as often as one looks


def trades_in(folder: Path) -> int:
    frames = [json.loads(line) for line in (folder / "recording.jsonl").read_text().splitlines()]
    texts = [line["text"] for line in frames if line["kind"] == "frame"]
    return sum(text.count('"event_type":"last_trade_price"') for text in texts)


@pytest.mark.db
@pytest.mark.parametrize(
    ("broken", "code"),
    [
        pytest.param((), "", marks=pytest.mark.long),
        (("--broken", "lower_side"), "protocol_drift"),
    ],
    ids=["intact", "broken"],
)
def test_a_tracker_stores_what_was_recorded_and_says_what_differs(
    with_database: Processes, broken: tuple[str, ...], code: str
) -> None:
    processes = with_database
    folder = processes.folder / "look"
    simulator = processes.simulator(*BUSY, *INTACT, *broken)
    look(processes, "--record", str(folder))
    assert simulator.stop() == 0
    processes.ledger.unlink()
    simulator = replayed(processes, folder)
    tracker = processes.tracker()
    recorded = trades_in(folder)
    assert recorded >= 100
    processes.until_status(
        "all that was recorded is stored",
        lambda found: found["trades"]["total"] >= recorded and (not code or code in found["codes"]),
        within_s=60,
    )
    status: dict[str, Any] = processes.status()
    assert status["trades"]["total"] == recorded
    assert status["state"] != "degraded"
    assert tracker.stop() == 0
    assert simulator.stop() == 0
    if not broken:
        judgement = judge(processes.ledger, processes.dsn)
        assert (judgement.sent, judgement.stored) == (recorded, recorded)
        assert judgement.clean
