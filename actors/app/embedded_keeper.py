"""Start the embedded database again when its server ends while the tracker runs.

It may be killed from outside, or by the kernel when memory is short. Until it answers again
everything waits in the journal, and the writer looks for it by itself.
"""

import logging
from typing import Protocol

from actors.actor import Mailbox
from actors.backoff import Backoff
from actors.errors import StoreUnavailable
from actors.messages import DatabaseServerEnded

log = logging.getLogger(__name__)


class Server(Protocol):
    """The embedded server, as its keeper sees it."""

    def ended(self) -> str:
        """Return how it has ended; empty while it runs. Never waits."""

    def start_again(self) -> None:
        """Start it again, without waiting until it answers.

        Raises:
            StoreUnavailable: It cannot be started.
        """


class EmbeddedKeeper:
    """Keeps the server running. In the main thread, which the kernel ties the server to.

    Args:
        server: It was started.
        supervisor: Is told of each end.
    """

    def __init__(self, server: Server, supervisor: Mailbox) -> None:
        self._server = server
        self._supervisor = supervisor
        # After 1 s, later up to a minute: a server that ends at each start has a reason, such as
        # a full disk, that no haste removes.
        self._backoff = Backoff()
        self._start_at: float | None = None
        self._restarts = 0

    def check(self, now: float) -> None:
        """Start the server again if it has ended and that is due; `now` is monotonic seconds."""
        if self._start_at is not None:
            if now >= self._start_at:
                self._start(now)
            return
        end = self._server.ended()
        if end:
            self._plan(now, f"the embedded PostgreSQL has ended: {end}")
        else:
            self._backoff.succeeded(now)

    def _plan(self, now: float, reason: str) -> None:
        retry_s = self._backoff.delay_s()
        self._start_at = now + retry_s
        log.error("embedded_database_ended", extra={"reason": reason, "retry_s": retry_s})
        self._supervisor.tell(DatabaseServerEnded(reason=reason))

    def _start(self, now: float) -> None:
        self._start_at = None
        try:
            self._server.start_again()
        except StoreUnavailable as exc:
            self._plan(now, f"the embedded PostgreSQL cannot be started again: {exc}")
            return
        self._restarts += 1
        log.warning("embedded_database_restarted", extra={"restarts": self._restarts})
