"""Log lines: one JSON object per line on standard error, made with python-json-logger.

Convention: `log.info("connection_opened", extra={"connection": …})`. The message
is the stable name of the event; everything that varies goes into `extra`, so
nothing from outside is ever a format string. (Python rejects the names of its own
record attributes in `extra`: name, message, module, process, thread, args …)

Every line is scrubbed: known secrets and all that looks like a credential in a URL
are replaced, control and invisible characters are escaped (data from outside cannot forge a line or
colour a terminal) and texts are cut after 500 characters. Logging never raises and
never ends the process: a line that cannot be written is dropped.
"""

import json
import logging
import math
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from textwrap import indent
from types import TracebackType
from typing import Any, TextIO

import msgspec
from pythonjsonlogger.json import JsonFormatter

from actors.model.conversion import INVISIBLE

log = logging.getLogger(__name__)

LONGEST_TEXT = 500
LONGEST_TRACE = 8_000
LONGEST_SCRUBBED = 16_384
MOST_ITEMS = 50
DEEPEST = 4
HIDDEN = "[secret]"
MINUTE_S = 60.0
MOST_LINES = 300
"""So many lines of one event are written in a minute; the others are counted."""
TRACES = frozenset({"traceback", "stacks"})
"""Fields that hold stacks: these keep their line breaks."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_INVISIBLE_BUT_NEWLINE = re.compile(f"(?!\n)[{INVISIBLE}]")
_DATABASE_URL = re.compile(r"\bpostgres(?:ql)?://[^\s'\"]+", re.IGNORECASE)
_USER_INFO = re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/'\"]{0,300}@", re.IGNORECASE)
_PASSWORD = re.compile(
    r"((?:password|passwd)['\"]?\s{0,9}[=:]\s{0,9})('[^']*'|\"[^\"]*\"|[^\s,;&]+)", re.IGNORECASE
)
_EVENT = re.compile(r"[a-z][a-z0-9_]*")

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""From which level on a line has which priority of syslog(3)."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Scrubber:
    """Removes from texts what must not be printed.

    Args:
        secrets: Texts that must not appear anywhere, such as `Config.secrets()`.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first, or of a secret that contains another one only that part would be replaced.
        longest_first = sorted({text for text in secrets if text}, key=len, reverse=True)
        self._longest = len(longest_first[0]) if longest_first else 0
        self._encoded = [msgspec.json.encode(text)[1:-1] for text in longest_first]
        # `(?!)` never matches; an empty pattern would match everywhere.
        self._secrets = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def text(self, text: str, *, longest: int = LONGEST_TEXT) -> str:
        """Return one line of at most `longest` characters without secrets."""
        cut, whole = self._hidden(text)
        return _shortened(_INVISIBLE.sub(_escaped, cut), longest, whole=whole)

    def trace(self, text: str) -> str:
        """Return the end of a traceback, which names the error, in lines and without secrets."""
        cut, _ = self._hidden(text[-LONGEST_SCRUBBED:])
        return _INVISIBLE_BUT_NEWLINE.sub(_escaped, cut)[-LONGEST_TRACE:]

    def field(self, name: str, value: Any) -> Any:
        """Return the value of a field as JSON; `TRACES` keep their line breaks."""
        return self.trace(value) if name in TRACES and isinstance(value, str) else self.value(value)

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return any value as JSON: texts scrubbed, numbers kept, everything else as text."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if depth < DEEPEST and isinstance(value, Mapping):
            items = list(value.items())[:MOST_ITEMS]
            return {self.text(str(key)): self.value(item, depth + 1) for key, item in items}
        if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in list(value)[:MOST_ITEMS]]
        return self.text(_as_text(value))

    def document(self, raw: bytes) -> bytes:
        """Return a JSON document, however long, without the secrets that are known."""
        for secret in self._encoded:
            raw = raw.replace(secret, HIDDEN.encode())
        return raw

    def _hidden(self, text: str) -> tuple[str, bool]:
        """Return the text without secrets, and whether all of it was examined."""
        whole = len(text) <= LONGEST_SCRUBBED
        text = self._secrets.sub(HIDDEN, text[:LONGEST_SCRUBBED])
        if not whole:
            # The cut may have gone through a secret, whose first part would not be recognised.
            text = text[: len(text) - self._longest]
        text = _DATABASE_URL.sub(f"postgresql://{HIDDEN}", text)
        return _PASSWORD.sub(rf"\1{HIDDEN}", _USER_INFO.sub(rf"\1{HIDDEN}@", text)), whole


