"""A journal of version 0.1.0 is stored as that version stored it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from actors.database.store import Store
from actors.journal.journal import Journal
from tests.database.stored_rows import (
    FROM_JOURNAL,
    NOT_FROM_JOURNAL,
    Table,
    as_stored,
    rows,
    unpacked,
)
from tests.postgres import do
from tests.stored_copies import (
    catch_up,
    copied,
    opened,
    padded,
    read_since,
    tables_now,
    values,
    written_now,
)

pytestmark = pytest.mark.db

FIRST, SECOND = UUID(int=0xA << 96), UUID(int=0xB << 96)
"""Ids of the stored journal: before it was opened with a newer database, and after."""
ALL_FROM_JOURNAL = (*FROM_JOURNAL, "coverage_gaps")
MINUTE_MS = 60_000

OpenJournal = Callable[[], Journal]


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


def test_the_journal_read_again_from_its_beginning_stores_nothing_twice(
    open_journal: OpenJournal, database: str
) -> None:
    catch_up(open_journal(), Store(database))
    before = rows(database, *NOT_FROM_JOURNAL, *ALL_FROM_JOURNAL)
    again = open_journal()
    do(
        database,
        "update tracker.journal_progress set mark = %s where journal_key ="
        " (select journal_key from tracker.journals where journal_id = %s)",
        again.oldest_seq,
        SECOND,
    )
    written = catch_up(again, Store(database))
    whole, more = values("rows")["caught_up"]["written"], len(read_since()["trades"])
    known = whole["stored"] + whole["repeated"] + more
    assert written == written_now(whole) | {"stored": 0, "repeated": known}
    assert rows(database, *NOT_FROM_JOURNAL, *ALL_FROM_JOURNAL) == before


def test_a_journal_older_than_the_database_gets_a_new_id_and_stores_no_trade_twice(
    open_journal: OpenJournal, database: str
) -> None:
    catch_up(open_journal(), Store(database))
    before = rows(database, *NOT_FROM_JOURNAL, *ALL_FROM_JOURNAL)
    do(database, "update tracker.journal_progress set mark = 1000000")
    journal = open_journal()
    written = catch_up(journal, Store(database))
    assert journal.journal_id not in (FIRST, SECOND)
    assert written["stored"] == 0
    same = ("trades", "coverage")
    assert rows(database, *same) == {name: before[name] for name in same}
