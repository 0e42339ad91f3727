"""With TimescaleDB the table of trades is a hypertable with a columnstore.

Needs TRACKER_TEST_TIMESCALE_URL: a server that preloads TimescaleDB 2.18 or newer.
"""

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest

from actors.database.schema import migrate
from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.samples import YES, at, trade
from tests.postgres import Server, ask

pytestmark = [pytest.mark.db, pytest.mark.timescale]


@pytest.fixture
def timescale(timescale_server: Server) -> Iterator[str]:
    """Return the address of a migrated database with the extension."""
    with timescale_server.database() as dsn:
        migrate.apply(dsn)
        yield dsn


@pytest.fixture
def store(timescale: str) -> Iterator[Store]:
    store = Store(timescale)
    assert store.open(UUID(int=1)).timescale
    yield store
    store.close()


def test_trades_is_a_hypertable_with_explicit_columnstore_settings(timescale: str) -> None:
    rows = ask(
        timescale,
        "select hypertable_name, compression_enabled from timescaledb_information.hypertables"
        " where hypertable_schema = 'tracker'",
    )
    assert rows == [("trades", True)]


def test_no_retention_policy_deletes_trades(timescale: str) -> None:
    jobs = "select proc_name from timescaledb_information.jobs where hypertable_name = 'trades'"
    assert "policy_retention" not in {name for (name,) in ask(timescale, jobs)}


def test_a_replay_into_compressed_chunks_stores_nothing_twice(store: Store, timescale: str) -> None:
    batch = Batch(trades=tuple(trade(second) for second in range(2000)))
    assert store.commit(batch).stored == 2000
    ask(timescale, "select compress_chunk(c) from show_chunks('tracker.trades') c")
    assert store.commit(batch).duplicates == 2000
    late = store.commit(Batch(trades=(trade(5, occurrence=2),)))
    assert late.stored == 1
    assert ask(timescale, "select count(*) from trades") == [(2001,)]


def test_candles_agree_with_trades_that_come_a_week_late(store: Store, timescale: str) -> None:
    store.commit(Batch(trades=(trade(0, price=Decimal("0.2")), trade(1, price=Decimal("0.4")))))
    ask(timescale, "select compress_chunk(c) from show_chunks('tracker.trades') c")
    store.commit(Batch(trades=(trade(2, price=Decimal("0.6")), trade(60))))
    query = "select open, close, trades from candles(%s, %s, %s)"
    rows = ask(timescale, query, YES, at(0), at(60))
    assert rows == [(Decimal("0.2"), Decimal("0.6"), 3)]


def test_it_can_be_turned_off(timescale_server: Server) -> None:
    with timescale_server.database() as dsn:
        migrate.apply(f"{dsn} options='-c tracker.timescale=off'")
        query = "select relkind::text from pg_class where oid = 'tracker.trades'::regclass"
        assert ask(dsn, query) == [("p",)]
