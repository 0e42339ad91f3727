import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from actors.actor import Address, BaseActor, Incarnation, UnknownMessage, ask_all
from actors.errors import SchemaMismatch
from actors.messages import (
    ChildDied,
    Drain,
    Flush,
    GetListening,
    Message,
    Open,
    Tick,
)
from tests.fakes_box import Box

WAIT_S = 10.0


class RecordingActor(BaseActor):
    """Records what it receives; breaks on `Drain`."""

    first = Open()

    def __init__(self, supervisor: Box) -> None:
        super().__init__(Incarnation("recording", 3, Tick(now=1.0, wall_ns=1)), supervisor)
        self.received: list[Message] = []
        self.let_go = threading.Event()
        self.handlers = {
            Open: self.received.append,
            Flush: self.received.append,
            Drain: self._break,
            GetListening: lambda _: len(self.received),
        }

    def _break(self, _: Drain) -> None:
        raise ValueError("boom " + "x" * 10_000)

    def on_stop(self) -> None:
        self.let_go.set()


@pytest.fixture
def none_left() -> Iterator[None]:
    """End every actor that the test started."""
    yield
    pykka.ActorRegistry.stop_all(timeout=WAIT_S)


class BusyActor(RecordingActor):
    """Works on `Flush` until a test lets it go on."""

    def __init__(self, supervisor: Box, busy: threading.Event, goes_on: threading.Event) -> None:
        super().__init__(supervisor)

        def work(_: Flush) -> None:
            busy.set()
            goes_on.wait(WAIT_S)

        self.handlers = {**self.handlers, Flush: work}


@pytest.mark.live
@pytest.mark.usefixtures("none_left")
def test_many_are_asked_at_once_and_each_answers_or_is_late_or_gone() -> None:
    works, goes_on = threading.Event(), threading.Event()
    refs: dict[str, pykka.ActorRef[Any]] = {
        "quick": RecordingActor.start(Box()),
        "busy": BusyActor.start(Box(), works, goes_on),
        "gone": RecordingActor.start(Box()),
    }
    addresses = {name: Address() for name in (*refs, "never")}
    for name, ref in refs.items():
        addresses[name].move_to(ref)
    refs["gone"].stop(block=True)
    refs["busy"].tell(Flush())
    assert works.wait(WAIT_S)
    answers, late = ask_all(addresses.items(), GetListening(), timeout_s=0.2)
    goes_on.set()
    assert (answers, late) == ([1], ["busy"])


def test_a_message_goes_to_its_handler_and_an_answer_comes_back() -> None:
    actor = RecordingActor(Box())
    actor.on_receive(Flush())

    assert actor.received == [Flush()]
    assert actor.on_receive(GetListening()) == 1


def test_an_unknown_message_is_an_error_that_names_both() -> None:
    with pytest.raises(UnknownMessage, match="RecordingActor received NotInHandlers"):
        RecordingActor(Box()).on_receive(type("NotInHandlers", (Message,), {})())


class ActorThatHandlesErrors(RecordingActor):
    """Survives the error of `Drain`."""

    handled_errors = (ValueError,)

    def on_handled_error(self, error: ValueError) -> None:
        self.survived = str(error)[:4]


def test_an_error_that_is_survived_goes_to_its_hook_and_not_to_the_supervisor() -> None:
    supervisor = Box()
    actor = ActorThatHandlesErrors(supervisor)

    assert actor.on_receive(Drain()) is None
    assert actor.survived == "boom"
    assert supervisor.received == []


def test_a_subclass_of_a_known_message_is_unknown() -> None:
    with pytest.raises(UnknownMessage):
        RecordingActor(Box()).on_receive(type("SubclassOfFlush", (Flush,), {})())


def test_an_unexpected_error_is_reported_with_its_reason_and_bounded_text() -> None:
    box = Box()
    actor = RecordingActor(box)
    with pytest.raises(ValueError, match="boom") as caught:
        actor.on_receive(Drain())
    actor.on_failure(caught.type, caught.value, caught.tb)

    died = box.last(ChildDied)
    assert (died.child, died.incarnation, died.exit_code) == ("recording", 3, None)
    assert died.reason.startswith("ValueError: boom")
    assert len(died.reason) == 500
    assert len(died.traceback) == 8_000
    assert died.traceback.endswith("x\n")


