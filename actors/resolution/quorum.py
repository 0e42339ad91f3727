"""The outcome rule: from what the sources report about a market to a decision.

A decision needs a quorum: two independent sources that report the same final outcome, none
that contradicts, and proof that this stood for the hold. Two are independent when neither rests on
the other, nor both on a third one, for which token is meant. The truth table is in
docs/explanation/resolutions.md. The input is `Evidence`: of a history of any length the latest
statement of each source. Times are wall clock milliseconds since 1970, those at which answers
were made.
"""

from collections.abc import Iterable
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
    is_outcome,
)
from actors.model.trade import ConditionId, TokenId


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What one source reports now: an unbroken run of observations with the same payouts.

    Attributes:
        payouts: As in the observations, in no order; None when not final.
        reason: Of the latest observation.
        since_ms: When the first answer of the run was made.
        last_ms: When the latest answer of the run was made.
        mapped_by: Of the latest observation.
    """

    source: Source
    payouts: frozenset[tuple[TokenId, Decimal]] | None
    reason: str
    since_ms: int
    last_ms: int
    mapped_by: tuple[Source, ...] = ()

    def is_independent_of(self, other: "Statement") -> bool:
        """Return whether nothing that this one rests on is what the other one rests on."""
        return not {self.source, *self.mapped_by} & {other.source, *other.mapped_by}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The statements of all sources about one market.

    Attributes:
        statements: At most one of each source, ordered by source.
        contradicted_until_ms: Until when two sources contradicted each other, as
            far as is known; 0 when they never did.
    """

    condition_id: ConditionId
    statements: tuple[Statement, ...] = ()
    contradicted_until_ms: int = 0

    def add(self, observation: Observation) -> "Evidence":
        """Return the evidence with this observation; add those that repeat a statement too.

        An observation of another market changes nothing. One that arrives late
        (older than the latest of its source) can break a run and never lengthens
        one.
        """
        if observation.condition_id != self.condition_id:
            return self
        statements = self._by_source()
        known = statements.get(observation.source)
        statements[observation.source] = _continued(known, observation)
        # A contradiction lasts until the observation that ends it, hence the statements before.
        contradicted = _contradict(self.statements) or _contradict(statements.values())
        until_ms = observation.made_at_ms if contradicted else 0
        return Evidence(
            condition_id=self.condition_id,
            statements=_ordered(statements),
            contradicted_until_ms=max(self.contradicted_until_ms, until_ms),
        )

    def add_stored(self, observation: Observation) -> "Evidence":
        """Return the evidence with the last observation of a source that the database has.

        Where this process has observed the source itself, a stored observation
        with the same payouts makes the run longer; another one changes nothing.
        """
        if observation.condition_id != self.condition_id:
            return self
        statements = self._by_source()
        known = statements.get(observation.source)
        if known is None:
            return self.add(observation)
        if _payouts(observation) != known.payouts or observation.made_at_ms >= known.since_ms:
            return self
        longer = msgspec.structs.replace(known, since_ms=observation.made_at_ms)
        statements[observation.source] = longer
        return msgspec.structs.replace(self, statements=_ordered(statements))

    def statement(self, source: Source) -> Statement | None:
        """Return what this source reports now, or None when it has reported nothing."""
        return next((each for each in self.statements if each.source is source), None)

    def _by_source(self) -> dict[Source, Statement]:
        return {each.source: each for each in self.statements}


def _ordered(statements: dict[Source, Statement]) -> tuple[Statement, ...]:
    return tuple(statements[source] for source in sorted(statements))


def _payouts(observation: Observation) -> frozenset[tuple[TokenId, Decimal]] | None:
    return None if observation.payouts is None else frozenset(observation.payouts)


def _contradict(statements: Iterable[Statement]) -> bool:
    return len({each.payouts for each in statements if each.payouts is not None}) > 1


