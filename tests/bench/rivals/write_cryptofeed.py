"""cryptofeed's Postgres backend, fed as its feed handler feeds it.

The table is the one of its examples, but for a symbol long enough for a token id.
"""

import asyncio
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
from cryptofeed.backends.postgres import TradePostgres
from cryptofeed.types import Trade

TABLE = """
create table trades (
  id serial primary key, timestamp timestamp, receipt timestamp, exchange varchar(32),
  symbol varchar(80), side varchar(8), amount numeric(64, 32), price numeric(64, 32),
  trade_id varchar(80), order_type varchar(32))
"""
AT_ONCE = 5000


async def write(where: list[str], rows: list[list[Any]]) -> None:
    host, port, user, name = where
    connection = await asyncpg.connect(host=host, port=port, user=user, database=name)
    await connection.execute(TABLE)
    backend = TradePostgres(host=host, port=port, user=user, db=name)
    backend.start(asyncio.get_running_loop())
    trades = [
        (
            Trade("POLYMARKET", token, side.lower(), Decimal(size), Decimal(price), at_s, id=hash_),
            at_s + 0.04,
        )
        for token, side, size, price, hash_, at_s in rows
    ]
    began = time.perf_counter()
    for number, (trade, received_s) in enumerate(trades, 1):
        await backend(trade, received_s)
        if number % AT_ONCE == 0:
            await backend.queue.join()  # one INSERT takes what is there
    await backend.queue.join()
    wall_s = time.perf_counter() - began
    stored = await connection.fetchval("select count(*) from trades")
    sys.stdout.write(json.dumps({"wall_s": wall_s, "rows": stored}) + "\n")


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1:5], json.loads(Path(sys.argv[5]).read_text())))
