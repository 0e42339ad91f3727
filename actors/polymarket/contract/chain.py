"""The chain: the outcome of a market on its contract, over JSON-RPC.

Sources: Gnosis ConditionalTokens on Polygon, for V1: `reportPayouts` needs a zero denominator, sets
it to the sum of the numerators, and nothing ever changes them again. For V2 the modules of
Polymarket/polymarket-v2-external: `getResult` returns no numbers before the result and the
payouts in millionths after it; they are written once, by code that its owner can replace.

A node is asked in two steps: the denominator of each condition first, or its result, and the
numerators of those alone that have a denominator. Both steps may see different blocks. What is
read is right all the same: a denominator above zero never changes, numerators that are not yet
there are zero and add up to another number, and one whose numerators do not add up is not final.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.model.conversion import storable_text
from actors.model.market import (
    ALL,
    HALF,
    NOTHING,
    Market,
    Naming,
    Observation,
    Source,
    naming_of,
)
from actors.model.trade import ConditionId
from actors.polymarket import strict_json
from actors.polymarket.contract.rpc import Answered, Asked
from actors.polymarket.contract.slots import UNPROVEN, by_token, v2_module

CTF = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
MODULES = {
    1: "0x1000008dD9001B968442c1000017eaE6E0dA00Ba",
    2: "0x200000900045e3B6259600682756002200028933",
}
"""Where the results of V2 conditions are, by the module that their id names."""
SLOTS = "0xd42dc0c2"  # getOutcomeSlotCount(bytes32)
DENOMINATOR = "0xdd34de67"  # payoutDenominator(bytes32)
NUMERATORS = "0x0504c814"  # payoutNumerators(bytes32,uint256)
RESULT = "0xe4939c77"  # getResult(bytes31), the argument padded with zeros on the right
FURTHER_CALLS = 3
"""About a V1 condition that has a denominator."""

FAILED = "call failed"
_MILLION = 1_000_000
_WORD = re.compile(r"0x[0-9a-fA-F]{64}")  # 32 bytes, the unit of the EVM
_WORDS = re.compile(r"0x(?:[0-9a-fA-F]{64}){2,}")


class ChainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the contract answered about one condition, in hexadecimal; empty: not asked.

    Attributes:
        denominator: A word of 32 bytes, of V1.
        slots: A word, when there is a denominator.
        numerators: Words, when there is a denominator.
        result: A list of numbers as the EVM encodes it, of V2.
        failure: Why there is nothing, such as `call reverted`.
    """

    denominator: str = ""
    slots: str = ""
    numerators: tuple[str, str] = ("", "")
    result: str = ""
    failure: str = ""


# ------------------------------------------------------------------- requests


def is_on_chain(market: Market) -> bool:
    """Return whether the contract that has the outcome of this market is known."""
    return market.version == "v1" or v2_module(market.condition_id) is not None


def first_call(condition_id: ConditionId) -> Asked:
    """Return the call that tells whether a condition has an outcome."""
    module = v2_module(condition_id)
    if module is not None:
        return Asked(MODULES[module], RESULT + _key(condition_id))
    return Asked(CTF, DENOMINATOR + _key(condition_id))


def further_calls(condition_id: ConditionId, first: Answered) -> tuple[Asked, ...]:
    """Return the calls that are needed after the answer to the first one: none, or three.

    The three go into one batch, also of nodes that take no more, so they are of one block.
    """
    word = first.result
    there = _WORD.fullmatch(word) and int(word, 16) > 0
    if v2_module(condition_id) is not None or not there:
        return ()
    key = _key(condition_id)
    numerators = (NUMERATORS + key + format(slot, "064x") for slot in (0, 1))
    return (Asked(CTF, SLOTS + key), *(Asked(CTF, data) for data in numerators))


def _key(condition_id: ConditionId) -> str:
    return condition_id[2:].ljust(64, "0")


# -------------------------------------------------------------------- answers


