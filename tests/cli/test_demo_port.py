"""The port of the demo's page: the usual one, and another one where somebody has that."""

import socket

import pytest

from actors.cli import demo


def test_the_usual_port_is_taken_while_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        free = sock.getsockname()[1]
    monkeypatch.setattr(demo, "PAGE_PORT", free)
    assert demo.free_port() == free


def test_a_port_that_somebody_has_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(demo, "PAGE_PORT", taken.getsockname()[1])
        found = demo.free_port()
    assert found
    assert found != demo.PAGE_PORT
