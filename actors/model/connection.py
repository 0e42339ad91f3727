"""What a connection is: its task, how many there may be, its states, the gaps that it leaves."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from actors.model.trade import TokenId

# Messages of 200 KB (2,600 ids) made the server drop the connection (reported 2026-04).
TOKENS_AT_ONCE: Final = 100
"""The most tokens of one subscription message, as long as their books arrive."""
RESERVED: Final = 160
"""Descriptors for all that is no connection.

In ordinary life about 20 are used, and one more by the stream of all markets. Strangers can take
those of 16 clients of the status socket, of 32 of the metrics, of 16 sockets that are closing, of
32 addresses that are tried beside others, and of 16 lookups of each host that is asked.
"""
HANDOVERS: Final = 8
"""Connections beyond the plan at a time: successors of others."""


class ConnectionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The task of one connection, as the plan stands when the connection is started.

    Attributes:
        name: Of the connection: that of its slot, e.g. `a-0003`, for the first connection
            of the slot; `a-0003.1` and so on for those that replace it.
        feed: Which redundant copy of the subscription it belongs to: 0 is feed A.
        tokens: The tokens whose trades it records.
        announced: More of them, which were only announced: perhaps the exchange does not know them
            yet. They count as `tokens` from their first `book` on.
        canary: Tokens that it subscribes to only so that silence means something; another
            connection records their trades.
        lifecycle: Whether it receives new markets and resolutions of all markets.
        tokens_at_once: The most tokens of one subscription message. Their books come in one
            frame, which a slow network takes long to bring.
    """

    name: str
    feed: int
    tokens: tuple[TokenId, ...] = ()
    announced: tuple[TokenId, ...] = ()
    canary: tuple[TokenId, ...] = ()
    lifecycle: bool = False
    tokens_at_once: int = TOKENS_AT_ONCE


def slot_of(connection: str) -> str:
    """Return the name of the slot that a connection fills or filled.

    >>> slot_of("a-0003.7"), slot_of("a-0003")
    ('a-0003', 'a-0003')
    """
    return connection.partition(".")[0]


class GapCause(StrEnum):
    """Why a token was not listened to. The texts are stored; `coverage_gaps` shows them.

    `CLOCK_STEP`: our clock was behind, so listening began later than it showed.
    `NOT_DISCOVERED`: it could be traded, and we did not know of it.
    """

    NEVER_CONFIRMED = "never_confirmed"
    DISCONNECTED = "disconnected"
    FROZEN = "frozen"
    TOKEN_MISSED = "deaf"  # noqa: S105 -- the text that the tables hold until they change
    PROCESS_DOWN = "process_down"
    DISK_FULL = "disk_full"
    EXCHANGE_SILENT = "exchange_silent"
    CLOCK_STEP = "clock_step"
    REJECTED = "rejected"
    NOT_DISCOVERED = "not_discovered"


STALLED: Final = "stalled_frame"
"""The reason of an end when a frame began to arrive and did not end."""

TOO_BIG: Final = "too_big"
"""The reason of an end when a message was larger than we take: what it held is not known."""

UNFINISHED: Final = "unfinished"
"""The reason of an end when what has begun to arrive on all connections took too much memory."""

_CAUSES: Final[Mapping[str, GapCause]] = {
    **{cause.value: cause for cause in GapCause},
    "dead_transport": GapCause.DISCONNECTED,
    STALLED: GapCause.FROZEN,
    "no_books": GapCause.NEVER_CONFIRMED,
    "stopped": GapCause.PROCESS_DOWN,
}
_NOT_THE_EXCHANGE: Final = frozenset({GapCause.DISK_FULL, GapCause.PROCESS_DOWN})


def gap_cause(reason: str, *, exchange_silent: bool = False) -> str:
    """Return the cause of the gap that a connection leaves when it ends for this reason.

    Every way to lose a socket (`reset`, `closed_1013`, `protocol` …) is `disconnected`. While
    the whole exchange is silent, that is the cause of every gap but those of our own making.
    """
    cause = _CAUSES.get(reason, GapCause.DISCONNECTED)
    if exchange_silent and cause not in _NOT_THE_EXCHANGE:
        return GapCause.EXCHANGE_SILENT.value
    return cause.value


LISTENING: Final = "listening"
"""The state of a connection that does its work, as it reports it."""

DISK_FULL: Final = GapCause.DISK_FULL.value
"""The reason for which connections end while the journal has no space left."""
ALL_RESOLVED: Final = "all_resolved"
"""The reason of an end when every market of the connection is resolved."""
SLOW_CONSUMER: Final = "closed_1013"
"""The reason of an end when we read too slowly, or the connection carries too much."""


OTHER_END: Final = "other"
END_REASONS: Final = (
    *("dns", "refused", "unreachable", "connect_timeout", "tls", "handshake_timeout", "handshake"),
    *("redirected", "http_401", "http_403", "http_404", "http_429"),
    *("http_500", "http_502", "http_503", "http_504", "no_descriptors"),
    *("disconnected", "reset", "write_failed"),
    *("closed_1000", "closed_1001", "closed_1006", "closed_1008", "closed_1011", "closed_1012"),
    *(SLOW_CONSUMER, "dead_transport", GapCause.FROZEN.value, ALL_RESOLVED, "no_books", STALLED),
    *("protocol", TOO_BIG, UNFINISHED, DISK_FULL, "replaced", "abandoned", "released", "stopped"),
    *("unresponsive", "closed", "internal", OTHER_END),
)
"""Why connections end, as the metrics count it. Others, such as further statuses and codes, which
the exchange chooses, count as `other`, so that there are never more."""
_END_REASONS: Final = frozenset(END_REASONS)


def end_reason(reason: str) -> str:
    """Return the one of `END_REASONS` under which an end for this reason is counted."""
    return reason if reason in _END_REASONS else OTHER_END


class DescriptorLimit(msgspec.Struct, frozen=True):
    """How many file descriptors the process may open: its `RLIMIT_NOFILE`.

    A connection has one. Some are kept for everything else: status, metrics, journal, database,
    HTTP, name servers. Without that reserve thousands of connections would leave none for them.
    """

    limit: int = 1 << 20

    @property
    def connections(self) -> int:
        """Return how many connections may be open at a time."""
        # Of a very small limit half is kept, so that there are connections at all.
        return max(self.limit - RESERVED, self.limit // 2)

    @property
    def slots(self) -> int:
        """Return how many connections the plan may have at most."""
        # One is for announcements, some are for handovers.
        return max(self.connections - HANDOVERS - 1, 1)

    def needed(self, slots: int) -> int:
        """Return the limit that is needed for so many connections of the plan."""
        return slots + HANDOVERS + RESERVED
