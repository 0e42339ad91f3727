"""The connection actor, unstarted: a scripted line, a journal in memory, boxes for neighbours."""

import gc
import json
import weakref

import msgspec
import pytest

from actors.actor import Addresses, Incarnation, UnknownMessage
from actors.errors import FeedLost
from actors.feed.actor import ConnectionActor, ConnectionSettings
from actors.journal.recorder import Recorder
from actors.messages import (
    Connect,
    ConnectionEnded,
    ConnectionReport,
    Drain,
    FactSeen,
    NewMarketSeen,
    ReadJournal,
    ResolutionHint,
    Retire,
    Subscribe,
    Tick,
    TradesSeen,
    Unsubscribe,
)
from actors.model.connection import ConnectionSpec
from actors.model.facts import (
    FramesSeen,
    ListeningClosed,
    ListeningProven,
    Record,
    TokensConfirmed,
    TokensReleased,
    decode,
)
from actors.model.trade import TokenId
from actors.writer.gather import replay
from tests.fakes import FakeDialler, FakeJournal, FakeSocket
from tests.fakes_box import Box, drain

MS = 1_000_000
WALL_MS = 1_790_000_000_000
YES, NO, CANARY = TokenId("71"), TokenId("72"), TokenId("99")
CONDITION = "0x" + "ab" * 32


def a_trade(token: str = YES, *, at_ms: int = WALL_MS, **fields: str) -> bytes:
    said = {
        "event_type": "last_trade_price",
        "asset_id": token,
        "market": CONDITION,
        "price": "0.5",
        "size": "10",
        "side": "BUY",
        "fee_rate_bps": "0",
        "timestamp": str(at_ms),
        "transaction_hash": "0x" + "cd" * 32,
        **fields,
    }
    return json.dumps(said).encode()


def a_book(*tokens: str) -> bytes:
    books = [
        {
            "event_type": "book",
            "asset_id": token,
            "market": CONDITION,
            "bids": [],
            "asks": [],
            "timestamp": str(WALL_MS - 60_000),
            "hash": "h",
        }
        for token in tokens
    ]
    return json.dumps(books).encode()


def a_change(at_ms: int) -> bytes:
    said = {
        "event_type": "price_change",
        "market": CONDITION,
        "price_changes": [
            {"asset_id": YES, "price": "0.5", "size": "1", "side": "BUY", "hash": "h"}
        ],
        "timestamp": str(at_ms),
    }
    return json.dumps(said).encode()


class House:
    """A connection with its neighbours, its line and a clock."""

    def __init__(self, spec: ConnectionSpec | None = None, *, inflight_max: int = 100) -> None:
        self.supervisor, self.writer = Box(), Box()
        self.catalog, self.resolution = Box(), Box()
        self.dialler, self.journal = FakeDialler(), FakeJournal()
        self.now, self.wall_ms = 100.0, WALL_MS
        self.actor = ConnectionActor(
            Incarnation("a-0001", 1, self.tick_message()),
            spec or ConnectionSpec(name="a-0001", feed=0, tokens=(YES, NO), canary=(CANARY,)),
            to=Addresses(
                supervisor=self.supervisor,
                writer=self.writer,
                catalog=self.catalog,
                resolution=self.resolution,
            ),
            dialler=self.dialler,
            recorder=Recorder(self.journal, self.writer, inflight_max=inflight_max),
            settings=ConnectionSettings(silence_s=60, proof_s=5, release_s=10),
        )

    @property
    def socket(self) -> FakeSocket:
        return self.dialler.sockets[-1]

    def tick_message(self) -> Tick:
        return Tick(now=self.now, wall_ns=self.wall_ms * MS)

    def connect(self) -> "House":
        self.actor.on_receive(Connect())
        return self

    def hear(self, *frames: bytes, after_ms: int = 0) -> None:
        """Let the reactor hand frames on, received so much after the wall clock."""
        self.socket.last_byte_at = self.socket.last_data_at = self.now
        self.socket.on_frames((self.wall_ms + after_ms) * MS, frames)
        drain(self.actor)

    def confirm(self) -> "House":
        self.connect()
        self.hear(a_book(YES, NO))
        return self

    def tick(
        self, after_s: float = 1.0, *, data: bool = True, exchange_silent: bool = False
    ) -> None:
        self.now += after_s
        self.wall_ms += int(after_s * 1000)
        if data:
            self.socket.last_byte_at = self.socket.last_data_at = self.now
        tick = self.tick_message()
        self.actor.on_receive(msgspec.structs.replace(tick, exchange_silent=exchange_silent))

    def silence(self, seconds: int, *, exchange_silent: bool = False) -> "House":
        """Let time pass in which nothing but PONG arrives."""
        for _ in range(seconds):
            self.socket.last_byte_at = self.now + 1
            self.tick(data=False, exchange_silent=exchange_silent)
        return self

    def records(self) -> list[Record]:
        return [decode(body) for body in self.journal.bodies.values()]

    def facts(self, kind: type[Record]) -> list[Record]:
        return [said for said in self.records() if isinstance(said, kind)]


