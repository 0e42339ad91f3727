"""The judge reads ledgers of this simulator and of older ones."""

import json
from pathlib import Path

import pytest

from actors.database.store import Store
from actors.model.storage import Batch
from actors.simulator.judge import judge
from tests.database.samples import trade

pytestmark = pytest.mark.db


@pytest.mark.parametrize("kind", ["trade", "print"])
def test_a_trade_of_an_older_ledger_was_sent_too(
    tmp_path: Path, store: Store, database: str, kind: str
) -> None:
    sent = trade()
    line = {
        "kind": kind,
        "token": sent.token_id,
        "ts": sent.traded_at_ms,
        "price": str(sent.price),
        "size": str(sent.size),
        "side": sent.side,
        "hash": sent.transaction_hash,
    }
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(f"{json.dumps(line)}\n")
    store.commit(Batch(trades=(sent,)))

    found = judge(ledger, database)
    assert (found.sent, found.stored, found.missing, found.unexpected) == (1, 1, 0, 0)
