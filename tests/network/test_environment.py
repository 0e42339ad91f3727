"""Promise: of the environment only the trusted authorities count, for all connections alike."""

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
import urllib3.connection

from actors.cli import demo_processes
from actors.errors import FeedLost, SourceUnavailable
from actors.model.trade import ConditionId
from actors.network.connect import verifying_context
from actors.polymarket.contract.nodes import Chain
from actors.polymarket.http import Http
from actors.transport.handshake import open_websocket
from tests.polymarket.http_peer import Peer, answering

pytestmark = pytest.mark.live

Ask = Callable[[str], object]
ORGANIZATION, UNIT = "Authority", "of the test"
NAME_HASH = "5184c277"
"""Of these two, as `openssl x509 -hash` prints it; OpenSSL looks for `<hash>.0` in a directory."""

AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "all_proxy")


def feed(url: str) -> None:
    """Open the feed; the peer answers 200, which is no handshake, and shows that it was asked."""
    with suppress(FeedLost):
        open_websocket(url.replace("http", "ws", 1), timeout_s=5.0, user_agent="t").abort()


def rest(url: str) -> None:
    with suppress(SourceUnavailable):
        Http("t", deadline_s=5).get(url)


def chain(url: str) -> None:
    with suppress(SourceUnavailable):
        Chain([url], Http("t", deadline_s=5)).payouts([ConditionId("0x" + "ab" * 32)])


each_side = pytest.mark.parametrize("ask", [feed, rest, chain])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name=ORGANIZATION, organization_unit_name=UNIT)


@pytest.fixture
def peer(authority: trustme.CA) -> Iterator[Peer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Peer(answering(b"[]"), tls=context) as peer:
        yield peer


@pytest.fixture(autouse=True)
def _read_the_environment_again() -> Iterator[None]:
    verifying_context.cache_clear()
    yield
    verifying_context.cache_clear()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return str(path)


@each_side
def test_a_named_file_of_authorities_is_trusted(
    ask: Ask, peer: Peer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    ask(peer.url)
    assert len(peer.requests) >= 1


@each_side
def test_a_named_directory_of_authorities_is_trusted(
    ask: Ask, peer: Peer, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{NAME_HASH}.0").symlink_to(bundle)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    ask(peer.url)
    assert len(peer.requests) >= 1


@each_side
def test_variables_of_other_programs_add_no_authority(
    ask: Ask, peer: Peer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in AUTHORITIES:
        monkeypatch.setenv(name, bundle)
    ask(peer.url)
    assert peer.requests == []


@each_side
def test_variables_of_other_programs_take_no_authority(
    ask: Ask, peer: Peer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    for name in AUTHORITIES:
        monkeypatch.setenv(name, "/nowhere")
    ask(peer.url)
    assert len(peer.requests) >= 1


@each_side
def test_keys_are_written_nowhere(
    ask: Ask, peer: Peer, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    ask(peer.url)
    assert len(peer.requests) >= 1
    assert not keys.exists()


@each_side
def test_libraries_make_no_tls_settings_of_their_own(
    ask: Ask, peer: Peer, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    verifying_context()

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a second context")

    monkeypatch.setattr(urllib3.connection, "create_urllib3_context", fail)
    monkeypatch.setattr(ssl, "SSLContext", fail)
    monkeypatch.setattr(ssl, "create_default_context", fail)
    ask(peer.url)
    assert len(peer.requests) >= 1


def demo(url: str) -> None:
    demo_processes.ask_simulator(url, "faults")


@pytest.mark.parametrize("ask", [feed, rest, chain, demo])
def test_no_proxy_is_used_and_no_login_is_sent(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = tmp_path / ".netrc"
    logins.write_text("default login somebody password secret\n")
    logins.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(logins))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as proxy, Peer(answering(b"[]")) as peer:
        proxy.setblocking(False)
        for name in PROXIES:
            for spelled in (name, name.upper()):
                monkeypatch.setenv(spelled, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        ask(peer.url)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert len(peer.requests) >= 1
    assert not any("uthorization" in request for request in peer.requests)


def test_a_configuration_of_openssl_does_not_lower_what_is_asked_of_a_peer(tmp_path: Path) -> None:
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
        "[c]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\nVerifyMode = None\n"
    )
    source = (
        "import ssl; from actors.network.connect import verifying_context as make; c = make();"
        "print(c.minimum_version.name, c.verify_mode.name, c.check_hostname)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", source],
        env=os.environ | {"OPENSSL_CONF": str(configuration)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert printed.stdout.split() == ["TLSv1_2", "CERT_REQUIRED", "True"]
