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

from actors.births import Addresses
from actors.edge.guard import Guard
from actors.edge.journal import Journal
from actors.errors import EXIT_INTERNAL, JournalFailed, JournalFull
from actors.logic import record
from actors.messages import Drain, GetListening, StopListening

log = logging.getLogger(__name__)

LOOK_S = 0.05
ASK_S = 2.0
CLOSE_CONNECTIONS_S = 5.0
DRAIN_S = 15.0
STOP_S = 5.0
FORCED_EXIT_S = 45.0

Step = Callable[[], object]


class Shutdown:
    """Ends everything that was started.

    Args:
        hurry: Set when nobody wants to wait for the database any more.
        hang_up: Set here, to end what waits for an HTTP source.
    """

    def __init__(self, to: Addresses, *, hurry: threading.Event, hang_up: threading.Event) -> None:
        self._to = to
        self._hurry = hurry
        self._hang_up = hang_up
        self._closers: list[Step] = []

    def later(self, close: Step) -> None:
        """Do this at the end; what was named last is done first."""
        self._closers.append(close)

    def empty_house(self, journal: Journal, guard: Guard) -> list[Step]:
        """Give the steps that come before the closing, when actors live."""
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
        deadline = time.monotonic() + CLOSE_CONNECTIONS_S
        with contextlib.suppress(TimeoutError):
            while not self._hurry.wait(LOOK_S) and time.monotonic() < deadline:
                if not self._to.supervisor.ask(GetListening(), timeout_s=ASK_S):
                    return

    def _drain(self, guard: Guard) -> None:
        """Commit what the journal holds, unless the database is away or we are in a hurry."""
        if not self._drained():
            log.warning("not_drained", extra={"note": "the rest stays in the journal"})
            # The writer may wait for a server that froze: let it come to its own end.
            guard.cut()

    def _drained(self) -> bool:
        """Wait for the writer; a hurry or the deadline ends the wait."""
        answer = None if self._hurry.is_set() else self._to.writer.put(Drain())
        deadline = time.monotonic() + DRAIN_S
        while answer is not None and not self._hurry.is_set() and time.monotonic() < deadline:
            try:
                return bool(answer.get(timeout=LOOK_S))
            except pykka.Timeout:
                continue
            except pykka.ActorDeadError:
                break
        return False

    def stop_actors(self, supervisor: "pykka.ActorRef[Any]") -> None:
        """End the supervisor first, so that nobody is born again, then everyone else."""
        self._hang_up.set()
        with contextlib.suppress(pykka.ActorDeadError, pykka.Timeout):
            supervisor.stop(timeout=STOP_S)
        deadline = time.monotonic() + STOP_S
        for ended in pykka.ActorRegistry.stop_all(block=False):
            with contextlib.suppress(pykka.ActorDeadError, pykka.Timeout):
                ended.get(timeout=max(0.0, deadline - time.monotonic()))


def _close_journal(journal: Journal) -> None:
    """Note the stop, and have everything on disk."""
    try:
        journal.append(record.encode(record.ProcessStopped(at_ns=time.time_ns())))
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
