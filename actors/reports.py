"""Reports: what children tell their supervisor of their own lives.

`child` and `incarnation` name one life of one child. `now` is monotonic seconds,
`*_ns` wall clock.
"""

from actors.messages import Message
from actors.model.trade import TokenId
from actors.supervision.canary import Busiest


class ConnectionReport(Message, frozen=True, kw_only=True):
    """Connection → supervisor, on Tick: how it is. Counters only rise within one epoch.

    Attributes:
        busy: Its busiest tokens, a few.
        unheard: Tokens that were asked for again and again, and no `book` came.
        deaf: It was found deaf once too often: another connection had better take over.
        wakes_at: When it is to be told the time again, at the latest; 0.0: soon.
    """

    child: str
    incarnation: int
    now: float
    state: str
    epoch: int
    tokens: int
    confirmed: int
    prints_total: int
    refused_total: int
    frames_total: int
    bytes_total: int
    last_data_at: float
    proven_until_ns: int
    unknown_total: int
    busy: Busiest = ()
    unheard: tuple[TokenId, ...] = ()
    deaf: bool = False
    wakes_at: float = 0.0


class ConnectionEnded(Message, frozen=True, kw_only=True):
    """Connection → supervisor: this life is over, in a way that was to be expected."""

    child: str
    incarnation: int
    epoch: int
    reason: str
    detail: str
    retry_after_s: float | None


class WriterReport(Message, frozen=True, kw_only=True):
    """Writer → supervisor, on Tick."""

    child: str
    incarnation: int
    now: float
    state: str
    waiting: int


class CatalogReport(Message, frozen=True, kw_only=True):
    """Catalogue → supervisor, on Tick."""

    child: str
    incarnation: int
    now: float
    markets: int
    last_sweep_at: float | None
    last_error: str
    waiting: int


class ResolutionReport(Message, frozen=True, kw_only=True):
    """Resolution → supervisor, on Tick.

    Attributes:
        pending: (reason, markets without a stored verdict that wait for it).
        requests: (source, requests since the start, requests of the last ten seconds).
    """

    child: str
    incarnation: int
    now: float
    recorded_total: int
    conflicts_total: int
    pending: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, str], ...]
    waiting: int
    requests: tuple[tuple[str, int, int], ...] = ()


class ChildDied(Message, frozen=True, kw_only=True):
    """A shell → supervisor: an unexpected error killed this life; `traceback` is for the log.

    `exit_code` is set when the process cannot go on (`errors.Fatal`).
    """

    child: str
    incarnation: int
    reason: str
    traceback: str
    exit_code: int | None = None


class HeardOut(Message, frozen=True, kw_only=True):
    """Supervisor → itself, behind all that a life told which is over: now it has no more to say."""

    child: str
    incarnation: int
