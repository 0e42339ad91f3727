"""The embedded server is started again when it ends: soon, then less and less, and with words."""

import logging

import pytest

from actors.app.embedded_keeper import EmbeddedKeeper
from actors.errors import StoreUnavailable
from actors.messages import DatabaseServerEnded
from tests.fakes_box import Box

KILLED = "it was ended by signal 9"


class FakeServer:
    """A server in one folder.

    Attributes:
        lives_s: How long each start lasts; None: for good.
        broken: Why it cannot be started.
    """

    def __init__(self) -> None:
        self.now = 100.0
        self.ends_at: float | None = None
        self.lives_s: float | None = None
        self.broken = ""
        self.starts: list[float] = []

    def ended(self) -> str:
        return KILLED if self.ends_at is not None and self.now >= self.ends_at else ""

    def start_again(self) -> None:
        self.starts.append(self.now)
        if self.broken:
            raise StoreUnavailable(self.broken)
        self.ends_at = None if self.lives_s is None else self.now + self.lives_s

    def kill(self) -> None:
        self.ends_at = self.now


class Keeping:
    """A keeper that looks every second."""

    def __init__(self) -> None:
        self.server, self.supervisor = FakeServer(), Box()
        self.keeper = EmbeddedKeeper(self.server, self.supervisor)

    def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            self.server.now += 1.0
            self.keeper.check(self.server.now)

    @property
    def told(self) -> list[str]:
        return [message.reason for message in self.supervisor.of(DatabaseServerEnded)]


def test_one_that_runs_is_left_alone() -> None:
    keeping = Keeping()
    keeping.pass_s(3_600)
    assert keeping.server.starts == []
    assert keeping.told == []


def test_one_that_was_killed_runs_again_within_two_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    keeping = Keeping()
    keeping.pass_s(600)
    keeping.server.kill()
    keeping.pass_s(3)
    assert len(keeping.server.starts) == 1
    assert keeping.server.ended() == ""
    assert [each.message for each in caplog.records] == [
        "embedded_database_ended",
        "embedded_database_restarted",
    ]
    assert caplog.records[0].levelname == "ERROR"
    told = f"the embedded PostgreSQL has ended: {KILLED}"
    assert caplog.records[0].reason == told  # type: ignore[attr-defined]
    assert keeping.told == [told]


def test_one_that_ends_at_each_start_is_started_less_and_less() -> None:
    keeping = Keeping()
    keeping.server.kill()
    keeping.server.lives_s = 0.5
    keeping.pass_s(3_600)
    assert 60 <= len(keeping.server.starts) <= 70  # at last once a minute
    pauses = [b - a for a, b in zip(keeping.server.starts, keeping.server.starts[1:], strict=False)]
    assert pauses[:5] == sorted(pauses[:5])
    assert max(pauses) <= 62
    assert 0 <= len(keeping.told) - len(keeping.server.starts) <= 1

    keeping.server.lives_s = None
    keeping.pass_s(400)
    keeping.server.kill()
    before = len(keeping.server.starts)
    keeping.pass_s(3)  # it ran well for minutes: that is a first time again
    assert len(keeping.server.starts) == before + 1


def test_one_that_cannot_be_started_says_why_and_is_tried_again() -> None:
    keeping = Keeping()
    keeping.server.kill()
    keeping.server.broken = "no program postgres in /opt"
    keeping.pass_s(10)
    assert len(keeping.server.starts) >= 2
    assert keeping.told[-1] == (
        "the embedded PostgreSQL cannot be started again: no program postgres in /opt"
    )
    keeping.server.broken = ""
    keeping.pass_s(62)
    assert keeping.server.ended() == ""
