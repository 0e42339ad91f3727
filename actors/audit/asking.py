"""Asks a witness in a thread of its own, and sends the actor what it answers.

The thread decides nothing: it takes a request, makes the call, which takes 20 s at most, and puts
the answer into the mailbox. It is started with the first request.
"""

import queue
import threading
from typing import Protocol

from actors.actor import Mailbox
from actors.messages import Message
from actors.model.trade import ConditionId
from actors.polymarket.witness.fills import PageRead


class PageRequest(Message, frozen=True, kw_only=True):
    """One page of what a witness lists of a market."""

    condition_id: ConditionId
    cursor: str | None


class PageAnswered(Message, frozen=True, kw_only=True):
    """Thread of the witness → audit: a page was read, or not.

    Attributes:
        request: The very object that was asked.
        read: The page; None after a failure.
        failure: What the call raised; other errors than those of sources are faults of ours.
    """

    request: PageRequest
    read: PageRead | None = None
    failure: Exception | None = None


class Pages(Protocol):
    """A client that reads pages."""

    def page(self, condition_id: ConditionId, cursor: str | None) -> PageRead:
        """Return a page; raises `SourceUnavailable` or `PayloadRejected`."""

    def close(self) -> None:
        """Close what holds connections."""


class Asker(Protocol):
    """Asks a witness, one request at a time."""

    def ask(self, request: PageRequest, reply_to: Mailbox) -> None:
        """Make a request; send `PageAnswered` when it is answered or failed."""

    def close(self) -> None:
        """Ask nothing more. Does not wait."""


class ThreadAsker:
    """Asks in a thread of its own. For one actor: all methods are called in its thread.

    Args:
        pages: Of this thread alone.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._requests: queue.SimpleQueue[tuple[PageRequest, Mailbox] | None] = queue.SimpleQueue()
        self._is_running = False

    def ask(self, request: PageRequest, reply_to: Mailbox) -> None:
        """Pass a request to the thread.

        Raises:
            RuntimeError: The system has no thread left.
        """
        if not self._is_running:
            # A daemon: a resolver that hangs must not keep the process from ending.
            threading.Thread(target=self._run, name="ask-witness", daemon=True).start()
            self._is_running = True
        self._requests.put((request, reply_to))

    def close(self) -> None:
        """End the thread after the call that it makes, and close the connections."""
        self._requests.put(None)
        self._pages.close()

    def _run(self) -> None:
        while (asked := self._requests.get()) is not None:
            request, reply_to = asked
            reply_to.tell(answered(self._pages, request))


def answered(pages: Pages, request: PageRequest) -> PageAnswered:
    """Make a call. Raises nothing."""
    try:
        read = pages.page(request.condition_id, request.cursor)
    except Exception as error:  # noqa: BLE001 -- the actor raises what is not of the source
        return PageAnswered(request=request, failure=error)
    return PageAnswered(request=request, read=read)
