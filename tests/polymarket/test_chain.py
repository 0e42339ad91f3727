"""Promise: the right questions are asked, and only a reported outcome of two slots is final."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.model.outcome import Observation, Source
from actors.model.trade import ConditionId
from actors.polymarket import chain
from tests.resolution.recorded_answers import AT_MS, CONDITION, MARKET, in_order


def word(number: int) -> str:
    return f"0x{number:064x}"


def facts(slots: int, denominator: int, *numerators: int) -> bytes:
    return msgspec.json.encode(
        {
            "slots": word(slots),
            "denominator": word(denominator),
            "numerators": [word(each) for each in numerators],
        }
    )


def observe(raw: bytes) -> Observation:
    return chain.observe(raw, MARKET, AT_MS)


@pytest.mark.parametrize(
    ("raw", "reason", "shares"),
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
        (facts(2, 1, 1), "unreadable answer", None),
        (b"<html>", "unreadable answer", None),
        (facts(2, 1, 1, 0).replace(b"0x", b""), "unreadable answer", None),
        (facts(2, 1, 1, 0).replace(b"0x0", b"0x"), "unreadable answer", None),
        (facts(2, 1, 1, 0).replace(b"0x0", b"0xg"), "unreadable answer", None),
    ],
)
def test_each_report_is_read_as_it_is_meant(
    raw: bytes, reason: str, shares: list[object] | None
) -> None:
    found = observe(raw)
    assert found.reason == reason
    assert in_order(found) == shares
    assert (found.source, found.condition_id, found.observed_at_ms) == (
        Source.CHAIN,
        CONDITION,
        AT_MS,
    )
    json.loads(found.payload)


def test_a_market_of_v2_does_not_live_on_this_contract() -> None:
    market = msgspec.structs.replace(MARKET, version="v2")
    found = chain.observe(facts(2, 1, 1, 0), market, AT_MS)
    assert (found.payouts, found.reason) == (None, "not on this contract")


def test_four_questions_are_asked_about_a_condition() -> None:
    key = CONDITION[2:]
    asked = msgspec.json.decode(chain.batch([CONDITION]))
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
    first, second = chain.facts(json.dumps(replies[::-1]).encode(), 2)
    assert json.loads(first)["numerators"] == [word(2), word(3)]
    assert json.loads(second) == {
        "slots": word(4),
        "denominator": word(5),
        "numerators": [word(6), word(7)],
    }
    asked = msgspec.json.decode(chain.batch([CONDITION, ConditionId("0x" + "ab" * 32)]))
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
def test_a_node_that_leaves_a_question_open_is_rejected(raw: bytes) -> None:
    with pytest.raises(PayloadRejected):
        chain.facts(raw, 1)


@given(st.binary())
def test_no_bytes_raise_or_are_final(raw: bytes) -> None:
    assert observe(raw).payouts is None


@given(
    st.integers(0, 3),
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**256 - 1),
)
def test_no_numbers_raise(slots: int, denominator: int, first: int, second: int) -> None:
    found = observe(facts(slots, denominator, first, second))
    assert found.payouts is None or sum(share for _, share in found.payouts) == 1
