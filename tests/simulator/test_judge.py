"""The judge reads ledgers of this simulator and of older ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors.database.store import Store
from actors.model.storage import Batch
from actors.model.trade import Trade
from actors.simulator.judge import judge
from tests.database.samples import CONDITION, NO, YES, resolution, trade

pytestmark = pytest.mark.db


def line_of(sent: Trade, kind: str = "trade") -> dict[str, Any]:
    return {
        "kind": kind,
        "token": sent.token_id,
        "ts": sent.traded_at_ms,
        "price": str(sent.price),
        "size": str(sent.size),
        "side": sent.side,
        "hash": sent.transaction_hash,
    }


def written(folder: Path, *lines: dict[str, Any]) -> Path:
    ledger = folder / "ledger.jsonl"
    ledger.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return ledger


@pytest.mark.parametrize("kind", ["trade", "print"])
def test_a_trade_of_an_older_ledger_was_sent_too(
    tmp_path: Path, store: Store, database: str, kind: str
) -> None:
    sent = trade()
    ledger = written(tmp_path, line_of(sent, kind))
    store.commit(Batch(trades=(sent,)))

    found = judge(ledger, database)
    assert (found.sent, found.stored, found.missing, found.unexpected) == (1, 1, 0, 0)


def test_the_last_run_is_judged_alone_though_its_markets_traded_before(
    tmp_path: Path, store: Store, database: str
) -> None:
    runs = [{"kind": "run", "run": number} for number in (1, 2)]
    outcome = {"kind": "outcome", "condition": CONDITION, "winning_token": NO}
    lost = line_of(trade(1))
    ours, never_sent = trade(3), trade(4)
    ledger = written(
        tmp_path, runs[0], lost, line_of(trade(2)), outcome, runs[1], line_of(ours),
        {**outcome, "winning_token": YES},
    )  # fmt: skip
    store.commit(Batch(trades=(trade(2), ours, never_sent), resolutions=(resolution(),)))

    last, whole = judge(ledger, database, last_run=True), judge(ledger, database)
    assert (last.sent, last.stored, last.unwatched, last.unexpected) == (1, 2, 0, 1)
    assert (whole.sent, whole.stored, whole.unwatched, whole.unexpected) == (3, 3, 1, 1)
    assert (last.resolved_right, last.resolved_wrong) == (1, 0)
