"""The stream actor: keeps what the stream of all markets tells, for the audit to compare.

Owns: the line to the stream, which has a thread and a socket of its own, and what is kept of it.
Receives: Tick from the supervisor; RequestStreamed from the audit. Sends: Streamed to the audit,
StreamReport to the supervisor, NewMarketSeen to the catalog. Fails when the thread of its line has
ended. Restarted by the supervisor, as often as it takes: nothing needs it, and what it kept is lost
with it. A frozen stream costs it nothing: it waits for none.
"""

import threading
from collections.abc import Callable
from random import Random
from typing import Final, Protocol

import msgspec

from actors.actor import Addresses, BaseActor, Incarnation
from actors.audit.heard import Heard
from actors.messages import NewMarketSeen, RequestStreamed, Streamed, StreamReport, Tick
from actors.model.audit import StreamFigures
from actors.polymarket.witness.matches import read_message

HINTS_AFTER_S: Final = 900.0
"""So long after the start markets are listed without help."""
HINT_EVERY_S: Final = 3.0
"""One market that may be unlisted is looked up in so many seconds."""
FROZEN: Final = "frozen"


class Line(Protocol):
    """Listens to the stream, in a thread of its own."""

    @property
    def is_alive(self) -> bool:
        """Return whether its thread runs."""

    def start(self) -> None:
        """Start the thread."""

    def close(self) -> None:
        """End it. Does not wait."""


OpenLine = Callable[[Callable[[int, tuple[bytes, ...]], bool], Callable[[str], None]], Line]
"""Makes a line; it calls the first function with messages, the second with its state."""


class Book:
    """What the line's thread writes and the actor's reads, under one lock.

    Attributes:
        figures: How the stream is.
    """

    def __init__(self, heard: Heard | None = None) -> None:
        self._lock = threading.Lock()
        self._heard = Heard() if heard is None else heard
        self._figures = StreamFigures(state="connecting")

    def messages(self, at_ns: int, messages: tuple[bytes, ...]) -> bool:
        """Take in messages; return whether one was about a match."""
        at_ms = at_ns // 1_000_000
        # Outside of the lock: it is most of the work.
        found = [each for each in map(read_message, messages) if each is not None]
        fills = 0
        with self._lock:
            for each in found:
                if each.fill is None or each.condition_id is None:
                    self._heard.reject(at_ms, each.condition_id, each.rejected)
                    continue
                self._heard.alive(at_ms)
                self._heard.add(at_ms, each.condition_id, each.fill)
                fills += 1
            self._figures = msgspec.structs.replace(
                self._figures,
                matches_total=self._figures.matches_total + fills,
                last_ms=at_ms if fills else self._figures.last_ms,
            )
        return fills > 0

    def state(self, state: str) -> None:
        """Take in how the line is."""
        with self._lock:
            is_lost = state not in ("connecting", "ok")
            if is_lost:
                self._heard.lost()
            self._figures = msgspec.structs.replace(
                self._figures,
                state=state,
                lost_total=self._figures.lost_total + is_lost,
                frozen_total=self._figures.frozen_total + (state == FROZEN),
            )

    def figures(self, now_ms: int) -> StreamFigures:
        """Forget what is old, and return how the stream is."""
        with self._lock:
            heard = self._heard
            heard.forget(now_ms)
            return msgspec.structs.replace(
                self._figures,
                kept=len(heard),
                markets=heard.markets,
                share=heard.share,
                rejected_total=heard.rejected_total,
            )

    def answer(self, request: RequestStreamed, now_ms: int, rng: Random) -> Streamed:
        """Return what was told of one market in an hour."""
        with self._lock:
            drawn = self._heard.draw(request.hour_ms, request.end_ms, rng)
            if drawn is None:
                return Streamed(request=request)
            told = self._heard.told(drawn, request.since_ms, request.until_ms, now_ms)
        return Streamed(request=request, condition_id=drawn, told=told)

    def hint(self) -> NewMarketSeen | None:
        """Return a market that was named for the first time, if any."""
        with self._lock:
            found = self._heard.hints(1)
        return NewMarketSeen(condition_id=found[0]) if found else None


class StreamActor(BaseActor):
    """One incarnation of the stream.

    Args:
        incarnation: This incarnation.
        to: The other actors; it sends to the supervisor, the audit and the catalog.
        open_line: Makes the line to the stream; started with the first Tick.
        rng: Chance, by which markets are drawn.
        hints: Whether markets are named to the catalog: all of them are wanted.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        to: Addresses,
        open_line: OpenLine,
        rng: Random,
        hints: bool,
    ) -> None:
        super().__init__(incarnation, to.supervisor)
        self._audit, self._catalog = to.audit, to.catalog
        self._book = Book()
        self._line = open_line(self._book.messages, self._book.state)
        self._is_started = False
        self._rng = rng
        self._hints = hints
        self._hint_at = incarnation.at.now + HINTS_AFTER_S
        self._wall_ms = incarnation.at.wall_ns // 1_000_000
        self.handlers = {Tick: self._tick, RequestStreamed: self._requested}

    def on_stop(self) -> None:
        """End the line."""
        self._line.close()

    def _tick(self, tick: Tick) -> None:
        """Start the line, report, give a hint when one is due."""
        self._wall_ms = tick.wall_ns // 1_000_000
        if not self._is_started:
            self._line.start()
            self._is_started = True
        if not self._line.is_alive:
            raise RuntimeError("the thread of the stream has ended")
        if self._hints and tick.now >= self._hint_at:
            self._hint_at = tick.now + HINT_EVERY_S
            hint = self._book.hint()
            if hint is not None:
                self._catalog.tell(hint)
        self.supervisor.tell(
            StreamReport(
                child=self.child,
                incarnation=self.incarnation,
                now=tick.now,
                figures=self._book.figures(self._wall_ms),
            )
        )

    def _requested(self, request: RequestStreamed) -> None:
        """Answer the audit."""
        self._audit.tell(self._book.answer(request, self._wall_ms, self._rng))
