"""No statement of the ordinary path reads a table as a whole, so none grows with its size.

Judged by the server's own count of rows that were read, in a database whose tables are all large.
"""

from collections.abc import Callable
from uuid import UUID

import pytest

from actors.database.store import Store
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ProcessStarted,
    TokensConfirmed,
)
from actors.model.market import TimeWindow
from actors.model.storage import Batch
from actors.model.trade import ConditionId, TokenId
from tests.database.everything import everything
from tests.database.samples import YES, market, ns, trade
from tests.postgres import ask, do, name_of

pytestmark = pytest.mark.db

FILL = (
    """insert into assets (token_id, condition_id, outcome, outcome_index)
       select n::text, '0x' || lpad(to_hex(n / 2), 64, '0'), 'Yes', n % 2
       from generate_series(1, 40000) n""",
    """insert into markets (condition_id, question, slug, end_date, closed, active, neg_risk,
         version, tags)
       select '0x' || lpad(to_hex(n), 64, '0'), '?', 's', now() - n * interval '1 minute', true,
         true, false, 'v1', '{}'
       from generate_series(1, 20000) n""",
    """insert into unresolved select condition_id from markets order by condition_id limit 10000""",
    """insert into resolutions (condition_id, kind, winning_token_id, payouts, resolved_at,
         recorded_at, sources)
       select condition_id, 'winner', '1', '{1,0}', now() - interval '100 days',
         now() - interval '100 days', '{gamma,clob}'
       from markets order by condition_id desc limit 10000""",
    """insert into resolution_payouts
       select condition_id, token_id, outcome, 1 - outcome_index
       from assets join resolutions using (condition_id)""",
    """insert into resolution_observations (condition_id, source, observed_at, verdict, reason,
         payload)
       select condition_id, source, now() - interval '100 days', 'not final', 'r', '{}'
       from markets, unnest('{gamma,clob,tracker}'::text[]) source""",
    """insert into resolution_conflicts (condition_id, detected_at, recorded, observed, source,
         cleared_at, cleared_by)
       select condition_id, now() - interval '90 days', 'a', 'b', 'clob', now(), 'sources agree'
       from markets""",
    """insert into resolution_confirmations select condition_id, 'chain', now() from resolutions""",
    """insert into journals (journal_id) select gen_random_uuid() from generate_series(1, 3000)""",
    "insert into journal_progress select journal_key, 1 from journals",
    """insert into process_life (journal_key, start_seq, started_at, alive_at, host, version)
       select journal_key, n, now(), now() - interval '2 days', 'h', '1'
       from journals, generate_series(1, 3) n""",
    """insert into epochs (journal_key, epoch, connection, leg, opened_at, proven_until)
       select journal_key, 100 + n, 'a-0001', 0, now(), now()
       from generate_series(1, 20) n, journals""",
    """insert into listening (journal_key, asset_key, epoch, confirmed_seq, from_at)
       select 1, asset_key, 100 + asset_key % 20, 200, now() from assets""",
    """insert into coverage_ranges (journal_key, asset_key, from_at, until_at, known_at, epoch,
         confirmed_seq, released_seq, cause)
       select 1, asset_key, now() - n * interval '1 day', now() - n * interval '1 day', now(), n, n,
         n + 1, 'frozen'
       from assets, generate_series(1, 3) n""",
    """insert into wanted (journal_key, asset_key, wanted_seq, from_at)
       select 1, asset_key, 1, now() from assets""",
    """insert into connection_events
       select now() - n * interval '1 second', 'a-0001', 'connected', 'x', 1
       from generate_series(1, 30000) n""",
    """insert into rejected_messages (received_at, connection, reason, payload, journal_key, seq,
         index, epoch, occurrence, doubt)
       select now() - n * interval '1 second', 'a-0001', 'r', '\\x00', 1, n, 0, n, 1, '*'
       from generate_series(1, 20000) n""",
    """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key, occurrence,
         is_buy, price, size)
       select timestamptz '2026-03-01 10:00+00' + n * interval '1 second', now(), n, n, 1, true,
         0.5, 1
       from generate_series(1, 40000) n""",
)
READ = """select relid::regclass::text, seq_tup_read, idx_tup_fetch from pg_stat_user_tables
    where seq_tup_read > 0 and relid::regclass::text not like '%schema_migrations'
       or idx_tup_fetch > 15000
    order by 1"""
LARGER = ("seq_page_cost = 50", "cpu_tuple_cost = 0.5")
"""The planner's costs of reading all of a table, as if each were fifty times as large."""


@pytest.fixture
def large(database: str) -> str:
    """Return a database in which every table is large."""
    do(database, "select add_trade_day('2026-03-01')")
    for command in FILL:
        do(database, command)
    do(database, "vacuum analyze")
    for setting in LARGER:
        do(database, f"alter database {name_of(database)} set {setting}")
    do(database, "select pg_stat_reset()")
    return database


def read_as_a_whole(dsn: str) -> list[tuple[str, int, int]]:
    """Return which tables were read without an index, or through one in large part.

    Sessions count when they end.
    """
    return ask(dsn, READ)


def test_no_statement_of_the_ordinary_path_reads_a_table_as_a_whole(
    large: str, open_store: Callable[[UUID], Store]
) -> None:
    (first,) = ask(large, "select journal_id from journals where journal_key = 1")[0]
    store = open_store(first)
    start = 10_000
    facts: list[Fact] = [
        ProcessStarted(ns(0), "h", "1"),
        ListeningOpened(ns(0), "a-0001", 0),
        TokensConfirmed(start + 1, ns(1), (YES, TokenId("17"))),
        ListeningClosed(start + 1, ns(9), ns(9), "frozen"),
        ProcessStarted(ns(10), "h", "1"),
    ]
    numbered = tuple((start + place, fact) for place, fact in enumerate(facts))
    store.commit(Batch(facts=numbered, watermark=start + 10))
    store.commit(everything())
    store.commit(Batch(trades=tuple(trade(n, token_id=str(n)) for n in range(1, 200))))
    store.commit(Batch(markets=(market(), market("0x" + "0" * 63 + "9", ("18", "19")))))
    while not store.settle():
        pass
    store.review(ConditionId("0x"))
    store.unresolved_after(ConditionId("0x"))
    store.open_conflicts()
    store.stored_evidence([ConditionId("0x" + "0" * 63 + "9")])
    window = store.recheck_window(TimeWindow(None, ns(100) // 10**6))
    next(iter(store.resolutions_to_check(window)), None)
    next(store.open_markets(), None)
    store.close()
    open_store(first).close()
    assert read_as_a_whole(large) == []


QUESTIONS = (
    "select * from coverage_gaps('17', now() - interval '1 day', now())",
    "select * from coverage where token_id = '17'",
    "select * from candles('17', '2026-03-01 10:00+00', '2026-03-01 12:00+00')",
    "select * from trades where token_id = '17'",
    "select * from trades order by traded_at desc limit 10",
    "select * from trades where received_at > now() + interval '1 hour'",
)


def test_a_narrow_question_reads_no_table_as_a_whole(large: str) -> None:
    for question in QUESTIONS:
        ask(large, question)
        assert read_as_a_whole(large) == [], question
