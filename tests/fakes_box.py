"""Box: an address that keeps what it receives; drain: let an unstarted actor empty its mailbox."""

from collections.abc import Callable
from typing import Any, TypeVar

import pykka

from actors.actor import Address, BaseActor
from actors.messages import Message

M = TypeVar("M", bound=Message)


class Box(Address):
    """Keeps what it receives, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[Message] = []

    def tell(self, message: Message) -> None:
        self.received.append(message)

    def of(self, kind: type[M]) -> list[M]:
        """Return the messages of this kind, oldest first."""
        return [message for message in self.received if isinstance(message, kind)]

    def last(self, kind: type[M]) -> M:
        return self.of(kind)[-1]

    def clear(self) -> None:
        self.received.clear()


class FakeRef(Box):
    """A started actor as its supervisor sees it; it runs until a test sets `alive` to False."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = True
        self.asked_to_stop = False
        self.on_tell: Callable[[], None] = lambda: None

    def is_alive(self) -> bool:
        return self.alive

    def tell(self, message: Message) -> None:
        if not self.alive:
            raise pykka.ActorDeadError
        self.on_tell()
        super().tell(message)

    def stop(self, *, block: bool = True) -> None:
        assert not block, "a parent never waits for its children"
        self.asked_to_stop = True


def drain(actor: BaseActor, *, most: int = 10_000) -> int:
    """Handle what the actor sent itself until nothing is left; return how many messages.

    An actor that always sends itself more fails the test.
    """
    inbox: Any = actor.actor_inbox
    for done in range(most):
        if inbox.empty():
            return done
        message = inbox.get_nowait().message
        if type(message).__name__ == "_ActorStop":  # pykka's own: the actor stops itself
            continue
        actor.on_receive(message)
    raise AssertionError(f"{actor.child} still sends itself messages after {most} messages")


def step(actor: BaseActor) -> Message | None:
    """Handle one message that the actor sent itself; return it, or None."""
    inbox: Any = actor.actor_inbox
    if inbox.empty():
        return None
    message: Message = inbox.get_nowait().message
    actor.on_receive(message)
    return message


def waiting(actor: BaseActor) -> int:
    """Return how many messages the actor has sent itself."""
    inbox: Any = actor.actor_inbox
    count: int = inbox.qsize()
    return count
