"""The reactor: one thread that reads and writes all sockets.

epoll, level-triggered; one scratch buffer for all lines. A line is read once a
turn, at most a scratch buffer full, then the others have theirs. What a TLS
socket knows already does not wake epoll, so such a line is visited again in the
next turn.

With very many lines it rests between two rounds, so that a visit finds more (`pace`).

What may matter goes to the line's `on_frames`, which is called in this thread
and must not block. A callback that raises ends its own line with `internal`;
the others never notice. A line whose owner has much to handle yet is read no
further until he says that he has handled half of it: what waits in memory is
bounded, the rest waits in the kernel and then at the sender.

No descriptor is opened after the start: a full table of descriptors hurts
those who dial, not those who are connected.
"""

import contextlib
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable

from actors.errors import FeedLost
from actors.transport.feed_socket import (
    UNSENT_BYTES,
    Command,
    CommandQueue,
    OnEnd,
    OnFrames,
    ReactorSocket,
    Verb,
)
from actors.transport.frames import TAIL_BYTES
from actors.transport.handshake import Wire, close_frame, pong_frame
from actors.transport.noise_runs import NoisePattern
from actors.transport.skimmer import FrameSkimmer, Skim

_TURN_S = 1.0  # the longest sleep, so that `alive_at` says something
_CLOSING_S = 2.0  # how long our CLOSE waits for theirs
_LAST_READS = 64  # scratch buffers full that are read after a failed write
_IN = select.EPOLLIN | select.EPOLLRDHUP
_OUT = select.EPOLLOUT
_BROKEN = select.EPOLLERR | select.EPOLLHUP  # told always; only reading ends it
OnError = Callable[[BaseException], None]


# MERGED: The pace: how long the reactor lets bytes gather in the kernel before it looks
# again. A visit to a line costs the same for one frame as for ten. A crowd of lines that each
# bring a frame now and then is therefore read in rounds: the more lines, the longer the round.
# A few lines are read at once, and so is everyone while somebody brings much.


FEW = 300
"""Lines that are read at once."""
LINE_S = 1 / 7_500
"""What each line adds to the time from one round to the next: 0.08 s with 600."""
LONGEST_S = 0.2
MUCH_BYTES = 32 << 10
"""A line that brings more at once lets nobody rest: what waits in the kernel must stay
below the 64 KiB that it offers the sender at first, or the sender would wait for us."""


def round_pause_s(*, lines: int, since_s: float) -> float:
    """Return how long to rest after a round that began so long ago; 0 for not at all."""
    if lines <= FEW:
        return 0.0
    return max(0.0, min(lines * LINE_S, LONGEST_S) - since_s)


def _show(error: BaseException) -> None:
    sys.excepthook(type(error), error, error.__traceback__)


