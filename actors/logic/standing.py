"""Standing: where a market stands on its way to a verdict, and each step of that way.

open → ended → proposed ⇄ disputed → agreed-holding → recorded, with conflict beside
all of them. Steps may be left out, and a source that takes its word back leads back.
The table stands in docs/explanation/resolutions.md.
"""

from enum import StrEnum

import msgspec

from actors.logic.evidence import Observation, Testimony
from actors.logic.outcome import CONFIRMING, HOLDING, Conflict, NotYet, Verdict
from actors.logic.trade import ConditionId

DISPUTED = frozenset({"disputed", "challenged", "arbitration"})
PROPOSED = frozenset({"proposed", "reproposed"})
CLOSED = frozenset({"closed without status", "prices not final", "no winner flag"})
TRACKER = "tracker"
"""The source of a transition, beside the sources of words."""


class Standing(StrEnum):
    """Where a market stands."""

    OPEN = "open"
    ENDED = "ended"
    PROPOSED = "proposed"
    DISPUTED = "disputed"
    HOLDING = "agreed-holding"
    RECORDED = "recorded"
    CONFLICT = "conflict"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A market stands elsewhere than before.

    Attributes:
        at_ms: Wall clock, milliseconds since 1970; later than that of the transition before.
        reason: What it waits for now, or what brought it here.
    """

    condition_id: ConditionId
    at_ms: int
    before: Standing
    standing: Standing
    reason: str


class LastWords(msgspec.Struct, frozen=True, kw_only=True):
    """What earlier lives heard last of markets that have no verdict.

    Attributes:
        observations: The last word of each source; their payload is left out.
        standings: (market, where it stood last, since when in ms).
        contradicted: Markets about which sources once contradicted each other.
    """

    observations: tuple[Observation, ...] = ()
    standings: tuple[tuple[ConditionId, Standing, int], ...] = ()
    contradicted: tuple[ConditionId, ...] = ()


def stands(verdict: Verdict, testimony: Testimony | None, *, ended: bool) -> Standing:
    """Give where a market stands by what is said of it.

    Args:
        verdict: As it is now.
        testimony: What it rests on; None when nobody was asked.
        ended: The planned end of trading is over.
    """
    if isinstance(verdict, Conflict):
        return Standing.CONFLICT
    if not isinstance(verdict, NotYet):
        return Standing.RECORDED
    if verdict.reason in (HOLDING, CONFIRMING):
        return Standing.HOLDING
    words = testimony.words if testimony else ()
    reasons = {word.reason for word in words}
    if reasons & DISPUTED:
        return Standing.DISPUTED
    if reasons & PROPOSED:
        return Standing.PROPOSED
    told = any(word.payouts is not None for word in words) or bool(reasons & CLOSED)
    return Standing.ENDED if ended or told else Standing.OPEN


class Standings:
    """Where each market stood last. Those that are open need no room."""

    def __init__(self) -> None:
        self._last: dict[ConditionId, tuple[Standing, int]] = {}

    def of(self, condition_id: ConditionId) -> Standing:
        """Give where a market stands."""
        return self._last.get(condition_id, (Standing.OPEN, 0))[0]

    def remember(self, condition_id: ConditionId, standing: Standing, at_ms: int) -> None:
        """Take over from an earlier life; what was seen in this one counts more."""
        self._last.setdefault(condition_id, (standing, at_ms))

    def move(
        self, condition_id: ConditionId, standing: Standing, reason: str, now_ms: int
    ) -> Transition | None:
        """Note where a market stands now; give the transition if that is elsewhere."""
        before, last_ms = self._last.get(condition_id, (Standing.OPEN, 0))
        if standing is before:
            return None
        at_ms = max(now_ms, last_ms + 1)  # two steps may fall into one millisecond
        self._last[condition_id] = (standing, at_ms)
        return Transition(
            condition_id=condition_id,
            at_ms=at_ms,
            before=before,
            standing=standing,
            reason=reason,
        )

    def forget(self, condition_id: ConditionId) -> None:
        """Let go of a market."""
        self._last.pop(condition_id, None)
