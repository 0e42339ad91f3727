"""What a person is told to do about a database fits what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from actors.app.database_of import advice_for
from actors.config.settings import Config
from actors.database.schema import migrate
from actors.database.server.advice import advice
from actors.errors import StoreUnavailable
from tests.postgres import Server, do, name_of

pytestmark = pytest.mark.db


def told(dsn: str) -> str:
    with pytest.raises(StoreUnavailable) as found:
        migrate.check(dsn)
    return advice(found.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("connection failed: Connection refused", "start it, or correct"),
        ("FATAL: sorry, too many clients already", "max_connections"),
        ("FATAL: remaining connection slots are reserved for roles", "max_connections"),
        ('FATAL: too many connections for role "lim"', "CONNECTION LIMIT"),
        ("FATAL: the database system is starting up", "wait until it has started"),
        ('FATAL: password authentication failed for user "x"', "the password"),
        ('FATAL: no pg_hba.conf entry for host "10.0.0.1"', "pg_hba.conf"),
        ("FATAL: Datenbank »x« existiert nicht", "start it, or correct the address"),
    ],
)
def test_a_login_that_failed_is_told_by_its_words(text: str, words: str) -> None:
    assert words in advice(StoreUnavailable(text))


def test_locks_that_are_used_up_are_told() -> None:
    used_up = StoreUnavailable("out of shared memory", sqlstate="53200")
    assert "max_locks_per_transaction" in advice(used_up)


def test_a_server_that_is_away_is_to_be_started() -> None:
    said = told("host=127.0.0.1 port=1 dbname=x")
    assert said == "start it, or correct the address of the database"


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        ("flag --database-url", "--database-url"),
        ("variable TRACKER_DATABASE_URL", "TRACKER_DATABASE_URL"),
        ("credential database_url", "database_url (credential database_url)"),
        ("file /etc/t.conf line 3", "database_url (file /etc/t.conf line 3)"),
    ],
)
def test_the_place_where_the_address_was_given_is_named(origin: str, place: str) -> None:
    config = Config(database_url=SecretStr("postgresql:///x"))
    given = config.with_origins({"database_url": origin})
    away = StoreUnavailable("connection failed: Connection refused")
    wrong = StoreUnavailable('FATAL: password authentication failed for user "x"')
    assert advice_for(given, away) == f"start it, or correct {place}"
    assert f"the password in {place}, or" in advice_for(given, wrong)


def test_without_an_address_the_log_of_the_embedded_server_is_named(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path)
    assert advice_for(config, StoreUnavailable("it ended")) == (
        f"see {tmp_path}/postgres/server.log"
    )


def test_an_embedded_server_that_does_not_start_names_its_log() -> None:
    log = Path("state/postgres/server.log")
    assert advice(StoreUnavailable("it ended"), embedded_log=log) == f"see {log}"


def test_libpq_asks_no_questions() -> None:
    with pytest.raises(StoreUnavailable) as found:
        migrate.check("host=127.0.0.1 port=1 dbname=x")
    assert str(found.value).endswith("Connection refused")


def test_a_database_that_is_not_there_is_to_be_made(database: str) -> None:
    assert told(make_conninfo(database, dbname="nosuch")).startswith("create it, or correct")


def test_one_that_takes_no_logins_is_to_take_them(server: Server, database: str) -> None:
    do(server.dsn, f"alter database {name_of(database)} allow_connections false")
    try:
        assert told(database).startswith("allow them")
    finally:
        do(server.dsn, f"alter database {name_of(database)} allow_connections true")


def test_one_that_takes_no_writes_is_a_standby_or_set_so(database: str) -> None:
    dsn = make_conninfo(database, options="-c default_transaction_read_only=on")
    assert "name the primary" in told(dsn)


@pytest.fixture
def stranger(server: Server, database: str) -> Iterator[str]:
    """Return the address of the database for a role that has no rights there."""
    role = f"{name_of(database)}_stranger"
    do(server.dsn, f"create role {role} login")
    yield make_conninfo(database, options=f"-c role={role}")
    do(server.dsn, f"drop role {role}")


def test_a_role_without_rights_is_to_be_given_them(stranger: str) -> None:
    assert "bin/tracker --migrate" in told(stranger)


def test_the_advice_for_a_state_of_the_server_is_that_of_the_driver() -> None:
    for name in ("InsufficientPrivilege", "ReadOnlySqlTransaction", "LockNotAvailable"):
        sqlstate = getattr(psycopg.errors, name).sqlstate
        assert "start it" not in advice(StoreUnavailable("x", sqlstate=sqlstate))
