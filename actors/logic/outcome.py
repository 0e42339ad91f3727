"""The outcome rule: from what the sources say to a verdict, or to none.

Sources: Gamma, CLOB, Data API, chain. The truth table stands in docs/explanation/resolutions.md.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.logic.evidence import Observation, Source, Testimony, Word, age
from actors.logic.market import Market
from actors.logic.trade import ConditionId, TokenId

__all__ = [
    "ALL",
    "CONFIRMING",
    "HALF",
    "HOLDING",
    "NOTHING",
    "Conflict",
    "Contradiction",
    "NotYet",
    "Observation",
    "Resolution",
    "Source",
    "Split",
    "Testimony",
    "Verdict",
    "Winner",
    "check",
    "decide",
    "is_outcome",
    "judge",
    "settle",
]

NOTHING = Decimal(0)
HALF = Decimal("0.5")
ALL = Decimal(1)
HOLDING = "on hold"
CONFIRMING = "to be confirmed"


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict to be recorded for ever.

    Attributes:
        kind: `winner` or `split`.
        winning_token_id, winning_outcome: None for a split.
        payouts: In outcome order, sum 1.
        resolved_at_ms: When the market resolved as the sources tell it, or the
            time from which two of them agreed when none tells.
        sources: Who agreed.
    """

    condition_id: ConditionId
    kind: str
    winning_token_id: TokenId | None
    winning_outcome: str | None
    payouts: tuple[Decimal, ...]
    resolved_at_ms: int
    sources: tuple[Source, ...]


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A source says something else than what is recorded, or than another source."""

    condition_id: ConditionId
    detected_at_ms: int
    recorded: str
    observed: str
    source: Source


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


Verdict = Winner | Split | NotYet | Conflict


def decide(
    observations: Sequence[Observation], market: Market, *, now_ms: int, hold_ms: int
) -> Verdict:
    """Give the verdict on a market from everything that was observed, in any order.

    The same as `judge` for a testimony that heard all of it, oldest first.
    """
    testimony = Testimony(condition_id=market.condition_id)
    for observation in sorted(observations, key=age):
        testimony = testimony.hear(observation)
    return judge(testimony, market, now_ms=now_ms, hold_ms=hold_ms)


def judge(testimony: Testimony, market: Market, *, now_ms: int, hold_ms: int) -> Verdict:
    """Give the verdict on a market from the words of its sources.

    The latest word of each source counts. A verdict needs two final sources
    with the same payouts by token id, no final source that contradicts, and
    proof that this stood for `hold_ms`: at least two of those who agree have
    said so and, without a break, said so again that much later. A source that
    was not asked again may have changed its mind.

    Args:
        testimony: Of this market; of another one it gives `NotYet`.
        market: With its two tokens in outcome order.
        now_ms: Wall clock, milliseconds since 1970.
        hold_ms: How long each of the two must have stood by its word, counted
            from the first observation of its unbroken run, or from the last
            contradiction. With 0, two words are enough.
    """
    if reason := _misfit(testimony, market):
        return NotYet(reason=reason)
    final = [word for word in testimony.words if _is_final(word, market)]
    if len({word.payouts for word in final}) > 1:
        return Conflict(reason="; ".join(f"{w.source} says {_say(w.payouts)}" for w in final))
    if len(final) < 2:
        return NotYet(reason=_why_not(testimony, final))
    since_ms = max(testimony.clash_ms, sorted(word.since_ms for word in final)[1])
    if now_ms < since_ms + hold_ms:
        return NotYet(reason=HOLDING, look_at_ms=since_ms + hold_ms)
    stood = [each for each in final if _stood(each, testimony.clash_ms, now_ms, hold_ms)]
    if len(stood) < 2:
        return NotYet(reason=CONFIRMING, look_at_ms=since_ms + hold_ms)
    return _agreed(final, market, since_ms)


def settle(
    verdict: Winner | Split, market: Market, *, resolved_at_ms: int | None = None
) -> Resolution:
    """Give the resolution to record; without `resolved_at_ms` it is dated by the agreement."""
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
    """Give the contradiction between a recorded verdict and a later word, if there is one.

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


def is_outcome(payouts: Sequence[Decimal]) -> bool:
    """Tell whether these finite numbers are the payouts of a winner (1, 0) or a split (½, ½)."""
    return sorted(payouts) in ([NOTHING, ALL], [HALF, HALF])


def _misfit(testimony: Testimony, market: Market) -> str:
    if len(market.assets) != 2 or len(set(market.token_ids)) != 2:
        return "not two tokens"
    return "" if market.condition_id == testimony.condition_id else "another market"


def _stood(word: Word, clash_ms: int, now_ms: int, hold_ms: int) -> bool:
    ends_ms = max(clash_ms, word.since_ms) + hold_ms
    return ends_ms <= (min(now_ms, word.heard_ms) if hold_ms else now_ms)


def _is_final(word: Word, market: Market) -> bool:
    if word.payouts is None or len(word.payouts) != 2:
        return False
    shares = dict(word.payouts)
    return shares.keys() == set(market.token_ids) and is_outcome(tuple(shares.values()))


def _why_not(testimony: Testimony, final: list[Word]) -> str:
    if final:
        return f"only {final[0].source} is final"
    spoken = {word.source: word for word in testimony.words}
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


def _agreed(final: list[Word], market: Market, since_ms: int) -> Winner | Split:
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
