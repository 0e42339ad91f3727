"""What a `new_market` event says of a market, in every spelling that was seen or is likely."""

import json
from typing import Any

import pytest

from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.channel import decode

CONDITION = ConditionId("0x" + "ab" * 32)
ASSETS = (
    Asset(token_id=TokenId("71"), outcome="Up", outcome_index=0),
    Asset(token_id=TokenId("72"), outcome="Down", outcome_index=1),
)


def announced(**said: Any) -> Market:
    event = {
        "event_type": "new_market",
        "id": "123",
        "question": "Up or down?",
        "market": CONDITION,
        "slug": "up-or-down",
        "assets_ids": ["71", "72"],
        "outcomes": ["Up", "Down"],
        "tags": ["Crypto", "crypto", "5M"],
        "active": True,
        **said,
    }
    event = {name: value for name, value in event.items() if value is not None}
    (market,) = decode((json.dumps(event).encode(),), 1).announced
    return market


def test_an_announcement_carries_ids_outcomes_and_what_filters_need() -> None:
    assert announced() == Market(
        condition_id=CONDITION,
        question="Up or down?",
        slug="up-or-down",
        assets=ASSETS,
        gamma_id="123",
        active=False,
        tags=("5m", "crypto"),
    )


@pytest.mark.parametrize(
    "said",
    [
        {"assets_ids": None, "clob_token_ids": ["71", "72"]},
        {"assets_ids": [], "clob_token_ids": '["71", "72"]'},
        {"outcomes": '["Up", "Down"]'},
        {"market": None, "condition_id": CONDITION},
        {"market": "", "condition_id": CONDITION.upper().replace("X", "x")},
    ],
)
def test_ids_and_outcomes_are_read_in_other_spellings(said: dict[str, Any]) -> None:
    assert (announced(**said).condition_id, announced(**said).assets) == (CONDITION, ASSETS)


@pytest.mark.parametrize(
    "said",
    [
        {"assets_ids": None},
        {"assets_ids": ["71"]},
        {"assets_ids": ["71", "71"]},
        {"assets_ids": ["71", "x"]},
        {"assets_ids": [71, 72]},
        {"assets_ids": ["71", "72", "73"], "outcomes": ["a", "b", "c"]},
        {"outcomes": None},
        {"outcomes": {}},
        {"active": False},
    ],
)
def test_tokens_that_are_not_clear_or_do_not_trade_yet_are_left_to_gamma(
    said: dict[str, Any],
) -> None:
    assert announced(**said).assets == ()


def test_an_id_of_gamma_of_thousands_of_characters_is_none() -> None:
    assert announced(id="9" * 9_000).gamma_id is None
    assert announced(id="9" * 9_000).assets == ASSETS
