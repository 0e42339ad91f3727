"""Promise: the right calls are made, and only a reported outcome of two slots is final."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.model.market import HALF, Observation, Source
from actors.model.trade import ConditionId
from actors.polymarket import chain
from actors.polymarket.chain import ChainFacts
from actors.polymarket.slots import UNPROVEN
from tests.resolution.recorded_answers import AT_MS, CONDITION, MARKET, NO, YES, in_order


def word(number: int) -> str:
    return f"0x{number:064x}"


def facts(slots: int, denominator: int, first: int, second: int) -> ChainFacts:
    return ChainFacts(
        slots=word(slots),
        denominator=word(denominator),
        numerators=(word(first), word(second)),
    )


def observe(found: ChainFacts) -> Observation:
    return chain.observe(found, MARKET, AT_MS)


def damaged(found: ChainFacts, old: str, new: str) -> ChainFacts:
    """Return the facts with a part of each word replaced."""
    first, second = (each.replace(old, new, 1) for each in found.numerators)
    return ChainFacts(
        slots=found.slots.replace(old, new, 1),
        denominator=found.denominator.replace(old, new, 1),
        numerators=(first, second),
    )


def test_payouts_belong_to_the_slots_whatever_the_order_of_the_listing() -> None:
    reversed_ids = msgspec.structs.replace(MARKET, assets=MARKET.assets[::-1])
    found = chain.observe(facts(2, 1, 0, 1), reversed_ids, AT_MS)
    assert found.payouts == ((YES, Decimal(0)), (NO, Decimal(1)))


def test_a_winner_among_tokens_of_another_condition_is_not_final_and_a_split_is() -> None:
    foreign = msgspec.structs.replace(MARKET, condition_id=ConditionId("0x" + "ab" * 32))
    found = chain.observe(facts(2, 1, 1, 0), foreign, AT_MS)
    assert (found.payouts, found.reason) == (None, UNPROVEN)
    found = chain.observe(facts(2, 2, 1, 1), foreign, AT_MS)
    assert dict(found.payouts or ()) == {YES: HALF, NO: HALF}


@pytest.mark.parametrize(
    ("found", "reason", "shares"),
    [
        (facts(2, 1, 1, 0), "", [1, 0]),
        (facts(2, 1, 0, 1), "", [0, 1]),
        (facts(2, 2, 1, 1), "", [Decimal("0.5"), Decimal("0.5")]),
        (facts(2, 10**18, 0, 10**18), "", [0, 1]),
        (facts(2, 0, 0, 0), "not reported", None),
        (facts(2, 0, 1, 0), "not reported", None),
        (facts(0, 0, 0, 0), "not prepared", None),
        (facts(3, 1, 1, 0), "not two outcomes", None),
        (facts(2, 10, 3, 7), "unusual payouts", None),
        (facts(2, 2**255, 1, 2**255 - 1), "unusual payouts", None),
        (facts(2, 1, 0, 0), "payouts do not add up", None),
        (facts(2, 1, 1, 1), "payouts do not add up", None),
        (ChainFacts(slots="", denominator="", numerators=("", "")), "unreadable answer", None),
        (damaged(facts(2, 1, 1, 0), "0x", ""), "unreadable answer", None),
        (damaged(facts(2, 1, 1, 0), "0x0", "0x"), "unreadable answer", None),
        (damaged(facts(2, 1, 1, 0), "0x0", "0xg"), "unreadable answer", None),
        (msgspec.structs.replace(facts(2, 1, 1, 0), slots="<\0>"), "unreadable answer", None),
    ],
)
def test_each_report_is_read_as_it_is_meant(
    found: ChainFacts, reason: str, shares: list[object] | None
) -> None:
    observed = observe(found)
    assert observed.reason == reason
    assert in_order(observed) == shares
    assert (observed.source, observed.condition_id, observed.observed_at_ms) == (
        Source.CHAIN,
        CONDITION,
        AT_MS,
    )
    evidence = json.loads(observed.payload)
    assert evidence["numerators"] == list(found.numerators)
    assert "\0" not in evidence["slots"]


def test_a_market_of_v2_is_not_on_this_contract() -> None:
    market = msgspec.structs.replace(MARKET, version="v2")
    found = chain.observe(facts(2, 1, 1, 0), market, AT_MS)
    assert (found.payouts, found.reason) == (None, "not on this contract")


def test_four_calls_are_made_for_a_condition() -> None:
    key = CONDITION[2:]
    asked = msgspec.json.decode(chain.request([CONDITION]))
    assert [call["id"] for call in asked] == [0, 1, 2, 3]
    assert {call["jsonrpc"] for call in asked} == {"2.0"}
    assert {call["method"] for call in asked} == {"eth_call"}
    assert {call["params"][0]["to"] for call in asked} == {chain.CTF}
    assert {call["params"][1] for call in asked} == {"latest"}
    assert [call["params"][0]["data"] for call in asked] == [
        "0xd42dc0c2" + key,
        "0xdd34de67" + key,
        "0x0504c814" + key + "0" * 64,
        "0x0504c814" + key + "0" * 63 + "1",
    ]


def test_answers_in_any_order_find_their_conditions() -> None:
    replies = [{"jsonrpc": "2.0", "id": number, "result": word(number)} for number in range(8)]
    first, second = chain.read_facts(json.dumps(replies[::-1]).encode(), 2)
    assert first == facts(0, 1, 2, 3)
    assert second == facts(4, 5, 6, 7)
    asked = msgspec.json.decode(chain.request([CONDITION, ConditionId("0x" + "ab" * 32)]))
    assert [call["id"] for call in asked] == list(range(8))


@pytest.mark.parametrize(
    "raw",
    [
        b"<html>",
        b'{"jsonrpc":"2.0","id":0,"error":{"code":-32600,"message":"no batches"}}',
        b"[]",
        json.dumps([{"id": number, "result": word(1)} for number in range(3)]).encode(),
        json.dumps([{"id": number, "error": {"code": -1}} for number in range(4)]).encode(),
        json.dumps([{"id": number, "result": ""} for number in range(4)]).encode(),
        json.dumps([{"id": None, "result": word(1)} for _ in range(4)]).encode(),
    ],
)
def test_a_node_that_leaves_a_call_unanswered_is_rejected(raw: bytes) -> None:
    with pytest.raises(PayloadRejected):
        chain.read_facts(raw, 1)


@given(st.binary())
def test_no_bytes_are_facts(raw: bytes) -> None:
    with pytest.raises(PayloadRejected):
        chain.read_facts(raw, 1)


@given(st.lists(st.text(max_size=80), min_size=4, max_size=4))
def test_no_texts_raise_or_are_final(texts: list[str]) -> None:
    slots, denominator, first, second = texts
    found = ChainFacts(slots=slots, denominator=denominator, numerators=(first, second))
    assert observe(found).payouts is None


@given(
    st.integers(0, 3),
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**256 - 1),
)
def test_no_numbers_raise(slots: int, denominator: int, first: int, second: int) -> None:
    found = observe(facts(slots, denominator, first, second))
    assert found.payouts is None or sum(share for _, share in found.payouts) == 1
