"""Base of the five actors: dispatch by message type, self-told start, death notice.

Owns: nothing but the table. Hears: whatever its subclass lists. Tells: `ChildDied`
to its supervisor when an unexpected error kills it. Dies when: a handler raises.
Restarted: by the supervisor, as a new incarnation under the same `Address`.
"""

import contextlib
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
import pykka

from actors.messages import Message, Tick
from actors.reports import ChildDied

Handler = Callable[[Any], Any]


class Mailbox(Protocol):
    """Whoever can be told something. Telling never blocks and never fails."""

    def tell(self, message: Message) -> None:
        """Put a message into the mailbox; a dead actor's mailbox swallows it."""


class Address:
    """Where an actor is reached, whichever incarnation lives there now.

    What is told to a dead actor is lost, by design: no mailbox holds the only
    copy of anything.
    """

    def __init__(self) -> None:
        self._ref: pykka.ActorRef[Any] | None = None

    def move_to(self, ref: pykka.ActorRef[Any] | None) -> None:
        """Let a new incarnation live here."""
        self._ref = ref

    def tell(self, message: Message) -> None:
        """Put a message into the mailbox of whoever lives here."""
        ref = self._ref
        if ref is not None:
            with contextlib.suppress(pykka.ActorDeadError):
                ref.tell(message)

    def put(self, question: Message) -> "pykka.Future[Any] | None":
        """Put a question; give what the answer will be in, or None when nobody lives here.

        Getting it raises `pykka.Timeout`, as often as one waits too short a time, and
        `pykka.ActorDeadError`. Never from within an actor.
        """
        ref = self._ref
        with contextlib.suppress(pykka.ActorDeadError):
            return None if ref is None else ref.ask(question, block=False)
        return None

    def ask(self, question: Message, *, timeout_s: float) -> Any:
        """Put a question and wait for the answer. Never from within an actor.

        Raises:
            TimeoutError: Nobody lives here, or there was no answer in time.
        """
        ref = self._ref
        if ref is None:
            raise TimeoutError("nobody is there to answer")
        try:
            return ref.ask(question, timeout=timeout_s)
        except (pykka.Timeout, pykka.ActorDeadError) as exc:
            raise TimeoutError("no answer in time") from exc


class Birth(msgspec.Struct, frozen=True):
    """Which life of which child begins, and when."""

    child: str
    incarnation: int
    at: Tick


class UnknownMessage(Exception):
    """An actor was told something that its table does not list."""


class Shell(pykka.ThreadingActor):
    """An actor that is a dispatch table and short handlers.

    A subclass sets `handlers` in its `__init__` (which runs in the starter's
    thread, so it does no I/O) and names its `first` message, which waits in its
    mailbox before anyone else can reach it. `on_start` stays empty: an error there
    would call no hook at all. `on_stop` lets go of what it holds, however it ends.
    """

    handlers: Mapping[type[Message], Handler]
    first: Message | None = None

    def __init__(self, child: str, incarnation: int, supervisor: Mailbox) -> None:
        super().__init__()
        self.child = child
        self.incarnation = incarnation
        self.supervisor = supervisor

    @staticmethod
    def _create_actor_inbox() -> Any:
        """Give a mailbox that one thread empties: a third of the cost of pykka's own to wake it.

        A `Queue` wakes through conditions written in Python; thousands of actors wake often.
        """
        inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        return inbox

    def _start_actor_loop(self) -> None:
        """Start the thread. When the system has none left, no ghost stays registered."""
        if self.first is not None:
            self.actor_ref.tell(self.first)
        thread = self._thread()
        try:
            thread.start()
        except RuntimeError:
            pykka.ActorRegistry.unregister(self.actor_ref)
            raise

    def _thread(self) -> threading.Thread:
        return threading.Thread(target=self._actor_loop, name=self.child, daemon=True)

    def on_receive(self, message: Any) -> Any:
        """Hand the message to its handler.

        Raises:
            UnknownMessage: Nothing is listed for this type; the actor dies of it.
        """
        handler = self.handlers.get(type(message))
        if handler is None:
            raise UnknownMessage(f"{type(self).__name__} was told {type(message).__name__}")
        return handler(message)

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """Tell the supervisor why this life ended, then let go as at any other end."""
        self.supervisor.tell(
            ChildDied(
                child=self.child,
                incarnation=self.incarnation,
                reason=f"{exception_type.__name__}: {exception_value}"[:500],
                traceback=_format(exception_type, exception_value, traceback),
                exit_code=getattr(exception_type, "exit_code", None),
            )
        )
        self.on_stop()


def _format(kind: Any, value: Any, trace: Any) -> str:
    return "".join(traceback.format_exception(kind, value, trace))[-8000:]
