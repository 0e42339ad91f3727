"""The whole tracker with two changes: it opens connections as fast as it can, and it notes
for each trade how long it took from the exchange's time to the committed row.

`LATENCY_FILE` names the file for these times, written at the end: milliseconds, sorted.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

from actors.app import factory, tracker
from actors.cli.main import main as run_tracker
from actors.database.schema import opening
from actors.model.storage import Batch, Committed
from actors.supervision.children import Children
from actors.supervision.pacing import ConnectRate

STARTS_PER_TICK = 50
_lags_ms: list[float] = []


class Noting(opening.MigratingStore):
    """A store that notes when its batches were committed."""

    def commit(self, batch: Batch) -> Committed:
        """Commit, then note the age of each trade."""
        committed = super().commit(batch)
        now_ms = time.time_ns() / 1e6
        _lags_ms.extend(now_ms - trade.traded_at_ms for trade in batch.trades)
        return committed


def main() -> int:
    """Run as bin/tracker does."""
    vars(tracker)["Children"] = partial(
        Children, connect_rate=ConnectRate(minimum=STARTS_PER_TICK, maximum=STARTS_PER_TICK)
    )
    vars(factory)["MigratingStore"] = Noting
    try:
        return run_tracker()
    finally:
        Path(os.environ["LATENCY_FILE"]).write_text(json.dumps(sorted(_lags_ms)))


if __name__ == "__main__":
    sys.exit(main())
