"""What the actors need of the world, as Protocols; `app.py` hands in the edges that fit.

Each method says what it raises; nothing here is implemented.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol
from uuid import UUID

from actors.model.batch import Batch, Committed, Opened
from actors.model.facts import Entry, Hole
from actors.model.market import Market
from actors.model.trade import ConditionId
from actors.resolution.rechecks import Recheck, Stretch
from actors.resolution.standing import LastWords


class Line(Protocol):
    """One adopted socket: written through here, read by the reactor.

    `last_byte_at`, `last_data_at` and `stalled_since` are monotonic seconds
    (0.0: never); a control text such as PONG is no data.
    """

    @property
    def last_byte_at(self) -> float:
        """When the last byte arrived."""

    @property
    def last_data_at(self) -> float:
        """When the last data frame arrived, handed on or skipped."""

    @property
    def stalled_since(self) -> float:
        """Since when a frame has been incomplete."""

    @property
    def bytes_total(self) -> int:
        """Bytes received."""

    @property
    def frames_total(self) -> int:
        """Frames received, skipped ones included."""

    def handled(self, size: int) -> None:
        """Tell that messages of so many bytes in all are done with: there may come more."""

    def send_text(self, text: str) -> None:
        """Queue a text frame."""

    def take_sample(self) -> tuple[int, bytes] | None:
        """Give the time of receipt (wall clock, ns) and the bytes of a frame that was skipped.

        The latest, once; None when there is none, or when frames of before may wait.
        """

    def set_markers(self, markers: tuple[bytes, ...]) -> None:
        """Name the byte strings whose frames are to be handed on."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; frames go on arriving until the end is told."""

    def abort(self, reason: str) -> None:
        """End it now."""


class Dialler(Protocol):
    """Opens lines: a blocking handshake, then the reactor reads."""

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> Line:
        """Connect within the deadline.

        `on_frames(received_at_ns, frames)` and, once, `on_end(reason, detail)`
        are called in the reactor's thread.

        Raises:
            FeedLost: With a stable reason.
        """


class Journal(Protocol):
    """Where everything goes first. Sequences count from 1 and are never used twice."""

    @property
    def journal_id(self) -> UUID:
        """Which journal this is, for ever."""

    @property
    def next_seq(self) -> int:
        """The sequence that the next record will get."""

    @property
    def oldest_seq(self) -> int:
        """The lowest sequence that can still be read."""

    @property
    def unmet_seq(self) -> int:
        """The lowest sequence given out since a database was met; no mark may be above it."""

    def met(self) -> None:
        """Note that the database and this journal belong together."""

    def renew(self) -> None:
        """Take another identity: to a database this is another journal now. Sequences go on."""

    @property
    def opened_at_seq(self) -> int:
        """The first sequence of this process."""

    @property
    def mark(self) -> int:
        """Highest mark that was released; at first the oldest sequence there is."""

    def append(self, body: bytes, *, weight: int = 0) -> int:
        """Write one record at once; give its sequence.

        Raises:
            JournalFull: The disk or the cap leaves no room; nothing was written.
            JournalFailed: The disk does not take it; the process must end.
        """

    def read(self, from_seq: int) -> Iterator[Entry | Hole]:
        """Give entries from this sequence on, and holes where they cannot be read."""

    def release(self, mark: int) -> None:
        """Everything below `mark` is committed: its segments may go."""


class Store(Protocol):
    """The database, as the writer sees it."""

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        """Connect and read the mark; of a journal that is new here it is `first_seq`.

        Raises:
            StoreUnavailable: Try again later.
            SchemaMismatch: A person must act.
        """

    def commit(self, batch: Batch) -> Committed:
        """Store all of it and move the mark, in one transaction.

        Raises:
            StoreUnavailable: It may or may not be committed; open again and ask the mark.
            StorePoisoned: Too many rows were refused; nothing was stored. Open again, later.
        """

    def open_markets(self) -> Iterator[tuple[Market, ...]]:
        """Give the markets that have no resolution yet, in chunks."""

    def last_words(self, conditions: Sequence[ConditionId]) -> LastWords:
        """Give what earlier lives heard last of these markets."""

    def verdicts_to_check(self, stretch: Stretch) -> Iterator[tuple[Recheck, ...]]:
        """Give the verdicts of which another look falls due, in chunks."""

    def close(self) -> None:
        """Let go of the connection."""
