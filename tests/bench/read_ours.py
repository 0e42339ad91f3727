"""Reactor and skimmer of the tracker as a reader."""

import threading

from actors.transport.handshake import open_websocket
from actors.transport.reactor import Reactor
from actors.transport.skimmer import FrameSkimmer
from tests.bench.reading import Reading


def main() -> None:
    reading = Reading()
    opened = open_websocket(reading.url, ssl_context=reading.tls, user_agent="bench")
    reactor = Reactor()
    reactor.start()
    ended = threading.Event()

    def on_frames(_: int, frames: tuple[bytes, ...]) -> None:
        for raw in frames:
            reading.take(raw)
        connection.handled(sum(map(len, frames)))

    connection = reactor.adopt(
        opened,
        FrameSkimmer(markers=(b"last_trade_price",)),
        on_frames=on_frames,
        on_end=lambda _reason, _detail: ended.set(),
    )
    connection.send_text(reading.subscription)
    ended.wait()
    raise SystemExit("the connection ended before the last trade")


if __name__ == "__main__":
    main()
