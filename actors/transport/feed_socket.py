"""One connection of the feed: a socket that the reactor reads and writes, as others see it.

Other threads only put commands into the reactor's queue, and read plain numbers that the
reactor's thread alone writes.
"""

import contextlib
import os
import ssl
import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from actors.network.tls import TlsSocket
from actors.transport.handshake import OpenWebSocket, close_frame, text_frame
from actors.transport.skimmer import NOTHING, FrameSkimmer, Skim

UNSENT_BYTES = 1 << 20
"""What may wait to be sent on one connection. More ends the connection with `write_failed`."""

SAMPLE_S = 0.5
"""The age at which a sample is replaced by the next skipped message."""

PROGRESS_BYTES = 1 << 10
"""So many new bytes of an unfinished message are progress. Fewer in 10 s are as good as none."""

DATA_BYTES = 64 << 10
"""So many new bytes of an unfinished message count as data, as a whole message does."""

OnFrames = Callable[[int, tuple[bytes, ...]], None]
OnEnd = Callable[[str, str], None]


class OwnerFailedError(Exception):
    """`on_frames` raised; its exception is the cause."""


class Verb(Enum):
    """What a reactor shall do with a connection."""

    ADOPT = auto()
    SEND = auto()
    CLOSE = auto()
    ABORT = auto()
    OVERFLOW = auto()
    RESUME = auto()


class Command(NamedTuple):
    """One command to the reactor. `data`: a frame to send; `reason`: of an abort."""

    verb: Verb
    connection: "ReactorSocket"
    data: bytes = b""
    reason: str = ""


class CommandQueue:
    """Commands of all threads to one reactor, whose epoll wakes at `fileno()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commands: list[Command] = []
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._open = True

    def fileno(self) -> int:
        """Return the descriptor that is readable while there are commands."""
        return self._event

    def put(self, command: Command) -> bool:
        """Add a command; return False if the reactor has stopped and will not execute it."""
        with self._lock:
            # Under the lock until the write is done: `close` closes the descriptor, and its number
            # may then belong to another file.
            if self._open:
                self._commands.append(command)
                # One write wakes the reactor for all that waits, since it takes everything at once.
                if len(self._commands) == 1:
                    os.eventfd_write(self._event, 1)
            return self._open

    def wake(self) -> None:
        """Wake the reactor without a command."""
        with self._lock:
            if self._open:
                os.eventfd_write(self._event, 1)

    def take(self) -> list[Command]:
        """Remove and return all commands, oldest first. In the reactor's thread."""
        with self._lock:
            # The list and the event are emptied under one lock. If the event were read later, it
            # could swallow the wake-up of a command that was put in between.
            commands, self._commands = self._commands, []
            with contextlib.suppress(BlockingIOError):  # nobody has written since the last read
                os.eventfd_read(self._event)
            return commands

    def close(self) -> list[Command]:
        """Return the last commands, and accept no more. In the reactor's thread."""
        commands = self.take()
        with self._lock:
            self._open = False
            # `take` has released the lock, so more may have come.
            commands += self._commands
            self._commands = []
            os.close(self._event)
        return commands