class _Lines(JsonFormatter):
    """Formats one JSON object per line: timestamp, level, event, then the fields.

    A line of a library has its free text as `message`.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__(json_serializer=json.dumps)
        self._scrubber = scrubber

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """Add the fields in their order, scrubbed."""
        head = _head(record)
        if head["message"] == head["event"]:
            del head["message"]
        log_data.update(head)
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in log_data:
                log_data[name] = value
        for name, value in log_data.items():
            log_data[name] = self._scrubber.field(name, value)
        for name in ("exc_info", "stack_info"):
            if message_dict.get(name):
                log_data[name] = self._scrubber.trace(str(message_dict[name]))


class _Console(logging.Formatter):
    """Formats a line for people: time, level, event, then the fields."""

    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__()
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and the traceback below it when there is one."""
        head = _head(record)
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        shown = (f"{name}={self._scrubber.field(name, value)}" for name, value in fields.items())
        clock = str(head["timestamp"])[11:23]
        message = self._scrubber.text(str(head["message"]))
        line = " ".join((clock, f"{record.levelname:<7}", message, *shown))
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        # Indented, so that no line of an error's text looks like a log line.
        return f"{line}\n{indent(self._scrubber.trace(trace), '  ')}" if trace else line


class _WithPriority(logging.Formatter):
    """Puts the priority of syslog before each line, where journald looks for it (sd-daemon(3)).

    So `journalctl -p warning` finds what is one. journald takes the prefix away.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of the other formatter, each with the priority."""
        level = record.levelno
        priority = next((found for least, found in _PRIORITIES if level >= least), 7)
        lines = self._inner.format(record).split("\n")
        return "\n".join(f"<{priority}>{line}" for line in lines)


