"""What `tracker-export` does: writes a release of the data, or checks one."""

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.app.database_of import database_to_read
from actors.config.load import Config, load
from actors.dataset.days import moment, name_of_market, span
from actors.dataset.export.export import Wish, export
from actors.dataset.export.progress import Bar, JsonLines
from actors.dataset.export.verify import faults
from actors.errors import EXIT_OK, ConfigError
from actors.model.conversion import terminal_safe
from actors.process import output

PROGRAM: Final = "tracker-export"
EXIT_FAULTS: Final = 1
_UNIVERSE: Final = ("max_assets", "min_volume", "tags", "markets", "shard")


def verify(options: argparse.Namespace) -> int:
    """Check the release that the options name, print its faults, and return the exit code."""
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


def write(options: argparse.Namespace, environ: Mapping[str, str], now: datetime) -> int:
    """Write the release that the options ask for, and return the exit code.

    Raises:
        ConfigError: An option or a setting is wrong.
        StoreUnavailable: The database does not answer.
        OSError: The disk does not take it.
    """
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
