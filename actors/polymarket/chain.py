"""The chain: the outcome of a market on the CTF contract, over JSON-RPC.

Source: Gnosis ConditionalTokens on Polygon. `reportPayouts` needs a zero denominator, sets it to
the sum of the numerators, and nothing ever changes them again. V2 markets do not live on this
contract.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from actors.errors import PayloadRejected
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
from actors.polymarket.slots import UNPROVEN, by_token

CTF = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
SLOTS = "0xd42dc0c2"  # getOutcomeSlotCount(bytes32)
DENOMINATOR = "0xdd34de67"  # payoutDenominator(bytes32)
NUMERATORS = "0x0504c814"  # payoutNumerators(bytes32,uint256)
CALLS_PER_CONDITION = 4

_WORD = re.compile(r"0x[0-9a-fA-F]{64}")  # 32 bytes, the unit of the EVM


class ChainCall(msgspec.Struct, frozen=True, kw_only=True):
    """One JSON-RPC request."""

    id: int
    params: tuple[dict[str, str], str]
    jsonrpc: str = "2.0"
    method: str = "eth_call"


class ChainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the contract answered about one condition; words of 32 bytes in hexadecimal."""

    slots: str
    denominator: str
    numerators: tuple[str, str]


class _Reply(msgspec.Struct, frozen=True):
    id: int
    result: str | None = None


_replies = msgspec.json.Decoder(list[_Reply])


def calls(condition_id: ConditionId, first_id: int = 0) -> tuple[ChainCall, ...]:
    """Return the four calls about one condition, numbered from `first_id`."""
    key = condition_id[2:].ljust(64, "0")
    data = (
        SLOTS + key,
        DENOMINATOR + key,
        NUMERATORS + key + format(0, "064x"),
        NUMERATORS + key + format(1, "064x"),
    )
    return tuple(
        ChainCall(id=first_id + index, params=({"to": CTF, "data": each}, "latest"))
        for index, each in enumerate(data)
    )


def request(condition_ids: Sequence[ConditionId]) -> bytes:
    """Return the body of one JSON-RPC batch about all these conditions."""
    return msgspec.json.encode(
        [
            call
            for index, condition_id in enumerate(condition_ids)
            for call in calls(condition_id, index * CALLS_PER_CONDITION)
        ]
    )


def read_facts(raw: bytes, count: int) -> tuple[ChainFacts, ...]:
    """Return the facts about each of `count` conditions from the answer to their batch.

    Raises:
        PayloadRejected: The node did not answer every call of the batch.
    """
    # An error of a call comes with HTTP 200, as a member `error` in place of `result`. The order of
    # the replies is free (JSON-RPC 2.0, section 6), so they are sorted by id.
    replies = {reply.id: reply.result or "" for reply in strict_json.read(raw, _replies)}
    asked = range(count * CALLS_PER_CONDITION)
    if any(not replies.get(number) for number in asked):
        raise PayloadRejected("the node left calls unanswered")
    words = [replies[number] for number in asked]
    return tuple(
        ChainFacts(
            slots=words[at],
            denominator=words[at + 1],
            numerators=(words[at + 2], words[at + 3]),
        )
        for at in range(0, len(words), CALLS_PER_CONDITION)
    )


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
    """Return why there is no outcome, or an empty reason and the share of each token."""
    words = (found.slots, found.denominator, *found.numerators)
    if market.version != "v1":
        return "not on this contract", ()
    if not all(_WORD.fullmatch(word) for word in words):
        return "unreadable answer", ()
    slots, denominator, *numerators = (int(word, 16) for word in words)
    # All is zero for an id that was never prepared, as for one without a report: only the number of
    # slots tells them apart.
    if slots != 2 or len(market.assets) != 2:
        return ("not two outcomes" if slots else "not prepared"), ()
    return _outcome(denominator, numerators)


def _outcome(denominator: int, numerators: list[int]) -> tuple[str, tuple[Decimal, ...]]:
    if denominator == 0:
        return "not reported", ()
    if sum(numerators) != denominator:
        return "payouts do not add up", ()
    if numerators[0] == numerators[1]:
        return "", (HALF, HALF)
    if denominator not in numerators:
        return "unusual payouts", ()
    return "", tuple(ALL if numerator else NOTHING for numerator in numerators)


def _evidence(found: ChainFacts) -> str:
    return strict_json.evidence(
        {
            "slots": storable_text(found.slots),
            "denominator": storable_text(found.denominator),
            "numerators": [storable_text(word) for word in found.numerators],
        }
    )
