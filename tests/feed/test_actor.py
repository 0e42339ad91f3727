"""The connection actor, unstarted: a scripted line, a journal in memory, boxes for other actors."""

import gc
import json
import weakref

import msgspec
import pytest

from actors.actor import Addresses, Incarnation, UnknownMessage
from actors.errors import FeedLost
from actors.feed.actor import ConnectionActor
from actors.feed.ports import ConnectionSettings
from actors.feed.samples import Samples
from actors.journal.recorder import Recorder
from actors.messages import (
    Connect,
    ConnectionEnded,
    ConnectionReport,
    Drain,
    FactSeen,
    GetCoverage,
    NewMarketSeen,
    ReadJournal,
    Renew,
    RenewEpoch,
    ResolutionHint,
    Retire,
    Subscribe,
    Tick,
    TradesSeen,
    Unsubscribe,
)
from actors.model.assumptions import Assumption
from actors.model.connection import ConnectionSpec
from actors.model.facts import (
    FramesSeen,
    ListeningClosed,
    ListeningOpened,
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


class ConnectionHarness:
    """A connection with boxes for the other actors, its line and a clock."""

    def __init__(
        self,
        spec: ConnectionSpec | None = None,
        *,
        inflight_max: int = 100,
        samples: Samples | None = None,
    ) -> None:
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
            settings=ConnectionSettings(
                silence_s=60, proof_s=5, release_s=10, samples=samples or Samples()
            ),
        )

    @property
    def socket(self) -> FakeSocket:
        return self.dialler.sockets[-1]

    def tick_message(self) -> Tick:
        return Tick(now=self.now, wall_ns=self.wall_ms * MS)

    def connect(self) -> "ConnectionHarness":
        self.actor.on_receive(Connect())
        return self

    def hear(self, *frames: bytes, after_ms: int = 0) -> None:
        """Let the reactor hand frames on, received so much after the wall clock."""
        self.socket.last_byte_at = self.socket.last_data_at = self.now
        self.socket.on_frames((self.wall_ms + after_ms) * MS, frames)
        drain(self.actor)

    def confirm(self) -> "ConnectionHarness":
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

    def silence(self, seconds: int, *, exchange_silent: bool = False) -> "ConnectionHarness":
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
    harness = ConnectionHarness().connect()

    assert sent_tokens(harness.socket) == [("market", [YES, NO, CANARY])]


def test_many_tokens_are_subscribed_in_messages_of_a_hundred() -> None:
    tokens = tuple(TokenId(str(1000 + i)) for i in range(250))
    harness = ConnectionHarness(ConnectionSpec(name="a", feed=0, tokens=tokens)).connect()

    kinds = [(kind, len(ids)) for kind, ids in sent_tokens(harness.socket)]
    assert kinds == [("market", 100), ("subscribe", 100), ("subscribe", 50)]


def test_it_says_which_of_its_own_tokens_it_covers_since_when() -> None:
    harness = ConnectionHarness().connect()
    assert harness.actor.on_receive(GetCoverage()).tokens == ()
    harness.hear(a_book(YES, CANARY), a_change(WALL_MS))

    covered = harness.actor.on_receive(GetCoverage())
    assert covered.connection == "a-0001"
    assert covered.proven_until_ns == (WALL_MS - 1_000) * MS
    assert [(since, len(digests)) for since, digests in covered.tokens] == [(WALL_MS * MS, 8)]


def test_the_epoch_is_the_sequence_of_its_opening_record() -> None:
    harness = ConnectionHarness()
    harness.journal.append(b"older")
    harness.connect()

    assert harness.supervisor.last(ConnectionReport).epoch == 2
    assert harness.writer.of(FactSeen)[0].seq == 2


def test_a_trade_is_journalled_before_it_is_sent_to_the_writer() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_trade())

    told = harness.writer.last(TradesSeen)
    frame = decode(harness.journal.bodies[told.seq])
    assert isinstance(frame, FramesSeen)
    assert frame.raws == (a_trade(),)
    assert replay(frame)[0] == told.trades
    assert harness.journal.weights[told.seq] == 1


def test_many_frames_are_journalled_in_bounded_records() -> None:
    harness = ConnectionHarness(inflight_max=10_000).confirm()
    began_ms = WALL_MS - 600
    harness.hear(*(a_trade(at_ms=began_ms + number) for number in range(600)))

    told = harness.writer.of(TradesSeen)
    assert [(each.seq, len(each.trades)) for each in told] == [(3, 256), (4, 256), (5, 88)]
    times = [trade.traded_at_ms - began_ms for each in told for trade in each.trades]
    assert times == [*range(600)]
    assert harness.journal.next_seq == 6


