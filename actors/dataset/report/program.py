"""`tracker-report`: writes the report of a day, of several days, or of one market.

Exit codes: 0 it is written; 74 the database is away or too slow, or the disk does not take it; 78 a
person must change something: an option, a market that is not known, a time of which nothing is
recorded, a file that is no report; 130 Ctrl-C. Errors are one line.
"""

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NoReturn

from actors import __version__
from actors.app.database_of import advice_for, database_to_read
from actors.config.arguments import OnceParser, plain
from actors.config.load import load, secret_variables
from actors.config.settings import Config
from actors.dataset.report import asked, output, snapshot
from actors.dataset.report.markup import MARK
from actors.dataset.report.text import days
from actors.dataset.report.values import DAY, Contents, Market, Span
from actors.errors import (
    EXIT_INTERRUPTED,
    EXIT_IO,
    EXIT_OK,
    SHORTAGES,
    ConfigError,
    Fatal,
    StoreUnavailable,
    reason_of,
    start_error,
)
from actors.process import logs
from actors.process import output as streams

PROGRAM: Final = "tracker-report"
MOST_NAMED: Final = 8
"""Markets that an error names."""


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    today: Callable[[], date] = lambda: datetime.now(UTC).date(),
) -> int:
    """Write the report that the command line asks for, and return the exit code.

    Args:
        argv: Arguments without the program's name; None for those of the process.
        environ: Environment variables that may name the database.
        today: Returns the day (UTC).
    """
    logs.configure("ERROR", "auto", secrets=secret_variables(environ))
    try:
        return _run(_parser().parse_args(argv), environ, today())
    except Fatal as exc:
        for line in exc.lines:
            _say(f"{PROGRAM}: {line}")
        return exc.exit_code
    except StoreUnavailable as exc:
        _say(f"{PROGRAM}: database: {exc}")
        return EXIT_IO
    except OSError as exc:
        if exc.errno not in SHORTAGES:
            raise  # a fault of ours
        _say(f"{PROGRAM}: {reason_of(exc)}")
        return EXIT_IO
    except KeyboardInterrupt:
        _say(f"{PROGRAM}: interrupted")
        return EXIT_INTERRUPTED


class _Parser(OnceParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{plain(message)}; see {PROGRAM} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Write one HTML file about what was recorded: trades, coverage, gaps, prices,"
        " labels, contradictions.",
        epilog="The database is that of the tracker: TRACKER_DATABASE_URL, the file, else the"
        " embedded one. Exit code: 0 written, 74 the database is away or too slow, or the disk"
        " does not take it, 78 something must be changed.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--day",
        metavar="DAY",
        help="which day, UTC, such as 2026-03-01 or today (default: yesterday)",
    )
    parser.add_argument("--from", metavar="DAY", dest="first", help="the first of several days")
    parser.add_argument(
        "--to",
        metavar="DAY",
        dest="end",
        help="the first day that is left out (default: the one after --from)",
    )
    parser.add_argument(
        "--market", metavar="MARKET",
        help="one market: its slug, its condition id or its address at polymarket.com; of all its"
        " time unless days are named",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FILE", help="where to write (default: report-….html in this directory)"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a file that is no report, too"
    )
    parser.add_argument("--config", metavar="FILE", help="settings, as of tracker")
    parser.add_argument("--state-dir", metavar="DIR", help="where the embedded database is")
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def _run(options: argparse.Namespace, environ: Mapping[str, str], today: date) -> int:
    if options.version:
        _print(f"{PROGRAM} {__version__}")
        return EXIT_OK
    from actors.dataset.report import page  # noqa: PLC0415 - slow, and in an extra

    span = asked.span_of(options.day, options.first, options.end, today)
    wanted = None if options.market is None else asked.wanted(options.market)
    if wanted is None:
        span = span or asked.one_day(today - DAY)
        asked.require_short(span)
    if options.out is not None:
        _require_place(Path(options.out), force=options.force)
    config = _config(options, environ)
    try:
        with database_to_read(config) as dsn, snapshot.opened(dsn) as reader:
            market = None if wanted is None else _market(reader, wanted)
            contents = _contents(reader, span, market)
    except StoreUnavailable as exc:
        raise StoreUnavailable(f"{exc}; {advice_for(config, exc)}") from exc
    out = Path(options.out) if options.out is not None else Path(_usual_name(contents))
    html = page.render(contents).encode()
    _write(out, html, force=options.force)
    _print(f"{out}: {len(html):,} bytes, {contents.trades.total:,} trades")
    return EXIT_OK


