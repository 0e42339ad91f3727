"""kill -9 at random instants, over and over; what the journal had must be in the database."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from fault import Fault
from process_faults import tear
from scene import Scene
from stage import until

from actors.edge.journal import Journal
from actors.logic import feed, record
from actors.logic.record import Entry
from actors.logic.trade import Print

MIB = 1 << 20
EARLY_SHARE, EARLY_S = 0.25, (0.2, 1.5)
"""Of so many lives the end comes so many seconds after the start of the process."""
PRINTS_BYTES, LATER_S = 20_000, 0.6
"""The others end so soon after so much was journalled."""
SERVER_EVERY = 10
TEAR_EVERY = 3
Key = tuple[str, int, str, int]
"""(token, exchange ms, transaction hash or '', occurrence)."""

_ROWS = """
    select token_id, (extract(epoch from traded_at) * 1000)::bigint,
           coalesce(transaction_hash, ''), occurrence
    from trades
"""


def rounds(scene: Scene) -> None:
    """Kill, look at what the journal has, restart; at the end compare with the database."""
    rng = random.Random(7)
    scene.overrides = {"TRACKER_ASSETS_PER_CONNECTION": "200"}
    scene.simulate(prints=300)
    acked: set[Key] = set()
    read_to, struck, torn = 1, 0, 0
    began = time.monotonic()
    for number in range(1, scene.rounds + 1):
        _one_life(scene, rng, restart=number % SERVER_EVERY == 0)
        found, read_to = journalled(scene.folder / "state" / "journal", read_to)
        acked |= found
        struck += bool(found)
        if number % TEAR_EVERY == 0 and read_to > 1:
            tear(scene, rng.randbytes(rng.randint(1, 200)))
            torn += 1
    scene.outcome.figures["seconds_a_round"] = (time.monotonic() - began) / scene.rounds
    scene.strike()
    scene.tracker()
    scene.flows(within_s=60)
    scene.outcome.recover_s = time.time() - scene.at
    compare(scene, acked)
    scene.expect(struck > scene.rounds / 3, f"only {struck} kills struck while prints came")
    restarts = scene.rounds // SERVER_EVERY
    scene.note(
        f"{scene.rounds} kills, {struck} of them while prints came,"
        f" {restarts} immediate restarts, {torn} torn tails"
    )


def _one_life(scene: Scene, rng: random.Random, *, restart: bool) -> None:
    """Start a tracker and kill it: in its start, or a little after its first prints."""
    tracker = scene.tracker()
    if rng.random() < EARLY_SHARE:
        time.sleep(rng.uniform(*EARLY_S))
    else:
        grown = _bytes(scene) + PRINTS_BYTES
        until("prints are journalled", lambda: _bytes(scene) >= grown)
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


def journalled(directory: Path, read_to: int) -> tuple[set[Key], int]:
    """Read a dead tracker's journal from a copy; give its prints and where it ends."""
    if not directory.exists():
        return set(), read_to
    copy = directory.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("reserve"))
    journal = Journal.open(copy, max_bytes=1 << 40, reserve_bytes=0, sync_interval_s=3600)
    try:
        found = set(_keys(journal, read_to))
        return found, journal.next_seq
    finally:
        journal.close()
        shutil.rmtree(copy, ignore_errors=True)


def _keys(journal: Journal, read_to: int) -> Iterator[Key]:
    for item in journal.read(read_to):
        if not isinstance(item, Entry):
            continue
        kept = record.decode(item.body)
        if isinstance(kept, record.FrameSeen):
            prints = feed.decode(kept.raw, kept.received_at_ns).prints
            for found, occurrence in zip(prints, kept.occurrences, strict=True):
                yield _key(found, occurrence)


def _key(found: Print, occurrence: int) -> Key:
    return found.token_id, found.traded_at_ms, found.transaction_hash or "", occurrence


def compare(scene: Scene, acked: set[Key]) -> None:
    """What a journal had in its last moment must be stored, gap or no gap."""
    rows = scene.server.ask(_ROWS, db=scene.plain_dsn)
    lost = acked - {(token, ms, sent, occurrence) for token, ms, sent, occurrence in rows}
    scene.outcome.figures["acknowledged"] = len(acked)
    scene.expect(not lost, f"{len(lost)} of {len(acked)} acknowledged prints are not stored")
    scene.note(f"{len(acked)} prints seen in dead journals")


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
