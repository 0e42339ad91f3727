"""Replay recordings: each connection gets, once, the recorded frames of its tokens.

Recorded payloads are served byte by byte as they are; tokens, markets and outcomes are taken
from them. A connection that is opened again gets its frames again, as each feed gets them; the
ledger has each recorded trade once, when it is first sent. Trades keep their recorded time.
"""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from actors.simulator.channel import Channel, Connection
from actors.simulator.events import NOT_JSON, TradeGenerator, frame
from actors.simulator.exchange import Exchange
from actors.simulator.ledger import Ledger
from actors.simulator.market import NEVER, Market
from actors.simulator.market_ids import digest
from actors.simulator.markets import Markets, MarketSpec
from actors.simulator.options import Replay
from actors.simulator.recorded import FILE, Look, Unreadable, is_recording, listed, read, tokens_of

WAITING_BYTES = 1 << 20
"""A connection with so much in its send buffer gets no more frames for now."""
YEAR_MS = 365 * 86_400_000
LIFETIME_MS = 5_000
"""How long a market trades whose resolution was recorded."""
SUFFIXES = (".json", ".jsonl")
_TEXT_FIELDS = ("asset_id", "market", "price", "size", "side", "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded frame.

    Attributes:
        data: Its bytes.
        events: The objects in it; empty when it is not JSON.
        tokens: All tokens that it names; empty means that every connection gets it.
    """

    data: bytes
    events: tuple[dict[str, Any], ...]
    tokens: frozenset[str]


@dataclass(slots=True, kw_only=True)
class KnownMarket:
    """What recordings contain of one condition, in order of appearance."""

    condition: str
    tokens: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    winner: str = ""

    def add_tokens(self, tokens: Iterable[str]) -> None:
        """Add tokens that are new."""
        self.tokens += [token for token in tokens if token not in self.tokens]


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Return the files at these paths; those of a folder in order of name.

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


def read_frames(paths: Sequence[Path], *, minify: bool, whole: bool) -> tuple[Recorded, ...]:
    """Return the market channel frames of recordings.

    A `.jsonl` file has a frame a line; any other file is one frame, or one for each element when
    it is an array and `whole` is false. Files without an event of the market channel are skipped.

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
        places = ", ".join(map(str, paths))
        raise Unreadable(f"no {FILE}, and no frames of the market channel, in {places}")
    return tuple(found)


def _parts(raw: bytes, *, whole: bool) -> list[bytes]:
    if whole or not raw.lstrip().startswith(b"["):
        return [raw]
    try:
        return [bytes(part) for part in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    except NOT_JSON:
        return [raw]


def _frame(raw: bytes, *, minify: bool) -> Recorded:
    try:
        value = msgspec.json.decode(raw)
    except NOT_JSON:
        return Recorded(data=raw, events=(), tokens=frozenset())
    items = value if isinstance(value, list) else [value]
    events = tuple(item for item in items if isinstance(item, dict) and "event_type" in item)
    return Recorded(
        data=msgspec.json.format(raw, indent=-1) if minify else raw,
        events=events,
        tokens=frozenset(token for event in events for token in tokens_of(event)),
    )


def known_markets(recorded: Iterable[Recorded]) -> dict[str, KnownMarket]:
    """Return condition → what all frames together contain of it."""
    known: dict[str, KnownMarket] = {}
    for one in recorded:
        for event in one.events:
            condition = event.get("market")
            if not isinstance(condition, str):
                continue
            entry = known.setdefault(condition, KnownMarket(condition=condition))
            entry.add_tokens(tokens_of(event))
            if event.get("event_type") == "market_resolved":
                entry.winner = str(event.get("winning_asset_id") or "")
            outcomes = [name for name in listed(event, "outcomes") if isinstance(name, str)]
            if outcomes and listed(event, "assets_ids"):
                entry.outcomes = outcomes
    return known


def read_payloads(paths: Iterable[Path], wrapper: str, key: str) -> dict[str, msgspec.Raw]:
    """Return recorded objects of an HTTP source: value of the key → bytes of the object.

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
        except (*NOT_JSON, AttributeError) as exc:
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
    """Return the tokens and outcomes of a Gamma market, empty lists where it has none yet."""
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
    """All recordings.

    Attributes:
        rows: Source → condition → bytes of the payload.
        look: The recording of a look; then `frames` are its frames.
    """

    frames: tuple[Recorded, ...]
    rows: dict[str, dict[str, msgspec.Raw]]
    look: Look | None = None


def load(replay: Replay) -> Recordings:
    """Return the recordings that the options name.

    Raises:
        Unreadable: A file cannot be used.
    """
    frames: tuple[Recorded, ...] = ()
    if any(map(is_recording, replay.frames)):
        return _load_look(replay)
    if replay.frames:
        frames = read_frames(replay.frames, minify=replay.minify, whole=replay.whole_arrays)
    return Recordings(
        frames=frames,
        rows={
            "gamma": read_payloads(replay.gamma, "markets", "conditionId"),
            "clob": read_payloads(replay.clob, "data", "condition_id"),
            "data": read_payloads(replay.data, "data", "condition_id"),
        },
    )


def _load_look(replay: Replay) -> Recordings:
    if len(replay.frames) + len(replay.gamma) + len(replay.clob) + len(replay.data) > 1:
        raise Unreadable(f"{replay.frames[0]} is a recording of a look: it is replayed alone")
    look = Look(read(replay.frames[0]))
    frames = tuple(_frame(line.data, minify=False) for line in look.frames)
    return Recordings(frames=frames, rows=look.rows(), look=look)


def add_recorded_markets(
    recordings: Recordings, markets: Markets, exchange: Exchange, wall: int
) -> None:
    """Make the markets that recordings name, with recorded payloads where there are any."""
    for entry in _known(recordings).values():
        market = markets.by_condition.get(entry.condition)
        if market is None:
            market = exchange.add(_spec(entry, wall), wall)
        market.recorded = {
            source: rows[entry.condition]
            for source, rows in recordings.rows.items()
            if entry.condition in rows
        }
        if "gamma" in market.recorded:
            _take_gamma(market.recorded["gamma"], market, markets)


def _known(recordings: Recordings) -> dict[str, KnownMarket]:
    """Combine frames and payloads; the order of a market's tokens is Gamma's."""
    known = known_markets(recordings.frames)
    for rows in recordings.rows.values():
        for condition in rows:
            known.setdefault(condition, KnownMarket(condition=condition))
    for condition, raw in recordings.rows["gamma"].items():
        entry = known[condition]
        tokens, outcomes = gamma_tokens(raw)
        entry.tokens = [*tokens, *(token for token in entry.tokens if token not in tokens)]
        entry.outcomes = outcomes or entry.outcomes
    return known


def _spec(entry: KnownMarket, wall: int) -> MarketSpec:
    """Describe a market as far as recordings do; a missing token id is generated."""
    generated = (_token(entry.condition, 0), _token(entry.condition, 1))
    tokens = (*entry.tokens, *generated[len(entry.tokens) :])[:2]
    outcomes = entry.outcomes if len(entry.outcomes) > 1 else ("Yes", "No")
    won = entry.winner in tokens
    return MarketSpec(
        announced=0,
        trades=wall,
        ends=wall + (LIFETIME_MS if won else YEAR_MS),
        fate="clean" if won else "long",
        winner=tokens.index(entry.winner) if won else 0,
        v2=False,
        replayed=True,
        tokens=(tokens[0], tokens[1]),
        condition=entry.condition,
        outcomes=(outcomes[0], outcomes[1]),
    )


def _take_gamma(raw: bytes, market: Market, markets: Markets) -> None:
    """Take id, slug and whether it is closed from the recorded Gamma object of a market."""
    row = msgspec.json.decode(raw)
    markets.by_gamma.pop(market.gamma_id, None)
    market.gamma_id = str(row.get("id") or market.gamma_id)
    market.slug = str(row.get("slug") or market.slug)
    market.lifetime = replace(market.lifetime, closed=0 if row.get("closed") is True else NEVER)
    markets.keep(market)


def _token(condition: str, side: int) -> str:
    return str(int.from_bytes(digest("replay", condition, side)))


def _is_for(one: Recorded, connection: Connection) -> bool:
    if connection.custom and any(event["event_type"] == "new_market" for event in one.events):
        return True
    return not one.tokens or bool(one.tokens & connection.tokens)


class Player:
    """Sends recorded frames to subscribers.

    Args:
        frames: In the order of sending.
        per_second: Frames to each connection.
        channel: The subscribers.
        ledger: Gets each trade once.
        generator: Numbers the trades.
    """

    def __init__(
        self,
        frames: Sequence[Recorded],
        per_second: float,
        channel: Channel,
        ledger: Ledger,
        generator: TradeGenerator,
    ) -> None:
        self._frames = frames
        self._per_second = per_second
        self._channel = channel
        self._ledger = ledger
        self._generator = generator
        self._queues: dict[int, deque[int]] = {}
        self._queued: dict[int, set[int]] = {}
        self._recorded: set[int] = set()
        self._occurrences: Counter[tuple[Any, ...]] = Counter()
        self._owed = 0.0
        channel.on_subscribed = self.subscribed

    def subscribed(self, connection: Connection) -> None:
        """Queue the frames of a connection's tokens that it did not get yet."""
        queued = self._queued.setdefault(connection.number, set())
        queue = self._queues.setdefault(connection.number, deque())
        for index, one in enumerate(self._frames):
            if index not in queued and _is_for(one, connection):
                queued.add(index)
                queue.append(index)

    def turn(self, passed: float) -> None:
        """Send what is due after some seconds; a slow reader gets the rest later."""
        self._owed += self._per_second * passed
        count, self._owed = int(self._owed), self._owed % 1
        for number in tuple(self._queues):
            connection = self._channel.connections.get(number)
            if connection is None:
                del self._queues[number], self._queued[number]
                continue
            queue = self._queues[number]
            for _ in range(min(count, len(queue))):
                if connection.waiting > WAITING_BYTES or not connection.live:
                    break
                self._send(queue.popleft(), connection)

    def _send(self, index: int, connection: Connection) -> None:
        one = self._frames[index]
        if index not in self._recorded:
            self._recorded.add(index)
            for event in one.events:
                self.record(event, (connection.number,))
        self._channel.send((connection,), frame(one.data))

    def record(self, event: dict[str, Any], to: Sequence[int]) -> None:
        """Write a trade to the ledger that is sent to the connections of these numbers.

        One without its fields counts as garbage; another event is no trade.
        """
        if event.get("event_type") != "last_trade_price":
            return
        if not all(isinstance(event.get(name), str) for name in _TEXT_FIELDS):
            self._ledger.add("garbage", connection=to[0], frames=1)
            return
        key = tuple(str(event.get(name)) for name in (*_TEXT_FIELDS, "transaction_hash"))
        self._occurrences[key] += 1
        self._generator.n += 1
        self._ledger.add(
            "trade",
            run=self._generator.run,
            n=self._generator.n,
            token=event["asset_id"],
            condition=event["market"],
            price=event["price"],
            size=event["size"],
            side=event["side"],
            ts=int(event["timestamp"]) if event["timestamp"].isdigit() else 0,
            hash=event.get("transaction_hash") or "",
            fee=event.get("fee_rate_bps") or "",
            occurrence=self._occurrences[key],
            delivered=len(to),
            to=list(to),
            recorded=True,
        )
