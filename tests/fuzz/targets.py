"""Targets: each takes bytes from outside, and must neither raise nor keep too much.

What a target may raise is caught inside it; whatever comes out is a crash.
"""

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from rich.console import Console

from actors.cli.status_table import render
from actors.errors import PayloadRejected, SourceUnavailable
from actors.health.status_socket import LONGEST_REQUEST, StatusSocket
from actors.model import facts
from actors.model.market import Asset, Market
from actors.model.trade import ConditionId, TokenId
from actors.polymarket import channel, clob, data_api, gamma
from actors.polymarket.contract import chain, rpc
from actors.polymarket.http import Http
from actors.transport.skimmer import FrameSkimmer
from tests.cli.status_samples import health
from tests.polymarket.http_peer import Peer

DATA = Path(__file__).parents[1] / "data"
NOW_NS = 1_780_000_000_000_000_000
CAP = 1 << 16
YES, NO = TokenId("7" * 76 + "1"), TokenId("7" * 76 + "2")
MARKET = Market(
    condition_id=ConditionId("0x" + "c0ffee" * 10 + "0001"),
    question="?",
    slug="s",
    assets=(
        Asset(token_id=YES, outcome="Yes", outcome_index=0),
        Asset(token_id=NO, outcome="No", outcome_index=1),
    ),
)

Target = Callable[[bytes], None]


def feed_seeds() -> list[bytes]:
    """Return frames of every kind and age, one alone and in an array."""
    found = [path.read_bytes() for path in sorted((DATA / "feed").glob("*.json"))]
    return [*found, b"[" + b",".join(found[:4]) + b"]", b"PONG", b"[]"]


def outcome_seeds() -> list[bytes]:
    """Return answers of the sources about a market in every state."""
    found: list[bytes] = []
    for path in sorted((DATA / "outcome").glob("*.json")):
        found += [
            json.dumps(each.get("answer", each)).encode() for each in json.loads(path.read_text())
        ]
    return found


def frame(opcode: int, body: bytes) -> bytes:
    """Return a frame as a server sends it."""
    length = len(body)
    head = bytes([0x80 | opcode])
    if length < 126:
        return head + bytes([length]) + body
    return head + b"\x7e" + length.to_bytes(2, "big") + body


def frame_seeds() -> list[bytes]:
    """Return streams of frames."""
    texts = [frame(1, body[:60_000]) for body in feed_seeds()]
    return [b"".join(texts), *texts, frame(9, b"ping"), frame(8, b"\x03\xe8bye")]


def frames(data: bytes) -> None:
    """Walk the bytes as one stream, in pieces of every size."""
    skimmer = FrameSkimmer(markers=(b"last_trade_price",), max_message_bytes=CAP)
    at, size = 0, 1
    while at < len(data):
        found = skimmer.feed(data[at : at + size])
        at, size = at + size, size % 997 + 7
        assert all(len(message) <= CAP for message in found.messages)
        if found.close or found.violation:
            return


def events(data: bytes) -> None:
    """Decode the bytes as one message of the feed."""
    decoded = channel.decode((data,), NOW_NS)
    assert sum(len(rejection.payload) for rejection in decoded.rejections) <= 2 * len(data) + 1024


def answers(data: bytes) -> None:
    """Read the bytes as the answer of each source; none may become final by damage alone."""
    for observe in (gamma.observe, clob.observe):
        observe(data, MARKET, 1)
    data_api.observe((data,), {MARKET.condition_id: MARKET}, 1)
    with contextlib.suppress(PayloadRejected):
        gamma.parse_market(data)
    with contextlib.suppress(PayloadRejected):
        for found in filter(None, rpc.read_replies(data, 1)):
            chain.observe(chain.facts(MARKET.condition_id, found), MARKET, 1)
    gamma.resolved_at_ms(data)
    gamma.condition_of(data)


def records(data: bytes) -> None:
    """Read the bytes as a journal record."""
    with contextlib.suppress(msgspec.DecodeError):
        facts.encode(facts.decode(data))


def tables(data: bytes) -> None:
    """Show the bytes as a status document."""
    with contextlib.suppress(ValueError, RecursionError, PayloadRejected):
        document = json.loads(data)
        if isinstance(document, dict):
            with Path(os.devnull).open("w") as nowhere:
                Console(file=nowhere, width=80).print(render(document))


@contextlib.contextmanager
def http() -> Iterator[Target]:
    """Yield a target that answers an HTTP request with the bytes."""
    answer = b""
    with Peer(lambda _request, _ended: [answer], hangs_up=True) as peer:
        client = Http("fuzz", deadline_s=2.0, max_bytes=CAP)

        def target(data: bytes) -> None:
            nonlocal answer
            answer = data
            with contextlib.suppress(SourceUnavailable):
                assert len(client.get(peer.url)) <= CAP

        yield target
        client.close()


@contextlib.contextmanager
def status() -> Iterator[Target]:
    """Yield a target that sends the bytes to a status socket as a request."""
    document = json.dumps(health()).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.sock"
        served = StatusSocket(path, lambda: document)
        served.start()

        def target(data: bytes) -> None:
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(5)
                peer.connect(str(path))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    peer.sendall(data)
                    peer.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):  # more was sent than it reads
                    reply = b"".join(iter(lambda: peer.recv(65536), b""))
                    assert ("error" in json.loads(reply)) != (reply[:-1] == document)
            assert len(data) > LONGEST_REQUEST or served.alive_at

        yield target
        served.close()


def http_seeds() -> list[bytes]:
    """Return answers over HTTP."""
    body = outcome_seeds()[0]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunked = (
        head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    )
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
    late = b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    packed = (
        head + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03"
    )
    return [whole, chunked, moved, late, packed, b"HTTP/1.1 100 Continue\r\n\r\n" + whole]


def status_seeds() -> list[bytes]:
    """Return requests to the status socket."""
    return [
        b'{"get": "health"}\n',
        b'{"get": "health"}',
        b"[" * 900,
        b'{"get": ["health"]}\n',
        b"\n",
    ]


def record_seeds() -> list[bytes]:
    """Return journal records."""
    return [
        facts.encode(facts.ProcessStarted(at_ns=1, host="h", version="1")),
        facts.encode(facts.TokensWanted(at_ns=1, tokens=(YES, NO))),
        facts.encode(facts.ListeningProven(proofs=((1, 2),))),
    ]


def table_seeds() -> list[bytes]:
    """Return status documents."""
    return [json.dumps(health()).encode(), json.dumps(health(live=False)).encode()]
