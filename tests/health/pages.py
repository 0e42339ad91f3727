"""Pictures of the status page in each state: `make screens` renews docs/images.

Each state is that of a screen of tracker-status (`tests/cli/screens.py`). The three that a page
shows are kept; pictures of all, light, dark and narrow, go to build/page, which is not kept.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from actors.health.metrics import Metrics
from tests.browser import CHROMIUM, WITHOUT, Browser, browser
from tests.cli import screens
from tests.health import health_samples
from tests.png import smaller

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "images"
ALL = ROOT / "build" / "page"
HERE = "http://127.0.0.1"
LONG = (
    "Will the old mill be sold this year, for any price at all, to anybody who is not a relative"
    " of its present owner, by the register of the town?"
)
TRADES = (
    ("Will the harbour bridge open before 1 June?", "Yes", "BUY", "0.42", "1250"),
    ("North Town against South Town: who wins on Friday?", "South Town", "SELL", "0.615", "40.5"),
    ("Will more than 10 mm of rain fall on Saturday?", "No", "BUY", "0.881", "12000.25"),
    ("Will the harbour bridge open before 1 June?", "No", "BUY", "0.57", "88"),
    (LONG, "Yes", "BUY", "0.07", "99"),
    ("North Town against South Town: who wins on Friday?", "North Town", "BUY", "0.39", "730"),
)  # fmt: skip
RESOLUTIONS = (
    ("Will the ferry leave on time?", "Yes", "2026-05-28T21:20:10.000Z", 56),
    ("Will more than 5 mm of rain fall on Wednesday?", "No", "2026-05-27T22:00:00.000Z", 31),
)
LATEST = {
    "trades": [
        {
            "traded_at": f"2026-05-28T21:27:{58 - number:02}.120Z",
            "market_slug": f"market-{number}",
            "question": question,
            "outcome": outcome,
            "side": side,
            "price": price,
            "size": size,
            "token_id": str(number) * 77,
        }
        for number, (question, outcome, side, price, size) in enumerate(TRADES)
    ],
    "resolutions": [
        {
            "market_slug": "market",
            "question": question,
            "winner": winner,
            "resolved_at": resolved_at,
            "recorded_at": f"2026-05-28T21:26:{second}.000Z",
        }
        for question, winner, resolved_at, second in RESOLUTIONS
    ],
}
DEAD = "dead"
STATES = ("healthy", "source_failing", "no_connection_live", "database_away", "starting", DEAD)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"width": 1_000},
    "dark": {"width": 1_000, "scheme": "dark"},
    "narrow": {"width": 360},
}
MOST_HIGH = {DEAD: 760}
"""Pixels of a picture that is cut: what is below looks like what is seen."""
SHOWN = {
    "healthy-light": "page-healthy.png",
    "no_connection_live-dark": "page-degraded.png",
    "dead-narrow": "page-dead.png",
}
"""The pictures that are kept."""


def told(state: str = "healthy") -> dict[str, Any]:
    """Return the status document of a tracker in a state, with its last trades."""
    found: dict[str, Any] = msgspec.json.decode(_encoded(state))
    return found


@cache
def _encoded(state: str) -> bytes:
    if state == "starting":
        health, now = health_samples.state(), health_samples.START + 7
        health.connection_wanted("lifecycle", feed=-1, at=health_samples.START)
    else:
        health, now = screens.busy(), screens.NOW
        # A part of a minute more, so that the last bar has something to show.
        health_samples.commit(health, at=now - 1, stored=1_900, duplicates=1_900)
        screens._journal(health)
        if state in screens.SPOILS:
            screens.SPOILS[state](health)
    found = msgspec.to_builtins(health_samples.document(health, now))
    return msgspec.json.encode({**found, "latest": LATEST, "host": "recorder-1"})


class Tracker:
    """A metrics port whose tracker says what it is given, and may stop to answer.

    Attributes:
        says: Its document; None: it does not answer.
        renews: Whether each answer is a new document.
        asked: How often it was asked.
    """

    def __init__(self) -> None:
        self.says: dict[str, Any] | None = told()
        self.renews = True
        self.asked = 0
        self._metrics = Metrics(0, self._answer)
        self.url = f"{HERE}:{self._metrics.port}/"

    def _answer(self) -> bytes:
        self.asked += 1
        if self.says is None:
            raise TimeoutError
        return msgspec.json.encode({**self.says, **({"pid": self.asked} if self.renews else {})})

    def die(self) -> None:
        """End: nobody listens at its port any more."""
        self._metrics.close()


@contextmanager
def tracker() -> Iterator[Tracker]:
    """Serve the port until the end of the block."""
    made = Tracker()
    try:
        yield made
    finally:
        made.die()


def wait_for_an_answer(page: Browser) -> None:
    page.until("document.readyState === 'complete' && typeof told !== 'undefined' && told !== null")


def _take(page: Browser, state: str, look: dict[str, Any], most_high: int) -> bytes:
    with tracker() as made:
        made.says = told("healthy" if state == DEAD else state)
        page.open(made.url, **look)
        wait_for_an_answer(page)
        if state == DEAD:
            made.die()
            page.skip(60)
        time.sleep(0.6)  # what fades has faded
        return page.picture(most_high)


def main() -> int:
    """Write all of them."""
    if CHROMIUM is None:
        sys.stderr.write(f"pictures of the page are left as they are: {WITHOUT}\n")
        return 0
    for folder in (KEPT, ALL):
        folder.mkdir(parents=True, exist_ok=True)
    with browser() as page:
        for state in STATES:
            for name, look in LOOKS.items():
                picture = _take(page, state, look, MOST_HIGH.get(state, 10_000))
                (ALL / f"{state}-{name}.png").write_bytes(picture)
                if kept := SHOWN.get(f"{state}-{name}"):
                    (KEPT / kept).write_bytes(smaller(picture))
    return 0


if __name__ == "__main__":
    sys.exit(main())