def test_more_is_read_only_when_what_came_is_journalled() -> None:
    harness = ConnectionHarness().confirm()
    done = harness.socket.handled_bytes
    frames = (a_trade(), a_book(YES), b"PONG")
    harness.socket.on_frames(harness.wall_ms * MS, frames)

    assert harness.socket.handled_bytes == done
    drain(harness.actor)
    assert harness.socket.handled_bytes == done + sum(map(len, frames))


def test_identical_trades_get_their_own_occurrence_and_survive_a_replay() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_trade(), a_trade())

    (told,) = harness.writer.of(TradesSeen)
    assert [trade.occurrence for trade in told.trades] == [1, 2]
    again = decode(harness.journal.bodies[told.seq])
    assert isinstance(again, FramesSeen)
    assert replay(again)[0] == told.trades


def test_trades_of_a_canary_token_are_left_to_the_connection_that_records_it() -> None:
    harness = ConnectionHarness().confirm()
    mixed = b"[" + a_trade(CANARY) + b"," + a_trade(YES) + b"]"
    harness.hear(a_trade(CANARY), mixed)

    (told,) = harness.writer.of(TradesSeen)
    assert [p.token_id for p in told.trades] == [YES]
    frame = decode(harness.journal.bodies[told.seq])
    assert isinstance(frame, FramesSeen)
    assert (frame.raws, frame.occurrences) == ((mixed,), (0, 1))
    assert replay(frame)[0] == told.trades


def test_a_bad_event_is_kept_verbatim_and_its_sibling_is_stored() -> None:
    harness = ConnectionHarness().confirm()
    bad = a_trade(price="1.5")
    harness.hear(b"[" + bad + b"," + a_trade() + b"]")

    told = harness.writer.last(TradesSeen)
    assert len(told.trades) == 1
    assert [r.payload for r in told.rejections] == [bad]
    assert harness.journal.weights[told.seq] == 2


def test_the_first_book_of_a_token_begins_its_coverage_once() -> None:
    harness = ConnectionHarness().connect()
    harness.hear(a_book(YES), after_ms=3)
    harness.hear(a_book(YES), a_book(NO))

    assert harness.facts(TokensConfirmed) == [
        TokensConfirmed(epoch=1, at_ns=(WALL_MS + 3) * MS, tokens=(YES,)),
        TokensConfirmed(epoch=1, at_ns=WALL_MS * MS, tokens=(NO,)),
    ]


def test_books_are_handed_on_only_until_every_token_is_confirmed() -> None:
    harness = ConnectionHarness().connect()
    assert b'"bids"' in harness.socket.markers
    harness.hear(a_book(YES))
    assert b'"bids"' in harness.socket.markers
    harness.hear(a_book(NO))
    assert b'"bids"' in harness.socket.markers
    harness.hear(a_book(CANARY))
    harness.tick()
    assert b'"bids"' not in harness.socket.markers


def test_books_are_handed_on_for_30_s_at_most_for_a_canary() -> None:
    harness = ConnectionHarness().confirm()
    harness.tick(29)
    assert b'"bids"' in harness.socket.markers
    harness.tick(2)
    assert b'"bids"' not in harness.socket.markers


def test_proofs_follow_the_exchange_time_of_what_was_handled() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS))
    harness.tick(5)

    (mark,) = harness.facts(ListeningProven)
    assert isinstance(mark, ListeningProven)
    ((epoch, until_ns),) = mark.proofs
    assert epoch == 1
    assert WALL_MS * MS - 2_000 * MS <= until_ns <= WALL_MS * MS


def test_no_proof_is_written_when_nothing_new_was_proven() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS))
    harness.tick(5)
    harness.tick(5)

    assert len(harness.facts(ListeningProven)) == 1


def marks(harness: ConnectionHarness) -> list[int]:
    """Return the proofs that were written, milliseconds of the harness's clock."""
    return [
        until_ns // MS - WALL_MS
        for one in harness.facts(ListeningProven)
        if isinstance(one, ListeningProven)
        for _, until_ns in one.proofs
    ]


def test_a_proof_that_is_due_waits_for_the_next_frame_that_proves_more() -> None:
    harness = ConnectionHarness().confirm()
    harness.tick(5)
    harness.hear(a_change(harness.wall_ms))
    for _ in range(3):
        harness.tick(5)
        harness.hear(a_change(harness.wall_ms), a_change(harness.wall_ms + 100), after_ms=200)
        harness.hear(a_change(harness.wall_ms + 2_000), after_ms=2_000)

    assert marks(harness) == [4_000, 9_100, 14_100, 19_100]


