"""A journal that version 0.1.0 wrote is read as that version read it, and continued."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.journal.journal import Journal
from actors.model.facts import (
    DayMeasured,
    Entry,
    FrameSeen,
    FramesSeen,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    ProcessStopped,
    RangeLost,
    Record,
    TokensConfirmed,
    TokensReleased,
    TokensUnwanted,
    TokensWanted,
    decode,
    encode,
)
from actors.model.trade import TokenId
from tests.fakes import FakeStore
from tests.stored_copies import (
    BOOT,
    LONGER,
    OTHER_BOOT,
    catch_up,
    copied,
    item,
    numbers,
    opened,
    padded,
    transactions,
    transactions_now,
    values,
    written_now,
)

BOOTS = {"same_boot": BOOT, "after_reboot": OTHER_BOOT}
"""Whether the machine was started again since the journal was written."""

SAME_NAMES = "after_reboot"
"""Version 0.1.0 carried the end of the journal over to a segment of another name in `same_boot`;
today what is in doubt at the start is written again under the names that it has."""

TOKENS = (TokenId("7"), TokenId("8"))
LAYOUT: list[tuple[Record, list[Any]]] = [
    (
        FramesSeen(
            epoch=3,
            connection="c",
            received_at_ns=4,
            occurrences=(1, 0),
            raws=(b"{}", b"\xff"),
            hashes=(-5,),
        ),
        ["frames", 3, "c", 4, [1, 0], [b"{}", b"\xff"], [-5]],
    ),
    (
        FrameSeen(epoch=3, connection="c", received_at_ns=4, occurrences=(2,), raw=b"{}"),
        ["frame", 3, "c", 4, [2], b"{}", []],
    ),
    (ProcessStarted(at_ns=1, host="h", version="v"), ["start", 1, "h", "v"]),
    (ProcessAlive(at_ns=1), ["alive", 1, None]),
    (
        ProcessAlive(at_ns=1, day=DayMeasured(since_ns=2, tokens=3)),
        [
            "alive",
            1,
            {
                "since_ns": 2,
                "tokens": 3,
                "wanted_s": 0.0,
                "gap_s": 0.0,
                "blackout_s": 0.0,
            },
        ],
    ),
    (ProcessStopped(at_ns=1), ["stop", 1]),
    (TokensWanted(at_ns=1, tokens=TOKENS), ["want", 1, ["7", "8"]]),
    (TokensUnwanted(at_ns=1, tokens=TOKENS), ["unwant", 1, ["7", "8"]]),
    (ListeningOpened(at_ns=1, connection="c", feed=2), ["open", 1, "c", 2]),
    (TokensConfirmed(epoch=3, at_ns=1, tokens=TOKENS), ["confirm", 3, 1, ["7", "8"]]),
    (
        TokensReleased(epoch=3, until_ns=1, tokens=TOKENS, cause="deaf"),
        ["release", 3, 1, ["7", "8"], "deaf"],
    ),
    (ListeningProven(proofs=((3, 1), (4, 2))), ["mark", [[3, 1], [4, 2]]]),
    (
        ListeningClosed(epoch=3, at_ns=1, until_ns=None, reason="frozen"),
        ["close", 3, 1, None, "frozen"],
    ),
    (RangeLost(first=5, last=6), ["lost", 5, 6]),
]
"""Each kind of record by its names, and the order in which version 0.1.0 wrote its fields."""

Open = Callable[[str], Journal]
either = pytest.mark.parametrize("when", BOOTS)


@pytest.fixture(scope="module")
def expected() -> Any:
    return padded(values("replay"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.fixture
def open_copy(folder: Path) -> Iterator[Open]:
    journals: list[Journal] = []

    def open_one(when: str) -> Journal:
        journals.append(opened(folder, BOOTS[when]))
        return journals[-1]

    yield open_one
    for journal in journals:
        journal.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def entries(journal: Journal) -> list[Entry]:
    found = journal.read(journal.oldest_seq)
    return [each for each in found if isinstance(each, Entry)]


@either
def test_it_opens_with_its_identity_its_numbers_and_its_markers(
    open_copy: Open, folder: Path, expected: Any, when: str
) -> None:
    assert names(folder) == expected["files"]
    journal = open_copy(when)
    assert numbers(journal) == expected[when]["numbers"]
    assert names(folder) == expected[SAME_NAMES]["files"]


@either
def test_every_record_comes_back_and_what_is_lost_is_named(
    open_copy: Open, expected: Any, when: str
) -> None:
    read = [item(each) for each in open_copy(when).read(1)]
    assert read == expected["same_boot"]["read"] + expected[when].get("read_more", [])


@pytest.mark.parametrize(("record", "fields"), LAYOUT, ids=[fields[0] for _, fields in LAYOUT])
def test_a_record_has_its_fields_where_they_were(record: Record, fields: list[Any]) -> None:
    assert msgspec.msgpack.decode(encode(record)) == fields
    assert decode(msgspec.msgpack.encode(fields)) == record


def test_every_kind_of_record_is_in_it_and_is_written_as_it_was(
    open_copy: Open, expected: Any
) -> None:
    kinds, unknown, otherwise, longer = set(), [], [], set()
    for entry in entries(open_copy("same_boot")):
        try:
            again = encode(decode(entry.body))
        except msgspec.DecodeError:
            unknown.append(entry.seq)
            continue
        kinds.add(msgspec.msgpack.decode(entry.body)[0])
        if msgspec.msgpack.decode(entry.body)[0] in LONGER:
            longer.add(msgspec.msgpack.decode(again)[-1])
        elif again != entry.body:
            otherwise.append(entry.seq)
    found = {"kinds": sorted(kinds), "unknown": unknown, "otherwise": otherwise}
    assert (found, longer) == (expected["bytes"], {None})


@either
def test_a_replay_gives_the_same_trades_rejections_facts_and_watermark(
    open_copy: Open, folder: Path, expected: Any, when: str
) -> None:
    store = FakeStore()
    written = catch_up(open_copy(when), store)
    found = transactions(store.batches)
    same = transactions_now(expected["same_boot"]["transactions"])
    assert found["trades"] == same["trades"]
    assert found["rejected"] == same["rejected"]
    assert found["facts"] == same["facts"]
    assert found["watermark"] == expected[when].get("watermark", same["watermark"])
    assert written == written_now(expected[when]["written"])
    assert names(folder) == expected[SAME_NAMES]["left"]


def test_a_replay_in_small_transactions_gives_the_same(open_copy: Open, expected: Any) -> None:
    store = FakeStore()
    catch_up(open_copy("same_boot"), store, records=5)
    assert len(store.batches) > 10
    assert transactions(store.batches) == transactions_now(expected["same_boot"]["transactions"])


@either
def test_it_is_continued_behind_its_last_record(open_copy: Open, expected: Any, when: str) -> None:
    journal = open_copy(when)
    before = entries(journal)
    again = [journal.append(entry.body) for entry in before]
    journal.close()
    first = expected[when]["numbers"]["next"]
    assert again == [*range(first, first + len(before))]
    bodies = [entry.body for entry in entries(open_copy(when))]
    assert bodies == [entry.body for entry in before] * 2
