"""A database and a journal of version 0.1.0 are read as that version read them, and extended."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from actors.database import migrate
from actors.database.store import Store
from actors.journal.journal import Journal
from actors.model.market import Source, TimeWindow
from actors.model.storage import Batch
from actors.model.trade import ConditionId
from tests.database.samples import NO, market, observation, resolution, trade
from tests.database.stored_rows import (
    FROM_JOURNAL,
    NOT_FROM_JOURNAL,
    Table,
    as_stored,
    rows,
    unpacked,
)
from tests.postgres import Server, ask, do
from tests.stored_copies import (
    STORED,
    catch_up,
    copied,
    observed_again,
    opened,
    padded,
    plain_evidence,
    read_since,
    recheck,
    tables_now,
    values,
    written_now,
)
from tests.stored_copies import market as plain_market

pytestmark = pytest.mark.db

FIRST, SECOND = UUID(int=0xA << 96), UUID(int=0xB << 96)
"""Ids of the stored journal: before it was opened with a newer database, and after."""
ALL_FROM_JOURNAL = (*FROM_JOURNAL, "coverage_gaps")
MINUTE_MS = 60_000

OpenJournal = Callable[[], Journal]


@pytest.fixture(scope="module")
def old_template(server: Server) -> Iterator[str]:
    """Return the name of the stored database, brought up to date, to be cloned."""
    with server.database() as dsn:
        do(dsn, (STORED / "database.sql").read_text())
        migrate.apply(dsn)
        yield str(ask(dsn, "select current_database()")[0][0])


@pytest.fixture
def old(server: Server, old_template: str) -> Iterator[str]:
    """Return the address of the stored database."""
    with server.database(old_template) as dsn:
        yield dsn


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[OpenJournal]:
    """Return a function that opens a fresh copy of the stored journal."""
    journals: list[Journal] = []

    def open_one() -> Journal:
        folder = tmp_path / str(len(journals))
        folder.mkdir()
        journals.append(opened(copied(folder)))
        return journals[-1]

    yield open_one
    for journal in journals:
        journal.close()


def went_on() -> dict[str, Table]:
    return unpacked(values("rows")["went_on"]["rows"], *ALL_FROM_JOURNAL)


def rows_of(dsn: str, stored: dict[str, Table]) -> dict[str, Table]:
    return as_stored(rows(dsn, *stored), stored)


# -------------------------------------------------------------------- the journal


@pytest.mark.parametrize("records", [20_000, 7])
def test_the_journal_is_caught_up_into_an_empty_database(
    open_journal: OpenJournal, database: str, records: int
) -> None:
    expected = values("rows")["caught_up"]
    written = catch_up(open_journal(), Store(database), records=records)
    assert written == written_now(expected["written"])
    stored = unpacked(padded(expected["rows"]), *NOT_FROM_JOURNAL, *ALL_FROM_JOURNAL)
    stored = tables_now(stored)
    assert rows_of(database, stored) == stored


@pytest.mark.parametrize("records", [20_000, 7])
def test_the_journal_is_read_on_from_the_watermark_of_the_old_database(
    open_journal: OpenJournal, old: str, records: int
) -> None:
    expected, known = values("rows")["went_on"], rows(old, *NOT_FROM_JOURNAL)
    assert catch_up(open_journal(), Store(old), records=records) == expected["written"]
    assert rows_of(old, went_on()) == went_on()
    assert rows(old, *NOT_FROM_JOURNAL) == known


def test_the_journal_read_again_from_its_beginning_stores_nothing_twice(
    open_journal: OpenJournal, old: str
) -> None:
    catch_up(open_journal(), Store(old))
    before = rows(old, *NOT_FROM_JOURNAL, *ALL_FROM_JOURNAL)
    again = open_journal()
    do(
        old,
        "update journal_progress set mark = %s where journal_key ="
        " (select journal_key from journals where journal_id = %s)",
        again.oldest_seq,
        SECOND,
    )
    written = catch_up(again, Store(old))
    whole, more = values("rows")["caught_up"]["written"], len(read_since()["trades"])
    known = whole["stored"] + whole["repeated"]
    # What version 0.1.0 rejected and what is read now is stored once; its rejections stay.
    assert written == written_now(whole) | {"stored": more, "repeated": known}
    after = rows(old, *NOT_FROM_JOURNAL, *ALL_FROM_JOURNAL)
    assert after == tables_now(before) | {"rejected_messages": before["rejected_messages"]}


def test_a_journal_older_than_the_database_gets_a_new_id_and_stores_no_trade_twice(
    open_journal: OpenJournal, old: str
) -> None:
    catch_up(open_journal(), Store(old))
    before = rows(old, *NOT_FROM_JOURNAL, *ALL_FROM_JOURNAL)
    do(old, "update journal_progress set mark = 1000000")
    journal = open_journal()
    written = catch_up(journal, Store(old))
    assert journal.journal_id not in (FIRST, SECOND)
    assert written["stored"] == len(read_since()["trades"])
    now = tables_now(before)
    assert rows(old, "trades", "coverage") == {name: now[name] for name in ("trades", "coverage")}


# ------------------------------------------------------------------- the database


def _everything_in(dsn: str) -> dict[str, Table]:
    """Return all rows, with the times at which the database stored them."""
    found = {}
    for name in (*NOT_FROM_JOURNAL, *FROM_JOURNAL, "journals", "prints"):
        query = f"select to_jsonb(t) from {name} t order by to_jsonb(t)::text"  # noqa: S608 - a name from above
        found[name] = [row for (row,) in ask(dsn, query)]
    return found


def test_the_old_database_reads_the_same_once_it_is_up_to_date(server: Server) -> None:
    with server.database() as dsn:
        do(dsn, (STORED / "database.sql").read_text())
        before = _everything_in(dsn)
        assert all(before.values()), "it has a row of everything"
        migrate.apply(dsn)
        assert migrate.pending(dsn) == ()
        assert as_stored(_everything_in(dsn), before) == as_stored(before, before)


def open_markets(store: Store) -> list[Any]:
    """Return them by condition id, as they were written down."""
    found = [plain_market(each) for chunk in store.open_markets() for each in chunk]
    return sorted(found, key=lambda each: str(each["condition_id"]))


def test_stored_evidence_is_read_back(old: str) -> None:
    expected = values("remembered")
    store = Store(old)
    try:
        assert store.open(SECOND).watermark == expected["watermark"]
        assert open_markets(store) == expected["open_markets"]
        everyone = sorted({each[0] for each in expected["last_words"]["observations"]})
        evidence = store.stored_evidence([ConditionId(each) for each in everyone])
        assert plain_evidence(evidence) == expected["last_words"]
        for window in expected["rechecks"]:
            chunks = store.resolutions_to_check(TimeWindow(window["since_ms"], window["until_ms"]))
            assert [recheck(each) for chunk in chunks for each in chunk] == window["found"]
    finally:
        store.close()


def test_a_new_process_goes_on_with_the_stored_evidence(old: str) -> None:
    expected = values("remembered")["heard_again"]
    store = Store(old)
    try:
        store.open(SECOND)
        results = observed_again(store, expected["since_ms"], expected["now_ms"])
    finally:
        store.close()
    assert results == expected["told"]


def test_what_is_stored_already_is_not_stored_again(old: str) -> None:
    before = rows(old, *NOT_FROM_JOURNAL, *FROM_JOURNAL)
    again = Batch(
        trades=(trade(1), trade(2, token_id=NO)),
        markets=(market(),),
        observations=(observation(),),
        resolutions=(resolution(evidence=()),),
        watermark=20,
    )
    store = Store(old)
    try:
        store.open(FIRST)
        committed = store.commit(again)
    finally:
        store.close()
    assert (committed.stored, committed.duplicates) == (0, 2)
    assert rows(old, *NOT_FROM_JOURNAL, *FROM_JOURNAL) == before


def test_a_market_that_the_old_version_left_open_gets_its_outcome(old: str) -> None:
    known = values("remembered")["open_markets"]
    waits = next(each for each in known if each["slug"] == "snow-6")
    (token, outcome, _), (other, *_) = waits["tokens"]
    decided = resolution(
        (token, other),
        condition_id=ConditionId(waits["condition_id"]),
        winning_outcome=outcome,
        sources=(Source.CLOB, Source.GAMMA),
    )
    store = Store(old)
    try:
        store.open(SECOND)
        store.commit(Batch(resolutions=(decided,)))
        left = open_markets(store)
        ((recorded_ms,),) = ask(
            old,
            "select (extract(epoch from recorded_at) * 1000)::bigint from resolutions"
            " where condition_id = %s",
            decided.condition_id,
        )
        window_of_first_recheck = TimeWindow(recorded_ms, recorded_ms + 11 * MINUTE_MS)
        due = [
            recheck(each)
            for chunk in store.resolutions_to_check(window_of_first_recheck)
            for each in chunk
        ]
    finally:
        store.close()
    assert left == [each for each in known if each != waits]
    (found,) = due
    assert found["condition_id"] == waits["condition_id"]
    assert found["market"]["tokens"] == waits["tokens"]
    query = "select count(*) from unresolved_markets where condition_id = %s"
    assert ask(old, query, decided.condition_id) == [(0,)]
