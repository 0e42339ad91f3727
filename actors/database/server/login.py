"""The login at a server, in a thread of its own that whoever waits for it can leave.

libpq logs in with calls that nothing ends: it looks names up, and it computes as long as whoever
answers says (the number of iterations of SCRAM, up to hours). Only the end of the process ends such
a call, so there is at most one of them in the process: meanwhile nobody begins another.
"""

import threading
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from actors.errors import StoreUnavailable

LOGIN_S: Final = 25.0
"""Longest wait for a login, at all hosts of the address. Less than `watchdog.MAX_WAIT_S`."""
HOW_TO_PROVE: Final = (
    "whoever answers may make the client compute without end; it is the server for certain with"
    " sslmode=verify-full, see docs/how-to/install.md#a-database-on-another-host"
)


class Closable(Protocol):
    """What a login gives."""

    def close(self) -> None:
        """End it."""


T = TypeVar("T", bound=Closable)


class _Left:
    """The login that nobody waits for any more, and that still runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def require_none(self) -> None:
        """Check that there is none.

        Raises:
            StoreUnavailable: There is one.
        """
        with self._lock:
            runs = self._thread is not None and self._thread.is_alive()
        if runs:
            raise StoreUnavailable(f"an earlier login has not ended yet: {HOW_TO_PROVE}")

    def add(self, thread: threading.Thread) -> None:
        """Record one."""
        with self._lock:
            self._thread = thread


_left = _Left()


class Login(Generic[T]):
    """One login. `wait` by one thread; `abort` by any.

    Args:
        connect: Logs in; called in a thread of its own. What it returns when nobody waits any
            more is closed.
    """

    def __init__(self, connect: Callable[[], T]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._is_left = False
        self._found: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="database-login", daemon=True)

    def wait(self, timeout_s: float = LOGIN_S) -> T:
        """Return what the login gives; it raises what that raises.

        Raises:
            StoreUnavailable: It takes too long, was aborted, or an earlier one still runs.
        """
        _left.require_none()
        self._thread.start()
        in_time = self._over.wait(timeout_s)
        with self._lock:
            if self._error is not None:
                # Kept nowhere: its traceback holds the connection, which is to be closed by then.
                error, self._error = self._error, None
                try:
                    raise error
                finally:
                    del error
            if self._found is not None:
                return self._found
            self._is_left = True
            _left.add(self._thread)
        if in_time:
            raise StoreUnavailable("the login was ended")
        raise StoreUnavailable(f"no login within {timeout_s:g} s: {HOW_TO_PROVE}")

    def abort(self) -> None:
        """Make `wait` raise at once, unless it has returned."""
        self._over.set()

    def _run(self) -> None:
        found: T | None = None
        error: BaseException | None = None
        try:
            found = self._connect()
        except BaseException as exc:  # noqa: BLE001 - raised where it is waited for
            error = exc
        with self._lock:
            self._found, self._error = found, error
            is_left = self._is_left
        del error  # else its traceback, which names this frame, would hold itself
        if is_left and found is not None:
            found.close()
        self._over.set()