def test_a_proof_that_is_due_waits_for_a_frame_until_the_next_check_only() -> None:
    harness = ConnectionHarness().confirm()
    harness.tick(5)
    harness.hear(a_change(harness.wall_ms))
    harness.hear(a_change(harness.wall_ms + 3_000), after_ms=3_000)
    harness.tick(5)
    assert marks(harness) == [4_000]
    harness.hear(a_book(YES))
    harness.tick(5)

    assert marks(harness) == [4_000, 7_000]


def test_a_sample_of_what_was_skipped_proves_and_is_written_at_once() -> None:
    harness = ConnectionHarness().confirm()
    harness.socket.sample = ((harness.wall_ms + 4_500) * MS, a_change(harness.wall_ms + 4_400))
    harness.tick(5)
    assert marks(harness) == [3_400]
    assert harness.socket.take_sample() is None
    harness.hear(a_change(harness.wall_ms))
    assert marks(harness) == [3_400]


def test_a_sample_that_ends_a_silence_proves_nothing_of_it() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(harness.wall_ms))
    harness.silence(51).silence(15, exchange_silent=True)
    tokens = len(sent_tokens(harness.socket))
    harness.socket.sample = ((harness.wall_ms + 900) * MS, a_change(harness.wall_ms + 800))
    harness.tick()

    (released,) = harness.facts(TokensReleased)
    assert isinstance(released, TokensReleased)
    assert (released.until_ns // MS - WALL_MS, released.cause) == (-1_000, "frozen")
    assert harness.supervisor.last(ConnectionReport).awaits_renewal
    assert len(sent_tokens(harness.socket)) == tokens
    harness.actor.on_receive(Renew())
    assert sent_tokens(harness.socket)[tokens:] == [
        ("unsubscribe", [YES, NO]),
        ("subscribe", [YES, NO]),
    ]


def test_a_proof_waits_for_no_frame_when_much_was_proven() -> None:
    harness = ConnectionHarness().confirm()
    harness.tick(5)
    harness.hear(a_change(harness.wall_ms))
    harness.hear(a_change(harness.wall_ms + 6_000), after_ms=6_000)
    harness.tick(7)

    assert marks(harness) == [4_000, 10_000]


def wakes_in(harness: ConnectionHarness) -> float:
    """Return after how long the connection is to be told the time, 0.0: soon."""
    return max(0.0, harness.supervisor.last(ConnectionReport).wakes_at - harness.now)


def test_a_connection_with_all_books_rests_until_its_next_proof() -> None:
    harness = ConnectionHarness().confirm()
    harness.tick(5)

    assert wakes_in(harness) == 5.0


def test_it_is_woken_for_its_ping() -> None:
    harness = ConnectionHarness().confirm()
    for _ in range(2):
        harness.tick(5)
    assert harness.socket.sent.count("PING") == 1
    harness.tick(3)
    harness.tick(5)
    assert wakes_in(harness) == 2.0
    harness.tick(2)
    assert harness.socket.sent.count("PING") == 2


def test_it_does_not_rest_while_it_waits_for_books_or_releases_tokens_or_is_silent() -> None:
    harness = ConnectionHarness().connect()
    harness.tick(5)
    assert wakes_in(harness) == 0.0

    harness = ConnectionHarness().confirm()
    harness.actor.on_receive(
        Unsubscribe(tokens=(NO,), cause="released", since_ns=harness.wall_ms * MS)
    )
    harness.tick(5)
    assert wakes_in(harness) == 0.0

    harness = ConnectionHarness().confirm().silence(51)
    assert wakes_in(harness) == 0.0


def test_it_rests_though_a_token_stays_unanswered() -> None:
    harness = ConnectionHarness().connect()
    harness.hear(a_book(YES))
    for _ in range(95):
        harness.tick(1)
    assert harness.supervisor.last(ConnectionReport).unanswered == (NO,)
    harness.tick(5)

    assert wakes_in(harness) > 0.0


def test_a_lost_socket_closes_the_epoch_at_its_proof_and_stops() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS - 500))
    harness.socket.on_end("reset", "Connection reset by peer")
    drain(harness.actor)

    (closed,) = harness.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.reason == "disconnected"
    assert closed.until_ns is not None
    assert closed.until_ns <= (WALL_MS - 500) * MS
    ended = harness.supervisor.last(ConnectionEnded)
    assert (ended.reason, ended.detail) == ("reset", "Connection reset by peer")


