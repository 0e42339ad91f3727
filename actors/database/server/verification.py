"""Whether a server is known to be the right one, and how it may ask for the password.

On the way to another host somebody may answer in the server's place. By default libpq asks for no
proof: with `sslmode=prefer` it takes whoever answers, without TLS if need be, and gives the
password to whoever asks for it in clear text.

Which options are in force only libpq knows: it takes them from the address, from variables
(`PGHOST`, `PGSSLMODE`, …) and from service files.
"""

import ipaddress
from itertools import zip_longest
from typing import Final, NamedTuple

from psycopg import pq
from psycopg.conninfo import make_conninfo

PROVEN: Final = "verify-full"
"""The mode in which a certificate proves that the server is the one that the address names."""
REQUIREMENT: Final = "authentication method requirement"
"""What libpq says when a server asks in a way that is not permitted."""
HOW_TO_PERMIT: Final = (
    "let the server ask for the password by scram-sha-256, or permit what it does by require_auth"
    " in the address (docs/how-to/install.md)"
)
_NO_PORT: Final = "0"


class _Host(NamedTuple):
    """A server of an address, of which it may have several.

    Attributes:
        name: As it is written, empty: the default socket.
        place: Where the connection leads; the name unless there is an address for it.
    """

    name: str
    place: str

    @property
    def is_socket(self) -> bool:
        return not self.place or self.place.startswith(("/", "@"))

    @property
    def is_local(self) -> bool:
        if self.is_socket or self.place.lower().rstrip(".") == "localhost":
            return True
        try:
            found = ipaddress.ip_address(self.place)
        except ValueError:
            return False
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return (mapped or found).is_loopback


def unverified(dsn: str) -> tuple[str, ...]:
    """Return the servers on other hosts that nothing proves to be the right ones.

    Each with the mode: `db.example.com (sslmode=prefer)`.

    Args:
        dsn: Checked by `check_dsn`.
    """
    options = _in_force(dsn)
    mode = options.get("sslmode", "")
    # With `gssencmode=require` it is Kerberos that proves it, and encrypts.
    if mode == PROVEN or options.get("gssencmode") == "require":
        return ()
    return tuple(f"{host.name} (sslmode={mode})" for host in _hosts(options) if not host.is_local)


def permitted(dsn: str) -> dict[str, str]:
    """Return the option that says how a server may ask for the password, unless one is in force.

    By SCRAM, which gives away nothing, and proves that the server knows the password. Through a
    socket, or where there is no password, it may also let us in without asking (peer, trust, a
    certificate of ours).

    Args:
        dsn: Checked by `check_dsn`.
    """
    options = _in_force(dsn)
    if options.get("require_auth"):
        return {}
    may_not_ask = "password" not in options or all(host.is_socket for host in _hosts(options))
    return {"require_auth": "scram-sha-256,none" if may_not_ask else "scram-sha-256"}


def _in_force(dsn: str) -> dict[str, str]:
    """Return the options that are set for a connection. Nothing is connected or looked up."""
    # libpq reads all sources, and then finds that there is no such port.
    tried = pq.PGconn.connect_start(make_conninfo(dsn, port=_NO_PORT).encode())
    try:
        return {each.keyword.decode(): each.val.decode() for each in tried.info if each.val}
    finally:
        tried.finish()


def _hosts(options: dict[str, str]) -> list[_Host]:
    names, places = (options.get(each, "").split(",") for each in ("host", "hostaddr"))
    return [
        _Host(name or place, place or name)
        for name, place in zip_longest(names, places, fillvalue="")
    ]
