"""What the actors need of the world, as Protocols; `app.py` hands in the edges that fit.

Each method says what it raises; nothing here is implemented.
"""

from collections.abc import Callable
from typing import Protocol


class FeedSocket(Protocol):
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
        """Return the time of receipt (wall clock, ns) and the bytes of a frame that was skipped.

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
    ) -> FeedSocket:
        """Connect within the deadline.

        `on_frames(received_at_ns, frames)` and, once, `on_end(reason, detail)`
        are called in the reactor's thread.

        Raises:
            FeedLost: With a stable reason.
        """
