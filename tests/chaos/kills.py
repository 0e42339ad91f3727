"""kill -9 at random instants, many times; what the journal had must be in the database."""

import os
import random
import signal
import time

from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun
from tests.chaos.process_faults import tear
from tests.live.processes import until

EARLY_SHARE, EARLY_S = 0.25, (0.2, 1.5)
"""This share of the runs is killed so many seconds after the start of the process."""
TRADES_BYTES, LATER_S = 20_000, 0.6
"""The others are killed at most so long after so much was journalled."""
SERVER_EVERY = 10
TEAR_EVERY = 3


def rounds(run: FaultRun) -> None:
    """Kill, read the journal, restart; at the end compare with the database."""
    rng = random.Random(7)
    run.overrides = {"TRACKER_ASSETS_PER_CONNECTION": "200"}
    run.simulate(trades=300)
    during_trades = torn = 0
    began = time.monotonic()
    for number in range(1, run.rounds + 1):
        _one_run(run, rng, restart=number % SERVER_EVERY == 0)
        before = len(run.acknowledged)
        run.died()
        during_trades += len(run.acknowledged) > before
        if number % TEAR_EVERY == 0 and run.acknowledged:
            tear(run, rng.randbytes(rng.randint(1, 200)))
            torn += 1
    run.outcome.figures["seconds_a_round"] = (time.monotonic() - began) / run.rounds
    run.fault_begins()
    run.tracker()
    run.flows(within_s=60)
    run.outcome.recover_s = time.time() - run.at
    run.expect(during_trades > run.rounds / 3, f"only {during_trades} kills while trades came")
    restarts = run.rounds // SERVER_EVERY
    run.note(
        f"{run.rounds} kills, {during_trades} of them while trades came,"
        f" {restarts} immediate restarts, {torn} torn tails;"
        f" {len(run.acknowledged)} trades acknowledged"
    )


def _one_run(run: FaultRun, rng: random.Random, *, restart: bool) -> None:
    """Start a tracker and kill it: during its start, or soon after its first trades."""
    tracker = run.tracker()
    if rng.random() < EARLY_SHARE:
        time.sleep(rng.uniform(*EARLY_S))
    else:
        grown = _bytes(run) + TRADES_BYTES
        until("trades are journalled", lambda: _bytes(run) >= grown)
        time.sleep(rng.uniform(0.0, LATER_S))
    if restart:
        run.server.kill()
    os.kill(tracker.process.pid, signal.SIGKILL)
    tracker.process.wait()
    if restart:
        run.server.start()


def _bytes(run: FaultRun) -> int:
    segments = (run.folder / "state" / "journal").glob("seg-*.log")
    return sum(path.stat().st_size for path in segments)


FAULTS = (
    Fault(
        number="kills",
        name="kill -9 at random instants",
        how="20 rounds (ROUNDS=200), every 10th with an immediate stop of the database",
        expected="0 acknowledged lost, 0 doubled",
        run=rounds,
        deadline_s=1200,
    ),
)
