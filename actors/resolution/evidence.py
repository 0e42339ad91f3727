"""Evidence: what the sources said of one market, and since when they have been saying it."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

import msgspec

from actors.model.trade import ConditionId, TokenId


class Source(StrEnum):
    """Who was asked."""

    GAMMA = "gamma"
    CLOB = "clob"
    DATA = "data"
    CHAIN = "chain"


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one source said of one market at one time.

    Attributes:
        observed_at_ms: Wall clock, milliseconds since 1970.
        payouts: (token id, payout) for each token when the source's word is
            final: payouts in 0..1 that add up to 1. None when it is not final.
        reason: Why it is not final, in one stable phrase; empty when final.
        payload: The part of the answer that says so, as JSON text.
    """

    condition_id: ConditionId
    source: Source
    observed_at_ms: int
    payouts: tuple[tuple[TokenId, Decimal], ...] | None
    reason: str
    payload: str


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says now.

    Attributes:
        payouts: As in the observation, in no order; None when not final.
        since_ms: The first observation of the unbroken run with these payouts.
        heard_ms: The latest observation.
    """

    source: Source
    payouts: frozenset[tuple[TokenId, Decimal]] | None
    reason: str
    since_ms: int
    heard_ms: int


class Testimony(msgspec.Struct, frozen=True, kw_only=True):
    """The words of all sources about one market: a history of any length in little room.

    Attributes:
        words: At most one of each source, ordered by source.
        clash_ms: Until when two sources contradicted each other, as far as is known, or 0.
    """

    condition_id: ConditionId
    words: tuple[Word, ...] = ()
    clash_ms: int = 0

    def hear(self, observation: Observation) -> "Testimony":
        """Give the testimony with this observation in it; a repeated word must be told too.

        An observation of another market changes nothing. One that comes late
        (older than the latest of its source) can only break a run, never
        lengthen one.
        """
        if observation.condition_id != self.condition_id:
            return self
        words = {word.source: word for word in self.words}
        words[observation.source] = _continued(words.get(observation.source), observation)
        # Two that contradicted each other did so until one of them was heard to change its word.
        clashing = _clash(self.words) or _clash(words.values())
        clashing_ms = observation.observed_at_ms if clashing else 0
        return Testimony(
            condition_id=self.condition_id,
            words=tuple(words[source] for source in sorted(words)),
            clash_ms=max(self.clash_ms, clashing_ms),
        )

    def recall(self, observation: Observation) -> "Testimony":
        """Give the testimony with a word that an earlier life heard last from this source.

        It makes the run of a word that is the same now longer, and nothing else
        where the source has been heard in this life.
        """
        if observation.condition_id != self.condition_id:
            return self
        words = {word.source: word for word in self.words}
        known = words.get(observation.source)
        if known is None:
            return self.hear(observation)
        payouts = None if observation.payouts is None else frozenset(observation.payouts)
        if payouts != known.payouts or observation.observed_at_ms >= known.since_ms:
            return self
        longer = msgspec.structs.replace(known, since_ms=observation.observed_at_ms)
        words[observation.source] = longer
        return msgspec.structs.replace(self, words=tuple(words[each] for each in sorted(words)))


def age(observation: Observation) -> tuple[int, bool, str, Source]:
    """Give the sort key of observations, oldest first; it does not depend on their order.

    Of two words of one source in one millisecond the one that is not final
    comes last and counts.
    """
    return (
        observation.observed_at_ms,
        observation.payouts is None,
        observation.reason or str(sorted(observation.payouts or ())),
        observation.source,
    )


def _clash(words: Iterable[Word]) -> bool:
    return len({word.payouts for word in words if word.payouts is not None}) > 1


def _continued(word: Word | None, observation: Observation) -> Word:
    payouts = None if observation.payouts is None else frozenset(observation.payouts)
    at_ms = observation.observed_at_ms
    if word is not None and at_ms < word.heard_ms:
        broken = payouts != word.payouts and at_ms >= word.since_ms
        return msgspec.structs.replace(word, since_ms=word.heard_ms) if broken else word
    return Word(
        source=observation.source,
        payouts=payouts,
        reason=observation.reason,
        since_ms=word.since_ms if word is not None and word.payouts == payouts else at_ms,
        heard_ms=at_ms,
    )
