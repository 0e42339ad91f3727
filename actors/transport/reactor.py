"""The reactor: one thread that reads and writes the sockets of all connections.

epoll, level-triggered; one scratch buffer for all connections. In each round a connection is read
once, at most a scratch buffer full, then the others have their turn. epoll does not know of what a
TLS socket has read from the kernel already, so such a connection is read again in the next round.

With more than `UNPACED` connections there is a pause between two rounds, so that each read finds
more: a read costs the same for one frame as for ten. There is no pause while one of them brings
much.

What may matter is handed to the connection's `on_frames`, which is called in this thread and must
not block. A callback that raises ends its own connection with `internal`; the others are not
affected. A connection whose owner has many bytes left to handle is read no further until the owner
has handled half of them. So what waits in memory is bounded; the rest waits in the kernel and then
at the sender. What has begun to arrive and is not whole has one bound for all connections together:
beyond it the one with the longest beginning is ended.

No descriptor is opened after the start: a full table of descriptors affects those who connect, not
those who are connected.
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
from actors.model.connection import TOO_BIG, UNFINISHED
from actors.transport.feed_socket import (
    UNSENT_BYTES,
    Command,
    CommandQueue,
    OnEnd,
    OnFrames,
    OwnerFailedError,
    ReactorSocket,
    Verb,
)
from actors.transport.frames import TAIL_BYTES
from actors.transport.handshake import OpenWebSocket, close_frame, pong_frame
from actors.transport.noise import NoisePattern
from actors.transport.skimmer import FrameSkimmer, Skim

UNPACED = 300
"""Up to so many connections there is no pause between two rounds."""
ROUND_S = 1 / 7_500
"""What each connection adds to the time from one round to the next: 0.08 s with 600."""
LONGEST_ROUND_S = 0.2
MUCH_BYTES = 32 << 10
"""A read of more than this prevents the next pause. What waits in the kernel must stay below the
64 KiB that it offers the sender at first, else the sender would have to wait for us."""

_POLL_S = 1.0  # the longest wait for epoll, so that `alive_at` stays recent
_CLOSING_S = 2.0  # how long our CLOSE waits for theirs
_LAST_READS = 64  # scratch buffers full that are read after a failed write
_IN = select.EPOLLIN | select.EPOLLRDHUP
_OUT = select.EPOLLOUT
_BROKEN = select.EPOLLERR | select.EPOLLHUP  # always reported by epoll; only reading ends it
OnError = Callable[[BaseException], None]


def round_pause_s(*, connections: int, since_s: float) -> float:
    """Return how long to pause after a round that began `since_s` ago; 0 for not at all."""
    if connections <= UNPACED:
        return 0.0
    return max(0.0, min(connections * ROUND_S, LONGEST_ROUND_S) - since_s)


def _print_error(error: BaseException) -> None:
    sys.excepthook(type(error), error, error.__traceback__)


class Reactor:
    """Reads and writes the connections that it adopts, in a thread of its own.

    Attributes:
        alive_at: When the last round began (monotonic seconds); at least once a second while the
            thread is well.

    Args:
        wall_ns: Gives the time of receipt.
        monotonic: Gives the time for deadlines and ages.
        on_error: Called with what a callback raised. In the reactor's thread.
        sleep: Pauses for so many seconds.
        scratch_bytes: How much of one connection is read in a round. After a stall much waits
            at once, and fewer reads cost a tenth less than with half of it.
        held_bytes: How many bytes of one connection's messages may wait for its owner.
        unfinished_bytes: How many bytes of all unfinished messages may be here: many times what
            the books of a whole start take, and less than a service may use.
    """

    def __init__(  # noqa: PLR0913 -- keywords, each with its default
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        on_error: OnError = _print_error,
        sleep: Callable[[float], None] = time.sleep,
        scratch_bytes: int = 2 << 20,
        held_bytes: int = 1 << 20,
        unfinished_bytes: int = 256 << 20,
    ) -> None:
        if scratch_bytes <= TAIL_BYTES:
            raise ValueError("the scratch buffer must be larger than the tail of a frame")
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._on_error = on_error
        self._sleep = sleep
        self._commands = CommandQueue()
        self._epoll = select.epoll()
        self._commands_fd = self._commands.fileno()
        self._epoll.register(self._commands_fd, select.EPOLLIN)
        self._scratch = bytearray(scratch_bytes)
        self._view = memoryview(self._scratch)
        self._held_bytes = held_bytes
        self._most_unfinished = unfinished_bytes
        self._unfinished = 0
        self._pattern = NoisePattern()
        self._read_much = False  # a connection brought much in this round
        self._connections: dict[int, ReactorSocket] = {}
        self._again: dict[int, ReactorSocket] = {}  # with decrypted bytes left
        self._closing: dict[int, ReactorSocket] = {}  # our CLOSE waits for theirs
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="reactor", daemon=True)
        self.alive_at = monotonic()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float) -> bool:
        """End all connections with `closed`; return whether the thread ended in time."""
        self._stopping = True
        if self._thread.ident is None:  # never started
            self._end_all()
            return True
        self._commands.wake()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def adopt(
        self, opened: OpenWebSocket, skimmer: FrameSkimmer, *, on_frames: OnFrames, on_end: OnEnd
    ) -> ReactorSocket:
        """Read and write this socket from now on. Any thread.

        Args:
            opened: No longer the caller's.
            skimmer: Not used before.
            on_frames: Called with the time of receipt (wall clock, ns) and the messages that may
                matter, oldest first.
            on_end: Called once, after the last `on_frames`, with a reason and a detail:
                `disconnected`, `reset`, `tls`, `closed_<code>` (theirs), `protocol`, `too_big`,
                `unfinished`, `write_failed`, `closed` (ours), `internal`, or the reason given to
                `abort`.

        Raises:
            FeedLost: `internal`: the reactor has stopped. The socket is closed.
        """
        skimmer.pattern = self._pattern  # from the first read on used by this thread alone
        connection = ReactorSocket(
            opened, skimmer, self._commands, on_frames=on_frames, on_end=on_end
        )
        connection.last_byte_at = self._monotonic()
        if not self._commands.put(Command(Verb.ADOPT, connection)):
            opened.abort()
            raise FeedLost("internal", "the reactor has stopped")
        return connection

    # ------------------------------------------------ rounds

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._round()
                self._pause_round()
        finally:
            self._end_all()

    def _round(self) -> None:
        events = self._epoll.poll(self._poll_timeout_s())
        self.alive_at = self._monotonic()
        again, self._again = self._again, {}
        commanded = False
        for fd, event in events:
            connection = self._connections.get(fd)
            if connection is not None:
                again.pop(fd, None)
                self._visit(connection, event)
            elif fd == self._commands_fd:
                commanded = True
        for connection in again.values():
            self._visit(connection, _IN)
        if commanded:
            for command in self._commands.take():
                self._execute(command)
        if self._closing:
            for each in [x for x in self._closing.values() if x.closing_at <= self.alive_at]:
                self._end(each, "closed", "no CLOSE in answer to ours")

    def _pause_round(self) -> None:
        # No pause while decrypted bytes wait, nor while the kernel's buffers may fill up.
        read_much, self._read_much = self._read_much, False
        if not read_much and not self._again:
            seconds = round_pause_s(
                connections=len(self._connections), since_s=self._monotonic() - self.alive_at
            )
            if seconds:
                self._sleep(seconds)

    def _poll_timeout_s(self) -> float:
        if self._again:
            return 0.0
        if not self._closing:
            return _POLL_S
        first = min(connection.closing_at for connection in self._closing.values())
        return min(max(first - self._monotonic(), 0.0), _POLL_S)

    def _visit(self, connection: ReactorSocket, event: int) -> None:
        if connection.ended:
            return
        connection.write_blocked = False
        # A paused connection that is broken is read all the same. epoll reports the fault in every
        # round whatever the interest is (epoll_ctl(2)), so the loop would spin until it is read.
        if event & ~_OUT and (not connection.paused or event & _BROKEN):
            self._read(connection)
        if connection.out or connection.paused or connection.interest != _IN:
            self._flush(connection)

    def _execute(self, command: Command) -> None:
        connection = command.connection
        if connection.ended:
            return
        if command.verb is Verb.ADOPT:
            self._register(connection)
        elif command.verb is Verb.ABORT:
            self._end(connection, command.reason, "")
        elif command.verb is Verb.OVERFLOW:
            self._fail_to_write(connection, "too much waits to be sent")
        elif command.verb is Verb.RESUME:
            self._resume(connection)
        elif command.verb is Verb.SEND:
            connection.out += command.data
            self._flush(connection)
        else:
            connection.closing_at = self._monotonic() + _CLOSING_S
            self._closing[connection.fd] = connection
            connection.answer(command.data)
            self._flush(connection)

    def _register(self, connection: ReactorSocket) -> None:
        connection.fd = connection.sock.fileno()
        self._connections[connection.fd] = connection
        connection.interest = _IN
        self._epoll.register(connection.fd, _IN)
        # The first frames may have been decrypted together with the handshake.
        self._again[connection.fd] = connection

    # ------------------------------------------------ reading

    def _read(self, connection: ReactorSocket) -> bool:
        # Read at most a scratch buffer full. False: nothing was there, or the connection ended.
        try:
            size, skim = connection.receive(
                self._scratch, self._view, self._wall_ns, self._monotonic
            )
        except OSError as exc:
            reason = "tls" if isinstance(exc, ssl.SSLError) else "reset"
            self._lose(connection, reason, str(exc))
            return False
        except OwnerFailedError as exc:
            self._on_error(exc.__cause__ or exc)
            self._end(connection, "internal", "on_frames raised")
            return True
        if size <= 0:
            if not size:
                self._lose(connection, "disconnected", "end of file")
            return False
        if size > MUCH_BYTES:
            self._read_much = True
        if connection.has_more:
            self._again[connection.fd] = connection
        if skim.pings or skim.close or skim.violation:
            self._answer(connection, skim)
        waiting = connection.handed_bytes - connection.handled_bytes
        if waiting > self._held_bytes and skim.messages:
            self._pause(connection)
        if connection.unfinished_bytes != connection.counted_bytes:
            self._count_unfinished(connection)
        return True

    def _count_unfinished(self, connection: ReactorSocket) -> None:
        self._unfinished += connection.unfinished_bytes - connection.counted_bytes
        connection.counted_bytes = connection.unfinished_bytes
        while self._unfinished > self._most_unfinished:
            largest = max(self._connections.values(), key=lambda each: each.counted_bytes)
            self._end(
                largest,
                UNFINISHED,
                f"{largest.counted_bytes} bytes of a message had come, and"
                f" {self._unfinished} of those on all connections",
            )

    def _pause(self, connection: ReactorSocket) -> None:
        if connection.paused or connection.ended:
            return
        # `handled` gives no command before it sees `paused`. The owner may have handled
        # everything just now, so what waits is compared again after `paused` is set.
        connection.paused = True
        self._again.pop(connection.fd, None)
        self._resume(connection)

    def _resume(self, connection: ReactorSocket) -> None:
        # Half of the bound, so that the connection is not paused again by its next message.
        if connection.paused and connection.unhandled <= self._held_bytes // 2:
            connection.paused = False
            self._again[connection.fd] = connection  # for what is decrypted already
        self._update_interest(connection)

    def _answer(self, connection: ReactorSocket, skim: Skim) -> None:
        if skim.violation == TOO_BIG:
            self._send_close(connection, 1009)  # RFC 6455 7.4.1
            self._lose(connection, TOO_BIG, "a message of the exchange exceeds the limit")
        elif skim.violation:
            self._send_close(connection, 1002)
            self._lose(connection, "protocol", skim.violation)
        elif skim.close:
            # A CLOSE must be answered with one (RFC 6455 5.5.1).
            code, reason = skim.close
            self._send_close(connection, 1000)
            self._lose(connection, f"closed_{code}", reason)
        # One PONG may answer all PINGs before it (RFC 6455 5.5.3). The bound is for a server that
        # sends PINGs and reads nothing.
        elif not connection.closing_at and len(connection.out) < UNSENT_BYTES:
            connection.answer(pong_frame(skim.pings[-1]))  # the latest answers them all

    # ------------------------------------------------ writing

    def _flush(self, connection: ReactorSocket) -> None:
        try:
            while connection.out and not connection.ended:
                connection.sent(connection.sock.send(connection.out))
        except ssl.SSLWantReadError:
            pass  # epoll wakes us for what it waits for
        except (BlockingIOError, ssl.SSLWantWriteError):
            connection.write_blocked = True
        except OSError as exc:
            self._fail_to_write(connection, str(exc))
        self._update_interest(connection)

    def _update_interest(self, connection: ReactorSocket) -> None:
        # Let epoll wake us for what can be done.
        interest = 0 if connection.paused else _IN
        if connection.write_blocked:
            interest |= _OUT
        if interest != connection.interest and not connection.ended:
            connection.interest = interest
            self._epoll.modify(connection.fd, interest)

    def _fail_to_write(self, connection: ReactorSocket, detail: str) -> None:
        # Nothing more can be sent, but what the server sent before must still be read.
        connection.write_failed = True
        connection.out.clear()
        for _ in range(_LAST_READS):
            if connection.ended or not self._read(connection):
                break
        connection.out.clear()
        self._lose(connection, "write_failed", detail)

    def _send_close(self, connection: ReactorSocket, code: int) -> None:
        # Only what the kernel takes at once: the connection ends whether it arrives or not.
        if connection.closing_at or connection.write_failed:
            return
        connection.answer(close_frame(code, ""))
        with contextlib.suppress(OSError):
            while connection.out:
                connection.sent(connection.sock.send(connection.out))

    # ------------------------------------------------ ends

    def _lose(self, connection: ReactorSocket, reason: str, detail: str) -> None:
        # The server ended it, unless we had sent CLOSE before.
        self._end(connection, "closed" if connection.closing_at else reason, detail)

    def _end(self, connection: ReactorSocket, reason: str, detail: str) -> None:
        if connection.ended:
            return
        connection.ended = True
        for connections in (self._connections, self._again, self._closing):
            connections.pop(connection.fd, None)
        self._unfinished -= connection.counted_bytes
        connection.counted_bytes = 0
        # Now: connection and owner refer to each other, so both stay until a full collection.
        connection.skimmer.discard()
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(connection.fd)
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
        connection.sock.close()
        try:
            connection.on_end(reason, detail)
        except Exception as exc:  # noqa: BLE001  (reported, and the other connections go on)
            self._on_error(exc)

    def _end_all(self) -> None:
        if self._epoll.closed:
            return
        reason = "closed" if self._stopping else "internal"
        # Adopted too late: the owners would wait for `on_end` for ever, and the sockets stay open.
        late = [x.connection for x in self._commands.close() if x.verb is Verb.ADOPT]
        for connection in [*self._connections.values(), *late]:
            self._end(connection, reason, "the reactor stopped")
        self._epoll.close()
