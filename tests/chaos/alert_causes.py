"""Causes of alerts: each context manager begins a fault on entry and ends it on exit."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg

from tests.chaos import tracer
from tests.chaos.bug_faults import SABOTAGE
from tests.chaos.fault_run import FaultRun, python, receives_all
from tests.chaos.monitor import FASTER, Monitor
from tests.chaos.proxy import CLEAN, Toxics
from tests.live.processes import ROOT, until

LONG_S = 600
FREE_MIB, LITTLE_MIB = 2048, 600
ACKNOWLEDGE = """
    update resolution_conflicts set cleared_at = now(), cleared_by = 'acknowledged: decided'
    where cleared_at is null returning condition_id
"""

SHORT_AUDITS = str(ROOT / "tests" / "live" / "short_audits.py")
TAKE = """
    delete from tracker.trades t where (t.traded_at, t.asset_key, t.trade_hash) = (
      select u.traded_at, u.asset_key, u.trade_hash from tracker.trades u
      where u.traded_at >= to_timestamp(%s / 1000.0) and u.size >= 1 order by u.traded_at limit 1)
    returning t.*
"""
PUT_BACK = b"insert into tracker.trades values (" + b", ".join([b"%s"] * 14) + b")"

Bring = Callable[[FaultRun, Monitor], AbstractContextManager[None]]


def _again(run: FaultRun) -> None:
    """Stop the tracker cleanly and start it again without the broken method."""
    assert run.tracked is not None
    run.tracked.stop()
    run.tracker()
    run.flows()


@contextlib.contextmanager
def down(run: FaultRun, _: Monitor) -> Iterator[None]:
    run.at = run.kill()
    yield
    run.tracker()
    run.flows()


@contextlib.contextmanager
def restarting(run: FaultRun, monitor: Monitor) -> Iterator[None]:
    run.fault_begins()
    began = monitor.value("tracker_start_time_seconds")
    for _ in range(3):
        before = began
        run.kill()
        run.tracker()
        fresh = lambda: monitor.value("tracker_start_time_seconds") not in (None, before)  # noqa: B023, E731
        until("the new process is scraped", fresh)
        run.flows()
        began = monitor.value("tracker_start_time_seconds")
    yield


@contextlib.contextmanager
def disconnected(run: FaultRun, _: Monitor) -> Iterator[None]:
    with _lasting(run, "reject_ws", status=503):
        run.feed.reset()
        yield


@contextlib.contextmanager
def one_rejected(run: FaultRun, _: Monitor) -> Iterator[None]:
    with _lasting(run, "reject_ws", status=503):
        run.admin("fault", kind="drop", count=1)
        yield


@contextlib.contextmanager
def some_rejected_later(run: FaultRun, monitor: Monitor) -> Iterator[None]:
    """Two connections, when the tracker is no longer taken for one that has just started.

    At least one of them has tokens. Those that are down for less than a minute are a gap without
    another reason.
    """
    old = lambda: (monitor.value("tracker_uptime_seconds") or 0) > 1800 // FASTER  # noqa: E731
    until("it runs for long enough", old, within_s=90)
    with _lasting(run, "reject_ws", status=503):
        run.admin("fault", kind="drop", count=2)
        yield


@contextlib.contextmanager
def coverage_lost(run: FaultRun, _: Monitor) -> Iterator[None]:
    """Connections end one by one, and the exchange sends no books on new ones, until one is left.

    With all of them gone it would be another alert. Nobody trades meanwhile, as in `unconfirmed`.
    """
    run.quiet()
    wanted = int(run.status()["assets"]["wanted"])
    with _lasting(run, "no_books"):
        covered = wanted
        while 2 * covered >= wanted:
            run.admin("fault", kind="drop", count=1)
            time.sleep(2)  # until its end is in the status; one without tokens changes nothing
            covered = int(run.status()["assets"]["covered"])
        yield
    run.admin("fault", kind="drop", count=99)
    run.admin("rates", trades_per_second=200)


@contextlib.contextmanager
def no_trades(run: FaultRun, _: Monitor) -> Iterator[None]:
    run.fault_begins()
    run.admin("rates", trades_per_second=0)
    yield
    run.admin("rates", trades_per_second=200)


@contextlib.contextmanager
def exchange_silent(run: FaultRun, _: Monitor) -> Iterator[None]:
    with _lasting(run, "freeze_all"):
        yield


@contextlib.contextmanager
def unconfirmed(run: FaultRun, _: Monitor) -> Iterator[None]:
    """Markets begin on connections that listen already, and no book of them is sent.

    A connection without any book does not listen: that is another alert. Nobody trades
    meanwhile: books follow many trades, and such a book confirms the token as well.
    """
    run.quiet()
    with _lasting(run, "no_books"):
        for winner in (0, 1):
            run.admin("market", fate="clean", winner=winner, life_s=90_000)
        yield
    run.admin("fault", kind="drop", count=99)
    run.admin("rates", trades_per_second=200)


@contextlib.contextmanager
def http_dead(run: FaultRun, _: Monitor) -> Iterator[None]:
    """Every HTTP source answers 500 while a market is due."""
    run.admin("market", fate="clean", winner=0, life_s=5)
    wanted = int(run.status()["assets"]["wanted"])
    run.until_status("it is found", lambda found: found["assets"]["wanted"] > wanted)
    with _lasting(run, "http_500"):
        yield


@contextlib.contextmanager
def unwanted(run: FaultRun, _: Monitor) -> Iterator[None]:
    """No token is wanted. Nobody trades meanwhile: a token that is not wanted has no gap."""
    assert run.tracked is not None
    run.quiet()
    run.tracked.stop()
    run.fault_begins()
    run.tracker(TRACKER_TAGS="nobody-has-this-tag")
    yield
    run.tracked.stop()
    run.tracker()
    run.until_status("every token is received", receives_all)
    run.admin("rates", trades_per_second=200)


@contextlib.contextmanager
def database_away(run: FaultRun, _: Monitor) -> Iterator[None]:
    run.admin("rates", trades_per_second=500)
    run.fault_begins()
    run.server.stop()
    yield
    run.admin("rates", trades_per_second=200)
    run.server.start()


@contextlib.contextmanager
def behind(run: FaultRun, _: Monitor) -> Iterator[None]:
    run.fault_begins()
    run.base.toxics = Toxics(latency_s=0.6)
    yield
    run.base.toxics = CLEAN


@contextlib.contextmanager
def disk_low(run: FaultRun, _: Monitor) -> Iterator[None]:
    """The disk becomes smaller, as if another program had filled it."""
    run.fault_begins()
    state = run.folder / "state"
    _resized(state, LITTLE_MIB)
    yield
    _resized(state, FREE_MIB)


def _resized(disk: Path, mib: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={mib}m", str(disk)], check=True)


@contextlib.contextmanager
def disk_slow(run: FaultRun, _: Monitor) -> Iterator[None]:
    assert run.tracked is not None
    run.fault_begins()
    with tracer.attached(run.tracked.process.pid, "fdatasync:delay_enter=1500ms"):
        yield


@contextlib.contextmanager
def storing_stopped(run: FaultRun, _: Monitor) -> Iterator[None]:
    """Somebody changes the schema; once undone, a restart saves the wait of five minutes."""
    run.fault_begins()
    table = "alter table tracker.trades"
    run.server.run(f"{table} add constraint wrong check (price < 0) not valid", db=run.plain_dsn)
    yield
    run.server.run(f"{table} drop constraint wrong", db=run.plain_dsn)
    _again(run)
    rows = run.server.ask("select count(*) from rejected_messages", db=run.plain_dsn)
    run.set_aside = int(rows[0][0])
    run.note(f"{run.set_aside} trades were rejected before it stopped")


@contextlib.contextmanager
def conflict(run: FaultRun, _: Monitor) -> Iterator[None]:
    """A contradiction that a person ends; the tracker asks the database once a minute."""
    run.fault_begins()
    run.admin("market", fate="clean", winner=0, life_s=4, odd="contradicted_clob")
    yield
    run.server.ask(ACKNOWLEDGE, db=run.plain_dsn)


@contextlib.contextmanager
def drift(run: FaultRun, _: Monitor) -> Iterator[None]:
    run.inject("garbage", count=3)
    yield


@contextlib.contextmanager
def unsafe(run: FaultRun, _: Monitor) -> Iterator[None]:
    """A setting of the server that the tracker looks at when it opens the database."""
    run.fault_begins()
    _with_full_page_writes(run, "off")
    yield
    _with_full_page_writes(run, "on")


def _with_full_page_writes(run: FaultRun, value: str) -> None:
    run.server.run(f"alter system set full_page_writes = {value}")
    run.server.run("select pg_reload_conf()")
    for backend in run.server.backends():  # so that the tracker opens the database again
        run.server.run("select pg_terminate_backend(%s)", backend)


NEWER = """
    insert into tracker.schema_migrations (name, checksum, previous_may_write)
    values ('9999_rehearsed.sql', '', false)
