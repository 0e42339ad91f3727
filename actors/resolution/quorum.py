"""The outcome rule: from what the sources say to a verdict, or to none.

Sources: Gamma, CLOB, Data API, chain. The truth table stands in docs/explanation/resolutions.md.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from actors.model.market import Market
from actors.model.outcome import ALL, Contradiction, Observation, Resolution, Source, is_outcome
from actors.model.trade import ConditionId, TokenId

HOLDING = "on hold"
CONFIRMING = "to be confirmed"


# MERGED: what the sources said of one market, and since when they have been
# saying it.


class Statement(msgspec.Struct, frozen=True, kw_only=True):
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


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The words of all sources about one market: a history of any length in little room.

    Attributes:
        words: At most one of each source, ordered by source.
        clash_ms: Until when two sources contradicted each other, as far as is known, or 0.
    """

    condition_id: ConditionId
    words: tuple[Statement, ...] = ()
    clash_ms: int = 0

    def hear(self, observation: Observation) -> "SourceRecord":
        """Return the record with this observation in it; a repeated word must be told too.

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
        return SourceRecord(
            condition_id=self.condition_id,
            words=tuple(words[source] for source in sorted(words)),
            clash_ms=max(self.clash_ms, clashing_ms),
        )

    def recall(self, observation: Observation) -> "SourceRecord":
        """Return the record with a word that an earlier life heard last from this source.

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
    """Return the sort key of observations, oldest first; it does not depend on their order.

    Of two words of one source in one millisecond the one that is not final
    comes last and counts.
    """
    return (
        observation.observed_at_ms,
        observation.payouts is None,
        observation.reason or str(sorted(observation.payouts or ())),
        observation.source,
    )


def _clash(words: Iterable[Statement]) -> bool:
    return len({word.payouts for word in words if word.payouts is not None}) > 1


def _continued(word: Statement | None, observation: Observation) -> Statement:
    payouts = None if observation.payouts is None else frozenset(observation.payouts)
    at_ms = observation.observed_at_ms
    if word is not None and at_ms < word.heard_ms:
        broken = payouts != word.payouts and at_ms >= word.since_ms
        return msgspec.structs.replace(word, since_ms=word.heard_ms) if broken else word
    return Statement(
        source=observation.source,
        payouts=payouts,
        reason=observation.reason,
        since_ms=word.since_ms if word is not None and word.payouts == payouts else at_ms,
        heard_ms=at_ms,
    )


class Winner(msgspec.Struct, frozen=True, kw_only=True):
    """One token pays everything.

    Attributes:
        payouts: In outcome order.
        sources: Who agrees, in alphabetical order.
        since_ms: Since when at least two of them agree, milliseconds since 1970.
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
    """No verdict, for a reason out of a small fixed set of phrases.

    Attributes:
        look_at_ms: When a new look at the sources can bring the verdict, if that is known.
    """

    reason: str
    look_at_ms: int | None = None


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two sources are final and contradict each other; `reason` says who says what."""

    reason: str


Decision = Winner | Split | NotYet | Conflict


def decide(
    observations: Sequence[Observation], market: Market, *, now_ms: int, hold_ms: int
) -> Decision:
    """Return the verdict on a market from everything that was observed, in any order.

    The same as `judge` for a record that heard all of it, oldest first.
    """
    record = SourceRecord(condition_id=market.condition_id)
    for observation in sorted(observations, key=age):
        record = record.hear(observation)
    return judge(record, market, now_ms=now_ms, hold_ms=hold_ms)


