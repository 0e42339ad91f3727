"""A simple recorder, as written in an afternoon: asyncio, websockets, a queue, COPY.

No journal, no validation, no second feed, no resubscription; its queue is in memory.
It is the rival of `end_to_end`, and it is what most recorders look like.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from websockets.asyncio.client import connect

TABLE = """
create table if not exists trades (
  traded_at timestamptz not null, received_at timestamptz not null, token_id text not null,
  condition_id text not null, price numeric not null, size numeric not null, side text not null,
  fee_rate_bps integer, transaction_hash text);
create index if not exists trades_by_token on trades (token_id, traded_at);
"""
COLUMNS = (
    *("traded_at", "received_at", "token_id", "condition_id", "price", "size", "side"),
    *("fee_rate_bps", "transaction_hash"),
)
BATCH = 5000
WINDOW_S = 0.05
Row = tuple[Any, ...]


async def listen(url: str, tokens: list[str], rows: "asyncio.Queue[Row]") -> None:
    """Read one connection."""
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps({"assets_ids": tokens, "type": "market"}))
        async for message in socket:
            if "last_trade_price" not in message:
                continue
            now = datetime.now(UTC)
            decoded = json.loads(message)
            for event in decoded if isinstance(decoded, list) else [decoded]:
                if event["event_type"] == "last_trade_price":
                    rows.put_nowait(row_of(event, now))


def row_of(event: dict[str, str], now: datetime) -> Row:
    """Return the columns of a trade."""
    return (
        datetime.fromtimestamp(int(event["timestamp"]) / 1000, UTC),
        now,
        event["asset_id"],
        event["market"],
        Decimal(event["price"]),
        Decimal(event["size"]),
        event["side"],
        int(event["fee_rate_bps"] or 0),
        event.get("transaction_hash"),
    )


async def write(dsn: str, rows: "asyncio.Queue[Row]") -> None:
    """Copy what is queued, forever."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(TABLE)
    while True:
        batch = [await rows.get()]
        while len(batch) < BATCH and not rows.empty():
            batch.append(rows.get_nowait())
        await connection.copy_records_to_table("trades", records=batch, columns=COLUMNS)
        if len(batch) < BATCH:
            await asyncio.sleep(WINDOW_S)


async def main(url: str, dsn: str, tokens: list[str], per_connection: int) -> None:
    """Listen and write until killed."""
    rows: asyncio.Queue[Row] = asyncio.Queue()
    groups = [tokens[at : at + per_connection] for at in range(0, len(tokens), per_connection)]
    await asyncio.gather(write(dsn, rows), *(listen(url, group, rows) for group in groups))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3].split(","), int(sys.argv[4])))
