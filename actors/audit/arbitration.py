"""The chain as the arbiter of what the Data API and the database disagree about.

Logs of the exchanges have no index by token, so the chain is asked about transactions: those of
which the Data API lists what is not stored, then those that are stored and not listed. What it
says takes the place of what the Data API lists of them, and `comparison.py` judges as before.

It proves what is missing. It never calls an hour `complete`: nobody asked it about trades of which
neither side knows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from actors.audit.comparison import FLOOR, Comparison, Hour, Key, evidence, examine
from actors.model.audit import Audit, AuditResult, Fill, StoredHour, Told, Witness
from actors.polymarket.contract.receipts import Settlement, State
from actors.polymarket.sources import MAX_RECEIPTS

MOST_ASKED: Final = MAX_RECEIPTS
"""Transactions about which the chain is asked for one hour of a market."""


def in_dispute(hour: Hour, stored: StoredHour, told: Told) -> tuple[str, ...]:
    """Return the transactions about which both sides disagree, what seems missing first.

    Then come those that are stored and not listed, first of all those of a token of which
    something is listed under another transaction. A list that was cut is no evidence against them.
    """
    found = examine(hour, stored, told)
    explained = {token for _, token in found.explained}
    spare = [key for key, left in found.unmatched if key[0] and left >= FLOOR]
    if not (told.is_whole and told.is_known):
        spare = []
    keys = [
        *(key for key, _, _ in found.missing),
        *found.explained,
        *sorted(spare, key=lambda key: key[1] not in explained),
    ]
    return tuple(dict.fromkeys(transaction for transaction, _ in keys))


def arbitrate(
    hour: Hour,
    stored: StoredHour,
    told: Told,
    settlements: Sequence[Settlement],
    *,
    checked_at_ms: int,
) -> Audit:
    """Return what the chain says of one hour of a market.

    Args:
        hour: That was audited.
        stored: What is stored, read after the chain was asked.
        told: What the Data API lists.
        settlements: What the chain says of the transactions in dispute.
        checked_at_ms: Wall clock.
    """
    listed = examine(hour, stored, told)
    said = {each.transaction: each for each in settlements if _is_proof(each)}
    seen = msgspec.structs.replace(told, fills=_merged(told, said))
    found = examine(hour, stored, seen)
    theirs = {
        (each.transaction, each.token_id)
        for each in seen.fills
        if each.transaction in said and each.token_id in stored.tokens and hour.has(each.at_ms)
    }
    reasons = _reasons(listed, found, settlements, said)
    found.missing = [each for each in found.missing if each[0] in theirs]
    if not found.missing and not reasons:
        reasons["no longer in dispute"] += 1
    found.unmatched = [each for each in found.unmatched if each[0][0] in said]
    found.reasons = reasons
    is_missing = bool(found.missing)
    return Audit(
        condition_id=hour.condition_id,
        hour_ms=hour.hour_ms,
        witness=Witness.CHAIN,
        theirs=len(theirs),
        ours=found.stored_in_hour([each.transaction for each in settlements]),
        missing=len(found.missing),
        outside_gaps=sum(heard for _, _, heard in found.missing),
        unmatched=len(found.unmatched),
        result=AuditResult.MISSING if is_missing else AuditResult.UNKNOWN,
        checked_at_ms=checked_at_ms,
        evidence=evidence(found, told, list(reasons)),
    )


def _is_proof(settlement: Settlement) -> bool:
    """Return whether a settlement says what, and when."""
    if settlement.state is State.SETTLED:
        return settlement.at_ms is not None
    return settlement.state is State.FAILED


def _merged(told: Told, said: Mapping[str, Settlement]) -> tuple[Fill, ...]:
    """Return what the Data API lists, and of transactions that the chain knows what it says."""
    fills = [each for each in told.fills if each.transaction not in said]
    for each in said.values():
        fills += [
            Fill(
                token_id=token,
                transaction=each.transaction,
                size=least,
                price=Decimal(0),
                at_ms=each.at_ms or 0,
            )
            for token, least, _ in each.shares
            if least > 0
        ]
    return tuple(fills)


def _reasons(
    listed: Comparison,
    found: Comparison,
    settlements: Iterable[Settlement],
    said: Mapping[str, Settlement],
) -> Counter[str]:
    """Return what the chain says of each dispute, and how often."""
    reasons = Counter[str]()
    for each in settlements:
        if each.transaction not in said:
            reasons[each.why or "time of the block unknown"] += 1
        elif any(most - least >= FLOOR for _, least, most in each.shares):
            reasons["logs disagree"] += 1
    missing = {key for key, _, _ in found.missing}
    for key in [*(key for key, _, _ in listed.missing), *listed.explained]:
        if key[0] in said and key not in missing:
            reasons[_why_not_missing(key, listed, found)] += 1
    for key, left in found.unmatched:
        if key[0] in said and left >= FLOOR:
            reasons["stored and not settled"] += 1
    return reasons


def _why_not_missing(key: Key, listed: Comparison, found: Comparison) -> str:
    """Return why what the Data API lists, and is not stored, is not missing by the chain."""
    if listed.listed_size(key) - found.listed_size(key) >= FLOOR:
        return "not on the chain"
    return "another transaction" if key in found.explained else "not in that hour"
