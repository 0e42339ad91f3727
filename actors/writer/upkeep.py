"""What the writer does between commits: settle and count coverage, delete old rows, take in trades.

Last it sends what was committed last, for people to see: nothing that must be done waits for that.
"""

from actors.actor import Mailbox
from actors.writer.catchup import Store
from actors.writer.latest import LatestTrades
from actors.writer.notify import WriterNotifier
from actors.writer.pacing import HousekeepingPace

SETTLE_STEPS = 3
"""So many steps of settling fit between two commits; each takes some ten milliseconds."""
SETTLE_EVERY_S = 10.0
"""Seconds until it is looked again whether there is something to settle."""
COVERAGE_EVERY_S = 60.0
"""Seconds until it is looked again whether a day is over, or something late has changed one."""


class Upkeep:
    """Does a little at each Tick, in the thread of the writer.

    Args:
        store: The open database.
        notifier: Is given what was deleted.
        supervisor: Is sent what was committed last.
        now: Monotonic seconds.

    Attributes:
        latest: The last trades and resolutions; the writer adds to them.
    """

    def __init__(
        self, store: Store, notifier: WriterNotifier, supervisor: Mailbox, now: float
    ) -> None:
        self._store = store
        self._notifier = notifier
        self.latest = LatestTrades(store, supervisor)
        self._settle_at = now
        self._housekeeping = HousekeepingPace(now)
        self._coverage = HousekeepingPace(now, first_s=COVERAGE_EVERY_S, rest_s=COVERAGE_EVERY_S)

    def step(self, now: float, *, is_live: bool) -> None:
        """Do what is due; what is left waits for the next Tick, behind the commits between.

        Args:
            now: Monotonic seconds.
            is_live: Nothing has to be caught up with: what is received comes first.

        Raises:
            StoreUnavailable: The database went away.
            SchemaNewer: It was migrated, and this version must not write any more.
        """
        if now >= self._settle_at:
            self._settle(now)
        if is_live and self._housekeeping.due(now):
            done = self._store.housekeep()
            if done.is_last:
                self._housekeeping.ended(now)
            self._notifier.housekept(done, now)
        elif is_live and self._coverage.due(now):
            done = self._store.compute_coverage()
            if done.is_last:
                self._coverage.ended(now)
            self._notifier.housekept(done, now)
        rejected = self._notifier.rejected_trades
        if is_live and rejected.due(now):
            self._notifier.took_in(self._store.take_in(rejected.after), now)
        self.latest.send()

    def _settle(self, now: float) -> None:
        for _ in range(SETTLE_STEPS):
            if self._store.settle():
                self._settle_at = now + SETTLE_EVERY_S
                return
