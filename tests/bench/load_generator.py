"""A cheap market channel for thousands of connections, with a Gamma that lists its markets.

One thread and one epoll for all sockets, frames made in advance where that is possible: sending
must cost the machine little beside the tracker that reads. Commands come as JSON lines, and each
is answered by one:

    {"expect": 400}                                   wait for so many subscribed tokens
    {"rate": 28000, "trades": 0.02, "seconds": 20}    send at that rate
    {"burst": 100000}                                 send so many trades as fast as they are taken
"""

import argparse
import json
import random
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.bench.source import upgrade
from tests.bench.traffic import Traffic, frame

PAGE = 100
NOISE = 2000
PAUSE_S = 0.002


def token_of(number: int) -> str:
    """Return the id of a token; each two make a market."""
    return str(10**76 + number)


def condition_of(number: int) -> str:
    """Return the condition of a token."""
    return f"0x{number // 2 + 1:064x}"


def market_of(number: int) -> dict[str, Any]:
    """Return Gamma's row of a market."""
    tokens = [token_of(2 * number), token_of(2 * number + 1)]
    return {
        "id": str(number),
        "question": f"Will number {number} be drawn?",
        "conditionId": condition_of(2 * number),
        "slug": f"number-{number}",
        "startDate": "2026-01-01T00:00:00Z",
        "createdAt": "2026-01-01T00:00:00Z",
        "endDate": "2036-01-01T00:00:00Z",
        "outcomes": '["Yes","No"]',
        "clobTokenIds": json.dumps(tokens),
        "volumeNum": 1000,
        "active": True,
        "closed": False,
        "negRisk": False,
    }


