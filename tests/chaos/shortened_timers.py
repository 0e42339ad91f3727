"""The tracker with shorter times: a test build without another build.

    shortened_timers.py FACTOR

Sweeps come, and recorded resolutions are checked again, so many times sooner than usual. What a
run of many hours has in memory is thus there after minutes. The code of the tracker is
unchanged.
"""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

TIMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("actors.resolution.schedule", ("AHEAD_MS", "MARGIN_MS", "RETRY_MS", "SPREAD_MS")),
    ("actors.catalog.discovery", ("SWEEP_S", "FREE_PLACES_SWEEP_S")),
)


def shorten_timers(factor: float) -> None:
    """Shorten the times, before any module has read them."""
    archive = vars(importlib.import_module("actors.resolution.schedule"))
    archive["RECHECKS_MS"] = tuple(int(age / factor) for age in archive["RECHECKS_MS"])
    for place, names in TIMES:
        namespace = vars(importlib.import_module(place))
        for name in names:
            namespace[name] = type(namespace[name])(namespace[name] / factor)


def main() -> int:
    """Shorten the times, then run the tracker."""
    shorten_timers(float(sys.argv[1]))
    command = importlib.import_module("actors.cli.main")
    return int(command.main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
