"""websockets with a thread of its own, with the filter in front."""

from websockets.sync.client import connect

from tests.bench.reading import MARKER_TEXT, Reading


def read(reading: Reading) -> None:
    with connect(reading.url, ssl=reading.tls) as socket:
        socket.send(reading.subscription)
        for message in socket:
            if MARKER_TEXT in message:
                reading.take(message)


if __name__ == "__main__":
    read(Reading())
