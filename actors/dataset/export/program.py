"""`tracker-export`: reads the command line, and returns an exit code.

0 all that was asked for is there, or the release is whole; 1 the release that was checked has
faults; 74 the disk, or a database that does not answer; 78 a person must change something; 130
Ctrl-C. What is finished stays, and the next run goes on.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn

from actors import __version__
from actors.config.arguments import OnceParser, plain
from actors.errors import (
    EXIT_INTERRUPTED,
    EXIT_IO,
    SHORTAGES,
    ConfigError,
    Fatal,
    StoreUnavailable,
    reason_of,
)
from actors.model.conversion import terminal_safe
from actors.process import output

PROGRAM: Final = "tracker-export"


class _Parser(OnceParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{plain(message)}; see {PROGRAM} --help")


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    imported: Callable[[], object] = lambda: None,
) -> int:
    """Do what the command line names and return the exit code.

    Args:
        argv: Arguments without the program's name; None for those of the process.
        environ: Environment variables with settings.
        clock: Returns the time, for `yesterday`.
        imported: Called when all is imported, before anything is done.

    Raises:
        ImportError: A library is missing.
    """
    try:
        options = _parser().parse_args(argv)
        # Not before: it takes a second and a half, which help and wrong options need not wait for.
        from actors.dataset.export import commands  # noqa: PLC0415

        imported()
        if options.verify is not None:
            return commands.verify(options)
        return commands.write(options, environ, clock())
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


def _say(text: str) -> None:
    output.say(terminal_safe(text))