def facts(
    condition_id: ConditionId, first: Answered, further: Sequence[Answered] = ()
) -> ChainFacts:
    """Return the facts about a condition from the answers to its calls."""
    failure = next((each.failure for each in (first, *further) if each.failure), "")
    if v2_module(condition_id) is not None:
        return ChainFacts(result=first.result, failure=failure)
    if not further:
        return ChainFacts(denominator=first.result, failure=failure)
    slots, *numerators = (each.result for each in further)
    return ChainFacts(
        denominator=first.result,
        slots=slots,
        numerators=(numerators[0], numerators[1]),
        failure=failure,
    )


# --------------------------------------------------------------- observations


def observe(found: ChainFacts, market: Market, observed_at_ms: int) -> Observation:
    """Return the observation of the chain. Never raises: what cannot be read is not final.

    Args:
        found: The facts about this market.
        market: With its assets in outcome order.
        observed_at_ms: Wall clock, milliseconds since 1970.
    """
    reason, shares = _shares(found, market)
    payouts = by_token(market, shares) if shares else None
    if shares and payouts is None:
        reason = UNPROVEN
    return Observation(
        condition_id=market.condition_id,
        source=Source.CHAIN,
        observed_at_ms=observed_at_ms,
        payouts=payouts,
        reason=reason,
        payload=_evidence(found),
        naming=naming_of(payouts, Naming.COMPUTED_SLOT),
    )


def _shares(found: ChainFacts, market: Market) -> tuple[str, tuple[Decimal, ...]]:
    """Return why there is no outcome, or an empty reason and the share of each slot."""
    if not is_on_chain(market):
        return "not on this contract", ()
    if found.failure:
        return found.failure, ()
    if len(market.assets) != 2:
        return "not two outcomes", ()
    v2 = v2_module(market.condition_id) is not None
    return _of_result(found.result) if v2 else _of_payouts(found)


def _of_payouts(found: ChainFacts) -> tuple[str, tuple[Decimal, ...]]:
    """Read what the CTF contract has."""
    if not _WORD.fullmatch(found.denominator):
        return "unreadable answer", ()
    denominator = int(found.denominator, 16)
    # Zero for an id that was never prepared, too. Nothing is reported about it either.
    if denominator == 0:
        return "not reported", ()
    words = (found.slots, *found.numerators)
    if not all(_WORD.fullmatch(word) for word in words):
        return "unreadable answer", ()
    slots, *numerators = (int(word, 16) for word in words)
    return _outcome(denominator, numerators) if slots == 2 else ("not two outcomes", ())


def _of_result(result: str) -> tuple[str, tuple[Decimal, ...]]:
    """Read what a module of V2 has: a list of numbers, empty before the result."""
    if not _WORDS.fullmatch(result):
        return "unreadable answer", ()
    # Where the list begins, in bytes; how many numbers it has; the numbers.
    words = (result[at : at + 64] for at in range(2, len(result), 64))
    offset, count, *numbers = (int(word, 16) for word in words)
    if offset != 32 or count != len(numbers):
        return "unreadable answer", ()
    if not numbers:
        return "not reported", ()
    return _outcome(_MILLION, numbers) if count == 2 else ("not two outcomes", ())


def _outcome(denominator: int, numerators: list[int]) -> tuple[str, tuple[Decimal, ...]]:
    if sum(numerators) != denominator:
        return "payouts do not add up", ()
    if numerators[0] == numerators[1]:
        return "", (HALF, HALF)
    if denominator not in numerators:
        return "unusual payouts", ()
    return "", tuple(ALL if numerator else NOTHING for numerator in numerators)


def _evidence(found: ChainFacts) -> str:
    texts: dict[str, strict_json.Field] = {
        name: storable_text(text)
        for name in ("slots", "denominator", "result", "failure")
        if (text := getattr(found, name))
    }
    if any(found.numerators):
        texts["numerators"] = [storable_text(word) for word in found.numerators]
    return strict_json.evidence(texts)
