"""The journal's own account of itself, in the shape that health reads."""

from typing import Protocol

import msgspec

from actors.health.state import Health, HealthState
from actors.messages import Tick
from actors.supervision.headroom import Headroom, Spacious


class Stats(Protocol):
    """As the journal gives them; see `journal/figures.py`."""

    # ruff: noqa: D102 - each is described where it is declared
    @property
    def next_seq(self) -> int: ...
    @property
    def durable_seq(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def sync_p99_s(self) -> float: ...
    @property
    def oldest_ns(self) -> int | None: ...
    @property
    def weight_appended(self) -> int: ...


class MeasuredJournal(Spacious, Protocol):
    """A journal that can be asked how it is, from any thread."""

    def stats(self) -> Stats:
        """Give the figures of this moment."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """See `logic.reported.JournalFigures`."""

    next_seq: int
    durable_seq: int
    bytes: int
    cap_bytes: int
    free_bytes: int
    sync_p99_s: float
    weight_appended: int
    full: bool


class Reporting:
    """Health and the journal side by side: what the supervisor answers with."""

    def __init__(self, health: HealthState, journal: MeasuredJournal) -> None:
        self.health = health
        self.headroom = Headroom(journal)
        self._journal = journal

    def sample(self, tick: Tick) -> None:
        """Look at the journal and at what is listened to.

        Raises:
            JournalFailed: The disk fails.
        """
        self.headroom.look()
        self.health.time_passed(tick.now, tick.wall_ns)
        stats = self._journal.stats()
        figures = Figures(
            next_seq=stats.next_seq,
            durable_seq=stats.durable_seq,
            bytes=stats.bytes,
            cap_bytes=stats.max_bytes,
            free_bytes=stats.free_bytes,
            sync_p99_s=stats.sync_p99_s,
            weight_appended=stats.weight_appended,
            full=self.headroom.shut,
        )
        oldest_ns = stats.oldest_ns or tick.wall_ns
        self.health.journal_sampled(figures, oldest_s=max(0.0, (tick.wall_ns - oldest_ns) / 1e9))

    def document(self, tick: Tick) -> Health:
        """Give the state of this moment, the journal's figures included."""
        self.sample(tick)
        return self.health.document(now=tick.now, wall_ns=tick.wall_ns)
