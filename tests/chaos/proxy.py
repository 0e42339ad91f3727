"""A TCP proxy that misbehaves on request: for the feed, HTTP and the database.

One asyncio loop in a thread of its own. What it does to the bytes is one frozen
`Toxics`, which may be changed at any time and counts from the next chunk on.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

CHUNK = 64 * 1024
STEP_S = 0.01
"""How soon a waiting connection notices a change of the toxics."""
WAIT_S = 10.0

Upstream = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


@dataclass(frozen=True, kw_only=True)
class Toxics:
    """What happens to bytes on their way.

    Attributes:
        latency_s: Every chunk comes so much later, in both directions.
        bytes_per_s: Bandwidth of each direction of each connection; 0: no limit.
        slice_bytes: Chunks are cut into pieces of this size; 0: not cut.
        hole: Nothing is handed on in either direction, without an error.
        reject: New connections are reset at once.
        limit_bytes: A connection is reset after so many bytes to the client; 0: never.
        cut_at: A connection is reset when the client sends this text.
        cut_after_s: So long after `cut_at` was handed on; below zero: instead of
            handing it on.
    """

    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    slice_bytes: int = 0
    hole: bool = False
    reject: bool = False
    limit_bytes: int = 0
    cut_at: bytes = b""
    cut_after_s: float = 0.0


CLEAN = Toxics()


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: "Proxy", writers: tuple[asyncio.StreamWriter, ...]) -> None:
        self._proxy = proxy
        self._writers = writers
        self._to_client = 0

    async def pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, from_client: bool
    ) -> None:
        """Hand on one direction until it ends."""
        while chunk := await source.read(CHUNK):
            toxics = self._proxy.toxics
            cut = from_client and bool(toxics.cut_at) and toxics.cut_at in chunk
            if cut and toxics.cut_after_s < 0:
                self._proxy.cuts += 1
                self.reset()
                return
            await self._hand_on(chunk, sink, from_client=from_client)
            if cut:
                await asyncio.sleep(toxics.cut_after_s)
                self._proxy.cuts += 1
                self.reset()
                return
        with contextlib.suppress(OSError):
            sink.write_eof()

    async def _hand_on(
        self, chunk: bytes, sink: asyncio.StreamWriter, *, from_client: bool
    ) -> None:
        size = self._proxy.toxics.slice_bytes or len(chunk)
        for start in range(0, len(chunk), size):
            piece = chunk[start : start + size]
            while self._proxy.toxics.hole:  # noqa: ASYNC110 - another thread changes it
                await asyncio.sleep(STEP_S)
            toxics = self._proxy.toxics
            pace_s = len(piece) / toxics.bytes_per_s if toxics.bytes_per_s else 0.0
            if toxics.latency_s or pace_s:
                await asyncio.sleep(toxics.latency_s + pace_s)
            sink.write(piece)
            await sink.drain()
            self._count(len(piece), from_client=from_client)

    def _count(self, size: int, *, from_client: bool) -> None:
        self._proxy.bytes_total += size
        if not from_client:
            self._to_client += size
            limit = self._proxy.toxics.limit_bytes
            if limit and self._to_client >= limit:
                self._proxy.cuts += 1
                self.reset()

    def reset(self) -> None:
        """End both sides with RST."""
        for writer in self._writers:
            _reset_on_close(writer)
            writer.transport.abort()

    def close(self) -> None:
        """End both sides with FIN."""
        for writer in self._writers:
            writer.close()


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None and found.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Proxy:
    """Listens on loopback; a context manager.

    Attributes:
        toxics: What is done to the bytes from now on.
        accepted: Connections so far.
        cuts: Connections that a toxic has ended.
        bytes_total: Bytes handed on, both ways.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self.toxics = CLEAN
        self.accepted = 0
        self.cuts = 0
        self.bytes_total = 0
        self.address = ("127.0.0.1", 0)

    def __enter__(self) -> Self:
        self._thread.start()
        self.address = self._do(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    def reset(self) -> int:
        """End every connection with RST; return how many there were."""
        return int(self._do(self._each(_Link.reset)))

    def close_all(self) -> int:
        """End every connection with FIN; return how many there were."""
        return int(self._do(self._each(_Link.close)))

    @property
    def connections(self) -> int:
        """Return how many are open."""
        return len(self._links)

    # ------------------------------------------------------------ in the loop

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _listen(self) -> tuple[str, int]:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def _each(self, work: Callable[[_Link], None]) -> int:
        links = tuple(self._links)
        for link in links:
            work(link)
        return len(links)

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await self._each(_Link.reset)
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.toxics.reject:
            _reset_on_close(writer)
            writer.transport.abort()
            return
        try:
            there, back = await self._connect()
        except OSError:
            _reset_on_close(writer)
            writer.transport.abort()
            return
        link = _Link(self, (writer, back))
        self._links.add(link)
        try:
            await asyncio.gather(
                link.pump(reader, back, from_client=True),
                link.pump(there, writer, from_client=False),
            )
        except OSError:
            link.reset()  # one side is lost, so the other is reset
        except asyncio.CancelledError:
            link.reset()
        finally:
            link.close()
            self._links.discard(link)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, str):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection(*self._upstream)