def test_a_fatal_error_is_reported_with_its_exit_code() -> None:
    box = Box()
    RecordingActor(box).on_failure(SchemaMismatch, SchemaMismatch("newer"), None)

    assert box.last(ChildDied).exit_code == 78


def test_what_an_actor_holds_is_released_after_an_error_too() -> None:
    actor = RecordingActor(Box())
    actor.on_failure(ValueError, ValueError("boom"), None)

    assert actor.let_go.is_set()


# ------------------------------------------------------------------- started


class ActorWhoseThreadStartsLater(RecordingActor):
    """Its thread is started, but the system lets others run first."""

    def _thread(self) -> threading.Thread:
        class Later(threading.Thread):
            def start(self) -> None:
                """Do not start."""

        return Later()


def test_the_first_message_comes_before_all_that_others_send() -> None:
    ref = ActorWhoseThreadStartsLater.start(Box())
    pykka.ActorRegistry.unregister(ref)
    ref.tell(Flush())

    inbox: Any = ref.actor_inbox
    assert [inbox.get_nowait().message for _ in range(inbox.qsize())] == [Open(), Flush()]


class ActorWithoutThread(RecordingActor):
    """Stands in for a system that has no thread left."""

    def _thread(self) -> threading.Thread:
        class NoThread(threading.Thread):
            def start(self) -> None:
                raise RuntimeError("can't start new thread")

        return NoThread(target=self._actor_loop)


def test_a_start_without_threads_leaves_no_registered_actor() -> None:
    with pytest.raises(RuntimeError, match="can't start new thread"):
        ActorWithoutThread.start(Box())

    assert pykka.ActorRegistry.get_by_class(ActorWithoutThread) == []


# -------------------------------------------------------------------- address


def test_a_message_to_nobody_is_lost() -> None:
    Address().tell(Flush())


def test_a_question_to_nobody_is_not_answered() -> None:
    with pytest.raises(TimeoutError, match="nobody is there"):
        Address().ask(GetListening(), timeout_s=1.0)


def test_a_message_to_an_ended_actor_is_lost() -> None:
    actor, address = RecordingActor(Box()), Address()
    address.move_to(actor.actor_ref)
    actor.actor_stopped.set()
    address.tell(Flush())

    inbox: Any = actor.actor_inbox
    assert inbox.empty()


def test_a_question_to_an_ended_actor_is_not_answered() -> None:
    actor, address = RecordingActor(Box()), Address()
    address.move_to(actor.actor_ref)
    actor.actor_stopped.set()

    with pytest.raises(TimeoutError, match="no answer"):
        address.ask(GetListening(), timeout_s=1.0)


def test_a_question_that_nobody_gets_to_times_out() -> None:
    actor, address = RecordingActor(Box()), Address()
    address.move_to(actor.actor_ref)

    with pytest.raises(TimeoutError, match="no answer"):
        address.ask(GetListening(), timeout_s=0.01)


@pytest.mark.live
@pytest.mark.usefixtures("none_left")
def test_a_question_to_a_running_actor_is_answered() -> None:
    address = Address()
    actor_ref = RecordingActor.start(Box())
    address.move_to(actor_ref)

    assert address.ask(GetListening(), timeout_s=WAIT_S) == 1


def test_an_address_reaches_the_incarnation_that_runs_now() -> None:
    first, second, address = RecordingActor(Box()), RecordingActor(Box()), Address()
    address.move_to(first.actor_ref)
    address.tell(Flush())
    address.move_to(second.actor_ref)
    address.tell(Flush())
    address.tell(Flush())
    address.move_to(None)
    address.tell(Flush())

    inboxes: list[Any] = [first.actor_inbox, second.actor_inbox]
    assert [inbox.qsize() for inbox in inboxes] == [1, 2]


def test_a_mailbox_in_which_nothing_waits_takes_next_to_no_memory() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [RecordingActor._create_actor_inbox() for _ in range(100)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / len(kept) < 500
