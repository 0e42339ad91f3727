"""A line: one socket that a reactor reads and writes, as others see it.

Others only put commands into the reactor's inbox, from any thread, and read
plain numbers that the reactor's thread alone writes.
"""

import contextlib
import os
import ssl
import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from actors.transport.handshake import Wire, close_frame, text_frame
from actors.transport.skimmer import FrameSkimmer, Skim
from actors.transport.tls import TlsSocket

UNSENT_BYTES = 1 << 20
"""What may wait to be sent on one line. More ends the line with `write_failed`."""

SAMPLE_S = 0.5
"""How old a sample grows before another one takes its place, if there is one."""

OnFrames = Callable[[int, tuple[bytes, ...]], None]
OnEnd = Callable[[str, str], None]


class Verb(Enum):
    """What a reactor is asked to do with a line."""

    ADOPT = auto()
    SEND = auto()
    CLOSE = auto()
    ABORT = auto()
    OVERFLOW = auto()
    RESUME = auto()


class Command(NamedTuple):
    """One wish. `data` is a frame to send, `reason` why an abort."""

    verb: Verb
    line: "ReactorSocket"
    data: bytes = b""
    reason: str = ""


class CommandQueue:
    """Commands from all threads to one reactor, whose epoll wakes at `fileno()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commands: list[Command] = []
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._open = True

    def fileno(self) -> int:
        """Return the descriptor that is readable while there is something to do."""
        return self._event

    def put(self, command: Command) -> bool:
        """Leave a command. False: the reactor has stopped and will not see it."""
        with self._lock:
            if self._open:
                self._commands.append(command)
                if len(self._commands) == 1:
                    os.eventfd_write(self._event, 1)
            return self._open

    def wake(self) -> None:
        """Let the reactor look around, without a command."""
        with self._lock:
            if self._open:
                os.eventfd_write(self._event, 1)

    def take(self) -> list[Command]:
        """Take all commands, oldest first. In the reactor's thread."""
        with self._lock:
            commands, self._commands = self._commands, []
            with contextlib.suppress(BlockingIOError):  # nobody rang since the last look
                os.eventfd_read(self._event)
            return commands

    def close(self) -> list[Command]:
        """Take the last commands; there will be no more."""
        commands = self.take()
        with self._lock:
            self._open = False
            commands += self._commands
            self._commands = []
            os.close(self._event)
        return commands


