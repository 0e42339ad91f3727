"""The base of the actors, their addresses and mailboxes, and the outbox.

`BaseActor` dispatches messages by type and reports an unexpected error to the supervisor.
`Address` reaches an actor across its restarts; `Addresses` holds those of the actors that
exist once. `BatchingMailbox` wakes its owner only for what cannot wait. `Outbox` keeps messages
that are not in the journal until the writer has stored them.
"""

import contextlib
import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, TypeVar

import msgspec
import pykka

from actors.messages import ChildDied, Message, Tick

Handler = Callable[[Any], Any]
REASON_CHARACTERS = 500
TRACEBACK_CHARACTERS = 8_000
"""What is kept of the reason and, from its end, of the traceback of an unexpected error."""
KEEP_STORED_S = 900.0
"""How long an outbox keeps what was stored."""
MOST_UNWOKEN = 32
"""So many messages wake the owner of a `BatchingMailbox` though all of them could wait."""


class Mailbox(Protocol):
    """Where messages are sent to. Sending never blocks and never fails."""

    def tell(self, message: Message) -> None:
        """Put a message into the mailbox; that of an ended actor drops it."""


class Address:
    """Reaches an actor, whichever incarnation of it runs now. From any thread.

    A message to an ended actor is lost, by design: no mailbox holds the only copy of anything.
    """

    def __init__(self) -> None:
        self._ref: pykka.ActorRef[Any] | None = None

    def move_to(self, ref: pykka.ActorRef[Any] | None) -> None:
        """Deliver to this incarnation from now on; None delivers to no actor."""
        self._ref = ref

    def tell(self, message: Message) -> None:
        """Put a message into the actor's mailbox; drop it when the actor is not running."""
        ref = self._ref
        if ref is not None:
            # Pykka tests whether the actor lives and then puts: a message may still be lost between
            # the two without an error. Nothing relies on its arrival.
            with contextlib.suppress(pykka.ActorDeadError):
                ref.tell(message)

    def ask_async(self, question: Message) -> "pykka.Future[Any] | None":
        """Put a question; return the future of its answer, or None when nobody is running.

        Getting the answer raises `pykka.Timeout`, each time that it is awaited too shortly,
        and `pykka.ActorDeadError`. Never from within an actor.
        """
        ref = self._ref
        with contextlib.suppress(pykka.ActorDeadError):
            return None if ref is None else ref.ask(question, block=False)
        return None

    def ask(self, question: Message, *, timeout_s: float) -> Any:
        """Put a question and wait for the answer. Never from within an actor.

        Raises:
            TimeoutError: The actor is not running, or did not answer in time.
        """
        ref = self._ref
        if ref is None:
            raise TimeoutError("nobody is there to answer")
        try:
            # Never without a timeout: a question that is put behind the end of
            # an actor gets no answer.
            return ref.ask(question, timeout=timeout_s)
        except (pykka.Timeout, pykka.ActorDeadError) as exc:
            raise TimeoutError("no answer in time") from exc


