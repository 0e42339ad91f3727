"""What a connection needs of the network, as protocols; `transport` and `app` implement them.

`ConnectionSettings` is what is the same for all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from actors.feed.samples import Samples
from actors.model.trade import TokenId


class ConnectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The times of a connection, in seconds, and what all connections share.

    Attributes:
        silence_s: How long data may stay away.
        proof_s: Between two proofs of coverage that are written.
        release_s: How long an unwanted token may wait for the proof that it was listened to
            until it became unwanted.
        samples: Says what is kept of what is rejected; shared by all connections.
    """

    silence_s: float = 60.0
    proof_s: float = 5.0
    release_s: float = 10.0
    samples: Samples = msgspec.field(default_factory=Samples)


class FeedSocket(Protocol):
    """One connected WebSocket: written through here, read by the reactor's thread.

    `last_byte_at`, `last_data_at` and `stalled_since` are monotonic seconds (0.0: never);
    a control text such as PONG is no data.
    """

    @property
    def last_byte_at(self) -> float:
        """Return when the last byte arrived."""

    @property
    def last_data_at(self) -> float:
        """Return when the last data frame, handed on or skipped, or a large part of one arrived."""

    @property
    def stalled_since(self) -> float:
        """Return since when an incomplete frame has made no progress."""

    @property
    def unfinished_bytes(self) -> int:
        """Return how much of an incomplete frame has arrived; 0 when there is none."""

    @property
    def bytes_total(self) -> int:
        """Return how many bytes were received."""

    @property
    def frames_total(self) -> int:
        """Return how many frames were received, skipped ones included."""

    def handled(self, size: int) -> None:
        """Record that messages of so many bytes in all were handled: more may be handed on."""

    def send_text(self, text: str) -> None:
        """Queue a text frame."""

    def take_sample(self) -> tuple[int, bytes] | None:
        """Return the time of receipt (wall clock, ns) and the bytes of a skipped frame.

        The latest one, once; None when there is none, or when earlier frames may still wait.
        """

    def set_markers(self, markers: tuple[bytes, ...]) -> None:
        """Set the byte strings of which a frame must contain one to be handed on."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; frames may arrive until `on_end` is called."""

    def abort(self, reason: str) -> None:
        """Close the socket at once."""


class Dialler(Protocol):
    """Opens connections: a blocking handshake, then the reactor reads. Asks beside them, too."""

    def last_changes(self, tokens: Sequence[TokenId]) -> Mapping[TokenId, int] | None:
        """Return when the order book of each token changed last, exchange milliseconds.

        Tokens without a book are left out, and all when there is no answer now. None: it is
        not this connection's turn, and it may ask again soon. Blocks for 5 s at most, for
        each 100 tokens.
        """

    def dial(
        self,
        markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> FeedSocket:
        """Connect within the deadline.

        Args:
            markers: See `FeedSocket.set_markers`.
            on_frames: Called in the reactor's thread with the time of receipt (wall clock,
                ns) and the frames.
            on_end: Called once in the reactor's thread, with reason and detail.

        Raises:
            FeedLost: With a stable reason.
        """
