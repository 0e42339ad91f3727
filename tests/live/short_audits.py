"""The tracker with hours of twenty seconds for its audits, and an audit at each Tick.

A test build without another build: the code of the tracker is unchanged.
"""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

HOUR_MS = 20_000


def shorten() -> None:
    """Give the factory other settings of the audit, and let it ask again sooner."""
    actor = importlib.import_module("actors.audit.actor")
    rounds = importlib.import_module("actors.audit.rounds")
    factory = importlib.import_module("actors.app.auditing")
    lengths = rounds.Lengths(
        hour_ms=HOUR_MS, over_ms=7_000, edge_ms=5_000, settled_ms=6_000, again_ms=1_000
    )
    wanted = actor.AuditSettings
    vars(factory)["AuditSettings"] = lambda *, stream, **_: wanted(
        markets=36_000, stream=stream, lengths=lengths
    )
    vars(actor)["ASK_AGAIN_S"] = 2.0


def main() -> int:
    """Shorten the hours, then run the tracker."""
    shorten()
    command = importlib.import_module("actors.cli.main")
    return int(command.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
