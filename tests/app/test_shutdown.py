"""The orderly stop, with a supervisor and a writer that answer as the test says.

The clock moves by a second at each reading.
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
from actors.database.server.watchdog import QueryWatchdog
from actors.messages import Drain, GetListening, Message, StopListening

LATE = pykka.Timeout
DEAD = pykka.ActorDeadError
Answer = int | bool | type[Exception]


class Answers:
    """One future: what each `get` returns or raises; the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def get(self, timeout: float) -> Any:
        del timeout
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, type):
            raise answer
        return answer


class FakeAddress:
    """An address; `None` in `futures` means that no actor is there."""

    def __init__(self, *futures: Answers | None) -> None:
        self._futures = list(futures)
        self.received: list[Message] = []

    def tell(self, message: Message) -> None:
        self.received.append(message)

    def ask_async(self, question: Message) -> Answers | None:
        self.received.append(question)
        return self._futures.pop(0) if len(self._futures) > 1 else self._futures[0]


class FakeQueryWatchdog:
    """Counts how often the database is cut off."""

    cuts = 0

    def abort_calls(self) -> None:
        self.cuts += 1


def drain(
    supervisor: FakeAddress, writer: FakeAddress, *, skip_waits: threading.Event | None = None
) -> tuple[bool, FakeQueryWatchdog]:
    """Do the steps that need actors."""
    to = Addresses(supervisor=cast("Address", supervisor), writer=cast("Address", writer))
    shutdown_ = Shutdown(
        to,
        skip_waits=skip_waits or threading.Event(),
        stop_http=threading.Event(),
        monotonic=lambda: float(next(seconds)),
    )
    guard, seconds = FakeQueryWatchdog(), count()
    connections, _, drain_step = shutdown_.drain_steps(
        cast("Any", None), cast("QueryWatchdog", guard)
    )
    return shutdown_.perform([connections, drain_step]), guard


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "POLL_S", 0.0)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    return [(each.message, getattr(each, "left", None)) for each in caplog.records]


def test_it_waits_until_no_connection_listens_and_all_is_drained(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    supervisor = FakeAddress(Answers(2), Answers(1), Answers(0))
    writer = FakeAddress(Answers(True))
    succeeded, guard = drain(supervisor, writer)
    assert (succeeded, guard.cuts, logged(caplog)) == (True, 0, [])
    assert supervisor.received == [StopListening(), *[GetListening()] * 3]
    assert writer.received == [Drain()]


def test_a_supervisor_that_answers_late_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = FakeAddress(Answers(LATE, LATE, LATE, 3), Answers(LATE, 0))
    drain(supervisor, FakeAddress(Answers(True)))
    assert supervisor.received == [StopListening(), GetListening(), GetListening()]
    assert logged(caplog) == []


@pytest.mark.parametrize(
    ("supervisor", "left"),
    [(FakeAddress(Answers(7)), 7), (FakeAddress(Answers(LATE)), None)],
    ids=["seven stay", "it never answers"],
)
def test_after_the_deadline_it_logs_how_many_are_left_and_goes_on(
    caplog: pytest.LogCaptureFixture, supervisor: FakeAddress, left: int | None
) -> None:
    writer = FakeAddress(Answers(True))
    drain(supervisor, writer)
    assert logged(caplog) == [("connections_left", left)]
    assert writer.received == [Drain()]


@pytest.mark.parametrize(
    "supervisor", [FakeAddress(None), FakeAddress(Answers(DEAD))], ids=["gone", "dies"]
)
def test_a_dead_actor_is_not_waited_for(
    caplog: pytest.LogCaptureFixture, supervisor: FakeAddress
) -> None:
    drain(supervisor, FakeAddress(Answers(True)))
    assert logged(caplog) == [("connections_left", None)]


def test_a_writer_that_cannot_drain_leaves_the_rest_to_the_next_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for writer in (
        FakeAddress(Answers(False)),
        FakeAddress(None),
        FakeAddress(Answers(LATE, DEAD)),
    ):
        succeeded, guard = drain(FakeAddress(Answers(0)), writer)
        assert (succeeded, guard.cuts) == (True, 1)
    assert logged(caplog) == [("not_drained", None)] * 3


def test_when_waits_are_skipped_nothing_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    skip_waits = threading.Event()
    skip_waits.set()
    supervisor, writer = FakeAddress(Answers(9)), FakeAddress(Answers(True))
    drain(supervisor, writer, skip_waits=skip_waits)
    assert supervisor.received == [StopListening(), GetListening()]
    assert writer.received == []
    assert [event for event, _ in logged(caplog)] == ["connections_left", "not_drained"]
