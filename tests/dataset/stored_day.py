"""A database with one day of a small exchange: gaps of every kind, labels, contradictions.

Everything follows from one seed. Times are those of `DAY`, long before today, so that nothing about
them is still open.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import pi, sin
from typing import NamedTuple

import psycopg
from psycopg import sql

from actors.database import queries
from actors.model.connection import GapCause

DAY = datetime(2026, 3, 1, tzinfo=UTC)
MISSED = GapCause.TOKEN_MISSED.value
QUESTIONS = (
    "Will the harbour bridge open before 1 June?",
    "North Town against South Town: who wins on Friday?",
    "Will more than 10 mm of rain fall on Saturday?",
    "Bitcoin above $95,000 on 1 March at noon?",
    "Will the old mill be sold this year, for any price at all, to anybody who is not a relative?",
    "Ethereum Up or Down on 1 March?",
    "Will the council raise the fare of the ferry?",
    "Which party wins the most seats? The Greens",
    "Which party wins the most seats? The Liberals",
    "Largest company at the end of March? <b>Acme & Sons</b>",
    "Will the comet be seen without a telescope?",
    "Fed decision in March: 25 bps decrease?",
    "Will the strike of the pilots last beyond Sunday?",
    "大阪で雨が降りますか",
    "Highest temperature in the old town on 2 March, 14 °C or below?",
)
"""Of the first markets; the others have numbers."""


class Missed(NamedTuple):
    """Time in which some tokens were wanted and not listened to."""

    start: float
    end: float
    cause: str
    markets: tuple[int, ...]


def hour(hours: float) -> datetime:
    """Return a time of the day."""
    return DAY + timedelta(hours=hours)


def outages(markets: int) -> tuple[Missed, ...]:
    """Return what was missed, of markets with numbers from 0."""
    everything = tuple(range(markets))
    return (
        Missed(9.2, 9.46, "process_down", everything),
        Missed(12.0, 12.026, "exchange_silent", everything),
        Missed(15.67, 15.88, "disconnected", everything[2::5]),
        Missed(18.08, 18.4, "frozen", everything[1::7]),
        Missed(20.2, 20.9, MISSED, everything[4:6]),
        Missed(11.5, 11.54, "rejected", everything[3:4]),
        Missed(2.0, 2.6, "disk_full", everything[6:12]),
        Missed(5.0, 5.01, "disconnected", everything[::3]),
    )


Row = tuple[str, Mapping[str, object]]
"""The name of a table, and the columns of a row of it."""


class StoredDay(NamedTuple):
    """How much there is.

    Attributes:
        markets: At least 15.
        trades: About so many.
    """

    markets: int = 20
    trades: int = 2_000

    def fill(self, dsn: str) -> None:
        """Store it into an empty database with the schema."""
        with psycopg.connect(dsn) as connection:
            connection.execute("set timezone to 'UTC'")
            for rows in (self._catalog(), self._coverage(), _processes(), _outcomes(), _unused()):
                for table, row in rows:
                    _insert(connection, table, row)
            self._trade(connection)

    def compute(self, dsn: str) -> None:
        """Compute the coverage of its markets, as a tracker does when the day is over."""
        with psycopg.connect(dsn) as connection:
            connection.execute(
                "insert into tracker.computed_days (day, computed_at) values (%s, now())", (DAY,)
            )
            keys = [key(number, 0) for number in range(self.markets)]
            given = {"assets": keys, "days": [DAY.date()] * len(keys)}
            connection.execute(queries.COMPUTE_MARKET_DAYS, given)

    # ------------------------------------------------------------------ the markets

    def _catalog(self) -> Iterator[Row]:
        yield "tracker.journals", {"journal_id": "00000000-0000-0000-0000-000000000001"}
        yield "tracker.journal_progress", {"journal_key": 1, "mark": 1_000_000}
        yield "public.events", {"event_id": "7", "slug": "seats", "title": "Most seats"}
        for number in range(self.markets):
            more = {
                "volume": 10_000 - number, "end_date": hour(20 + number),
                "event_id": "7" if number in (7, 8) else None,
                "description": "Decided by what the register of the town says.",
            }  # fmt: skip
            name = condition(number)
            yield market(name, question(number), slug(number), closed=number in (3, 5), **more)
            for side, outcome in enumerate(outcomes(number)):
                yield "public.assets", {
                    "asset_key": key(number, side), "token_id": token(number, side),
                    "condition_id": condition(number), "outcome": outcome, "outcome_index": side,
                }  # fmt: skip

    # ---------------------------------------------------------------- the coverage

    def _coverage(self) -> Iterator[Row]:
        for number in range(self.markets):
            start, end = self.wanted(number)
            for side in (0, 1):
                ours = {"journal_key": 1, "asset_key": key(number, side)}
                wish = {"wanted_seq": 1, "unwanted_seq": 900_000, "from_at": start, "until_at": end}
                yield "tracker.wanted", {**ours, **wish}
                for place, (first, last, cause) in enumerate(self.listened(number), 10):
                    yield "tracker.coverage_ranges", {
                        **ours, "from_at": first, "until_at": last, "known_at": first,
                        "epoch": 3 * place, "confirmed_seq": 3 * place + 1,
                        "released_seq": 3 * place + 2, "cause": cause,
                    }  # fmt: skip

    def wanted(self, number: int) -> tuple[datetime, datetime]:
        """Return from when until when a market is wanted."""
        if number == self.markets - 1:
            return hour(10), hour(60)  # found late
        return hour(-48), hour(13.3) if number == 3 else hour(60)

    def listened(self, number: int) -> list[tuple[datetime, datetime, str]]:
        """Return the time in which a market was listened to, and why each part ended."""
        start, end = self.wanted(number)
        if number == self.markets - 1:
            parts = [(start, start, "not_discovered"), (hour(11.1), end, "released")]
        elif number == self.markets - 2:
            parts = [(hour(6.2), end, "released")]
        else:
            parts = [(start, end, "released")]
        for each in outages(self.markets):
            if number in each.markets:
                parts = list(_without(parts, hour(each.start), hour(each.end), each.cause))
        return parts

    # ------------------------------------------------------------------- the trades

    def _trade(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        connection.execute("select tracker.add_trade_day(%s)", (DAY.date(),))
        weights = [1 / (number + 1) ** 0.8 for number in range(self.markets)]
        columns = "traded_at, received_at, trade_hash, asset_key, occurrence, is_buy, price, size"
        into = f"copy tracker.trades ({columns}) from stdin".encode()
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            for number, weight in enumerate(weights):
                for row in self._trades_of(number, round(self.trades * weight / sum(weights))):
                    copy.write_row(row)

    def _trades_of(self, number: int, many: int) -> Iterator[Sequence[object]]:
        chance = random.Random(number)
        price = chance.uniform(0.2, 0.8)
        parts = self.listened(number)
        for place in range(many):
            at = _busy(chance, place, many)
            price = min(0.985, max(0.015, price + chance.gauss(0, 0.35 / many**0.5)))
            size = f"{chance.paretovariate(1.2) * 8:.2f}"
            side = int(chance.random() < 0.35)
            paid = f"{1 - price if side else price:.3f}"
            is_buy = chance.random() < 0.6
            if any(first <= at < last for first, last, _ in parts):
                received = at + timedelta(milliseconds=40)
                yield (at, received, place, key(number, side), 1, is_buy, paid, size)


def _insert(
    connection: "psycopg.Connection[tuple[object, ...]]", table: str, row: Mapping[str, object]
) -> None:
    command = sql.SQL("insert into {} ({}) overriding system value values ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
    )
    connection.execute(command, row)


def _busy(chance: random.Random, place: int, many: int) -> datetime:
    """Return a time of the day; there are more in the evening."""
    hours, turn = 24 * (place + chance.random()) / many, 2 * pi / 24
    return hour((hours - 2.2 * (sin(turn * (hours - 17)) + sin(turn * 17))) % 24)


def _without(
    parts: list[tuple[datetime, datetime, str]], start: datetime, end: datetime, cause: str
) -> Iterator[tuple[datetime, datetime, str]]:
    for first, last, why in parts:
        if first < start < end < last:
            yield first, start, cause
            yield end, last, why
        else:
            yield first, last, why


def key(number: int, side: int) -> int:
    return 2 * number + side + 1


def condition(number: int) -> str:
    return f"0x{number + 1:064x}"


def token(number: int, side: int) -> str:
    return f"{7 * 10**76 + 2 * number + side}"


def outcomes(number: int) -> tuple[str, str]:
    return {1: ("North Town", "South Town"), 5: ("Up", "Down")}.get(number, ("Yes", "No"))


def question(number: int) -> str:
    return QUESTIONS[number] if number < len(QUESTIONS) else f"Will it rain in district {number}?"


def slug(number: int) -> str:
    words = "".join(c if c.isascii() and c.isalnum() else " " for c in question(number).lower())
    return "-".join(words.split())[:60] or f"market-{number}"


def market(name: str, asked: str, ending: str, *, closed: bool, **more: object) -> Row:
    given = {
        "condition_id": name, "question": asked, "slug": ending, "closed": closed, "active": True,
        "neg_risk": False, "version": "v1", "tags": [], "first_seen_at": hour(-72),
    }  # fmt: skip
    return "public.markets", {**given, **more}


def _processes() -> Iterator[Row]:
    ours = {"journal_key": 1, "host": "recorder-1", "version": "0.1.0"}
    first = {"start_seq": 1, "started_at": hour(-48), "alive_at": hour(9.2)}
    second = {"start_seq": 700, "started_at": hour(9.45), "alive_at": hour(60)}
    yield "tracker.process_life", {**ours, **first}
    yield "tracker.process_life", {**ours, **second, "stopped_at": hour(60)}


# ----------------------------------------------------------------------- the outcomes


def _outcomes() -> Iterator[Row]:
    for number in range(60):
        yield from _finished(number)
    yield from _resolved(3, 12.0, 1.3)
    yield from _resolved(5, 22.0, 0.9, "split")
    yield _observed(3, "data", 14.5, f"winner {token(3, 1)}", answer='{"status": "resolved"}')
    yield _observed(0, "gamma", 20.2, "not final", "closed without status")
    yield _observed(0, "tracker", 20.1, "proposed", "gamma says so")
    for number in (0, 1, 2, 4, *range(6, 12)):
        yield "tracker.unresolved", {"condition_id": condition(number)}
    yield "public.resolution_conflicts", {
        "condition_id": condition(3), "detected_at": hour(14.5), "source": "data",
        "recorded": f"winner {token(3, 0)}", "observed": f"winner {token(3, 1)}",
    }  # fmt: skip
    yield "public.resolution_conflicts", {
        "condition_id": condition(1), "detected_at": hour(7), "source": "gamma", "kind": "mapping",
        "recorded": "North Town", "observed": "Northtown", "cleared_at": hour(8),
        "cleared_by": "sources agree",
    }  # fmt: skip


def _observed(
    number: int, source: str, at: float, said: str, reason: str = "", answer: str = "{}"
) -> Row:
    return "public.resolution_observations", {
        "condition_id": condition(number), "source": source, "observed_at": hour(at),
        "verdict": said, "reason": reason, "payload": answer, "recorded_at": hour(at),
    }  # fmt: skip


def _resolved(number: int, at: float, late: float, kind: str = "winner") -> Iterator[Row]:
    paid = (Decimal(1), Decimal(0)) if kind == "winner" else (Decimal("0.5"), Decimal("0.5"))
    winner = token(number, 0), outcomes(number)[0]
    yield _resolution(condition(number), kind, winner, at, late)
    for side, price in enumerate(paid):
        yield "public.resolution_payouts", {
            "condition_id": condition(number), "token_id": token(number, side),
            "outcome": outcomes(number)[side], "payout": price,
        }  # fmt: skip
    said = f"winner {token(number, 0)}" if kind == "winner" else "split"
    for source in ("gamma", "clob"):
        yield _observed(number, source, at + late, said, answer='{"closed": true}')


def _resolution(name: str, kind: str, winner: tuple[str, str], at: float, late: float) -> Row:
    is_split = kind == "split"
    return "public.resolutions", {
        "condition_id": name, "kind": kind, "winning_token_id": None if is_split else winner[0],
        "winning_outcome": None if is_split else winner[1],
        "payouts": [Decimal("0.5")] * 2 if is_split else [Decimal(1), Decimal(0)],
        "resolved_at": hour(at), "recorded_at": hour(at + late), "sources": ["clob", "gamma"],
    }  # fmt: skip


def _finished(number: int) -> Iterator[Row]:
    """Yield a market of five minutes that resolved on this day, and is shown nowhere else."""
    name, at = f"0x{10_000 + number:064x}", (number * 0.39) % 23.5
    late = (0.012, 0.05, 0.2, 0.7, 3.0)[number % 5] * (1 + number % 3)
    asked = f"Bitcoin Up or Down, {hour(at):%H:%M}?"
    yield market(name, asked, f"btc-updown-{number}", closed=True, closed_time=hour(-30))
    yield _resolution(name, "winner" if number % 13 else "split", ("1", "Up"), at, late)


# --------------------------------------------------------------------- what was not used


def _unused() -> Iterator[Row]:
    for at, name, event, reason in (
        (9.2, "a-0001", "disconnected", "process_down"),
        (9.46, "a-0001", "connected", ""),
        (15.67, "a-0003", "disconnected", "closed_1013"),
        (15.88, "a-0003", "reconnected", "closed_1013"),
        (16.0, "b-0003", "disconnected", "closed_1013"),
        (16.1, "b-0003", "reconnected", "closed_1013"),
        (18.08, "a-0002", "disconnected", "frozen"),
        (18.4, "a-0002", "reconnected", "frozen"),
        (19.0, "b-0001", "failed", "dns"),
        (20.0, "a-0001", "sent_twice", "7 1 2 0.5 1"),
    ):
        yield "public.connection_events", {
            "at": hour(at), "connection": name, "event": event, "reason": reason, "journal_key": 1,
        }  # fmt: skip
    price = b'{"event_type": "last_trade_price", "price": "1.2"}'
    paused = b'{"event_type": "market_paused", "market": "0x01"}'
    yield _message(1, 11.5, "price out of range", price, doubt=token(3, 0))
    yield _message(2, 4.5, "size missing", price, doubt=token(2, 0), taken_in_at=hour(30))
    for number in range(60):
        yield _message(3 + number, number / 3, "unknown event", paused)


def _message(seq: int, at: float, reason: str, payload: bytes, **more: object) -> Row:
    given = {
        "received_at": hour(at), "connection": "a-0001", "reason": reason, "payload": payload,
        "journal_key": 1, "message_key": seq, "seq": seq, "index": 0, "epoch": 5, "occurrence": 1,
    }  # fmt: skip
    return "public.rejected_messages", {**given, **more}
