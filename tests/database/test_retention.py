"""What is kept for a time only goes, the rest stays, and no step reads more than its bound."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from actors.database import queries
from actors.database.cache import DAY_MS
from actors.database.session import Connection
from actors.database.store import Store
from actors.database.upkeep.housekeeping import (
    EVENTS_KEPT,
    ROWS_AT_ONCE,
    SAMPLES_KEPT,
    Chore,
    Deleted,
    OldEvents,
    OldSamples,
)
from actors.model.storage import Batch
from actors.model.trade import Trade
from tests.database.samples import trade
from tests.postgres import ask, do

pytestmark = pytest.mark.db

NOW = datetime.now(UTC)
TODAY = NOW.date()
MANY = 100_000


def stepped(dsn: str, chore: Chore, now: datetime = NOW, rows: int = ROWS_AT_ONCE) -> Deleted:
    with Connection.connect(dsn) as connection:
        connection.execute(queries.SET_CHORE_LIMITS)
        return chore.step(connection, now, rows)


def all_of(dsn: str, chore: Chore, now: datetime = NOW, rows: int = ROWS_AT_ONCE) -> int:
    """Do all steps of a chore; return how much it deleted."""
    done = stepped(dsn, chore, now, rows)
    return done.rows if done.is_last else done.rows + all_of(dsn, chore, now, rows)


# ------------------------------------------------------------ connection events


def event(dsn: str, ago: timedelta, name: str = "connected", connection: str = "a-0001") -> None:
    do(dsn, "insert into journals (journal_id) values (gen_random_uuid()) on conflict do nothing")
    do(
        dsn,
        """insert into connection_events (at, connection, event, reason, journal_key)
           select %s, %s, %s, '', min(journal_key) from journals""",
        *(NOW - ago, connection, name),
    )


def test_old_events_go_and_marks_of_trades_stay(database: str) -> None:
    hour = timedelta(hours=1)
    for name in ("connected", "disconnected", "failed", "sent_twice", "dated_apart"):
        event(database, EVENTS_KEPT + hour, name)
        event(database, EVENTS_KEPT - hour, name)

    assert all_of(database, OldEvents()) == 3
    left = ask(database, "select event from connection_events where at < %s", NOW - EVENTS_KEPT)
    assert sorted(name for (name,) in left) == ["dated_apart", "sent_twice"]
    assert ask(database, "select count(*) from connection_events") == [(7,)]
    assert all_of(database, OldEvents()) == 0


def test_old_events_behind_many_marks_are_reached_in_steps(database: str) -> None:
    for minutes in range(1, 8):
        name = "connected" if minutes == 1 else "sent_twice"
        event(database, EVENTS_KEPT + timedelta(minutes=minutes), name)
    chore = OldEvents()
    done = [stepped(database, chore, rows=2) for _ in range(4)]

    assert done == [(0, False), (0, False), (0, False), (1, True)]


@pytest.mark.parametrize("away", [timedelta(days=4_000), -timedelta(days=4_000)])
def test_a_clock_of_ours_that_is_wrong_makes_no_event_old(database: str, away: timedelta) -> None:
    event(database, EVENTS_KEPT - timedelta(days=1))

    assert all_of(database, OldEvents(), NOW + away) == 0
    assert ask(database, "select count(*) from connection_events") == [(1,)]


# ------------------------------------------------------------- days of trades


def on(day: date, number: int = 1) -> Trade:
    days = (day - date(1970, 1, 1)).days
    return trade(number, traded_at_ms=days * DAY_MS + number)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def stored(dsn: str) -> int:
    ((count,),) = ask(dsn, "select count(*) from trades")
    return int(count)


def test_a_late_trade_makes_its_day_or_finds_it_and_is_stored_exactly_once(
    store: Store, database: str, open_store: Callable[[UUID], Store]
) -> None:
    store.commit(Batch(trades=(on(ago(0)),)))
    late = Batch(trades=(on(ago(900)), on(ago(900), 2)))
    first = store.commit(late)
    other = open_store(UUID(int=2)).commit(late)
    store.close()
    later = open_store(UUID(int=1)).commit(Batch(trades=(*late.trades, on(ago(900), 3))))

    assert (first.stored, other.stored, later.stored) == (2, 0, 1)
    assert stored(database) == 4
    names = ask(database, "select inhrelid::regclass::text from pg_inherits i order by 1")
    days = [name for (name,) in names if name.startswith("trades_2") and name[-1].isdigit()]
    assert days == [f"trades_{ago(900):%Y_%m_%d}", f"trades_{ago(0):%Y_%m_%d}"]


def test_the_newest_trades_come_from_the_newest_day_alone_whatever_the_number_of_days(
    database: str,
) -> None:
    """The planner reads all days, and not the newest one alone, when most of them have no order."""
    days = 100
    do(database, "insert into assets (token_id) values ('1')")
    do(database, "select add_trade_day(%s::date - n) from generate_series(0, %s) n", TODAY, days)
    do(
        database,
        """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key, occurrence,
             is_buy, price, size)
           select %s::date + interval '12 hours' - n * interval '5 minutes', now(), n, 1, 1,
             true, 0.5, 1
           from generate_series(1, %s * 288 - 144) n""",
        *(TODAY, days),
    )
    do(database, "analyze")
    question = (
        "explain (analyze, format json) select * from trades order by traded_at desc limit 10"
    )
    (((plan,),),) = ask(database, question)
    read = {
        each["Relation Name"]: each["Actual Loops"]
        for each in nodes(plan["Plan"])
        if each.get("Relation Name", "").startswith("trades_")
    }

    assert len(read) >= days
    assert [name for name, loops in read.items() if loops] == [f"trades_{TODAY:%Y_%m_%d}"]


# ------------------------------------------------------------------- bounds

FILL = (
    "insert into journals (journal_id) values (gen_random_uuid())",
    """insert into connection_events
       select now() - interval '200 days' + n * interval '1 second', 'a-0001',
              case n % 1000 when 0 then 'sent_twice' else 'connected' end, 'x', 1
       from generate_series(1, 100000) n""",
    """insert into rejected_messages (received_at, connection, reason, payload, journal_key, seq,
         index, epoch, occurrence, doubt)
       select now() - interval '200 days' + n * interval '1 second', 'a-0001', 'r', '\\x00', 1, n,
         0, n, 1, case when n <= 50000 then '*' end
       from generate_series(1, 100000) n""",
    "analyze",
)
AFTER = {
    queries.DELETE_OLD_EVENTS: datetime.min.replace(tzinfo=UTC),
    queries.DELETE_OLD_SAMPLES: 0,
}


@pytest.fixture
def filled(database: str) -> str:
    """Return a database with 100,000 old events, messages that stay, and samples behind them."""
    for command in FILL:
        do(database, command)
    return database


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.parametrize("query", AFTER)
def test_a_step_reads_and_deletes_its_bound_at_most_of_100000_rows(
    filled: str, query: bytes
) -> None:
    kept = SAMPLES_KEPT if query == queries.DELETE_OLD_SAMPLES else EVENTS_KEPT
    given = {"after": AFTER[query], "rows": ROWS_AT_ONCE, "now": NOW, "kept": kept}
    with Connection.connect(filled) as connection:
        text = b"explain (analyze, buffers, format json) " + query
        row = connection.execute(text, given).fetchone()
    assert row is not None
    (plan,) = row[0]
    found = list(nodes(plan["Plan"]))
    scans = [each for each in found if "Relation Name" in each]

    assert "Seq Scan" not in {each["Node Type"] for each in found}
    assert any(each["Node Type"].startswith("Index") for each in scans)
    read = [
        each.get("Actual Rows", 0) * each.get("Actual Loops", 1)
        + each.get("Rows Removed by Filter", 0)
        for each in scans
    ]
    assert max(read) <= ROWS_AT_ONCE
    deleting = [each for each in found if each["Node Type"] == "ModifyTable"]
    assert len(deleting) == 1
    # A few pages of the index and of the table for its rows, and not all of either.
    ((pages,),) = ask(
        filled, "select sum(relpages) from pg_class where relname = %s", scans[0]["Relation Name"]
    )
    assert plan["Plan"]["Shared Hit Blocks"] < 20 * ROWS_AT_ONCE
    assert plan["Plan"].get("Shared Read Blocks", 0) < pages / 4


def test_many_old_rows_go_in_steps_of_the_bound(filled: str) -> None:
    events, samples = OldEvents(), OldSamples()
    steps = [stepped(filled, events) for _ in range(3)] + [stepped(filled, samples)]

    assert {each.rows for each in steps[:3]} == {ROWS_AT_ONCE - 2}, "two marks in each"
    assert steps[3] == (ROWS_AT_ONCE, False), "what stays is not read before the samples"
    assert not any(each.is_last for each in steps)


def test_what_stays_is_never_read_by_the_housekeeping_of_samples(filled: str) -> None:
    do(filled, "update rejected_messages set doubt = '*'")

    assert stepped(filled, OldSamples()) == (0, True)
    assert ask(filled, "select count(*) from rejected_messages") == [(MANY,)]
