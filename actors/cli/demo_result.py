"""The end of a demo: what was sent and what is stored, compared, and where to look at it."""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console

from actors.app.database_of import VERSION_FILE
from actors.app.places import DATABASE
from actors.cli.demo_dir import LOG, DemoDir, reading_address
from actors.database import queries
from actors.database.server.embedded import Embedded
from actors.database.session import translate_errors
from actors.errors import EXIT_INTERNAL, EXIT_OK
from actors.process import output
from actors.simulator.judge import Judgement, judge

EXAMPLE = (
    "SELECT traded_at, slug, outcome, side, trim_scale(price) AS price, trim_scale(size) AS size"
    " FROM trades"
    " JOIN markets USING (condition_id) ORDER BY traded_at DESC LIMIT 10"
)
"""A question about the data, as README asks it."""


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """One run of the demo.

    Attributes:
        number: From 1; the runs of one directory go on with the same data.
        began: When it was started.
        restarts: How often the tracker ended by itself.
        seconds: How long it took.
        stopped: A person ended it, before its time was over.
    """

    number: int
    began: datetime
    restarts: int
    seconds: float
    stopped: bool = False


def conclude(demo: DemoDir, run: RunFigures) -> int | None:
    """Compare the ledger with the database, say how to look at it, and return the exit code.

    None when there are no tables yet: the tracker has recorded nothing.

    The last line on stdout is one JSON object with the figures of this run; its keys are those of
    `simulator.judge.Judgement` and `reconnects`, `restarts`, `seconds`.

    Raises:
        Fatal: The embedded server cannot be started.
        StoreUnavailable: The database does not answer.
    """
    if demo.dsn is None and not (demo.tracker / DATABASE / VERSION_FILE).exists():
        return None
    with _database(demo) as dsn, translate_errors():
        if not _has_tables(dsn):
            return None
        ours = judge(demo.ledger, dsn, since=run.began)
        whole = judge(demo.ledger, dsn) if run.number > 1 else ours
        reconnects = _reconnects(dsn, run.began)
    return tell(demo, run, ours, whole, reconnects=reconnects)


def tell(
    demo: DemoDir, run: RunFigures, ours: Judgement, whole: Judgement, *, reconnects: int
) -> int:
    """Print how it ended and return the exit code: a whole demo without a trade is a failure.

    Args:
        demo: Where it kept its files.
        run: This run.
        ours: This run, compared.
        whole: All runs of the same directory, compared.
        reconnects: How often a connection came back in this run.
    """
    result = {
        **ours.as_dict(),
        "reconnects": reconnects,
        "restarts": run.restarts,
        "seconds": round(run.seconds, 1),
    }
    # Not wrapped: a command is copied as one line.
    lines = [*_sentences(demo, run, ours, whole), json.dumps(result)]
    output.put("".join(f"{line}\n" for line in lines))
    shown = ours.sent > 0 or run.stopped
    return EXIT_OK if whole.clean and ours.clean and shown else EXIT_INTERNAL


def plain_console() -> Console:
    """Return a console on standard output that marks no numbers, whatever its characters."""
    # A terminal without a character of a market's text must not end the demo.
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    return Console(highlight=False)


def look_commands(demo: DemoDir) -> tuple[str, str]:
    """Return the command that opens a shell on the database of the demo, and one that asks it."""
    if demo.dsn is None:
        shell = shlex.join(["bin/tracker", "--state-dir", str(demo.tracker), "--psql"])
    elif any("password" in name for name in conninfo_to_dict(demo.dsn)):
        shell = "bin/tracker --database-url URL --psql"
    else:
        shell = shlex.join(["bin/tracker", "--database-url", demo.dsn, "--psql"])
    return shell, f"{shell} -- -c {shlex.quote(EXAMPLE)}"


def _sentences(demo: DemoDir, run: RunFigures, ours: Judgement, whole: Judgement) -> Iterator[str]:
    if ours.sent:
        yield f"ledger against database: {_outcome(ours)}"
    else:
        yield "Nothing was sent: no market was listened to in time. Let it run for longer."
        if not ours.clean:
            yield f"ledger against database: {_outcome(ours)}"
    if run.number > 1 and whole.sent:
        yield (
            f"all {run.number} demos of this directory, {whole.sent:,} trades sent:"
            f" {_outcome(whole)}"
        )
    shell, question = look_commands(demo)
    yield ""
    yield f"The data stay in {'the database of --database-url' if demo.dsn else demo.tracker}"
    yield "and the next demo adds to them. Look at them with:"
    yield f"  {shell}"
    yield f"  {question}"
    yield f"Log of the tracker: {demo.path / LOG}"
    if not demo.dsn:
        yield f"To delete all of it: rm -r {shlex.quote(str(demo.path))}"
    yield "This run in figures (README explains each word):"


def _outcome(judgement: Judgement) -> str:
    return "every promise held" if judgement.clean else "A PROMISE WAS BROKEN"


@contextlib.contextmanager
def _database(demo: DemoDir) -> Iterator[str]:
    """Yield a DSN to read from; the embedded server is started again for it."""
    if demo.dsn:
        yield reading_address(demo.dsn)
        return
    server = Embedded(demo.tracker / DATABASE)
    server.start()
    try:
        yield server.prepare().writer
    finally:
        server.stop()


def _has_tables(dsn: str) -> bool:
    with psycopg.connect(dsn, autocommit=True) as database:
        database.execute(queries.SET_SEARCH_PATH)
        row = database.execute("SELECT to_regclass('public.trades') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _reconnects(dsn: str, since: datetime) -> int:
    with psycopg.connect(dsn, autocommit=True) as database:
        database.execute(queries.SET_SEARCH_PATH)
        row = database.execute(
            "SELECT count(*) FROM public.connection_events"
            " WHERE event = 'reconnected' AND at >= %s",
            (since,),
        ).fetchone()
    return int(row[0]) if row else 0
