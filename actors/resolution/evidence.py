"""The evidence on one market: of a history of any length the latest statement of each source.

A source that reports the same again continues its statement; the time for which it has stood is
what the rule of `quorum.py` needs. Times are wall clock milliseconds since 1970, those at which
answers were made.
"""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from itertools import combinations

import msgspec

from actors.model.market import Market, Naming, Observation, Source
from actors.model.trade import ConditionId, TokenId

Names = tuple[tuple[TokenId, str], ...]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What one source reports now: an unbroken run of observations with the same payouts.

    Attributes:
        payouts: As in the observations, in no order; None when not final.
        reason: Of the latest observation.
        since_ms: When the first answer of the run was made.
        last_ms: When the latest answer of the run was made.
        naming, mapped_by: Of the latest observation.
        names: (token id, name of its outcome) of the latest observation that told them.
        latest: The latest observation itself if it is final and this process made it; else None.
    """

    source: Source
    payouts: frozenset[tuple[TokenId, Decimal]] | None
    reason: str
    since_ms: int
    last_ms: int
    naming: Naming = Naming.BY_ID
    mapped_by: tuple[Source, ...] = ()
    names: Names = ()
    latest: Observation | None = None

    def is_independent_of(self, other: "Statement") -> bool:
        """Return whether nothing that this one rests on is what the other one rests on."""
        return not {self.source, *self.mapped_by} & {other.source, *other.mapped_by}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The statements of all sources about one market.

    Attributes:
        statements: At most one of each source, ordered by source.
        contradicted_until_ms: Until when two sources contradicted each other, as
            far as is known; 0 when they never did.
        listed: (token id, name of its outcome) as the market was first listed.
    """

    condition_id: ConditionId
    statements: tuple[Statement, ...] = ()
    contradicted_until_ms: int = 0
    listed: Names = ()

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
        after = msgspec.structs.replace(self, statements=_ordered(statements))
        contradict = _contradict(self.final) or _contradict(after.final)
        until_ms = observation.made_at_ms if contradict else 0
        return msgspec.structs.replace(
            after, contradicted_until_ms=max(self.contradicted_until_ms, until_ms)
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

    def of_listing(self, market: Market) -> "Evidence":
        """Return the evidence with the names of a listing, unless it has those of one before."""
        if self.listed or not market.assets:
            return self
        return msgspec.structs.replace(self, listed=listed_names(market))

    def from_now(self, now_ms: int) -> "Evidence":
        """Return the same statements as if each had been made first now."""
        return msgspec.structs.replace(
            self,
            statements=tuple(
                msgspec.structs.replace(each, since_ms=now_ms, last_ms=now_ms)
                for each in self.statements
            ),
            contradicted_until_ms=min(self.contradicted_until_ms, now_ms),
        )

    def statement(self, source: Source) -> Statement | None:
        """Return what this source reports now, or None when it has reported nothing."""
        return next((each for each in self.statements if each.source is source), None)

    @property
    def namings(self) -> "Namings":
        """Return what is told of which token has which name."""
        told = [(each.source, each.names) for each in self.statements if each.names]
        return Namings(told=tuple(told), listed=self.listed)

    @property
    def final(self) -> tuple[Statement, ...]:
        """Return the final statements that name their tokens as nobody disputes."""
        listed = any(each.naming is Naming.OWN_LIST and each.payouts for each in self.statements)
        contested = self.namings.contested if listed else frozenset()
        return tuple(
            each
            for each in self.statements
            if each.payouts is not None
            and not (each.naming is Naming.OWN_LIST and each.source in contested)
        )

    def _by_source(self) -> dict[Source, Statement]:
        return {each.source: each for each in self.statements}


def _ordered(statements: dict[Source, Statement]) -> tuple[Statement, ...]:
    return tuple(statements[source] for source in sorted(statements))


def _contradict(statements: Iterable[Statement]) -> bool:
    return len({each.payouts for each in statements}) > 1


def _payouts(observation: Observation) -> frozenset[tuple[TokenId, Decimal]] | None:
    return None if observation.payouts is None else frozenset(observation.payouts)


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
        naming=observation.naming,
        mapped_by=observation.mapped_by,
        names=observation.names or (known.names if known is not None else ()),
        latest=observation if observation.payouts is not None and observation.payload else None,
    )


class Namings(msgspec.Struct, frozen=True, kw_only=True):
    """Which token has which name, as the sources tell it.

    Gamma gives prices to the outcomes in its list, and tokens to the outcomes in another list
    beside it: whoever mixes up one of the two names a wrong winner. So what a source says of its
    own list counts only while nobody has the same names on the other tokens. A source that has
    other names altogether (`Yes` and `YES`) disputes nothing.

    Attributes:
        told: Of each source that told them, by source.
        listed: As the market was first listed, long before: it can dispute, and proves nothing.
    """

    told: tuple[tuple[Source, Names], ...]
    listed: Names = ()

    @property
    def proven(self) -> Names:
        """Return the names that two sources tell in the same letters, and no two others; else none.

        A spelling that one source alone has is no name that two services tell.
        """
        counts = Counter(names for _, names in self.told)
        twice = [names for names, count in counts.items() if count > 1]
        return twice[0] if len(twice) == 1 else ()

    @property
    def contested(self) -> frozenset[Source]:
        """Return the sources whose names are on other tokens elsewhere, but for those proven."""
        proven = _folded(self.proven)
        others = [names for _, names in self.told] + [self.listed]
        return frozenset(
            source
            for source, names in self.told
            if (not proven or _folded(names) != proven)
            and any(_is_swapped(names, each) for each in others)
        )

    @property
    def is_contested(self) -> bool:
        """Return whether names of one are on other tokens elsewhere."""
        every = [*(names for _, names in self.told), self.listed]
        return any(_is_swapped(one, other) for one, other in combinations(every, 2))

    def swapped(self, names: Names) -> Names:
        """Return the names that have the same names on other tokens; empty when there are none."""
        others = [self.proven, self.listed, *(each for _, each in self.told)]
        return next((each for each in others if _is_swapped(names, each)), ())

    def name_of(self, token_id: TokenId) -> str | None:
        """Return the name of a token as two sources tell it alike; None while no two do."""
        return dict(self.proven).get(token_id)


def listed_names(market: Market) -> Names:
    """Return (token id, name) of a listed market, by token id as observations have them."""
    return tuple(sorted((asset.token_id, asset.outcome) for asset in market.assets))


# The names of a market are compared at each observation of it, and nearly all of them are alike.
@lru_cache(maxsize=20_000)
def _folded(names: Names) -> frozenset[tuple[TokenId, str]]:
    folded = frozenset((token_id, name.strip().casefold()) for token_id, name in names)
    # Two outcomes may differ in nothing but capitals.
    return folded if len({name for _, name in folded}) == len(folded) else frozenset(names)


@lru_cache(maxsize=20_000)
def _is_swapped(one: Names, other: Names) -> bool:
    """Return whether both have the same names, and on other tokens."""
    ours, theirs = _folded(one), _folded(other)
    return ours != theirs and sorted(name for _, name in ours) == sorted(name for _, name in theirs)
