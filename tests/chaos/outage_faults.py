"""F29-F33: the database is away, killed, cut off and frozen."""

import time

from actors.cli.status import WELL
from tests.chaos.checker import disorder
from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun, receives_all
from tests.chaos.proxy import CLEAN, Toxics

MOST_GROWTH_MIB = 50.0
WATCHDOG_S = 30.0
STALE_S = 30.0
"""A trade that waited in the journal for its database keeps the time at which it came."""


def absent_at_start(run: FaultRun) -> None:
    run.simulate(trades=200)
    run.server.stop()
    run.fault_begins()
    run.tracker()
    found = run.until_status("every token is received", receives_all)
    run.outcome.notice_s = time.time() - run.at
    run.expect(found["state"] != "healthy", "it reports that it is healthy")
    run.degraded("database_away", within_s=90)
    run.began = time.time()
    run.fault_ends()
    run.server.start()
    run.recovered(within_s=90)
    run.costs_nothing = False


def down_for_long(run: FaultRun) -> None:
    """A long outage under 500 trades/s."""
    run.start(trades=500)
    outage_s = 20.0 * run.scale
    run.fault_begins()
    run.server.stop()
    run.degraded("database_away", within_s=15)
    wrong, growth = _watch_outage(run, outage_s)
    run.expect(not wrong, f"{wrong} times the status did not say database_away")
    run.fault_ends()
    run.server.start()
    run.recovered(within_s=60 + outage_s)
    run.note(f"down {outage_s:.0f} s; memory + {growth:.0f} MiB")
    run.expect(growth <= MOST_GROWTH_MIB, f"memory grew by {growth:.0f} MiB")
    run.costs_nothing = True


