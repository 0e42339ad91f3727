"""What is journalled is sent to the writer; what is not journalled is not sent."""

import pytest

from actors.errors import JournalFull
from actors.feed.ingest import Ingest, Ingested
from actors.journal.recorder import Recorder
from actors.messages import FactSeen, ReadJournal, TradesSeen
from actors.model import facts
from actors.model.connection import ConnectionSpec
from actors.model.trade import trade_hashes
from tests.fakes import FakeJournal
from tests.fakes_box import Box
from tests.polymarket.feed_samples import RECEIVED_NS, framed

ALIVE = facts.ProcessAlive(at_ns=7)
SLOT = ConnectionSpec(name="a", feed=0)


def frames(*raws: bytes) -> Ingested:
    """Return what a connection finds in these frames."""
    return Ingest(SLOT, 1).take(raws, RECEIVED_NS)


def record(recorder: Recorder, taken: Ingested) -> None:
    assert taken.record is not None
    recorder.frames(taken.record, taken.trades, taken.hashes, taken.decoded.rejections)


def test_a_fact_is_sent_with_the_sequence_of_its_record() -> None:
    journal, writer = FakeJournal(), Box()
    journal.append(b"older")
    seq = Recorder(journal, writer, inflight_max=10).fact(ALIVE)

    assert seq == 2
    assert facts.decode(journal.bodies[2]) == ALIVE
    assert journal.weights[2] == 0
    assert writer.received == [FactSeen(seq=2, fact=ALIVE)]


def test_frames_are_sent_as_one_record_that_weighs_what_is_in_them() -> None:
    journal, writer = FakeJournal(), Box()
    journal.append(b"older")
    taken = frames(
        framed(),
        b"[" + framed(side="SELL") + b"," + framed() + b"]",
        framed(price="7"),
    )
    record(Recorder(journal, writer, inflight_max=10), taken)

    assert facts.decode(journal.bodies[2]) == taken.record
    assert journal.weights[2] == 4
    (sent,) = writer.of(TradesSeen)
    assert (sent.seq, sent.connection) == (2, "a")
    assert sent.trades == taken.trades
    assert sent.hashes == trade_hashes(sent.trades)
    assert [trade.occurrence for trade in sent.trades] == [1, 1, 2]
    assert [rejection.payload for rejection in sent.rejections] == [framed(price="7")]


def test_frames_without_anything_to_keep_have_no_record() -> None:
    assert frames(b"PONG").record is None


def test_beyond_the_bound_the_writer_is_sent_only_the_sequence_to_read_to() -> None:
    journal, writer = FakeJournal(), Box()
    recorder = Recorder(journal, writer, inflight_max=2)
    for _ in range(3):
        recorder.fact(ALIVE)
    record(recorder, frames(framed()))
    assert [type(message) for message in writer.received] == [
        FactSeen,
        FactSeen,
        ReadJournal,
        ReadJournal,
    ]
    assert [message.seq for message in writer.of(ReadJournal)] == [3, 4]

    journal.release(5)
    recorder.fact(ALIVE)
    assert writer.last(FactSeen).seq == 5


def test_what_finds_no_space_is_not_sent() -> None:
    journal, writer = FakeJournal(), Box()
    journal.full = True
    recorder = Recorder(journal, writer, inflight_max=10)

    with pytest.raises(JournalFull):
        recorder.fact(ALIVE)
    with pytest.raises(JournalFull):
        record(recorder, frames(framed()))
    assert writer.received == []


def test_trades_count_for_the_bound_not_their_records() -> None:
    journal, writer = FakeJournal(), Box()
    recorder = Recorder(journal, writer, inflight_max=3)
    record(recorder, frames(framed(), framed(), framed(price="7")))
    record(recorder, frames(framed(), framed(), framed(), framed()))
    assert [type(message) for message in writer.received] == [TradesSeen, ReadJournal]


def test_rejected_events_count_for_the_bound_by_their_bytes() -> None:
    journal, writer = FakeJournal(), Box()
    recorder = Recorder(journal, writer, inflight_max=100)
    for number in range(3):
        record(recorder, frames(framed(price="7", pad="x" * 50_000, number=number)))

    assert journal.weights == {1: 1, 2: 1, 3: 1}, "in the accounting each is one"
    assert [type(message) for message in writer.received] == [TradesSeen, TradesSeen, ReadJournal]
