import json
from decimal import Decimal
from pathlib import Path

import pytest

from actors.simulator.events import SPELLINGS, Trade, scientific, spelled
from tests.simulator.harness import QUIET, rehearsal, run_async

TRADE = Trade(
    n=1,
    token="7" * 77,
    condition="0x" + "ab" * 32,
    price="0.50",
    size="219.217767",
    side="BUY",
    ts=1_790_000_000_000,
    hash="0x" + "cd" * 32,
    fee="0",
)


def test_without_a_break_of_spelling_a_trade_is_spelled_as_today() -> None:
    assert spelled(TRADE, frozenset({"keyset_gone"})) == TRADE.text


@pytest.mark.parametrize("broken", sorted(SPELLINGS))
def test_a_break_changes_nothing_but_what_it_names(broken: str) -> None:
    said, today = json.loads(spelled(TRADE, frozenset({broken}))), json.loads(TRADE.text)
    changed = {name: said[name] for name in today if said[name] != today[name]}
    assert list(said) == list(today)
    assert (
        changed
        == {
            "numbers": {
                "price": 0.5,
                "size": 219.217767,
                "fee_rate_bps": 0,
                "timestamp": 1_790_000_000_000,
            },
            "lower_side": {"side": "buy"},
            "seconds": {"timestamp": "1790000000"},
            "scientific": {"price": "5e-1", "size": "2.19217767e+2"},
            "renamed_event": {"event_type": "trade_executed"},
        }[broken]
    )


@pytest.mark.parametrize("text", ["0.02", "500", "1", "0.000001", "3999.123456", "0.50", "120"])
def test_scientific_notation_is_the_same_number(text: str) -> None:
    assert Decimal(scientific(text)) == Decimal(text)


def test_breaks_of_spelling_go_together() -> None:
    raw = spelled(TRADE, SPELLINGS)
    assert b'"size":2.19217767e+2,' in raw
    assert b'"timestamp":1790000000,' in raw


@pytest.mark.parametrize("broken", ["", "seconds,numbers"])
def test_the_ledger_has_the_times_that_are_sent(tmp_path: Path, broken: str) -> None:
    async def steps() -> None:
        options = (
            *QUIET,
            "--markets=1",
            "--ending=0",
            "--trades-per-second=50",
            f"--broken={broken}",
        )
        async with rehearsal(tmp_path, *options) as harness:
            listener = await harness.listener()
            await listener.ask(harness.market().tokens)
            harness.turn(1.5)
            await listener.sync()
            lines = harness.ledger("trade")
        sent = [event for event in listener.events if "transaction_hash" in event]
        times = [int(event["timestamp"]) for event in sent]
        assert times
        assert times == [line["ts"] // (1000 if broken else 1) for line in lines]
        assert not broken or not any(line["ts"] % 1000 for line in lines)

    run_async(steps)