"""


@contextlib.contextmanager
def outdated(run: FaultRun, _: Monitor) -> Iterator[None]:
    """A newer version migrates the database, and an administrator takes that back."""
    run.fault_begins()
    run.server.run(NEWER, db=run.plain_dsn)
    yield
    gone = "delete from tracker.schema_migrations where name = '9999_rehearsed.sql'"
    run.server.run(gone, db=run.plain_dsn)


@contextlib.contextmanager
def trade_gone(run: FaultRun, _: Monitor) -> Iterator[None]:
    """Somebody deletes a trade, and puts it back."""
    assert run.tracked is not None
    run.tracked.stop()
    run.launch(python("-X", "faulthandler", SHORT_AUDITS))
    run.flows()
    run.until_status(
        "audits are made", lambda found: found["audits"]["complete"] >= 12, within_s=120
    )
    run.fault_begins()
    since_ms = time.time() * 1_000 - 2_000
    with psycopg.connect(run.plain_dsn) as connection:
        connection.execute("set session_replication_role = replica")  # triggers do not run
        taken = connection.execute(TAKE, (since_ms,)).fetchone()
        assert taken is not None
    yield
    with psycopg.connect(run.plain_dsn) as connection:
        connection.execute(PUT_BACK, taken)


def broken(target: str, action: str, times: int) -> Bring:
    """Return a cause that restarts the tracker with a method that fails so many times."""

    @contextlib.contextmanager
    def bring(run: FaultRun, _: Monitor) -> Iterator[None]:
        assert run.tracked is not None
        run.sabotaged = True
        run.tracked.stop()
        fuse = run.folder / "fuse"
        run.launch(python("-X", "faulthandler", SABOTAGE, str(fuse), target, action))
        run.flows()
        run.fault_begins()
        fuse.write_text(str(times))
        run.admin("fault", kind="drop", count=1)
        run.quiet()
        yield
        run.admin("rates", trades_per_second=200)
        _again(run)

    return bring


@contextlib.contextmanager
def _lasting(run: FaultRun, kind: str, **values: float) -> Iterator[None]:
    """Keep a fault of the simulator in force until exit."""
    run.inject(kind, seconds=LONG_S, **values)
    try:
        yield
    finally:
        run.admin("fault", kind=kind, seconds=0)
