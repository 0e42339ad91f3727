"""Promise: which token has which slot of the CTF contract is computed, and as the contract does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.contract.slots import tokens_by_slot, v2_module
from tests.resolution.recorded_answers import fixtures

RECORDED = (
    (  # neg-risk: the wrapped collateral
        "0xdd22472e552920b8438158ea7238bfadfa4f736aa4cee91a6b86c39ead110917",
        "21742633143463906290569050155826241533067272736897614950488156847949938836455",
        "48331043336612883890938759509493159234755048973500640148014422747788308965732",
    ),
    (
        "0xd57eed0d44f5b8ca54925d8d6ff440b146b3e6e071da18136ee3ee572d34479e",
        "22978793223071892222859460592277435458011604214087068523744633723809814935807",
        "108268928354766371660560153450121076545199284531791348447523752861907448942629",
    ),
    (
        "0x78443f961b9a65869dcb39359de9960165c7e5cbad0904eac7f29cd77872a63b",
        "104239898038807136052399800151408521467737075933964991162589336683346093173875",
        "71183960810705820955071415844881728181970340514894896943812046065452395013351",
    ),
)
"""Markets of 2024 to 2026 as Gamma lists them: condition, first token, second token."""


def market(condition_id: str, *tokens: str, version: str = "v1") -> Market:
    assets = tuple(
        Asset(token_id=TokenId(token), outcome="", outcome_index=index)
        for index, token in enumerate(tokens)
    )
    return Market(
        condition_id=ConditionId(condition_id), question="", slug="", assets=assets, version=version
    )


@pytest.mark.parametrize(("condition_id", "first", "second"), RECORDED)
def test_recorded_markets_have_the_computed_tokens(
    condition_id: str, first: str, second: str
) -> None:
    assert tokens_by_slot(market(condition_id, first, second)) == (first, second)
    assert tokens_by_slot(market(condition_id, second, first)) == (first, second)


def test_tokens_of_another_condition_have_no_slots() -> None:
    (one, first, second), (other, third, _) = RECORDED[:2]
    assert tokens_by_slot(market(other, first, second)) is None
    assert tokens_by_slot(market(one, first, third)) is None
    assert tokens_by_slot(market("0xnothing", first, second)) is None


def test_the_slots_of_a_v2_market_are_not_known() -> None:
    assert tokens_by_slot(market("0x" + "a" * 62 + "00", "2", "1", version="v2")) is None


def test_every_recorded_market_has_the_computed_tokens() -> None:
    if (path := fixtures()) is None:
        pytest.skip("no recorded answers here")
    recorded = dict(each for file in path.rglob("*.json") for each in listed(file))
    wrong = [each for each, ids in recorded.items() if tokens_by_slot(market(each, *ids)) != ids]
    assert wrong == []
    assert len(recorded) > 50


def listed(file: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (condition, tokens) of each market with two tokens anywhere in a file."""
    try:
        waiting: list[Any] = [json.loads(file.read_bytes())]
    except ValueError:
        return  # not one JSON value
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            waiting += found.values()
            condition_id = str(found.get("conditionId") or found.get("condition_id"))
            tokens = found.get("clobTokenIds") or found.get("tokens") or []
            tokens = json.loads(tokens) if isinstance(tokens, str) else tokens
            ids = tuple(
                each["token_id"] if isinstance(each, dict) else each
                for each in tokens
                if each and (not isinstance(each, dict) or each.get("token_id"))
            )
            # Examples of documentation have shorter ids.
            if len(condition_id) == 66 and len(ids) == 2:
                yield condition_id, ids


def test_the_tokens_of_a_v2_market_are_its_condition_and_the_outcome() -> None:
    condition = "0x017791f201d5a788e0039e511fc1900e5f000000000000000000000000000000"
    first = "663574927012476832975694178961957910328055987427402067619466963999000625152"
    second = f"{first[:-1]}3"  # as the CLOB listed them on 2026-10-05
    for listed in ((first, second), (second, first)):
        assert tokens_by_slot(market(condition, *listed, version="v2")) == (first, second)
    assert tokens_by_slot(market(condition, first, "1", version="v2")) is None


@pytest.mark.parametrize(
    ("condition", "module"),
    [
        ("0x01" + "ab" * 16 + "00" * 15, 1),
        ("0x02" + "ab" * 16 + "0003" + "00" * 10 + "0002" + "00", 2),
        ("0x03" + "ab" * 16 + "00" * 15, None),  # combinations of markets
        ("0x01" + "ab" * 16 + "00" * 14 + "01", None),  # an outcome is no condition
        ("0x01" + "ab" * 16 + "00" * 9 + "01" + "00" * 5, None),  # another chain resolves it
        ("0x01" + "ab" * 16 + "00" * 14, None),
        (RECORDED[0][0], None),
    ],
)
def test_the_id_of_a_condition_says_whether_it_is_of_v2(condition: str, module: int | None) -> None:
    assert v2_module(ConditionId(condition)) == module
