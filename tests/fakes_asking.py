"""FakeAsker: asks a fake Polymarket without threads; answers take as long as a test says."""

import heapq
from collections.abc import Collection
from itertools import count

from actors.actor import Mailbox
from actors.model.market import Source
from actors.polymarket.sources import Chain, Sources
from actors.resolution.asking import SourceAnswered, calls_of
from actors.resolution.polling import PageRequest, Request
from tests.fakes_http import FakePolymarket


class FakeAsker:
    """Makes each call at once; its answer arrives at once, or after the delay of its source.

    Attributes:
        delays_s: How long the answers of a source take.
        lost: Sources whose answers never arrive.
        abandoned: Those that were given up, in order.
        closed: How often it was closed.
        now: Fake seconds.
    """

    def __init__(self, web: FakePolymarket, *, chain: bool) -> None:
        clients: dict[Source, Sources] = {each: web for each in Source if each is not Source.CHAIN}
        self.chain: Chain | None = web if chain else None
        self._calls = calls_of(clients, self.chain)
        self._late: list[tuple[float, int, Mailbox, SourceAnswered]] = []
        self._numbers = count()
        self.delays_s: dict[Source, float] = {}
        self.lost: set[Source] = set()
        self.abandoned: list[Source] = []
        self.closed = 0
        self.now = 0.0

    @property
    def sources(self) -> Collection[Source]:
        return self._calls.keys()

    @property
    def next_at(self) -> float | None:
        """Return when the next answer arrives; None when nothing is under way."""
        return self._late[0][0] if self._late else None

    def ask(self, request: Request | PageRequest, reply_to: Mailbox) -> None:
        answer = self._calls[request.source](request)
        delay_s = self.delays_s.get(request.source, 0.0)
        if request.source in self.lost:
            return
        if delay_s:
            late = (self.now + delay_s, next(self._numbers), reply_to, answer)
            heapq.heappush(self._late, late)
        else:
            reply_to.tell(answer)

    def deliver(self) -> None:
        """Let the next answer arrive."""
        self.now, _, reply_to, answer = heapq.heappop(self._late)
        reply_to.tell(answer)

    def abandon(self, source: Source) -> None:
        self.abandoned.append(source)

    def close(self) -> None:
        self.closed += 1