def test_an_epoch_that_proved_nothing_ends_at_what_was_written() -> None:
    harness = ConnectionHarness().connect()
    harness.socket.on_end("disconnected", "")
    drain(harness.actor)

    (closed,) = harness.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.until_ns is None


def test_a_rejected_handshake_ends_with_the_wait_that_the_server_requested() -> None:
    harness = ConnectionHarness()
    harness.dialler.fail_next = FeedLost("http_429", "Too Many Requests", retry_after_s=30)
    harness.connect()

    ended = harness.supervisor.last(ConnectionEnded)
    assert (ended.reason, ended.retry_after_s, ended.epoch) == ("http_429", 30, 0)
    assert harness.records() == []


def test_a_connection_that_is_shown_to_lose_events_ends_as_frozen() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS))
    harness.dialler.changes = {YES: WALL_MS + 20_000, NO: WALL_MS + 30_000}
    harness.silence(49)
    assert not harness.supervisor.of(ConnectionEnded)
    harness.silence(3)

    assert harness.socket.ended == ("abort", "frozen")
    assert harness.supervisor.last(ConnectionEnded).reason == "frozen"
    (closed,) = harness.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.reason == "frozen"


def test_ping_is_sent_every_10_s_and_never_before_the_subscription() -> None:
    harness = ConnectionHarness().confirm()
    for _ in range(25):
        harness.tick(1)

    assert harness.socket.sent.count("PING") == 2
    assert harness.socket.sent[0] != "PING"


def test_more_tokens_are_subscribed_on_the_same_socket() -> None:
    harness = ConnectionHarness().confirm()
    harness.actor.on_receive(Subscribe(tokens=(TokenId("73"), TokenId("74"))))

    assert sent_tokens(harness.socket)[-1] == ("subscribe", ["73", "74"])
    assert b'"bids"' in harness.socket.markers


def test_a_token_is_released_only_after_it_is_proven_to_its_end() -> None:
    harness = ConnectionHarness().confirm()
    asked_ns = harness.wall_ms * MS
    harness.actor.on_receive(Unsubscribe(tokens=(NO,), cause="released", since_ns=asked_ns))
    harness.tick(1)
    assert "unsubscribe" not in dict(sent_tokens(harness.socket))

    harness.hear(a_change(harness.wall_ms + 2_000), after_ms=2_000)
    harness.tick(1)

    assert sent_tokens(harness.socket)[-1] == ("unsubscribe", [NO])
    (released,) = harness.facts(TokensReleased)
    assert isinstance(released, TokensReleased)
    assert released.until_ns >= asked_ns


def test_a_token_is_released_after_10_s_even_when_nothing_proves_its_end() -> None:
    harness = ConnectionHarness().confirm()
    harness.actor.on_receive(
        Unsubscribe(tokens=(NO,), cause="released", since_ns=harness.wall_ms * MS)
    )
    for _ in range(10):
        harness.tick(1)

    assert sent_tokens(harness.socket)[-1] == ("unsubscribe", [NO])


def test_a_token_that_is_wanted_again_before_its_release_stays_subscribed_without_a_gap() -> None:
    harness = ConnectionHarness().confirm()
    before = sent_tokens(harness.socket)
    harness.actor.on_receive(
        Unsubscribe(tokens=(YES, NO), cause="released", since_ns=harness.wall_ms * MS)
    )
    harness.tick(1)
    harness.actor.on_receive(Subscribe(tokens=(NO,)))
    harness.hear(a_change(harness.wall_ms + 2_000), after_ms=2_000)
    for _ in range(12):
        harness.tick(1)

    # Only the other one is let go, and nothing is asked for again.
    assert sent_tokens(harness.socket) == [*before, ("unsubscribe", [YES])]
    (released,) = harness.facts(TokensReleased)
    assert isinstance(released, TokensReleased)
    assert released.tokens == (YES,)
    harness.hear(a_trade(NO, at_ms=harness.wall_ms))
    assert harness.writer.last(TradesSeen).trades[0].token_id == NO


def test_a_token_without_its_first_book_that_is_wanted_again_is_still_waited_for() -> None:
    harness = ConnectionHarness().connect()
    release = Unsubscribe(tokens=(YES, NO), cause="released", since_ns=harness.wall_ms * MS)
    harness.actor.on_receive(release)
    harness.actor.on_receive(Subscribe(tokens=(YES, NO)))
    harness.hear(a_book(YES, NO))

    (confirmed,) = harness.facts(TokensConfirmed)
    assert isinstance(confirmed, TokensConfirmed)
    assert confirmed.tokens == (YES, NO)
    assert harness.supervisor.last(ConnectionReport).tokens == 2


