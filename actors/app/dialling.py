"""Connects to the feed, and hands each connection to the reactor."""

import threading
from collections.abc import Callable, Mapping, Sequence

from actors.config.load import Config
from actors.errors import FeedLost
from actors.feed.ports import FeedSocket
from actors.model.trade import TokenId
from actors.polymarket.client import BookTimes
from actors.transport.handshake import open_websocket
from actors.transport.reactor import Reactor
from actors.transport.skimmer import FrameSkimmer


class FeedDialler:
    """Connects in the caller's thread, then hands the connection to the reactor."""

    def __init__(
        self, config: Config, reactor: Reactor, most_sockets: int, books: BookTimes | None = None
    ) -> None:
        self._config = config
        self._reactor = reactor
        self._books = books
        # A socket outlives its connection for as long as the closing handshake takes, so counting
        # connections is not enough.
        self._free = threading.Semaphore(most_sockets)

    def last_changes(self, tokens: Sequence[TokenId]) -> Mapping[TokenId, int] | None:
        """See `ports.Dialler`."""
        return {} if self._books is None else self._books.last_changes(tokens)

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> FeedSocket:
        """Connect, and have the reactor read; arguments and errors as in `ports.Dialler`."""
        if not self._free.acquire(blocking=False):
            raise FeedLost("no_descriptors", "the rest is kept for status, journal and database")

        def ended(reason: str, detail: str) -> None:
            self._free.release()
            on_end(reason, detail)

        try:
            opened = open_websocket(self._config.market_ws_url, user_agent=self._config.user_agent)
            skimmer = FrameSkimmer(
                markers=markers, max_message_bytes=int(self._config.max_message_bytes)
            )
            return self._reactor.adopt(opened, skimmer, on_frames=on_frames, on_end=ended)
        except BaseException:
            self._free.release()
            raise
