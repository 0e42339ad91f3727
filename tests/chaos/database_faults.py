"""F34-F40: the database is slow, full, rejects work, and its clock is wrong."""

import time

from psycopg.conninfo import conninfo_to_dict

from tests.chaos.checker import disorder
from tests.chaos.fault import Fault
from tests.chaos.fault_run import PROOF_S, FaultRun
from tests.chaos.mounts import fill
from tests.chaos.proxy import CLEAN, Toxics
from tests.chaos.server import FAKETIME
from tests.live.processes import as_url

TRADES = "tracker.trades"

DAY_S = 86_400
STALE_S = 30.0
"""A trade that waited in the journal for its database keeps the time at which it came."""
POISON = ("tests/database/test_bad_rows.py",)


def clock_off(run: FaultRun) -> None:
    """The tracker sets all stored times; the clock of the database sets none."""
    run.simulate()
    run.fault_begins()
    for seconds in (DAY_S, -DAY_S):
        with run.server.clock_off(seconds):
            run.start(trades=300) if run.tracked is None else run.recovered(within_s=60)
            ((theirs,),) = run.server.ask("select extract(epoch from clock_timestamp())::float8")
            run.expect(abs(theirs - time.time() - seconds) < STALE_S, "its clock is not off")
            _stored(run, 1_000)
            run.note(f"{seconds:+d} s: {theirs - time.time():+.0f} s seen")
    run.fault_ends()
    run.recovered(within_s=60)
    run.quiet()
    run.until_status("all is stored", lambda found: not found["accounting"]["in_journal"])
    _, longest_s = disorder(run.ledger, run.plain_dsn)
    run.expect(longest_s < STALE_S, f"a trade has a received_at {longest_s:.1f} s late")
    run.costs_nothing = True


def _stored(run: FaultRun, more: int) -> None:
    """Wait until so many more trades are stored than now."""
    total = run.status()["trades"]["total"]
    run.until_status("trades are stored", lambda found: found["trades"]["total"] > total + more)


def rejecting(run: FaultRun) -> None:
    """The role loses its rights, its connections, or the right to write."""
    server, db = run.server, run.plain_dsn
    name = conninfo_to_dict(db)["dbname"]
    role = f"writer_{time.time_ns()}"
    server.run(f"create role {role} login")
    server.run(f'alter database "{name}" owner to {role}')
    server.run(f"alter schema public owner to {role}", db=db)
    run.dsn = as_url(server.with_user(db, role))
    run.start()
    troubles = (
        (
            "42501",
            f"revoke insert on {TRADES} from {role}",
            f"grant insert on {TRADES} to {role}",
        ),
        (
            "25006",
            f"alter role {role} set default_transaction_read_only = on",
            f"alter role {role} reset default_transaction_read_only",
        ),
        (
            "53300",
            f"alter role {role} connection limit 0",
            f"alter role {role} connection limit -1",
        ),
        (
            "42P01",
            "alter table tracker.trades rename to hidden",
            "alter table tracker.hidden rename to trades",
        ),
        ("57P01", "select 1", "select 1"),
    )
    reasons = []
    for code, trouble, remedy in troubles:
        server.run(trouble, db=db)
        run.fault_begins()
        if code in ("25006", "53300", "57P01"):
            server.cut_off(role)
        away = run.noticed("database_away", within_s=30)
        reasons.append(f"{code}: {away['reason'][:40]}")
        server.run(remedy, db=db)
        run.fault_ends()
        run.recovered(within_s=90)
    rejected = server.ask("select count(*) from rejected_messages", db=db)
    run.expect(rejected == [(0,)], f"{rejected} were taken for bad rows")
    run.outcome.figures["reasons"] = reasons
    run.note(f"{len(troubles)} rejections")
    run.costs_nothing = True


def full_disk(run: FaultRun) -> None:
    run.start(trades=500)
    run.fault_begins()
    filler = fill(run.server.root)
    run.noticed("database_away", within_s=90)
    time.sleep(2)
    filler.unlink()
    run.fault_ends()
    run.server.revive()
    run.recovered(within_s=90)
    rejected = run.server.ask("select count(*) from rejected_messages", db=run.plain_dsn)
    run.expect(rejected == [(0,)], f"{rejected} were taken for bad rows")
    run.costs_nothing = True


