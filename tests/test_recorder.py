"""What is journalled is told; what is not journalled is not told."""

import pytest
from fakes import FakeJournal
from fakes_box import Box

from actors.errors import JournalFull
from actors.logic import record
from actors.messages import FactSeen, Journalled, TradesSeen
from actors.recorder import Recorder

ALIVE = record.ProcessAlive(at_ns=7)
FRAME = record.FrameSeen(epoch=1, connection="a", received_at_ns=5, occurrences=(1,), raw=b"[]")
TRADES = TradesSeen(seq=0, connection="a", prints=(), refusals=())


def test_a_fact_is_told_under_the_sequence_it_was_journalled_under() -> None:
    journal, writer = FakeJournal(), Box()
    journal.append(b"older")
    seq = Recorder(journal, writer, inflight_max=10).fact(ALIVE)

    assert seq == 2
    assert record.decode(journal.bodies[2]) == ALIVE
    assert journal.weights[2] == 0
    assert writer.told == [FactSeen(seq=2, fact=ALIVE)]


def test_a_frame_is_told_under_its_sequence_and_weighs_what_is_in_it() -> None:
    journal, writer = FakeJournal(), Box()
    journal.append(b"older")
    Recorder(journal, writer, inflight_max=10).frame(FRAME, TRADES, weight=3)

    assert record.decode(journal.bodies[2]) == FRAME
    assert journal.weights[2] == 3
    assert writer.told == [TradesSeen(seq=2, connection="a", prints=(), refusals=())]


def test_beyond_the_bound_the_writer_is_told_only_where_to_read() -> None:
    journal, writer = FakeJournal(), Box()
    recorder = Recorder(journal, writer, inflight_max=2)
    for _ in range(3):
        recorder.fact(ALIVE)
    recorder.frame(FRAME, TRADES, weight=1)
    assert [type(message) for message in writer.told] == [
        FactSeen,
        FactSeen,
        Journalled,
        Journalled,
    ]
    assert [message.seq for message in writer.of(Journalled)] == [3, 4]

    journal.release(5)
    recorder.fact(ALIVE)
    assert writer.last(FactSeen).seq == 5


def test_what_finds_no_room_is_not_told() -> None:
    journal, writer = FakeJournal(), Box()
    journal.full = True
    recorder = Recorder(journal, writer, inflight_max=10)

    with pytest.raises(JournalFull):
        recorder.fact(ALIVE)
    with pytest.raises(JournalFull):
        recorder.frame(FRAME, TRADES, weight=1)
    assert writer.told == []