class ReactorSocket:
    """One adopted socket. Its methods may be called by any thread and never block.

    Attributes:
        peer: Address and port of the server, for people.
        skimmer: What walks its frames.
        last_byte_at: When the last byte arrived (monotonic seconds; adoption at first).
        last_data_at: When the last message arrived that was more than a short
            control text such as PONG, handed on or skipped (monotonic; 0.0: none yet).
        stalled_since: Since when one frame, or message in fragments, has been
            incomplete (monotonic); 0.0 when none is.
        paused: Whether it is read no further until its owner has handled enough.
    """

    __slots__ = (
        "_handed",
        "_handled",
        "_inbox",
        "_leaving",
        "_lock",
        "_sample",
        "_sampled_at",
        "_unsent",
        "closing_at",
        "ended",
        "fd",
        "interest",
        "last_byte_at",
        "last_data_at",
        "on_end",
        "on_frames",
        "out",
        "paused",
        "peer",
        "silent",
        "skimmer",
        "sock",
        "stalled_since",
        "tls",
        "wants_out",
    )

    def __init__(
        self,
        wire: Wire,
        skimmer: FrameSkimmer,
        inbox: CommandQueue,
        *,
        on_frames: OnFrames,
        on_end: OnEnd,
    ) -> None:
        self._inbox = inbox
        self._lock = threading.Lock()  # of `_unsent` and `_leaving`
        self._unsent = 0
        self._leaving = False
        self._handed = 0  # bytes; written by the reactor's thread alone
        self._handled = 0  # bytes; written by the owner's thread alone
        self._sample: tuple[int, bytes] | None = None
        self._sampled_at = 0.0
        self.paused = False  # written by the reactor's thread alone
        self.peer = wire.peer
        self.skimmer = skimmer
        self.last_byte_at = 0.0
        self.last_data_at = 0.0
        self.stalled_since = 0.0
        # What follows belongs to the reactor's thread.
        self.sock = wire.sock
        self.tls = wire.sock if isinstance(wire.sock, TlsSocket) else None
        self.on_frames = on_frames
        self.on_end = on_end
        self.out = bytearray()  # at most UNSENT_BYTES, and a few answers to PINGs
        self.fd = -1  # once adopted; the key of the line
        self.interest = 0  # the events that epoll watches for
        self.wants_out = False  # something waits for room to write
        self.silent = False  # writing has failed
        self.closing_at = 0.0  # until when our CLOSE may wait for theirs
        self.ended = False

    @property
    def bytes_total(self) -> int:
        """Return how many bytes were received."""
        return self.skimmer.bytes_total

    @property
    def frames_total(self) -> int:
        """Return how many frames were received, skipped ones included."""
        return self.skimmer.frames_total

    def take_sample(self) -> tuple[int, bytes] | None:
        """Return a message that was skipped lately and when it came, once. By the owner.

        It is younger than all that is handled: None while something handed on is not,
        since it may be older than the sample.
        """
        sample, self._sample = self._sample, None
        return None if self.unhandled else sample

    def set_markers(self, markers: tuple[bytes, ...]) -> None:
        """Have messages handed on that contain one of these, from the next read on."""
        self.skimmer.set_markers(markers)

    def handled(self, size: int) -> None:
        """Tell that messages of so many bytes in all are done with. By the owner, in its thread."""
        self._handled += size
        if self.paused:
            self._inbox.put(Command(Verb.RESUME, self))

    def send_text(self, text: str) -> None:
        """Send a text frame; nothing happens once the line is leaving or has ended."""
        frame = text_frame(text)
        verb = Verb.SEND
        with self._lock:
            if self._leaving:
                return
            self._unsent += len(frame)
            if self._unsent > UNSENT_BYTES:
                verb, frame, self._leaving = Verb.OVERFLOW, b"", True
        self._inbox.put(Command(verb, self, data=frame))

    def close(self, code: int, reason: str) -> None:
        """Send CLOSE after what waits, read on until theirs (2 s at most), then end."""
        with self._lock:
            leaving, self._leaving = self._leaving, True
        if not leaving:
            self._inbox.put(Command(Verb.CLOSE, self, data=close_frame(code, reason)))

    def abort(self, reason: str) -> None:
        """End now, with this reason; what is not read is lost."""
        with self._lock:
            self._leaving = True
        self._inbox.put(Command(Verb.ABORT, self, reason=reason))

    # ------------------------------------------------ in the reactor's thread

    def read(self, view: memoryview, start: int, wall_ns: Callable[[], int]) -> tuple[int, int]:
        """Read to `start` of the scratch buffer what is there.

        Gives where it ends (`start`: end of file; -1: nothing is there) and the
        time when it came.

        Raises:
            OSError: The connection is broken.
        """
        try:
            end = start + self.sock.recv_into(view[start:] if start else view)
        except (BlockingIOError, ssl.SSLWantReadError):
            return -1, 0
        return end, wall_ns()

    def hand_on(self, at_ns: int, messages: tuple[bytes, ...]) -> None:
        """Return messages to the owner, who says when they are handled."""
        self._handed += sum(map(len, messages))
        self.on_frames(at_ns, messages)

    def keep_sample(self, at_ns: int) -> None:
        """Hold what the skimmer kept; after all that came before it was handed on."""
        sample, self.skimmer.sample = self.skimmer.sample, None
        if sample is not None:
            self._sample = at_ns, sample

    @property
    def unhandled(self) -> int:
        """Return how many bytes of messages wait for the owner."""
        return self._handed - self._handled

    @property
    def has_more(self) -> bool:
        """Return whether there is something to read that epoll does not know of."""
        return self.tls is not None and self.tls.has_more

    def reason_for(self, error: OSError) -> str:
        """Name what broke reading."""
        return "tls" if isinstance(error, ssl.SSLError) else "reset"

    def skim(self, scratch: bytearray, start: int, end: int, now: float) -> Skim:
        """Walk the frames that were read, and keep the times."""
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
        elif (
            not self.stalled_since
            or messages != skimmer.messages_total + skimmer.skipped_total
            or (frames != skimmer.frames_total and not skimmer.in_fragments)
        ):
            self.stalled_since = now
        return skim

    def answer(self, frame: bytes) -> None:
        """Put a frame of the reactor's own after what waits."""
        with self._lock:
            self._unsent += len(frame)
        self.out += frame

    def sent(self, size: int) -> None:
        """Forget what the kernel took."""
        del self.out[:size]
        with self._lock:
            self._unsent -= size
