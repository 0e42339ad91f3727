"""The orderly stop: steps in an order that loses nothing, each with its deadline.

Connections end and journal their last proof, the journal is synced, the writer commits all of it,
the actors stop, sockets, files and the database are closed. If a step fails, the others are still
done; what hangs is left behind, and after `FORCED_EXIT_S` the process is ended by force.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import pykka

from actors.actor import Addresses
from actors.database.server.watchdog import QueryWatchdog
from actors.errors import EXIT_INTERNAL, JournalFailed, JournalFull
from actors.journal.journal import Journal
from actors.messages import Drain, GetListening, StopListening
from actors.model import facts

log = logging.getLogger(__name__)

POLL_S: Final = 0.05
CLOSE_CONNECTIONS_S: Final = 10.0
DRAIN_S: Final = 15.0
STOP_S: Final = 5.0
FORCED_EXIT_S: Final = 45.0

StopStep = Callable[[], object]


class Shutdown:
    """Ends everything that was started. In the main thread.

    Args:
        skip_waits: Set when the stop must wait no longer for connections and the database.
        stop_http: Set here, to end requests that wait for an HTTP source.
        monotonic: Returns the time, in seconds, for the deadlines.
    """

    def __init__(
        self,
        to: Addresses,
        *,
        skip_waits: threading.Event,
        stop_http: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._to = to
        self._monotonic = monotonic
        self._skip_waits = skip_waits
        self._stop_http = stop_http
        self._closers: list[StopStep] = []

    def at_end(self, close: StopStep) -> None:
        """Add a step to the end of the stop; the one added last is done first."""
        self._closers.append(close)

    def drain_steps(self, journal: Journal, query_watchdog: QueryWatchdog) -> list[StopStep]:
        """Return the steps that need running actors; they come before all others."""
        return [
            self._close_connections,
            lambda: _close_journal(journal),
            lambda: self._drain(query_watchdog),
        ]

    def perform(self, steps: list[StopStep]) -> bool:
        """Do these steps, then those of `at_end`; return whether all of them succeeded."""
        succeeded = True
        for step in [*steps, *reversed(self._closers)]:
            try:
                step()
            except Exception:  # the other steps must be done even if this one fails
                log.exception("stop_step_failed")
                succeeded = False
        return succeeded

    def _close_connections(self) -> None:
        """Make every connection journal its last proof and end."""
        self._to.supervisor.tell(StopListening())
        deadline = self._monotonic() + CLOSE_CONNECTIONS_S
        left: int | None = None
        while (future := self._to.supervisor.ask_async(GetListening())) is not None:
            listening = self._answer(future, deadline)
            if listening == 0:
                return
            left = left if listening is None else listening
            if listening is None or self._skip_waits.wait(POLL_S):
                break
        log.warning("connections_left", extra={"left": left})

    def _drain(self, query_watchdog: QueryWatchdog) -> None:
        """Commit what the journal holds, unless it takes too long or `skip_waits` is set."""
        if not self._wait_until_drained():
            log.warning("not_drained", extra={"note": "the rest stays in the journal"})
            # The writer may be waiting for a server that froze: have that call fail.
            query_watchdog.abort_calls()

    def _wait_until_drained(self) -> bool:
        """Wait until the writer has committed all, and return whether it has.

        `skip_waits` or the deadline ends the wait.
        """
        future = None if self._skip_waits.is_set() else self._to.writer.ask_async(Drain())
        return future is not None and bool(self._answer(future, self._monotonic() + DRAIN_S))

    def _answer(self, future: "pykka.Future[Any]", deadline: float) -> Any:
        """Return an answer; None if `skip_waits`, the deadline or the actor's death came first."""
        while not self._skip_waits.is_set() and self._monotonic() < deadline:
            try:
                return future.get(timeout=POLL_S)
            except pykka.Timeout:
                continue
            except pykka.ActorDeadError:
                break
        return None

    def stop_actors(self, supervisor: "pykka.ActorRef[Any]") -> None:
        """Stop the supervisor first, so that it restarts nothing, then all other actors."""
        # First: an actor that waits for an HTTP answer does not see its stop before the answer.
        self._stop_http.set()
        with contextlib.suppress(pykka.ActorDeadError, pykka.Timeout):
            supervisor.stop(timeout=STOP_S)
        deadline = self._monotonic() + STOP_S
        # All are asked at once, so that they share one deadline.
        for ended in pykka.ActorRegistry.stop_all(block=False):
            with contextlib.suppress(pykka.ActorDeadError, pykka.Timeout):
                ended.get(timeout=max(0.0, deadline - self._monotonic()))


def _close_journal(journal: Journal) -> None:
    """Journal the stop, and wait until everything is on disk."""
    # The first record of a process is that it started. Without it, that it stopped would be taken
    # for the end of the process before.
    if journal.next_seq == journal.opened_at_seq:
        log.warning("stop_not_journalled", extra={"reason": "the start was not journalled"})
        return
    try:
        journal.append(facts.encode(facts.ProcessStopped(at_ns=time.time_ns())))
        journal.sync()
    except (JournalFull, JournalFailed) as exc:
        # Nothing is lost by it: the next start ends what it finds open, as after a crash.
        log.warning("stop_not_journalled", extra={"reason": str(exc)})


def force_exit_after(seconds: float) -> None:
    """End the process after this time, whatever hangs."""

    def force() -> None:
        log.critical("forced_exit", extra={"after_s": seconds})
        # Without any cleanup: it would wait for the very thread that hangs.
        os._exit(EXIT_INTERNAL)

    timer = threading.Timer(seconds, force)
    timer.daemon = True
    timer.start()
