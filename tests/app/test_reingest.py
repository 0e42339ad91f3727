"""What a kept message is read as, and what is said of it; the steps are in test_reingest_alike."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.app.reingest import Reingest, Summary, numbered, understand
from actors.config.load import Config
from actors.database.commands.kept import KeptMessage, Step, Understood
from actors.errors import ConfigError
from actors.model import facts
from actors.model.market import Market
from actors.polymarket.alike import MOST_ALIKE, TOO_MANY
from tests.polymarket.feed_samples import (
    CONDITION,
    RECEIVED_MS,
    RECEIVED_NS,
    TOKEN,
    framed,
    sample_trade,
)

DAY_MS = 86_400_000


def kept(payload: bytes, **changes: Any) -> KeptMessage:
    message = KeptMessage(
        key=1,
        connection="a-0001",
        reason="as it was then",
        payload=payload,
        occurrence=1,
        received_at_ns=RECEIVED_NS,
        exchange_ms=RECEIVED_MS,
        seq=9,
    )
    return message._replace(**changes)


def test_a_trade_that_is_understood_now_has_the_number_of_its_event() -> None:
    found = understand(kept(framed(side="buy"), occurrence=3))

    assert found == Understood((sample_trade(occurrence=3),))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (framed(price="7"), "price out of range"),
        (b"<html>", "not JSON"),
        (b'{"event_type":"news"}', "unknown event_type"),
    ],
)
def test_what_is_not_understood_has_the_reason_of_today(payload: bytes, reason: str) -> None:
    assert understand(kept(payload)) == Understood(reason=reason)


def test_a_message_that_is_no_trade_is_understood_without_one() -> None:
    assert understand(kept(b'{"event_type":"tick_size_change"}')) == Understood()
    assert understand(kept(b"PONG")) == Understood()


def test_of_a_whole_frame_the_trades_are_taken_and_the_rest_is_named() -> None:
    frame = b"[" + b",".join((framed(), framed(price="7"), framed(side="SELL"))) + b"]"
    found = understand(kept(frame))

    assert found == Understood((sample_trade(), sample_trade(side="SELL")), "price out of range")


def test_identical_trades_of_a_frame_that_came_twice_are_numbered_on() -> None:
    one, other = sample_trade(), sample_trade(side="SELL")
    trades = (one, other, one)

    assert [each.occurrence for each in numbered(trades, 1)] == [1, 1, 2]
    assert [each.occurrence for each in numbered(trades, 2)] == [3, 2, 4]


def test_what_was_set_aside_since_too_many_are_alike_stays_kept() -> None:
    last, next_one = MOST_ALIKE, MOST_ALIKE + 1
    assert understand(kept(framed(), occurrence=last)).reason == ""
    assert understand(kept(framed(), occurrence=next_one)) == Understood(reason=TOO_MANY)
    frame = b"[" + b",".join((framed(), framed(side="SELL"), framed())) + b"]"
    half = (last + 1) // 2  # of two alike in each frame
    trades = (sample_trade(occurrence=last), sample_trade(side="SELL", occurrence=half))
    assert understand(kept(frame, occurrence=half)) == Understood(trades, TOO_MANY)


@pytest.mark.parametrize(("days", "is_taken"), [(0, False), (1, True)])
def test_a_time_is_judged_by_what_the_exchange_had_shown(days: int, *, is_taken: bool) -> None:
    """Our clock may have been behind; the proofs of the connection show it."""
    late = framed(timestamp=str(RECEIVED_MS + DAY_MS + 60_000))
    found = understand(kept(late, exchange_ms=RECEIVED_MS + days * DAY_MS))

    assert bool(found.trades) == is_taken == (found.reason == "")


def test_a_trade_that_the_database_rejected_is_offered_again_as_it_was() -> None:
    trade = sample_trade(occurrence=4, extra='{"a":1}', size=Decimal("1.50"))
    message = kept(msgspec.json.encode(trade), connection="database", seq=None)

    assert understand(message) == Understood((trade,))


def test_another_row_that_the_database_rejected_is_offered_again_too() -> None:
    market = Market(condition_id=CONDITION, question="?", slug="s", assets=())
    fact = (7, facts.TokensReleased(3, 8, (TOKEN,), "frozen"))
    rows = [kept(msgspec.json.encode(row), seq=None) for row in (market, fact)]

    assert [understand(each) for each in rows] == [Understood(row=market), Understood(fact=fact)]


@pytest.mark.parametrize("payload", [b'{"question":"?"}', b"Market()", b"\xff"])
def test_another_row_that_the_database_rejected_stays(payload: bytes) -> None:
    message = kept(payload, connection="database", seq=None, occurrence=1)

    assert understand(message) == Understood(reason="as it was then")


def record(said: facts.Record) -> KeptMessage:
    return kept(facts.encode(said), connection="journal", received_at_ns=0, exchange_ms=0)


def test_a_record_that_a_version_could_not_read_gives_its_trades_and_facts() -> None:
    frames = facts.FramesSeen(7, "a", RECEIVED_NS, (2,), (framed(),))
    alive = facts.ProcessAlive(5)

    assert understand(record(frames)) == Understood((sample_trade(occurrence=2),))
    assert understand(record(alive)) == Understood(fact=(9, alive))
    assert understand(kept(b"\x93\xa3new\x01\x02", connection="journal")) == Understood(
        reason="as it was then"
    )


def test_a_record_with_frames_that_are_not_understood_stays() -> None:
    frames = facts.FramesSeen(7, "a", RECEIVED_NS, (2, -2, -1), (framed(), framed(price="7")))

    assert understand(record(frames)) == Understood(
        (sample_trade(occurrence=2),), "price out of range"
    )


# -------------------------------------------------------------------------- result


def test_the_result_says_how_many_and_why_not() -> None:
    summary = Summary()
    left = Counter({"price out of range": 2, "database rejected: one": 1})
    summary.add(Step(9, 10, 7, 8, 5, 3, left, Counter({"market": 2})))
    again = Counter({"database rejected: two": 1})
    summary.add(Step(12, 2, 1, 1, 1, 0, again, Counter({"market": 1, "fact": 1})))

    assert list(summary.lines(4, stopped=False)) == [
        "kept messages read: 12",
        "taken in: 8",
        "trades in them: 9, 6 new, 3 stored already",
        "other rows in them: 4 (3 market, 1 fact)",
        "gaps closed: 3 (one of each token and connection)",
        "still not understood: 4",
        "  2  price out of range",
        "  2  database rejected",
    ]


@pytest.mark.parametrize(
    ("stopped", "why"), [(True, "it was stopped"), (False, "their connections have not ended")]
)
def test_the_result_says_what_was_not_read(*, stopped: bool, why: str) -> None:
    *_, last = Summary().lines(3, stopped=stopped)

    assert last == f"not read: 3, as {why}; run it again"


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path)
    since = datetime(2026, 11, 1, tzinfo=UTC)
    with pytest.raises(ConfigError, match="there is no database in"):
        Reingest(config, since, print).run()
