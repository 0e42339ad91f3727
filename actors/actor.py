"""Base of the five actors: dispatch by message type, self-told start, death notice.

Owns: nothing but the table. Hears: whatever its subclass lists. Tells: `ChildDied`
to its supervisor when an unexpected error kills it. Dies when: a handler raises.
Restarted: by the supervisor, as a new incarnation under the same `Address`.
"""

import contextlib
import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, TypeVar

import msgspec
import pykka

from actors.messages import ChildDied, Message, Tick

Handler = Callable[[Any], Any]


# MERGED: The patient inbox: a mailbox whose owner is woken only for what cannot wait. To
# wake a thread costs more than most messages take to handle. Who gathers until the next `Flush`
# anyway need not be woken for what it gathers: that waits in the inbox, in the order in which
# it was told, until something comes that is not patient, or until much waits. Nothing waits
# longer than until the next message that is not patient.
MOST_PATIENT = 32
"""So many messages wake the owner though all of them could wait."""


class BatchingMailbox:
    """For one thread that empties it and any that fill it; what pykka asks of a queue.

    Args:
        patient: Kinds of messages for which the owner is not woken.
    """

    def __init__(self, patient: AbstractSet[type[Message]]) -> None:
        self._patient = patient
        self._waiting: deque[Any] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, envelope: Any) -> None:
        """Leave a message, and wake the owner if it is urgent."""
        self._waiting.append(envelope)
        urgent = type(envelope.message) not in self._patient
        # After the message is there: who wakes too early looks again, nobody sleeps too long.
        if (urgent or len(self._waiting) >= MOST_PATIENT) and self._bell.empty():
            self._bell.put(None)

    def get(self) -> Any:
        """Take the oldest message; wait for one that wakes when there is none."""
        while True:
            try:
                return self._waiting.popleft()
            except IndexError:
                self._bell.get()

    def get_nowait(self) -> Any:
        """Take the oldest message, patient or not.

        Raises:
            queue.Empty: There is none.
        """
        try:
            return self._waiting.popleft()
        except IndexError:
            raise queue.Empty from None

    def empty(self) -> bool:
        """Return whether nothing waits."""
        return not self._waiting

    def qsize(self) -> int:
        """Return how many messages wait."""
        return len(self._waiting)


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


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """The four actors that exist once, as every actor reaches them. Shared by all threads."""

    supervisor: Address = msgspec.field(default_factory=Address)
    writer: Address = msgspec.field(default_factory=Address)
    catalog: Address = msgspec.field(default_factory=Address)
    resolution: Address = msgspec.field(default_factory=Address)


class Incarnation(msgspec.Struct, frozen=True):
    """One run of one child of the supervisor, from its start to its end.

    Attributes:
        child: The name of the child.
        number: 1 for its first run, one more after each restart.
        at: The time of the start.
    """

    child: str
    number: int
    at: Tick


class UnknownMessage(Exception):
    """An actor was told something that its table does not list."""


class BaseActor(pykka.ThreadingActor):
    """An actor that is a dispatch table and short handlers.

    A subclass sets `handlers` in its `__init__` (which runs in the starter's
    thread, so it does no I/O) and names its `first` message, which waits in its
    mailbox before anyone else can reach it. `on_start` stays empty: an error there
    would call no hook at all. `on_stop` lets go of what it holds, however it ends.
    """

    handlers: Mapping[type[Message], Handler]
    first: Message | None = None

    def __init__(self, incarnation: Incarnation, supervisor: Mailbox) -> None:
        super().__init__()
        self.child = incarnation.child
        self.incarnation = incarnation.number
        self.supervisor = supervisor

    @staticmethod
    def _create_actor_inbox() -> Any:
        """Return a mailbox that one thread empties: a third of the cost of pykka's own to wake it.

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


Ticketed = TypeVar("Ticketed")


class Outbox:
    """Keeps messages for the writer that are not in the journal, until they are stored.

    A mailbox loses what it holds when its actor ends. So the sender keeps each such message
    here under a ticket, sends it again when the writer reports `StoreOpened`, and forgets it
    at `TicketsStored`. The writer may receive a message twice, but never not at all. The owner
    bounds the memory by what it puts in. In the thread of its actor.

    Args:
        incarnation: The number of the owner's run. Each run has its own 2**32 tickets, or a
            late `TicketsStored` for an earlier run would be taken for one of this run.
    """

    def __init__(self, *, incarnation: int = 0) -> None:
        self._next_ticket = (incarnation << 32) + 1
        self._waiting: dict[int, Any] = {}

    def put(self, make: Callable[[int], Ticketed]) -> Ticketed:
        """Make a message with its ticket, keep it, and return it to be sent.

        Args:
            make: Returns the message for a ticket. What it raises passes through.
        """
        ticket = self._next_ticket
        message = make(ticket)
        self._next_ticket += 1
        self._waiting[ticket] = message
        return message

    def stored(self, tickets: Iterable[int]) -> tuple[Any, ...]:
        """Forget the messages of these tickets and return them; ignore unknown tickets."""
        return tuple(self._waiting.pop(ticket) for ticket in tickets if ticket in self._waiting)

    def waiting(self) -> tuple[Any, ...]:
        """Return the messages that are not known to be stored, oldest first."""
        return tuple(self._waiting.values())

    def __len__(self) -> int:
        return len(self._waiting)
