"""The way out, with a supervisor and a writer that answer as the test says.

The clock moves by a second at each look.
"""

import logging
import threading
from itertools import count
from typing import Any, cast

import pykka
import pytest

from actors.actor import Address, Addresses
from actors.app import shutdown
from actors.app.shutdown import Shutdown
from actors.database.session import QueryWatchdog
from actors.messages import Drain, GetListening, Message, StopListening

LATE = pykka.Timeout
DEAD = pykka.ActorDeadError
Answer = int | bool | type[Exception]


class Answers:
    """One future: what its owner meets each time that he looks, the last of it for ever."""

    def __init__(self, *met: Answer) -> None:
        self._met = list(met)

    def get(self, timeout: float) -> Any:
        del timeout
        met = self._met.pop(0) if len(self._met) > 1 else self._met[0]
        if isinstance(met, type):
            raise met
        return met


class House:
    """Whoever lives at an address; `None` in `futures` is a house where nobody lives."""

    def __init__(self, *futures: Answers | None) -> None:
        self._futures = list(futures)
        self.heard: list[Message] = []

    def tell(self, message: Message) -> None:
        self.heard.append(message)

    def put(self, question: Message) -> Answers | None:
        self.heard.append(question)
        return self._futures.pop(0) if len(self._futures) > 1 else self._futures[0]


class NoGuard:
    """Counts how often the database is cut off."""

    cuts = 0

    def abort_calls(self) -> None:
        self.cuts += 1


def leave(
    supervisor: House, writer: House, *, hurry: threading.Event | None = None
) -> tuple[bool, NoGuard]:
    """Go through the steps that need actors."""
    to = Addresses(supervisor=cast("Address", supervisor), writer=cast("Address", writer))
    way = Shutdown(
        to,
        hurry=hurry or threading.Event(),
        stop_http=threading.Event(),
        monotonic=lambda: float(next(seconds)),
    )
    guard, seconds = NoGuard(), count()
    connections, _, drain = way.drain_steps(cast("Any", None), cast("QueryWatchdog", guard))
    return way.perform([connections, drain]), guard


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "POLL_S", 0.0)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    return [(each.message, getattr(each, "left", None)) for each in caplog.records]


def test_it_waits_until_no_connection_listens_and_all_is_drained(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    supervisor = House(Answers(2), Answers(1), Answers(0))
    writer = House(Answers(True))
    well, guard = leave(supervisor, writer)
    assert (well, guard.cuts, said(caplog)) == (True, 0, [])
    assert supervisor.heard == [StopListening(), *[GetListening()] * 3]
    assert writer.heard == [Drain()]


def test_a_supervisor_that_answers_late_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = House(Answers(LATE, LATE, LATE, 3), Answers(LATE, 0))
    leave(supervisor, House(Answers(True)))
    assert supervisor.heard == [StopListening(), GetListening(), GetListening()]
    assert said(caplog) == []


@pytest.mark.parametrize(
    ("supervisor", "left"),
    [(House(Answers(7)), 7), (House(Answers(LATE)), None)],
    ids=["seven stay", "it never answers"],
)
def test_after_the_deadline_it_says_who_is_left_and_goes_on(
    caplog: pytest.LogCaptureFixture, supervisor: House, left: int | None
) -> None:
    writer = House(Answers(True))
    leave(supervisor, writer)
    assert said(caplog) == [("connections_left", left)]
    assert writer.heard == [Drain()]


@pytest.mark.parametrize("supervisor", [House(None), House(Answers(DEAD))], ids=["gone", "dies"])
def test_nobody_is_waited_for_who_is_dead(
    caplog: pytest.LogCaptureFixture, supervisor: House
) -> None:
    leave(supervisor, House(Answers(True)))
    assert said(caplog) == [("connections_left", None)]


def test_a_writer_that_cannot_drain_leaves_the_rest_to_the_next_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for writer in (House(Answers(False)), House(None), House(Answers(LATE, DEAD))):
        well, guard = leave(House(Answers(0)), writer)
        assert (well, guard.cuts) == (True, 1)
    assert said(caplog) == [("not_drained", None)] * 3


def test_in_a_hurry_nothing_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    hurry = threading.Event()
    hurry.set()
    supervisor, writer = House(Answers(9)), House(Answers(True))
    leave(supervisor, writer, hurry=hurry)
    assert supervisor.heard == [StopListening(), GetListening()]
    assert writer.heard == []
    assert [event for event, _ in said(caplog)] == ["connections_left", "not_drained"]
