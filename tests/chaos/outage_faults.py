"""F29-F33: the database is away, killed, cut off and frozen."""

import time

from tests.chaos.checker import disorder
from tests.chaos.fault import Fault
from tests.chaos.proxy import CLEAN, Toxics
from tests.chaos.scene import Scene, hears_all

MOST_GROWTH_MIB = 50.0
WATCHDOG_S = 30.0
STALE_S = 30.0
"""A trade that waited in the journal for its database keeps the time at which it came."""


def absent_at_start(scene: Scene) -> None:
    scene.simulate(trades=200)
    scene.server.stop()
    scene.strike()
    scene.tracker()
    found = scene.until_status("every token is heard", hears_all)
    scene.outcome.notice_s = time.time() - scene.at
    scene.expect(found["state"] != "healthy", "it reports that it is healthy")
    scene.degraded("database_away", within_s=90)
    scene.began = time.time()
    scene.over()
    scene.server.start()
    scene.recovered(within_s=90)
    scene.costs_nothing = False


def down_for_long(scene: Scene) -> None:
    """A long outage under 500 trades/s."""
    scene.play(trades=500)
    outage_s = 20.0 * scene.scale
    scene.strike()
    scene.server.stop()
    scene.degraded("database_away", within_s=15)
    wrong, growth = _watch_outage(scene, outage_s)
    scene.expect(not wrong, f"{wrong} times the status did not say database_away")
    scene.over()
    scene.server.start()
    scene.recovered(within_s=60 + outage_s)
    scene.note(f"down {outage_s:.0f} s; memory + {growth:.0f} MiB")
    scene.expect(growth <= MOST_GROWTH_MIB, f"memory grew by {growth:.0f} MiB")
    scene.costs_nothing = True


