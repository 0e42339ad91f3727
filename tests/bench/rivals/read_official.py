"""polymarket-client, Polymarket's own: it decodes every message and offers no filter."""

import asyncio
import dataclasses

from polymarket import AsyncPublicClient
from polymarket.environments import PRODUCTION
from polymarket.streams import MarketLastTradePriceEvent, MarketSpec

from tests.bench.reading import Reading


async def read(reading: Reading) -> None:
    config = dataclasses.replace(PRODUCTION._config, clob_market_ws_url=reading.url)
    here = object.__new__(type(PRODUCTION))
    object.__setattr__(here, "name", "bench")
    object.__setattr__(here, "_config", config)
    client = AsyncPublicClient(here)
    reading.begin()
    handle = await client.subscribe(MarketSpec(asset_ids=reading.tokens))
    async for event in handle:
        if isinstance(event, MarketLastTradePriceEvent):
            reading.took(str(event.payload.size))


if __name__ == "__main__":
    asyncio.run(read(Reading()))
