"""More targets: how a connection is opened, listings, texts, what a status says, recordings."""

import base64
import contextlib
import hashlib
import json
import socket
import tempfile
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from actors.cli import status as status_program
from actors.errors import FeedLost, PayloadRejected, Retryable
from actors.health import status_socket
from actors.model.conversion import storable_text, terminal_safe
from actors.polymarket.client import events_page, keyset_page
from actors.polymarket.listings import MarketReader
from actors.polymarket.pagination import Pagination, Row
from actors.process.logs import LONGEST_TEXT, Scrubber
from actors.simulator.recorded import Unreadable
from actors.transport.handshake import open_websocket
from tests.fuzz.targets import Target, feed_seeds, outcome_seeds

LONGEST_S = 1.0
"""Processor time that one input may take; the slowest of the good ones takes a hundredth."""
PAGES = 40
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Fail when what is inside takes much processor time."""
    began = time.thread_time()
    yield
    assert time.thread_time() - began < LONGEST_S


# ------------------------------------------------------------------- handshake


ACCEPT = b"@ACCEPT@"
"""In an answer it stands for what belongs to the key of the request (RFC 6455 4.2.2)."""


def _accept(request: bytes) -> bytes:
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    found = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False)
    return base64.b64encode(found.digest())


class _Answerer:
    """Answers each connection on loopback with the same bytes, after its request, and ends it."""

    def __init__(self) -> None:
        self.answer = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._server.getsockname()[1]}/ws/market"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return  # closed
            with peer, contextlib.suppress(OSError):
                peer.settimeout(5)
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += peer.recv(65536)
                peer.sendall(self.answer.replace(ACCEPT, _accept(request)))
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass

    def close(self) -> None:
        # `close` alone does not end an `accept` that waits.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


@contextlib.contextmanager
def handshake() -> Iterator[Target]:
    """Yield a target that answers the request for a WebSocket with the bytes."""
    server = _Answerer()

    def target(data: bytes) -> None:
        server.answer = data
        with quick(), contextlib.suppress(FeedLost):
            open_websocket(server.url, timeout_s=5.0, user_agent="fuzz").abort()

    yield target
    server.close()


def handshake_seeds() -> list[bytes]:
    """Return answers to the request, with cookies and headers of every kind."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    key = b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n"
    cookie = b"Set-Cookie: __cf_bm=" + b"a=b; " * 200 + b"Path=/; Expires=Wed, 21 Oct 2026\r\n"
    long = b"Set-Cookie: " + b'a="' * 20_000 + b"\r\n"
    moved = b"HTTP/1.1 301 Moved\r\nLocation: wss://[::1]:99999/\r\n\r\n"
    busy = b"HTTP/1.1 429 Too Many\r\nRetry-After: 99999999999999999999\r\n\r\n<html>"
    return [
        head + key + b"\r\n",
        head + key + cookie * 3 + b"\r\n\x81\x02[]",
        head + long + b"\r\n",
        head + b"Sec-WebSocket-Extensions: permessage-deflate\r\n" + key + b"\r\n",
        moved,
        busy,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + head + key + b"\r\n",
    ]


# -------------------------------------------------------------- listings, texts


def pages(data: bytes) -> None:
    """Read the bytes as a page of a listing, again and again with whatever cursor it names."""
    for read in (keyset_page, events_page):
        listing, reader = Pagination((), max_pages=PAGES), MarketReader()
        for _ in range(4 * PAGES):
            if listing.finished:
                break
            try:
                with quick():
                    page = read(data)
                    found = reader.read(page.markets)
            except PayloadRejected as rejection:
                listing.failed(rejection)
                continue
            rows = [Row(market.condition_id, market.started_at) for market in found.markets]
            listing.advance(page.next_cursor, rows, count=len(page.markets))
        assert listing.pages <= PAGES


def page_seeds() -> list[bytes]:
    """Return pages of the keyset and of events, with markets in every state."""
    markets = b"[" + b",".join(outcome_seeds()[:6]) + b"]"
    tags = b'[{"slug":"sports"},{"slug":"nba"}]'
    event = b'{"tags":' + tags + b',"markets":' + markets + b"}"
    return [
        b'{"markets":' + markets + b',"next_cursor":"MTAw"}',
        b'{"markets":[],"next_cursor":null}',
        b'{"events":[' + event + b"," + event + b'],"next_cursor":"MTAw"}',
        markets,
    ]


