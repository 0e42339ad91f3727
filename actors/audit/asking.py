"""Asks witnesses in a thread of their own, and sends the actor what they answer.

The thread decides nothing: it takes a request, makes the call, which takes 20 s at most, or 80 s of
the chain, and puts the answer into the mailbox. It is started with the first request.
"""

import queue
import threading
from collections.abc import Sequence
from typing import Protocol

from actors.actor import Mailbox
from actors.messages import Message
from actors.model.trade import ConditionId
from actors.polymarket.contract.receipts import Settlement
from actors.polymarket.witness.fills import PageRead


class PageRequest(Message, frozen=True, kw_only=True):
    """One page of what a witness lists of a market."""

    condition_id: ConditionId
    cursor: str | None


class ReceiptsRequest(Message, frozen=True, kw_only=True):
    """What the chain says of transactions."""

    transactions: tuple[str, ...]


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


class ReceiptsAnswered(Message, frozen=True, kw_only=True):
    """Thread of the witness → audit: the chain was asked, or not.

    Attributes:
        request: The very object that was asked.
        settlements: One for each transaction; None after a failure.
        failure: As in `PageAnswered`.
    """

    request: ReceiptsRequest
    settlements: tuple[Settlement, ...] | None = None
    failure: Exception | None = None


Request = PageRequest | ReceiptsRequest


class Pages(Protocol):
    """A client that reads pages."""

    def page(self, condition_id: ConditionId, cursor: str | None) -> PageRead:
        """Return a page; raises `SourceUnavailable` or `PayloadRejected`."""

    def close(self) -> None:
        """Close what holds connections."""


class Receipts(Protocol):
    """A client of the chain."""

    def share(self, trackers: int) -> None:
        """Leave equal parts of the requests to the other trackers of this host."""

    def settlements(self, transactions: Sequence[str]) -> tuple[Settlement, ...]:
        """Return what each of at most ten transactions settled; raises `SourceUnavailable`."""

    def close(self) -> None:
        """Close what holds connections."""


class Asker(Protocol):
    """Asks witnesses, one request at a time."""

    @property
    def has_chain(self) -> bool:
        """Return whether the chain can be asked."""

    def share(self, trackers: int) -> None:
        """Leave equal parts of the requests to the chain to the other trackers of this host."""

    def ask(self, request: Request, reply_to: Mailbox) -> None:
        """Make a request; send `PageAnswered` or `ReceiptsAnswered` when it is over."""

    def close(self) -> None:
        """Ask nothing more. Does not wait."""


class ThreadAsker:
    """Asks in a thread of its own. For one actor: all methods are called in its thread.

    Args:
        pages: Of this thread alone.
        receipts: Likewise; None: the chain is not asked.
    """

    def __init__(self, pages: Pages, receipts: Receipts | None = None) -> None:
        self._pages = pages
        self._receipts = receipts
        self._requests: queue.SimpleQueue[tuple[Request, Mailbox] | None] = queue.SimpleQueue()
        self._is_running = False

    @property
    def has_chain(self) -> bool:
        """Return whether the chain can be asked."""
        return self._receipts is not None

    def share(self, trackers: int) -> None:
        """Leave equal parts of the requests to the chain to the other trackers of this host."""
        if self._receipts is not None:
            self._receipts.share(trackers)

    def ask(self, request: Request, reply_to: Mailbox) -> None:
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
        if self._receipts is not None:
            self._receipts.close()

    def _run(self) -> None:
        while (asked := self._requests.get()) is not None:
            request, reply_to = asked
            if isinstance(request, PageRequest):
                reply_to.tell(answered(self._pages, request))
            else:
                reply_to.tell(settled(self._receipts, request))


def answered(pages: Pages, request: PageRequest) -> PageAnswered:
    """Make a call. Raises nothing."""
    try:
        read = pages.page(request.condition_id, request.cursor)
    except Exception as error:  # noqa: BLE001 -- the actor raises what is not of the source
        return PageAnswered(request=request, failure=error)
    return PageAnswered(request=request, read=read)


def settled(receipts: Receipts | None, request: ReceiptsRequest) -> ReceiptsAnswered:
    """Ask the chain. Raises nothing."""
    if receipts is None:
        return ReceiptsAnswered(request=request, failure=TypeError("there is no chain to ask"))
    try:
        told = receipts.settlements(request.transactions)
    except Exception as error:  # noqa: BLE001 -- the actor raises what is not of the source
        return ReceiptsAnswered(request=request, failure=error)
    return ReceiptsAnswered(request=request, settlements=told)
