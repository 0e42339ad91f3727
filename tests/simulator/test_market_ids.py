import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from actors.model.trade import ConditionId
from actors.polymarket.contract.slots import COLLATERALS, position_ids, v2_module
from actors.simulator.market_ids import (
    BINARY,
    NEG_RISK,
    condition_id,
    contract_tokens,
    gamma_id,
    module_of,
    number_in_event,
    structured_id,
    structured_tokens,
)
from actors.simulator.markets import ledger_line
from tests.simulator.harness import rehearsal

RECORDED = "0x017791f201d5a788e0039e511fc1900e5f000000000000000000000000000000"
"""A V2 market as the CLOB listed it on 2026-10-05."""
RECORDED_TOKENS = (
    "663574927012476832975694178961957910328055987427402067619466963999000625152",
    "663574927012476832975694178961957910328055987427402067619466963999000625153",
)
CONDITION = re.compile(r"0x[0-9a-f]{64}")


def names(folder: Path, *argv: str) -> list[dict[str, Any]]:
    async def steps() -> list[dict[str, Any]]:
        async with rehearsal(folder, "--markets=60", *argv) as harness:
            return [ledger_line(market) for market in harness.simulation.markets]

    return asyncio.run(steps())


def test_ids_have_the_format_of_real_ones() -> None:
    for index in range(200):
        old = condition_id(5, 1, index)
        assert CONDITION.fullmatch(old)
        assert module_of(old) is None
        assert v2_module(ConditionId(old)) is None


@pytest.mark.parametrize(("neg_risk", "module"), [(False, BINARY), (True, NEG_RISK)])
def test_a_v2_id_names_its_module_and_which_condition_of_its_event_it_is(
    neg_risk: bool, module: int
) -> None:
    numbers = set()
    for index in range(200):
        condition = structured_id(5, 1, index, neg_risk=neg_risk)
        assert module_of(condition) == v2_module(ConditionId(condition)) == module
        raw = bytes.fromhex(condition[2:])
        assert len(raw) == 32
        count = int.from_bytes(raw[17:19])
        assert (count >= 2) is neg_risk
        assert number_in_event(condition) in range(count or 1)
        assert raw[19:29] == bytes(10)
        assert raw[31] == 0
        numbers.add(number_in_event(condition))
    assert (len(numbers) > 5) is neg_risk


@pytest.mark.parametrize(
    "other",
    [
        RECORDED[:-1] + "1",  # a token
        "0x03" + RECORDED[4:],
        RECORDED[:-2],
        RECORDED.replace("0" * 20, "0" * 19 + "1"),
    ],
)
def test_an_id_of_another_form_names_no_module(other: str) -> None:
    assert module_of(other) is None
    assert module_of(RECORDED) == BINARY


def test_tokens_of_v2_markets_are_the_number_of_the_condition_and_the_next_one() -> None:
    assert structured_tokens(RECORDED) == RECORDED_TOKENS


@pytest.mark.parametrize("neg_risk", [False, True])
def test_tokens_of_v1_markets_are_those_that_the_contract_gives_the_slots(neg_risk: bool) -> None:
    for index in range(50):
        condition = condition_id(5, 1, index)
        computed = position_ids(bytes.fromhex(condition[2:]), COLLATERALS[neg_risk])
        assert contract_tokens(condition, neg_risk=neg_risk) == computed


def test_no_two_of_ten_thousand_ids_are_equal() -> None:
    tokens = [
        token
        for seed in (1, 2)
        for run in (1, 2)
        for index in range(1250)
        for token in structured_tokens(structured_id(seed, run, index, neg_risk=index % 2 == 0))
    ]
    assert len(set(tokens)) == len(tokens) == 10_000
    ids = [gamma_id(run, index) for run in (1, 2, 11) for index in range(1000)]
    assert len(set(ids)) == len(ids)


def test_same_seed_and_run_give_the_same_markets_and_lifetimes(tmp_path: Path) -> None:
    assert names(tmp_path / "a", "--seed=3", "--run=4") == names(
        tmp_path / "b", "--seed=3", "--run=4"
    )


def test_another_run_or_seed_shares_no_token_with_it(tmp_path: Path) -> None:
    first = {each["tokens"][0] for each in names(tmp_path / "a", "--seed=3", "--run=1")}
    for number, argv in enumerate((("--seed=3", "--run=2"), ("--seed=4", "--run=1"))):
        other = {each["tokens"][0] for each in names(tmp_path / str(number), *argv)}
        assert len(other) == 60
        assert not first & other
