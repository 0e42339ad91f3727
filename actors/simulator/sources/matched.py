"""RTDS, the stream of all markets on one socket: what is matched, with who did it.

A client subscribes, sends PING every few seconds, which is answered by an empty message, and gets
a message for each match of any market. Which trades a quirk touches follows from their numbers.
"""

from collections import deque
from typing import Any

import msgspec

from actors.simulator.channel import Connection
from actors.simulator.events import NOT_JSON, Trade, frame
from actors.simulator.market_ids import hex_id
from actors.simulator.sources.trades import block_s, is_touched, parts

TOLD_MS = 800
"""A match is told so long after it was made."""
FROZEN_S, CLOSED_S = 12.0, 20.0
"""So long after its subscription a socket freezes, or is closed; really every 14 to 120 minutes."""
DROPPED = 100
"""One match in so many is not told."""
MOST_WAITING = 100_000


class Stream:
    """The subscribers, and what they are told.

    Args:
        broken: Names of the beliefs that do not hold.

    Attributes:
        opened: Sockets so far.
        told: Matches so far, one for each subscriber.
    """

    def __init__(self, broken: frozenset[str]) -> None:
        self._broken = broken
        self._since: dict[Connection, float] = {}
        self._due: deque[tuple[int, Trade]] = deque()
        self.opened = self.told = 0

    def opens(self) -> None:
        """Count a socket."""
        self.opened += 1

    def closed(self, connection: Connection) -> None:
        """Forget a socket."""
        self._since.pop(connection, None)

    def receive(self, connection: Connection, text: str, now: float) -> None:
        """Take what a client says; `now` is monotonic seconds."""
        if text == "PING":
            connection.control(frame(b""))
            connection.flush()
            return
        try:
            asked = msgspec.json.decode(text)
            kinds = {each["type"] for each in asked["subscriptions"] if each["topic"] == "activity"}
        except (*NOT_JSON, KeyError, TypeError):
            return
        # Without the action the server stays silent.
        if asked.get("action") == "subscribe" and kinds & {"orders_matched", "*"}:
            self._since.setdefault(connection, now)

    def add(self, trade: Trade) -> None:
        """Take a trade that was made."""
        if self._since and len(self._due) < MOST_WAITING:
            self._due.append((trade.ts + TOLD_MS, trade))

    def turn(self, now: float, wall: int) -> None:
        """Send what is due; freeze and close sockets that are old."""
        for connection, since in tuple(self._since.items()):
            if "rtds_frozen" in self._broken and now - since >= FROZEN_S:
                connection.freeze(frozen=True)
            if "rtds_closed" in self._broken and now - since >= CLOSED_S:
                connection.close(1000, "", by="server")
                self._since.pop(connection)
        told = []
        while self._due and self._due[0][0] <= wall:
            told.append(self._due.popleft()[1])
        data = [frame(message) for trade in told for message in self._messages(trade)]
        for connection in self._since:
            self.told += len(told)
            for each in data:
                connection.send(each)
            connection.flush()

    def _messages(self, trade: Trade) -> list[bytes]:
        broken = self._broken
        if "rtds_drops" in broken and trade.n % DROPPED == 13:
            return []
        if "rtds_unreadable" in broken and is_touched(trade):
            return [b'{"topic":"activity","type":"orders_matched","payload":{"asset":7}}']
        at = block_s(trade) - 1
        row = _row(trade, trade.size, str(at) if "rtds_text_times" in broken else at)
        made = [_message("orders_matched", row)] * (2 if "rtds_twice" in broken else 1)
        if "rtds_trades" in broken:
            made.append(_message("trades", row))
            made += [_message("trades", {**row, "size": float(each)}) for each in parts(trade)]
        if "rtds_combos" in broken and is_touched(trade):
            combo = {**row, "asset": "1" * 70}
            made.append(_message("orders_matched", combo))
        return made


def _row(trade: Trade, size: str, at: int | str) -> dict[str, Any]:
    person = trade.n % 500
    return {
        "asset": trade.token,
        "bio": "",
        "conditionId": trade.condition,
        "eventSlug": "",
        "icon": "",
        "name": f"Person {person}",
        "outcome": "",
        "outcomeIndex": 0,
        "price": float(trade.price),
        "profileImage": "https://example.org/face.png",
        "proxyWallet": hex_id("wallet", str(person), size=20),
        "pseudonym": f"Quick-Otter-{person}",
        "side": trade.side,
        "size": float(size),
        "slug": "",
        "timestamp": at,
        "title": "",
        "transactionHash": trade.hash,
    }


def _message(kind: str, row: dict[str, Any]) -> bytes:
    envelope = {
        "connection_id": "sim",
        "payload": row,
        "timestamp": int(row["timestamp"]) * 1_000,
        "topic": "activity",
        "type": kind,
    }
    return msgspec.json.encode(envelope)
