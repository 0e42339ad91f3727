"""The certificate that docs/how-to/install.md makes proves the server, and no other one."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from actors.database.server.embedded import Embedded
from actors.database.session import Session
from actors.errors import StoreUnavailable
from tests.postgres import do, open_folder

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        shutil.which("openssl") is None or not PROGRAMS,
        reason="needs openssl and a PostgreSQL with TLS (Debian: postgresql)",
    ),
]

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "install.md").read_text()
NAME = "db.example.com"
SECRET = "s3cretWORD"
ADDRESS = "127.94.7.3"
"""Of this host, and no other server's."""


def made_as_the_page_says(folder: Path) -> None:
    """Make key and certificate in this folder, by the command of the page."""
    (command,) = re.findall(r"^openssl .*?server\.crt$", PAGE, re.MULTILINE | re.DOTALL)
    words = command.replace("\\\n", " ").replace("/etc/postgresql", str(folder)).split()
    subprocess.run(words, check=True, capture_output=True, timeout=60)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    """Return a server on loopback that asks for the password by SCRAM, and only within TLS."""
    # That of the `embedded` extra is built without TLS.
    monkeypatch.setenv("TRACKER_POSTGRES_BIN", str(PROGRAMS[-1]))
    (folder / "server").mkdir()
    made_as_the_page_says(folder / "server")
    place = f"listen_addresses={ADDRESS}"
    fast = ("fsync=off", "full_page_writes=off", "shared_buffers=1MB")
    made = Embedded(folder / "pg", (*fast, place))
    made.start()
    try:
        shutil.copytree(folder / "server", folder / "pg" / "data" / "tls")
        owner = (folder / "pg" / "data" / "PG_VERSION").stat()
        for each in (folder / "pg" / "data" / "tls", *(folder / "pg" / "data" / "tls").iterdir()):
            shutil.chown(each, owner.st_uid, owner.st_gid)
        (folder / "pg" / "data" / "tls" / "server.key").chmod(0o600)
        rules = folder / "pg" / "data" / "pg_hba.conf"
        rules.write_text("local all all trust\nhostssl all ann 127.0.0.0/8 scram-sha-256\n")
        do(made.dsn("postgres"), f"create role ann login password '{SECRET}'")
        for command in (
            "alter system set ssl_cert_file = 'tls/server.crt'",
            "alter system set ssl_key_file = 'tls/server.key'",
            "alter system set ssl = on",
            "select pg_reload_conf()",
        ):
            do(made.dsn("postgres"), command)
        yield made
    finally:
        made.stop()


def test_the_certificate_of_the_page_proves_the_server_and_no_other(
    server: Embedded, folder: Path
) -> None:
    wait_until_tls(server)
    ours, another = folder / "server" / "server.crt", folder / "another"
    another.mkdir()
    made_as_the_page_says(another)  # whoever poses as the server can make one, too

    def address(name: str, certificate: Path) -> str:
        found = psycopg.conninfo.conninfo_to_dict(server.dsn("postgres"))
        return make_conninfo(
            host=name, hostaddr=ADDRESS, port=found["port"], user="ann", password=SECRET,
            dbname="postgres", sslmode="verify-full", sslrootcert=str(certificate),
        )  # fmt: skip

    session = Session(address(NAME, ours))
    assert session.connection.pgconn.ssl_in_use
    session.close()
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        Session(address(NAME, another / "server.crt"))
    with pytest.raises(StoreUnavailable, match=r"does not match host name"):
        Session(address("other.example.com", ours))


def wait_until_tls(server: Embedded) -> None:
    """Wait until the server has read its configuration again."""
    while True:
        with psycopg.connect(server.dsn("postgres")) as connection:
            if connection.execute("select current_setting('ssl')").fetchone() == ("on",):
                return
