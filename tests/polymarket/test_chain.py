"""Promise: the right calls are made, and only a reported outcome of two slots is final."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.model.market import HALF, Asset, Market, Naming, Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.contract import chain, rpc
from actors.polymarket.contract.chain import ChainFacts
from actors.polymarket.contract.rpc import REVERTED, Answered
from actors.polymarket.contract.slots import UNPROVEN
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


def test_an_outcome_among_tokens_of_another_condition_is_not_final() -> None:
    foreign = msgspec.structs.replace(MARKET, condition_id=ConditionId("0x" + "ab" * 32))
    found = chain.observe(facts(2, 1, 1, 0), foreign, AT_MS)
    assert (found.payouts, found.reason) == (None, UNPROVEN)
    found = chain.observe(facts(2, 2, 1, 1), foreign, AT_MS)
    assert (found.payouts, found.reason) == (None, UNPROVEN)


@pytest.mark.parametrize(
    ("found", "reason", "shares"),
    [
        (facts(2, 1, 1, 0), "", [1, 0]),
        (facts(2, 1, 0, 1), "", [0, 1]),
        (facts(2, 2, 1, 1), "", [Decimal("0.5"), Decimal("0.5")]),
        (facts(2, 10**18, 0, 10**18), "", [0, 1]),
        (facts(2, 0, 0, 0), "not reported", None),
        (facts(2, 0, 1, 0), "not reported", None),
        (facts(0, 0, 0, 0), "not reported", None),
        (facts(3, 1, 1, 0), "not two outcomes", None),
        (facts(2, 10, 3, 7), "unusual payouts", None),
        (facts(2, 2**255, 1, 2**255 - 1), "unusual payouts", None),
        (facts(2, 1, 0, 0), "payouts do not add up", None),
        (facts(2, 1, 1, 1), "payouts do not add up", None),
        (ChainFacts(), "unreadable answer", None),
        (ChainFacts(denominator=word(0)), "not reported", None),
        (ChainFacts(denominator=word(1)), "unreadable answer", None),
        (ChainFacts(denominator=word(1), failure=REVERTED), "call reverted", None),
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
    assert evidence.get("numerators", ["", ""]) == list(found.numerators)
    assert "\0" not in observed.payload + evidence.get("slots", "")


def test_a_market_of_v2_is_not_on_this_contract() -> None:
    market = msgspec.structs.replace(MARKET, version="v2")
    found = chain.observe(facts(2, 1, 1, 0), market, AT_MS)
    assert (found.payouts, found.reason) == (None, "not on this contract")


def test_a_condition_is_asked_for_its_denominator_and_then_for_what_belongs_to_it() -> None:
    key = CONDITION[2:]
    first = chain.first_call(CONDITION)
    assert first == (chain.CTF, "0xdd34de67" + key)
    assert chain.further_calls(CONDITION, Answered(word(1))) == (
        (chain.CTF, "0xd42dc0c2" + key),
        (chain.CTF, "0x0504c814" + key + "0" * 64),
        (chain.CTF, "0x0504c814" + key + "0" * 63 + "1"),
    )


@pytest.mark.parametrize("first", [Answered(word(0)), Answered("0x"), Answered("", REVERTED)])
def test_without_a_denominator_nothing_else_is_asked(first: Answered) -> None:
    assert chain.further_calls(CONDITION, first) == ()
    assert observe(chain.facts(CONDITION, first)).payouts is None


def test_a_batch_is_a_list_and_a_single_call_is_none() -> None:
    first = chain.first_call(CONDITION)
    batch = msgspec.json.decode(rpc.request([first, first]))
    assert [call["id"] for call in batch] == [0, 1]
    single = msgspec.json.decode(rpc.request([first]))
    assert single == batch[0]
    assert (single["jsonrpc"], single["method"]) == ("2.0", "eth_call")
    assert single["params"] == [{"to": first.to, "data": first.data}, "latest"]


def test_answers_in_any_order_find_their_calls() -> None:
    replies = [{"jsonrpc": "2.0", "id": number, "result": word(number)} for number in range(4)]
    found = rpc.read_replies(json.dumps(replies[::-1]).encode(), 4)
    assert found == tuple(Answered(word(number)) for number in range(4))


REVERTS: tuple[dict[str, object], ...] = (
    {"code": 3, "message": "execution reverted"},
    {"code": -32000, "message": "execution reverted: no such thing"},
    {"code": -32015, "message": "VM execution error."},
    {"code": -32000, "message": "invalid opcode: INVALID"},
)


@pytest.mark.parametrize("error", REVERTS)
def test_a_revert_is_the_answer_of_the_contract(error: dict[str, object]) -> None:
    raw = json.dumps([{"id": 0, "error": error}, {"id": 1, "result": word(1)}]).encode()
    assert rpc.read_replies(raw, 2) == (Answered("", REVERTED), Answered(word(1)))


def test_another_error_of_a_call_is_no_answer_and_hides_no_other() -> None:
    error = {"code": -32005, "message": "limit exceeded"}
    raw = json.dumps([{"id": 1, "error": error}, {"id": 0, "result": word(1)}]).encode()
    assert rpc.read_replies(raw, 3) == (Answered(word(1)), None, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"<html>",
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}',
        b"[]",
        json.dumps([{"id": number, "error": {"code": -1}} for number in range(4)]).encode(),
        json.dumps([{"id": number, "result": ""} for number in range(4)]).encode(),
        json.dumps([{"id": None, "result": word(1)} for _ in range(4)]).encode(),
        json.dumps([{"id": 0, "result": {"a": 1}} for _ in range(4)]).encode(),
    ],
)
def test_a_node_that_answers_no_call_of_a_batch_is_rejected(raw: bytes) -> None:
    with pytest.raises(PayloadRejected):
        rpc.read_replies(raw, 4)


def test_why_a_batch_was_rejected_is_told() -> None:
    told = "Batch of more than 3 requests are not allowed on free tier"
    raw = json.dumps({"id": None, "error": {"code": 31, "message": told}}).encode()
    with pytest.raises(PayloadRejected, match=told):
        rpc.read_replies(raw, 4)


@given(st.binary())
def test_no_bytes_are_answers(raw: bytes) -> None:
    with pytest.raises(PayloadRejected):
        rpc.read_replies(raw, 2)


# ------------------------------------------------------------------------- V2

V2 = ConditionId("0x017791f201d5a788e0039e511fc1900e5f000000000000000000000000000000")
UP = TokenId("663574927012476832975694178961957910328055987427402067619466963999000625152")
DOWN = TokenId("663574927012476832975694178961957910328055987427402067619466963999000625153")
"""A market of V2 as the CLOB listed it on 2026-10-05."""


def market_of_v2(*tokens: TokenId) -> Market:
    assets = tuple(
        Asset(token_id=token, outcome="", outcome_index=index) for index, token in enumerate(tokens)
    )
    return msgspec.structs.replace(MARKET, condition_id=V2, assets=assets, version="v2")


def listed(*numbers: int) -> ChainFacts:
    """Return facts with a list of numbers as the EVM encodes it."""
    words = (32, len(numbers), *numbers)
    return ChainFacts(result="0x" + "".join(f"{number:064x}" for number in words))


def test_a_condition_of_v2_is_asked_of_the_module_that_its_id_names() -> None:
    first = chain.first_call(V2)
    assert first == (chain.MODULES[1], "0xe4939c77" + V2[2:])
    assert chain.further_calls(V2, Answered(listed(1_000_000, 0).result)) == ()
    assert chain.first_call(ConditionId("0x02" + V2[4:])).to == chain.MODULES[2]
    assert chain.is_on_chain(market_of_v2(UP, DOWN))


@pytest.mark.parametrize(
    ("found", "reason", "shares"),
    [
        (listed(1_000_000, 0), "", {UP: 1, DOWN: 0}),
        (listed(0, 1_000_000), "", {UP: 0, DOWN: 1}),
        (listed(500_000, 500_000), "", {UP: HALF, DOWN: HALF}),
        (listed(), "not reported", {}),
        (listed(300_000, 700_000), "unusual payouts", {}),
        (listed(1, 0), "payouts do not add up", {}),
        (listed(0, 0, 1_000_000), "not two outcomes", {}),
        (ChainFacts(result="0x"), "unreadable answer", {}),
        (ChainFacts(result=listed(1_000_000, 0).result[:-64]), "unreadable answer", {}),
        (ChainFacts(result=listed(1_000_000, 0).result + "0"), "unreadable answer", {}),
        (facts(2, 1, 1, 0), "unreadable answer", {}),
        (ChainFacts(failure=REVERTED), "call reverted", {}),
    ],
)
def test_each_result_of_v2_is_read_as_it_is_meant(
    found: ChainFacts, reason: str, shares: dict[str, object]
) -> None:
    for tokens in ((UP, DOWN), (DOWN, UP)):  # whatever the order of the listing
        observed = chain.observe(found, market_of_v2(*tokens), AT_MS)
        assert (observed.reason, dict(observed.payouts or ())) == (reason, shares)
        assert observed.mapped_by == ()


def test_a_winner_of_v2_among_foreign_tokens_is_not_final() -> None:
    found = chain.observe(listed(1_000_000, 0), market_of_v2(UP, YES), AT_MS)
    assert (found.payouts, found.reason) == (None, UNPROVEN)


def test_how_the_token_that_pays_is_named_is_told() -> None:
    assert observe(facts(2, 1, 1, 0)).naming is Naming.COMPUTED_SLOT
    assert observe(facts(2, 2, 1, 1)).naming is Naming.BOTH_ALIKE


@pytest.mark.no_cover  # see CONTRIBUTING.md
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
