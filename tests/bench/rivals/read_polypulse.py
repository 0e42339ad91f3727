"""polypulse: decodes every message and keeps books."""

import asyncio
from typing import Any

from polypulse import feed

from tests.bench.reading import Reading


def main() -> None:
    reading = Reading()

    def on_update(_: str, event: dict[str, Any]) -> None:
        if event["event_type"] == "last_trade_price":
            reading.took(event["size"])

    feed.WS_URL = reading.url
    reading.begin()
    asyncio.run(feed.BookFeed(reading.tokens, on_update, rest_fallback=False).run())


if __name__ == "__main__":
    main()
