"""When public nodes of the chain are worth a request: where their word can decide something.

They serve everybody, and allow one request a second in all. So they are not asked about every
market, but where one final answer more would decide, where final answers contradict each other,
and once about a resolution that was recorded without the chain.
"""

from itertools import combinations

from actors.model.market import Resolution, Source
from actors.resolution.evidence import Evidence

SHORT_MS = 600_000
"""So long an answer may be the only final one before the chain is asked. Most services are late by
less, and need no help."""


def may_decide(evidence: Evidence | None, *, now_ms: int) -> bool:
    """Return whether the chain is to be asked about a market that has no resolution.

    Where nothing is final yet it is not: alone, it decides nothing either.

    Args:
        evidence: On this market; None when no source has reported anything.
        now_ms: Wall clock, milliseconds since 1970.
    """
    statements = evidence.statements if evidence is not None else ()
    final = [
        each for each in statements if each.payouts is not None and each.source is not Source.CHAIN
    ]
    if len({each.payouts for each in final}) > 1:
        return True
    if any(one.is_independent_of(other) for one, other in combinations(final, 2)):
        return False
    return any(now_ms - each.since_ms >= SHORT_MS for each in final)


def may_confirm(resolution: Resolution, *, first_recheck: bool) -> bool:
    """Return whether the chain is to be asked about a recorded resolution that is checked again."""
    return first_recheck and Source.CHAIN not in resolution.sources
