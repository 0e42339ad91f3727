"""Promise: Gamma's markets are read whole or rejected by name; only what is resolved is final."""

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.model.market import Source
from actors.polymarket import gamma
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

ACTIVE = state("gamma_states", "active")
FINAL = state("gamma_states", "resolved with full history")


@pytest.mark.parametrize("case", states("gamma_states"), ids=lambda case: case.state)
def test_each_state_is_read_as_it_is_meant(case: State) -> None:
    found = gamma.observe(bytes(case.answer), MARKET, AT_MS)
    assert found.reason == case.reason
    assert in_order(found) == case.expected
    assert (found.source, found.condition_id, found.observed_at_ms) == (
        Source.GAMMA,
        CONDITION,
        AT_MS,
    )
    json.loads(found.payload)


def test_a_market_is_read_whole() -> None:
    raw = changed(ACTIVE, tags=[{"id": "1", "slug": "Weather"}, {"id": "2"}, {"slug": "swiss"}])
    market = gamma.parse_market(raw)
    assert market.condition_id == CONDITION
    assert market.token_ids == (YES, NO)
    assert [asset.outcome for asset in market.assets] == ["Yes", "No"]
    assert [asset.outcome_index for asset in market.assets] == [0, 1]
    assert (market.question, market.slug) == ("Will it rain in Bern on 1 May?", "rain-in-bern")
    assert market.gamma_id == "900001"
    assert market.end_at == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert market.started_at == datetime(2026, 4, 28, 18, 24, 5, 410_000, tzinfo=UTC)
    assert market.volume == Decimal("1234.567890123")
    assert (market.closed, market.active, market.neg_risk) == (False, True, False)
    assert (market.version, market.tags) == ("v1", ("swiss", "weather"))


def test_nothing_but_ids_and_outcomes_is_needed() -> None:
    raw = json.dumps({"conditionId": CONDITION, "outcomes": ["a", "b"], "clobTokenIds": [YES, NO]})
    market = gamma.parse_market(raw.encode())
    assert (market.question, market.slug, market.tags) == ("", "", ())
    assert (market.end_at, market.started_at, market.volume, market.gamma_id) == (None,) * 4
    assert market.active
    assert not market.closed


def test_a_market_of_v2_has_its_positions_as_tokens_and_a_padded_id() -> None:
    bare = "0x" + "AB" * 31
    raw = changed(ACTIVE, conditionId=bare, clobTokenIds=None, positionIds=[YES, NO], version="v2")
    market = gamma.parse_market(raw)
    assert (market.version, market.token_ids) == ("v2", (YES, NO))
    assert market.condition_id == "0x" + "ab" * 31 + "00"
    resolved = changed(raw, closed=True, umaResolutionStatus="resolved", outcomePrices='["0","1"]')
    assert in_order(gamma.observe(resolved, market, AT_MS), market) == [0, 1]


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-05-01T12:00:00Z", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T12:00:00.5Z", datetime(2026, 5, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-05-01T12:00:00.12606Z", datetime(2026, 5, 1, 12, 0, 0, 126_060, tzinfo=UTC)),
        ("2026-05-01 12:00:00+00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T14:00:00+02:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        ("0001-01-01T00:00:00+14:00", None),
        (1_777_000_000, None),
        (None, None),
    ],
)
def test_times_are_read_in_every_format_or_not_at_all(value: object, at: datetime | None) -> None:
    assert gamma.parse_market(changed(ACTIVE, endDate=value)).end_at == at