class ReactorSocket:
    """One adopted socket. Its owner's methods never block; any thread may call them.

    Attributes:
        peer: Address and port of the server, for people.
        skimmer: Walks the frames of this connection.
        last_byte_at: When the last byte arrived (monotonic seconds; the time of adoption before).
        last_data_at: When the last message arrived that was more than a short control text such
            as PONG, handed on or skipped, or a large part of one (monotonic seconds; 0.0: none
            yet).
        stalled_since: Since when a frame, or message in fragments, that is incomplete has made no
            progress (monotonic seconds; 0.0: none is incomplete).
        unfinished_bytes: How much of it has arrived; 0 when none is incomplete.
        counted_bytes: How much of that the reactor has counted. Of its thread alone.
        paused: Whether it is read no further until its owner has handled enough.
        handed_bytes: Bytes of all messages handed on. Written by the reactor's thread.
        handled_bytes: Bytes of all messages handled. Written by the owner's thread.
    """

    __slots__ = (
        "_commands",
        "_data_bytes",
        "_early",
        "_leaving",
        "_lock",
        "_progress_bytes",
        "_record_bytes",
        "_sample",
        "_sampled_at",
        "_unsent",
        "closing_at",
        "counted_bytes",
        "ended",
        "fd",
        "handed_bytes",
        "handled_bytes",
        "has_more",
        "interest",
        "last_byte_at",
        "last_data_at",
        "on_end",
        "on_frames",
        "out",
        "paused",
        "peer",
        "skimmer",
        "sock",
        "stalled_since",
        "tls",
        "unfinished_bytes",
        "write_blocked",
        "write_failed",
    )

    def __init__(
        self,
        opened: OpenWebSocket,
        skimmer: FrameSkimmer,
        commands: CommandQueue,
        *,
        on_frames: OnFrames,
        on_end: OnEnd,
    ) -> None:
        self._commands = commands
        self._lock = threading.Lock()  # of `_unsent` and `_leaving`
        self._unsent = 0
        self._leaving = False  # CLOSE was requested, or the end: nothing more is sent
        self._sample: tuple[int, bytes] | None = None
        self._sampled_at = 0.0
        # Two counters instead of one difference: each is written by one thread only, so that no
        # message needs a lock.
        self.handed_bytes = 0
        self.handled_bytes = 0
        self.paused = False  # written by the reactor's thread alone
        self.peer = opened.peer
        self._early = opened.early
        self.skimmer = skimmer
        self.last_byte_at = 0.0
        self.last_data_at = 0.0
        self.stalled_since = 0.0
        self.unfinished_bytes = self.counted_bytes = 0
        # Of the unfinished message, when it last made progress, and when it last counted as data.
        self._progress_bytes = self._data_bytes = 0
        self._record_bytes = 0  # of the unfinished TLS record, when it last made progress
        # What follows belongs to the reactor's thread.
        self.sock = opened.sock
        self.tls = opened.sock if isinstance(opened.sock, TlsSocket) else None
        self.on_frames = on_frames
        self.on_end = on_end
        self.out = bytearray()  # at most UNSENT_BYTES, and a few answers to PINGs
        self.fd = -1  # once adopted; the key of the connection
        self.has_more = False  # the last read left something that epoll does not know of
        self.interest = 0  # the events that epoll watches for
        self.write_blocked = False  # the kernel took less than there is to write
        self.write_failed = False
        self.closing_at = 0.0  # until when our CLOSE may wait for theirs; 0.0: none was sent
        self.ended = False

    @property
    def bytes_total(self) -> int:
        """Return how many bytes were received."""
        return self.skimmer.bytes_total

    @property
    def frames_total(self) -> int:
        """Return how many frames were received, including those skipped."""
        return self.skimmer.frames_total

    @property
    def unhandled(self) -> int:
        """Return how many bytes of messages wait for the owner."""
        return self.handed_bytes - self.handled_bytes

    def take_sample(self) -> tuple[int, bytes] | None:
        """Return the time of receipt (ns) and the bytes of a recently skipped message, once.

        By the owner. None while a message that was handed on is not handled yet, since that
        message may be older than the sample.
        """
        # First the sample, then the comparison. In the other order the reactor could hand on a
        # message and store a younger sample between the two, and the message would be overtaken.
        sample, self._sample = self._sample, None
        return None if self.unhandled else sample

    def set_markers(self, markers: tuple[bytes, ...]) -> None:
        """Hand on messages that contain one of these, from the next read on."""
        self.skimmer.set_markers(markers)

    def handled(self, size: int) -> None:
        """Record that messages of `size` bytes in all are handled. By the owner, in its thread."""
        self.handled_bytes += size
        if self.paused:
            self._commands.put(Command(Verb.RESUME, self))

    def send_text(self, text: str) -> None:
        """Send a text frame, unless the connection has ended or is about to."""
        frame = text_frame(text)
        verb = Verb.SEND
        with self._lock:
            if self._leaving:
                return
            self._unsent += len(frame)
            if self._unsent > UNSENT_BYTES:
                # A server that reads nothing must not fill the memory, and a dropped subscription
                # would be listening that never happens: the connection ends.
                verb, frame, self._leaving = Verb.OVERFLOW, b"", True
        self._commands.put(Command(verb, self, data=frame))

    def close(self, code: int, reason: str) -> None:
        """Send CLOSE after what waits, read until the server's CLOSE (2 s at most), then end."""
        with self._lock:
            leaving, self._leaving = self._leaving, True
        if not leaving:
            self._commands.put(Command(Verb.CLOSE, self, data=close_frame(code, reason)))

    def abort(self, reason: str) -> None:
        """End the connection now, with this reason; what is not read yet is lost."""
        with self._lock:
            self._leaving = True
        self._commands.put(Command(Verb.ABORT, self, reason=reason))

    # ------------------------------------------------ in the reactor's thread

    def receive(
        self,
        scratch: bytearray,
        view: memoryview,
        wall_ns: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> tuple[int, Skim]:
        """Read once, and hand what may matter to the owner.

        Args:
            scratch: The reactor's buffer.
            view: All of `scratch`.
            wall_ns: Gives the time of receipt.
            monotonic: Gives the time for the attributes of this connection.

        Returns:
            How many bytes were read (0: end of file; -1: nothing is there), and what they were.

        Raises:
            OSError: The connection is broken.
            OwnerFailedError: `on_frames` raised.
        """
        # Leaves space in front, to which the skimmer copies the unfinished frame.
        start = self.skimmer.held
        try:
            if self._early:
                size = self._take_early(view)
            else:
                size = self.sock.recv_into(view[start:] if start else view)
        except (BlockingIOError, ssl.SSLWantReadError):
            if self.tls is not None:
                self._note_record(self.tls.held_bytes, monotonic)
            return -1, NOTHING
        if not size:
            return 0, NOTHING
        # Before the frames are walked, which may take milliseconds after a stall.
        at_ns = wall_ns()
        self.has_more = self.tls is not None and self.tls.has_more
        skim = self._skim(scratch, start, start + size, monotonic())
        if skim.messages:
            # Before the owner is given them: it may have handled them before the next line runs
            # here, and `handled_bytes` must never be ahead.
            self.handed_bytes += sum(map(len, skim.messages))
            try:
                self.on_frames(at_ns, skim.messages)
            except Exception as exc:
                raise OwnerFailedError from exc
        if self.skimmer.sample is not None:  # younger than all that was handed on
            self._sample = at_ns, self.skimmer.sample
            self.skimmer.sample = None
        return size, skim

    def _take_early(self, view: memoryview) -> int:
        # What the handshake has read of the frames; before the first read, so nothing is held.
        early, self._early = self._early, b""
        view[: len(early)] = early
        return len(early)

    def _skim(self, scratch: bytearray, start: int, end: int, now: float) -> Skim:
        # Walk the frames that were read, and keep the times.
        skimmer = self.skimmer
        frames, data = skimmer.frames_total, skimmer.data_total
        messages = skimmer.messages_total + skimmer.skipped_total
        if now - self._sampled_at >= SAMPLE_S:
            self._sampled_at = now
            skimmer.request_sample()
        skim = skimmer.skim(scratch, start, end)
        self.last_byte_at = now
        if skimmer.data_total != data:
            self.last_data_at = now
        if not skimmer.frame_in_progress:
            self.stalled_since = 0.0
            self.unfinished_bytes = 0
        else:
            # Another one than before the read? Control frames may come between the fragments of
            # the same message (RFC 6455 5.4).
            another = (
                not self.stalled_since
                or messages != skimmer.messages_total + skimmer.skipped_total
                or (frames != skimmer.frames_total and not skimmer.in_fragments)
            )
            self._note_unfinished(skimmer.unfinished_bytes, now, another=another)
        return skim

    def _note_record(self, size: int, monotonic: Callable[[], float]) -> None:
        # A record holds up to 16 KiB and is decrypted as a whole. On a slow network its bytes are
        # all that shows for many seconds that something arrives.
        if size - self._record_bytes >= PROGRESS_BYTES:
            self.last_byte_at = monotonic()
            if self.stalled_since:
                self.stalled_since = self.last_byte_at
            self._record_bytes = size
        elif size < self._record_bytes:  # another record
            self._record_bytes = size

    def _note_unfinished(self, size: int, now: float, *, another: bool) -> None:
        # A large message may arrive slowly and must be read to its end: bytes are progress. But
        # not every single byte, or a server that sends one a second would never end.
        if another:
            self.stalled_since = now
            self._progress_bytes = self._data_bytes = size
        elif size - self._progress_bytes >= PROGRESS_BYTES:
            self.stalled_since = now
            self._progress_bytes = size
        if size - self._data_bytes >= DATA_BYTES:
            self.last_data_at = now
            self._data_bytes = size
        self.unfinished_bytes = size

    def answer(self, frame: bytes) -> None:
        """Add a frame of the reactor's own to what waits to be sent."""
        with self._lock:
            self._unsent += len(frame)
        self.out += frame

    def sent(self, size: int) -> None:
        """Remove what the kernel took."""
        del self.out[:size]
        with self._lock:
            self._unsent -= size
