"""No statement of the ordinary path reads a table as a whole, so none grows with its size.

Judged by the server's own count of rows that were read, in a database whose tables are all large,
with the plans that the planner chooses by itself: with statistics, without any (a database that
has just been restored), and with those of tables that were empty.
"""

# ruff: noqa: S608 - the statements are made of names of our tables

from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from psycopg.types.numeric import Int4, Int8

from actors.database import queries
from actors.database.session import Session
from actors.database.store import Store
from actors.model.connection import GapCause
from tests.database.ordinary_path import FILL, OPEN_EPOCHS, steps
from tests.postgres import Server, ask, do, name_of

pytestmark = pytest.mark.db

_NO_SUPERUSER: Final = psycopg.errors.InsufficientPrivilege
MOST: Final = 6_000
"""So many rows of a small table may be read one by one, for example to check a foreign key."""
_PLANNED: Final = (
    ("fresh", "auto"),
    pytest.param("none", "auto", marks=pytest.mark.long),
    pytest.param("fresh", "force_generic_plan", marks=pytest.mark.long),
    ("of empty tables", "force_generic_plan"),
)
"""Which statistics there are; and whether a statement is new to its session, or prepared there."""
_READ: Final = """
    select relname::text, '', seq_tup_read from pg_stat_user_tables
    where schemaname in ('public', 'tracker') and relname <> 'schema_migrations'
    union all
    select relname::text, indexrelname::text, idx_tup_read from pg_stat_user_indexes
    where schemaname in ('public', 'tracker') and relname <> 'schema_migrations'"""
_TABLES: Final = """
    select oid as relid from pg_class where relkind = 'r' and relname <> 'schema_migrations'
      and relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)"""
_SUMMARIES: Final = """
    select oid::regclass::text from pg_class
    where relkind = 'i' and relam = (select oid from pg_am where amname = 'brin')"""
_OTHERS: Final = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and backend_type = 'client backend'"""


@pytest.fixture(scope="session")  # of other modules, too
def filled(server: Server, template: str) -> Iterator[str]:
    """Return the name of a database in which every table is large, and nothing is analyzed."""
    with server.database(template) as dsn:
        for command in FILL:
            do(dsn, command)
        # What autovacuum reads would be counted, too.
        for (table,) in ask(dsn, f"select relid::regclass::text from ({_TABLES}) t"):
            do(dsn, f"alter table {table} set (autovacuum_enabled = off)")
        for (index,) in ask(dsn, _SUMMARIES):
            do(dsn, f"alter index {index} set (autosummarize = off)")
        yield name_of(dsn)


@pytest.fixture
def large(server: Server, filled: str) -> Iterator[str]:
    """Return a copy of it."""
    with server.database(filled) as dsn:
        yield dsn


def _set_statistics(dsn: str, statistics: str) -> None:
    if statistics == "fresh":
        do(dsn, "vacuum analyze")
    elif statistics == "of empty tables":
        try:
            do(dsn, f"update pg_class set reltuples = 0, relpages = 0 where oid in ({_TABLES})")
        except _NO_SUPERUSER:
            pytest.skip("needs a superuser, to make the statistics old")


def _wait_until_alone(dsn: str) -> None:
    """Wait until the other sessions have ended: then what they read is counted."""
    while ask(dsn, _OTHERS) != [(0,)]:
        pass


class Reads:
    """What sessions read of each table, and through each index, since it was asked last."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        _wait_until_alone(dsn)
        tables = ask(dsn, f"select relid::regclass::text from ({_TABLES}) t")
        self._rows = {
            table.rpartition(".")[2]: ask(dsn, f"select count(*) from {table}")[0][0]
            for (table,) in tables
        }
        self._before = self._counts()

    def _counts(self) -> dict[tuple[str, str], int]:
        _wait_until_alone(self._dsn)
        return {(table, index): count for table, index, count in ask(self._dsn, _READ)}

    def whole(self) -> list[tuple[str, str, int]]:
        """Return what was read without an index, or through one in large part."""
        now, before = self._counts(), self._before
        self._before = now
        read = {place: count - before.get(place, 0) for place, count in now.items()}
        return [
            (table, index or "no index", count)
            for (table, index), count in sorted(read.items())
            if count > (max(self._rows.get(table, 0) / 2, MOST) if index else 0)
        ]


