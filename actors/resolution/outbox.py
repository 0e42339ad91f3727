"""The findings of the resolution actor on their way to the database."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable

from actors.actor import Mailbox, Outbox
from actors.messages import (
    ConflictCleared,
    MarketResolved,
    MarketStateChanged,
    ResolutionConfirmed,
    ResolutionConflict,
    ResolutionObserved,
)
from actors.model.market import (
    Clearance,
    Contradiction,
    Market,
    Resolution,
    Source,
    Transition,
    named_outcome,
)
from actors.model.trade import ConditionId
from actors.resolution.evidence_book import Findings

log = logging.getLogger(__name__)

OUTBOX_MAX = 10_000
KEPT_MAX = 10_000
"""Findings that are kept after they were stored."""

Ticketed = (
    ResolutionObserved
    | MarketStateChanged
    | MarketResolved
    | ResolutionConflict
    | ResolutionConfirmed
    | ConflictCleared
)


class FindingsOutbox:
    """Sends findings to the writer and keeps them until they are stored, and a while longer.

    A database that has lost its last commits gets them again when it is opened. In the thread of
    its actor.

    Attributes:
        recorded_total: Resolutions that are stored.
        conflicts_total: Contradictions that were found.
        final: How many final observations of each source were sent to be stored: those that were
            news.
    """

    def __init__(self, writer: Mailbox, *, incarnation: int) -> None:
        self.recorded_total = self.conflicts_total = 0
        self.final: Counter[Source] = Counter()
        self._writer = writer
        self._outbox = Outbox(incarnation=incarnation, keep=KEPT_MAX)
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._outbox)

    @property
    def is_full(self) -> bool:
        """Return whether so much waits for the database that polling should pause."""
        return len(self._outbox) >= OUTBOX_MAX

    def tick(self, now: float) -> None:
        """Record the time, in monotonic seconds."""
        self._now = now

    def add(self, findings: Findings, market: Market | None = None) -> None:
        """Send what follows from an observation of a market, the observation first."""
        # In this order, so that the database never holds a resolution without its evidence.
        observation = findings.observation
        if observation is not None:
            self.final[observation.source] += observation.payouts is not None
            self._send(lambda n: ResolutionObserved(ticket=n, observation=observation))
        if findings.transition is not None:
            self.add_transition(findings.transition)
        if findings.resolution is not None:
            self._add_resolution(findings.resolution, findings.slug)
        for contradiction in findings.contradictions:
            self._add_contradiction(contradiction, market)
        for clearance in findings.clearances:
            self._add_clearance(clearance)
        confirmation = findings.confirmation
        if confirmation is not None:
            self._send(lambda n: ResolutionConfirmed(ticket=n, confirmation=confirmation))

    def add_transition(self, transition: Transition) -> None:
        """Send a change of the state of a market."""
        self._send(lambda n: MarketStateChanged(ticket=n, transition=transition))

    def resend(self) -> None:
        """Send again what may not be stored, in the order in which it was sent."""
        for message in self._outbox.to_send_again():
            self._writer.tell(message)

    def stored(self, tickets: Iterable[int]) -> tuple[ConditionId, ...]:
        """Record what is stored; return the markets whose resolution is new among it."""
        stored = self._outbox.stored(tickets, self._now)
        settled = [m.resolution.condition_id for m in stored if isinstance(m, MarketResolved)]
        self.recorded_total += len(settled)
        return tuple(settled)

    def _add_resolution(self, resolution: Resolution, slug: str) -> None:
        self._send(lambda n: MarketResolved(ticket=n, resolution=resolution))
        decided_ms = max((each.observed_at_ms for each in resolution.evidence), default=0)
        log.info(
            "market_resolved",
            extra={
                "condition_id": resolution.condition_id,
                "slug": slug,
                "kind": resolution.kind,
                "winner": resolution.winning_outcome,
                "sources": [source.value for source in resolution.sources],
                "after_s": max(0, decided_ms - resolution.resolved_at_ms) / 1000,
            },
        )

    def _add_contradiction(self, contradiction: Contradiction, market: Market | None) -> None:
        self.conflicts_total += 1
        self._send(lambda n: ResolutionConflict(ticket=n, contradiction=contradiction))
        log.error(
            "resolution_conflict",
            extra={
                "condition_id": contradiction.condition_id,
                "slug": market.slug if market else "",
                "source": contradiction.source.value,
                "recorded": _named(contradiction.recorded, market),
                "observed": _named(contradiction.observed, market),
            },
        )

    def _add_clearance(self, clearance: Clearance) -> None:
        self._send(lambda n: ConflictCleared(ticket=n, clearance=clearance))
        log.info(
            "conflict_cleared",
            extra={
                "condition_id": clearance.condition_id,
                "kind": clearance.kind.value,
                "reason": clearance.reason,
            },
        )

    def _send(self, make: Callable[[int], Ticketed]) -> None:
        self._writer.tell(self._outbox.put(make))


def _named(outcome: str, market: Market | None) -> str:
    """Return an outcome with the names of its tokens, for people."""
    assets = market.assets if market else ()
    return named_outcome(outcome, {each.token_id: each.outcome for each in assets})
