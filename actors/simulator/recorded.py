"""Serve a recording of a look (docs/reference/recording.md): what was asked gets what came.

An HTTP request that was recorded gets the recorded answers in turn (`sources.py`). A connection
that begins with the recorded subscription gets the recorded frames, each behind the message that it
came behind. All else is answered as the simulator does, from the recorded markets; other
connections get the recorded frames of their tokens once, side by side. Times are moved from then
to now: in `Date`, and in `timestamp` of events.
"""

import base64
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from actors.simulator.channel import Channel, Connection
from actors.simulator.events import NOT_JSON, frame

FILE = "recording.jsonl"
VERSION = 1
START_S = 3.0
"""From the first subscription that was not recorded to the first frame. Others join meanwhile."""
_TIME = re.compile(rb'("timestamp"\s*:\s*"?)([0-9]{13}|[0-9]{10})(?=["\s,}\]])')
_HTTP_STATUS = re.compile(r"http_([1-5][0-9][0-9])")
_CLOSED = re.compile(r"closed_([0-9]{4})")


class Unreadable(Exception):
    """A recording cannot be used; the text is one line for people."""


# ----------------------------------------------------------------------- lines


class Line(msgspec.Struct, tag_field="kind", frozen=True):
    """One line: `at` is in seconds since 1970."""

    at: float


class First(Line, tag="recording", frozen=True):
    """The first line."""

    version: int


class Http(Line, tag="http", frozen=True):
    """One call and its answer."""

    side: str
    method: str
    target: str
    seconds: float
    headers: dict[str, str]
    status: int | None
    error: str
    sent: str = ""
    sent_base64: str = ""
    body: str = ""
    body_base64: str = ""

    @property
    def answer(self) -> bytes:
        """Return the body of the answer."""
        return as_bytes(self.body, self.body_base64)


class Open(Line, tag="open", frozen=True):
    """A handshake."""

    reason: str


class Sent(Line, tag="sent", frozen=True):
    """A message of the look."""

    text: str


class Frame(Line, tag="frame", frozen=True):
    """A message of the exchange."""

    text: str = ""
    text_base64: str = ""

    @property
    def data(self) -> bytes:
        """Return its bytes."""
        return as_bytes(self.text, self.text_base64)


class Closed(Line, tag="closed", frozen=True):
    """The end of a connection."""

    reason: str
    detail: str


class Finding(Line, tag="finding", frozen=True):
    """What the look said."""

    name: str
    judgement: str


class End(Line, tag="end", frozen=True):
    """The last line."""

    lines: int


_decoder = msgspec.json.Decoder(First | Http | Open | Sent | Frame | Closed | Finding | End)


def as_bytes(text: str, base64_text: str) -> bytes:
    """Return what is recorded as a text, or else in base64."""
    return base64.b64decode(base64_text) if base64_text else text.encode()


def is_recording(path: Path) -> bool:
    """Return whether a path is a recording of a look, or a folder that holds one."""
    return _file(path).is_file()


def _file(path: Path) -> Path:
    return path if path.name == FILE else path / FILE


def read(place: Path) -> tuple[Line, ...]:
    """Return the lines of the recording at a path.

    Raises:
        Unreadable: It is damaged, or was never finished.
    """
    path = _file(place)
    raws = path.read_bytes().split(b"\n")
    whole = raws.pop() == b""
    lines: list[Line] = []
    for number, raw in enumerate(raws, start=1):
        try:
            lines.append(_decoder.decode(raw))
        except NOT_JSON as exc:
            raise Unreadable(f"{path} line {number}: {exc}") from exc
        if isinstance(lines[-1], First) != (number == 1):
            raise Unreadable(f"{path} line {number}: the first line, and no other, is `recording`")
    return _checked(path, lines, whole=whole)


def _checked(path: Path, lines: list[Line], *, whole: bool) -> tuple[Line, ...]:
    first, last = (lines[0], lines[-1]) if lines else (None, None)
    if isinstance(first, First) and first.version != VERSION:
        raise Unreadable(f"{path} line 1: version {first.version} is not known, only {VERSION}")
    if not whole or not isinstance(last, End):
        number = max(1, len(lines) + (not whole))
        raise Unreadable(
            f"{path} line {number}: ends here without its last line (`end`);"
            " the look was interrupted, or the file was copied in part"
        )
    if last.lines != len(lines):
        raise Unreadable(f"{path} line {len(lines)}: speaks of {last.lines} lines")
    return tuple(lines)