def duplicates(run: FaultRun) -> None:
    """Two feeds send everything twice, and `book` messages follow each reconnect."""
    run.start(trades=500)
    for _ in range(3):
        time.sleep(PROOF_S)  # the feed that stays proves once a second what it received
        run.inject("drop", count=1)
        run.recovered(within_s=30)
    accounting = run.status()["accounting"]
    run.expect(accounting["duplicates"] > 100, f"nothing arrived twice: {accounting}")
    run.note(f"{accounting['duplicates']} duplicates")
    run.costs_nothing = True


def slow(run: FaultRun) -> None:
    run.simulate()
    proxy = run.base
    run.start(trades=500)
    run.fault_begins()
    proxy.toxics = Toxics(latency_s=0.25)
    lag = 0.0
    end = time.monotonic() + 15
    while time.monotonic() < end:
        time.sleep(0.5)
        lag = max(lag, float(run.status()["database"]["lag_s"]))
    proxy.toxics = CLEAN
    run.fault_ends()
    run.recovered(within_s=30)
    run.note(f"500 ms a round trip; trades waited {lag:.1f} s at most")
    run.costs_nothing = True


def password_changed(run: FaultRun) -> None:
    server = run.server
    role, secret = f"locked_{time.time_ns()}", "torture-secret-1"
    name = conninfo_to_dict(run.plain_dsn)["dbname"]
    server.run(f"create role {role} login superuser password '{secret}'")
    with server.asks_for_passwords(role):
        run.dsn = as_url(server.with_user(run.plain_dsn, role, password=secret))
        tracker = run.start()
        server.run(f"alter role {role} password 'torture-secret-2'")
        run.fault_begins()
        server.cut_off(role)
        away = run.noticed("database_away", within_s=30)
        run.note(f"{name}: {away['reason'][:60]}")
        found = run.until_status(
            "the status says why", lambda found: "password" in found["database"]["reason"]
        )
        run.expect("database_away" in found["codes"], f"codes are {found['codes']}")
        run.expect("torture-secret" not in tracker.log_text(), "a password is in the log")
        run.expect("torture-secret" not in str(found), "a password is in the status")
        server.run(f"alter role {role} password '{secret}'")
        run.fault_ends()
        run.recovered(within_s=90)
    run.costs_nothing = True


FAULTS = (
    Fault(
        number="F34",
        name="poison rows",
        how="NUL, overflow, NaN, far years, lone surrogates",
        expected="bisected out, kept raw, the rest stored",
        proof=POISON,
    ),
    Fault(
        number="F35",
        name="values that could be stored but not read",
        how="times beyond the range",
        expected="rejected before the database",
        proof=("tests/polymarket/test_events.py", *POISON),
    ),
    Fault(
        number="F36",
        name="42501, 25006, 53300, 42P01, 57P01",
        how="rights revoked, read-only, no connection left, table away, cut off",
        expected="tried again, never taken for bad rows",
        run=rejecting,
        deadline_s=240,
    ),
    Fault(
        number="F36b",
        name="database's disk full (53100)",
        how="the server's tmpfs is filled, then freed",
        expected="as F36",
        run=full_disk,
        needs=("root",),
        server_mib=160,
        deadline_s=240,
    ),
    Fault(
        number="F37",
        name="duplicates: two feeds, reconnects",
        how="two feeds under 500 trades/s, three drops",
        expected="one row each, no gap",
        run=duplicates,
    ),
    Fault(
        number="F38",
        name="slow database",
        how="250 ms each way for 15 s under 500 trades/s",
        expected="no effect on what is received",
        run=slow,
    ),
    Fault(
        number="F39",
        name="clock of the database's host off",
        how="the server sees a clock one day ahead, then one day behind (libfaketime)",
        expected="no effect on what is stored, when it was received and what is covered",
        run=clock_off,
        needs=(FAKETIME,),
    ),
    Fault(
        number="F40",
        name="password changed",
        how="scram, ALTER ROLE, cut off; then changed back",
        expected="degraded and says why, no password in log or status",
        run=password_changed,
        deadline_s=180,
    ),
)
