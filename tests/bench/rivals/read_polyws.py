"""polyws: decodes every message and keeps books."""

import asyncio

from polyws import manager
from polyws.types import LastTradePriceEvent, WebSocketHandlers

from tests.bench.reading import Reading


async def read(reading: Reading) -> None:
    async def on_trades(events: list[LastTradePriceEvent]) -> None:
        for event in events:
            reading.took(event.size)

    manager.CLOB_WSS_URL = reading.url
    reader = manager.WSSubscriptionManager(WebSocketHandlers(on_last_trade_price=on_trades))
    reading.begin()
    await reader.add_subscriptions(reading.tokens)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(read(Reading()))
