"""Years 1 to 4: what a tracker does on a store of the size of years, each on a copy of its own.

    make torture ONLY=years SCALE=0.05

Times are those of this machine while it runs: compare them only with others of the same run.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from tests.chaos.fault import FAIL, Fault, Outcome
from tests.years import server_log
from tests.years.bytes_of import report
from tests.years.generate import built
from tests.years.served import CPU, Step, Years, load, wrong, years
from tests.years.told import tell
from tests.years.upgrade import upgrade

BACKLOG = 10_000_000
"""Trades that wait in the journal at scale 1; half a million at 0.05."""
KILLED_AFTER_S = 1.0
QUARTER = 0.25
QUARTER_BACKLOG = 0.2
"""A quarter of a processor gets less to catch up with."""
SMALLER = 5
"""Growth compares with a store that is so many times smaller."""
SAME = (
    "want",
    "listen 10",
    "journal_trades 20000",
    "catch_up",
    "churn 200",
    "reconnect 10",
    "settle",
)
TURNS = 3
PAGES = "ask 20"
QUESTIONS = (
    ("newest trades", "select * from trades order by traded_at desc limit 10"),
    (
        "one token, a day",
        "select * from trades where token_id = %(token)s and traded_at > now() - interval '1 day'",
    ),
    (
        "candles of a day",
        "select * from candles(%(token)s, now() - interval '1 day', now())",
    ),
    (
        "received in ten minutes",
        # With a time of trading, as docs/explanation/storage.md tells: without one it reads of
        # each day which blocks may hold such times, and there are more days here than there.
        """select count(*) from trades
           where received_at between %(at)s::timestamptz - interval '10 minutes' and %(at)s
             and traded_at > %(at)s::timestamptz - interval '1 day'""",
    ),
    ("market of a slug", "select * from markets where slug = %(slug)s"),
    ("event of a slug", "select * from events where slug = %(slug)s"),
    (
        "markets of a series",
        "select * from markets where slug like 'btc-updown-5m-1%%' limit 50",
    ),
    ("coverage", "select * from coverage where token_id = %(token)s"),
    (
        "coverage_gaps",
        "select * from coverage_gaps(%(token)s, now() - interval '1 day', now())",
    ),
)


def ordinary(place: Path, outcome: Outcome, scale: float) -> None:
    """Start, stop and go on, on as much of a processor as there is."""
    _life(place, outcome, scale, share=0.0)


def quarter(place: Path, outcome: Outcome, scale: float) -> None:
    """Do the same with a server that has a quarter of a processor."""
    _life(place, outcome, scale, share=QUARTER)


def _life(place: Path, outcome: Outcome, scale: float, *, share: float) -> None:
    backlog = round(BACKLOG * scale * (QUARTER_BACKLOG if share else 1))
    how = f"the server has {share} of a processor (cgroup)" if share else "no bound on the server"
    with years(built(scale, tell), place, share=share) as run:
        tell(f"  scale {scale:g}, {how}; {load()}")
        # The tracker that filled the copy was killed with all epochs open.
        run.begin()
        run.step("start after a kill", "start")
        run.step("tell what is wanted", "want")
        run.step("open all connections", "listen")
        run.step("settle what was killed", "settle")
        run.step("ask after the start", "ask")
        run.step("markets end and begin", f"churn {round(10_000 * scale)}")
        run.step("lose and open all", "reconnect")
        run.step("settle what was lost", "settle")
        waiting = max(50_000, backlog // 10)
        run.writer_sends_and_is_killed(f"journal_trades {waiting}", "catch_up", KILLED_AFTER_S)
        run.begin()
        run.step("start with a backlog", "start")
        run.step("open all connections", "listen")
        run.step("settle what was killed", "settle")
        run.step("journal trades", f"journal_trades {backlog}")
        run.step("catch up", "catch_up")
        run.step("journal trades", f"journal_trades {backlog // 4}")
        migrate = partial(upgrade, run.server.database_dsn, place / "newer")
        run.step_beside("catch up beside a migration", "catch_up", migrate)
        _restored(run)
    _conclude(outcome, run.steps, wrong(run.steps))


def _restored(run: Years) -> None:
    """Put an older copy under the running tracker."""
    assert run.writer is not None
    began = time.monotonic()
    run.older()
    tell(f"  an older copy is served after {time.monotonic() - began:.0f} s")
    run.step("notice that it is away", "lost")
    step = run.step("tell the older copy again", "return_")
    if step.note.strip(" ·") != "1":
        step.wrong.append("it was not noticed that the database is an older one")
    run.step("settle what was forgotten", "settle")
    left, listened = run.count("tracker.epochs"), run.count("tracker.listening")
    tell(f"  {left:,} epochs and {listened:,} rows of listening are left")
    if left > run.size.connections:
        step.wrong.append(f"{left} epochs are left of {run.size.connections} connections")


def _conclude(outcome: Outcome, steps: list[Step], broken: list[str]) -> None:
    outcome.broken += broken
    longest = max(steps, key=lambda step: step.longest.ms)
    outcome.figures["steps"] = [step.line().strip() for step in steps]
    outcome.notes.append(
        f"longest statement {longest.longest.name} {longest.longest.ms:.0f} ms,"
        f" longest without a report {max(step.report_s for step in steps):.2f} s,"
        f" at most {max(step.peak_mib for step in steps)} MiB; {load()}"
    )
    outcome.result = FAIL if outcome.broken else outcome.result


def grows(place: Path, outcome: Outcome, scale: float) -> None:
    """Compare the same work on a small and on a large store, statement by statement."""
    found = []
    for each in (scale / SMALLER, scale):
        with years(built(each, tell), place / f"{each:g}") as run:
            run.read_files()
            durations = _same_work(run)
            read = run.read_as_a_whole()
            if read:
                outcome.broken.append(f"scale {each:g}: read as a whole: {', '.join(read)}")
            # After that: of a day that has just begun a reader asks for all there is.
            found.append(durations | _asked(run))
    rows = server_log.growth(*found)
    tell(f"  {'shortest ms of each statement':40} {scale / SMALLER:>9g} {scale:>9g} {'longest':>9}")
    for row in rows:
        said = " GROWS" if row.grows else ""
        tell(f"  {row.name:40} {row.small:9.1f} {row.large:9.1f} {row.longest:9.1f}{said}")
    outcome.figures["statements"] = [row._asdict() for row in rows]
    outcome.broken += [f"{row.name} grows with the store" for row in rows if row.grows]
    outcome.notes.append(f"{len(rows)} statements compared; {load()}")
    outcome.result = FAIL if outcome.broken else outcome.result


def _same_work(run: Years) -> dict[str, list[float]]:
    """Carry out work that does not depend on the scale; return the durations of each statement."""
    run.begin()
    run.step("start", "start")
    run.server.statements()
    run.server.run("select pg_stat_reset()", db=run.server.database_dsn)
    assert run.writer is not None
    found = []
    for command in (*SAME * TURNS, PAGES):
        run.writer.send(command)
        run.writer.answer()
        found += run.server.statements()
    durations = server_log.by_name(found)
    run.writer.stop()
    return durations


def _asked(run: Years) -> dict[str, list[float]]:
    """Ask what readers ask, of one token; return the durations in milliseconds.

    It is one that traded before this writer came: the work has left gaps to others, of which
    there are more on the small store.
    """
    durations: dict[str, list[float]] = {}
    with psycopg.connect(run.server.database_dsn, autocommit=True) as connection:
        run_one = connection.execute
        newest = run_one(
            b"select token_id, received_at, m.slug from trades join markets m using (condition_id)"
            b" where traded_at < now() - least(interval '12 hours',"  # the smallest has fewer
            b" (select (now() - min(traded_at)) / 2 from trades))"
            b" order by traded_at desc limit 1"
        )
        row = newest.fetchone()
        assert row is not None
        given = {"token": row[0], "at": row[1], "slug": row[2]}
        for name, question in QUESTIONS:
            for _ in range(5):
                began = time.monotonic()
                run_one(question.encode(), given).fetchall()
                durations.setdefault(name, []).append((time.monotonic() - began) * 1_000)
    return durations


def bytes_of(place: Path, outcome: Outcome, scale: float) -> None:
    """List the bytes of all tables, and judge trades and coverage."""
    with years(built(scale, tell), place) as run:
        lines, broken, note = report(run.server.database_dsn, run.size)
    for line in lines:
        tell(f"  {line}")
    outcome.figures["bytes"] = lines
    outcome.broken += broken
    outcome.notes.append(note)
    outcome.result = FAIL if broken else outcome.result


def _fault(number: str, name: str, how: str, run: Callable[[Path, Outcome, float], None]) -> Fault:
    return Fault(
        number=number,
        name=name,
        how=how,
        expected="no statement above 1 s, no 5 s without a report, flat memory",
        alone=run,
        needs=(str(CPU),) if run is quarter else (),
        deadline_s=6 * 3_600,
    )


FAULTS = (
    _fault(
        "Y1", "the store at the size of years", "killed, backlog, reconnect, restored", ordinary
    ),
    _fault("Y2", "the same on a quarter of a processor", "cgroup of the server", quarter),
    _fault("Y3", "nothing grows with the store", "the same work on a fifth and on all", grows),
    _fault("Y4", "bytes of years", "sizes of tables and indexes", bytes_of),
)