def _continued(known: Statement | None, observation: Observation) -> Statement:
    """Return the statement of a source after one more observation of it."""
    payouts, at_ms = _payouts(observation), observation.made_at_ms
    if known is not None and at_ms < known.last_ms:
        # The source reported something else in between, so the run is only
        # as old as its latest part.
        broken = payouts != known.payouts and at_ms >= known.since_ms
        return msgspec.structs.replace(known, since_ms=known.last_ms) if broken else known
    return Statement(
        source=observation.source,
        payouts=payouts,
        reason=observation.reason,
        since_ms=known.since_ms if known is not None and known.payouts == payouts else at_ms,
        last_ms=at_ms,
        mapped_by=observation.mapped_by,
    )


HOLDING = "on hold"
CONFIRMING = "to be confirmed"
DEPENDENT = "no two independent sources are final"
_REASON_ORDER = tuple(dict.fromkeys((Source.GAMMA, Source.DATA, *Source)))
"""All sources; of those that report no final outcome, the first one's reason is given."""


class Winner(msgspec.Struct, frozen=True, kw_only=True):
    """One token pays everything.

    Attributes:
        payouts: In outcome order.
        sources: Those that agree, in alphabetical order.
        since_ms: Since when at least two of them agree.
    """

    token_id: TokenId
    outcome: str
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
        reason: What each of them reports, such as `clob says winner 1; gamma says split`.
    """

    reason: str


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
    final = [each for each in evidence.statements if _is_final(each, market)]
    # Payouts carry token ids, so sources that order the outcomes differently still compare.
    if len({each.payouts for each in final}) > 1:
        parts = (f"{each.source} says {_outcome_text(each.payouts)}" for each in final)
        return Conflict(reason="; ".join(parts))
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
    return _agreed(final, market, since_ms)


def resolution_of(
    decision: Winner | Split, market: Market, *, resolved_at_ms: int | None = None
) -> Resolution:
    """Return the resolution to record; without `resolved_at_ms` it has the time of agreement."""
    winner = decision if isinstance(decision, Winner) else None
    return Resolution(
        condition_id=market.condition_id,
        kind="winner" if winner else "split",
        winning_token_id=winner.token_id if winner else None,
        winning_outcome=winner.outcome if winner else None,
        payouts=decision.payouts,
        resolved_at_ms=decision.since_ms if resolved_at_ms is None else resolved_at_ms,
        sources=decision.sources,
    )


def contradiction_of(recorded: Resolution, observation: Observation) -> Contradiction | None:
    """Return the contradiction between a recorded resolution and an observation, if any.

    Only a final observation of the same market can contradict.
    """
    if observation.condition_id != recorded.condition_id or observation.payouts is None:
        return None
    winner = recorded.winning_token_id
    before = "split" if winner is None else f"winner {winner}"
    observed = _outcome_text(frozenset(observation.payouts))
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
    """Return why there is no quorum: the reason of the first source that reported one."""
    if final:
        return DEPENDENT if len(final) > 1 else f"only {final[0].source} is final"
    for source in _REASON_ORDER:
        if statement := evidence.statement(source):
            return statement.reason or "unusual payouts"
    return "not asked"


def _outcome_text(payouts: frozenset[tuple[TokenId, Decimal]] | None) -> str:
    """Return payouts as text. It is stored and compared after a restart: never change it."""
    shares = dict(payouts or ())
    winners = [token_id for token_id, share in shares.items() if share == ALL]
    if is_outcome(tuple(shares.values())):
        return f"winner {winners[0]}" if winners else "split"
    return ", ".join(f"{token_id} pays {shares[token_id]}" for token_id in sorted(shares))


def _agreed(final: list[Statement], market: Market, since_ms: int) -> Winner | Split:
    # Those of any source: `decide` has found all of them equal.
    shares = dict(final[0].payouts or ())
    payouts = tuple(shares[token_id] for token_id in market.token_ids)
    sources = tuple(each.source for each in final)
    if ALL not in payouts:
        return Split(payouts=payouts, sources=sources, since_ms=since_ms)
    winner = market.assets[payouts.index(ALL)]
    return Winner(
        token_id=winner.token_id,
        outcome=winner.outcome,
        payouts=payouts,
        sources=sources,
        since_ms=since_ms,
    )
