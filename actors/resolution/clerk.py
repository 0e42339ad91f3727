"""The clerk of the resolution actor: tells the writer what the court found, until it is stored."""

import logging
from collections.abc import Callable, Iterable

from actors.actor import Mailbox
from actors.messages import (
    MarketMoved,
    MarketResolved,
    ResolutionConflict,
    ResolutionObserved,
)
from actors.model.trade import ConditionId
from actors.outbox import Outbox
from actors.resolution.cases import Heard
from actors.resolution.quorum import Contradiction, Resolution
from actors.resolution.standing import Transition

log = logging.getLogger(__name__)

OUTBOX_MAX = 10_000

Ticketed = ResolutionObserved | MarketMoved | MarketResolved | ResolutionConflict


class Clerk:
    """What is told and not yet stored. In the thread of its actor.

    Attributes:
        recorded_total: Verdicts that are stored.
        conflicts_total: Contradictions that were told.
    """

    def __init__(self, writer: Mailbox, *, life: int) -> None:
        self.recorded_total = self.conflicts_total = 0
        self._writer = writer
        self._outbox = Outbox(life=life)

    def __len__(self) -> int:
        return len(self._outbox)

    @property
    def busy(self) -> bool:
        """Say whether so much waits for the database that nothing new should be looked for."""
        return len(self._outbox) >= OUTBOX_MAX

    def note(self, heard: Heard) -> None:
        """Tell what follows from the word of a source, the evidence first."""
        evidence = heard.evidence
        if evidence is not None:
            self._tell(lambda n: ResolutionObserved(ticket=n, observation=evidence))
        if heard.transition is not None:
            self.move(heard.transition)
        if heard.resolution is not None:
            self._resolve(heard.resolution)
        if heard.contradiction is not None:
            self._contradict(heard.contradiction)

    def move(self, step: Transition) -> None:
        """Have it written down that a market stands elsewhere."""
        self._tell(lambda n: MarketMoved(ticket=n, transition=step))

    def tell_again(self) -> None:
        """Tell what is not stored; in the order in which it was told."""
        for message in self._outbox.waiting():
            self._writer.tell(message)

    def stored(self, tickets: Iterable[int]) -> tuple[ConditionId, ...]:
        """Forget what is stored; give the markets whose verdict is."""
        stored = self._outbox.stored(tickets)
        settled = [m.resolution.condition_id for m in stored if isinstance(m, MarketResolved)]
        self.recorded_total += len(settled)
        return tuple(settled)

    def _resolve(self, resolution: Resolution) -> None:
        """Have a verdict recorded for ever."""
        self._tell(lambda n: MarketResolved(ticket=n, resolution=resolution))
        log.info(
            "market_resolved",
            extra={"condition_id": resolution.condition_id, "kind": resolution.kind},
        )

    def _contradict(self, contradiction: Contradiction) -> None:
        """Show that a source contradicts a verdict or another source."""
        self.conflicts_total += 1
        self._tell(lambda n: ResolutionConflict(ticket=n, contradiction=contradiction))
        log.error(
            "resolution_conflict",
            extra={
                "condition_id": contradiction.condition_id,
                "source": contradiction.source.value,
                "recorded": contradiction.recorded,
                "observed": contradiction.observed,
            },
        )

    def _tell(self, make: Callable[[int], Ticketed]) -> None:
        self._writer.tell(self._outbox.put(make))
