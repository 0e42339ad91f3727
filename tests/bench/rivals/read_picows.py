"""picows with the byte filter in front."""

import asyncio

import picows
import uvloop

from tests.bench.reading import MARKER, Reading


class Listener(picows.WSListener):  # type: ignore[misc]  # not installed where this is checked
    """Reads frames. Its API offers no search of a payload without a copy."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        transport.send(picows.WSMsgType.TEXT, self._reading.subscription.encode())

    def on_ws_frame(self, _: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if MARKER in payload:
            self._reading.take(payload)


async def read(reading: Reading) -> None:
    transport, _ = await picows.ws_connect(
        lambda: Listener(reading), reading.url, ssl_context=reading.tls
    )
    await transport.wait_disconnected()


if __name__ == "__main__":
    reading = Reading()
    (uvloop.run if reading.uvloop else asyncio.run)(read(reading))
