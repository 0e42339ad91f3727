"""The outcome rule: from what the sources report about a market to a decision.

A decision needs a quorum: two independent sources that report the same final outcome, none
that contradicts, and proof that this stood for the hold. Two are independent when neither rests on
the other, nor both on a third one, for which token is meant. The truth table is in
docs/explanation/resolutions.md. The input is `Evidence`. Times are wall clock milliseconds since
1970, those at which answers were made.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations

import msgspec

from actors.model.market import (
    ALL,
    Contradiction,
    Market,
    Observation,
    Resolution,
    Source,
    TokenPayout,
    is_outcome,
)
from actors.model.trade import TokenId
from actors.resolution.evidence import Evidence, Namings, Statement

MAPPING = "names of the tokens contradict"
HOLDING = "on hold"
CONFIRMING = "to be confirmed"
DEPENDENT = "no two independent sources are final"
_NO_OUTCOME = frozenset({"unusual payouts", "payouts not final", "payouts do not add up"})
"""Reasons that are told of a market that has resolved, and to neither a winner nor a split."""
_REASON_ORDER = tuple(dict.fromkeys((Source.GAMMA, Source.DATA, *Source)))
"""All sources; of those that report no final outcome, the first one's reason is given."""


class Winner(msgspec.Struct, frozen=True, kw_only=True):
    """One token pays everything.

    Attributes:
        outcome: Its name as two sources tell it alike; None while no two do.
        payouts: In outcome order.
        sources: Those that agree, in alphabetical order.
        since_ms: Since when at least two of them agree.
    """

    token_id: TokenId
    outcome: str | None
    payouts: tuple[Decimal, ...]
    sources: tuple[Source, ...]
    since_ms: int


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Both tokens pay half. Attributes as of `Winner`."""

    payouts: tuple[Decimal, ...]
    sources: tuple[Source, ...]
    since_ms: int


class NotYet(msgspec.Struct, frozen=True, kw_only=True):
    """No outcome yet.

    Attributes:
        reason: One of a small fixed set of phrases.
        poll_at_ms: When polling the sources again can bring an outcome, if that is known.
    """

    reason: str
    poll_at_ms: int | None = None


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Final sources contradict each other.

    Attributes:
        outcomes: What each of them reports, such as (`clob`, `winner 1`) and (`gamma`, `split`).
    """

    outcomes: tuple[tuple[Source, str], ...]

    @property
    def reason(self) -> str:
        """Return the same in words."""
        return "; ".join(f"{source} says {text}" for source, text in self.outcomes)


Decision = Winner | Split | NotYet | Conflict


def decide(evidence: Evidence, market: Market, *, now_ms: int, hold_ms: int) -> Decision:
    """Return the decision on a market.

    The latest statement of each source counts. An outcome needs two independent final sources
    with the same payouts by token id, no final source that contradicts, and proof
    that this stood for `hold_ms`: two independent ones of those that agree have reported it
    and, without a break, reported it again that much later. A source that was not
    asked again may have changed.

    Args:
        evidence: On this market; evidence on another one gives `NotYet`.
        market: With its two tokens in outcome order.
        now_ms: Wall clock.
        hold_ms: How long each of the two statements must have stood, counted from
            the first observation of its run, or from the end of the last
            contradiction. With 0, one observation of each is enough.
    """
    if reason := _misfit(evidence, market):
        return NotYet(reason=reason)
    evidence = evidence.of_listing(market)
    final = [each for each in evidence.final if _is_final(each, market)]
    # Payouts carry token ids, so sources that order the outcomes differently still compare.
    if len({each.payouts for each in final}) > 1:
        return Conflict(outcomes=tuple((each.source, outcome_text(each.payouts)) for each in final))
    pairs = _independent(final)
    if not pairs:
        return NotYet(reason=_why_not(evidence, final))
    contradicted_ms = evidence.contradicted_until_ms
    # The second of a pair to report it: only from then on did two sources agree.
    agreed_ms = min(max(one.since_ms, other.since_ms) for one, other in pairs)
    since_ms = max(contradicted_ms, agreed_ms)
    if now_ms < since_ms + hold_ms:
        return NotYet(reason=HOLDING, poll_at_ms=since_ms + hold_ms)
    confirmed = [each for each in final if _has_stood(each, contradicted_ms, now_ms, hold_ms)]
    if not _independent(confirmed):
        return NotYet(reason=CONFIRMING, poll_at_ms=since_ms + hold_ms)
    return _agreed(final, market, evidence.namings, since_ms)