def sent_tokens(line: FakeSocket) -> list[tuple[str, list[str]]]:
    texts = [json.loads(text) for text in line.sent if text != "PING"]
    return [(said.get("operation", said.get("type")), said["assets_ids"]) for said in texts]


def test_a_connection_subscribes_to_its_tokens_and_its_canary() -> None:
    house = House().connect()

    assert sent_tokens(house.socket) == [("market", [YES, NO, CANARY])]


def test_many_tokens_are_subscribed_in_messages_of_a_hundred() -> None:
    tokens = tuple(TokenId(str(1000 + i)) for i in range(250))
    house = House(ConnectionSpec(name="a", feed=0, tokens=tokens)).connect()

    kinds = [(kind, len(ids)) for kind, ids in sent_tokens(house.socket)]
    assert kinds == [("market", 100), ("subscribe", 100), ("subscribe", 50)]


def test_the_epoch_is_the_sequence_of_its_opening_record() -> None:
    house = House()
    house.journal.append(b"older")
    house.connect()

    assert house.supervisor.last(ConnectionReport).epoch == 2
    assert house.writer.of(FactSeen)[0].seq == 2


def test_a_trade_is_journalled_before_it_is_sent_to_the_writer() -> None:
    house = House().confirm()
    house.hear(a_trade())

    told = house.writer.last(TradesSeen)
    frame = decode(house.journal.bodies[told.seq])
    assert isinstance(frame, FramesSeen)
    assert frame.raws == (a_trade(),)
    assert replay(frame)[0] == told.trades
    assert house.journal.weights[told.seq] == 1


def test_many_frames_are_journalled_in_bounded_records() -> None:
    house = House(inflight_max=10_000).confirm()
    house.hear(*(a_trade(at_ms=WALL_MS + number) for number in range(600)))

    told = house.writer.of(TradesSeen)
    assert [(each.seq, len(each.trades)) for each in told] == [(3, 256), (4, 256), (5, 88)]
    assert [trade.traded_at_ms - WALL_MS for each in told for trade in each.trades] == [*range(600)]
    assert house.journal.next_seq == 6


def test_more_is_read_only_when_what_came_is_journalled() -> None:
    house = House().confirm()
    done = house.socket.handled_bytes
    frames = (a_trade(), a_book(YES), b"PONG")
    house.socket.on_frames(house.wall_ms * MS, frames)

    assert house.socket.handled_bytes == done
    drain(house.actor)
    assert house.socket.handled_bytes == done + sum(map(len, frames))