def ask_all(
    addresses: Iterable[tuple[str, Address]], question: Message, *, timeout_s: float
) -> tuple[list[Any], list[str]]:
    """Put one question to many actors at once. Never from within an actor.

    Returns:
        The answers, and the names of those that did not answer in time; one that has ended
        is in neither.
    """
    asked = [(name, address.ask_async(question)) for name, address in addresses]
    deadline = time.monotonic() + timeout_s
    answers: list[Any] = []
    late: list[str] = []
    for name, future in asked:
        if future is None:
            continue
        try:
            answers.append(future.get(timeout=max(0.0, deadline - time.monotonic())))
        except pykka.Timeout:
            late.append(name)
        except pykka.ActorDeadError:
            continue
    return answers, late


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Reaches the actors that exist once. Shared by all threads."""

    supervisor: Address = msgspec.field(default_factory=Address)
    writer: Address = msgspec.field(default_factory=Address)
    catalog: Address = msgspec.field(default_factory=Address)
    resolution: Address = msgspec.field(default_factory=Address)
    audit: Address = msgspec.field(default_factory=Address)
    stream: Address = msgspec.field(default_factory=Address)


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
    """An actor received a message that its table does not list."""


class BaseActor(pykka.ThreadingActor):
    """An actor that is a table of short handlers.

    A subclass sets `handlers` in its `__init__` (which runs in the starter's thread, so it
    does no I/O). `on_start` stays empty: an error there would call no hook at all. `on_stop`
    releases what the actor holds, however it ends.

    Attributes:
        handlers: What to call with each type of message.
        first: A message that is put into the mailbox before anyone else can reach it.
        handled_errors: Errors that do not end the actor; `on_handled_error` handles them.
    """

    handlers: Mapping[type[Message], Handler]
    first: Message | None = None
    handled_errors: tuple[type[Exception], ...] = ()

    def __init__(self, incarnation: Incarnation, supervisor: Mailbox) -> None:
        super().__init__()
        self.child = incarnation.child
        self.incarnation = incarnation.number
        self.supervisor = supervisor

    @staticmethod
    def _create_actor_inbox() -> Any:
        """Return a mailbox that one thread empties: waking it costs a third of pykka's own.

        A `Queue` wakes through conditions written in Python; thousands of actors wake often.
        """
        # Without a bound: on a full inbox Pykka's `ask` and `stop` block whatever their timeout.
        # Senders are bounded instead.
        inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        return inbox

    def _start_actor_loop(self) -> None:
        """Start the thread; unregister the actor when the system has no thread left."""
        # Not from `on_start`: an error there would end the actor without calling any hook.
        if self.first is not None:
            self.actor_ref.tell(self.first)
        thread = self._thread()
        try:
            thread.start()
        except RuntimeError:
            # Pykka registers before it starts the thread. Left there, the actor would seem alive,
            # and `stop_all` would wait for it for ever.
            pykka.ActorRegistry.unregister(self.actor_ref)
            raise

    def _thread(self) -> threading.Thread:
        # A daemon: a thread that hangs in a call of the system must not keep
        # the process from ending.
        return threading.Thread(target=self._actor_loop, name=self.child, daemon=True)

    def on_receive(self, message: Any) -> Any:
        """Call the handler of the message and return its answer.

        Raises:
            UnknownMessage: No handler is listed for this type; it ends the actor.
        """
        handler = self.handlers.get(type(message))
        if handler is None:
            raise UnknownMessage(f"{type(self).__name__} received {type(message).__name__}")
        try:
            return handler(message)
        except self.handled_errors as error:
            return self.on_handled_error(error)

    def on_handled_error(self, error: Any) -> None:
        """Handle an error of a type in `handled_errors`."""

    def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        """Report the unexpected error to the supervisor, then release what the actor holds."""
        # Pykka calls this only for messages that were told: an error during `ask` goes to the
        # asker, and the actor goes on. By now the actor counts as dead already.
        self.supervisor.tell(
            ChildDied(
                child=self.child,
                incarnation=self.incarnation,
                reason=f"{exception_type.__name__}: {exception_value}"[:REASON_CHARACTERS],
                traceback=_format(exception_type, exception_value, traceback),
                exit_code=getattr(exception_type, "exit_code", None),
            )
        )
        # Pykka itself calls `on_stop` after an orderly stop only.
        self.on_stop()


def _format(kind: Any, value: Any, trace: Any) -> str:
    return "".join(traceback.format_exception(kind, value, trace))[-TRACEBACK_CHARACTERS:]


class BatchingMailbox:
    """A mailbox whose owner is woken only for what cannot wait; what pykka asks of a queue.

    Waking a thread costs more than handling most messages. An actor that collects messages
    until a later one need not be woken for them: they wait, in their order, until a message
    comes that is not deferrable, or until `MOST_UNWOKEN` wait. One thread takes, any may put.

    Args:
        deferrable: Types of messages for which the owner is not woken.
        latest: A type of which only the last message that waits is taken: those before it ask for
            what it asks for as well, and an owner that is behind would do it again and again.
    """

    def __init__(
        self, deferrable: AbstractSet[type[Message]], *, latest: type[Message] | None = None
    ) -> None:
        self._deferrable = deferrable
        self._latest = latest
        self._latest_waiting: deque[None] = deque()  # as long as there are such messages
        self._waiting: deque[Any] = deque()
        self._wakeups: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, envelope: Any) -> None:
        """Append a message, and wake the owner if it is urgent."""
        if type(envelope.message) is self._latest:
            # Before the append: who takes it finds it counted.
            self._latest_waiting.append(None)
        self._waiting.append(envelope)
        urgent = type(envelope.message) not in self._deferrable
        # Signal after the append: an owner that wakes too early looks again, none sleeps on.
        # One signal is enough: the owner takes all that waits before it sleeps again.
        if (urgent or len(self._waiting) >= MOST_UNWOKEN) and self._wakeups.empty():
            self._wakeups.put(None)

    def get(self) -> Any:
        """Return the oldest message; wait for one that wakes when there is none."""
        while True:
            try:
                return self._take()
            except IndexError:
                self._wakeups.get()

    def get_nowait(self) -> Any:
        """Return the oldest message, deferrable or not.

        Raises:
            queue.Empty: There is none.
        """
        try:
            return self._take()
        except IndexError:
            raise queue.Empty from None

    def _take(self) -> Any:
        """Return the oldest message that no later one makes needless; raises `IndexError`."""
        envelope = self._waiting.popleft()
        while type(envelope.message) is self._latest:
            self._latest_waiting.popleft()
            if not self._latest_waiting:
                break
            envelope = self._waiting.popleft()
        return envelope

    def empty(self) -> bool:
        """Return whether no message waits."""
        return not self._waiting

    def qsize(self) -> int:
        """Return how many messages wait."""
        return len(self._waiting)


Ticketed = TypeVar("Ticketed")


class Outbox:
    """Keeps messages for the writer that are not in the journal, until they are stored.

    A mailbox loses what it holds when its actor ends. So the sender keeps each such message
    here under a ticket, sends it again when the writer reports `StoreOpened`, and forgets it
    some time after `TicketsStored`: a database that fails over to a standby may have lost its last
    commits. The writer may receive a message twice, but never not at all. The owner bounds the
    memory by what it puts in. In the thread of its actor.

    Args:
        incarnation: The number of the owner's run. Each run has its own 2**32 tickets, or a
            late `TicketsStored` for an earlier run would be taken for one of this run.
        keep: Most messages that are kept after they were stored.
    """

    def __init__(self, *, incarnation: int = 0, keep: int = 0) -> None:
        self._next_ticket = (incarnation << 32) + 1
        self._waiting: dict[int, Any] = {}
        self._keep = keep
        self._kept: dict[int, tuple[float, Any]] = {}

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

    def stored(self, tickets: Iterable[int], now: float = 0.0) -> tuple[Any, ...]:
        """Return the messages of these tickets that are stored for the first time.

        Args:
            tickets: Unknown ones are ignored.
            now: Monotonic seconds; what was stored `KEEP_STORED_S` before is forgotten.
        """
        first = []
        for ticket in tickets:
            if ticket in self._waiting:
                message = self._waiting.pop(ticket)
                first.append(message)
            elif ticket in self._kept:
                _, message = self._kept.pop(ticket)
            else:
                continue
            self._kept[ticket] = (now, message)
        # Only here: while nothing is stored, what was stored last may be what is lost.
        while self._kept and (
            len(self._kept) > self._keep or self._oldest_at <= now - KEEP_STORED_S
        ):
            del self._kept[next(iter(self._kept))]
        return tuple(first)

    @property
    def _oldest_at(self) -> float:
        return next(iter(self._kept.values()))[0]

    def to_send_again(self) -> tuple[Any, ...]:
        """Return what is not known to be stored and what was stored last, oldest first."""
        kept = {ticket: message for ticket, (_, message) in self._kept.items()}
        return tuple(message for _, message in sorted({**kept, **self._waiting}.items()))

    def waiting(self) -> tuple[Any, ...]:
        """Return the messages that are not known to be stored, oldest first."""
        return tuple(self._waiting.values())

    def __len__(self) -> int:
        return len(self._waiting)