def resolution_of(
    decision: Winner | Split,
    market: Market,
    evidence: Evidence,
    *,
    resolved_at_ms: int | None = None,
) -> Resolution:
    """Return the resolution to record; without `resolved_at_ms` it has the time of agreement."""
    namings = evidence.of_listing(market).namings
    winner = decision if isinstance(decision, Winner) else None
    return Resolution(
        condition_id=market.condition_id,
        kind="winner" if winner else "split",
        winning_token_id=winner.token_id if winner else None,
        winning_outcome=winner.outcome if winner else None,
        payouts=decision.payouts,
        resolved_at_ms=decision.since_ms if resolved_at_ms is None else resolved_at_ms,
        sources=decision.sources,
        by_token=tuple(
            TokenPayout(token_id=token_id, outcome=namings.name_of(token_id), payout=payout)
            for token_id, payout in zip(market.token_ids, decision.payouts, strict=True)
        ),
        evidence=_latest_of(evidence, decision.sources),
    )


def _latest_of(evidence: Evidence, sources: Sequence[Source]) -> tuple[Observation, ...]:
    """Return the last observations of these sources, oldest first; of a stored one none."""
    found = [each.latest for each in evidence.statements if each.source in sources]
    return tuple(sorted(filter(None, found), key=lambda one: one.observed_at_ms))


def recorded_text(recorded: Resolution) -> str:
    """Return a resolution as `outcome_text` returns what a source reports."""
    winner = recorded.winning_token_id
    return "split" if winner is None else f"winner {winner}"


def contradiction_of(recorded: Resolution, observation: Observation) -> Contradiction | None:
    """Return the contradiction between a recorded resolution and an observation, if any.

    Only a final observation of the same market can contradict.
    """
    if observation.condition_id != recorded.condition_id or observation.payouts is None:
        return None
    before = recorded_text(recorded)
    observed = outcome_text(frozenset(observation.payouts))
    if before == observed:
        return None
    return Contradiction(
        condition_id=recorded.condition_id,
        detected_at_ms=observation.observed_at_ms,
        recorded=before,
        observed=observed,
        source=observation.source,
    )


def _misfit(evidence: Evidence, market: Market) -> str:
    """Return why nothing can be decided from this evidence, or an empty text."""
    if len(market.assets) != 2 or len(set(market.token_ids)) != 2:
        return "not two tokens"
    return "" if market.condition_id == evidence.condition_id else "another market"


def _independent(statements: list[Statement]) -> list[tuple[Statement, Statement]]:
    """Return the pairs of statements that rest on no source in common."""
    return [pair for pair in combinations(statements, 2) if pair[0].is_independent_of(pair[1])]


def _is_final(statement: Statement, market: Market) -> bool:
    if statement.payouts is None or len(statement.payouts) != 2:
        return False
    shares = dict(statement.payouts)
    return shares.keys() == set(market.token_ids) and is_outcome(tuple(shares.values()))


def _has_stood(statement: Statement, contradicted_ms: int, now_ms: int, hold_ms: int) -> bool:
    """Return whether the hold of this statement is over and was confirmed after it."""
    ends_ms = max(contradicted_ms, statement.since_ms) + hold_ms
    return ends_ms <= (min(now_ms, statement.last_ms) if hold_ms else now_ms)


def _why_not(evidence: Evidence, final: list[Statement]) -> str:
    """Return why there is no quorum: that there can be none, or the first source's reason."""
    if not final and any(
        each.payouts for each in evidence.statements if each not in evidence.final
    ):
        return MAPPING
    if final:
        return DEPENDENT if len(final) > 1 else f"only {final[0].source} is final"
    never = [each.reason for each in evidence.statements if each.reason in _NO_OUTCOME]
    if never:
        return never[0]
    for source in _REASON_ORDER:
        if statement := evidence.statement(source):
            return statement.reason or "unusual payouts"
    return "not asked"


def outcome_text(payouts: frozenset[tuple[TokenId, Decimal]] | None) -> str:
    """Return payouts as text. It is stored and compared after a restart: never change it."""
    shares = dict(payouts or ())
    winners = [token_id for token_id, share in shares.items() if share == ALL]
    if is_outcome(tuple(shares.values())):
        return f"winner {winners[0]}" if winners else "split"
    return ", ".join(f"{token_id} pays {shares[token_id]}" for token_id in sorted(shares))


def _agreed(
    final: list[Statement], market: Market, namings: Namings, since_ms: int
) -> Winner | Split:
    # Those of any source: `decide` has found all of them equal.
    shares = dict(final[0].payouts or ())
    payouts = tuple(shares[token_id] for token_id in market.token_ids)
    sources = tuple(each.source for each in final)
    if ALL not in payouts:
        return Split(payouts=payouts, sources=sources, since_ms=since_ms)
    winner = market.assets[payouts.index(ALL)]
    return Winner(
        token_id=winner.token_id,
        outcome=namings.name_of(winner.token_id),
        payouts=payouts,
        sources=sources,
        since_ms=since_ms,
    )