def test_identical_trades_get_their_own_occurrence_and_survive_a_replay() -> None:
    house = House().confirm()
    house.hear(a_trade(), a_trade())

    (told,) = house.writer.of(TradesSeen)
    assert [trade.occurrence for trade in told.trades] == [1, 2]
    again = decode(house.journal.bodies[told.seq])
    assert isinstance(again, FramesSeen)
    assert replay(again)[0] == told.trades


def test_trades_of_a_canary_token_are_left_to_the_connection_that_records_it() -> None:
    house = House().confirm()
    mixed = b"[" + a_trade(CANARY) + b"," + a_trade(YES) + b"]"
    house.hear(a_trade(CANARY), mixed)

    (told,) = house.writer.of(TradesSeen)
    assert [p.token_id for p in told.trades] == [YES]
    frame = decode(house.journal.bodies[told.seq])
    assert isinstance(frame, FramesSeen)
    assert (frame.raws, frame.occurrences) == ((mixed,), (0, 1))
    assert replay(frame)[0] == told.trades


def test_a_bad_event_is_kept_verbatim_and_its_sibling_is_stored() -> None:
    house = House().confirm()
    bad = a_trade(price="1.5")
    house.hear(b"[" + bad + b"," + a_trade() + b"]")

    told = house.writer.last(TradesSeen)
    assert len(told.trades) == 1
    assert [r.payload for r in told.rejections] == [bad]
    assert house.journal.weights[told.seq] == 2


def test_the_first_book_of_a_token_begins_its_coverage_once() -> None:
    house = House().connect()
    house.hear(a_book(YES), after_ms=3)
    house.hear(a_book(YES), a_book(NO))

    assert house.facts(TokensConfirmed) == [
        TokensConfirmed(epoch=1, at_ns=(WALL_MS + 3) * MS, tokens=(YES,)),
        TokensConfirmed(epoch=1, at_ns=WALL_MS * MS, tokens=(NO,)),
    ]


def test_books_are_handed_on_only_until_every_token_is_confirmed() -> None:
    house = House().connect()
    assert b'"bids"' in house.socket.markers
    house.hear(a_book(YES))
    assert b'"bids"' in house.socket.markers
    house.hear(a_book(NO))
    assert b'"bids"' not in house.socket.markers


def test_proofs_follow_the_exchange_time_of_what_was_handled() -> None:
    house = House().confirm()
    house.hear(a_change(WALL_MS))
    house.tick(5)

    (mark,) = house.facts(ListeningProven)
    assert isinstance(mark, ListeningProven)
    ((epoch, until_ns),) = mark.proofs
    assert epoch == 1
    assert WALL_MS * MS - 2_000 * MS <= until_ns <= WALL_MS * MS


def test_no_proof_is_written_when_nothing_new_was_proven() -> None:
    house = House().confirm()
    house.hear(a_change(WALL_MS))
    house.tick(5)
    house.tick(5)

    assert len(house.facts(ListeningProven)) == 1


def marks(house: House) -> list[int]:
    """Return the proofs that were written, milliseconds of the house's clock."""
    return [
        until_ns // MS - WALL_MS
        for one in house.facts(ListeningProven)
        if isinstance(one, ListeningProven)
        for _, until_ns in one.proofs
    ]


def test_a_proof_that_is_due_waits_for_the_next_frame_that_proves_more() -> None:
    house = House().confirm()
    house.tick(5)
    house.hear(a_change(house.wall_ms))
    for _ in range(3):
        house.tick(5)
        house.hear(a_change(house.wall_ms), a_change(house.wall_ms + 100), after_ms=200)
        house.hear(a_change(house.wall_ms + 2_000), after_ms=2_000)

    assert marks(house) == [4_000, 9_100, 14_100, 19_100]


def test_a_proof_that_is_due_waits_for_a_frame_until_the_next_check_only() -> None:
    house = House().confirm()
    house.tick(5)
    house.hear(a_change(house.wall_ms))
    house.hear(a_change(house.wall_ms + 3_000), after_ms=3_000)
    house.tick(5)
    assert marks(house) == [4_000]
    house.hear(a_book(YES))
    house.tick(5)

    assert marks(house) == [4_000, 7_000]