# ------------------------------------------------------------------------ feed


@dataclass(slots=True, kw_only=True)
class Segment:
    """What came behind one message of the look."""

    at: float
    tokens: frozenset[str]
    dump_asked: bool
    lines: list[Frame | Closed] = field(default_factory=list)

    def dumped(self) -> bool:
        """Return whether at least half of the tokens got a book."""
        books = {
            token
            for line in self.lines
            if isinstance(line, Frame)
            for event in events_of(line.data)
            if event.get("event_type") == "book"
            for token in tokens_of(event)
        }
        return bool(self.tokens) and 2 * len(self.tokens & books) >= len(self.tokens)

    def has(self, *texts: bytes) -> bool:
        """Return whether a frame is one of these texts."""
        return any(isinstance(line, Frame) and line.data.strip() in texts for line in self.lines)


def events_of(data: bytes) -> list[dict[str, Any]]:
    """Return the events of a frame; none when it is no JSON."""
    try:
        value = msgspec.json.decode(data)
    except NOT_JSON:
        return []
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def tokens_of(event: Mapping[str, Any]) -> list[str]:
    """Return the token ids that an event names, each once, in either format of `price_change`."""
    named = [event.get("asset_id"), *listed(event, "assets_ids")]
    named += [
        change.get("asset_id")
        for change in listed(event, "price_changes")
        if isinstance(change, dict)
    ]
    return list(dict.fromkeys(name for name in named if isinstance(name, str)))


def listed(event: Mapping[str, Any], name: str) -> list[Any]:
    """Return a field of an event that is a list; empty for anything else."""
    value = event.get(name)
    return value if isinstance(value, list) else []


def dated_now(data: bytes, later_s: float) -> bytes:
    """Return a frame with the times of its events moved by so many seconds."""

    def move(found: re.Match[bytes]) -> bytes:
        unit = 1000 if len(found[2]) == 13 else 1
        return found[1] + b"%d" % (int(found[2]) + round(later_s * unit))

    return _TIME.sub(move, data)


class Look:
    """A recording of a look.

    Attributes:
        calls: Its HTTP calls.
        frames: All its frames.
        segments: Its messages on the market channel, with what came behind each.
        rejection: Status with which each handshake is answered; 0: it is cut; None: it is done.

    Args:
        lines: Of the recording.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.calls = [line for line in lines if isinstance(line, Http)]
        self.frames = [line for line in lines if isinstance(line, Frame)]
        self.segments = list(_segments(lines))
        self.rejection: int | None = None
        for line in lines:
            if isinstance(line, Open) and line.reason:
                found = _HTTP_STATUS.fullmatch(line.reason)
                self.rejection = int(found[1]) if found else 0

    def rows(self) -> dict[str, dict[str, msgspec.Raw]]:
        """Return source → condition → object, of all markets in the answers."""
        rows: dict[str, dict[str, msgspec.Raw]] = {"gamma": {}, "clob": {}, "data": {}}
        names = {"gamma": "conditionId", "clob": "condition_id", "data": "condition_id"}
        for call in self.calls:
            if call.status == 200 and call.side in rows:
                for raw in _objects(call.answer):
                    name = msgspec.json.decode(raw).get(names[call.side])
                    if isinstance(name, str):
                        # Gamma leaves out the zeros at the end of the ids of V2.
                        rows[call.side][f"{name}00" if len(name) == 64 else name] = raw
        return rows

    def breaks(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the breaks that the recording shows, and those that it shows not to be."""
        broken: set[str] = set()
        intact: set[str] = set()
        held: set[str] = set()
        for segment in self.segments:
            if segment.tokens and segment.tokens <= held:
                answers = {b"NO NEW ASSETS": "repeat_text", b"[]": "repeat_empty"}
                given = [name for text, name in answers.items() if segment.has(text)]
                silent = [] if segment.dumped() else ["repeat_nothing"]
                broken.update(given[:1] or silent)
                intact.add("repeat_text")
            elif not segment.dump_asked and segment.tokens:
                (intact if segment.dumped() else broken).add("dump_only_when_asked")
            held |= segment.tokens
        lines = [line for segment in self.segments for line in segment.lines]
        ends = [line for line in lines if isinstance(line, Closed) and line.reason != "closed"]
        if ends and not self.frames:
            broken.add("accept_then_drop")
        return frozenset(broken), frozenset(intact - broken)


