"""The end of a demo: what was sent and what is stored, compared, and where to look at it."""

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from rich.console import Console

from actors import files
from actors.database import queries
from actors.database.server.embedded import Embedded
from actors.database.server.verification import permitted
from actors.database.session import check_dsn
from actors.errors import EXIT_INTERNAL, EXIT_OK, ConfigError
from actors.simulator.judge import Judgement, judge

EXAMPLE = (
    "SELECT traded_at, slug, outcome, side, price, size FROM trades"
    " JOIN markets USING (condition_id) ORDER BY traded_at DESC LIMIT 10"
)
"""A question about the data, as README asks it."""
LOG = "tracker.log"
"""Gets the standard error of the tracker."""


@dataclass
class DemoDir:
    """Where a demo keeps its files: one directory for all runs, so a second run goes on."""

    path: Path
    socket: Path
    dsn: str | None

    @property
    def simulator(self) -> Path:
        """Return the directory of the simulator's ledger."""
        return self.path / "simulator"

    @property
    def tracker(self) -> Path:
        """Return the state directory of the tracker."""
        return self.path / "tracker"

    def make(self) -> None:
        """Make its directories, if need be.

        Raises:
            ConfigError: One cannot be used, or others could put something there.
        """
        try:
            for directory in (self.path, self.simulator, self.tracker):
                os.close(files.open_directory(directory, mode=0o755))
        except OSError as exc:
            raise ConfigError(f"demo {self.path}: {exc.strerror}") from exc

    def next_run(self) -> int:
        """Return the number of this run; identifiers of different runs never collide."""
        with os.fdopen(self.open("run"), "r+", encoding="ascii") as counter:
            counter.seek(0)
            run = int(counter.read() or 0) + 1
            counter.truncate(0)
            counter.write(str(run))
        return run

    def open(self, name: str) -> int:
        """Return the descriptor of a file for appending and reading.

        Raises:
            ConfigError: It is not ours, or cannot be opened.
        """
        try:
            directory = files.open_directory(self.path)
            try:
                return files.open_or_create(directory, name)
            finally:
                os.close(directory)
        except OSError as exc:
            raise ConfigError(f"demo {self.path / name}: {exc.strerror}") from exc


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


def conclude(demo: DemoDir, run: RunFigures) -> int:
    """Compare the ledger with the database, say how to look at it, and return the exit code.

    The last line on stdout is one JSON object with the figures of this run; its keys are those of
    `simulator.judge.Judgement` and `reconnects`, `restarts`, `seconds`.
    """
    ledger = demo.simulator / "ledger.jsonl"
    with _database(demo) as dsn:
        ours = judge(ledger, dsn, last_run=True)
        whole = judge(ledger, dsn) if run.number > 1 else ours
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
    console = plain_console()
    for line in _sentences(demo, run, ours, whole):
        # Not wrapped: a command is copied as one line.
        console.print(line, soft_wrap=True, markup=False)
    sys.stdout.write(f"{json.dumps(result)}\n")
    sys.stdout.flush()
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
    where = () if demo.dsn else ("--state-dir", str(demo.tracker))
    shell = shlex.join(["bin/tracker", *where, "--psql"])
    return shell, f"{shell} -- -c {shlex.quote(EXAMPLE)}"


def _sentences(demo: DemoDir, run: RunFigures, ours: Judgement, whole: Judgement) -> Iterator[str]:
    yield f"ledger against database: {_outcome(ours)}"
    if not ours.sent:
        yield "Nothing was sent: no market was listened to in time. Let it run for longer."
    if run.number > 1:
        yield (
            f"all {run.number} demos of this directory, {whole.sent:,} trades sent:"
            f" {_outcome(whole)}"
        )
    shell, question = look_commands(demo)
    yield ""
    yield f"The data stay in {'your database' if demo.dsn else demo.tracker}"
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
        dsn = check_dsn(demo.dsn).dsn
        yield make_conninfo(dsn, **permitted(dsn))
        return
    server = Embedded(demo.tracker / "postgres")
    server.start()
    try:
        yield server.prepare().writer
    finally:
        server.stop()


def _reconnects(dsn: str, since: datetime) -> int:
    with psycopg.connect(dsn, autocommit=True) as database:
        database.execute(queries.SET_SEARCH_PATH)
        row = database.execute(
            "SELECT count(*) FROM public.connection_events"
            " WHERE event = 'reconnected' AND at >= %s",
            (since,),
        ).fetchone()
    return int(row[0]) if row else 0
