"""How long HTTP requests take, by the source that was asked. Any thread may count and read."""

import threading
from collections.abc import Mapping

from actors.model.histogram import REQUEST_S, Histogram, Stopwatch
from actors.model.market import Source
from actors.polymarket.http import Call


class RequestTimes:
    """Counts the requests of all clients of a run.

    Args:
        urls: The address of each source; what lies below none of them is asked of the chain.
    """

    def __init__(self, urls: Mapping[Source, str]) -> None:
        self._urls = tuple((url.rstrip("/"), source) for source, url in urls.items())
        self._lock = threading.Lock()
        self._watches = {source: Stopwatch(REQUEST_S) for source in Source}

    def add(self, call: Call) -> None:
        """Count a call that is over, whether it was answered or not."""
        asked = (source for base, source in self._urls if call.url.startswith(base))
        with self._lock:
            self._watches[next(asked, Source.CHAIN)].add(call.took_s)

    def histograms(self) -> dict[str, Histogram]:
        """Return the counts of each source so far."""
        with self._lock:
            return {source.value: watch.histogram for source, watch in self._watches.items()}
