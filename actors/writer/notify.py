"""What the writer has to say: to its neighbours and to the log."""

import logging

from actors.actor import Addresses, Incarnation
from actors.messages import (
    BatchWritten,
    EvidenceRestored,
    MarketsRestored,
    RechecksRestored,
    StoreLost,
    StoreOpened,
    TicketsStored,
    WriterReport,
)
from actors.model.batch import Committed
from actors.model.market import Market
from actors.model.outcome import Recheck, StoredEvidence, TimeWindow
from actors.writer.catchup import Store
from actors.writer.gather import FindingsBatch, TradeBatch

log = logging.getLogger(__name__)
LINE_S = 10.0


# MERGED: Log lines about what happens often: one now and then, with all that it stands
# for.


class CommitSummary:
    """What the writer's transactions held since the last line about them.

    Args:
        every_s: Least time between two lines, in seconds.
    """

    def __init__(self, *, every_s: float) -> None:
        self._every_s = every_s
        self._taken_at = float("-inf")
        self._clear()

    def _clear(self) -> None:
        self._batches = self._stored = self._duplicates = self._rejected = 0
        self._lag_ns = 0

    def add(self, committed: Committed, *, oldest_received_ns: int, wall_ns: int) -> None:
        """Note a transaction; one without trades and rejections is not worth a line.

        Args:
            committed: What the database said.
            oldest_received_ns: When its oldest trade was received; 0 without trades.
            wall_ns: When it was committed.
        """
        if not (committed.stored or committed.duplicates or committed.rejected):
            return
        self._batches += 1
        self._stored += committed.stored
        self._duplicates += committed.duplicates
        self._rejected += committed.rejected
        if oldest_received_ns:
            self._lag_ns = max(self._lag_ns, wall_ns - oldest_received_ns)

    def take(self, now: float, *, at_once: bool = False) -> dict[str, float]:
        """Return the fields of the line that is due; nothing while none is.

        `lag_s` is how long the trade that waited longest had waited.
        """
        if not self._batches or (now - self._taken_at < self._every_s and not at_once):
            return {}
        self._taken_at = now
        fields = {
            "batches": self._batches,
            "stored": self._stored,
            "duplicates": self._duplicates,
            "rejected": self._rejected,
            "lag_s": round(self._lag_ns / 1e9, 3),
        }
        self._clear()
        return fields


"""Least time between two lines about what was written, in seconds."""


class WriterNotifier:
    """Tells of the database and of what came to be stored in it.

    Args:
        incarnation: Of the writer.
        to: The actors that it tells.
    """

    def __init__(self, incarnation: Incarnation, to: Addresses) -> None:
        self._incarnation = incarnation
        self._to = to
        self._written = CommitSummary(every_s=LINE_S)

    def opened(self, server: str, watermark: int) -> None:
        """The database answers; the journal is read from the watermark on."""
        news = StoreOpened(server=server)
        for neighbour in (self._to.supervisor, self._to.catalog, self._to.resolution):
            neighbour.tell(news)
        log.info("database_opened", extra={"server": server, "watermark": watermark})

    def lost(self, reason: str, retry_s: float) -> None:
        """The database is away; it is tried again after so many seconds."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        log.warning("database_away", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def stopped(self, reason: str, retry_s: float) -> None:
        """The database rejects too much; nothing is stored for so many seconds."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        log.error("storing_stopped", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def remembered(self, markets: tuple[Market, ...], said: StoredEvidence) -> None:
        """Earlier days left these unresolved, with this said of them."""
        self._to.resolution.tell(EvidenceRestored(evidence=said))
        told = MarketsRestored(markets=markets)
        self._to.catalog.tell(told)
        self._to.resolution.tell(told)

    def due_again(self, verdicts: tuple[Recheck, ...], *, until_ms: int | None = None) -> None:
        """These verdicts want another look; with `until_ms`, that were all until then."""
        self._to.resolution.tell(RechecksRestored(rechecks=verdicts, until_ms=until_ms))

    def committed(
        self, gathered: TradeBatch, knowledge: FindingsBatch, committed: Committed, wall_ns: int
    ) -> None:
        """All of this is in the database for good."""
        self._to.catalog.tell(TicketsStored(tickets=tuple(knowledge.catalog_tickets)))
        self._to.resolution.tell(TicketsStored(tickets=tuple(knowledge.resolution_tickets)))
        oldest_ns = min((p.received_at_ns for p in gathered.trades), default=0)
        self._written.add(committed, oldest_received_ns=oldest_ns, wall_ns=wall_ns)
        self._to.supervisor.tell(
            BatchWritten(
                stored=committed.stored,
                duplicates=committed.duplicates,
                rejected=committed.rejected,
                recovered=gathered.recovered,
                watermark=committed.watermark,
                oldest_received_ns=oldest_ns,
            )
        )

    def report(self, now: float, *, state: str, waiting: int) -> None:
        """Return a sign of life: how the database is, how many records wait for it."""
        self._to.supervisor.tell(
            WriterReport(
                child=self._incarnation.child,
                incarnation=self._incarnation.number,
                now=now,
                state=state,
                waiting=waiting,
            )
        )

    def say_written(self, now: float, *, at_once: bool = False) -> None:
        """Log what was committed since the last line, now and then."""
        fields = self._written.take(now, at_once=at_once)
        if fields:
            log.info("batches_written", extra=fields)


# MERGED: What the database remembers of earlier lives, told to those who ask.
class Reader:
    """Reads outcomes back. Every method raises what the store raises."""

    def __init__(self, store: Store, notifier: WriterNotifier) -> None:
        self._store = store
        self._notifier = notifier

    def unresolved(self) -> None:
        """Return what earlier days left unresolved, and what was said of it."""
        for markets in self._store.open_markets():
            ids = tuple(market.condition_id for market in markets)
            self._notifier.remembered(markets, self._store.stored_evidence(ids))

    def verdicts(self, stretch: TimeWindow) -> None:
        """Return which verdicts fall due for another look in this stretch."""
        for verdicts in self._store.resolutions_to_check(stretch):
            self._notifier.due_again(verdicts)
        self._notifier.due_again((), until_ms=stretch.until_ms)
