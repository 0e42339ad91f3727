"""The simulator without sockets and threads, as a look sees it; only its answers make time pass."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from actors.app.look_feed import FIRST_TOKENS, LATER_TOKENS, Arrival, FeedLook
from actors.app.look_sources import CachedAnswers, SourcesLook, Urls
from actors.catalog.universe import Filters
from actors.errors import SourceUnavailable
from actors.polymarket.date_clock import DateClock
from actors.simulator.channel import Connection
from actors.simulator.options import parse
from actors.simulator.server import Server
from actors.simulator.simulation import Simulation
from actors.transport.skimmer import FrameSkimmer

URLS = Urls("/gamma", "/clob", "/data")
LIVELY = ("--markets=150", "--trades-per-second=60", "--noise-per-second=20", "--seed=7")
STEP_S = 0.02
WALL_S = 1_790_000_000.0


class Polymarket:
    """A simulator, the HTTP client, the dialler, the inbox and the clock of a look at it."""

    def __init__(self, folder: Path, *argv: str) -> None:
        self.now = 1000.0
        self.clock = DateClock()
        self.cached = CachedAnswers()
        options = parse([f"--dir={folder}", *LIVELY, *argv])
        self._simulation = Simulation(options, monotonic=lambda: self.now, clock=lambda: WALL_S)
        self._server = Server(self._simulation)
        self._server.app.freeze()  # else nothing stamps an answer with its `Date`
        self._broken = options.broken
        self._loop = asyncio.new_event_loop()
        self._arrivals: list[Arrival] = []
        self._connection: Connection | None = None
        self.bytes_total = 0

    def close_all(self) -> None:
        self._simulation.ledger.close()
        self._loop.close()

    def look(self) -> dict[str, str]:
        """Return what a look says of each assumption."""
        sources = SourcesLook(
            self, self.clock, URLS, cached=self.cached, monotonic=lambda: self.now
        )
        found = list(sources.findings())
        choice = sources.chosen(Filters())
        busiest = sources.markets[: FIRST_TOKENS + LATER_TOKENS]
        feed = FeedLook(
            self,
            [market.assets[0].token_id for market in busiest],
            inbox=self,
            until=self.now + 60,
            offset_s=self.clock.offset_s,
            monotonic=lambda: self.now,
        )
        found += feed.findings()
        least = "" if isinstance(choice, str) or choice.exact else "at least "
        chosen = choice if isinstance(choice, str) else f"{least}{choice.markets}"
        return {**dict(found), "filters": chosen}

    # -------------------------------------------------------------------- HTTP

    def get(self, url: str, params: Sequence[tuple[str, str]] = ()) -> bytes:
        self._turn(0.1)
        request = make_mocked_request("GET", f"{url}?{urlencode(params)}" if params else url)
        response = self._loop.run_until_complete(self._server.app._handle(request))
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        self.clock.add(response.headers, sent_s=self._wall_s, received_s=self._wall_s)
        if response.status != 200:
            raise SourceUnavailable(f"{url}: HTTP {response.status}", status=response.status)
        self.cached.add(response.headers)
        return response.body

    @property
    def _wall_s(self) -> float:
        return WALL_S + self.now - 1000.0

    def _turn(self, seconds: float) -> None:
        async def steps() -> None:
            for _ in range(max(1, round(seconds / STEP_S))):
                self.now += STEP_S
                self._simulation.turn()

        self._loop.run_until_complete(steps())

    # -------------------------------------------------------------------- feed

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> "Polymarket":
        self._skimmer = FrameSkimmer(markers=markers)
        self._on_frames, self._on_end = on_frames, on_end
        transport = cast("asyncio.Transport", self)
        self._connection = Connection(1, transport, 8 << 20, now=self.now)
        self._simulation.channel.open(self._connection, self._simulation.wall())
        return self

    def send_text(self, text: str) -> None:
        assert self._connection is not None
        if "accept_then_drop" in self._broken:  # the server does this, not the channel
            self._connection.cut("accept_then_drop", by="server")
            return

        async def receive() -> None:
            assert self._connection is not None
            self._simulation.channel.receive(self._connection, text, self._simulation.wall())
            self._connection.flush()

        self._loop.run_until_complete(receive())

    def handled(self, size: int) -> None:
        pass

    def put(self, item: Arrival, /) -> None:
        self._arrivals.append(item)

    def take(self, seconds: float) -> Arrival | None:
        end = self.now + seconds
        while not self._arrivals and self.now < end:
            self._turn(STEP_S)
        return self._arrivals.pop(0) if self._arrivals else None

    # ------------------------------------------------- the transport of a connection

    def write(self, data: bytes) -> None:
        self.bytes_total += len(data)
        skim = self._skimmer.feed(data)
        if skim.messages:
            self._on_frames(int(self._wall_s * 1e9), skim.messages)

    def abort(self) -> None:
        self._on_end("reset", "")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Both the socket of the look and the transport are closed so."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, _: str) -> None:
        return None


@contextlib.contextmanager
def polymarket(folder: Path, *argv: str) -> Iterator[Polymarket]:
    """Yield a simulated Polymarket."""
    made = Polymarket(folder, *argv)
    try:
        yield made
    finally:
        made.close_all()