@pytest.mark.parametrize(("statistics", "plans"), _PLANNED)
def test_no_statement_of_the_ordinary_path_reads_a_table_as_a_whole(
    large: str, statistics: str, plans: str
) -> None:
    _set_statistics(large, statistics)
    do(large, f"alter database {name_of(large)} set plan_cache_mode = {plans}")
    (first,) = ask(large, "select journal_id from journals where journal_key = 1")[0]
    reads = Reads(large)
    found = {}
    for name, act in steps():
        store = Store(large)
        store.open(first)
        act(store)
        store.close()
        found[name] = reads.whole()
    assert {name: read for name, read in found.items() if read} == {}


def test_what_is_taken_in_later_reads_no_table_as_a_whole(large: str) -> None:
    _set_statistics(large, "fresh")
    reads = Reads(large)
    session = Session(large)
    given = {
        "journals": [Int4(1)] * 500,
        "epochs": [Int8(epoch) for epoch in OPEN_EPOCHS for _ in range(5)][:500],
        "doubts": [str(token) for token in range(1_000, 1_500)],
        "missed": GapCause.TOKEN_MISSED.value,
    }
    session.connection.execute(queries.RESTORE_LISTENING, given)
    session.connection.execute(queries.MARK_TAKEN_IN, {"keys": [Int8(key) for key in range(500)]})
    session.close()
    assert reads.whole() == []


def test_the_next_day_of_coverage_is_found_without_reading_a_table_as_a_whole(large: str) -> None:
    _set_statistics(large, "fresh")
    reads = Reads(large)
    session = Session(large)
    session.connection.execute(queries.SELECT_NEXT_MARKET_DAY)
    session.close()
    assert reads.whole() == []


QUESTIONS = (
    "select * from coverage_gaps('17', now() - interval '1 day', now())",
    "select * from coverage where token_id = '17'",
    "select * from market_coverage where condition_id = '0x' || lpad('8', 64, '0')",
    "select * from market_coverage('0x' || lpad('8', 64, '0'), now() - interval '1 day', now())",
    "select * from candles('17', '2026-03-01 10:00+00', '2026-03-01 12:00+00')",
    "select * from trades where token_id = '17'",
    "select * from trades order by traded_at desc limit 10",
    (
        "select * from trades where token_id = '17' and traded_at >= '2026-03-01'"
        " and traded_at < '2026-03-02'"
    ),
    "select * from labels where token_id = '20017'",
    "select * from labels_as_of(now()) where token_id = '20017'",
    (
        "select * from labels where condition_id = (select condition_id from assets"
        " where token_id = '20017')"
    ),
    (
        "select t.price, l.payout from trades t join labels_as_of(now()) l using (token_id)"
        " where t.token_id = '17'"
    ),
    (
        "select * from trades where received_at > now() + interval '50 minutes'"
        " and received_at <= now() + interval '1 hour' and traded_at >= now() - interval '1 day'"
    ),
    "select * from trades where received_at > now() + interval '1 hour'",
    "select * from rejected_messages where received_at > now() + interval '1 hour'",
)
HASHED = """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key, occurrence,
    is_buy, price, size, transaction_hash)
    select timestamptz '2026-03-06 00:00+00' + n * interval '1 second', now(), n, 1 + n % 1000, 1,
      true, 0.5, 1, sha256(n::text::bytea) from generate_series(1, 80000) n"""
LARGER = ("seq_page_cost = 50", "cpu_tuple_cost = 0.5")
"""The planner's costs of reading all of a table, as if each were fifty times as large: readers have
the settings of the server, and reading a small table may be right for them."""


def test_a_narrow_question_reads_no_table_as_a_whole(large: str) -> None:
    _set_statistics(large, "fresh")
    for setting in LARGER:
        do(large, f"alter database {name_of(large)} set {setting}")
    reads = Reads(large)
    for question in QUESTIONS:
        ask(large, question)
        assert reads.whole() == [], question


def test_a_transaction_is_found_without_reading_its_day(large: str) -> None:
    do(large, "select add_trade_day('2026-03-06')")
    do(large, HASHED)
    _set_statistics(large, "fresh")
    question = """select transaction_hash from trades_of_transaction(
        encode(sha256('777'), 'hex'), '2026-03-06', '2026-03-07')"""
    reads = Reads(large)
    assert len(ask(large, question)) == 1
    assert reads.whole() == []
