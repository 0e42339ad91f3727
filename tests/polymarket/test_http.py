"""Promise: a call ends in time, with a whole 200 of bounded size or with `SourceUnavailable`."""

import errno
import gzip
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
import trustme

from actors.errors import SourceUnavailable
from actors.network.connect import connect
from actors.polymarket.http import Call, Http
from tests.polymarket.http_peer import Peer, answering, dripping
from tests.transport import loopback

AGENT = "tracker/1 (+https://example.org)"


def quick(deadline_s: float = 0.3, max_bytes: int = 5_000_000) -> Http:
    return Http(AGENT, deadline_s=deadline_s, max_bytes=max_bytes)


def test_a_200_gives_its_body_and_the_request_names_us() -> None:
    with Peer(answering(b"[1]")) as peer:
        assert Http(AGENT).get(f"{peer.url}/markets", [("a", "1"), ("a", "2")]) == b"[1]"
    assert peer.paths == ["/markets?a=1&a=2"]
    assert f"User-Agent: {AGENT}" in peer.requests[0]


def test_whoever_watches_is_told_of_each_call_and_of_its_answer() -> None:
    calls: list[Call] = []
    with Peer(answering(b"[1]", "200 OK", "Age: 7")) as peer:
        Http(AGENT, on_call=calls.append).get(f"{peer.url}/markets", [("a", "1 2")])
    (call,) = calls
    assert (call.method, call.url) == ("GET", f"{peer.url}/markets?a=1+2")
    assert (call.status, call.headers["age"], call.answer, call.error) == (200, "7", b"[1]", "")
    assert call.sent_s <= call.received_s
    assert 0 < call.took_s < 20


def test_whoever_watches_is_told_of_a_call_that_failed_and_why() -> None:
    calls: list[Call] = []
    with Peer(answering(b"gone", "404 Not Found")) as peer:
        http = Http(AGENT, on_call=calls.append)
        with pytest.raises(SourceUnavailable):
            http.post(f"{peer.url}/key", b"{}")
    with pytest.raises(SourceUnavailable):
        Http(AGENT, on_call=calls.append).get(peer.url)
    found, unanswered = calls
    assert (found.status, found.body, found.answer) == (404, b"{}", b"gone")
    assert found.error == "127.0.0.1: HTTP 404 gone"
    assert (unanswered.status, unanswered.received_s) == (None, 0.0)
    assert unanswered.took_s > 0
    assert os.strerror(errno.ECONNREFUSED) in unanswered.error


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="body without length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Header: ", id="header"),
        pytest.param(b"", id="status line"),
        pytest.param(b"HTTP/1.1 503 No\r\nContent-Length: 100000\r\n\r\n", id="error body"),
    ],
)
def test_a_peer_that_drips_is_cut_at_the_deadline(start: bytes) -> None:
    with Peer(dripping(start, b"x", 0.05)) as peer:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"no answer within 0\.3 s"):
            quick().get(peer.url)
        assert time.monotonic() - began < 3


def test_a_silent_peer_is_cut_at_the_deadline() -> None:
    def silent(_request: str, ended: threading.Event) -> Iterable[bytes]:
        ended.wait(10)
        return []

    with (
        Peer(silent) as peer,
        pytest.raises(SourceUnavailable, match=r"no answer within|timed out"),
    ):
        quick().get(peer.url)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def dial(trusted: ssl.SSLContext, host: str, port: int, **how: Any) -> socket.socket:
    return connect(host, port, **{**how, "tls": trusted})


def trusting(authority: trustme.CA, deadline_s: float = 20) -> Http:
    return Http(AGENT, deadline_s=deadline_s, dial=partial(dial, loopback.trusting(authority)))


def test_tls_is_verified_and_dripping_over_it_is_cut(authority: trustme.CA) -> None:
    client = trusting(authority, deadline_s=1)
    with Peer(answering(b"[1]"), tls=tls(authority, "127.0.0.1")) as peer:
        assert trusting(authority).get(peer.url) == b"[1]"
        for start in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "):
            peer.script = dripping(start, b"x", 0.05)
            began = time.monotonic()
            with pytest.raises(SourceUnavailable, match="no answer within 1 s"):
                client.get(peer.url)
            assert time.monotonic() - began < 5


