"""Recorded payloads: read from files, kept byte by byte, and what can be learnt from them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

SUFFIXES = (".json", ".jsonl")


class Unreadable(Exception):
    """A recording cannot be used; the text is one line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One frame as it was recorded.

    Attributes:
        data: Its bytes.
        events: The objects in it; empty when it is not JSON.
        tokens: All tokens that it speaks of; empty means that it is for everyone.
    """

    data: bytes
    events: tuple[dict[str, Any], ...]
    tokens: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Known:
    """What recorded frames tell of one condition, in order of appearance."""

    condition: str
    tokens: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    winner: str = ""

    def meet(self, tokens: Iterable[str]) -> None:
        """Learn of tokens."""
        self.tokens += [token for token in tokens if token not in self.tokens]


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Return the files that paths name, folders walked in order of name.

    Raises:
        Unreadable: There is no such file or folder.
    """
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES)
        elif path.is_file():
            yield path
        else:
            raise Unreadable(f"no such file or folder: {path}")


def frames(paths: Iterable[Path], *, minify: bool, whole: bool) -> tuple[Recorded, ...]:
    """Read market channel frames.

    A `.jsonl` file has a frame a line; any other file is one frame, or one for
    each element when it is an array and `whole` is false. Files without any
    event of the market channel are passed over.

    Raises:
        Unreadable: There is no such file, or nothing in any of them.
    """
    found = []
    for path in files(paths):
        raw = path.read_bytes()
        pieces = raw.splitlines() if path.suffix == ".jsonl" else [raw]
        for piece in pieces:
            found += [_frame(part, minify=minify) for part in _parts(piece, whole=whole)]
        if path.suffix != ".jsonl":
            found = [one for one in found if one.events]
    if not found:
        raise Unreadable("no frames of the market channel in the recordings")
    return tuple(found)


def _parts(raw: bytes, *, whole: bool) -> list[bytes]:
    if whole or not raw.lstrip().startswith(b"["):
        return [raw]
    try:
        return [bytes(part) for part in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    except msgspec.DecodeError:
        return [raw]


def _frame(raw: bytes, *, minify: bool) -> Recorded:
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return Recorded(data=raw, events=(), tokens=frozenset())
    items = value if isinstance(value, list) else [value]
    events = tuple(item for item in items if isinstance(item, dict) and "event_type" in item)
    return Recorded(
        data=msgspec.json.format(raw, indent=-1) if minify else raw,
        events=events,
        tokens=frozenset(token for event in events for token in tokens_of(event)),
    )


def tokens_of(event: dict[str, Any]) -> list[str]:
    """Return the token ids of an event of either generation, without repeats."""
    named = [event.get("asset_id"), *_list(event, "assets_ids")]
    named += [
        change.get("asset_id")
        for change in _list(event, "price_changes")
        if isinstance(change, dict)
    ]
    return list(dict.fromkeys(name for name in named if isinstance(name, str)))


def _list(event: dict[str, Any], name: str) -> list[Any]:
    value = event.get(name)
    return value if isinstance(value, list) else []


def learn(recorded: Iterable[Recorded]) -> dict[str, Known]:
    """Return condition → what all frames together tell of it."""
    known: dict[str, Known] = {}
    for one in recorded:
        for event in one.events:
            condition = event.get("market")
            if not isinstance(condition, str):
                continue
            entry = known.setdefault(condition, Known(condition=condition))
            entry.meet(tokens_of(event))
            if event.get("event_type") == "market_resolved":
                entry.winner = str(event.get("winning_asset_id") or "")
            outcomes = [name for name in _list(event, "outcomes") if isinstance(name, str)]
            if outcomes and _list(event, "assets_ids"):
                entry.outcomes = outcomes
    return known


def payloads(paths: Iterable[Path], wrapper: str, key: str) -> dict[str, msgspec.Raw]:
    """Read recorded objects of an HTTP source: key's value → the object's own bytes.

    Args:
        paths: Files or folders; each file an object, an array, or a wrapped array.
        wrapper: Name of the array in a wrapped one (`markets`, `data`).
        key: Name of the field with the condition id.

    Raises:
        Unreadable: A file is not there or not JSON.
    """
    found: dict[str, msgspec.Raw] = {}
    for path in files(paths):
        try:
            for raw in _objects(path.read_bytes(), wrapper):
                name = msgspec.json.decode(raw).get(key)
                if isinstance(name, str) and name:
                    found[name] = raw
        except (msgspec.DecodeError, msgspec.ValidationError, AttributeError) as exc:
            raise Unreadable(f"{path} is no recording of {wrapper}: {exc}") from exc
    return found


def _objects(raw: bytes, wrapper: str) -> list[msgspec.Raw]:
    if raw.lstrip().startswith(b"["):
        return msgspec.json.decode(raw, type=list[msgspec.Raw])
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    if wrapper in fields:
        return msgspec.json.decode(fields[wrapper], type=list[msgspec.Raw])
    return [msgspec.Raw(raw)]


def gamma_tokens(raw: bytes) -> tuple[list[str], list[str]]:
    """Return the tokens and outcomes of a Gamma market, both empty when it has none yet."""
    row = msgspec.json.decode(raw)
    tokens = row.get("clobTokenIds") or row.get("positionIds") or []
    outcomes = row.get("outcomes") or []
    return _native(tokens), _native(outcomes)


def _native(value: Any) -> list[str]:
    """Return an array that may be JSON inside a string."""
    items = json.loads(value) if isinstance(value, str) else value
    return [str(item) for item in items] if isinstance(items, list) else []
