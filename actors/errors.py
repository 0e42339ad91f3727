"""All errors of the tracker, divided by who must act.

TrackerError
├── Retryable            the caller tries again later
│   ├── ConnectionFailed     a connection could not be made, or its time is over
│   ├── FeedLost             a WebSocket ended; the supervisor starts a connection again
│   ├── StoreUnavailable     the database does not answer or rejects us for now
│   │   └── StoreMiscounts       what it reports does not add up: some rows may be lost
│   ├── StorePoisoned        it rejects so many rows that the fault must be ours
│   ├── SchemaNewer          a newer version migrated it, and this one must not write to it
│   ├── SourceUnavailable    an HTTP source failed, was too slow or too large
│   ├── JournalFull          the disk or the cap leaves no space for one more record
│   └── JournalBusy          no file descriptor is left to read it with
├── Rejected              one thing from outside is rejected and counted; nothing stops
│   ├── PayloadRejected       an answer that does not have the documented form
│   └── RecordTooLarge        what was received together is more than the journal takes at once
└── Fatal                the process ends with `exit_code`
    ├── ConfigError          78: a person must change a setting
    │   └── WrongSettings        several may be wrong
    ├── StateDirBusy         78: another tracker works on this state directory
    ├── SchemaMismatch       78 at the start: the database is of another version, or not whole
    │   └── SchemaLacking        it lacks migrations of this version
    ├── JournalUnreadable    78: another format version, or no permission
    ├── JournalFailed        74: the disk does not take what was received
    ├── RecordingFailed      74: the disk does not take a recording
    ├── AddressTaken         74: a socket or port is in use
    ├── Shortage             74: the machine lacks what a start needs: space, inodes, descriptors
    └── Internal             70: a fault of the tracker; systemd starts it again

The docstring of an error is its default message.
"""

import errno
from collections.abc import Iterable
from typing import ClassVar, Final

SHORTAGES: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""What a machine may lack for a while. No setting is wrong then: systemd tries another start."""

NO_PERMISSION: Final = "42501"
"""SQLSTATE: the database answers, and the role may not do it."""

EXIT_OK = 0
EXIT_INTERNAL = 70
EXIT_IO = 74
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130
"""What shells call the end by SIGINT (128 + 2)."""


class TrackerError(Exception):
    """Something went wrong in the tracker."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class Retryable(TrackerError):
    """It failed now and may succeed later."""


class ConnectionFailed(Retryable):
    """A connection could not be made, or its time is over.

    Args:
        reason: One stable word, such as `dns`, `tls` or `stopping`.
        detail: What was observed, as text for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class FeedLost(Retryable):
    """The connection to the feed ended.

    Args:
        reason: One stable word for logs, coverage and status, such as
            `disconnected`, `frozen` or `slow_consumer`.
        detail: What was observed, as text for people; at most 500 characters are kept.
        retry_after_s: Seconds to wait that the server requested, or None.
    """

    def __init__(
        self, reason: str, detail: str = "", *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail[:500]}" if detail else reason)
        self.reason = reason
        self.detail = detail[:500]
        self.retry_after_s = retry_after_s


class StoreUnavailable(Retryable):
    """The database does not answer."""

    def __init__(self, message: str = "", *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class JournalTaken(StoreUnavailable):
    """Another process stores under the identity of this journal; nothing was stored."""


class StoreMiscounts(StoreUnavailable):
    """What the database reports does not add up."""


class StorePoisoned(Retryable):
    """The database rejects too many rows."""


class SchemaNewer(Retryable):
    """A newer version migrated the database, and this one must not write to it."""


class SourceUnavailable(Retryable):
    """The HTTP source did not answer as it should.

    Args:
        message: What happened.
        retry_after_s: Seconds to wait that the server requested, or None.
        status: Of the HTTP answer, or None when there was none in time.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.status = status


class JournalFull(Retryable):
    """The journal has no space."""


class JournalBusy(Retryable):
    """The journal cannot be read for now."""


class Rejected(TrackerError):
    """One thing from outside cannot be used."""


class PayloadRejected(Rejected):
    """The answer does not have the documented form."""


class RecordTooLarge(Rejected):
    """The record is larger than the journal takes."""


class Fatal(TrackerError):
    """The process cannot go on."""

    exit_code: ClassVar[int] = EXIT_INTERNAL

    @property
    def lines(self) -> tuple[str, ...]:
        """Return what to say; a break in a line is one of a name that it repeats."""
        return (str(self),)


class ConfigError(Fatal):
    """A setting is wrong."""

    exit_code = EXIT_CONFIG


class WrongSettings(ConfigError):
    """Several settings may be wrong.

    Args:
        lines: One for each of them.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = tuple(lines)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """Return one line for each of them."""
        return self._lines


class StateDirBusy(Fatal):
    """Another tracker works on this state directory."""

    exit_code = EXIT_CONFIG


class SchemaMismatch(Fatal):
    """The database schema was made by another version of the tracker."""

    exit_code = EXIT_CONFIG


class SchemaLacking(SchemaMismatch):
    """The database lacks migrations of this version.

    Args:
        lacks: A sentence that says so, and names the first of them.
        database: The number of the database on its server.
        is_empty: Nothing at all is in it.
    """

    def __init__(self, lacks: str, *, database: int, is_empty: bool) -> None:
        super().__init__(
            f"{lacks}: run `bin/tracker --migrate`, or start the tracker with TRACKER_MIGRATE on"
        )
        self.lacks = lacks
        self.database = database
        self.is_empty = is_empty


class JournalUnreadable(Fatal):
    """The journal cannot be opened."""

    exit_code = EXIT_CONFIG


class JournalFailed(Fatal):
    """The disk does not take what was received."""

    exit_code = EXIT_IO


class RecordingFailed(Fatal):
    """The recording cannot be written."""

    exit_code = EXIT_IO


class AddressTaken(Fatal):
    """A socket or port is in use."""

    exit_code = EXIT_IO


class Shortage(Fatal):
    """The machine lacks what the start needs."""

    exit_code = EXIT_IO


class Internal(Fatal):
    """Our own fault."""


def start_error(exc: OSError, what: str, advice: str = "") -> Fatal:
    """Return the error with which a start ends because of an error of the system.

    Args:
        exc: What the system said.
        what: What could not be done or used.
        advice: What a person can change, unless the machine only lacks something.
    """
    if exc.errno in SHORTAGES:
        return Shortage(f"{what}: {reason_of(exc)}")
    return ConfigError(f"{what}: {exc.strerror or exc}" + (f"; {advice}" if advice else ""))


def reason_of(exc: OSError) -> str:
    """Return what the system said, and what a person can do where the machine lacks something."""
    text = exc.strerror or str(exc)
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{text}: its file system has no space, or no inode (see `df` and `df -i`)"
    if exc.errno in (errno.EMFILE, errno.ENFILE):
        return f"{text}: raise LimitNOFILE= of the service, or `ulimit -n`"
    return text
