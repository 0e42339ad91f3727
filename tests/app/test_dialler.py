"""How many sockets the dialler opens."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from actors.app import dialling
from actors.app.dialling import FeedDialler
from actors.config.load import Config
from actors.errors import FeedLost
from actors.polymarket.client import BookTimes
from actors.transport.reactor import Reactor


class FakeReactor:
    """Adopts sockets, or has stopped."""

    def __init__(self) -> None:
        self.ends: list[Callable[[str, str], None]] = []
        self.stopped = False

    def adopt(self, _: Any, __: Any, *, on_frames: Any, on_end: Callable[[str, str], None]) -> str:
        del on_frames
        if self.stopped:
            raise FeedLost("internal")
        self.ends.append(on_end)
        return "a socket"


class Dial:
    """A dialler that opens nothing; `error` is what the handshake raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self.reactor = FakeReactor()
        self.error: Exception | None = None
        self.ended: list[tuple[str, str]] = []
        monkeypatch.setattr(dialling, "open_websocket", self._open)
        books = BookTimes("http://127.0.0.1:9", user_agent="test")
        self.dialler = FeedDialler(Config(), cast("Reactor", self.reactor), most, books)

    def _open(self, _: str, *, user_agent: str) -> str:
        assert user_agent
        if self.error is not None:
            raise self.error
        return "opened"

    def __call__(self) -> str:
        """Return what came of it: `open`, or the reason."""
        try:
            self.dialler.dial((), lambda *_: None, lambda *said: self.ended.append(said))
        except FeedLost as lost:
            return lost.reason
        return "open"


def test_no_more_sockets_are_open_than_the_descriptors_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dial = Dial(monkeypatch, 2)
    assert [dial() for _ in range(3)] == ["open", "open", "no_descriptors"]
    dial.reactor.ends[0]("reset", "by peer")
    assert dial.ended == [("reset", "by peer")]
    assert [dial() for _ in range(2)] == ["open", "no_descriptors"]


def test_a_socket_that_is_not_opened_or_not_adopted_counts_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dial = Dial(monkeypatch, 1)
    dial.error = FeedLost("refused")
    assert [dial() for _ in range(3)] == ["refused"] * 3
    dial.error = None
    dial.reactor.stopped = True
    assert [dial() for _ in range(3)] == ["internal"] * 3
    dial.reactor.stopped = False
    assert dial() == "open"
