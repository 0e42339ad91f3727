"""websockets on asyncio, with the filter in front."""

import asyncio

from websockets.asyncio.client import connect

from tests.bench.reading import MARKER_TEXT, Reading


async def read(reading: Reading) -> None:
    async with connect(reading.url, ssl=reading.tls) as socket:
        await socket.send(reading.subscription)
        async for message in socket:
            if MARKER_TEXT in message:
                reading.take(message)


if __name__ == "__main__":
    asyncio.run(read(Reading()))