def test_a_retired_connection_ends_when_its_last_token_is_proven_to_its_end() -> None:
    harness = ConnectionHarness().confirm()
    harness.actor.on_receive(
        Unsubscribe(tokens=(YES, NO), cause="released", since_ns=harness.wall_ms * MS)
    )
    harness.actor.on_receive(Retire(reason="released"))
    assert not harness.supervisor.of(ConnectionEnded)

    harness.hear(a_change(harness.wall_ms + 2_000), after_ms=2_000)
    harness.tick(1)

    assert harness.supervisor.last(ConnectionEnded).reason == "released"


def test_a_stop_ends_the_epoch_at_once_with_a_last_proof() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS))
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))

    assert len(harness.facts(ListeningProven)) == 1
    assert len(harness.facts(ListeningClosed)) == 1
    assert harness.socket.ended == ("close", "1000")


def ended_at(harness: ConnectionHarness) -> int | None:
    """Return until when the closed epoch is proven, milliseconds of the harness's clock."""
    (closed,) = harness.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    return None if closed.until_ns is None else closed.until_ns // MS - WALL_MS


@pytest.mark.parametrize("how", ["stopped", "reset"])
def test_what_was_skipped_since_the_last_tick_is_taken_before_the_end(how: str) -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS))
    harness.socket.sample = ((WALL_MS + 900) * MS, a_change(WALL_MS + 800))
    if how == "stopped":
        harness.actor.on_receive(Retire(reason="stopped", at_once=True))
    else:
        harness.socket.on_end("reset", "Connection reset by peer")
        drain(harness.actor)

    assert ended_at(harness) == -200


def test_what_ends_a_silence_proves_nothing_of_it_at_the_end_either() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(harness.wall_ms))
    harness.silence(51).silence(15, exchange_silent=True)
    harness.socket.sample = ((harness.wall_ms + 900) * MS, a_change(harness.wall_ms + 800))
    harness.socket.last_data_at = harness.now + 0.9
    harness.socket.on_end("reset", "Connection reset by peer")
    drain(harness.actor)

    (released,) = harness.facts(TokensReleased)
    assert isinstance(released, TokensReleased)
    assert (released.until_ns // MS - WALL_MS, released.cause) == (-1_000, "exchange_silent")


def test_a_full_disk_ends_the_connection_and_nothing_unjournalled_is_sent() -> None:
    harness = ConnectionHarness().confirm()
    harness.journal.full = True
    told = len(harness.writer.received)
    harness.hear(a_trade())

    assert len(harness.writer.received) == told
    assert harness.supervisor.last(ConnectionEnded).reason == "disk_full"
    assert harness.socket.ended == ("abort", "disk_full")


def test_what_the_journal_cannot_hold_is_a_gap_of_this_connection_and_no_crash() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_trade(at_ms=WALL_MS + 1_000), after_ms=1_000)
    told = len(harness.writer.of(TradesSeen))
    large = a_trade(at_ms=WALL_MS + 9_000)
    harness.journal.largest = len(large)  # its record has more than the frame
    harness.hear(large, after_ms=9_000)

    assert len(harness.writer.of(TradesSeen)) == told
    ended = harness.supervisor.last(ConnectionEnded)
    assert (ended.reason, harness.socket.ended) == ("too_big", ("abort", "too_big"))
    assert "too large" in ended.detail
    (closed,) = harness.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.reason == "disconnected"
    assert closed.until_ns is not None
    assert closed.until_ns < (WALL_MS + 9_000 - 1_000) * MS  # not proven by what was not kept
    assert dict(harness.supervisor.last(ConnectionReport).violations)[Assumption.MESSAGE_SIZE] == 1


def test_a_message_that_was_not_read_for_its_size_is_counted() -> None:
    harness = ConnectionHarness().confirm()
    harness.socket.on_end("too_big", "a message of the exchange exceeds the limit")
    drain(harness.actor)

    assert harness.supervisor.last(ConnectionEnded).reason == "too_big"
    assert dict(harness.supervisor.last(ConnectionReport).violations)[Assumption.MESSAGE_SIZE] == 1