class Peer:
    """One connection: its subscriptions and its buffers."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        self.out = bytearray()
        self.open = False
        self.tokens: list[int] = []


class LoadServer:
    """The market channel: all connections."""

    def __init__(self, levels: int = 0) -> None:
        side = b",".join(
            b'{"price":"0.%03d","size":"%d.%02d"}' % (at, 13 * at, at % 100)
            for at in range(1, levels + 1)
        )
        self._sides = b'"bids":[%s],"asks":[%s]' % (side, side)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._peers: dict[int, Peer] = {}
        self._of_token: dict[int, list[Peer]] = {}
        self._readers: list[Peer] = []
        self._rng = random.Random("crowd")
        traffic = Traffic(seed=7)
        self._noise = [each for each in traffic.mix(NOISE, trades=0) if len(each) < 1 << 16]
        self._traded = 0
        self.subscribed = 0

    # ---------------------------------------------------------------- sockets

    def turn(self, timeout_s: float) -> None:
        """Accept connections, read, and write what is queued."""
        for fd, event in self._epoll.poll(timeout_s):
            if fd == self._listener.fileno():
                self._accept()
                continue
            peer = self._peers[fd]
            try:
                if event & ~select.EPOLLOUT:
                    self._read(peer)
                if event & select.EPOLLOUT:
                    self._flush(peer)
            except OSError:
                self._lose(fd)

    def _accept(self) -> None:
        try:
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._peers[sock.fileno()] = Peer(sock)
                self._epoll.register(sock, select.EPOLLIN)
        except BlockingIOError:
            pass

    def _lose(self, fd: int) -> None:
        peer = self._peers.pop(fd)
        self._epoll.unregister(fd)
        peer.sock.close()
        for token in peer.tokens:
            self._of_token[token].remove(peer)
        self.subscribed -= len(peer.tokens)
        if peer in self._readers:
            self._readers.remove(peer)

    def _read(self, peer: Peer) -> None:
        data = peer.sock.recv(1 << 18)
        if not data:
            raise ConnectionResetError
        peer.received += data
        if not peer.open:
            if b"\r\n\r\n" not in peer.received:
                return
            self._send(peer, upgrade(bytes(peer.received)))
            peer.received.clear()
            peer.open = True
        while (message := _unmasked(peer.received)) is not None:
            self._answer(peer, message)

    def _answer(self, peer: Peer, message: bytes) -> None:
        if message == b"PING":
            self._send(peer, frame(b"PONG"))
            return
        if not message.startswith(b"{"):
            raise ConnectionResetError  # CLOSE
        request = json.loads(message)
        if request.get("operation") == "unsubscribe":
            return
        tokens = [int(token) - 10**76 for token in request["assets_ids"]]
        fresh = [token for token in tokens if peer not in self._of_token.setdefault(token, [])]
        if fresh and not peer.tokens:
            self._readers.append(peer)
        for token in fresh:
            self._of_token[token].append(peer)
        peer.tokens += fresh
        self.subscribed += len(fresh)
        books = (_book(token, self._sides) for token in tokens)
        self._send(peer, frame(b"[" + b",".join(books) + b"]"))

    def _send(self, peer: Peer, data: bytes) -> None:
        if not peer.out:
            try:
                sent = peer.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # the next turn closes it
            if sent == len(data):
                return
            data = data[sent:]
            self._epoll.modify(peer.sock, select.EPOLLIN | select.EPOLLOUT)
        peer.out += data

    def _flush(self, peer: Peer) -> None:
        del peer.out[: peer.sock.send(memoryview(peer.out)[: 1 << 20])]
        if not peer.out:
            self._epoll.modify(peer.sock, select.EPOLLIN)

    # ------------------------------------------------------------------- load

    def expect(self, tokens: int) -> dict[str, Any]:
        """Serve until so many tokens are subscribed."""
        while self.subscribed < tokens:
            self.turn(0.1)
        return {"connections": len(self._readers), "tokens": self.subscribed}

    def send(self, rate: float, trades: float, seconds: float) -> dict[str, Any]:
        """Send so many frames a second, each to one connection; a trade to all subscribers."""
        rng, noise, readers = self._rng, self._noise, self._readers
        frames = traded = 0
        began = time.perf_counter()
        cpu_s = time.process_time()
        while (passed := time.perf_counter() - began) < seconds:
            due = int(passed * rate)
            while frames < due:
                if rng.random() < trades:
                    frames += self._trade(rng.randrange(len(self._of_token)))
                    traded += 1
                else:
                    self._send(
                        readers[int(rng.random() * len(readers))], noise[frames % len(noise)]
                    )
                    frames += 1
            self.turn(PAUSE_S)
        took = time.perf_counter() - began
        while any(peer.out for peer in readers):
            self.turn(0.1)
        return {
            "trades": traded,
            "frames": frames,
            "wall_s": took,
            "cpu_s": time.process_time() - cpu_s,
        }

    def burst(self, trades: int) -> dict[str, Any]:
        """Send so many trades as fast as they are taken."""
        began = time.perf_counter()
        for number in range(trades):
            self._trade(number % len(self._of_token))
            if number % 200 == 0:
                self.turn(0)
        while any(peer.out for peer in self._readers):
            self.turn(0.1)
        return {"trades": trades, "began": began, "wall_s": time.perf_counter() - began}

    def _trade(self, token: int) -> int:
        self._traded += 1
        rng = self._rng
        raw = frame(
            b'{"market":"%s","asset_id":"%s","price":"0.%03d","size":"%d.%06d","fee_rate_bps":"0"'
            b',"side":"%s","timestamp":"%d","event_type":"last_trade_price"'
            b',"transaction_hash":"0x%064x"}'
            % (
                condition_of(token).encode(),
                token_of(token).encode(),
                rng.randrange(1, 1000),
                rng.randrange(1, 900),
                rng.randrange(1_000_000),
                b"BUY" if self._traded % 2 else b"SELL",
                time.time_ns() // 1_000_000,
                self._traded,
            )
        )
        peers = self._of_token[token]
        for peer in peers:
            self._send(peer, raw)
        return len(peers)


def _book(token: int, sides: bytes) -> bytes:
    return (
        b'{"market":"%s","asset_id":"%s","timestamp":"%d","hash":"00",%s,"event_type":"book"}'
        % (
            condition_of(token).encode(),
            token_of(token).encode(),
            time.time_ns() // 1_000_000,
            sides,
        )
    )


def _unmasked(received: bytearray) -> bytes | None:
    # Take the first whole frame of a client.
    if len(received) < 6:
        return None
    size, at = received[1] & 0x7F, 2
    if size == 126:
        size, at = int.from_bytes(received[2:4], "big"), 4
    elif size == 127:
        size, at = int.from_bytes(received[2:10], "big"), 10
    if len(received) < at + 4 + size:
        return None
    mask = bytes(received[at : at + 4]) * (size // 4 + 1)
    body = int.from_bytes(received[at + 4 : at + 4 + size], "big") ^ int.from_bytes(
        mask[:size], "big"
    )
    del received[: at + 4 + size]
    return body.to_bytes(size, "big")


def gamma(markets: int) -> ThreadingHTTPServer:
    """Serve Gamma's listing of so many markets in a thread."""

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            whole = self.path.startswith("/markets/keyset") and asked.get("order") == ["createdAt"]
            start = int(asked.get("after_cursor", ["0"])[0]) if whole else markets
            end = min(start + PAGE, markets)
            answer: Any = {"markets": [market_of(number) for number in range(start, end)]}
            if end < markets:
                answer["next_cursor"] = str(end)
            if not self.path.startswith("/markets/keyset"):
                answer = {"data": []} if "resolutions" in self.path else []
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """Serve and execute the commands of stdin until it ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--markets", type=int, default=100)
    parser.add_argument("--levels", type=int, default=0, help="prices on each side of a book")
    asked = parser.parse_args()
    server, http = LoadServer(asked.levels), gamma(asked.markets)
    _print_line({"ws": server.port, "gamma": http.server_address[1]})
    wishes: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: wishes.extend(map(json.loads, sys.stdin)), daemon=True)
    reader.start()
    while wishes or reader.is_alive():
        server.turn(0.05)
        if not wishes:
            continue
        command = wishes.pop(0)
        if "expect" in command:
            _print_line(server.expect(command["expect"]))
        elif "burst" in command:
            _print_line(server.burst(command["burst"]))
        else:
            _print_line(server.send(command["rate"], command["trades"], command["seconds"]))


def _print_line(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
