"""Batches of two trackers that watch the same markets, each in an order of its own."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from actors.model.facts import TokensWanted
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    Details,
    Event,
    Market,
    Observation,
    Resolution,
    Source,
)
from actors.model.storage import Batch
from actors.model.trade import ConditionId, TokenId, Trade
from tests.database.samples import market, ns, observation, resolution, trade

MS = 1_000_000


def condition(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def tokens(number: int) -> tuple[TokenId, TokenId]:
    """Return the tokens of a market; their order is not that of the markets."""
    mixed = number * 7_919 % 100_003
    return TokenId(f"{mixed}1{number:06}"), TokenId(f"{mixed}2{number:06}")


def a_market(number: int, volume: int) -> Market:
    return market(
        condition(number), tokens(number), volume=Decimal(volume), details=details(number, volume)
    )


def details(number: int, volume: int) -> Details:
    """Return what is told of a market and its event, which it shares with two others.

    With another volume all of it is told otherwise. The order of events is not that of markets.
    """
    event = Event(event_id=f"{number // 3 * 7_919 % 100_003}", title=f"title {volume}")
    return Details(event=event, description=f"rules {volume}")


def trades_of(number: int) -> tuple[Trade, Trade]:
    """Return a trade of each token of a market."""
    one, other = tokens(number)
    market_id = condition(number)
    return (
        trade(number % 7, token_id=one, condition_id=market_id),
        trade(number % 5, token_id=other, condition_id=market_id),
    )


def everything_about(numbers: Sequence[int], seq: int, volume: int = 1) -> Batch:
    """Return a batch that touches all that trackers share, in the order of these markets.

    With an even volume the other token has won.
    """
    at = ns(seq) // MS
    told = [_observation(number, at) for number in numbers]
    return Batch(
        trades=tuple(each for number in numbers for each in trades_of(number)),
        markets=tuple(a_market(number, volume) for number in reversed(numbers)),
        facts=((seq, TokensWanted(at_ns=ns(seq), tokens=tuple(tokens(n)[0] for n in numbers))),),
        observations=tuple(told),
        resolutions=tuple(_resolution(number, won=1 - volume % 2) for number in numbers[::2]),
        confirmations=tuple(_confirmation(number, at) for number in numbers),
        contradictions=tuple(_contradiction(number, at) for number in numbers),
        clearances=tuple(_clearance(number, at + 5) for number in numbers[1::2]),
        watermark=seq + 1,
    )


FIELDS = (
    *("trades", "markets", "facts", "observations", "resolutions"),
    *("confirmations", "contradictions", "clearances"),
)


def halves(numbers: Sequence[int], seq: int, one: str, other: str) -> Batch:
    """Return a batch with one kind about the first half of the markets, another about the rest."""
    middle = len(numbers) // 2
    first = everything_about(numbers[:middle], seq)
    rest = everything_about(numbers[middle:], seq, volume=2)
    return Batch(**{one: getattr(first, one)}, **{other: getattr(rest, other)}, watermark=seq + 1)


def mixed(rng: Random, pool: Sequence[int], seq: int) -> Batch:
    """Return some of everything about some of these markets, in any order."""
    whole = everything_about(rng.sample(pool, rng.randint(2, 8)), seq, rng.randint(1, 5))
    names = [name for name in FIELDS if rng.random() < 0.6]
    return Batch(**{name: getattr(whole, name) for name in names}, watermark=seq + 1)


def _observation(number: int, at_ms: int) -> Observation:
    paid = tuple(zip(tokens(number), (Decimal(1), Decimal(0)), strict=True))
    return observation(condition_id=condition(number), observed_at_ms=at_ms, payouts=paid)


def _resolution(number: int, won: int) -> Resolution:
    one, other = tokens(number)
    return resolution((one, other) if won == 0 else (other, one), condition_id=condition(number))


def _confirmation(number: int, at_ms: int) -> Confirmation:
    return Confirmation(condition_id=condition(number), source=Source.DATA, confirmed_at_ms=at_ms)


def _contradiction(number: int, at_ms: int) -> Contradiction:
    return Contradiction(
        condition_id=condition(number),
        detected_at_ms=at_ms,
        recorded=f"winner {tokens(number)[0]}",
        observed=f"winner {tokens(number)[1]}",
        source=Source.CLOB,
        kind=ContradictionKind.OUTCOME,
    )


def _clearance(number: int, at_ms: int) -> Clearance:
    return Clearance(
        condition_id=condition(number),
        kind=ContradictionKind.OUTCOME,
        cleared_at_ms=at_ms,
        reason="the sources agree",
    )