def test_a_certificate_of_an_unknown_authority_is_rejected(authority: trustme.CA) -> None:
    with Peer(answering(b"[1]"), tls=tls(authority, "127.0.0.1")) as peer:
        with pytest.raises(SourceUnavailable, match="certificate"):
            quick(5).get(peer.url)
        assert peer.requests == []


def test_a_certificate_for_another_name_is_rejected(authority: trustme.CA) -> None:
    with Peer(answering(b"[1]"), tls=tls(authority, "example.org")) as peer:
        with pytest.raises(SourceUnavailable, match="mismatch"):
            trusting(authority).get(peer.url)
        assert peer.requests == []


def test_a_peer_that_never_shakes_hands_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            quick().get(f"https://127.0.0.1:{mute.getsockname()[1]}")
        assert time.monotonic() - began < 3


def test_a_stop_cuts_a_call_under_way() -> None:
    stop = threading.Event()

    def halting(_request: str, ended: threading.Event) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
        stop.set()
        ended.wait(10)

    with Peer(halting) as peer, pytest.raises(SourceUnavailable, match="stopping"):
        Http(AGENT, deadline_s=10, stop=stop).get(peer.url)


def test_a_body_above_the_cap_is_rejected() -> None:
    with Peer(answering(b"x" * 2000)) as peer, pytest.raises(SourceUnavailable, match="more than"):
        quick(5, max_bytes=1000).get(peer.url)


def test_an_endless_body_is_rejected_at_the_cap() -> None:
    script = dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 0)
    with Peer(script) as peer, pytest.raises(SourceUnavailable, match="more than"):
        quick(10, max_bytes=1_000_000).get(peer.url)


def test_a_bomb_is_measured_after_decompression() -> None:
    script = answering(gzip.compress(b"0" * 10_000_000), "200 OK", "Content-Encoding: gzip")
    with Peer(script) as peer, pytest.raises(SourceUnavailable, match="more than"):
        quick(10, max_bytes=1_000_000).get(peer.url)


def test_a_compressed_body_is_given_decompressed() -> None:
    script = answering(gzip.compress(b"[1,2]"), "200 OK", "Content-Encoding: gzip")
    with Peer(script) as peer:
        assert Http(AGENT).get(peer.url) == b"[1,2]"


def test_a_chunked_body_is_given_whole() -> None:
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
    with Peer(lambda _request, _ended: [whole]) as peer:
        assert Http(AGENT).get(peer.url) == b"[1,2]"


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[1,",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"SSH-2.0-x\r\n\r\n",
        b"",
    ],
)
def test_an_incomplete_answer_is_no_answer(part: bytes) -> None:
    with Peer(lambda _request, _ended: [part]) as peer, pytest.raises(SourceUnavailable):
        quick(0.5).get(peer.url)


def test_a_redirect_is_not_followed() -> None:
    with Peer(answering(b"[]")) as other:
        script = answering(b"", "302 Found", f"Location: {other.url}/elsewhere")
        with Peer(script) as peer, pytest.raises(SourceUnavailable, match="HTTP 302"):
            Http(AGENT).get(peer.url)
        assert other.requests == []


