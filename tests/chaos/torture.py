"""The torture: every fault, run with real processes, with one line of result each.

    make torture                    all of it, some minutes
    make torture ONLY=F1,F43        these
    make torture HOURS=2            long outages, many rounds, again and again for two hours
    make torture JOBS=1             one at a time (default: one for each processor, 4 at most)
    make torture ONLY=years SCALE=0.05    on a store of the size of years; only when it is named
    make torture ONLY=container     the image, built and run by Podman; only when it is named
    make torture ONLY=hostile       strangers who mean harm, all at once; only when it is named

Each fault runs in a process of its own (`--one`), so that one that hangs is ended
at its deadline and does not disturb the others. The report is `torture.json`.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.chaos import (
    alert_faults,
    bug_faults,
    container_faults,
    damage_faults,
    database_faults,
    disk_faults,
    feed_faults,
    hostile_faults,
    kills,
    network_faults,
    night,
    outage_faults,
    outcome_faults,
    process_faults,
    stop_faults,
    time_faults,
)
from tests.chaos.fault import FAIL, PASS, SKIP, Fault, Outcome
from tests.chaos.fault_run import carry_out, carry_out_alone, fault_run
from tests.chaos.mounts import own_mounts, small_disk
from tests.chaos.server import OwnServer
from tests.live.processes import ROOT
from tests.years import scenarios
from tests.years.generate import DEFAULT_SCALE

FAULTS: tuple[Fault, ...] = (
    *process_faults.FAULTS,
    *stop_faults.FAULTS,
    *bug_faults.FAULTS,
    *disk_faults.FAULTS,
    *damage_faults.FAULTS,
    *outage_faults.FAULTS,
    *database_faults.FAULTS,
    *network_faults.FAULTS,
    *feed_faults.FAULTS,
    *time_faults.FAULTS,
    *outcome_faults.FAULTS,
    *kills.FAULTS,
    *alert_faults.FAULTS,
)
GROUPS = {
    "alerts": alert_faults.FAULTS,
    "container": container_faults.FAULTS,
    "hostile": hostile_faults.FAULTS,
    "night": night.FAULTS,
    "years": scenarios.FAULTS,
}
EXIT_OK, EXIT_FAILED, EXIT_CONFIG = 0, 1, 78
PREFIX = "tracker-torture-"
GRACE_S = 60.0
"""What start, stop and comparison may take beyond the deadline of a fault."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the command line; return the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.one:
        return _one(asked)
    try:
        chosen = select(asked.only)
    except KeyError as exc:
        _say(f"torture: no fault {exc}; there are {', '.join(f.number for f in FAULTS)}")
        return EXIT_CONFIG
    return _all(chosen, asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="torture", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--only", default="", help="numbers, comma-separated")
    add("--hours", type=float, default=0.0, help="go on for so long, with longer faults")
    add("--rounds", type=int, default=0, help="rounds of kills (20; with --hours 200)")
    add("--scale", type=float, default=DEFAULT_SCALE, help="of the store at the size of years")
    add("--jobs", type=int, default=min(4, os.cpu_count() or 1), help="how many at a time")
    add("--report", type=Path, default=ROOT / "torture.json", help="where the report goes")
    add("--keep", action="store_true", help="keep the folders, with logs and ledgers")
    add("--one", help=argparse.SUPPRESS)
    return parser


def select(only: str) -> list[Fault]:
    """Return the faults that are named, by number or as a group, or all.

    Raises:
        KeyError: One is not known.
    """
    if not only:
        return list(FAULTS)
    grouped = (fault for group in GROUPS.values() for fault in group)
    known = {fault.number.lower(): fault for fault in (*FAULTS, *grouped)}
    names = [name.strip().lower() for name in only.split(",") if name.strip()]
    return [fault for name in names for fault in GROUPS.get(name) or (known[name],)]


# ------------------------------------------------------------------ the runner


def _all(chosen: list[Fault], asked: argparse.Namespace) -> int:
    """Run the faults, repeatedly until the hours are over, and write the report."""
    end = time.monotonic() + asked.hours * 3600
    outcomes: list[Outcome] = []
    while True:
        outcomes += _round(chosen, asked)
        if time.monotonic() >= end:
            break
    counts = {word: sum(o.result == word for o in outcomes) for word in (PASS, FAIL, SKIP)}
    report = {"counts": counts, "faults": [outcome.as_dict() for outcome in outcomes]}
    asked.report.write_text(json.dumps(report, indent=1) + "\n")
    _say(f"{counts[PASS]} passed, {counts[FAIL]} failed, {counts[SKIP]} skipped; {asked.report}")
    return EXIT_FAILED if counts[FAIL] else EXIT_OK


def _round(chosen: list[Fault], asked: argparse.Namespace) -> list[Outcome]:
    found: dict[str, Outcome] = {}
    # What measures has the machine for itself.
    jobs = 1 if any(fault.alone for fault in chosen) else max(1, asked.jobs)
    with ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(_apart, fault, asked) for fault in chosen]
        for run in as_completed(runs):
            outcome = run.result()
            found[outcome.number] = outcome
            _say(outcome.line())
    return [found[fault.number] for fault in chosen]