def _watch_outage(scene: Scene, seconds: float) -> tuple[int, float]:
    """Return how often the status was wrong and how much memory grew, in MiB."""
    course = [scene.memory_mib()]
    wrong = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.25)
        course.append(scene.memory_mib())
        said = scene.status()
        wrong += bool(said) and "database_away" not in said["codes"]
    scene.outcome.figures["memory_mib"] = [round(each) for each in course[:: len(course) // 20 + 1]]
    return wrong, max(course) - course[0]


def volume_of_an_hour(scene: Scene) -> None:
    """The trades of an hour at 500/s within minutes, all of them while it is down.

    One feed: then the order in which trades were received is the order in which they were sent.
    """
    trades, rate = 1_800_000, 3_000
    if scene.scale == 1.0:
        trades = 180_000
    one_feed = {"TRACKER_REDUNDANCY": "1", "TRACKER_ASSETS_PER_CONNECTION": "40"}
    scene.play(trades=500, **one_feed)
    scene.strike()
    scene.server.stop()
    scene.degraded("database_away", within_s=15)
    scene.admin("rates", trades_per_second=rate, noise_per_second=100)
    wrong, growth = _watch_outage(scene, trades / rate)
    scene.admin("rates", trades_per_second=200)
    scene.expect(not wrong, f"{wrong} times the status did not say database_away")
    scene.expect(growth <= MOST_GROWTH_MIB, f"memory grew by {growth:.0f} MiB")
    waiting = scene.status()["accounting"]["in_journal"]
    scene.over()
    scene.server.start()
    began = time.monotonic()
    scene.recovered(within_s=600)
    stored_s = time.monotonic() - began
    scene.until_status("it is healthy", lambda found: found["state"] == "healthy", within_s=90)
    scene.quiet()
    scene.until_status("all is stored", lambda found: not found["accounting"]["in_journal"])
    inverted, longest_s = disorder(scene.ledger, scene.plain_dsn)
    scene.expect(not inverted, f"{inverted} trades were received before earlier ones")
    scene.expect(longest_s < STALE_S, f"a trade has a received_at {longest_s:.1f} s late")
    scene.note(
        f"{waiting} trades waited; memory + {growth:.0f} MiB;"
        f" stored in {stored_s:.0f} s ({waiting / stored_s:.0f}/s); order kept,"
        f" received at most {longest_s:.1f} s after they were made"
    )
    scene.costs_nothing = True


def killed_in_a_loop(scene: Scene) -> None:
    scene.play(trades=500)
    scene.strike()
    for _ in range(max(6, round(6 * scene.scale))):
        scene.server.restart()
        time.sleep(1.0)
    scene.over()
    scene.recovered(within_s=60)
    scene.costs_nothing = True


def cut_in_commit(scene: Scene) -> None:
    """COMMIT arrives and its answer does not; and COMMIT does not arrive."""
    scene.simulate()
    proxy = scene.base
    scene.play(trades=500)
    scene.strike()
    for after_s in (0.05, 0.0, -1.0) * max(2, round(2 * scene.scale)):
        before = proxy.cuts
        proxy.toxics = Toxics(cut_at=b"COMMIT", cut_after_s=after_s)
        _until_cut(scene, before)
        proxy.toxics = CLEAN
        live = lambda found: found["database"]["state"] == "live"  # noqa: E731
        scene.until_status("it commits again", live, within_s=90)
    scene.over()
    scene.recovered(within_s=60)
    scene.note(f"{proxy.cuts} connections cut")
    scene.costs_nothing = True


def _until_cut(scene: Scene, before: int) -> None:
    deadline = time.monotonic() + 30
    while scene.base.cuts == before:
        if time.monotonic() > deadline:
            raise AssertionError("there was no COMMIT")
        time.sleep(0.005)


def frozen_backend(scene: Scene) -> None:
    scene.play(trades=500)
    scene.strike()
    thaw = scene.server.freeze_backend()
    try:
        scene.noticed("database_away", within_s=WATCHDOG_S + 30)
        late = (scene.outcome.notice_s or 0) > WATCHDOG_S + 5
        scene.expect(not late, f"noticed later than {WATCHDOG_S:.0f} + 5 s")
        scene.over()
        scene.recovered(within_s=90)
    finally:
        thaw()
    scene.costs_nothing = True


def swallowed(scene: Scene) -> None:
    """A black hole in the middle of the traffic: no error, no end."""
    scene.simulate()
    proxy = scene.base
    scene.play(trades=500)
    scene.strike()
    proxy.toxics = Toxics(hole=True)
    scene.noticed("database_away", within_s=WATCHDOG_S + 30)
    scene.over()
    proxy.toxics = CLEAN
    scene.recovered(within_s=90)
    scene.costs_nothing = True


FAULTS = (
    Fault(
        number="F29",
        name="database down at the start",
        how="server stopped, tracker started, server started",
        expected="listens all the same, degraded; stored afterwards",
        play=absent_at_start,
        deadline_s=240,
    ),
    Fault(
        number="F30",
        name="database down for long, under load",
        how="server stopped for 20 s (200 s with HOURS) under 500 trades/s",
        expected="memory flat, status right all the time, no gap, all stored after",
        play=down_for_long,
        deadline_s=180,
    ),
    Fault(
        number="F30b",
        name="database down, the volume of hours",
        how="3,000 trades/s: 180,000 (1,800,000 with HOURS: an hour at 500/s)",
        expected="as F30",
        play=volume_of_an_hour,
        deadline_s=240,
    ),
    Fault(
        number="F31",
        name="immediate stops in a loop",
        how="postmaster gets SIGQUIT and is started again, 6 times",
        expected="exactly once",
        play=killed_in_a_loop,
    ),
    Fault(
        number="F32",
        name="cut during COMMIT",
        how="the proxy resets after COMMIT was handed on, or instead, 6 times",
        expected="exactly once",
        play=cut_in_commit,
        deadline_s=400,
    ),
    Fault(
        number="F33",
        name="backend frozen by SIGSTOP",
        how="the process that serves the tracker is stopped",
        expected="the socket is shut from outside after 30 s; stored afterwards",
        play=frozen_backend,
        deadline_s=240,
    ),
    Fault(
        number="F33b",
        name="black hole before the database",
        how="the proxy swallows all",
        expected="as F33",
        play=swallowed,
        deadline_s=240,
    ),
)