def texts(data: bytes) -> None:
    """Store, log and show the bytes as a text of a market."""
    scrubber = Scrubber(["secret-1", "postgresql://a:b@c/d"])
    for text in (data.decode("utf-8", "surrogatepass" if len(data) % 2 else "replace"),
                 data.decode("utf-16-le", "replace")) if _is_text(data) else ():  # fmt: skip
        with quick():
            stored, shown, logged = storable_text(text), terminal_safe(text), scrubber.text(text)
        assert "\x00" not in stored
        stored.encode()
        assert not any(unicodedata.category(each) in HIDDEN for each in shown + logged)
        assert len(logged) <= LONGEST_TEXT


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def text_seeds() -> list[bytes]:
    """Return texts that drive terminals, reorder, hide, and look like secrets."""
    found = (
        "\x1b[2J\x1b]0;t\x07",
        "\u202e\u2066\u200b\ufeff\u061c",
        "postgresql://u:p@h/d?password=x",
        "a\u0301" * 50,
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "password='x",
        "http://a:b@c/" * 9,
    )
    return [text.encode() for text in found] + [b"\xed\xa0\x80", b"%s%n{0}"]


# --------------------------------------------------------------------- programs


@contextlib.contextmanager
def replies() -> Iterator[Target]:
    """Yield a target in which `tracker-status` gets the bytes as its answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.sock"
        answer = b""
        served = status_socket.StatusSocket(path, lambda: answer)
        served.start()

        def target(data: bytes) -> None:
            nonlocal answer
            answer = data
            with contextlib.suppress(Retryable):
                found = status_program.ask(path)
                assert "state" in found

        yield target
        served.close()


def recordings(data: bytes) -> None:
    """Serve the bytes as a recording of each kind."""
    from actors.simulator import replay  # noqa: PLC0415 -- heavy, and for this target alone
    from actors.simulator.options import Replay  # noqa: PLC0415

    def named(path: Path) -> tuple[Replay, ...]:
        """Return the ways in which a file can be replayed."""
        if path.name == "recording.jsonl":
            return (Replay(frames=(path,)),)
        if path.suffix == ".jsonl":
            return (Replay(frames=(path,), minify=True),)
        ways = (Replay(frames=(path,)), Replay(gamma=(path,)), Replay(clob=(path,)))
        return (*ways, Replay(data=(path,)))

    with tempfile.TemporaryDirectory() as name:
        for file in ("recording.jsonl", "frames.jsonl", "payload.json"):
            path = Path(name) / file
            path.write_bytes(data)
            for way in named(path):
                with contextlib.suppress(Unreadable):
                    found = replay.load(way)
                    replay.known_markets(found.frames)
            path.unlink()


def recording_seeds() -> list[bytes]:
    """Return recordings of a look, of frames, and of payloads."""
    frame = json.dumps(feed_seeds()[0].decode())
    call = (
        '{"kind":"http","at":1.0,"side":"gamma","method":"GET","target":"/a","seconds":0.1,'
        '"headers":{},"status":200,"error":"","body":"[]"}'
    )
    lines = (
        '{"kind":"recording","at":1.0,"version":1,"tracker":"0","hosts":{}}',
        call,
        '{"kind":"open","at":1.0,"reason":""}',
        '{"kind":"sent","at":1.0,"text":"{\\"assets_ids\\":[\\"1\\"]}"}',
        '{"kind":"frame","at":1.0,"text":' + frame + "}",
        '{"kind":"frame","at":1.0,"text_base64":"e30="}',
        '{"kind":"closed","at":1.0,"reason":"closed_1000","detail":""}',
        '{"kind":"end","at":1.0,"lines":8}',
    )
    look = "".join(f"{line}\n" for line in lines).encode()
    return [look, b"\n".join(feed_seeds()[:5]), *feed_seeds()[:3], *outcome_seeds()[:6]]