def _apart(fault: Fault, asked: argparse.Namespace) -> Outcome:
    """Run one fault in a process of its own; end that at its deadline."""
    outcome = _empty(fault)
    missing = lacking(fault)
    if missing:
        outcome.result, outcome.notes = SKIP, [f"needs {missing}"]
        return outcome
    scale = 10.0 if asked.hours else 1.0
    command = [sys.executable, "-m", "tests.chaos.torture", "--one", fault.number]
    command += ["--rounds", str(asked.rounds), "--hours", str(asked.hours)]
    command += ["--scale", str(asked.scale)]
    command += ["--keep"] if asked.keep else []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=fault.deadline_s * scale + GRACE_S)
        return Outcome(**json.loads(said.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        outcome.broken = ["did not end"]
    except (IndexError, ValueError):
        outcome.broken = [f"the run ended with exit code {process.returncode}"]
    finally:
        _end(process)
    outcome.result = FAIL
    return outcome


def _end(process: subprocess.Popen[str]) -> None:
    """End a run; its children have sessions of their own and end with it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def lacking(fault: Fault) -> str:
    """Return what the machine lacks for a fault, or nothing."""
    for need in fault.needs:
        if need == "root" and os.geteuid() != 0:
            return "root"
        if need.startswith("/"):
            if not Path(need).exists():
                return need
        elif need != "root" and shutil.which(need) is None:
            return need
    return ""


def _empty(fault: Fault) -> Outcome:
    return Outcome(number=fault.number, name=fault.name, how=fault.how, expected=fault.expected)


# ------------------------------------------------------------------- one fault


def _one(asked: argparse.Namespace) -> int:
    """Run one fault here; the last line on stdout is its outcome."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_FAILED))
    fault = select(asked.one)[0]
    outcome = _empty(fault)
    if fault.proof:
        _prove(fault, outcome)
    if fault.alone is not None:
        with _folder(fault, keep=asked.keep) as folder:
            carry_out_alone(fault.alone, folder, outcome, asked.scale)
    if fault.run is not None:
        own_mounts()
        with _folder(fault, keep=asked.keep) as folder, _served(folder, fault) as server:
            scale = 10.0 if asked.hours else 1.0
            with fault_run(folder, server, outcome, scale=scale) as found:
                found.rounds = asked.rounds or round(20 * scale)
                carry_out(fault.run, found)
    _say(json.dumps(outcome.as_dict()))
    return EXIT_OK


def _prove(fault: Fault, outcome: Outcome) -> None:
    """Run the tests that prove a fault; the line names the first of them."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *fault.proof], cwd=ROOT, capture_output=True, text=True, check=False
    )
    outcome.seconds = round(time.monotonic() - began, 1)
    first, *more = fault.proof
    outcome.notes.append(f"{first}{f' and {len(more)} more' if more else ''}")
    if done.returncode:
        outcome.result = FAIL
        outcome.broken.append(" ".join(done.stdout.split())[-300:])


@contextlib.contextmanager
def _folder(fault: Fault, *, keep: bool) -> Iterator[Path]:
    """Return a folder that others may enter: as root, the database server is not us."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{fault.number}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if keep:
            sys.stderr.write(f"{fault.number}: kept {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _served(folder: Path, fault: Fault) -> Iterator[OwnServer]:
    with contextlib.ExitStack() as mounts:
        if fault.server_mib:
            mounts.enter_context(small_disk(folder / "pg", fault.server_mib))
        server = OwnServer(folder / "pg")
        try:
            yield server
        finally:
            if server.up:
                server.stop()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
