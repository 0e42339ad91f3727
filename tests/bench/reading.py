"""What all readers of the benchmark have in common: its command line, its clock, its report.

All readers filter by the same bytes before they decode, unless their library does not
provide the bytes.
"""

import argparse
import json
import os
import ssl
import sys
import time

import msgspec

MARKER = b"last_trade_price"
MARKER_TEXT = MARKER.decode()
LAST_SIZE = "424242.42"


class Print(msgspec.Struct):
    """What is read of a message that passed the filter."""

    event_type: str
    size: str = ""


decode = msgspec.json.Decoder(Print | list[Print]).decode


class Reading:
    """The task of a reader, from the subscription to the last trade.

    Attributes:
        url: Where to listen.
        tokens: What to subscribe to.
        tls: Settings for wss, or None.
        uvloop: Whether an asyncio reader is to run on uvloop.
    """

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("url")
        parser.add_argument("--ca", default="")
        parser.add_argument("--tokens", default="1")
        parser.add_argument("--uvloop", action="store_true")
        asked = parser.parse_args()
        self.url: str = asked.url
        self.tokens: list[str] = asked.tokens.split(",")
        self.uvloop: bool = asked.uvloop
        self.tls = ssl.create_default_context(cafile=asked.ca) if asked.ca else None
        if self.tls is not None:  # not every build of Python has this by itself
            self.tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self.trades = 0
        self._cpu_s = self._wall_s = 0.0

    @property
    def subscription(self) -> str:
        """Return the first subscription form; from now on the clock runs."""
        self.begin()
        return json.dumps({"assets_ids": self.tokens, "type": "market"})

    def begin(self) -> None:
        """Start the clock."""
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()

    def take(self, message: bytes | str) -> None:
        """Decode a message that passed the filter; the last one ends the process."""
        told = decode(message)
        for event in told if isinstance(told, list) else (told,):
            if event.event_type == MARKER_TEXT:
                self.took(event.size)

    def took(self, size: str) -> None:
        """Count a trade; the last one ends the process."""
        self.trades += 1
        if size == LAST_SIZE:
            self.report()

    def report(self) -> None:
        """Return what it cost, and end at once: reconnecting is not what is measured."""
        cost = {
            "cpu_s": time.process_time() - self._cpu_s,
            "wall_s": time.perf_counter() - self._wall_s,
            "trades": self.trades,
        }
        sys.stdout.write(json.dumps(cost) + "\n")
        sys.stdout.flush()
        os._exit(0)
