"""websockets with a thread of its own, with the filter in front."""

from reading import MARKER_TEXT, Reading
from websockets.sync.client import connect


def read(reading: Reading) -> None:
    with connect(reading.url, ssl=reading.tls) as socket:
        socket.send(reading.subscription)
        for message in socket:
            if MARKER_TEXT in message:
                reading.take(message)


if __name__ == "__main__":
    read(Reading())