def test_a_sample_of_what_was_skipped_proves_and_is_written_at_once() -> None:
    house = House().confirm()
    house.socket.sample = ((house.wall_ms + 4_500) * MS, a_change(house.wall_ms + 4_400))
    house.tick(5)
    assert marks(house) == [3_400]
    assert house.socket.take_sample() is None
    house.hear(a_change(house.wall_ms))
    assert marks(house) == [3_400]


def test_a_sample_that_ends_a_silence_proves_nothing_of_it() -> None:
    house = House().confirm()
    house.hear(a_change(house.wall_ms))
    house.silence(51).silence(15, exchange_silent=True)
    tokens = len(sent_tokens(house.socket))
    house.socket.sample = ((house.wall_ms + 900) * MS, a_change(house.wall_ms + 800))
    house.tick()

    (released,) = house.facts(TokensReleased)
    assert isinstance(released, TokensReleased)
    assert (released.until_ns // MS - WALL_MS, released.cause) == (-1_000, "frozen")
    assert len(sent_tokens(house.socket)) > tokens


def test_a_proof_waits_for_no_frame_when_much_was_proven() -> None:
    house = House().confirm()
    house.tick(5)
    house.hear(a_change(house.wall_ms))
    house.hear(a_change(house.wall_ms + 6_000), after_ms=6_000)
    house.tick(7)

    assert marks(house) == [4_000, 10_000]


def wakes_in(house: House) -> float:
    """Return after how long the connection is to be told the time, 0.0: soon."""
    return max(0.0, house.supervisor.last(ConnectionReport).wakes_at - house.now)


def test_a_connection_with_all_books_rests_until_its_next_proof() -> None:
    house = House().confirm()
    house.tick(5)

    assert wakes_in(house) == 5.0


def test_it_is_woken_for_its_ping() -> None:
    house = House().confirm()
    for _ in range(2):
        house.tick(5)
    assert house.socket.sent.count("PING") == 1
    house.tick(3)
    house.tick(5)
    assert wakes_in(house) == 2.0
    house.tick(2)
    assert house.socket.sent.count("PING") == 2


def test_it_does_not_rest_while_it_waits_for_books_or_releases_tokens_or_is_silent() -> None:
    house = House().connect()
    house.tick(5)
    assert wakes_in(house) == 0.0

    house = House().confirm()
    house.actor.on_receive(Unsubscribe(tokens=(NO,), cause="released", since_ns=house.wall_ms * MS))
    house.tick(5)
    assert wakes_in(house) == 0.0

    house = House().confirm().silence(51)
    assert wakes_in(house) == 0.0


def test_it_rests_though_a_token_stays_unanswered() -> None:
    house = House().connect()
    house.hear(a_book(YES))
    for _ in range(95):
        house.tick(1)
    assert house.supervisor.last(ConnectionReport).unanswered == (NO,)
    house.tick(5)

    assert wakes_in(house) > 0.0


def test_a_lost_socket_closes_the_epoch_at_its_proof_and_stops() -> None:
    house = House().confirm()
    house.hear(a_change(WALL_MS - 500))
    house.socket.on_end("reset", "Connection reset by peer")
    drain(house.actor)

    (closed,) = house.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.reason == "disconnected"
    assert closed.until_ns is not None
    assert closed.until_ns <= (WALL_MS - 500) * MS
    ended = house.supervisor.last(ConnectionEnded)
    assert (ended.reason, ended.detail) == ("reset", "Connection reset by peer")


def test_an_epoch_that_proved_nothing_ends_at_what_was_written() -> None:
    house = House().connect()
    house.socket.on_end("disconnected", "")
    drain(house.actor)

    (closed,) = house.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.until_ns is None


def test_a_rejected_handshake_ends_with_the_wait_that_the_server_requested() -> None:
    house = House()
    house.dialler.fail_next = FeedLost("http_429", "Too Many Requests", retry_after_s=30)
    house.connect()

    ended = house.supervisor.last(ConnectionEnded)
    assert (ended.reason, ended.retry_after_s, ended.epoch) == ("http_429", 30, 0)
    assert house.records() == []


def test_a_connection_that_is_silent_for_60_s_ends_as_frozen() -> None:
    house = House().confirm()
    for _ in range(59):
        house.socket.last_byte_at = house.now + 1  # PONG arrives
        house.tick(1, data=False)
    assert not house.supervisor.of(ConnectionEnded)
    for _ in range(2):
        house.socket.last_byte_at = house.now + 1
        house.tick(1, data=False)

    assert house.socket.ended == ("abort", "frozen")
    assert house.supervisor.last(ConnectionEnded).reason == "frozen"
    (closed,) = house.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.reason == "frozen"


def test_ping_is_sent_every_10_s_and_never_before_the_subscription() -> None:
    house = House().confirm()
    for _ in range(25):
        house.tick(1)

    assert house.socket.sent.count("PING") == 2
    assert house.socket.sent[0] != "PING"


def test_more_tokens_are_subscribed_on_the_same_socket() -> None:
    house = House().confirm()
    house.actor.on_receive(Subscribe(tokens=(TokenId("73"), TokenId("74"))))

    assert sent_tokens(house.socket)[-1] == ("subscribe", ["73", "74"])
    assert b'"bids"' in house.socket.markers


def test_a_token_is_released_only_after_it_is_proven_to_its_end() -> None:
    house = House().confirm()
    asked_ns = house.wall_ms * MS
    house.actor.on_receive(Unsubscribe(tokens=(NO,), cause="released", since_ns=asked_ns))
    house.tick(1)
    assert "unsubscribe" not in dict(sent_tokens(house.socket))

    house.hear(a_change(house.wall_ms + 2_000), after_ms=2_000)
    house.tick(1)

    assert sent_tokens(house.socket)[-1] == ("unsubscribe", [NO])
    (released,) = house.facts(TokensReleased)
    assert isinstance(released, TokensReleased)
    assert released.until_ns >= asked_ns


def test_a_token_is_released_after_10_s_even_when_nothing_proves_its_end() -> None:
    house = House().confirm()
    house.actor.on_receive(Unsubscribe(tokens=(NO,), cause="released", since_ns=house.wall_ms * MS))
    for _ in range(10):
        house.tick(1)

    assert sent_tokens(house.socket)[-1] == ("unsubscribe", [NO])


def test_a_retired_connection_ends_when_its_last_token_is_proven_to_its_end() -> None:
    house = House().confirm()
    house.actor.on_receive(
        Unsubscribe(tokens=(YES, NO), cause="released", since_ns=house.wall_ms * MS)
    )
    house.actor.on_receive(Retire(reason="released"))
    assert not house.supervisor.of(ConnectionEnded)

    house.hear(a_change(house.wall_ms + 2_000), after_ms=2_000)
    house.tick(1)

    assert house.supervisor.last(ConnectionEnded).reason == "released"


def test_a_stop_ends_the_epoch_at_once_with_a_last_proof() -> None:
    house = House().confirm()
    house.hear(a_change(WALL_MS))
    house.actor.on_receive(Retire(reason="stopped", at_once=True))

    assert len(house.facts(ListeningProven)) == 1
    assert len(house.facts(ListeningClosed)) == 1
    assert house.socket.ended == ("close", "1000")


def ended_at(house: House) -> int | None:
    """Return until when the closed epoch is proven, milliseconds of the house's clock."""
    (closed,) = house.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    return None if closed.until_ns is None else closed.until_ns // MS - WALL_MS


@pytest.mark.parametrize("how", ["stopped", "reset"])
def test_what_was_skipped_since_the_last_tick_is_taken_before_the_end(how: str) -> None:
    house = House().confirm()
    house.hear(a_change(WALL_MS))
    house.socket.sample = ((WALL_MS + 900) * MS, a_change(WALL_MS + 800))
    if how == "stopped":
        house.actor.on_receive(Retire(reason="stopped", at_once=True))
    else:
        house.socket.on_end("reset", "Connection reset by peer")
        drain(house.actor)

    assert ended_at(house) == -200


def test_what_ends_a_silence_proves_nothing_of_it_at_the_end_either() -> None:
    house = House().confirm()
    house.hear(a_change(house.wall_ms))
    house.silence(51).silence(15, exchange_silent=True)
    house.socket.sample = ((house.wall_ms + 900) * MS, a_change(house.wall_ms + 800))
    house.socket.last_data_at = house.now + 0.9
    house.socket.on_end("reset", "Connection reset by peer")
    drain(house.actor)

    (released,) = house.facts(TokensReleased)
    assert isinstance(released, TokensReleased)
    assert (released.until_ns // MS - WALL_MS, released.cause) == (-1_000, "exchange_silent")


def test_a_full_disk_ends_the_connection_and_nothing_unjournalled_is_sent() -> None:
    house = House().confirm()
    house.journal.full = True
    told = len(house.writer.received)
    house.hear(a_trade())

    assert len(house.writer.received) == told
    assert house.supervisor.last(ConnectionEnded).reason == "disk_full"
    assert house.socket.ended == ("abort", "disk_full")


def test_what_could_not_be_journalled_is_not_proven() -> None:
    house = House().confirm()
    house.journal.full = True
    house.hear(a_trade(at_ms=WALL_MS + 5_000), after_ms=5_000)

    assert house.supervisor.last(ConnectionReport).proven_until_ns == 0


def test_when_too_much_is_in_flight_the_writer_is_sent_only_where_to_read() -> None:
    house = House(inflight_max=2).confirm()
    house.hear(a_trade())

    assert not house.writer.of(TradesSeen)
    assert house.writer.last(ReadJournal).seq == house.journal.next_seq - 1


def test_lifecycle_events_go_to_catalog_and_resolution() -> None:
    house = House(ConnectionSpec(name="lifecycle", feed=0, lifecycle=True)).connect()
    assert json.loads(house.socket.sent[0])["custom_feature_enabled"] is True
    announced = {
        "event_type": "new_market",
        "id": "1",
        "market": CONDITION,
        "question": "?",
        "slug": "s",
        "assets_ids": ["1", "2"],
        "outcomes": ["Yes", "No"],
        "timestamp": str(WALL_MS),
    }
    resolved = {
        "event_type": "market_resolved",
        "id": "1",
        "market": CONDITION,
        "assets_ids": ["1", "2"],
        "winning_asset_id": "1",
        "winning_outcome": "Yes",
        "timestamp": str(WALL_MS),
    }
    house.hear(json.dumps(announced).encode(), json.dumps(resolved).encode())

    assert house.catalog.last(NewMarketSeen).condition_id == CONDITION
    assert house.resolution.last(ResolutionHint).condition_id == CONDITION


def test_frames_after_the_end_are_not_recorded() -> None:
    house = House().confirm()
    house.actor.on_receive(Retire(reason="stopped", at_once=True))
    before = house.journal.next_seq
    house.hear(a_trade())

    assert house.journal.next_seq == before


def test_what_an_ended_connection_received_does_not_wait_for_the_garbage_collector() -> None:
    house = House().confirm()
    house.hear(a_trade())
    heard = weakref.ref(house.actor._ingest), weakref.ref(house.actor._coverage)
    gc.disable()
    try:
        house.actor.on_stop()
        assert [each() for each in heard] == [None, None]
    finally:
        gc.enable()


def test_an_unknown_message_ends_the_actor() -> None:
    house = House()
    with pytest.raises(UnknownMessage, match="received Drain"):
        house.actor.on_receive(Drain())


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    return [vars(line) for line in caplog.records if line.msg == event]


def test_rejected_messages_are_logged_by_reason_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House().confirm()
    for _ in range(130):
        house.hear(a_trade(price="1.5"), a_trade(side="HOLD"))
        house.tick(1)

    said = lines(caplog, "messages_rejected")
    assert [line["rejected"] for line in said] == [2, 120, 120]
    assert said[0]["connection"] == "a-0001"
    assert said[0]["reasons"] == {"price out of range": 1, "side is not BUY or SELL": 1}


def test_unknown_kinds_are_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House().confirm()
    for _ in range(70):
        house.hear(b'{"event_type": "trade_v2", "asset_id": "71"}')
        house.tick(1)

    said = lines(caplog, "unknown_event_type")
    assert [line["events"] for line in said] == [1, 60]
    assert said[0]["kinds"] == {"trade_v2": 1}


def test_a_connection_that_ends_logs_what_it_has_not_logged_yet(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House().confirm()
    house.hear(a_trade(price="1.5"))
    house.tick(1)
    house.hear(a_trade(price="1.5"))
    house.socket.on_end("reset", "")
    drain(house.actor)

    assert [line["rejected"] for line in lines(caplog, "messages_rejected")] == [1, 1]


# Faults of a clock that steps: a connection that takes itself for silent; trades rejected as too
# new; a proof that goes back, or claims what was not heard; an epoch that ends before its proof.

HOUR_MS = 3_600_000


def stepped(step_ms: int) -> tuple[House, int]:
    """Return a connection that heard up to a step of the clock; and the exchange's time then."""
    house = House().confirm()
    house.tick(5)
    exchange_ms = house.wall_ms
    house.hear(a_change(exchange_ms))
    house.wall_ms += step_ms
    return house, exchange_ms


@pytest.mark.parametrize("step_ms", [-400 * 24 * HOUR_MS, -HOUR_MS, HOUR_MS, 400 * 24 * HOUR_MS])
def test_a_step_of_the_clock_is_no_silence_and_hides_none(step_ms: int) -> None:
    house, _ = stepped(step_ms)
    house.silence(59)
    assert not house.supervisor.of(ConnectionEnded)
    house.silence(40)
    assert house.supervisor.of(ConnectionEnded)


@pytest.mark.parametrize("step_ms", [-23 * HOUR_MS, -HOUR_MS, HOUR_MS, 400 * 24 * HOUR_MS])
def test_trades_are_taken_with_the_time_that_the_clock_shows(step_ms: int) -> None:
    house, exchange_ms = stepped(step_ms)
    house.tick(1)
    house.hear(a_trade(at_ms=exchange_ms + 1_000))

    (trade,) = house.writer.last(TradesSeen).trades
    assert trade.traded_at_ms == exchange_ms + 1_000
    assert trade.received_at_ns == house.wall_ms * MS


@pytest.mark.parametrize("step_ms", [-23 * HOUR_MS, -HOUR_MS, HOUR_MS, 400 * 24 * HOUR_MS])
def test_the_proof_does_not_go_back_with_the_clock_nor_ahead_of_the_exchange(step_ms: int) -> None:
    house, exchange_ms = stepped(step_ms)
    for _ in range(30):
        house.tick(1)
        exchange_ms += 1_000
        house.hear(a_change(exchange_ms))
    house.actor.on_receive(Retire(reason="stopped", at_once=True))

    proofs = marks(house)
    assert proofs == sorted(proofs)
    assert proofs[-1] <= exchange_ms - WALL_MS
    (closed,) = house.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.until_ns is not None
    assert closed.until_ns <= closed.at_ns
    assert ended_at(house) == proofs[-1]
    # Set back, the clock proves nothing new: no time later than the receipt is ever proven.
    assert proofs[-1] == (4_000 if step_ms < 0 else exchange_ms - WALL_MS - 1_000)
