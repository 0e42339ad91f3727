"""Replay recordings: each connection gets, once, the recorded frames of its tokens.

Recorded payloads are read from files and kept byte by byte; tokens, markets and outcomes are
learnt from them. A connection that comes again gets its frames again, as the second feed does;
the ledger has each recorded trade once, when it is sent for the first time. Trades keep their
recorded time.
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from actors.simulator.channel import Channel, Connection
from actors.simulator.events import Tape, frame
from actors.simulator.exchange import Exchange
from actors.simulator.ledger import Ledger
from actors.simulator.market import NEVER, Market, digest
from actors.simulator.markets import Markets, Wish
from actors.simulator.options import Replay

WAITING_BYTES = 1 << 20
YEAR_MS = 365 * 86_400_000
LIFE_MS = 5_000
_TEXT = ("asset_id", "market", "price", "size", "side", "timestamp")


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


def read_frames(paths: Iterable[Path], *, minify: bool, whole: bool) -> tuple[Recorded, ...]:
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


def read_payloads(paths: Iterable[Path], wrapper: str, key: str) -> dict[str, msgspec.Raw]:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """All that was recorded; `rows` is source → condition → the payload's own bytes."""

    frames: tuple[Recorded, ...]
    rows: dict[str, dict[str, msgspec.Raw]]


def load(asked: Replay) -> Recordings:
    """Read what the options name.

    Raises:
        Unreadable: A file cannot be used; the text is one line for people.
    """
    frames: tuple[Recorded, ...] = ()
    if asked.frames:
        frames = read_frames(asked.frames, minify=asked.minify, whole=asked.whole_arrays)
    return Recordings(
        frames=frames,
        rows={
            "gamma": read_payloads(asked.gamma, "markets", "conditionId"),
            "clob": read_payloads(asked.clob, "data", "condition_id"),
            "data": read_payloads(asked.data, "data", "condition_id"),
        },
    )


def furnish(recordings: Recordings, universe: Markets, exchange: Exchange, wall: int) -> None:
    """Make the markets that the recordings speak of, with recorded payloads where there are any."""
    for entry in _known(recordings).values():
        market = universe.by_condition.get(entry.condition)
        if market is None:
            market = exchange.add(_wish(entry, wall), wall)
        market.recorded = {
            source: rows[entry.condition]
            for source, rows in recordings.rows.items()
            if entry.condition in rows
        }
        if "gamma" in market.recorded:
            _take_gamma(market.recorded["gamma"], market, universe)


def _known(recordings: Recordings) -> dict[str, Known]:
    """Put together what frames and payloads tell; the order of tokens is Gamma's."""
    known = learn(recordings.frames)
    for rows in recordings.rows.values():
        for condition in rows:
            known.setdefault(condition, Known(condition=condition))
    for condition, raw in recordings.rows["gamma"].items():
        entry = known[condition]
        tokens, outcomes = gamma_tokens(raw)
        entry.tokens = [*tokens, *(token for token in entry.tokens if token not in tokens)]
        entry.outcomes = outcomes or entry.outcomes
    return known


def _wish(entry: Known, wall: int) -> Wish:
    """Describe a market as far as it is known; a token that no recording tells is made up."""
    made_up = (_token(entry.condition, 0), _token(entry.condition, 1))
    tokens = (*entry.tokens, *made_up[len(entry.tokens) :])[:2]
    outcomes = entry.outcomes if len(entry.outcomes) > 1 else ("Yes", "No")
    won = entry.winner in tokens
    return Wish(
        announced=0,
        trades=wall,
        ends=wall + (LIFE_MS if won else YEAR_MS),
        fate="clean" if won else "long",
        winner=tokens.index(entry.winner) if won else 0,
        v2=False,
        replayed=True,
        tokens=(tokens[0], tokens[1]),
        condition=entry.condition,
        outcomes=(outcomes[0], outcomes[1]),
    )


def _take_gamma(raw: bytes, market: Market, universe: Markets) -> None:
    """Register a market as its recorded Gamma object describes it: by id, open or closed."""
    row = msgspec.json.decode(raw)
    universe.by_gamma.pop(market.gamma_id, None)
    market.gamma_id = str(row.get("id") or market.gamma_id)
    market.slug = str(row.get("slug") or market.slug)
    market.life = replace(market.life, closed=0 if row.get("closed") is True else NEVER)
    universe.keep(market)


def _token(condition: str, side: int) -> str:
    return str(int.from_bytes(digest("replay", condition, side)))


def _concerns(one: Recorded, connection: Connection) -> bool:
    if connection.custom and any(event["event_type"] == "new_market" for event in one.events):
        return True
    return not one.tokens or bool(one.tokens & connection.tokens)


class Reel:
    """Sends recorded frames.

    Args:
        frames: In the order of sending.
        per_second: To each connection.
        channel: The subscribers.
        ledger: Gets each trade once.
        tape: Numbers the trades.
    """

    def __init__(
        self,
        frames: Sequence[Recorded],
        per_second: float,
        channel: Channel,
        ledger: Ledger,
        tape: Tape,
    ) -> None:
        self._frames = frames
        self._per_second = per_second
        self._channel = channel
        self._ledger = ledger
        self._tape = tape
        self._queues: dict[int, deque[int]] = {}
        self._had: dict[int, set[int]] = {}
        self._entered: set[int] = set()
        self._occurrences: Counter[tuple[Any, ...]] = Counter()
        self._owed = 0.0
        channel.on_subscribed = self.subscribed

    def subscribed(self, connection: Connection) -> None:
        """Queue the frames of its tokens that a connection has not had yet."""
        had = self._had.setdefault(connection.number, set())
        queue = self._queues.setdefault(connection.number, deque())
        for index, one in enumerate(self._frames):
            if index not in had and _concerns(one, connection):
                had.add(index)
                queue.append(index)

    def turn(self, passed: float) -> None:
        """Send what is due after some seconds; a slow reader is waited for."""
        self._owed += self._per_second * passed
        count, self._owed = int(self._owed), self._owed % 1
        for number in tuple(self._queues):
            connection = self._channel.connections.get(number)
            if connection is None:
                del self._queues[number], self._had[number]
                continue
            queue = self._queues[number]
            for _ in range(min(count, len(queue))):
                if connection.waiting > WAITING_BYTES or not connection.live:
                    break
                self._send(queue.popleft(), connection)

    def _send(self, index: int, connection: Connection) -> None:
        one = self._frames[index]
        if index not in self._entered:
            self._entered.add(index)
            for event in one.events:
                self._enter(event, connection)
        self._channel.tell((connection,), frame(one.data))

    def _enter(self, event: dict[str, Any], connection: Connection) -> None:
        """Write a recorded trade into the ledger; one that is none is garbage."""
        if event.get("event_type") != "last_trade_price":
            return
        if not all(isinstance(event.get(name), str) for name in _TEXT):
            self._ledger.add("garbage", connection=connection.number, frames=1)
            return
        key = tuple(str(event.get(name)) for name in (*_TEXT, "transaction_hash"))
        self._occurrences[key] += 1
        self._tape.n += 1
        self._ledger.add(
            "trade",
            run=self._tape.run,
            n=self._tape.n,
            token=event["asset_id"],
            condition=event["market"],
            price=event["price"],
            size=event["size"],
            side=event["side"],
            ts=int(event["timestamp"]) if event["timestamp"].isdigit() else 0,
            hash=event.get("transaction_hash") or "",
            fee=event.get("fee_rate_bps") or "",
            occurrence=self._occurrences[key],
            delivered=1,
            to=[connection.number],
            recorded=True,
        )
