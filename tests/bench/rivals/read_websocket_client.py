"""websocket-client as it comes, with the filter in front."""

import websocket

from tests.bench.reading import MARKER_TEXT, Reading


def read(reading: Reading) -> None:
    socket = websocket.create_connection(reading.url)
    socket.send(reading.subscription)
    while True:
        message = socket.recv()
        if MARKER_TEXT in message:
            reading.take(message)


if __name__ == "__main__":
    read(Reading())
