"""A real PgBouncer: in session mode it is used, in the others it is rejected in one clear line."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import UUID

import psycopg
import pytest

from actors.database.commands.acknowledge import acknowledge
from actors.database.commands.kept import KeptMessages
from actors.database.schema import migrate
from actors.database.schema.opening import MigratingStore, MigrationRule
from actors.database.store import Store
from actors.errors import ConfigError
from actors.model.storage import Batch
from tests.database.everything import everything
from tests.database.samples import trade
from tests.pgbouncer import PgBouncer, pgbouncer
from tests.postgres import ask

pytestmark = pytest.mark.db

JOURNAL = UUID(int=1)
Pool = Callable[..., PgBouncer]


@pytest.fixture
def pool(database: str) -> Iterator[Pool]:
    """Return a function that puts a PgBouncer in front of the database."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(pgbouncer(database, **settings))


def uses(dsn: str) -> dict[str, Callable[[], object]]:
    return {
        "check": lambda: migrate.check(dsn),
        "migrate": lambda: migrate.apply(dsn),
        "start": lambda: MigratingStore(dsn, rule=MigrationRule(allowed=True)).open(JOURNAL),
        "reingest": lambda: KeptMessages(dsn),
        "acknowledge": lambda: acknowledge(dsn, "0x" + "ab" * 32, "seen"),
    }


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("round_robin", [0, 1])
@pytest.mark.parametrize("reset", [0, 1])
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pool_that_takes_the_session_away_is_rejected_whatever_its_size(
    pool: Pool, database: str, mode: str, reset: int, round_robin: int, size: int
) -> None:
    with_one = pool(
        pool_mode=mode,
        default_pool_size=size,
        server_round_robin=round_robin,
        server_reset_query_always=reset,
    )
    warm(with_one.dsn, size)
    for name, use in uses(with_one.dsn).items():
        with pytest.raises(ConfigError) as caught:
            use()
        said = str(caught.value)
        assert "session mode" in said, name
        assert "\n" not in said
    assert ask(database, "select count(*) from tracker.journals") == [(0,)]
    assert ask(database, "select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


def warm(dsn: str, size: int) -> None:
    """Let the pool open all its connections: so many statements run at the same time."""
    with ExitStack() as stack:
        clients = [stack.enter_context(psycopg.connect(dsn, autocommit=True)) for _ in range(size)]
        for each in clients:
            each.pgconn.send_query(b"select pg_sleep(0.1)")
        for each in clients:
            while each.pgconn.get_result() is not None:
                pass


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_pool_in_session_mode_is_used(pool: Pool, database: str, size: int) -> None:
    dsn = pool(pool_mode="session", default_pool_size=size).dsn
    assert migrate.check(dsn).pending == ()
    assert migrate.apply(dsn) == ()
    store = Store(dsn)
    store.open(JOURNAL)
    assert store.commit(everything()).stored == 2
    for number in range(20):  # long enough for prepared statements
        assert store.commit(Batch(trades=(trade(100 + number),), watermark=30)).stored == 1
    store.close()
    assert ask(database, "select count(*) from tracker.trades") == [(22,)]


@pytest.mark.parametrize(
    "meanwhile", ["set synchronous_commit = off", "begin", "discard all", "reset all"]
)
def test_a_pool_that_is_changed_while_it_is_used_stores_nothing_more(
    pool: Pool, database: str, meanwhile: str
) -> None:
    bouncer = pool(pool_mode="session", default_pool_size=3)
    store = Store(bouncer.dsn)
    store.open(JOURNAL)
    stored = 0
    for number in range(1, 20):  # long enough for prepared statements
        stored += store.commit(Batch(trades=(trade(number),), watermark=number + 1)).stored
    bouncer.change(pool_mode="transaction")
    stored += store.commit(Batch(trades=(trade(50),), watermark=51)).stored  # the last in ours
    with ExitStack() as stack:
        other = stack.enter_context(psycopg.connect(bouncer.dsn, autocommit=True))
        other.execute(meanwhile.encode(), prepare=False)
        with pytest.raises(ConfigError, match="session mode"):
            store.commit(Batch(trades=(trade(60),), watermark=61))
    assert ask(database, "select count(*), max(mark) from tracker.trades, journal_progress") == [
        (stored, 51)
    ]
    with pytest.raises(ConfigError, match="session mode"):
        store.open(JOURNAL)