class Reactor:
    """Reads and writes the lines that it adopts, in a thread of its own.

    Attributes:
        alive_at: When the loop last came round (monotonic seconds); at least
            once a second while the thread is well.

    Args:
        wall_ns: Stamps what is received.
        monotonic: Tells since when and until when.
        on_error: Hears of what a callback raised. In the reactor's thread.
        sleep: Rests so many seconds.
        scratch_bytes: How much of one line is read in a turn. After a stall much waits
            at once, and fewer reads cost a tenth less than with half of it.
        held_bytes: How much of one line's messages may wait for its owner.
    """

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        on_error: OnError = _show,
        sleep: Callable[[float], None] = time.sleep,
        scratch_bytes: int = 2 << 20,
        held_bytes: int = 1 << 20,
    ) -> None:
        if scratch_bytes <= TAIL_BYTES:
            raise ValueError("the scratch buffer must hold a tail and something new")
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._on_error = on_error
        self._sleep = sleep
        self._inbox = CommandQueue()
        self._epoll = select.epoll()
        self._called_at = self._inbox.fileno()
        self._epoll.register(self._called_at, select.EPOLLIN)
        self._scratch = bytearray(scratch_bytes)
        self._view = memoryview(self._scratch)
        self._held_bytes = held_bytes
        self._pattern = NoisePattern()
        self._much = False  # somebody brought much in this round
        self._lines: dict[int, ReactorSocket] = {}
        self._again: dict[int, ReactorSocket] = {}  # lines with decrypted bytes left
        self._closing: dict[int, ReactorSocket] = {}  # lines on which our CLOSE waits for theirs
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reactor", daemon=True)
        self.alive_at = monotonic()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End all lines with `closed`; tell whether the thread was done in time."""
        self._stopping = True
        if self._thread.ident is None:  # never started
            self._let_all_go()
            return True
        self._inbox.wake()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def adopt(
        self, wire: Wire, skimmer: FrameSkimmer, *, on_frames: OnFrames, on_end: OnEnd
    ) -> ReactorSocket:
        """Read and write this wire from now on. Any thread.

        Args:
            wire: No longer the caller's.
            skimmer: Fresh.
            on_frames: Called with the time of receipt (wall clock, ns) and the
                messages that may matter, oldest first.
            on_end: Called once, after the last `on_frames`, with a reason and a
                detail: `disconnected`, `reset`, `tls`, `closed_<code>` (theirs),
                `protocol`, `write_failed`, `closed` (ours), `internal`, or what
                `abort` was given.

        Raises:
            FeedLost: `internal`: the reactor has stopped. The wire is closed.
        """
        skimmer.pattern = self._pattern  # used by this thread alone, from the line's first read on
        line = ReactorSocket(wire, skimmer, self._inbox, on_frames=on_frames, on_end=on_end)
        line.last_byte_at = self._monotonic()
        if not self._inbox.put(Command(Verb.ADOPT, line)):
            wire.abort()
            raise FeedLost("internal", "the reactor has stopped")
        return line

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
                self._rest()
        finally:
            self._let_all_go()

    def _turn(self) -> None:
        events = self._epoll.poll(self._patience_s())
        self.alive_at = self._monotonic()
        again, self._again = self._again, {}
        called = False
        for fd, event in events:
            line = self._lines.get(fd)
            if line is not None:
                again.pop(fd, None)
                self._visit(line, event)
            elif fd == self._called_at:
                called = True
        for line in again.values():
            self._visit(line, _IN)
        if called:
            for command in self._inbox.take():
                self._obey(command)
        if self._closing:
            for line in [x for x in self._closing.values() if x.closing_at <= self.alive_at]:
                self._end(line, "closed", "no CLOSE in answer to ours")

    def _rest(self) -> None:
        # What is decrypted already is not left lying, nor what the kernel has little room for.
        much, self._much = self._much, False
        if not much and not self._again:
            seconds = round_pause_s(
                lines=len(self._lines), since_s=self._monotonic() - self.alive_at
            )
            if seconds:
                self._sleep(seconds)

    def _patience_s(self) -> float:
        if self._again:
            return 0.0
        if not self._closing:
            return _TURN_S
        first = min(line.closing_at for line in self._closing.values())
        return min(max(first - self._monotonic(), 0.0), _TURN_S)

    def _visit(self, line: ReactorSocket, event: int) -> None:
        if line.ended:
            return
        line.wants_out = False
        if event & ~_OUT and (not line.paused or event & _BROKEN):
            self._read(line)
        if line.out or line.paused or line.interest != _IN:
            self._flush(line)

    def _obey(self, command: Command) -> None:
        line = command.line
        if line.ended:
            return
        if command.verb is Verb.ADOPT:
            self._adopt(line)
        elif command.verb is Verb.ABORT:
            self._end(line, command.reason, "")
        elif command.verb is Verb.OVERFLOW:
            self._fall_silent(line, "too much waits to be sent")
        elif command.verb is Verb.RESUME:
            self._resume(line)
        elif command.verb is Verb.SEND:
            line.out += command.data
            self._flush(line)
        else:
            line.closing_at = self._monotonic() + _CLOSING_S
            self._closing[line.fd] = line
            line.answer(command.data)
            self._flush(line)

    def _adopt(self, line: ReactorSocket) -> None:
        line.fd = line.sock.fileno()
        self._lines[line.fd] = line
        line.interest = _IN
        self._epoll.register(line.fd, _IN)
        # The first frames may have been decrypted together with the handshake.
        self._again[line.fd] = line

    def _read(self, line: ReactorSocket) -> bool:
        # Take what is there, at most a scratch buffer full. False: nothing was there.
        start = line.skimmer.held
        try:
            end, at_ns = line.read(self._view, start, self._wall_ns)
        except OSError as exc:
            self._lose(line, line.reason_for(exc), str(exc))
            return False
        if end < 0:
            return False
        if end == start:
            self._lose(line, "disconnected", "end of file")
            return False
        if end - start > MUCH_BYTES:
            self._much = True
        if line.has_more:
            self._again[line.fd] = line
        skim = line.skim(self._scratch, start, end, self._monotonic())
        if skim.messages and not self._call(line.hand_on, at_ns, skim.messages):
            self._end(line, "internal", "on_frames raised")
        elif skim.pings or skim.close or skim.violation:
            self._answer(line, skim)
        if line.skimmer.sample is not None:
            line.keep_sample(at_ns)
        crowded = skim.messages and line.unhandled > self._held_bytes
        if crowded and not line.paused and not line.ended:
            self._pause(line)
        return True

    def _pause(self, line: ReactorSocket) -> None:
        # Its owner may have handled everything just now, and then tells nothing any more:
        # so it is told first, and looked at again afterwards.
        line.paused = True
        self._again.pop(line.fd, None)
        self._resume(line)

    def _resume(self, line: ReactorSocket) -> None:
        if line.paused and line.unhandled <= self._held_bytes // 2:
            line.paused = False
            self._again[line.fd] = line  # for what is decrypted already
        self._listen(line)

    def _answer(self, line: ReactorSocket, skim: Skim) -> None:
        if skim.violation:
            self._part(line, 1002)
            self._lose(line, "protocol", skim.violation)
        elif skim.close:
            code, words = skim.close
            self._part(line, 1000)
            self._lose(line, f"closed_{code}", words)
        elif not line.closing_at and len(line.out) < UNSENT_BYTES:
            line.answer(pong_frame(skim.pings[-1]))  # the latest answers them all

    def _flush(self, line: ReactorSocket) -> None:
        try:
            while line.out and not line.ended:
                line.sent(line.sock.send(line.out))
        except ssl.SSLWantReadError:
            pass  # what it waits for wakes us
        except (BlockingIOError, ssl.SSLWantWriteError):
            line.wants_out = True
        except OSError as exc:
            self._fall_silent(line, str(exc))
        self._listen(line)

    def _listen(self, line: ReactorSocket) -> None:
        # Have epoll wake us for what can be done.
        interest = (0 if line.paused else _IN) | (_OUT if line.wants_out else 0)
        if interest != line.interest and not line.ended:
            line.interest = interest
            self._epoll.modify(line.fd, interest)

    def _fall_silent(self, line: ReactorSocket, detail: str) -> None:
        # Nothing more can be said, but what the other side said before must be heard.
        line.silent = True
        line.out.clear()
        for _ in range(_LAST_READS):
            if line.ended or not self._read(line):
                break
        line.out.clear()
        self._lose(line, "write_failed", detail)

    def _part(self, line: ReactorSocket, code: int) -> None:
        # Say goodbye if there is room; whether it is heard does not matter any more.
        if line.closing_at or line.silent:
            return
        line.answer(close_frame(code, ""))
        with contextlib.suppress(OSError):
            while line.out:
                line.sent(line.sock.send(line.out))

    def _lose(self, line: ReactorSocket, reason: str, detail: str) -> None:
        # The other side's doing, unless we had said goodbye before.
        self._end(line, "closed" if line.closing_at else reason, detail)

    def _end(self, line: ReactorSocket, reason: str, detail: str) -> None:
        if line.ended:
            return
        line.ended = True
        for lines in (self._lines, self._again, self._closing):
            lines.pop(line.fd, None)
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(line.fd)
        with contextlib.suppress(OSError):
            line.sock.shutdown(socket.SHUT_RDWR)
        line.sock.close()
        self._call(line.on_end, reason, detail)

    def _call(self, callback: Callable[..., None], *args: object) -> bool:
        try:
            callback(*args)
        except Exception as exc:  # noqa: BLE001  (it is passed on, and others must live)
            self._on_error(exc)
            return False
        return True

    def _let_all_go(self) -> None:
        if self._epoll.closed:
            return
        reason = "closed" if self._stopping else "internal"
        late = [x.line for x in self._inbox.close() if x.verb is Verb.ADOPT]
        for line in [*self._lines.values(), *late]:
            self._end(line, reason, "the reactor stopped")
        self._epoll.close()
