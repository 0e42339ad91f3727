"""Replays recordings: every connection gets, once, the frames of the tokens it asks for.

A connection that comes anew gets them anew, as a second feed does; the ledger
has each recorded trade once, when it is sent for the first time. Trades keep
their recorded time.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from actors.simulator import recording
from actors.simulator.channel import Channel
from actors.simulator.connection import Connection
from actors.simulator.exchange import Exchange
from actors.simulator.frame import frame
from actors.simulator.identity import digest
from actors.simulator.ledger import Ledger
from actors.simulator.life import NEVER
from actors.simulator.market import Market
from actors.simulator.options import Replay
from actors.simulator.recording import Known, Recorded
from actors.simulator.trade import Tape
from actors.simulator.universe import Markets, Wish

WAITING_BYTES = 1 << 20
YEAR_MS = 365 * 86_400_000
LIFE_MS = 5_000
_TEXT = ("asset_id", "market", "price", "size", "side", "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """All that was recorded; `rows` is source → condition → the payload's own bytes."""

    frames: tuple[Recorded, ...]
    rows: dict[str, dict[str, msgspec.Raw]]


def load(asked: Replay) -> Recordings:
    """Read what the options name.

    Raises:
        recording.Unreadable: With a line for people.
    """
    frames: tuple[Recorded, ...] = ()
    if asked.frames:
        frames = recording.frames(asked.frames, minify=asked.minify, whole=asked.whole_arrays)
    return Recordings(
        frames=frames,
        rows={
            "gamma": recording.payloads(asked.gamma, "markets", "conditionId"),
            "clob": recording.payloads(asked.clob, "data", "condition_id"),
            "data": recording.payloads(asked.data, "data", "condition_id"),
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
    known = recording.learn(recordings.frames)
    for rows in recordings.rows.values():
        for condition in rows:
            known.setdefault(condition, Known(condition=condition))
    for condition, raw in recordings.rows["gamma"].items():
        entry = known[condition]
        tokens, outcomes = recording.gamma_tokens(raw)
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
    """Let a market be found as its recorded Gamma object says: by id, open or closed."""
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
        self._twins: Counter[tuple[Any, ...]] = Counter()
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
        self._twins[key] += 1
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
            twin=self._twins[key],
            delivered=1,
            to=[connection.number],
            recorded=True,
        )