def _segments(lines: Iterable[Line]) -> Iterator[Segment]:
    segment: Segment | None = None
    for line in lines:
        if isinstance(line, Sent):
            if segment is not None:
                yield segment
            said = events_of(line.text.encode())
            message: Mapping[str, Any] = said[0] if said else {}
            dump = message.get("initial_dump") is True
            segment = Segment(at=line.at, tokens=_ids(message), dump_asked=dump)
        elif isinstance(line, (Frame, Closed)) and segment is not None:
            segment.lines.append(line)
    if segment is not None:
        yield segment


def _ids(message: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(each for each in listed(message, "assets_ids") if isinstance(each, str))


def _objects(raw: bytes) -> list[msgspec.Raw]:
    """Return the objects of an answer: an array, a page, rows, or one market."""
    try:
        if raw.lstrip().startswith(b"["):
            return msgspec.json.decode(raw, type=list[msgspec.Raw])
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        inner = fields.get("markets", fields.get("data"))
        return (
            [msgspec.Raw(raw)]
            if inner is None
            else msgspec.json.decode(inner, type=list[msgspec.Raw])
        )
    except NOT_JSON:
        return []  # the page is served as it is; it makes no market


# ---------------------------------------------------------------------- player


class LookPlayer:
    """Sends the recorded frames.

    Args:
        look: The recording.
        speed: How many times as fast as they came.
        channel: The subscribers.
        record: Writes the trade of an event that was sent to connections of these numbers.
    """

    def __init__(
        self,
        look: Look,
        speed: float,
        channel: Channel,
        record: Callable[[dict[str, Any], Sequence[int]], None],
    ) -> None:
        self._look = look
        self._speed = speed
        self._channel = channel
        self._record = record
        self._places: dict[int, int] = {}  # the last message of those that do as the look did
        self._waiting: dict[int, deque[tuple[float, Frame | Closed]]] = {}
        self._began: float | None = None
        self._ahead = deque(look.frames)

    def receive(self, connection: Connection, text: str, now: float) -> bool:
        """Take a message of a connection that does as the look did; return whether it does.

        Args:
            connection: Whose message.
            text: The message.
            now: Monotonic seconds.
        """
        number, segments = connection.number, self._look.segments
        place = self._places.get(number, -1) + 1
        if text == "PING" or (place == 0 and connection.subscribed):
            return False
        if place == 0 and not self._is_first(text):
            self._began = now if self._began is None else self._began
            return False
        connection.subscribed = True
        self._places[number] = place
        if place < len(segments):
            waiting = self._waiting.setdefault(number, deque())
            for line in segments[place].lines:
                waiting.append((now + (line.at - segments[place].at) / self._speed, line))
        return True

    def _is_first(self, text: str) -> bool:
        said = events_of(text.encode())
        first = self._look.segments[0].tokens if self._look.segments else frozenset()
        return bool(said) and bool(first) and _ids(said[0]) == first

    def turn(self, now: float, wall_s: float) -> None:
        """Send what is due at a time: monotonic seconds, and seconds since 1970."""
        for number, waiting in tuple(self._waiting.items()):
            connection = self._channel.connections.get(number)
            if connection is None:
                del self._waiting[number], self._places[number]
                continue
            while waiting and waiting[0][0] <= now:
                due, line = waiting.popleft()
                self._play(line, connection, wall_s - now + due - line.at)
        self._send_ahead(now, wall_s)

    def _play(self, line: Frame | Closed, connection: Connection, later_s: float) -> None:
        if isinstance(line, Frame):
            self._channel.send((connection,), frame(dated_now(line.data, later_s)))
        elif found := _CLOSED.fullmatch(line.reason):
            connection.close(int(found[1]), line.detail, by="server")
        elif line.reason != "closed":
            connection.cut(line.reason, by="server")

    def _send_ahead(self, now: float, wall_s: float) -> None:
        """Send the frames that are due to the connections that do otherwise than the look."""
        if self._began is None or not self._ahead:
            return
        first_s = self._look.frames[0].at
        while self._ahead:
            line = self._ahead[0]
            due = self._began + START_S + (line.at - first_s) / self._speed
            if due > now:
                return
            self._ahead.popleft()
            data = dated_now(line.data, wall_s - now + due - line.at)
            events = [event for event in events_of(data) if "event_type" in event]
            tokens = {token for event in events for token in tokens_of(event)}
            others = [
                one
                for number, one in self._channel.connections.items()
                if number not in self._places and one.live and tokens & one.tokens
            ]
            if others:
                for event in events:
                    self._record(event, [one.number for one in others])
                self._channel.send(others, frame(data))
