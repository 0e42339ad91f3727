"""Settings of the role, the address or the environment change neither what is stored nor how."""

from decimal import Decimal
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from actors.database.session import Session
from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.everything import everything
from tests.database.samples import ns, resolution, trade
from tests.database.stored_rows import FROM_JOURNAL, NOT_FROM_JOURNAL, Table, rows
from tests.postgres import Server, name_of

pytestmark = pytest.mark.db

SETTINGS = {
    "client_encoding": ("LATIN1", "SQL_ASCII", "EUC_JP"),
    "datestyle": ("SQL, DMY", "German", "Postgres, MDY"),
    "intervalstyle": ("sql_standard",),
    "timezone": ("Asia/Kathmandu",),
    "bytea_output": ("escape",),
    "extra_float_digits": ("-15",),
    "lc_messages": ("C",),
    "standard_conforming_strings": ("off",),
    "array_nulls": ("off",),
    "transform_null_equals": ("on",),
    "quote_all_identifiers": ("on",),
    "row_security": ("off",),
    "default_transaction_isolation": ("serializable", "repeatable read"),
    "default_transaction_deferrable": ("on",),
    "check_function_bodies": ("off",),
    "plan_cache_mode": ("force_generic_plan", "force_custom_plan"),
    "jit_above_cost": ("0",),
    "statement_timeout": ("60000",),
    "lock_timeout": ("1",),
    "idle_in_transaction_session_timeout": ("1",),
    "synchronous_commit": ("off",),
}
CASES = [(name, value) for name, values in SETTINGS.items() for value in values]
EVERYWHERE = "Ω Łódź 東京 🌧 ½"
"""Letters of which no encoding but a Unicode one has all."""


def told() -> Batch:
    """Return a batch for every table, with letters and fields that a setting could change."""
    batch = everything()
    (known,) = batch.markets
    named = msgspec.structs.replace(known, question=EVERYWHERE, tags=(EVERYWHERE, "", "NULL"))
    fine = trade(
        3,
        price=Decimal("0.123456789012345678"),
        size=Decimal("1E-12"),
        extra=msgspec.json.encode({"note": EVERYWHERE}).decode(),
        trade_id="back\\slash'\"",
        fee_rate_bps=None,
        transaction_hash=None,
    )
    return msgspec.structs.replace(batch, markets=(named,), trades=(*batch.trades, fine))


def store_all(dsn: str) -> None:
    """Store the batch twice through this address, the second time partly new."""
    store = Store(dsn)
    try:
        store.open(UUID(int=1))
        first = store.commit(told())
        assert (first.stored, first.duplicates, first.rejected) == (3, 0, 1)
        again = Batch(trades=(*told().trades, trade(ns(4) / 1e9)), resolutions=(resolution(),))
        second = store.commit(again)
        assert (second.stored, second.duplicates, second.rejected) == (1, 3, 0)
    finally:
        store.close()


def stored(dsn: str) -> dict[str, Table]:
    return rows(dsn, *FROM_JOURNAL, *NOT_FROM_JOURNAL, "coverage_gaps")


@pytest.fixture(scope="module")
def usual(server: Server, template: str) -> dict[str, Table]:
    """Return the rows as they are stored without any such setting."""
    with server.database(template) as dsn:
        store_all(dsn)
        return stored(dsn)


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_setting_of_the_role_changes_nothing_that_is_stored(
    database: str, usual: dict[str, Table], name: str, value: str
) -> None:
    place = (sql.Identifier(name_of(database)), sql.Identifier(name))
    with psycopg.connect(database, autocommit=True) as connection:
        command = sql.SQL("alter role current_user in database {} set {} to {}")
        connection.execute(command.format(*place, sql.Literal(value)))
        store_all(database)
        command = sql.SQL("alter role current_user in database {} reset {}")
        connection.execute(command.format(*place))
    assert stored(database) == usual


@pytest.mark.parametrize("encoding", SETTINGS["client_encoding"])
def test_an_encoding_of_the_address_changes_nothing_that_is_stored(
    database: str, usual: dict[str, Table], encoding: str
) -> None:
    store_all(make_conninfo(database, client_encoding=encoding))
    assert stored(database) == usual


@pytest.mark.parametrize("encoding", SETTINGS["client_encoding"])
def test_an_encoding_of_the_environment_changes_nothing_that_is_stored(
    database: str, usual: dict[str, Table], monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("PGCLIENTENCODING", encoding)
        store_all(database)
    assert stored(database) == usual


def test_trackers_see_what_others_commit_whatever_the_isolation_of_the_role(database: str) -> None:
    """With a snapshot for the whole transaction a token that another one just added has no key."""
    for level in SETTINGS["default_transaction_isolation"]:
        options = f"-c default_transaction_isolation={level.replace(' ', chr(92) + ' ')}"
        session = Session(make_conninfo(database, options=options))
        with session.connection.transaction():
            row = session.connection.execute("show transaction_isolation").fetchone()
        session.close()
        assert row == ("read committed",)