def test_what_could_not_be_journalled_is_not_proven() -> None:
    harness = ConnectionHarness().confirm()
    harness.journal.full = True
    harness.hear(a_trade(at_ms=WALL_MS + 5_000), after_ms=5_000)

    assert harness.supervisor.last(ConnectionReport).proven_until_ns == 0


def test_when_too_much_is_in_flight_the_writer_is_sent_only_where_to_read() -> None:
    harness = ConnectionHarness(inflight_max=2).confirm()
    harness.hear(a_trade())

    assert not harness.writer.of(TradesSeen)
    assert harness.writer.last(ReadJournal).seq == harness.journal.next_seq - 1


def test_lifecycle_events_go_to_catalog_and_resolution() -> None:
    harness = ConnectionHarness(ConnectionSpec(name="lifecycle", feed=0, lifecycle=True)).connect()
    assert json.loads(harness.socket.sent[0])["custom_feature_enabled"] is True
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
    harness.hear(json.dumps(announced).encode(), json.dumps(resolved).encode())

    seen = harness.catalog.last(NewMarketSeen)
    assert seen.condition_id == CONDITION
    assert seen.market is not None
    assert seen.market.token_ids == ("1", "2")
    assert harness.resolution.last(ResolutionHint).condition_id == CONDITION


def test_frames_after_the_end_are_not_recorded() -> None:
    harness = ConnectionHarness().confirm()
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))
    before = harness.journal.next_seq
    harness.hear(a_trade())

    assert harness.journal.next_seq == before


def test_what_an_ended_connection_received_does_not_wait_for_the_garbage_collector() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_trade())
    heard = weakref.ref(harness.actor._ingest), weakref.ref(harness.actor._coverage)
    gc.disable()
    try:
        harness.actor.on_stop()
        assert [each() for each in heard] == [None, None]
    finally:
        gc.enable()


def test_an_unknown_message_ends_the_actor() -> None:
    harness = ConnectionHarness()
    with pytest.raises(UnknownMessage, match="received Drain"):
        harness.actor.on_receive(Drain())


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    return [vars(line) for line in caplog.records if line.msg == event]


def test_rejected_messages_are_logged_by_reason_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = ConnectionHarness().confirm()
    for _ in range(130):
        harness.hear(a_trade(price="1.5"), a_trade(side="HOLD"))
        harness.tick(1)

    said = lines(caplog, "messages_rejected")
    assert [line["rejected"] for line in said] == [2, 120, 120]
    assert said[0]["connection"] == "a-0001"
    assert said[0]["reasons"] == {"price out of range": 1, "side is not BUY or SELL": 1}


def test_unknown_kinds_are_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = ConnectionHarness().confirm()
    for _ in range(70):
        harness.hear(b'{"event_type": "trade_v2", "asset_id": "71"}')
        harness.tick(1)

    said = lines(caplog, "unknown_event_type")
    assert [line["events"] for line in said] == [1, 60]
    assert said[0]["kinds"] == {"trade_v2": 1}


def test_a_connection_that_ends_logs_what_it_has_not_logged_yet(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_trade(price="1.5"))
    harness.tick(1)
    harness.hear(a_trade(price="1.5"))
    harness.socket.on_end("reset", "")
    drain(harness.actor)

    assert [line["rejected"] for line in lines(caplog, "messages_rejected")] == [1, 1]


# Faults of a clock that steps: a connection that takes itself for silent; trades rejected as too
# new; a proof that goes back, or claims what was not heard; an epoch that ends before its proof.

HOUR_MS = 3_600_000


def stepped(step_ms: int) -> tuple[ConnectionHarness, int]:
    """Return a connection that heard up to a step of the clock; and the exchange's time then."""
    harness = ConnectionHarness().confirm()
    harness.tick(5)
    exchange_ms = harness.wall_ms
    harness.hear(a_change(exchange_ms))
    harness.wall_ms += step_ms
    return harness, exchange_ms


@pytest.mark.parametrize("step_ms", [-400 * 24 * HOUR_MS, -HOUR_MS, HOUR_MS, 400 * 24 * HOUR_MS])
def test_a_step_of_the_clock_is_no_silence_and_hides_none(step_ms: int) -> None:
    harness, exchange_ms = stepped(step_ms)
    harness.silence(120)
    assert not harness.supervisor.of(ConnectionEnded)
    harness.dialler.changes = {YES: exchange_ms + 20_000, NO: exchange_ms + 30_000}
    harness.silence(250)
    assert harness.supervisor.of(ConnectionEnded)


