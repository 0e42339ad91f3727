"""Whatever a tracker does to its database, its own role may do: storing and every chore.

A chore whose right is missing fails at each try, and everything else goes on. So each statement is
asked about by itself, and each is run where there are rows for it to work on.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from actors.database import queries
from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.store import Store
from actors.database.upkeep import housekeeping
from actors.model.storage import Housekept
from tests.database import test_market_days
from tests.database.ordinary_path import steps
from tests.database.test_plans import filled
from tests.database.test_roles import TEXT, as_role, roles
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

__all__ = ["filled", "roles"]  # fixtures
UPKEEP = Path(housekeeping.__file__).parent
OF_ALL_CHORES = """
    insert into rejected_messages (received_at, connection, reason, payload, journal_key, seq,
      index, epoch, occurrence)
    select now() - interval '40 days', 'a-0001', 'r', '', 1, -n, 0, 1, 1
    from generate_series(1, 10) n;
    insert into connection_events
    select now() - interval '91 days', 'a-0001', 'connected', n::text, 1
    from generate_series(1, 10) n;
    insert into audits
    select 'old' || n, now(), 'data', 1, 1, 0, 0, 0, 'complete', now() - interval '401 days', '{}'
    from generate_series(1, 10) n"""

LEFT = """select
    (select count(*) from rejected_messages where seq < 0)
    + (select count(*) from connection_events where at < now() - interval '90 days'
       and reason = '1')
    + (select count(*) from audits where condition_id like 'old%')"""


@pytest.fixture(scope="module")
def secured(server: Server, filled: str, roles: None) -> Iterator[str]:
    """Return a database in which every table is large, with the roles of sql/roles.sql."""
    del roles  # used for its cleanup only
    with server.database(filled) as dsn:
        do(dsn, OF_ALL_CHORES)
        do(dsn, TEXT)
        migrate.apply(dsn)
        yield dsn


def of_upkeep() -> list[str]:
    """Return the names of all statements that chores run."""
    texts = [file.read_text() for file in sorted(UPKEEP.glob("*.py"))]
    return sorted({name for text in texts for name in re.findall(r"\bqueries\.([A-Z_]+)", text)})


def test_statements_of_every_chore_are_found() -> None:
    found = set(of_upkeep())
    assert {"SET_CHORE_LIMITS", "TAKE_CHANGED_MARKET_DAYS", "DELETE_OLD_AUDITS"} <= found
    assert {"TAKE_ENDED_LISTENING", "DELETE_RANGES", "MOVE_MARKET_DAY"} <= found


class _Nothing(dict[str, None]):
    """Parameters that are all NULL."""

    def __missing__(self, name: str) -> None:
        return None


@pytest.mark.parametrize("name", of_upkeep())
def test_the_tracker_has_the_rights_of_every_statement_of_a_chore(secured: str, name: str) -> None:
    """The server asks for rights before it looks for rows, so also where there are none."""
    text = (SQL / "queries" / f"{name.lower()}.sql").read_text()
    with psycopg.connect(as_role(secured, "tracker_writer")) as connection:
        cursor = psycopg.ClientCursor(connection)
        if name.startswith("SET_"):
            cursor.execute(getattr(queries, name))
            return
        cursor.execute(f"explain {text}".encode(), _Nothing())
        assert cursor.fetchall()


def test_the_tracker_does_everything_on_a_database_with_rows_for_each_as_its_own_role(
    secured: str,
) -> None:
    (first,) = ask(secured, "select journal_id from journals where journal_key = 1")[0]
    store = Store(as_role(secured, "tracker_writer"))
    store.open(first)
    try:
        for name, act in steps():
            done = act(store)
            assert not (isinstance(done, Housekept) and done.failed), f"{name}: {done}"
        while not (done := store.housekeep()).is_last:
            assert not done.failed
    finally:
        store.close()
    assert ask(secured, LEFT) == [(0,)]


def test_days_of_market_coverage_are_computed_as_its_own_role(
    server: Server, template: str, roles: None
) -> None:
    del roles
    with server.database(template) as dsn:
        do(dsn, TEXT)
        migrate.apply(dsn)
        store = Store(as_role(dsn, "tracker_writer"))
        store.open(UUID(int=1))
        try:
            test_market_days.set_start()
            test_market_days.heard(store, end=30 * 3_600)
            test_market_days.compute(store, dsn)
            assert ask(dsn, "select complete from market_coverage order by day")[0] == (True,)
            do(dsn, "update markets set closed = true, closed_time = now() - interval '1 day'")
            test_market_days.compute(store, dsn)
        finally:
            store.close()
        assert ask(dsn, "select count(*) from tracker.changed_market_days") == [(0,)]
