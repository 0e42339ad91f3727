"""Box: a mailbox that keeps what it was told; drain: an unstarted actor works off its own."""

from collections.abc import Callable
from typing import Any, TypeVar

import pykka

from actors.actor import Address, BaseActor
from actors.messages import Message

M = TypeVar("M", bound=Message)


class Box(Address):
    """Keeps what it was told, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Message] = []

    def tell(self, message: Message) -> None:
        self.told.append(message)

    def of(self, kind: type[M]) -> list[M]:
        """Return the messages of this kind, oldest first."""
        return [message for message in self.told if isinstance(message, kind)]

    def last(self, kind: type[M]) -> M:
        return self.of(kind)[-1]

    def clear(self) -> None:
        self.told.clear()


class FakeRef(Box):
    """A started actor as its parent sees it: it lives until a test says otherwise."""

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
    """Feed what the actor told itself to it until nothing is left; give how many there were.

    An actor that never comes to rest fails the test.
    """
    inbox: Any = actor.actor_inbox
    for done in range(most):
        if inbox.empty():
            return done
        message = inbox.get_nowait().message
        if type(message).__name__ == "_ActorStop":  # pykka's own: it told itself to stop
            continue
        actor.on_receive(message)
    raise AssertionError(f"{actor.child} still tells itself things after {most} messages")


def step(actor: BaseActor) -> Message | None:
    """Feed one message that the actor told itself; give it, or None."""
    inbox: Any = actor.actor_inbox
    if inbox.empty():
        return None
    message: Message = inbox.get_nowait().message
    actor.on_receive(message)
    return message


def waiting(actor: BaseActor) -> int:
    """Return how many messages the actor has told itself."""
    inbox: Any = actor.actor_inbox
    count: int = inbox.qsize()
    return count
