"""`tracker-export`: writes a release of the data, or checks one, and returns an exit code.

0 all that was asked for is there, or the release is whole; 1 the release that was checked has
faults; 74 the disk, or a database that does not answer; 78 a person must change something; 130
Ctrl-C. What is finished stays, and the next run goes on.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from actors import __version__
from actors.app.database_of import database_to_read
from actors.config.arguments import OnceParser, plain
from actors.config.load import Config, load
from actors.dataset.days import moment, name_of_market, span
from actors.dataset.export.export import Wish, export
from actors.dataset.export.progress import Bar, JsonLines
from actors.dataset.export.verify import faults
from actors.errors import (
    EXIT_INTERRUPTED,
    EXIT_IO,
    EXIT_OK,
    SHORTAGES,
    ConfigError,
    Fatal,
    StoreUnavailable,
    reason_of,
)
from actors.model.conversion import terminal_safe
from actors.process import output

PROGRAM: Final = "tracker-export"
EXIT_FAULTS: Final = 1
_UNIVERSE: Final = ("max_assets", "min_volume", "tags", "markets", "shard")


class _Parser(OnceParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{plain(message)}; see {PROGRAM} --help")


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Do what the command line names and return the exit code.

    Args:
        argv: Arguments without the program's name; None for those of the process.
        environ: Environment variables with settings.
        clock: Returns the time, for `yesterday`.
    """
    try:
        options = _parser().parse_args(argv)
        if options.verify is not None:
            return _verify(options)
        return _export(options, environ, clock())
    except Fatal as exc:
        for line in exc.lines:
            _say(f"{PROGRAM}: {line}")
        return exc.exit_code
    except StoreUnavailable as exc:
        _say(f"{PROGRAM}: database: {exc}; what is finished stays, run it again")
    except BrokenPipeError:  # whoever read the lines has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as exc:
        if exc.errno not in SHORTAGES:
            raise  # a fault of ours
        output.discard(sys.stdout)
        _say(f"{PROGRAM}: {reason_of(exc)}")
    except KeyboardInterrupt:
        _say(f"{PROGRAM}: interrupted; what is finished stays, the next run goes on")
        return EXIT_INTERRUPTED
    return EXIT_IO


def _parser() -> argparse.ArgumentParser:
    made = _Parser(
        prog=PROGRAM,
        description="Write a release of the data as Parquet files: trades by day, labels, markets,"
        " events, gaps, coverage, and a manifest. Running again adds what is new.",
        epilog="Settings (the database) are taken as by tracker: --config, TRACKER_… variables,"
        " systemd credentials. All days and times are UTC.",
        allow_abbrev=False,
    )
    made.add_argument(
        "--version", action="version", version=f"{PROGRAM} {__version__}",
        help="print the version, and exit",
    )  # fmt: skip
    made.add_argument("--from", metavar="DAY", help="first day: 2026-03-01, today, yesterday")
    made.add_argument("--to", metavar="DAY", help="first day left out (default: the one after)")
    made.add_argument("--as-of", metavar="TIME", help="leave out all that was known only later")
    made.add_argument("--tags", metavar="TAG,…", help="only markets with one of these tag slugs")
    made.add_argument(
        "--markets", metavar="NAME,…", help="only these: condition ids, slugs, or web addresses"
    )
    made.add_argument("--out", metavar="DIR", help="directory of the release, made if need be")
    made.add_argument("--format", choices=["parquet"], default="parquet", help="of the files")
    made.add_argument(
        "--verify", metavar="DIR", help="check a release: hashes, counts, columns; no database"
    )
    made.add_argument("--config", metavar="FILE", help="TOML file with settings")
    made.add_argument("--database-url", metavar="URL", help="a setting of tracker")
    made.add_argument("--state-dir", metavar="DIR", help="likewise: where the embedded database is")
    return made


def _verify(options: argparse.Namespace) -> int:
    given = [name for name in ("from", "to", "as_of", "tags", "markets", "out")
             if getattr(options, name) is not None]  # fmt: skip
    if given:
        raise ConfigError(f"--verify: goes with no other option, such as --{given[0]}")
    root = Path(options.verify)
    found = 0
    for found, fault in enumerate(faults(root), 1):  # noqa: B007 - the number is used
        sys.stdout.write(f"{terminal_safe(fault)}\n")
    if found:
        _say(f"{PROGRAM}: {root}: {found} {'fault' if found == 1 else 'faults'}")
        return EXIT_FAULTS
    sys.stdout.write(f"{root}: whole\n")
    return EXIT_OK


def _export(options: argparse.Namespace, environ: Mapping[str, str], now: datetime) -> int:
    if options.out is None:
        raise ConfigError(f"--out: name the directory of the release; see {PROGRAM} --help")
    if getattr(options, "from") is None:
        raise ConfigError("--from: name the first day, such as --from 2026-03-01")
    first, end = span(getattr(options, "from"), options.to, today=now.date())
    as_of = None if options.as_of is None else moment(options.as_of, what="--as-of")
    if as_of is not None and as_of > now:
        raise ConfigError(f"--as-of: {options.as_of} has not come yet")
    config = _config(options, environ)
    wish = Wish(
        first,
        end,
        as_of,
        tuple(_words(options.tags)),
        tuple(map(name_of_market, _words(options.markets))),
        {name: config.shown(name) for name in _UNIVERSE},
    )
    say = Bar() if sys.stderr.isatty() else JsonLines(sys.stdout, time.monotonic)
    with database_to_read(config) as dsn, say:
        named = config.place_of("database_url")
        manifest = export(dsn, Path(options.out), wish, say.say, named=named)
        told: dict[str, Any] = {
            "days": len(manifest.days),
            "rows": sum(day.current.rows for day in manifest.days.values()),
            "open": [on for on, day in manifest.days.items() if day.why_open],
            "coverage": manifest.about.coverage,
            "labels": msgspec.to_builtins(manifest.about.labels),
        }
        say.say("end", told)
    return EXIT_OK


def _config(options: argparse.Namespace, environ: Mapping[str, str]) -> Config:
    given = {
        "--config": options.config,
        "--database-url": options.database_url,
        "--state-dir": options.state_dir,
    }
    argv = [word for name, value in given.items() if value is not None for word in (name, value)]
    invocation = load(argv, environ)
    for warning in invocation.warnings:
        _say(f"warning: {warning}")
    return invocation.config


def _words(text: str | None) -> list[str]:
    return [word for part in (text or "").split(",") if (word := part.strip())]


def _say(text: str) -> None:
    output.say(terminal_safe(text))