@pytest.mark.parametrize(
    ("value", "volume"),
    [
        ("12.5", Decimal("12.5")),
        (12.5, Decimal("12.5")),
        (0, Decimal(0)),
        ("99999999999999.123456789012345678", Decimal("99999999999999.123456789012345678")),
        ("0.12345678901234567891", Decimal("0.123456789012345679")),
        ("99999999999999999999", Decimal(99999999999999999999)),
        ("0.00000000000000000000000001", Decimal(0)),
        ("100000000000000000000", None),
        ("-1", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999", None),
        ("much", None),
        (None, None),
        ({}, None),
    ],
)
def test_the_volume_is_an_exact_amount_or_unknown(value: object, volume: Decimal | None) -> None:
    assert gamma.parse_market(changed(ACTIVE, volume=value)).volume == volume


def test_the_volume_is_taken_from_its_number_when_its_text_is_missing() -> None:
    assert gamma.parse_market(changed(ACTIVE, volume=None, volumeNum=7)).volume == 7


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"conditionId": ""}, "no condition id"),
        ({"conditionId": "0x12345"}, "no condition id"),
        ({"conditionId": None}, "no condition id"),
        ({"conditionId": 5}, "no condition id"),
        ({"clobTokenIds": None}, "no tokens"),
        ({"clobTokenIds": ""}, "no tokens"),
        ({"clobTokenIds": "[]"}, "no tokens"),
        ({"clobTokenIds": '["",""]'}, "no tokens"),
        ({"clobTokenIds": [int(YES), int(NO)]}, "token id is no digits"),
        ({"clobTokenIds": f"[{YES},{NO}]"}, "token id is no digits"),
        ({"clobTokenIds": ["0xabc", NO]}, "token id is no digits"),
        ({"clobTokenIds": ["٣" * 77, NO]}, "token id is no digits"),
        ({"clobTokenIds": [YES, NO + "00"]}, "token id is no digits"),
        ({"clobTokenIds": [YES, YES]}, "same token twice"),
        ({"clobTokenIds": [YES]}, "not two outcomes"),
        ({"clobTokenIds": [YES, NO, "5"]}, "not two outcomes"),
        ({"outcomes": '["a","b","c"]'}, "not two outcomes"),
        ({"outcomes": None}, "not two outcomes"),
    ],
)
def test_what_is_no_market_of_two_tokens_is_rejected_by_name(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PayloadRejected) as caught:
        gamma.parse_market(changed(ACTIVE, **fields))
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read"),
    [
        ("negRisk", "false", "neg_risk", False),
        ("negRisk", "true", "neg_risk", True),
        ("active", 1, "active", True),
        ("active", "no", "active", True),
        ("closed", 0, "closed", False),
        ("closed", "yes", "closed", False),
        ("closed", {}, "closed", False),
        ("question", ["a"], "question", ""),
        ("slug", 1.5, "slug", ""),
        ("endDate", 1_777_000_000, "end_at", None),
        ("startDate", "soon", "started_at", None),
        ("volume", {}, "volume", Decimal(7)),
        ("tags", "weather", "tags", ()),
        ("umaResolutionStatus", 5, "version", "v1"),
    ],
)
def test_a_field_of_another_type_is_named_and_rejects_no_market(
    field: str, value: object, attribute: str, read: object
) -> None:
    found = gamma.read_market(changed(ACTIVE, volumeNum=7, **{field: value}))
    assert getattr(found.market, attribute) == read
    assert found.drift == (() if field == "volume" else (field,))


def test_usual_markets_show_no_drift() -> None:
    for case in states("gamma_states"):
        with contextlib.suppress(PayloadRejected):
            if case.reason == "unreadable answer":
                continue
            assert gamma.read_market(bytes(case.answer)).drift == ()
    native = changed(ACTIVE, outcomes=["Yes", "No"], endDate=None, id=900001)
    assert gamma.read_market(native).drift == ()
    assert gamma.read_market(native).market.gamma_id == "900001"


BAD_VALUES = [b'"\\ud83d half"', b'"a\tb"', b"NaN", b'"\xff"', b"-Infinity", b"1_0", b'"\\q"']


@pytest.mark.parametrize("value", BAD_VALUES)
def test_one_damaged_value_takes_its_field_and_not_the_market(value: bytes) -> None:
    for raw, drift in (
        (ACTIVE[:-1] + b',"question":' + value + b"}", ("question",)),
        # Nothing reads it. What makes its page no JSON is named all the same; wrong bytes do not.
        (
            ACTIVE[:-1] + b',"icon":' + value + b"}",
            () if value == b'"\xff"' else ("icon",),
        ),
    ):
        found = gamma.read_market(raw)
        assert found.market.token_ids == (YES, NO)
        assert found.market.slug == "rain-in-bern"
        assert found.drift == drift


