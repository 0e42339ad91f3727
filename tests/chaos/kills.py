"""kill -9 at random instants, many times; what the journal had must be in the database."""

import os
import random
import signal
import time

from tests.chaos.fault import Fault
from tests.chaos.process_faults import tear
from tests.chaos.scene import Scene
from tests.live.stage import until

EARLY_SHARE, EARLY_S = 0.25, (0.2, 1.5)
"""This share of the runs is killed so many seconds after the start of the process."""
TRADES_BYTES, LATER_S = 20_000, 0.6
"""The others are killed at most so long after so much was journalled."""
SERVER_EVERY = 10
TEAR_EVERY = 3


def rounds(scene: Scene) -> None:
    """Kill, read the journal, restart; at the end compare with the database."""
    rng = random.Random(7)
    scene.overrides = {"TRACKER_ASSETS_PER_CONNECTION": "200"}
    scene.simulate(trades=300)
    struck = torn = 0
    began = time.monotonic()
    for number in range(1, scene.rounds + 1):
        _one_run(scene, rng, restart=number % SERVER_EVERY == 0)
        before = len(scene.acknowledged)
        scene.died()
        struck += len(scene.acknowledged) > before
        if number % TEAR_EVERY == 0 and scene.acknowledged:
            tear(scene, rng.randbytes(rng.randint(1, 200)))
            torn += 1
    scene.outcome.figures["seconds_a_round"] = (time.monotonic() - began) / scene.rounds
    scene.strike()
    scene.tracker()
    scene.flows(within_s=60)
    scene.outcome.recover_s = time.time() - scene.at
    scene.expect(struck > scene.rounds / 3, f"only {struck} kills struck while trades came")
    restarts = scene.rounds // SERVER_EVERY
    scene.note(
        f"{scene.rounds} kills, {struck} of them while trades came,"
        f" {restarts} immediate restarts, {torn} torn tails;"
        f" {len(scene.acknowledged)} trades acknowledged"
    )


def _one_run(scene: Scene, rng: random.Random, *, restart: bool) -> None:
    """Start a tracker and kill it: during its start, or soon after its first trades."""
    tracker = scene.tracker()
    if rng.random() < EARLY_SHARE:
        time.sleep(rng.uniform(*EARLY_S))
    else:
        grown = _bytes(scene) + TRADES_BYTES
        until("trades are journalled", lambda: _bytes(scene) >= grown)
        time.sleep(rng.uniform(0.0, LATER_S))
    if restart:
        scene.server.kill()
    os.kill(tracker.process.pid, signal.SIGKILL)
    tracker.process.wait()
    if restart:
        scene.server.start()


def _bytes(scene: Scene) -> int:
    segments = (scene.folder / "state" / "journal").glob("seg-*.log")
    return sum(path.stat().st_size for path in segments)


FAULTS = (
    Fault(
        number="kills",
        name="kill -9 at random instants",
        how="20 rounds (ROUNDS=200), every 10th with an immediate stop of the database",
        expected="0 acknowledged lost, 0 doubled",
        play=rounds,
        deadline_s=1200,
    ),
)
