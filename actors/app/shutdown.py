"""The way out: steps in the order that loses nothing, each with its deadline.

Connections say goodbye with their last marks, the journal syncs, the writer
drains it, actors stop, edges close. A step that fails does not cost the others;
what hangs is left behind, and after `FORCED_EXIT_S` the process ends by force.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pykka

from actors.actor import Addresses
from actors.database.session import QueryWatchdog
from actors.errors import EXIT_INTERNAL, JournalFailed, JournalFull
from actors.journal.journal import Journal
from actors.messages import Drain, GetListening, StopListening
from actors.model import facts

log = logging.getLogger(__name__)

LOOK_S = 0.05
CLOSE_CONNECTIONS_S = 10.0
DRAIN_S = 15.0
STOP_S = 5.0
FORCED_EXIT_S = 45.0

Step = Callable[[], object]


class Shutdown:
    """Ends everything that was started.

    Args:
        hurry: Set when nobody wants to wait for the database any more.
        hang_up: Set here, to end what waits for an HTTP source.
        monotonic: Tells when a step has taken long enough, in seconds.
    """

    def __init__(
        self,
        to: Addresses,
        *,
        hurry: threading.Event,
        hang_up: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._to = to
        self._monotonic = monotonic
        self._hurry = hurry
        self._hang_up = hang_up
        self._closers: list[Step] = []

    def later(self, close: Step) -> None:
        """Do this at the end; what was named last is done first."""
        self._closers.append(close)

    def empty_house(self, journal: Journal, guard: QueryWatchdog) -> list[Step]:
        """Return the steps that come before the closing, when actors live."""
        return [
            self._close_connections,
            lambda: _close_journal(journal),
            lambda: self._drain(guard),
        ]

    def perform(self, steps: list[Step]) -> bool:
        """Do these, then everything that was named for later; give whether all went well."""
        well = True
        for step in [*steps, *reversed(self._closers)]:
            try:
                step()
            except Exception:  # one step that fails must not cost the others
                log.exception("stop_step_failed")
                well = False
        return well

    def _close_connections(self) -> None:
        """Let every connection write its last mark and say goodbye."""
        self._to.supervisor.tell(StopListening())
        deadline = self._monotonic() + CLOSE_CONNECTIONS_S
        left: int | None = None
        while (asked := self._to.supervisor.put(GetListening())) is not None:
            listening = self._answer(asked, deadline)
            if listening == 0:
                return
            left = left if listening is None else listening
            if listening is None or self._hurry.wait(LOOK_S):
                break
        log.warning("connections_left", extra={"left": left})

    def _drain(self, guard: QueryWatchdog) -> None:
        """Commit what the journal holds, unless the database is away or we are in a hurry."""
        if not self._drained():
            log.warning("not_drained", extra={"note": "the rest stays in the journal"})
            # The writer may wait for a server that froze: let it come to its own end.
            guard.cut()

    def _drained(self) -> bool:
        """Wait for the writer; a hurry or the deadline ends the wait."""
        asked = None if self._hurry.is_set() else self._to.writer.put(Drain())
        return asked is not None and bool(self._answer(asked, self._monotonic() + DRAIN_S))

    def _answer(self, asked: "pykka.Future[Any]", deadline: float) -> Any:
        """Wait for an answer; None when a hurry, the deadline or a death came first."""
        while not self._hurry.is_set() and self._monotonic() < deadline:
            try:
                return asked.get(timeout=LOOK_S)
            except pykka.Timeout:
                continue
            except pykka.ActorDeadError:
                break
        return None

    def stop_actors(self, supervisor: "pykka.ActorRef[Any]") -> None:
        """End the supervisor first, so that nobody is born again, then everyone else."""
        self._hang_up.set()
        with contextlib.suppress(pykka.ActorDeadError, pykka.Timeout):
            supervisor.stop(timeout=STOP_S)
        deadline = self._monotonic() + STOP_S
        for ended in pykka.ActorRegistry.stop_all(block=False):
            with contextlib.suppress(pykka.ActorDeadError, pykka.Timeout):
                ended.get(timeout=max(0.0, deadline - self._monotonic()))


def _close_journal(journal: Journal) -> None:
    """Note the stop, and have everything on disk."""
    try:
        journal.append(facts.encode(facts.ProcessStopped(at_ns=time.time_ns())))
        journal.sync()
    except (JournalFull, JournalFailed) as exc:
        log.warning("stop_not_journalled", extra={"reason": str(exc)})


def force_exit_after(seconds: float) -> None:
    """Whatever hangs, the process ends."""

    def force() -> None:
        log.critical("forced_exit", extra={"after_s": seconds})
        os._exit(EXIT_INTERNAL)

    timer = threading.Timer(seconds, force)
    timer.daemon = True
    timer.start()
