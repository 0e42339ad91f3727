"""Asks the sources, each in a thread of its own, and sends the actor what they answer.

The threads decide nothing: one takes a request, makes the call, which takes 20 s at most, and
puts the answer into the mailbox. So a source that is slow keeps no other one waiting.
"""

import queue
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Protocol

from actors.actor import Mailbox
from actors.messages import Message
from actors.model.market import Source
from actors.polymarket.sources import Chain, Closable, Page, Sources
from actors.resolution.polling import Answer, PageRequest, Request, send


class SourceAnswered(Message, frozen=True, kw_only=True):
    """Thread of a source → resolution: a request was answered, or failed.

    Attributes:
        request: The very object that was asked.
        answer: To a `Request`; empty after a failure.
        page: The answer to a `PageRequest`.
        failure: What the call raised; other errors than those of sources are faults of ours.
        age_ms: How old the answer was when it arrived, in milliseconds; 0 without a cache.
        max_age_s: For how long caches may keep answers of this source; 0 where none says so.
        clock_offset_s: The clock of the servers minus ours; None while it is not known.
        clock_errors: Answers of this source, since the last message, that show a wrong clock.
        old_answers: Answers since then that came out of a cache, a second old or more.
    """

    request: Request | PageRequest
    answer: Answer = ()
    page: Page | None = None
    failure: Exception | None = None
    age_ms: int = 0
    max_age_s: float = 0.0
    clock_offset_s: float | None = None
    clock_errors: int = 0
    old_answers: int = 0


Call = Callable[[Request | PageRequest], SourceAnswered]
"""Makes one call, and returns what came of it; it raises nothing."""


class Asker(Protocol):
    """Asks sources, one request at a time to each."""

    @property
    def sources(self) -> Collection[Source]:
        """Return the sources that can be asked."""

    @property
    def chain(self) -> Chain | None:
        """Return the chain if it is asked; only the thread of `ask` may ask it for payouts."""

    def ask(self, request: Request | PageRequest, reply_to: Mailbox) -> None:
        """Make a request; send `SourceAnswered` when it is answered or failed."""

    def abandon(self, source: Source) -> None:
        """Wait no more for an answer of this source, so that it can be asked again."""

    def close(self) -> None:
        """Ask nothing more, and close what holds connections. Does not wait."""


def ask_polymarket(client: Sources, request: Request | PageRequest) -> SourceAnswered:
    """Make a call to Gamma, the CLOB or the Data API. Raises nothing.

    Args:
        client: Of this source alone: how old its last answer is belongs to this call.
        request: About markets, or for a page.
    """
    answer: Answer = ()
    page, failure = None, None
    try:
        if isinstance(request, PageRequest):
            page = client.markets_page(request.params, request.cursor, route=request.route)
        else:
            answer = send(request, client)
    except Exception as error:  # noqa: BLE001 -- the actor raises what is not of the source
        failure = error
    return SourceAnswered(
        request=request,
        answer=answer,
        page=page,
        failure=failure,
        age_ms=int(client.take_age_s() * 1000),
        max_age_s=client.max_age_s,
        clock_offset_s=client.clock_offset_s if client.is_clock_known else None,
        clock_errors=client.take_clock_errors(),
        old_answers=client.take_old_answers(),
    )


def ask_chain(chain: Chain, request: Request | PageRequest) -> SourceAnswered:
    """Make a call to the chain. Raises nothing."""
    if isinstance(request, PageRequest):
        return SourceAnswered(request=request, failure=TypeError("the chain has no listings"))
    try:
        return SourceAnswered(request=request, answer=chain.payouts(request.ids))
    except Exception as error:  # noqa: BLE001 -- the actor raises what is not of the source
        return SourceAnswered(request=request, failure=error)


def calls_of(clients: Mapping[Source, Sources], chain: Chain | None) -> dict[Source, Call]:
    """Return what makes the calls to each source."""
    calls: dict[Source, Call] = {
        source: partial(ask_polymarket, client) for source, client in clients.items()
    }
    if chain is not None:
        calls[Source.CHAIN] = partial(ask_chain, chain)
    return calls


class ThreadAsker:
    """Asks each source in a thread of its own, which is started with the first request.

    For one actor: all methods are called in its thread, or in that of its starter.

    Args:
        clients: One for each source, since two threads would mix up how old their answers are.
        chain: The CTF contract, or None when it is not asked.
    """

    def __init__(self, clients: Mapping[Source, Sources], chain: Chain | None) -> None:
        self._calls = calls_of(clients, chain)
        self.chain = chain
        self._closable: list[Closable] = [*clients.values()]
        if chain is not None:
            self._closable.append(chain)
        self._threads: dict[Source, _SourceThread] = {}

    @property
    def sources(self) -> Collection[Source]:
        """Return the sources that can be asked."""
        return self._calls.keys()

    def ask(self, request: Request | PageRequest, reply_to: Mailbox) -> None:
        """Pass a request to the thread of its source.

        Raises:
            RuntimeError: The system has no thread left.
        """
        thread = self._threads.get(request.source)
        if thread is None:
            thread = _SourceThread(request.source, self._calls[request.source])
            self._threads[request.source] = thread
        thread.ask(request, reply_to)

    def abandon(self, source: Source) -> None:
        """Leave the thread of this source to its call, and start another with the next request."""
        thread = self._threads.pop(source, None)
        if thread is not None:
            thread.end()

    def close(self) -> None:
        """End the threads, each after the call that it makes, and close the connections.

        Nothing waits for them: what they still send goes to an actor that has ended.
        """
        for source in tuple(self._threads):
            self.abandon(source)
        for each in self._closable:
            each.close()


class _SourceThread:
    def __init__(self, source: Source, call: Call) -> None:
        self._call = call
        self._requests: queue.SimpleQueue[tuple[Request | PageRequest, Mailbox] | None] = (
            queue.SimpleQueue()
        )
        # A daemon: a resolver that hangs must not keep the process from ending.
        threading.Thread(target=self._run, name=f"ask-{source}", daemon=True).start()

    def ask(self, request: Request | PageRequest, reply_to: Mailbox) -> None:
        self._requests.put((request, reply_to))

    def end(self) -> None:
        self._requests.put(None)

    def _run(self) -> None:
        while (asked := self._requests.get()) is not None:
            request, reply_to = asked
            reply_to.tell(self._call(request))
