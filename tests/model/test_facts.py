import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import facts
from actors.model.trade import TokenId

TOKENS = (TokenId("7" * 77), TokenId("8"))
RECORDS: list[facts.Record] = [
    facts.FramesSeen(
        epoch=7,
        connection="a-0003",
        received_at_ns=1_790_000_000_000_000_000,
        occurrences=(1, 0, 2),
        raws=(b'\x00\xff{"a":1}', b"[]"),
        hashes=(-(2**63), 2**63 - 1),
    ),
    facts.FrameSeen(
        epoch=7,
        connection="a-0003",
        received_at_ns=1_790_000_000_000_000_000,
        occurrences=(1, 0, 2),
        raw=b'\x00\xff{"a":1}',
        hashes=(-(2**63), 2**63 - 1),
    ),
    facts.ProcessStarted(at_ns=1, host="here", version="1.0"),
    facts.RangeLost(first=7, last=9),
    facts.ProcessAlive(at_ns=2),
    facts.ProcessAlive(at_ns=2, day=facts.DayMeasured(since_ns=1, tokens=5, wanted_s=2.5)),
    facts.ProcessStopped(at_ns=3),
    facts.TokensWanted(at_ns=4, tokens=TOKENS),
    facts.TokensUnwanted(at_ns=5, tokens=()),
    facts.ListeningOpened(at_ns=6, connection="b-0000", feed=1),
    facts.TokensConfirmed(epoch=6, at_ns=7, tokens=TOKENS),
    facts.TokensReleased(epoch=6, until_ns=8, tokens=TOKENS, cause="deaf"),
    facts.ListeningProven(proofs=((6, 9), (2**60, 10))),
    facts.ListeningClosed(epoch=6, at_ns=11, until_ns=10, reason="frozen"),
    facts.ListeningClosed(epoch=6, at_ns=11, until_ns=None, reason="disconnected"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_read_as_it_was_written(record: facts.Record) -> None:
    back = facts.decode(facts.encode(record))
    assert back == record
    assert type(back) is type(record)


def test_every_kind_of_record_is_tried() -> None:
    assert {type(record) for record in RECORDS} == set(facts.Record.__args__)


def test_a_fact_is_every_record_but_frames() -> None:
    others = set(facts.Record.__args__) - set(facts.Fact.__args__)
    assert others == {facts.FramesSeen, facts.FrameSeen}


def test_a_record_of_an_earlier_version_is_still_read() -> None:
    old = b"\x96\xa5frame\x07\xa6a-0003\xcf\x18\xd7[\x84#\xf3\x00\x00\x92\x01\x02\xc4\x02{}"
    assert facts.decode(old) == facts.FrameSeen(
        epoch=7,
        connection="a-0003",
        received_at_ns=1_790_000_000_000_000_000,
        occurrences=(1, 2),
        raw=b"{}",
    )


def test_fields_that_a_newer_version_appends_are_ignored() -> None:
    record = RECORDS[0]
    body = facts.encode(record)
    assert body[:1] == b"\x97"
    assert facts.decode(b"\x98" + body[1:] + b"\xa4more") == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_torn_record_is_rejected_at_every_byte(record: facts.Record) -> None:
    whole = facts.encode(record)
    for end in range(len(whole)):
        with pytest.raises(msgspec.DecodeError):
            facts.decode(whole[:end])


@pytest.mark.parametrize(
    "body",
    [
        b"\x92\xa7unknown\x01",
        b"\x94\xa4open\x01\xa3a\xff\xfe\x00",
        b"\x95\xa5start\x01\xa1a\xa1b" + b"\x91" * 5_000 + b"\x01",
    ],
    ids=["unknown kind", "not UTF-8", "nested too deeply"],
)
def test_a_damaged_record_is_rejected_by_its_one_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        facts.decode(body)


@given(st.sampled_from(RECORDS), st.data())
def test_no_damage_raises_anything_else(record: facts.Record, data: st.DataObject) -> None:
    body = bytearray(facts.encode(record))
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(facts.decode(bytes(body)), facts.Record)
    except msgspec.DecodeError:
        return


@given(st.binary(max_size=60))
def test_of_any_bytes_it_is_told_which_kind_they_name(body: bytes) -> None:
    assert facts.kind_of(body).isprintable()


def test_a_kind_is_named_by_every_record_and_by_those_of_other_versions() -> None:
    assert [facts.kind_of(facts.encode(record)) for record in RECORDS] == [
        msgspec.msgpack.decode(facts.encode(record))[0] for record in RECORDS
    ]
    assert facts.kind_of(b"\x92\xa7unknown\xff") == "unknown"
    assert facts.kind_of(msgspec.msgpack.encode(["x" * 1000])) == "x" * 32
    nameless = (b"", b"\xc1", b"\x90", b"\x91\x07", b"\x01")
    assert {facts.kind_of(body) for body in nameless} == {""}