@pytest.mark.parametrize("step_ms", [-48 * HOUR_MS, -HOUR_MS, HOUR_MS, 400 * 24 * HOUR_MS])
def test_trades_are_taken_with_the_time_that_the_clock_shows(step_ms: int) -> None:
    harness, exchange_ms = stepped(step_ms)
    harness.tick(1)
    harness.hear(a_trade(at_ms=exchange_ms + 1_000))

    (trade,) = harness.writer.last(TradesSeen).trades
    assert trade.traded_at_ms == exchange_ms + 1_000
    assert trade.received_at_ns == harness.wall_ms * MS


@pytest.mark.parametrize("step_ms", [-48 * HOUR_MS, -HOUR_MS, HOUR_MS, 400 * 24 * HOUR_MS])
def test_the_proof_does_not_go_back_with_the_clock_nor_ahead_of_the_exchange(step_ms: int) -> None:
    harness, exchange_ms = stepped(step_ms)
    for _ in range(30):
        harness.tick(1)
        exchange_ms += 1_000
        harness.hear(a_change(exchange_ms))
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))

    proofs = marks(harness)
    assert proofs == sorted(proofs)
    assert proofs[-1] <= exchange_ms - WALL_MS
    (closed,) = harness.facts(ListeningClosed)
    assert isinstance(closed, ListeningClosed)
    assert closed.until_ns is not None
    assert closed.until_ns <= closed.at_ns
    assert ended_at(harness) == proofs[-1]
    # The exchange's clock goes on, so it proves as before, however ours was set.
    assert proofs[-1] == exchange_ms - WALL_MS - 1_000


@pytest.mark.parametrize("behind_ms", [30_000, 48 * HOUR_MS])
def test_a_clock_that_is_behind_claims_nothing_unheard_and_rejects_no_trade(
    behind_ms: int,
) -> None:
    harness = ConnectionHarness()
    harness.wall_ms -= behind_ms
    harness.confirm()
    began_ms = harness.wall_ms
    for second in range(10):
        harness.tick(1)
        harness.hear(a_trade(at_ms=WALL_MS + second * 1_000 + 900))

    told = harness.writer.of(TradesSeen)
    assert [len(each.trades) for each in told] == [1] * 10
    assert not [rejected for each in told for rejected in each.rejections]
    (assumed, confirmed), (released,) = (
        harness.facts(TokensConfirmed),
        harness.facts(TokensReleased),
    )
    assert isinstance(assumed, TokensConfirmed)
    assert isinstance(confirmed, TokensConfirmed)
    assert isinstance(released, TokensReleased)
    # What was written first holds no time: it ends where it began.
    assert (assumed.at_ns, released.until_ns, released.cause) == (
        began_ms * MS,
        began_ms * MS,
        "clock_step",
    )
    assert confirmed.tokens == released.tokens == (YES, NO)
    # Not before its book: an event may have taken up to a second to arrive.
    assert WALL_MS * MS <= confirmed.at_ns <= (WALL_MS + 1_000) * MS
    assert 0 < marks(harness)[-1] <= 9_900
    harness.tick(1)
    counted = dict(harness.supervisor.last(ConnectionReport).violations)
    assert counted[Assumption.CLOCK] == 8, "from the third on that agrees"


def test_trades_of_a_clock_that_is_days_behind_survive_a_replay() -> None:
    harness = ConnectionHarness()
    harness.wall_ms -= 48 * HOUR_MS
    harness.confirm()
    harness.hear(a_trade(), a_trade(), a_trade(at_ms=WALL_MS + 1))

    (told,) = harness.writer.of(TradesSeen)
    (record,) = harness.facts(FramesSeen)
    assert isinstance(record, FramesSeen)
    assert replay(record) == (told.trades, ())
    assert [trade.occurrence for trade in told.trades] == [1, 2, 1]


def test_other_spellings_and_other_names_of_events_are_counted_in_the_report() -> None:
    harness = ConnectionHarness().confirm()
    renamed = json.dumps({"event_type": "trade_executed", "asset_id": YES}).encode()
    harness.hear(a_trade(side="buy"), a_trade(size="1e1"), a_trade(size="2"), renamed)
    harness.tick()

    (*_, report) = harness.supervisor.of(ConnectionReport)
    assert dict(report.violations) == {Assumption.SPELLING: 2, Assumption.EVENT_NAMES: 1}
    assert (report.trades_total, report.rejected_total) == (3, 1)


