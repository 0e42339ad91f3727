"""What the sources report about one market, and since when: the input of the outcome rule.

Of a history of any length only the latest statement of each source is kept. All
times are wall clock milliseconds since 1970.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from actors.model.outcome import Observation, Source
from actors.model.trade import ConditionId, TokenId


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What one source reports now: an unbroken run of observations with the same payouts.

    Attributes:
        payouts: As in the observations, in no order; None when not final.
        reason: Of the latest observation.
        since_ms: The first observation of the run.
        last_ms: The latest observation of the run.
    """

    source: Source
    payouts: frozenset[tuple[TokenId, Decimal]] | None
    reason: str
    since_ms: int
    last_ms: int


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
        until_ms = observation.observed_at_ms if contradicted else 0
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
        if _payouts(observation) != known.payouts or observation.observed_at_ms >= known.since_ms:
            return self
        longer = msgspec.structs.replace(known, since_ms=observation.observed_at_ms)
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
    payouts, at_ms = _payouts(observation), observation.observed_at_ms
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
    )