@pytest.mark.parametrize(
    ("damaged", "drift"),
    [
        (b',"' + b"x" * 60 + b'": NaN', ("x" * 40,)),
        (b',"a\tb": 1', ("not JSON",)),
        (b',"question": NaN,"events": NaN', ("events", "question")),
        (b",,", ("not JSON",)),
        (b',"events": "\\ud83d","events": 1', ("events",)),
        (b',"question": NaN,"question": "again"', ("question",)),
    ],
)
def test_whatever_makes_an_object_no_json_is_named(damaged: bytes, drift: tuple[str, ...]) -> None:
    found = gamma.read_market(ACTIVE[:-1] + damaged + b"}")
    assert found.drift == drift
    assert found.market.token_ids == (YES, NO)


@pytest.mark.parametrize("value", BAD_VALUES)
def test_one_damaged_value_in_what_identifies_a_market_rejects_it(value: bytes) -> None:
    raw = ACTIVE[:-1] + b',"outcomes":' + value + b"}"
    with pytest.raises(PayloadRejected, match="not two outcomes"):
        gamma.read_market(raw)
    assert gamma.name_of(raw) == CONDITION


@pytest.mark.parametrize("value", BAD_VALUES)
def test_no_outcome_is_read_from_a_damaged_object(value: bytes) -> None:
    raw = FINAL[:-1] + b',"closed":' + value + b"}"
    assert gamma.observe(raw, MARKET, AT_MS).reason == "unreadable answer"
    assert gamma.condition_of(raw) == CONDITION


@pytest.mark.parametrize(
    "fields",
    [
        {"closed": "true"},
        {"closed": 1},
        {"umaResolutionStatus": 5},
        {"resolutionStatus": 5},
        {"conditionId": 5},
    ],
)
def test_no_outcome_is_read_from_fields_of_another_type(fields: dict[str, Any]) -> None:
    assert gamma.observe(changed(FINAL, **fields), MARKET, AT_MS).reason == "unreadable answer"


def test_a_rejected_market_is_named_by_what_id_it_has() -> None:
    assert gamma.name_of(b'{"id": "12", "x": NaN}') == "12"
    assert gamma.name_of(b"<html>") == "unknown"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"<html><body>502</body></html>", "not JSON"),
        (ACTIVE[:-5], "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"umaResolutionStatus":"\xff"}', "no condition id"),
        (b'{"slug":' + b"[" * 100_000, "not JSON"),
        (b"[" * 100_000, "unexpected shape"),
        (b'{"volume": NaN}', "no condition id"),
        (b'{"volume": NaN} 1', "not JSON"),
        (b"[]", "unexpected shape"),
        (b"null", "unexpected shape"),
    ],
)
def test_what_is_no_object_is_rejected_by_name(raw: bytes, reason: str) -> None:
    with pytest.raises(PayloadRejected) as caught:
        gamma.parse_market(raw)
    assert str(caught.value) == reason
    assert gamma.observe(raw, MARKET, AT_MS).reason == "unreadable answer"
    assert gamma.resolved_at_ms(raw) is None


def test_text_that_the_database_cannot_store_is_replaced() -> None:
    market = gamma.parse_market(changed(ACTIVE, question="a\0b", outcomes=["\0", "No"]))
    assert market.question == "a�b"
    assert "\0" not in market.assets[0].outcome
    odd = changed(ACTIVE, umaResolutionStatus="\0" * 5000, closedTime="\0")
    payload = gamma.observe(odd, MARKET, AT_MS).payload
    assert "\\u0000" not in payload
    assert len(payload) <= 2_000


def test_the_evidence_shows_the_fields_that_were_read() -> None:
    payload = json.loads(gamma.observe(FINAL, MARKET, AT_MS).payload)
    assert payload == {
        "closed": True,
        "umaResolutionStatus": "resolved",
        "resolutionStatus": None,
        "outcomePrices": ["0", "1"],
        "tokenIds": [YES, NO],
        "outcomes": ["Yes", "No"],
        "closedTime": "2026-05-01 14:08:01+00",
    }


