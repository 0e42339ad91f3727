"""One WebSocket in a thread of its own, for a stream that must never be in the way of the feed.

Connects, subscribes, keeps the stream alive and reads it; connects again when it ends or freezes.
The reactor and its thread have no part in it. What arrives is handed on in this thread, a read at
a time, so nothing waits in memory: a stream that is too fast waits in the kernel, and at its
sender. One descriptor, and up to three more while it connects, all within the reserve.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from actors.backoff import Backoff
from actors.errors import ConnectionFailed, FeedLost
from actors.network.connect import Deadline
from actors.network.stream import Stream
from actors.transport.handshake import OpenWebSocket, open_websocket, pong_frame, text_frame
from actors.transport.skimmer import FrameSkimmer

log = logging.getLogger(__name__)

READ_S: Final = 0.5
"""A read waits so long; then it is looked whether anything is due."""
PING_S: Final = 5.0
FROZEN_S: Final = 15.0
"""So long without any message of the kind that is wanted: the stream is frozen."""
SEND_S: Final = 5.0
SCRATCH_BYTES: Final = 256 << 10
MESSAGE_BYTES: Final = 128 << 10
MOST_A_SECOND: Final = 2_000
"""Messages that are handed on; a faster stream waits. Expected are 33, in bursts 330."""
OnMessages = Callable[[int, tuple[bytes, ...]], bool]
"""Takes the time of receipt (ns) and messages; returns whether one was of the kind that counts."""
OnState = Callable[[str], None]
"""Takes `connecting`, `ok`, or why the stream ended."""
Open = Callable[..., OpenWebSocket]


class Terms(NamedTuple):
    """How a stream is listened to.

    Attributes:
        subscription: Sent when it is connected.
        ping: Sent every five seconds.
        marker: What messages that count contain.
        on_messages: In the thread of the listener.
        told: Called with the time (monotonic seconds) when one of those came.
        stop: Set when it shall end.
        frozen_s: See `FROZEN_S`.
    """

    subscription: str
    ping: str
    marker: str
    on_messages: OnMessages
    told: Callable[[float], None]
    stop: threading.Event
    frozen_s: float


class Listener:
    """Listens to a stream until it is closed.

    Args:
        url: `ws://` or `wss://`.
        user_agent: Sent with the request.
        subscription, ping, marker, on_messages: See `Terms`.
        on_state: Told of changes, in the thread of the listener.
        frozen_s: See `FROZEN_S`.
        open_socket: Connects.
    """

    def __init__(  # noqa: PLR0913 -- keywords
        self,
        url: str,
        *,
        user_agent: str,
        subscription: str,
        ping: str,
        marker: str,
        on_messages: OnMessages,
        on_state: OnState,
        frozen_s: float = FROZEN_S,
        open_socket: Open = open_websocket,
    ) -> None:
        self._url, self._user_agent = url, user_agent
        self._on_state = on_state
        self._open = open_socket
        self._stop = threading.Event()
        self._terms = Terms(
            subscription, ping, marker, on_messages, self._told, self._stop, frozen_s
        )
        self._backoff = Backoff()
        self._state = ""
        # A daemon: a name server that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="audit-stream", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: The system has no thread left.
        """
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End the connection and the thread. Does not wait."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Wait until the thread has ended, at most so long."""
        self._thread.join(seconds)

    # -------------------------------------------------------------- its thread

    def _run(self) -> None:
        while not self._stop.is_set():
            retry_after_s = None
            self._enter("connecting")
            try:
                opened = self._open(self._url, user_agent=self._user_agent)
                reason = _Session(opened, self._terms).run()
            except FeedLost as lost:
                reason, retry_after_s = str(lost), lost.retry_after_s
            if self._stop.is_set():
                return
            self._enter(reason)
            delay_s = self._backoff.delay_s(retry_after_s=retry_after_s)
            log.info("audit_stream_lost", extra={"reason": reason, "retry_s": delay_s})
            self._stop.wait(delay_s)

    def _told(self, now: float) -> None:
        self._backoff.succeeded(now)
        self._enter("ok")

    def _enter(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._on_state(state)


class _Session:
    """One connection of a listener."""

    def __init__(self, opened: OpenWebSocket, terms: Terms) -> None:
        self._terms, self._stop = terms, terms.stop
        self._early = opened.early
        self._stream = Stream(opened.sock)
        self._skimmer = FrameSkimmer(
            markers=(terms.marker.encode(),), max_message_bytes=MESSAGE_BYTES
        )
        self._scratch = bytearray(SCRATCH_BYTES)
        self._told_at = self._pinged_at = time.monotonic()
        self._second, self._count = 0, 0

    def run(self) -> str:
        """Listen until the end; return its reason."""
        try:
            self._send(text_frame(self._terms.subscription))
            return self._listen()
        except ConnectionFailed as exc:
            return str(exc)
        except OSError as exc:
            return f"reset: {exc}"
        finally:
            self._stream.close()

    def _listen(self) -> str:
        while not self._stop.is_set():
            now = time.monotonic()
            if now - self._pinged_at >= PING_S:
                self._pinged_at = now
                self._send(text_frame(self._terms.ping))
            if now - self._told_at >= self._terms.frozen_s:
                return "frozen"
            size = self._read()
            if size == 0:
                return "reset: end of file"
            if size > 0 and (ended := self._take(size)):
                return ended
        return "stopping"

    def _read(self) -> int:
        """Read once; return how much there is, 0 for the end, -1 for nothing within the time."""
        start = self._skimmer.held
        if self._early:
            early, self._early = self._early, b""
            self._scratch[start : start + len(early)] = early
            return len(early)
        self._stream.begin(Deadline(READ_S, self._stop), SCRATCH_BYTES)
        try:
            return self._stream.read_into(memoryview(self._scratch)[start:])
        except ConnectionFailed as exc:
            if exc.reason in ("read_timeout", "stopping"):
                return -1
            raise

    def _take(self, size: int) -> str:
        """Hand on what was read; return why it is the end, or an empty text."""
        start = self._skimmer.held
        skim = self._skimmer.skim(self._scratch, start, start + size)
        if skim.messages and self._terms.on_messages(time.time_ns(), skim.messages):
            self._told()
        for payload in skim.pings:
            self._send(pong_frame(payload))
        if skim.close is not None:
            return f"closed by the server: {skim.close[0]}"
        if skim.violation is not None:
            return f"protocol: {skim.violation}"
        self._slow_down(len(skim.messages))
        return ""

    def _told(self) -> None:
        self._told_at = time.monotonic()
        self._terms.told(self._told_at)

    def _slow_down(self, messages: int) -> None:
        """Let the rest of a second pass in which more came than is taken."""
        second = int(time.monotonic())
        self._count = messages + (self._count if second == self._second else 0)
        self._second = second
        if self._count > MOST_A_SECOND:
            self._stop.wait(second + 1 - time.monotonic())

    def _send(self, frame: bytes) -> None:
        self._stream.begin(Deadline(SEND_S, self._stop), SCRATCH_BYTES)
        self._stream.sendall(frame)