def judge(record: SourceRecord, market: Market, *, now_ms: int, hold_ms: int) -> Decision:
    """Return the verdict on a market from the words of its sources.

    The latest word of each source counts. A verdict needs two final sources
    with the same payouts by token id, no final source that contradicts, and
    proof that this stood for `hold_ms`: at least two of those who agree have
    said so and, without a break, said so again that much later. A source that
    was not asked again may have changed its mind.

    Args:
        record: Of this market; of another one it gives `NotYet`.
        market: With its two tokens in outcome order.
        now_ms: Wall clock, milliseconds since 1970.
        hold_ms: How long each of the two must have stood by its word, counted
            from the first observation of its unbroken run, or from the last
            contradiction. With 0, two words are enough.
    """
    if reason := _misfit(record, market):
        return NotYet(reason=reason)
    final = [word for word in record.words if _is_final(word, market)]
    if len({word.payouts for word in final}) > 1:
        return Conflict(reason="; ".join(f"{w.source} says {_say(w.payouts)}" for w in final))
    if len(final) < 2:
        return NotYet(reason=_why_not(record, final))
    since_ms = max(record.clash_ms, sorted(word.since_ms for word in final)[1])
    if now_ms < since_ms + hold_ms:
        return NotYet(reason=HOLDING, look_at_ms=since_ms + hold_ms)
    stood = [each for each in final if _stood(each, record.clash_ms, now_ms, hold_ms)]
    if len(stood) < 2:
        return NotYet(reason=CONFIRMING, look_at_ms=since_ms + hold_ms)
    return _agreed(final, market, since_ms)


def settle(
    verdict: Winner | Split, market: Market, *, resolved_at_ms: int | None = None
) -> Resolution:
    """Return the resolution to record; without `resolved_at_ms` it is dated by the agreement."""
    winner = verdict if isinstance(verdict, Winner) else None
    return Resolution(
        condition_id=market.condition_id,
        kind="winner" if winner else "split",
        winning_token_id=winner.token_id if winner else None,
        winning_outcome=winner.outcome if winner else None,
        payouts=verdict.payouts,
        resolved_at_ms=verdict.since_ms if resolved_at_ms is None else resolved_at_ms,
        sources=verdict.sources,
    )


def check(recorded: Resolution, observation: Observation) -> Contradiction | None:
    """Return the contradiction between a recorded verdict and a later word, if there is one.

    Only final words about the same market can contradict.
    """
    if observation.condition_id != recorded.condition_id or observation.payouts is None:
        return None
    won = recorded.winning_token_id
    told = "split" if won is None else f"winner {won}"
    heard = _say(frozenset(observation.payouts))
    if told == heard:
        return None
    return Contradiction(
        condition_id=recorded.condition_id,
        detected_at_ms=observation.observed_at_ms,
        recorded=told,
        observed=heard,
        source=observation.source,
    )


def _misfit(record: SourceRecord, market: Market) -> str:
    if len(market.assets) != 2 or len(set(market.token_ids)) != 2:
        return "not two tokens"
    return "" if market.condition_id == record.condition_id else "another market"


def _stood(word: Statement, clash_ms: int, now_ms: int, hold_ms: int) -> bool:
    ends_ms = max(clash_ms, word.since_ms) + hold_ms
    return ends_ms <= (min(now_ms, word.heard_ms) if hold_ms else now_ms)


def _is_final(word: Statement, market: Market) -> bool:
    if word.payouts is None or len(word.payouts) != 2:
        return False
    shares = dict(word.payouts)
    return shares.keys() == set(market.token_ids) and is_outcome(tuple(shares.values()))


def _why_not(record: SourceRecord, final: list[Statement]) -> str:
    if final:
        return f"only {final[0].source} is final"
    spoken = {word.source: word for word in record.words}
    for source in (Source.GAMMA, Source.DATA, Source.CLOB, Source.CHAIN):
        if source in spoken:
            return spoken[source].reason or "unusual payouts"
    return "not asked"


def _say(payouts: frozenset[tuple[TokenId, Decimal]] | None) -> str:
    shares = dict(payouts or ())
    winners = [token_id for token_id, share in shares.items() if share == ALL]
    if is_outcome(tuple(shares.values())):
        return f"winner {winners[0]}" if winners else "split"
    return ", ".join(f"{token_id} pays {shares[token_id]}" for token_id in sorted(shares))


def _agreed(final: list[Statement], market: Market, since_ms: int) -> Winner | Split:
    shares = dict(final[0].payouts or ())
    payouts = tuple(shares[token_id] for token_id in market.token_ids)
    sources = tuple(word.source for word in final)
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
