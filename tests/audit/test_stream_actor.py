"""The stream actor: keeps what its line brings, answers the audit, and is in nobody's way."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from actors.actor import Addresses, Incarnation
from actors.audit.stream import HINT_EVERY_S, HINTS_AFTER_S, Book, StreamActor
from actors.messages import NewMarketSeen, RequestStreamed, Streamed, StreamReport, Tick
from actors.model.audit import StreamFigures
from tests.fakes_box import Box
from tests.polymarket.test_matches import FILL, MARKET, ROW

HOUR_MS = FILL.at_ms // 3_600_000 * 3_600_000
REQUEST = RequestStreamed(
    hour_ms=HOUR_MS,
    end_ms=HOUR_MS + 3_600_000,
    since_ms=FILL.at_ms - 1_000,
    until_ms=FILL.at_ms + 1_000,
)


def message(number: int = 1, **changes: Any) -> bytes:
    row = {**ROW, "transactionHash": f"0x{number:064x}", **changes}
    return json.dumps({"topic": "activity", "type": "orders_matched", "payload": row}).encode()


class FakeLine:
    """A line without a socket; a test calls what its thread would."""

    def __init__(
        self,
        on_messages: Callable[[int, tuple[bytes, ...]], bool],
        on_state: Callable[[str], None],
    ) -> None:
        self.on_messages, self.on_state = on_messages, on_state
        self.started = self.is_alive = self.closed = False

    def start(self) -> None:
        self.started = self.is_alive = True

    def close(self) -> None:
        self.closed = True

    def tell(self, *messages: bytes, at_ms: int = FILL.at_ms) -> bool:
        return self.on_messages(at_ms * 1_000_000, messages)


class Harness:
    def __init__(self, *, hints: bool = True) -> None:
        self.supervisor, self.audit, self.catalog = Box(), Box(), Box()
        self.lines: list[FakeLine] = []
        self.now = 1_000.0
        to = Addresses(supervisor=self.supervisor, audit=self.audit, catalog=self.catalog)
        self.actor = StreamActor(
            Incarnation("stream", 1, self.time()),
            to=to,
            open_line=self._open,
            rng=Random(1),
            hints=hints,
        )

    def _open(self, *callbacks: Any) -> FakeLine:
        self.lines.append(FakeLine(*callbacks))
        return self.lines[-1]

    def time(self) -> Tick:
        return Tick(now=self.now, wall_ns=FILL.at_ms * 1_000_000)

    def tick(self, after_s: float = 1.0) -> StreamFigures:
        self.now += after_s
        self.actor.on_receive(self.time())
        return self.supervisor.last(StreamReport).figures

    @property
    def line(self) -> FakeLine:
        return self.lines[-1]

    def asked(self) -> Streamed:
        self.actor.on_receive(REQUEST)
        return self.audit.last(Streamed)


def test_the_line_is_opened_with_the_first_tick() -> None:
    harness = Harness()
    before = harness.line.started
    assert harness.tick().state == "connecting"
    harness.actor.on_stop()

    assert (before, harness.line.started, harness.line.closed) == (False, True, True)


def test_what_the_line_tells_is_kept_and_told_to_the_audit() -> None:
    harness = Harness()
    harness.tick()
    harness.line.on_state("ok")
    assert harness.line.tell(message(), at_ms=FILL.at_ms - 1_000)
    assert harness.line.tell(message(2), message(2), b"", at_ms=FILL.at_ms + 1_000)
    found = harness.asked()

    assert (found.request, found.condition_id) == (REQUEST, MARKET)
    assert found.told is not None
    assert found.told.is_whole
    assert len(found.told.fills) == 2
    figures = harness.tick()
    assert (figures.state, figures.kept, figures.markets) == ("ok", 2, 1)
    assert (figures.matches_total, figures.last_ms) == (3, FILL.at_ms + 1_000)
    assert harness.asked().condition_id is None, "each market of an hour once"


def test_what_is_no_match_does_not_count_as_alive() -> None:
    harness = Harness()
    harness.tick()

    assert not harness.line.tell(b"", b"PONG", message(asset=7), b'{"topic":"comments"}')
    assert harness.tick().rejected_total == 1
    assert harness.tick().last_ms is None


def test_what_cannot_be_read_makes_the_hour_no_whole() -> None:
    harness = Harness()
    harness.tick()
    harness.line.tell(message(), message(2, transactionHash="0x1"))
    found = harness.asked().told

    assert found is not None
    assert found.rejected == (("transaction is malformed", 1),)


def test_losses_are_counted_and_end_the_span() -> None:
    harness = Harness()
    harness.tick()
    harness.line.tell(message(), at_ms=FILL.at_ms - 1_000)
    harness.line.on_state("frozen")
    harness.line.on_state("connecting")
    harness.line.on_state("reset: end of file")
    harness.line.tell(message(2), at_ms=FILL.at_ms + 1_000)
    figures = harness.tick()

    assert (figures.lost_total, figures.frozen_total) == (2, 1)
    assert figures.state == "reset: end of file"
    told = harness.asked().told
    assert told is not None
    assert not told.is_whole


def test_a_thread_that_has_ended_ends_the_actor() -> None:
    harness = Harness()
    harness.tick()
    harness.line.is_alive = False

    with pytest.raises(RuntimeError, match="thread of the stream"):
        harness.tick()


def test_markets_are_hinted_at_slowly_and_not_at_first() -> None:
    harness = Harness()
    harness.tick()
    for number in range(3):
        harness.line.tell(message(number, conditionId=f"0x{number:064x}"))
    harness.tick(HINTS_AFTER_S - 2)
    assert harness.catalog.received == []
    for _ in range(10):
        harness.tick(1.0)
    named = [each.condition_id for each in harness.catalog.of(NewMarketSeen)]

    assert named == [f"0x{number:064x}" for number in range(3)]
    assert HINT_EVERY_S == 3.0
    harness.tick(100.0)
    assert len(harness.catalog.received) == 3


def test_without_all_markets_nothing_is_hinted_at() -> None:
    harness = Harness(hints=False)
    harness.tick()
    harness.line.tell(message())
    harness.tick(2 * HINTS_AFTER_S)

    assert harness.catalog.received == []


def test_a_new_incarnation_knows_nothing_of_the_one_before() -> None:
    harness = Harness()
    harness.tick()
    harness.line.tell(message())
    again = Harness()
    again.tick()

    assert again.asked().condition_id is None


def test_a_flood_is_bounded() -> None:
    book = Book()
    for number in range(300):
        book.messages(FILL.at_ms * 1_000_000, tuple(
            message(100 * number + place, conditionId=f"0x{place:064x}") for place in range(100)
        ))  # fmt: skip

    figures = book.figures(FILL.at_ms)
    assert figures.matches_total == 30_000
    assert 0 < figures.kept <= 20_000
    assert figures.share < 1.0
