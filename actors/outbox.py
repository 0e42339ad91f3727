"""Messages that must arrive and that no journal remembers: told until they are stored.

A mailbox loses what it holds when its actor dies. So whoever tells the writer
something that is not in the journal keeps it here under a ticket, tells it
again when the writer says `StoreOpened`, and forgets it at `TicketsStored`.
The writer may thus hear a message twice, never not at all.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple, TypeVar

M = TypeVar("M")


class _Waiting(NamedTuple):
    message: Any
    key: Hashable | None


class Outbox:
    """Keeps messages, oldest first, until their tickets are stored.

    Memory is bounded by what the owner puts in: give a `key` where a newer
    message makes the older one pointless, and at most one for each key waits.

    Args:
        life: The incarnation of the actor. Each life has its own 2**32 tickets, or
            a late `TicketsStored` for a former one would be taken for its own.
    """

    def __init__(self, *, life: int = 0) -> None:
        self._next_ticket = (life << 32) + 1
        self._waiting: dict[int, _Waiting] = {}
        self._ticket_of: dict[Hashable, int] = {}

    def put(self, make: Callable[[int], M], *, key: Hashable | None = None) -> M:
        """Make the message with its ticket, remember it and give it, ready to be told.

        Args:
            make: Gives the message for a ticket.
            key: What the message is about. An older one about the same is
                forgotten: this one says more. None: about nothing else is said.
        """
        ticket = self._next_ticket
        message = make(ticket)
        self._next_ticket += 1
        if key is not None:
            self._waiting.pop(self._ticket_of.get(key, -1), None)
            self._ticket_of[key] = ticket
        self._waiting[ticket] = _Waiting(message, key)
        return message

    def stored(self, tickets: Iterable[int]) -> tuple[Any, ...]:
        """Forget what is stored and give it; unknown tickets mean nothing."""
        return tuple(self._forget(ticket).message for ticket in tickets if ticket in self._waiting)

    def _forget(self, ticket: int) -> _Waiting:
        waiting = self._waiting.pop(ticket)
        if waiting.key is not None:
            del self._ticket_of[waiting.key]
        return waiting

    def waiting(self) -> tuple[Any, ...]:
        """Give what is not known to be stored, oldest first."""
        return tuple(waiting.message for waiting in self._waiting.values())

    def __len__(self) -> int:
        return len(self._waiting)
