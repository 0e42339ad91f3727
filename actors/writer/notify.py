"""What the writer has to say: to its neighbours and to the log."""

import logging

import msgspec

from actors.actor import Birth, Mailbox
from actors.messages import (
    BatchWritten,
    EvidenceRemembered,
    MarketsRemembered,
    StoreLost,
    StoreOpened,
    TicketsStored,
    VerdictsRemembered,
)
from actors.model.batch import Committed
from actors.model.market import Market
from actors.reports import WriterReport
from actors.resolution.rechecks import Recheck
from actors.resolution.standing import LastWords
from actors.writer.digest import Written
from actors.writer.gather import Gathered, Knowledge

log = logging.getLogger(__name__)

LINE_S = 10.0
"""Least time between two lines about what was written, in seconds."""


class WriterNeighbours(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the writer tells what."""

    supervisor: Mailbox
    catalog: Mailbox
    resolution: Mailbox


class Tidings:
    """Tells of the database and of what came to be stored in it.

    Args:
        birth: Whose life it speaks for.
        to: Whom it tells.
    """

    def __init__(self, birth: Birth, to: WriterNeighbours) -> None:
        self._birth = birth
        self._to = to
        self._written = Written(every_s=LINE_S)

    def opened(self, server: str, mark: int) -> None:
        """The database answers; the journal is read from `mark` on."""
        news = StoreOpened(server=server)
        for neighbour in (self._to.supervisor, self._to.catalog, self._to.resolution):
            neighbour.tell(news)
        log.info("database_opened", extra={"server": server, "mark": mark})

    def lost(self, reason: str, retry_s: float) -> None:
        """The database is away; it is tried again after so many seconds."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        log.warning("database_away", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def stopped(self, reason: str, retry_s: float) -> None:
        """The database refuses too much; nothing is stored for so many seconds."""
        self._to.supervisor.tell(StoreLost(reason=reason))
        log.error("storing_stopped", extra={"reason": reason, "retry_s": round(retry_s, 1)})

    def remembered(self, markets: tuple[Market, ...], said: LastWords) -> None:
        """Earlier days left these unresolved, with this said of them."""
        self._to.resolution.tell(EvidenceRemembered(said=said))
        told = MarketsRemembered(markets=markets)
        self._to.catalog.tell(told)
        self._to.resolution.tell(told)

    def due_again(self, verdicts: tuple[Recheck, ...], *, until_ms: int | None = None) -> None:
        """These verdicts want another look; with `until_ms`, that were all until then."""
        self._to.resolution.tell(VerdictsRemembered(verdicts=verdicts, until_ms=until_ms))

    def committed(
        self, gathered: Gathered, knowledge: Knowledge, committed: Committed, wall_ns: int
    ) -> None:
        """All of this is in the database for good."""
        self._to.catalog.tell(TicketsStored(tickets=tuple(knowledge.catalog_tickets)))
        self._to.resolution.tell(TicketsStored(tickets=tuple(knowledge.resolution_tickets)))
        oldest_ns = min((p.received_at_ns for p in gathered.prints), default=0)
        self._written.add(committed, oldest_received_ns=oldest_ns, wall_ns=wall_ns)
        self._to.supervisor.tell(
            BatchWritten(
                stored=committed.stored,
                repeated=committed.repeated,
                refused=committed.refused,
                recovered=gathered.recovered,
                mark=committed.mark,
                oldest_received_ns=oldest_ns,
            )
        )

    def report(self, now: float, *, state: str, waiting: int) -> None:
        """Give a sign of life: how the database is, how many records wait for it."""
        self._to.supervisor.tell(
            WriterReport(
                child=self._birth.child,
                incarnation=self._birth.incarnation,
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
