"""What health reads off the reports of others: the messages of the actors have these shapes.

Logic stands below the messages, so it names only the attributes that it needs.
Meanings and units stand where the attributes are declared.
"""

# ruff: noqa: D102 - each attribute is described where it is declared, not where it is read
from typing import Protocol

import msgspec


class ConnectionFigures(Protocol):
    """As in `ConnectionReport`."""

    @property
    def child(self) -> str: ...
    @property
    def incarnation(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def tokens(self) -> int: ...
    @property
    def confirmed(self) -> int: ...
    @property
    def prints_total(self) -> int: ...
    @property
    def refused_total(self) -> int: ...
    @property
    def bytes_total(self) -> int: ...
    @property
    def unknown_total(self) -> int: ...
    @property
    def last_data_at(self) -> float: ...


class CommitFigures(Protocol):
    """As in `BatchWritten`."""

    @property
    def stored(self) -> int: ...
    @property
    def repeated(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def recovered(self) -> int: ...
    @property
    def mark(self) -> int: ...
    @property
    def oldest_received_ns(self) -> int: ...


class CatalogFigures(Protocol):
    """As in `CatalogReport`."""

    @property
    def markets(self) -> int: ...
    @property
    def last_sweep_at(self) -> float | None: ...
    @property
    def last_error(self) -> str: ...


class ResolutionFigures(Protocol):
    """As in `ResolutionReport`."""

    @property
    def recorded_total(self) -> int: ...
    @property
    def conflicts_total(self) -> int: ...
    @property
    def pending(self) -> tuple[tuple[str, int], ...]: ...
    @property
    def sources(self) -> tuple[tuple[str, str], ...]: ...


class JournalFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The journal at one moment.

    Attributes:
        next_seq: The sequence that the next record will get.
        durable_seq: The last sequence that is synced to disk.
        cap_bytes: The largest it may become.
        oldest_s: Age of the oldest record that is not committed; 0 when there is none.
        weight_appended: Prints and refused events that this process appended.
        full: Reading has stopped for want of room.
    """

    next_seq: int
    durable_seq: int
    size_bytes: int
    cap_bytes: int
    free_bytes: int
    sync_p99_s: float
    oldest_s: float
    weight_appended: int
    full: bool