def _watch_outage(run: FaultRun, seconds: float) -> tuple[int, float]:
    """Return how often the status was wrong and how much memory grew, in MiB."""
    course = [run.memory_mib()]
    wrong = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.25)
        course.append(run.memory_mib())
        said = run.status()
        wrong += bool(said) and "database_away" not in said["codes"]
    run.outcome.figures["memory_mib"] = [round(each) for each in course[:: len(course) // 20 + 1]]
    return wrong, max(course) - course[0]


def volume_of_an_hour(run: FaultRun) -> None:
    """The trades of an hour at 500/s within minutes, all of them while it is down.

    One feed: then the order in which trades were received is the order in which they were sent.
    """
    trades, rate = 1_800_000, 3_000
    if run.scale == 1.0:
        trades = 180_000
    one_feed = {"TRACKER_REDUNDANCY": "1", "TRACKER_ASSETS_PER_CONNECTION": "40"}
    run.start(trades=500, **one_feed)
    run.fault_begins()
    run.server.stop()
    run.degraded("database_away", within_s=15)
    run.admin("rates", trades_per_second=rate, noise_per_second=100)
    wrong, growth = _watch_outage(run, trades / rate)
    run.admin("rates", trades_per_second=200)
    run.expect(not wrong, f"{wrong} times the status did not say database_away")
    run.expect(growth <= MOST_GROWTH_MIB, f"memory grew by {growth:.0f} MiB")
    waiting = run.status()["accounting"]["in_journal"]
    run.fault_ends()
    run.server.start()
    began = time.monotonic()
    run.recovered(within_s=600)
    stored_s = time.monotonic() - began
    run.until_status("it is healthy", lambda found: found["state"] in WELL, within_s=90)
    run.quiet()
    run.until_status("all is stored", lambda found: not found["accounting"]["in_journal"])
    inverted, longest_s = disorder(run.ledger, run.plain_dsn)
    run.expect(not inverted, f"{inverted} trades were received before earlier ones")
    run.expect(longest_s < STALE_S, f"a trade has a received_at {longest_s:.1f} s late")
    run.note(
        f"{waiting} trades waited; memory + {growth:.0f} MiB;"
        f" stored in {stored_s:.0f} s ({waiting / stored_s:.0f}/s); order kept,"
        f" received at most {longest_s:.1f} s after they were made"
    )
    run.costs_nothing = True


def killed_in_a_loop(run: FaultRun) -> None:
    run.start(trades=500)
    run.fault_begins()
    for _ in range(max(6, round(6 * run.scale))):
        run.server.restart()
        time.sleep(1.0)
    run.fault_ends()
    run.recovered(within_s=60)
    run.costs_nothing = True


def cut_in_commit(run: FaultRun) -> None:
    """COMMIT arrives and its answer does not; and COMMIT does not arrive."""
    run.simulate()
    proxy = run.base
    run.start(trades=500)
    run.fault_begins()
    for after_s in (0.05, 0.0, -1.0) * max(2, round(2 * run.scale)):
        before = proxy.cuts
        proxy.toxics = Toxics(cut_at=b"COMMIT", cut_after_s=after_s)
        _until_cut(run, before)
        proxy.toxics = CLEAN
        live = lambda found: found["database"]["state"] == "live"  # noqa: E731
        run.until_status("it commits again", live, within_s=90)
    run.fault_ends()
    run.recovered(within_s=60)
    run.note(f"{proxy.cuts} connections cut")
    run.costs_nothing = True


def _until_cut(run: FaultRun, before: int) -> None:
    deadline = time.monotonic() + 30
    while run.base.cuts == before:
        if time.monotonic() > deadline:
            raise AssertionError("there was no COMMIT")
        time.sleep(0.005)


def frozen_backend(run: FaultRun) -> None:
    run.start(trades=500)
    run.fault_begins()
    thaw = run.server.freeze_backend(in_transaction=False)
    try:
        _noticed_in_time(run)
        run.fault_ends()
        run.recovered(within_s=90)
    finally:
        thaw()
    run.costs_nothing = True


def frozen_with_locks(run: FaultRun) -> None:
    """Nobody can store what it has locked, until it goes on and finds its client gone."""
    run.start(trades=500)
    run.fault_begins()
    thaw = run.server.freeze_backend(in_transaction=True)
    try:
        _noticed_in_time(run)
    finally:
        thaw()
    run.fault_ends()
    run.recovered(within_s=90)
    run.costs_nothing = True


def _noticed_in_time(run: FaultRun) -> None:
    run.noticed("database_away", within_s=WATCHDOG_S + 30)
    late = (run.outcome.notice_s or 0) > WATCHDOG_S + 5
    run.expect(not late, f"noticed later than {WATCHDOG_S:.0f} + 5 s")


def swallowed(run: FaultRun) -> None:
    """A black hole in the middle of the traffic: no error, no end."""
    run.simulate()
    proxy = run.base
    run.start(trades=500)
    run.fault_begins()
    proxy.toxics = Toxics(hole=True)
    run.noticed("database_away", within_s=WATCHDOG_S + 30)
    run.fault_ends()
    proxy.toxics = CLEAN
    run.recovered(within_s=90)
    run.costs_nothing = True


FAULTS = (
    Fault(
        number="F29",
        name="database down at the start",
        how="server stopped, tracker started, server started",
        expected="listens all the same, degraded; stored afterwards",
        run=absent_at_start,
        deadline_s=240,
    ),
    Fault(
        number="F30",
        name="database down for long, under load",
        how="server stopped for 20 s (200 s with HOURS) under 500 trades/s",
        expected="memory flat, status right all the time, no gap, all stored after",
        run=down_for_long,
        deadline_s=180,
    ),
    Fault(
        number="F30b",
        name="database down, the volume of hours",
        how="3,000 trades/s: 180,000 (1,800,000 with HOURS: an hour at 500/s)",
        expected="as F30",
        run=volume_of_an_hour,
        deadline_s=240,
    ),
    Fault(
        number="F31",
        name="immediate stops in a loop",
        how="postmaster gets SIGQUIT and is started again, 6 times",
        expected="exactly once",
        run=killed_in_a_loop,
    ),
    Fault(
        number="F32",
        name="cut during COMMIT",
        how="the proxy resets after COMMIT was handed on, or instead, 6 times",
        expected="exactly once",
        run=cut_in_commit,
        deadline_s=400,
    ),
    Fault(
        number="F33",
        name="backend frozen by SIGSTOP",
        how="the process that serves the tracker is stopped between two transactions",
        expected="the socket is shut from outside after 30 s; stored by another session",
        run=frozen_backend,
        deadline_s=240,
    ),
    Fault(
        number="F33b",
        name="black hole before the database",
        how="the proxy swallows all",
        expected="as F33",
        run=swallowed,
        deadline_s=240,
    ),
    Fault(
        number="F33c",
        name="backend frozen in a transaction",
        how="as F33, with the locks of an open transaction",
        expected="as F33; stored when it goes on",
        run=frozen_with_locks,
        deadline_s=240,
    ),
)
