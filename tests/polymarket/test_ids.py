"""One market has one condition id, however a source spells it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.polymarket import fields, gamma, strict_json
from tests.polymarket.feed_samples import RECEIVED_NS, decode, encoded, framed

BARE = "0x" + "aB" * 31
FULL = "0x" + "ab" * 31 + "00"


def listed(condition_id: str) -> str:
    """Return the id of a V2 market that Gamma lists under this one."""
    market = {
        "conditionId": condition_id,
        "outcomes": ["a", "b"],
        "positionIds": ["1", "2"],
        "version": "v2",
    }
    return gamma.parse_market(json.dumps(market).encode()).condition_id


@pytest.mark.parametrize("spelling", [BARE, FULL, FULL.upper().replace("X", "x")])
def test_a_v2_market_has_one_id_in_listings_announcements_and_trades(spelling: str) -> None:
    announced = encoded({"event_type": "new_market", "market": spelling})

    assert listed(BARE) == listed(spelling) == FULL
    (market,) = decode(announced, RECEIVED_NS).announced
    assert (market.condition_id, market.version) == (FULL, "v2")
    (trade,) = decode(framed(market=spelling), RECEIVED_NS).trades
    assert trade.condition_id == FULL


@pytest.mark.parametrize("digits", [0, 61, 63, 65])
def test_another_number_of_digits_is_no_condition_id(digits: int) -> None:
    text = "0x" + "a" * digits
    with pytest.raises(PayloadRejected, match="condition is malformed"):
        fields.condition(text)
    assert strict_json.condition(text) is None


@given(st.from_regex(r"0x[0-9a-fA-F]{64}", fullmatch=True))
def test_a_full_id_is_kept_in_lower_case(text: str) -> None:
    assert strict_json.condition_id(text) == text.lower()
    assert fields.condition(text) == strict_json.condition(text) == text.lower()


@pytest.mark.parametrize("text", ["0x" + "g" * 64, "0X" + "a" * 64, FULL + "\n", BARE + " 0"])
def test_other_characters_are_rejected(text: str) -> None:
    with pytest.raises(PayloadRejected):
        strict_json.condition_id(text)
