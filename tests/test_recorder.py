"""What is journalled is told; what is not journalled is not told."""

import pytest
from fakes import FakeJournal
from fakes_box import Box
from feed_samples import RECEIVED_NS, spoken

from actors.errors import JournalFull
from actors.logic import record
from actors.logic.intake import Intake, Taken
from actors.logic.lane import LaneSpec
from actors.logic.trade import print_hash
from actors.messages import FactSeen, Journalled, TradesSeen
from actors.recorder import Recorder

ALIVE = record.ProcessAlive(at_ns=7)
LANE = LaneSpec(lane="a", leg=0)


def frames(*raws: bytes) -> list[Taken]:
    """Give frames as a connection understands them."""
    intake = Intake(LANE, 1)
    return [intake.take(raw, RECEIVED_NS) for raw in raws]


def test_a_fact_is_told_under_the_sequence_it_was_journalled_under() -> None:
    journal, writer = FakeJournal(), Box()
    journal.append(b"older")
    seq = Recorder(journal, writer, inflight_max=10).fact(ALIVE)

    assert seq == 2
    assert record.decode(journal.bodies[2]) == ALIVE
    assert journal.weights[2] == 0
    assert writer.told == [FactSeen(seq=2, fact=ALIVE)]


def test_frames_are_told_together_under_their_sequences_and_weigh_what_is_in_them() -> None:
    journal, writer = FakeJournal(), Box()
    journal.append(b"older")
    taken = frames(spoken(), b"[" + spoken(side="SELL") + b"," + spoken() + b"]")
    Recorder(journal, writer, inflight_max=10).frames("a", taken)

    assert [record.decode(journal.bodies[seq]) for seq in (2, 3)] == [t.record for t in taken]
    assert journal.weights[2] == 3
    (told,) = writer.of(TradesSeen)
    assert (told.seq, told.records, told.connection) == (2, 2, "a")
    assert told.prints == taken[0].prints + taken[1].prints
    assert told.hashes == tuple(map(print_hash, told.prints))
    assert [trade.occurrence for trade in told.prints] == [1, 1, 2]


def test_refusals_are_told_with_the_record_they_stand_in() -> None:
    journal, writer = FakeJournal(), Box()
    taken = frames(spoken(), spoken(price="7"), spoken(side="SELL"))
    Recorder(journal, writer, inflight_max=10).frames("a", taken)

    told = writer.of(TradesSeen)
    assert [(each.seq, each.records, len(each.refusals)) for each in told] == [
        (1, 1, 0),
        (2, 1, 1),
        (3, 1, 0),
    ]
    assert journal.weights[1] == 3


def test_beyond_the_bound_the_writer_is_told_only_where_to_read() -> None:
    journal, writer = FakeJournal(), Box()
    recorder = Recorder(journal, writer, inflight_max=2)
    for _ in range(3):
        recorder.fact(ALIVE)
    recorder.frames("a", frames(spoken()))
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
        recorder.frames("a", frames(spoken()))
    assert writer.told == []
