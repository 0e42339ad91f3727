"""The states of a market on its way to a resolution.

It passes through open → ended → proposed ⇄ disputed → agreed-holding → recorded, with conflict
beside all of them. States may be left out, and a source that withdraws what it reported leads
back; the table is in docs/explanation/resolutions.md. Times are wall clock milliseconds since
1970, passed in.
"""

from actors.model.market import MarketState, Transition
from actors.model.trade import ConditionId
from actors.resolution.evidence import Evidence
from actors.resolution.evidence_book import CLOSED_REASONS
from actors.resolution.quorum import CONFIRMING, HOLDING, Conflict, Decision, NotYet

PROPOSED_REASONS = frozenset({"proposed", "reproposed"})
DISPUTED_REASONS = frozenset({"disputed", "challenged", "arbitration"})


def state_of(decision: Decision, evidence: Evidence | None, *, ended: bool) -> MarketState:
    """Return the state of a market.

    Args:
        decision: The present one.
        evidence: That it rests on; None when no source was asked.
        ended: The planned end of trading is over.
    """
    if isinstance(decision, Conflict):
        return MarketState.CONFLICT
    if not isinstance(decision, NotYet):
        return MarketState.RECORDED
    if decision.reason in (HOLDING, CONFIRMING):
        return MarketState.HOLDING
    statements = evidence.statements if evidence else ()
    reasons = {each.reason for each in statements}
    # The most doubtful report counts, from whichever source it comes.
    if reasons & DISPUTED_REASONS:
        return MarketState.DISPUTED
    if reasons & PROPOSED_REASONS:
        return MarketState.PROPOSED
    final = any(each.payouts is not None for each in statements)
    closed = final or bool(reasons & CLOSED_REASONS)
    return MarketState.ENDED if ended or closed else MarketState.OPEN


class MarketStates:
    """The last state of each market. Open ones take no memory."""

    def __init__(self) -> None:
        self._last: dict[ConditionId, tuple[MarketState, int]] = {}

    def of(self, condition_id: ConditionId) -> MarketState:
        """Return the last state of a market."""
        return self._last.get(condition_id, (MarketState.OPEN, 0))[0]

    def restore(self, condition_id: ConditionId, state: MarketState, at_ms: int) -> None:
        """Take over a stored state, unless this process has set one already."""
        self._last.setdefault(condition_id, (state, at_ms))

    def move(
        self, condition_id: ConditionId, state: MarketState, reason: str, now_ms: int
    ) -> Transition | None:
        """Set the state of a market; return the transition, or None when it had that state."""
        before, last_ms = self._last.get(condition_id, (MarketState.OPEN, 0))
        if state is before:
            return None
        at_ms = max(now_ms, last_ms + 1)  # two transitions may fall into one millisecond
        self._last[condition_id] = (state, at_ms)
        return Transition(
            condition_id=condition_id,
            at_ms=at_ms,
            before=before,
            after=state,
            reason=reason,
        )

    def remove(self, condition_id: ConditionId) -> None:
        """Forget a market."""
        self._last.pop(condition_id, None)
