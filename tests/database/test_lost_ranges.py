"""Records behind the end of an epoch, or in a lost range of the journal, prove nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from uuid import uuid4

import pytest

from actors.database.store import Store
from actors.journal.journal import MIB, Journal
from actors.journal.watermark import Watermark
from actors.model.facts import (
    Fact,
    FramesSeen,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessStarted,
    RangeLost,
    TokensConfirmed,
    TokensReleased,
    encode,
)
from actors.model.storage import Batch
from actors.writer.catchup import read_range
from actors.writer.gather import FindingsBatch, to_batch
from tests.database.samples import NO, YES, trade
from tests.postgres import ask

pytestmark = pytest.mark.db

ZERO = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = 2
START: tuple[Fact, ...]


def ns(second: float) -> int:
    return round((ZERO + timedelta(seconds=second)).timestamp() * 1_000_000_000)


def proof(until: float, epoch: int = EPOCH) -> ListeningProven:
    return ListeningProven(((epoch, ns(until)),))


START = (
    ProcessStarted(ns(0), "host", "1"),
    ListeningOpened(ns(1), "a-0001", 0),
    TokensConfirmed(EPOCH, ns(2), (YES,)),
    proof(10),
)


def close(until: float | None, reason: str = "disconnected") -> ListeningClosed:
    return ListeningClosed(EPOCH, ns(60), None if until is None else ns(until), reason)


def commit(store: Store, *facts: Fact, at_once: bool) -> None:
    numbered = tuple(enumerate((*START, *facts), 1))
    for some in [numbered] if at_once else [(each,) for each in numbered]:
        store.commit(Batch(facts=some))


def covered(database: str, token: str = YES) -> list[tuple[float, float]]:
    query = "select lower(during), upper(during) from coverage where token_id = %s order by during"
    return [
        ((low - ZERO).total_seconds(), (high - ZERO).total_seconds())
        for low, high in ask(database, query, token)
    ]


@pytest.fixture(params=[True, False], ids=["one batch", "one by one"])
def at_once(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_proof_after_the_end_of_its_epoch_extends_nothing(
    store: Store, database: str, at_once: bool
) -> None:
    commit(store, close(None, "frozen"), proof(50), proof(70), at_once=at_once)

    assert covered(database) == [(2, 10)]


def test_a_second_end_of_an_epoch_extends_nothing(
    store: Store, database: str, at_once: bool
) -> None:
    commit(store, close(None, "frozen"), proof(50), close(55), at_once=at_once)

    assert covered(database) == [(2, 10)]
    assert ask(database, "select reason from tracker.epochs") == [("frozen",)]


def test_a_proof_from_before_the_end_counts_though_it_arrives_after_it(
    store: Store, database: str
) -> None:
    facts = tuple(enumerate((*START, proof(50), close(None)), 1))
    for each in (*facts[:4], facts[5], facts[4]):
        store.commit(Batch(facts=(each,)))

    assert covered(database) == [(2, 50)]


def test_a_proof_of_an_epoch_from_before_a_start_of_the_process_extends_nothing(
    store: Store, database: str, at_once: bool
) -> None:
    commit(store, proof(20), ProcessStarted(ns(30), "host", "1"), proof(50), at_once=at_once)

    assert covered(database) == [(2, 20)]


def test_a_lost_range_ends_the_coverage_of_all_open_epochs(
    store: Store, database: str, at_once: bool
) -> None:
    other = 5
    commit(
        store,
        ListeningOpened(ns(11), "b-0001", 1),
        TokensConfirmed(other, ns(12), (NO,)),
        ListeningProven(((EPOCH, ns(20)), (other, ns(21)))),
        RangeLost(8, 8),
        ListeningProven(((EPOCH, ns(40)), (other, ns(41)))),
        close(45),
        at_once=at_once,
    )

    assert covered(database, YES) == [(2, 20)]
    assert covered(database, NO) == [(12, 21)]
    assert set(ask(database, "select closed_seq, lost, reason from tracker.epochs")) == {
        (8, True, "journal_hole")
    }


def test_a_record_of_another_version_ends_the_coverage_before_it_and_is_kept(
    store: Store, database: str, tmp_path: Path
) -> None:
    """It may have held trades, or have said that a token was lost."""
    journal = Journal.open(tmp_path, max_bytes=64 * MIB, wall_ns=lambda: ns(33))
    try:
        for each in (*START, proof(20)):
            journal.append(encode(each))
        unknown = journal.append(b"\x93\xa3new\x01\x02")
        journal.append(encode(proof(40)))
        epoch = journal.append(encode(ListeningOpened(ns(50), "a-0001", 0)))
        for each in (TokensConfirmed(epoch, ns(51), (YES,)), proof(60, epoch)):
            journal.append(encode(each))
        gathered = read_range(journal, Watermark(1), most_trades=100, most_records=100)
    finally:
        journal.close()
    store.commit(to_batch(gathered, FindingsBatch(), (), epoch + 3))

    assert covered(database) == [(2, 20), (51, 60)]
    query = "select seq, connection, payload, received_at from rejected_messages"
    ((seq, connection, payload, at),) = ask(database, query)
    assert (seq, connection, bytes(payload)) == (unknown, "journal", b"\x93\xa3new\x01\x02")
    assert at == ZERO + timedelta(seconds=33)


LATE = (
    (5, proof(20)),
    (6, RangeLost(6, 6)),
    (7, TokensReleased(EPOCH, ns(30), (YES,), "released")),
    (8, proof(40)),
    (9, close(45)),
)


@pytest.mark.parametrize(
    "order", list(permutations(LATE))[::5], ids=lambda order: "".join(str(s) for s, _ in order)
)
def test_whenever_a_lost_range_is_found_coverage_ends_at_the_last_proof_before_it(
    store: Store, database: str, order: tuple[tuple[int, Fact], ...]
) -> None:
    """What came after it had been stored, since a record before it was still missing."""
    store.commit(Batch(facts=tuple(enumerate(START, 1)), watermark=5))
    for each in order:
        store.commit(Batch(facts=(each,)))

    assert covered(database) == [(2, 20)]
    assert ask(
        database, "select closed_seq, lost, closed_at = proven_until from tracker.epochs"
    ) == [(6, True, True)]


def test_of_proofs_below_the_watermark_the_last_alone_is_kept(store: Store, database: str) -> None:
    query = "select proofs, proven_until from tracker.epochs"
    store.commit(Batch(facts=tuple(enumerate(START, 1)), watermark=5))
    assert ask(database, query) == [(None, ZERO + timedelta(seconds=10))]
    for seq in (6, 7, 9):  # 5 and 8 are missing
        store.commit(Batch(facts=((seq, proof(seq * 10)),), watermark=5))
    assert set(ask(database, query)[0][0]) == {"0", "6", "7", "9"}
    store.commit(Batch(facts=((5, proof(50)), (10, proof(95))), watermark=8))
    assert set(ask(database, query)[0][0]) == {"0", "9", "10"}
    store.commit(Batch(facts=((8, RangeLost(8, 8)),), watermark=11))
    assert covered(database) == [(2, 70)]


def test_once_no_record_is_missing_one_proof_is_enough(store: Store, database: str) -> None:
    query = "select proofs, proven_until from tracker.epochs"
    store.commit(Batch(facts=tuple(enumerate(START, 1)), watermark=5))
    store.commit(Batch(facts=((6, proof(60)),), watermark=5))
    store.commit(Batch(facts=((5, proof(50)), (7, proof(70))), watermark=8))
    assert ask(database, query) == [(None, ZERO + timedelta(seconds=70))]


def test_an_epoch_that_begins_after_the_lost_range_counts(
    store: Store, database: str, at_once: bool
) -> None:
    epoch = 6
    commit(
        store,
        RangeLost(5, 5),
        ListeningOpened(ns(30), "a-0001", 0),
        TokensConfirmed(epoch, ns(31), (YES,)),
        proof(40, epoch),
        at_once=at_once,
    )

    assert covered(database) == [(2, 10), (31, 40)]


def test_a_lost_range_leaves_earlier_ends_as_they_are(
    store: Store, database: str, at_once: bool
) -> None:
    commit(store, ProcessStarted(ns(30), "host", "1"), RangeLost(6, 6), at_once=at_once)

    store.commit(Batch(watermark=100))
    while not store.settle():
        pass

    assert covered(database) == [(2, 10)]
    assert ask(database, "select cause from tracker.coverage_ranges") == [("process_down",)]


# ------------------------------------------------- from the file to the answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def open_journal(folder: Path) -> Journal:
    return Journal.open(folder, max_bytes=64 * MIB, segment_bytes=4096, reserve_bytes=0)


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    """Return a journal of several segments: one process that listens and receives."""
    made = open_journal(folder)
    for fact in START:
        made.append(encode(fact))
    for second in range(11, 71):
        # Only the number of files matters.
        made.append(encode(FramesSeen(EPOCH, "a-0001", ns(second), (), (b" " * 480,))))
        made.append(encode(proof(second)))
    yield made
    made.close()


def store_all(store: Store, journal: Journal) -> None:
    store.open(journal.journal_id, first_seq=journal.oldest_seq)
    watermark = Watermark(1)
    while True:
        gathered = read_range(journal, watermark, most_trades=1_000, most_records=10)
        if not gathered.records:
            return
        for first, last in gathered.ranges:
            watermark.done(first, last)
        store.commit(to_batch(gathered, FindingsBatch(), (), watermark.seq))


def test_without_damage_everything_is_covered(
    store: Store, database: str, journal: Journal
) -> None:
    store_all(store, journal)

    assert covered(database) == [(2, 70)]


def test_a_missing_segment_ends_coverage_where_it_began(
    store: Store, database: str, journal: Journal, folder: Path
) -> None:
    segments = sorted(folder.glob("seg-*.log"))
    assert len(segments) > 4
    first = int(segments[2].stem.removeprefix("seg-"))
    segments[2].unlink()
    store_all(store, journal)

    # Each second is two records: frames, then the proof.
    assert covered(database) == [(2, 10 + (first - 1 - len(START)) // 2)]
    assert ask(database, "select closed_seq, reason from tracker.epochs") == [
        (first, "journal_hole")
    ]


def test_a_database_older_than_the_journal_records_what_it_lacks(
    store: Store, database: str, journal: Journal, folder: Path
) -> None:
    store.open(journal.journal_id)
    store.commit(Batch(facts=tuple(enumerate(START, 1)), watermark=5))
    segments = sorted(folder.glob("seg-*.log"))
    second = int(segments[1].stem.removeprefix("seg-"))
    journal.release(second)
    watermark = Watermark(store.open(journal.journal_id).watermark)
    gathered = read_range(journal, watermark, most_trades=1_000, most_records=1_000)
    store.commit(to_batch(gathered, FindingsBatch(), (), watermark.seq))

    assert gathered.facts[0] == (5, RangeLost(5, second - 1))
    assert covered(database) == [(2, 10)]


def test_a_restored_journal_is_stored_completely_under_a_new_id(
    store: Store, database: str
) -> None:
    before, after = uuid4(), uuid4()
    store.open(before, first_seq=1)
    store.commit(Batch(trades=(trade(1),), watermark=900))
    assert store.open(after, first_seq=500).watermark == 500
    assert store.open(after, first_seq=700).watermark == 500
    store.commit(Batch(trades=(trade(1), trade(2)), watermark=502))

    assert ask(database, "select count(*) from tracker.trades") == [(2,)]
    assert store.open(before).watermark == 900
