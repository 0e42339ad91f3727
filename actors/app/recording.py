"""A recording of a look: all that was asked, and all that came, one JSON object a line.

docs/reference/recording.md describes the file. Only its owner may read it. It holds no secret of
the settings: addresses of nodes are left out, and whatever text is a secret is replaced.
"""

import base64
import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from actors import __version__, files
from actors.app.look_feed import Dialler, Socket
from actors.app.look_sources import Finding
from actors.errors import ConfigError, FeedLost, RecordingFailed
from actors.polymarket.http import Call

FILE = "recording.jsonl"
VERSION = 1
MOST_BYTES = 64 << 20
"""Of the file. What comes later is left out, and the last line says so."""
HEADERS = frozenset(
    {"age", "cache-control", "cf-cache-status", "content-type", "date", "etag", "last-modified",
     "retry-after", "server", "x-cache"}
)  # fmt: skip
"""Headers that are kept, in lower case: those that say something about the answer."""
HIDDEN = "[secret]"
ALL_FRAMES = (b'"',)
"""Markers with which nothing is skipped: every event has a quote."""
_LAST = ("finding", "end")
"""Lines that are written even when the file is full."""


class Recording:
    """Writes a recording; to be entered, and complete when it is left without an error.

    Any thread may call. A disk that takes no more ends the writing, not the look.

    Args:
        folder: Is made, or must be empty.
        sides: Name of a source → its address; an HTTP call to any other is one to a node.
        secrets: Texts that must not be in it.

    Raises:
        ConfigError: The folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sides: Mapping[str, str],
        secrets: Sequence[str] = (),
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.path = folder / FILE
        self._sides = {name: url.rstrip("/") for name, url in sides.items()}
        self._secrets = tuple(secrets)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._lines = self._bytes = 0
        self._full = False
        self._failure: OSError | None = None
        self._file = os.fdopen(_create(folder), "wb")

    def __enter__(self) -> Self:
        shown = {name: f"{urlsplit(url).hostname}" for name, url in self._sides.items()}
        self._write("recording", version=VERSION, tracker=__version__, hosts=shown)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._write("end", lines=self._lines + 1, full=self._full)
        with contextlib.suppress(OSError):
            self._file.close()
        if kind is None and self._failure is not None:
            raise RecordingFailed(f"{self.path}: {self._failure.strerror}") from self._failure

    @property
    def is_full(self) -> bool:
        """Return whether something was left out."""
        return self._full

    def on_call(self, call: Call) -> None:
        """Write a call and its answer."""
        side, target = self._place(call.url)
        headers = {name.lower(): value for name, value in call.headers.items()}
        self._write(
            "http",
            call.sent_s,
            side=side,
            method=call.method,
            target=target,
            **self._content("sent", call.body),
            seconds=round(max(0.0, call.received_s - call.sent_s), 3),
            status=call.status,
            headers={name: self._hide(headers[name]) for name in sorted(HEADERS & {*headers})},
            **self._content("body", call.answer),
            error=call.error,
        )

    def _place(self, url: str) -> tuple[str, str]:
        """Return the name of a source, and what was asked of it; nothing of a node's address."""
        found = [
            (len(base), name, url[len(base) :])
            for name, base in self._sides.items()
            if url.startswith((f"{base}/", f"{base}?"))
        ]
        return max(found)[1:] if found else ("rpc", "")

    def finding(self, found: Finding) -> None:
        """Write what the look says of an assumption."""
        self._write("finding", name=found.name, judgement=found.judgement)

    def dialler(self, dialler: Dialler) -> Dialler:
        """Return a dialler whose connections are recorded, with every frame."""
        return _RecordingDialler(self, dialler)

    def feed(self, kind: str, at_ns: int | None = None, **fields: Any) -> None:
        """Write what happened on the market channel."""
        self._write(kind, None if at_ns is None else at_ns / 1e9, **fields)

    def frames(self, at_ns: int, frames: tuple[bytes, ...]) -> None:
        """Write frames that arrived together."""
        for each in frames:
            self._write("frame", at_ns / 1e9, **self._content("text", each))

    def _content(self, name: str, raw: bytes) -> dict[str, str]:
        """Return bytes as a text, or in base64 under another name when they are no UTF-8."""
        try:
            return {name: raw.decode()}
        except UnicodeDecodeError:
            for secret in self._secrets:
                raw = raw.replace(secret.encode(), HIDDEN.encode())
            return {f"{name}_base64": base64.b64encode(raw).decode()}

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def _write(self, kind: str, at_s: float | None = None, **fields: Any) -> None:
        at = round(time.time() if at_s is None else at_s, 6)
        shown = {n: self._hide(v) if isinstance(v, str) else v for n, v in fields.items()}
        line = msgspec.json.encode({"kind": kind, "at": at, **shown}) + b"\n"
        with self._lock:
            over = self._bytes + len(line) > self._most_bytes
            self._full = self._full or (over and kind not in _LAST)
            if self._failure is not None or (self._full and kind not in _LAST):
                return
            try:
                self._file.write(line)
                self._file.flush()
            except OSError as exc:
                self._failure = exc
            self._lines += 1
            self._bytes += len(line)


class _RecordingSocket:
    def __init__(self, socket: Socket, recording: Recording) -> None:
        self._socket = socket
        self._recording = recording

    @property
    def bytes_total(self) -> int:
        return self._socket.bytes_total

    def handled(self, size: int) -> None:
        self._socket.handled(size)

    def send_text(self, text: str) -> None:
        self._recording.feed("sent", text=text)
        self._socket.send_text(text)

    def close(self, code: int, reason: str) -> None:
        self._socket.close(code, reason)


class _RecordingDialler:
    def __init__(self, recording: Recording, dialler: Dialler) -> None:
        self._recording = recording
        self._dialler = dialler

    def dial(
        self,
        _markers: tuple[bytes, ...],
        on_frames: Callable[[int, tuple[bytes, ...]], None],
        on_end: Callable[[str, str], None],
    ) -> Socket:
        def record(at_ns: int, frames: tuple[bytes, ...]) -> None:
            self._recording.frames(at_ns, frames)
            on_frames(at_ns, frames)

        def end(reason: str, detail: str) -> None:
            self._recording.feed("closed", reason=reason, detail=detail)
            on_end(reason, detail)

        try:
            socket = self._dialler.dial(ALL_FRAMES, record, end)
        except FeedLost as exc:
            self._recording.feed("open", reason=exc.reason, detail=exc.detail)
            raise
        self._recording.feed("open", reason="", detail="")
        return _RecordingSocket(socket, self._recording)


def _create(folder: Path) -> int:
    """Return the descriptor of a new file in a folder that was empty or not there."""
    try:
        directory = files.open_directory(folder, may_be_link=True)
        try:
            if files.names(directory):
                raise ConfigError(f"--record: {folder} is not empty; name a new directory")
            return files.create(directory, FILE)
        finally:
            os.close(directory)
    except files.NotOurs as exc:
        raise ConfigError(f"--record: {exc.strerror}, or name another directory") from exc
    except OSError as exc:
        known = {errno.EEXIST: "is no directory", errno.ENOTDIR: "is no directory"}
        text = known.get(exc.errno or 0, f"cannot be written: {exc.strerror}")
        raise ConfigError(f"--record: {folder} {text}") from exc