class _LineBudget:
    """Counts the lines of each event, and those that are too many in a minute.

    Args:
        monotonic: Returns the time in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._lines: Counter[str] = Counter()

    def allows(self, record: logging.LogRecord) -> bool:
        """Count a line; return whether it may be written."""
        if record.levelno >= logging.CRITICAL:  # it says why the process ends
            return True
        event = _event(record)
        self._lines[event] += 1
        return self._lines[event] <= MOST_LINES

    def take_omitted(self) -> dict[str, int]:
        """Return how many lines of which events were not written in the minute that is over."""
        now = self._monotonic()
        if now - self._began < MINUTE_S:
            return {}
        self._began = now
        counts, self._lines = self._lines, Counter()
        return {event: count - MOST_LINES for event, count in counts.items() if count > MOST_LINES}


class _Stream(logging.StreamHandler[TextIO]):
    """Writes to a stream that may be closed or full, of one event only so many lines a minute.

    What happens often is summed up where it is logged. This is for what nobody thought of: a fault
    that hits thousands of connections must not fill the disk of the log.
    """

    def __init__(self, stream: TextIO, monotonic: Callable[[], float], scrubber: Scrubber) -> None:
        super().__init__(stream)
        self.scrubber = scrubber
        self._budget = _LineBudget(monotonic)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless there were too many of its event; the lock is held."""
        omitted = self._budget.take_omitted()
        if omitted:
            # Comes back to this method, which finds nothing omitted then; the lock is reentrant.
            extra = {"omitted": sum(omitted.values()), "events": omitted}
            log.warning("lines_omitted", extra=extra)
        if self._budget.allows(record):
            super().emit(_readable(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop the line: there is nowhere to report the error."""


def configure(
    level: str,
    style: str,
    stream: TextIO | None = None,
    *,
    secrets: Iterable[str] = (),
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Send every log record of the process, scrubbed, to one stream.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        style: `json`, `console`, or `auto`: console on a terminal, else json.
        stream: Where lines go; None: standard error.
        secrets: Texts that must not appear anywhere. Call again when more are known.
        monotonic: Returns the time, in seconds, by which the lines of a minute are counted.
    """
    stream = sys.stderr if stream is None else stream
    if style == "auto":
        style = "console" if stream.isatty() else "json"
    scrubber = Scrubber(secrets)
    handler = _Stream(stream, monotonic, scrubber)
    lines = _Console(scrubber) if style == "console" else _Lines(scrubber)
    handler.setFormatter(_WithPriority(lines) if _is_journal(stream) else lines)
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Stream)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # At INFO and DEBUG these log every request and frame, URLs with keys among them.
    for noisy in ("urllib3", "requests", "websocket", "pykka", "asyncio", "aiohttp"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _is_journal(stream: TextIO) -> bool:
    """Return whether a stream leads to journald: it names its own socket (systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def for_people(text: str) -> str:
    """Return a line for standard output or error, without the secrets that `configure` was told.

    A break in it comes from a name that it repeats.
    """
    scrubbers = [
        each.scrubber for each in logging.getLogger().handlers if isinstance(each, _Stream)
    ]
    scrubber = scrubbers[-1] if scrubbers else Scrubber()
    return scrubber.text(text, longest=LONGEST_SCRUBBED)


def install_hooks() -> Callable[[], None]:
    """Log errors that would end a thread or the process without a log line, and warnings.

    Returns:
        A function that restores the previous hooks.
    """
    log = logging.getLogger("actors")
    previous = (sys.excepthook, threading.excepthook, sys.unraisablehook)

    def uncaught(
        kind: type[BaseException], value: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught", extra={"where": "main"}, exc_info=(kind, value, trace))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if issubclass(args.exc_type, SystemExit):
            return
        name = args.thread.name if args.thread else "unknown"
        value = args.exc_value or args.exc_type()
        log.critical(
            "uncaught",
            extra={"where": f"thread {name}"},
            exc_info=(args.exc_type, value, args.exc_traceback),
        )

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        value = args.exc_value or args.exc_type()
        log.error(
            "unraisable",
            extra={"where": str(args.err_msg or "finalizer")},
            exc_info=(args.exc_type, value, args.exc_traceback),
        )

    def undo() -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = previous
        logging.captureWarnings(capture=False)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, unraisable
    logging.captureWarnings(capture=True)
    return undo


def _head(record: logging.LogRecord) -> dict[str, Any]:
    """Return the first fields of every line. Free text of a library is `library_message`."""
    message = record.getMessage()
    at = datetime.fromtimestamp(record.created, tz=UTC)
    return {
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname,
        "event": _event(record),
        "message": message,
        "logger": record.name,
    }


def _event(record: logging.LogRecord) -> str:
    is_event = isinstance(record.msg, str) and _EVENT.fullmatch(record.msg) is not None
    return record.msg if is_event else "library_message"


def _readable(record: logging.LogRecord) -> logging.LogRecord:
    """Return the record; in place of one whose text cannot be made, what there is of it.

    A library may name fewer values than its text has places, or give a value without a text.
    """
    try:
        record.getMessage()
    except Exception as exc:  # noqa: BLE001 - the line must be written whatever __str__ does
        values = vars(record) | {
            "msg": _as_text(record.msg),
            "args": None,
            "log_call_error": f"{type(exc).__name__}: {_as_text(exc)}",
        }
        return logging.makeLogRecord(values)
    return record


def _as_text(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[: LONGEST_TEXT * 2]).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception as exc:  # noqa: BLE001 - the line must be written whatever __str__ does
        return f"({type(value).__name__} without a text: {type(exc).__name__})"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shortened(text: str, longest: int, *, whole: bool) -> str:
    return text if whole and len(text) <= longest else f"{text[: longest - 1]}…"