def test_closed_time_is_read_in_its_own_format() -> None:
    assert gamma.resolved_at_ms(FINAL) == 1_777_644_481_000
    assert gamma.resolved_at_ms(ACTIVE) is None


def test_a_duplicate_key_is_not_final() -> None:
    raw = FINAL.replace(b'"closed": true', b'"closed":false,"closed":true')
    assert gamma.observe(raw, MARKET, AT_MS).reason == "twin keys"
    nested = FINAL[:-1] + b',"x":[{"a":1,"a":2}]}'
    assert gamma.observe(nested, MARKET, AT_MS).reason == "twin keys"


@given(st.binary())
def test_no_bytes_raise_anything_else_or_are_final(raw: bytes) -> None:
    assert gamma.observe(raw, MARKET, AT_MS).payouts is None
    with pytest.raises(PayloadRejected):
        gamma.parse_market(raw)


@given(st.data())
def test_a_damaged_answer_is_final_only_with_the_same_outcome(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FINAL) - 1))
    raw = FINAL[:at] + data.draw(st.binary(max_size=3)) + FINAL[at + 1 :]
    found = gamma.observe(raw, MARKET, AT_MS)
    assert in_order(found) in (None, [0, 1])


@given(
    prices=st.lists(
        st.sampled_from(["1", "0", "0.5", "0.9995", "0.0005", "1.0", "NaN"]), max_size=3
    ),
    closed=st.booleans(),
    status=st.sampled_from(["", "proposed", "disputed", "requested", "settled", "RESOLVED", None]),
)
def test_no_price_alone_is_final(prices: list[str], closed: bool, status: str | None) -> None:
    raw = changed(
        ACTIVE, outcomePrices=json.dumps(prices), closed=closed, umaResolutionStatus=status
    )
    assert gamma.observe(raw, MARKET, AT_MS).payouts is None


def _recorded() -> Path:
    if (path := fixtures()) is None:
        pytest.skip("no recorded answers here")
    return path / "nautilus_trader"


@pytest.mark.parametrize(
    ("name", "reason", "shares"),
    [
        ("gamma_market", "open", None),
        ("gamma_market_closed_binary_accepting_false", "", [0, 1]),
        ("gamma_market_closed_binary_accepting_true", "closed without status", None),
        ("gamma_market_closed_nonbinary_legacy", "closed without status", None),
        ("gamma_market_closed_zero_zero_legacy", "closed without status", None),
        ("gamma_market_sports_market_map_handicap", "", None),
        ("gamma_market_sports_market_money_line", "", None),
    ],
)
def test_recorded_markets_give_the_right_observation(
    name: str, reason: str, shares: list[int] | None
) -> None:
    raw = (_recorded() / "gamma" / f"{name}.json").read_bytes()
    market = gamma.parse_market(raw)
    found = gamma.observe(raw, market, AT_MS)
    assert found.reason == reason
    prices = json.loads(json.loads(raw)["outcomePrices"])
    assert in_order(found, market) == (None if reason else [Decimal(price) for price in prices])
    assert shares is None or in_order(found, market) == shares


def test_recorded_markets_of_an_event_are_open() -> None:
    events = json.loads((_recorded() / "gamma/gamma_event.json").read_bytes())
    markets = [json.dumps(each).encode() for event in events for each in event["markets"]]
    assert markets
    for raw in markets:
        market = gamma.parse_market(raw)
        assert len(market.assets) == 2
        assert gamma.observe(raw, market, AT_MS).reason == "open"


def test_recorded_markets_without_outcomes_are_rejected_by_name() -> None:
    path = _recorded() / "http_legacy_2024/markets_list.json"
    for each in json.loads(path.read_bytes()):
        with pytest.raises(PayloadRejected, match=r"^(no condition id|not two outcomes)$"):
            gamma.parse_market(json.dumps(each).encode())
