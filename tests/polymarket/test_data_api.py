"""Promise: final is `resolved` with payouts of a winner or a split, given to the right tokens."""

import itertools
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.market import HALF, Asset, Market, Naming, Observation, Source
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import data_api
from actors.polymarket.contract import slots
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


def test_an_outcome_among_tokens_of_another_condition_is_not_final() -> None:
    foreign = tuple(
        msgspec.structs.replace(asset, token_id=TokenId(str(number)))
        for number, asset in enumerate(MARKET.assets)
    )
    markets = {CONDITION: msgspec.structs.replace(MARKET, assets=foreign)}
    (found,) = data_api.observe((WINNER,), markets, AT_MS)
    assert (found.payouts, found.reason) == (None, slots.UNPROVEN)
    halves = changed(WINNER, payouts=["500000", "500000"])
    (found,) = data_api.observe((halves,), markets, AT_MS)
    assert (found.payouts, found.reason) == (None, slots.UNPROVEN)


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
        assert (found.condition_id, found.reason) == (padded, slots.UNPROVEN)


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


# -------------------------------------------------------------------- /v2/tokens


def token_row(token: TokenId, slot: int, price: float | None, **fields: object) -> bytes:
    row = {
        "token_id": token,
        "condition_id": CONDITION,
        "outcome_index": slot,
        "clob_index": 1 - slot,
        "outcome": "Yes" if token == YES else "No",
        "resolved": price is not None,
        "final_price": price,
    }
    return json.dumps(row | fields).encode()


NO_WINS = (token_row(YES, 0, 0), token_row(NO, 1, 1))
UNRESOLVED = (token_row(YES, 0, None), token_row(NO, 1, None))
V2 = msgspec.structs.replace(MARKET, version="v2")


def test_the_rows_of_both_tokens_are_final_by_token_id() -> None:
    (found,) = observe(*NO_WINS)
    assert found.payouts == ((YES, Decimal(0)), (NO, Decimal(1)))
    assert (found.naming, found.mapped_by, found.reason) == (Naming.BY_ID, (), "")
    assert found.names == tuple(sorted(((YES, "Yes"), (NO, "No"))))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (UNRESOLVED, "active"),
        (NO_WINS[:1], "unreadable answer"),
        ((token_row(YES, 0, 0.495), token_row(NO, 1, 0.505)), "payouts not final"),
        ((token_row(YES, 0, 1), token_row(NO, 1, 1)), "payouts not final"),
        ((token_row(YES, 0, None, resolved=True), token_row(NO, 1, 1)), "payouts not final"),
        ((token_row(YES, 0, 0), token_row(NO, 1, None)), "active"),
        ((*NO_WINS, token_row(YES, 0, 1)), "unreadable answer"),
        ((token_row(YES, 0, 0), token_row(TokenId("77"), 1, 1)), "unreadable answer"),
        ((token_row(YES, 0, 0, final_price="much"), NO_WINS[1]), "unreadable answer"),
    ],
)
def test_other_rows_of_tokens_are_not_final(rows: tuple[bytes, ...], reason: str) -> None:
    (found,) = observe(*rows)
    assert (found.payouts, found.reason) == (None, reason)


def test_a_price_of_one_is_one_however_it_is_spelled() -> None:
    (found,) = observe(token_row(YES, 0, 1.0), token_row(NO, 1, 0.0))
    assert found.payouts == ((YES, Decimal(1)), (NO, Decimal(0)))


def test_both_routes_are_one_witness_and_must_agree() -> None:
    (found,) = observe(WINNER, *NO_WINS)
    assert (found.payouts, found.reason) == (None, "routes differ")


def test_a_route_that_lags_does_not_hold_up_the_other() -> None:
    (found,) = observe(WINNER, *UNRESOLVED)
    assert found.payouts == ((YES, Decimal(1)), (NO, Decimal(0)))
    assert found.names


def test_a_market_under_dispute_is_not_final_whatever_its_tokens_pay() -> None:
    (found,) = observe(state("data_states", "disputed"), *NO_WINS)
    assert (found.payouts, found.reason) == (None, "disputed")


def test_tokens_tell_what_a_resolved_row_without_payouts_does_not() -> None:
    (found,) = observe(changed(WINNER, payouts=None, price=None), *NO_WINS)
    assert found.payouts == ((YES, Decimal(0)), (NO, Decimal(1)))


def test_the_slots_of_a_v2_market_are_those_that_the_data_api_itself_tells() -> None:
    swapped = (token_row(YES, 1, None), token_row(NO, 0, None))
    (found,) = data_api.observe((WINNER, *swapped), {CONDITION: V2}, AT_MS)
    assert found.payouts is not None
    assert dict(found.payouts) == {NO: Decimal(1), YES: Decimal(0)}
    (found,) = data_api.observe((WINNER,), {CONDITION: V2}, AT_MS)
    assert (found.payouts, found.reason) == (None, slots.UNPROVEN)


def test_two_halves_are_those_of_the_tokens_that_the_data_api_itself_names() -> None:
    halves = (token_row(YES, 0, 0.5), token_row(NO, 1, 0.5))
    market = msgspec.structs.replace(V2, condition_id=CONDITION)
    (found,) = data_api.observe(halves, {CONDITION: market}, AT_MS)
    assert dict(found.payouts or ()) == {YES: HALF, NO: HALF}


@pytest.mark.parametrize("price", ["sNaN", "NaN", "Infinity", "1e999999999"])
def test_no_number_whatever_it_is_ends_the_reading(price: str) -> None:
    rows = (token_row(YES, 0, 0, final_price=price), NO_WINS[1])
    (found,) = observe(*rows)
    assert found.payouts is None
