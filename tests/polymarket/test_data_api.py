"""Promise: final is `resolved` with payouts of a winner or a split, given to the right tokens."""

import itertools
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.market import HALF, Asset, Market, Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import data_api, slots
from tests.resolution.recorded_answers import (
    AT_MS,
    CONDITION,
    MARKET,
    NO,
    YES,
    State,
    changed,
    fixtures,
    in_order,
    state,
    states,
)

WINNER = state("data_states", "winner")
MARKETS = {CONDITION: MARKET}


def observe(*rows: bytes) -> tuple[Observation, ...]:
    return data_api.observe(rows, MARKETS, AT_MS)


@pytest.mark.parametrize("case", states("data_states"), ids=lambda case: case.state)
def test_each_state_is_read_as_it_is_meant(case: State) -> None:
    (found,) = observe(bytes(case.answer))
    assert found.reason == case.reason
    assert in_order(found) == case.expected
    assert (found.source, found.condition_id, found.observed_at_ms) == (
        Source.DATA,
        CONDITION,
        AT_MS,
    )
    json.loads(found.payload)


@pytest.mark.parametrize("assets", [MARKET.assets, MARKET.assets[::-1]], ids=["", "reversed"])
def test_payouts_belong_to_the_slots_of_the_condition_whatever_the_order_of_the_listing(
    assets: tuple[Asset, ...],
) -> None:
    market = msgspec.structs.replace(MARKET, assets=assets)
    (found,) = data_api.observe((WINNER,), {CONDITION: market}, AT_MS)
    assert found.payouts == ((YES, Decimal(1)), (NO, Decimal(0)))


def test_a_winner_among_tokens_of_another_condition_is_not_final_and_a_split_is() -> None:
    foreign = tuple(
        msgspec.structs.replace(asset, token_id=TokenId(str(number)))
        for number, asset in enumerate(MARKET.assets)
    )
    markets = {CONDITION: msgspec.structs.replace(MARKET, assets=foreign)}
    (found,) = data_api.observe((WINNER,), markets, AT_MS)
    assert (found.payouts, found.reason) == (None, slots.UNPROVEN)
    halves = changed(WINNER, payouts=["500000", "500000"])
    (found,) = data_api.observe((halves,), markets, AT_MS)
    assert dict(found.payouts or ()) == {TokenId("0"): HALF, TokenId("1"): HALF}


def test_each_market_gets_its_own_row_in_any_order() -> None:
    other_id = ConditionId("0x" + "ab" * 32)
    tokens = slots.position_ids(bytes.fromhex(other_id[2:]), slots.COLLATERALS[1])
    assets = tuple(
        msgspec.structs.replace(asset, token_id=token)
        for asset, token in zip(MARKET.assets, tokens, strict=True)
    )
    other = Market(condition_id=other_id, question="", slug="", assets=assets)
    rows = (WINNER, changed(WINNER, condition_id=other_id, payouts=["0", "1000000"]))
    markets = {CONDITION: MARKET, other_id: other}
    for order in itertools.permutations(rows):
        found = {each.condition_id: each for each in data_api.observe(order, markets, AT_MS)}
        assert in_order(found[CONDITION]) == [1, 0]
        assert in_order(found[other_id], other) == [0, 1]


def test_rows_that_were_not_requested_or_name_no_market_are_ignored() -> None:
    foreign = changed(WINNER, condition_id="0x" + "0" * 64)
    nameless = changed(WINNER, condition_id=7)
    assert observe(foreign, nameless, b"<html>", b"null", b'"x"') == ()


def test_upper_case_and_the_bare_31_byte_id_mean_the_same_market() -> None:
    padded = ConditionId("0x" + "ab" * 31 + "00")
    market = Market(condition_id=padded, question="", slug="", assets=MARKET.assets, version="v2")
    for spelling in ("0x" + "AB" * 31 + "00", "0x" + "ab" * 31):
        raw = changed(WINNER, condition_id=spelling)
        (found,) = data_api.observe((raw,), {padded: market}, AT_MS)
        assert found.condition_id == padded
        assert found.payouts is not None


def test_two_rows_of_one_market_that_differ_are_not_final_in_any_order() -> None:
    rows = (WINNER, changed(WINNER, payouts=["0", "1000000"]), changed(WINNER, status="disputed"))
    for count in (2, 3):
        for some in itertools.permutations(rows, count):
            (found,) = observe(*some)
            assert found.payouts is None
            assert found.reason == "rows differ"
    (found,) = observe(WINNER, WINNER)
    assert in_order(found) == [1, 0]


def test_a_duplicate_key_is_not_final() -> None:
    (found,) = observe(WINNER.replace(b'"status": "', b'"status":"disputed","status": "'))
    assert (found.payouts, found.reason) == (None, "twin keys")


@given(st.lists(st.binary(), max_size=3))
def test_no_bytes_raise_or_are_final(rows: list[bytes]) -> None:
    assert all(found.payouts is None for found in observe(*rows))


@given(
    st.lists(st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans()), max_size=3)
)
def test_no_other_payouts_are_final(shares: list[object]) -> None:
    (found,) = observe(changed(WINNER, payouts=shares, price="69")) or (None,)
    exact = [Decimal(str(each)) for each in shares if str(each).isdigit() and str(each).isascii()]
    is_final = sorted(exact) in ([0, 1_000_000], [500_000, 500_000]) and len(shares) == 2
    assert found is None or is_final or found.payouts is None


def test_the_recorded_row_without_payouts_is_final_by_its_price() -> None:
    if (path := fixtures()) is None:
        pytest.skip("no recorded answers here")
    raw = (path / "py-sdk/data_v2_resolutions_row_resolved.json").read_bytes()
    condition_id = ConditionId(json.loads(raw)["condition_id"])
    tokens = slots.position_ids(bytes.fromhex(condition_id[2:]), slots.COLLATERALS[0])
    assets = tuple(
        msgspec.structs.replace(asset, token_id=token)
        for asset, token in zip(MARKET.assets, tokens, strict=True)
    )
    market = Market(condition_id=condition_id, question="", slug="", assets=assets)
    (found,) = data_api.observe((raw,), {condition_id: market}, AT_MS)
    assert found.payouts == ((tokens[0], Decimal(0)), (tokens[1], Decimal(1)))
