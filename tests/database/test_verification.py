"""The password is given to nobody who has not proven to know it; what proves nothing is told."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.cli.main import main
from actors.database import session
from actors.database.schema import migrate
from actors.database.server.pooling import client_beside
from actors.database.server.verification import permitted, unverified
from actors.database.session import Session
from actors.database.store import Store
from actors.errors import StoreUnavailable
from tests.database.impostor import CLEAR, LET_IN, MD5, SASL, on_loopback, on_socket

SECRET = "s3cretWORD"
ASKS = {"clear text": CLEAR, "md5": MD5}
MODES = ("", "sslmode=disable", "sslmode=allow", "sslmode=prefer")
Env = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def environment(monkeypatch: Env, tmp_path: Path) -> Env:
    """Return the environment, without settings of libpq."""
    for name in ("HOST", "HOSTADDR", "PORT", "USER", "PASSWORD", "SSLMODE", "REQUIREAUTH",
                 "SERVICE", "SERVICEFILE", "GSSENCMODE", "PASSFILE"):  # fmt: skip
        monkeypatch.delenv(f"PG{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="im-") as made:
        yield Path(made)


def rejected(dsn: str) -> str:
    """Open a session, which must fail; return why."""
    with pytest.raises(StoreUnavailable) as caught:
        Session(dsn)
    said = str(caught.value)
    assert SECRET not in said
    return said


# ------------------------------------------------------------ the man in the middle


@pytest.mark.parametrize("asks", ASKS.values(), ids=list(ASKS))
@pytest.mark.parametrize("mode", MODES)
def test_whoever_answers_without_tls_is_not_given_the_password(asks: bytes, mode: str) -> None:
    with on_loopback(asks) as (impostor, port):
        said = rejected(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/t?{mode}")
    assert "scram-sha-256" in said
    assert "docs/how-to/install.md" in said
    assert b"ann" in impostor.heard, "it was asked"
    assert SECRET.encode() not in impostor.heard
    assert impostor.answers.strip(b"X\0\4") == b"", "nothing made of the password either"


@pytest.mark.parametrize("asks", ASKS.values(), ids=list(ASKS))
def test_however_the_password_comes_it_is_not_given(
    environment: Env, folder: Path, asks: bytes
) -> None:
    with on_loopback(asks) as (impostor, port):
        passfile = folder / "pgpass"
        passfile.write_text(f"*:*:*:*:{SECRET}\n")
        passfile.chmod(0o600)
        service = folder / "service.conf"
        service.write_text(f"[db]\nhost=127.0.0.1\nport={port}\nuser=ann\npassword={SECRET}\n")
        environment.setenv("PGPASSFILE", str(passfile))
        rejected(f"postgresql://ann@127.0.0.1:{port}/t")
        environment.delenv("PGPASSFILE")
        environment.setenv("PGSERVICEFILE", str(service))
        rejected("service=db dbname=t")
        environment.setenv("PGPASSWORD", SECRET)
        environment.setenv("PGHOST", "127.0.0.1")
        environment.setenv("PGPORT", str(port))
        rejected("postgresql://ann@/t")
        rejected(f"host=db.invalid hostaddr=127.0.0.1 port={port} user=ann dbname=t")
    assert impostor.heard.count(b"ann\0") == 4
    assert SECRET.encode() not in impostor.heard
    assert impostor.answers.strip(b"X\0\4") == b""


def test_whoever_lets_us_in_without_asking_is_not_taken_for_the_server() -> None:
    with on_loopback(LET_IN) as (_, port):
        said = rejected(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/t")
    assert "did not complete authentication" in said


def test_of_scram_nothing_is_learned() -> None:
    with on_loopback(SASL) as (impostor, port):
        with pytest.raises(StoreUnavailable):
            Session(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/t?connect_timeout=2")
        assert b"n,,n=" in impostor.answers
    assert SECRET.encode() not in impostor.heard


def test_a_socket_asks_for_no_password_in_clear_text_either(folder: Path) -> None:
    with on_socket(folder, CLEAR) as impostor:
        rejected(f"host={folder} user=ann password={SECRET} dbname=t")
    assert SECRET.encode() not in impostor.heard


@pytest.mark.parametrize("by", ["the address", "a variable"])
def test_whoever_permits_it_gives_the_password(environment: Env, by: str) -> None:
    """Which also shows that the impostor hears it when it is sent."""
    with on_loopback(CLEAR) as (impostor, port):
        dsn = f"postgresql://ann:{SECRET}@127.0.0.1:{port}/t?connect_timeout=2"
        if by == "a variable":
            environment.setenv("PGREQUIREAUTH", "password")
        else:
            dsn += "&require_auth=password"
        with pytest.raises(StoreUnavailable):
            Session(dsn)
    assert SECRET.encode() in impostor.heard


def test_a_second_session_beside_the_first_gives_nothing_away_either() -> None:
    with on_loopback(CLEAR) as (impostor, port):
        dsn = f"postgresql://ann:{SECRET}@127.0.0.1:{port}/t"
        with client_beside(dsn, **permitted(dsn)) as ask:
            assert ask() is None
    assert b"ann" in impostor.heard
    assert SECRET.encode() not in impostor.heard


@pytest.mark.db
def test_a_session_looks_for_a_pool_with_the_same_care(database: str, environment: Env) -> None:
    given: list[dict[str, object]] = []

    @contextlib.contextmanager
    def beside(_: str, **options: object) -> Iterator[Callable[[], None]]:
        given.append(options)
        yield lambda: None

    environment.setattr(session, "client_beside", beside)
    environment.setattr(session, "keeps_session", lambda *_: True)
    # What the server says of itself differs behind a pool.
    environment.setattr(psycopg.ConnectionInfo, "backend_pid", 0)
    Session(database).close()
    assert [options["require_auth"] for options in given] == ["scram-sha-256,none"]


# ----------------------------------------------------------- what stays permitted


@pytest.mark.db
def test_a_socket_may_let_us_in_without_asking(database: str) -> None:
    for dsn in (database, make_conninfo(database, password=SECRET)):
        session = Session(dsn)
        assert session.unverified == ()
        session.close()


@pytest.mark.parametrize(
    ("dsn", "methods"),
    [
        ("postgresql://ann:x@db.example.com/t", "scram-sha-256"),
        ("postgresql://ann:x@localhost/t", "scram-sha-256"),
        ("postgresql://ann@localhost/t", "scram-sha-256,none"),
        ("postgresql://ann@db.example.com/t?sslcert=/x&sslkey=/y", "scram-sha-256,none"),
        ("host=/run/postgresql user=ann password=x", "scram-sha-256,none"),
        ("host=@/run/postgresql user=ann password=x", "scram-sha-256,none"),
        ("user=ann password=x", "scram-sha-256,none"),
        ("host=/run/postgresql,db.example.com user=ann password=x", "scram-sha-256"),
    ],
)
def test_how_a_server_may_ask(dsn: str, methods: str) -> None:
    assert permitted(dsn) == {"require_auth": methods}


@pytest.mark.parametrize("chosen", ["password", "md5,scram-sha-256", "!password", "none"])
def test_what_the_address_says_is_left(chosen: str) -> None:
    assert permitted(f"host=db.example.com password=x require_auth={chosen}") == {}


# ------------------------------------------------------------------ what is told


@pytest.mark.parametrize(
    ("dsn", "servers"),
    [
        ("postgresql://ann:x@db.example.com/t", ["db.example.com (sslmode=prefer)"]),
        ("postgresql://db.example.com/t?sslmode=require", ["db.example.com (sslmode=require)"]),
        ("postgresql://db.example.com/t?sslmode=verify-ca", ["db.example.com (sslmode=verify-ca)"]),
        ("postgresql://db.example.com/t?sslmode=verify-full", []),
        ("postgresql://db.example.com/t?sslrootcert=system", []),
        ("postgresql://192.0.2.7/t", ["192.0.2.7 (sslmode=prefer)"]),
        ("postgresql://[2001:db8::1]/t", ["2001:db8::1 (sslmode=prefer)"]),
        ("host=db hostaddr=192.0.2.7", ["db (sslmode=prefer)"]),
        ("hostaddr=192.0.2.7", ["192.0.2.7 (sslmode=prefer)"]),
        ("host=localhost hostaddr=192.0.2.7", ["localhost (sslmode=prefer)"]),
        ("host=localhost.example.com", ["localhost.example.com (sslmode=prefer)"]),
        ("host=127.0.0.1.example.com", ["127.0.0.1.example.com (sslmode=prefer)"]),
        ("host=db.example.com hostaddr=127.0.0.1", []),
        ("postgresql://localhost/t", []),
        ("postgresql://LocalHost./t", []),
        ("postgresql://127.0.0.1/t", []),
        ("postgresql://127.8.8.8/t", []),
        ("postgresql://[::1]/t", []),
        ("postgresql://[::ffff:127.0.0.1]/t", []),
        ("postgresql:///t", []),
        ("host=/run/postgresql", []),
        ("host=@/run/postgresql", []),
        (
            "postgresql://localhost:1,a.example:2,%2Frun%2Fx:3,b.example:4/t",
            ["a.example (sslmode=prefer)", "b.example (sslmode=prefer)"],
        ),
        ("host=a,b hostaddr=127.0.0.1,192.0.2.7", ["b (sslmode=prefer)"]),
        ("host=a,localhost hostaddr=,", ["a (sslmode=prefer)"]),
    ],
)
def test_a_server_on_another_host_that_nothing_proves_is_named(
    dsn: str, servers: list[str]
) -> None:
    assert unverified(dsn) == tuple(servers)


def test_variables_and_service_files_count(environment: Env, tmp_path: Path) -> None:
    environment.setenv("PGHOST", "db.example.com")
    assert unverified("dbname=t") == ("db.example.com (sslmode=prefer)",)
    assert unverified("host=localhost") == ()
    environment.setenv("PGSSLMODE", "verify-full")
    assert unverified("dbname=t") == ()
    assert unverified("sslmode=require") == ("db.example.com (sslmode=require)",)
    environment.delenv("PGSSLMODE")
    environment.setenv("PGHOSTADDR", "192.0.2.7")
    assert unverified("host=localhost") == ("localhost (sslmode=prefer)",)
    environment.delenv("PGHOSTADDR")
    file = tmp_path / "service.conf"
    file.write_text("[db]\nhost=far.example.com\nsslmode=require\nrequire_auth=md5\n")
    environment.setenv("PGSERVICEFILE", str(file))
    for dsn, named in (("service=db", ""), ("dbname=t", "db")):
        environment.setenv("PGSERVICE", named)
        assert unverified(dsn) == ("far.example.com (sslmode=require)",)
        assert permitted(dsn) == {}


def test_asking_libpq_looks_up_and_connects_nothing() -> None:
    with on_loopback(CLEAR) as (impostor, port):
        assert unverified(f"postgresql://ann@127.0.0.1:{port}/t") == ()
        assert permitted(f"postgresql://ann:x@127.0.0.1:{port}/t")
    assert impostor.heard == b""


@pytest.fixture
def elsewhere(database: str) -> str:
    """Return an address whose second server is on another host; the first one answers."""
    here = psycopg.conninfo.conninfo_to_dict(database)["host"]
    return make_conninfo(database, host=f"{here},db.invalid")


@pytest.mark.db
def test_a_session_a_check_and_a_store_say_it(elsewhere: str) -> None:
    told = ("db.invalid (sslmode=prefer)",)
    assert migrate.check(elsewhere).unverified == told
    store = Store(elsewhere)
    assert store.open(UUID(int=1)).unverified == told
    store.close()


@pytest.mark.db
def test_the_check_warns_of_it(
    elsewhere: str, environment: Env, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(elsewhere)
    url = f"postgresql:///{parts.pop('dbname')}?{urlencode(parts)}"
    environment.setenv("TRACKER_DATABASE_URL", url)
    environment.setenv("TRACKER_STATE_DIR", str(tmp_path / "state"))
    assert main(["--check"]) == 0
    said = capsys.readouterr().out
    assert "attention: nothing proves that the database is the right one: db.invalid" in said
    assert "all else is well" in said