def _config(options: argparse.Namespace, environ: Mapping[str, str]) -> Config:
    given = []
    for flag in ("config", "state_dir"):
        if vars(options)[flag] is not None:
            given += [f"--{flag.replace('_', '-')}", vars(options)[flag]]
    invocation = load(given, environ)
    for warning in invocation.warnings:
        _say(f"warning: {warning}")
    logs.configure("ERROR", "auto", secrets=invocation.config.secrets())
    return invocation.config


# ------------------------------------------------------------------ which market, which time


def _market(reader: snapshot.Reader, wanted: asked.Wanted) -> Market:
    """Return the market that is asked for.

    Raises:
        ConfigError: There is none, or several may be meant.
    """
    name = wanted.condition_id or _condition(reader, wanted)
    market = reader.market(name)
    if market is None:
        raise ConfigError(f"--market: no market {name} is in the database")
    return market


def _condition(reader: snapshot.Reader, wanted: asked.Wanted) -> str:
    slug = wanted.slug or wanted.event
    found = reader.find(wanted.slug, wanted.event, MOST_NAMED + 1)
    own = [name for name, each in found if each == wanted.slug]
    if len(own) == 1 or len(found) == 1:
        return own[0] if own else found[0][0]
    if own:
        raise ConfigError(
            f"--market: several markets are called {slug}: name one of {', '.join(own)}"
        )
    if found:
        some = ", ".join(each for _, each in found[:MOST_NAMED])
        more = ", …" if len(found) > MOST_NAMED else ""
        raise ConfigError(
            f"--market: the event {slug} has several markets: name one of {some}{more}"
        )
    known = reader.near(sorted(set(filter(None, re.split(r"\W+", slug)))), 200)
    near = ", ".join(asked.nearest(slug, known))
    raise ConfigError(
        f"--market: no market {slug} is in the database"
        + (f"; the nearest: {near}" if near else "")
    )


def _contents(reader: snapshot.Reader, span: Span | None, market: Market | None) -> Contents:
    """Return what was recorded in the time that is asked for.

    Raises:
        ConfigError: Nothing was.
    """
    span = span or _life(reader, market)
    found = reader.contents(span, market)
    if any(
        (
            found.trades.total,
            found.coverage.stretches,
            found.labels.last,
            found.rejected,
            found.events,
        )
    ):
        return found
    what = "" if market is None else f" of {market.name.slug}"
    first, last = reader.recorded()
    stored = (
        "no trade is stored at all"
        if first is None
        else f"trades are stored from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} (UTC)"
    )
    raise ConfigError(f"nothing was recorded{what} in {days(span)}: {stored}")


def _life(reader: snapshot.Reader, market: Market | None) -> Span:
    life = None if market is None else reader.life(market.condition_id)
    if life is None:
        raise ConfigError(f"--market: {market and market.name.slug} was never listened to")
    return snapshot.whole_bins(life)


# ------------------------------------------------------------------------ the file


def _usual_name(contents: Contents) -> str:
    """Return the name of the file when none is given: letters, digits and hyphens alone."""
    named = re.sub(r"[^0-9a-z]+", "-", days(contents.span).replace(":", ""))
    if contents.market is None:
        return f"report-{named}.html"
    slug = re.sub(r"[^a-z0-9]+", "-", contents.market.name.slug.lower())[:80].strip("-")
    return f"report-{slug or contents.market.condition_id[:20]}-{named}.html"


def _require_place(path: Path, *, force: bool) -> None:
    try:
        output.require_replaceable(path, MARK.encode(), force=force)
    except OSError as exc:
        raise _error(path, exc) from exc


def _write(path: Path, html: bytes, *, force: bool) -> None:
    try:
        output.write_whole(path, html, MARK.encode(), force=force)
    except OSError as exc:
        raise _error(path, exc) from exc


def _error(path: Path, exc: OSError) -> Fatal:
    if isinstance(exc, FileExistsError):
        return ConfigError(
            f"--out: {path} is there and is no report: name another file, or give --force"
        )
    return start_error(exc, f"--out: {path} cannot be written")


def _say(text: str) -> None:
    streams.say(logs.for_people(text))


def _print(text: str) -> None:
    streams.put(f"{logs.for_people(text)}\n")
