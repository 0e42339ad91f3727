import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from actors.polymarket.slots import COLLATERALS, position_ids
from actors.simulator.market_ids import condition_id, contract_tokens, gamma_id, token_id
from actors.simulator.markets import ledger_line
from tests.simulator.harness import rehearsal

DIGITS = re.compile(r"\d{76,78}")
CONDITION = re.compile(r"0x[0-9a-f]{64}")


def names(folder: Path, *argv: str) -> list[dict[str, Any]]:
    async def steps() -> list[dict[str, Any]]:
        async with rehearsal(folder, "--markets=60", *argv) as harness:
            return [ledger_line(market) for market in harness.simulation.markets]

    return asyncio.run(steps())


def test_ids_have_the_format_of_real_ones() -> None:
    for index in range(200):
        for side in (0, 1):
            assert DIGITS.fullmatch(token_id(5, 1, index, side))
        assert CONDITION.fullmatch(condition_id(5, 1, index, v2=False))
        padded = condition_id(5, 1, index, v2=True)
        assert CONDITION.fullmatch(padded)
        assert padded.endswith("00")


@pytest.mark.parametrize("neg_risk", [False, True])
def test_tokens_of_v1_markets_are_those_that_the_contract_gives_the_slots(neg_risk: bool) -> None:
    for index in range(50):
        condition = condition_id(5, 1, index, v2=False)
        computed = position_ids(bytes.fromhex(condition[2:]), COLLATERALS[neg_risk])
        assert contract_tokens(condition, neg_risk=neg_risk) == computed


def test_no_two_of_ten_thousand_ids_are_equal() -> None:
    tokens = [
        token_id(seed, run, index, side)
        for seed in (1, 2)
        for run in (1, 2)
        for index in range(1250)
        for side in (0, 1)
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