def test_an_error_shows_200_printable_characters_of_its_body() -> None:
    body = b"\x1b[31m\n" + b"e" * 100_000
    with Peer(answering(body, "500 Oops")) as peer, pytest.raises(SourceUnavailable) as caught:
        Http(AGENT).get(f"{peer.url}/markets")
    assert str(caught.value).startswith("127.0.0.1/markets: HTTP 500 ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 240


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 86400"], 300.0),
        (["Retry-After: 99999999999999999999999"], 300.0),
        (["Retry-After: Thu, 01 Jan 1970 00:00:00 GMT"], 0.0),
        (["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"], 300.0),
        (["Retry-After: soon"], None),
        (["Retry-After: -5"], None),
        ([f"Retry-After: Wed, 21 Oct {'9' * 20} 07:28:30 GMT"], None),
        ([], None),
        (
            [
                "Date: Wed, 21 Oct 2026 07:28:00 GMT",
                "Retry-After: Wed, 21 Oct 2026 07:28:30 GMT",
            ],
            30.0,
        ),
        (
            [
                "Date: Wed, 21 Oct 2026 07:28:00 GMT",
                "Retry-After: Wed, 21 Oct 2025 07:28:30 GMT",
            ],
            0.0,
        ),
    ],
)
def test_retry_after_is_understood_and_capped(headers: list[str], wait_s: float | None) -> None:
    script = answering(b"{}", "429 Too Many Requests", *headers)
    with Peer(script) as peer, pytest.raises(SourceUnavailable) as caught:
        Http(AGENT).get(peer.url)
    assert caught.value.retry_after_s == wait_s


def test_find_gives_none_for_404_and_raises_for_the_rest() -> None:
    with Peer(answering(b"{}", "404 Not Found")) as peer:
        assert Http(AGENT).find(peer.url) is None
        with pytest.raises(SourceUnavailable):
            Http(AGENT).get(peer.url)
    with Peer(answering(b"{}", "403 Forbidden")) as peer, pytest.raises(SourceUnavailable):
        Http(AGENT).find(peer.url)


def test_a_post_sends_json_and_its_errors_hide_the_path() -> None:
    with Peer(answering(b"[]", "401 No")) as peer, pytest.raises(SourceUnavailable) as caught:
        Http(AGENT).post(f"{peer.url}/v2/secret", b"[7]")
    assert peer.requests[0].endswith("\r\n\r\n[7]")
    assert "Content-Type: application/json" in peer.requests[0]
    assert "secret" not in str(caught.value)


def test_an_error_without_answer_says_what_happened_and_hides_the_path() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(SourceUnavailable, match="Connection refused") as caught:
        Http(AGENT).post(f"http://127.0.0.1:{port}/v2/secret", b"[]")
    assert "secret" not in str(caught.value)


def test_proxies_and_cookies_are_not_taken_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    client = Http(AGENT)
    cookie = answering(b"[]", "200 OK", "Set-Cookie: a=b")
    with Peer(cookie) as peer:
        client.get(peer.url)
        client.get(peer.url)
        client.close()
    assert "Cookie:" not in peer.requests[1]


def test_a_connection_is_used_again_and_a_cut_one_is_not() -> None:
    slow = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"x", 0.05)
    good = answering(b"[]")
    client = quick(0.5)
    with Peer(good) as peer:
        assert client.get(peer.url) == b"[]"
        assert client.get(peer.url) == b"[]"
        peer.script = slow
        with pytest.raises(SourceUnavailable):
            client.get(peer.url)
        peer.script = good
        assert client.get(peer.url) == b"[]"
    client.close()


def test_an_unusable_url_is_an_unavailable_source() -> None:
    for url in ("http://", "gopher://127.0.0.1/"):
        with pytest.raises(SourceUnavailable):
            Http(AGENT).get(url)


def test_too_many_headers_are_no_answer() -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (http.client._MAXHEADERS + 5)  # type: ignore[attr-defined]
    with Peer(lambda _request, _ended: [endless]) as peer, pytest.raises(SourceUnavailable):
        quick(5).get(peer.url)


def test_a_closed_client_leaves_no_idle_connection_behind() -> None:
    with Peer(answering(b"{}")) as peer:
        http = Http(AGENT)
        http.get(peer.url)
        assert not peer.hung_up.is_set()
        http.close()
        assert peer.hung_up.wait(5)


def test_the_date_of_answers_shows_that_our_clock_is_wrong() -> None:
    long_ago = "Date: Thu, 01 Jan 2026 00:00:00 GMT"
    with Peer(answering(b"[]", "200 OK", long_ago, "Connection: close")) as peer:
        http_client = Http(AGENT)
        for _ in range(3):
            http_client.get(peer.url)
    assert http_client.clock.is_wrong
    assert http_client.clock.take_errors() == 1