def test_strange_messages_that_are_not_kept_are_counted_as_rejected() -> None:
    harness = ConnectionHarness().confirm()
    strange = json.dumps({"event_type": "book_delta", "asset_id": YES}).encode()
    harness.hear(*[strange] * 100)
    harness.hear(*[strange] * 7)
    harness.tick()

    (*_, report) = harness.supervisor.of(ConnectionReport)
    assert (report.rejected_total, report.unknown_total, report.left_out_total) == (107, 107, 87)


def test_what_may_be_a_trade_and_is_not_kept_is_counted_as_doubtful() -> None:
    harness = ConnectionHarness(samples=Samples(doubtful_bytes=0)).confirm()
    harness.hear(a_trade(price="?"), a_trade(), a_trade(price="7"))
    harness.hear(a_trade(price="?"))
    harness.tick()

    (*_, report) = harness.supervisor.of(ConnectionReport)
    assert (report.trades_total, report.rejected_total) == (1, 3)
    assert (report.doubtful_total, report.left_out_total) == (3, 3)


def test_a_rejected_trade_ends_the_coverage_of_its_token_until_the_next_proof() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_trade(at_ms=WALL_MS + 2_000), after_ms=2_000)
    harness.hear(a_change(WALL_MS + 4_000), after_ms=4_000)
    harness.hear(a_trade(at_ms=WALL_MS + 5_000, price="7"), after_ms=5_000)
    harness.hear(a_change(WALL_MS + 7_000), after_ms=7_000)

    released, (_, confirmed) = harness.facts(TokensReleased), harness.facts(TokensConfirmed)
    assert released == [
        TokensReleased(epoch=1, until_ns=(WALL_MS + 2_000) * MS, tokens=(YES,), cause="rejected")
    ]
    assert confirmed == TokensConfirmed(epoch=1, at_ns=(WALL_MS + 6_000) * MS, tokens=(YES,))
    assert not [text for text in harness.socket.sent if "unsubscribe" in text]


def test_the_end_of_a_token_in_doubt_is_written_as_of_any_other() -> None:
    """What is understood later is covered until that end, and no longer."""
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS + 4_000), after_ms=4_000)
    harness.hear(a_trade(at_ms=WALL_MS + 5_000, price="7"), after_ms=5_000)
    asked_ns = harness.wall_ms * MS
    harness.actor.on_receive(Unsubscribe(tokens=(YES,), cause="released", since_ns=asked_ns))
    harness.tick(1)

    *_, released = harness.facts(TokensReleased)
    until_ns = (WALL_MS + 3_000) * MS
    assert released == TokensReleased(epoch=1, until_ns=until_ns, tokens=(YES,), cause="released")


def test_rejected_events_that_may_be_trades_are_counted_apart() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(
        a_trade(price="much"),
        a_trade(event_type="trade_v2"),
        json.dumps({"event_type": "book_delta", "asset_id": YES}).encode(),
        a_trade(),
    )
    harness.tick()

    (*_, report) = harness.supervisor.of(ConnectionReport)
    assert (report.rejected_total, report.unknown_total, report.doubtful_total) == (3, 2, 2)


def test_another_epoch_begins_on_the_same_socket_where_the_one_before_is_proven() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(harness.wall_ms))
    proven_ns = harness.actor._coverage.proven_until_ns
    before, sent = harness.journal.next_seq, len(harness.socket.sent)
    harness.actor.on_receive(RenewEpoch())

    told = {seq: decode(body) for seq, body in harness.journal.bodies.items() if seq >= before}
    (number,) = [seq for seq, fact in told.items() if isinstance(fact, ListeningOpened)]
    confirmed = [fact for fact in told.values() if isinstance(fact, TokensConfirmed)]
    assert {token for each in confirmed for token in each.tokens} == {YES, NO}
    assert all(each.epoch == number and each.at_ns >= proven_ns for each in confirmed)
    assert len(harness.socket.sent) == sent
    harness.hear(a_trade(at_ms=harness.wall_ms + 10), after_ms=10)
    assert harness.writer.last(TradesSeen).epoch == number
    harness.actor.on_receive(Retire(reason="replaced", at_once=True))
    closed = harness.facts(ListeningClosed)[-1]
    assert isinstance(closed, ListeningClosed)
    assert closed.epoch == number


def test_no_epoch_begins_where_there_is_none_or_where_it_has_ended() -> None:
    harness = ConnectionHarness()
    harness.actor.on_receive(RenewEpoch())
    assert not harness.facts(ListeningOpened)
    harness.confirm()
    harness.actor.on_receive(Retire(reason="replaced", at_once=True))
    harness.actor.on_receive(RenewEpoch())
    assert len(harness.facts(ListeningOpened)) == 1
