"""docs/architecture.md says which files a new column of `trades` takes; here one is added by it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import ask

pytestmark = pytest.mark.db

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| a new column in `trades` \|(.*)\|$", re.MULTILINE)

MIGRATION = """
alter table tracker.trades add column venue text;
create or replace view public.trades as
select t.traded_at, t.received_at, a.condition_id, a.token_id, a.outcome,
       t.price::numeric(19, 18) as price, t.size::numeric(38, 18) as size,
       case when t.is_buy then 'BUY' else 'SELL' end as side,
       t.fee_rate_bps::integer as fee_rate_bps,
       '0x' || encode(t.transaction_hash, 'hex') as transaction_hash,
       t.occurrence::integer as occurrence, t.epoch, t.sequence, t.trade_id, t.extra, t.venue
from tracker.trades t join public.assets a using (asset_key);
"""
EDITS = {
    "sql/queries/copy_trades.sql": (("trade_id, extra)", "trade_id, extra, venue)"),),
    "sql/queries/insert_trades.sql": (
        ("trade_id, extra)", "trade_id, extra, venue)"),
        ("trade_id, extra::jsonb", "trade_id, extra::jsonb, venue"),
        ("%(extras)b::text[])", "%(extras)b::text[], %(venues)b::text[])"),
    ),
    "actors/model/trade.py": (
        (
            "    extra: str | None = None\n",
            "    extra: str | None = None\n    venue: str | None = None\n",
        ),
    ),
    "actors/polymarket/events.py": (
        (
            "    fee_rate_bps: str | int | None = None\n",
            "    fee_rate_bps: str | int | None = None\n    venue: str | None = None\n",
        ),
        (
            "        fee_rate_bps=fee,\n    )",
            '        fee_rate_bps=fee,\n        venue=_optional(members, "venue"),\n    )',
        ),
    ),
    "actors/polymarket/channel.py": (
        ("hashes, fees = zip(", "hashes, fees, venues = zip("),
        (
            "        fields.transaction_hashes(hashes),\n",
            "        fields.transaction_hashes(hashes),\n        venues,\n",
        ),
        (
            "            extra=extra,\n        )\n",
            "            extra=extra,\n            venue=venue,\n        )\n",
        ),
        ("fee, transaction_hash in columns", "fee, transaction_hash, venue in columns"),
    ),
    "actors/database/columns.py": (
        (
            '        "extras": [row.extra for row in rows],\n',
            (
                '        "extras": [row.extra for row in rows],\n'
                '        "venues": [row.venue for row in rows],\n'
            ),
        ),
    ),
    "actors/database/binary_copy.py": (
        ("_FIELDS = 14", "_FIELDS = 15"),
        ("_NO_ID_NO_EXTRA = 2 * _NULL", "_NO_ID_NO_EXTRA = 3 * _NULL"),
        ("{_HASH_BYTES}s8s", "{_HASH_BYTES}s12s"),
        (
            "        or row.extra is not None\n",
            "        or row.extra is not None\n        or row.venue is not None\n",
        ),
        (
            "# jsonb, version 1\n",
            (
                "# jsonb, version 1\n"
                "            _NULL if row.venue is None else _field(row.venue.encode()),\n"
            ),
        ),
    ),
}
"""What a person writes into each file of the row: a text that is there, and what replaces it."""

PROGRAM = r"""
import json, sys
from uuid import UUID
from actors.database.schema.migrate import apply
from actors.database.store import Store
from actors.model.storage import Batch
from actors.polymarket.channel import decode

TOKEN, CONDITION = "1" * 77, "0x" + "a1" * 32
NS = 1_790_000_000_000_000_000


def heard(size, **more):
    event = {"event_type": "last_trade_price", "asset_id": TOKEN, "market": CONDITION,
             "price": "0.5", "size": size, "side": "BUY", "timestamp": str(NS // 10**6),
             "fee_rate_bps": "0", "transaction_hash": "0x" + "5f" * 32, **more}
    return decode((json.dumps(event).encode(),), NS).trades


apply(sys.argv[1])
store = Store(sys.argv[1])
store.open(UUID(int=1))
plain, first, second = heard("1"), heard("2", venue="here"), heard("3", venue="there")
copied = store.commit(Batch(trades=(*plain, *first)))
store.close()
again = Store(sys.argv[1])  # it remembers nothing, so COPY collides and the rows are inserted
again.open(UUID(int=1))
inserted = again.commit(Batch(trades=(*first, *second)))
again.close()
print(json.dumps([copied.stored, inserted.stored]))
"""


IN_A_RELEASE = {"dataset/schemas.py", "dataset/export/trade_rows.py"}
"""Further files, for a column that releases of the data are to have, too."""


def listed() -> set[str]:
    """Return the files that the row names."""
    (row,) = ROW.findall((ROOT / "docs" / "architecture.md").read_text())
    return set(re.findall(r"`([^`]+)`", row))


def test_the_row_names_the_files_that_are_edited_and_no_other() -> None:
    assert listed() == {"sql/migrations/", *EDITS, *IN_A_RELEASE}


def test_a_column_that_is_added_by_the_row_is_stored_both_ways(
    tmp_path: Path, empty_database: str
) -> None:
    for name in ("actors", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "sql/migrations/9999_add_venue.sql").write_text(MIGRATION)
    for name, edits in EDITS.items():
        text = (tmp_path / name).read_text()
        for old, new in edits:
            assert old in text, (name, old)
            text = text.replace(old, new)
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-c", PROGRAM, empty_database]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [2, 1]
    assert ask(empty_database, "select size::int, venue from trades order by size") == [
        (1, None),
        (2, "here"),
        (3, "there"),
    ]
