"""Promise: final is a closed market with one winner flag; nothing else is, and nothing raises."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.market import Asset, Market, Source
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import clob
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


@pytest.mark.parametrize("case", states("clob_states"), ids=lambda case: case.state)
def test_each_state_is_read_as_it_is_meant(case: State) -> None:
    found = clob.observe(bytes(case.answer), MARKET, AT_MS)
    assert found.reason == case.reason
    assert in_order(found) == case.expected
    assert (found.source, found.condition_id, found.observed_at_ms) == (
        Source.CLOB,
        CONDITION,
        AT_MS,
    )
    json.loads(found.payload)


def test_a_duplicate_key_is_not_final() -> None:
    raw = state("clob_states", "winner").replace(b'"closed": true', b'"closed":false,"closed":true')
    assert clob.observe(raw, MARKET, AT_MS).reason == "twin keys"


@given(st.binary())
def test_no_bytes_raise_or_are_final(raw: bytes) -> None:
    assert clob.observe(raw, MARKET, AT_MS).payouts is None


@given(data=st.data())
def test_half_an_answer_is_not_final(data: st.DataObject) -> None:
    raw = state("clob_states", "winner")
    cut = data.draw(st.integers(0, len(raw) - 1))
    assert clob.observe(raw[:cut], MARKET, AT_MS).payouts is None


@given(st.text(), st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())))
def test_no_value_of_any_field_makes_a_market_without_flags_final(name: str, value: object) -> None:
    raw = state("clob_states", "closed, prices 0/1, no flag")
    if name != "tokens":
        assert clob.observe(changed(raw, **{name: value}), MARKET, AT_MS).payouts is None


def test_deep_nesting_is_not_final() -> None:
    assert clob.observe(b"[" * 100_000, MARKET, AT_MS).reason == "unreadable answer"
    deep = changed(state("clob_states", "winner"))[:-1] + b',"x":' + b"[" * 100_000
    assert clob.observe(deep, MARKET, AT_MS).reason == "unreadable answer"


class _Side(msgspec.Struct):
    token_id: str
    outcome: str
    winner: bool


class _Row(msgspec.Struct):
    condition_id: str
    closed: bool
    tokens: list[_Side]


def _market_of(row: _Row) -> Market:
    return Market(
        condition_id=ConditionId(row.condition_id),
        question="",
        slug="",
        assets=tuple(
            Asset(token_id=TokenId(side.token_id), outcome=side.outcome, outcome_index=index)
            for index, side in enumerate(row.tokens)
        ),
    )


def _recorded() -> Path:
    if (path := fixtures()) is None:
        pytest.skip("no recorded answers here")
    return path / "nautilus_trader"


def test_recorded_markets_of_2022_are_final_only_by_their_flag() -> None:
    whole = msgspec.json.decode((_recorded() / "http_legacy_2024/markets.json").read_bytes())
    finals = 0
    for each in whole["data"]:
        raw = json.dumps(each).encode()
        row = msgspec.json.decode(raw, type=_Row)
        found = clob.observe(raw, _market_of(row), AT_MS)
        winners = [side.token_id for side in row.tokens if side.winner]
        sane = len({side.token_id for side in row.tokens}) == 2
        assert (found.payouts is not None) == (row.closed and len(winners) == 1 and sane)
        if found.payouts is not None:
            finals += 1
            assert [token for token, share in found.payouts if share == 1] == winners
    assert finals == 24


@pytest.mark.parametrize("name", ["false", "true"])
def test_recorded_winners_are_final_whether_or_not_orders_are_accepted(name: str) -> None:
    raw = (_recorded() / f"clob/clob_market_closed_binary_accepting_{name}.json").read_bytes()
    row = msgspec.json.decode(raw, type=_Row)
    found = clob.observe(raw, _market_of(row), AT_MS)
    assert found.reason == ""
    assert dict(found.payouts or ()) == {side.token_id: Decimal(side.winner) for side in row.tokens}


def compact(first: str = YES, second: str = NO, condition: str = CONDITION) -> bytes:
    tokens = [{"t": first, "o": "Yes"}, {"t": second, "o": "No"}]
    return json.dumps({"c": condition, "t": tokens, "mts": 0.01, "mos": 5, "ao": False}).encode()


def test_the_route_without_winners_names_the_tokens_and_is_not_final() -> None:
    found = clob.observe(compact(), MARKET, AT_MS)
    assert (found.payouts, found.reason) == (None, "winner not told")
    assert dict(found.names) == {YES: "Yes", NO: "No"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (compact(condition="0x" + "ab" * 32), "wrong market echoed"),
        (compact(second="77"), "other tokens"),
    ],
)
def test_names_of_another_market_are_not_taken(raw: bytes, reason: str) -> None:
    found = clob.observe(raw, MARKET, AT_MS)
    assert (found.payouts, found.reason, found.names) == (None, reason, ())
