"""Checks a database address before anything else uses it, so that no message shows a password.

libpq's error messages quote what it cannot parse, and libpq takes the rest of a password with an
unescaped `@`, `/` or `:` for a host, port or database. So an address is parsed here first, and
nothing of one that looks wrong is shown.
"""

import ipaddress
import re

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from actors.errors import ConfigError

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_DATABASE = re.compile(r"[\w.$ -]{1,63}")
_HELP = (
    "use postgresql://user:password@host:5432/database, with every special character of the "
    "password percent-encoded (@ is %40, / is %2F, : is %3A, % is %25)"
)


class SafeDsn(msgspec.Struct, frozen=True):
    """A checked address, and the part of it that may be shown.

    Attributes:
        dsn: The address without surrounding white space; holds the password.
        shown: User, host, port and database, for logs and status.
    """

    dsn: str
    shown: str

    def __repr__(self) -> str:
        return f"SafeDsn({self.shown!r})"


def check_dsn(text: str) -> SafeDsn:
    """Return the address after checks.

    Raises:
        ConfigError: It is not valid; the message holds no part of it.
    """
    dsn = text.strip()
    if not dsn:
        raise ConfigError("the database address is empty: leave it unset for the embedded server")
    if any(char < " " for char in dsn):
        raise ConfigError(f"the database address contains a control character: {_HELP}")
    try:
        found = conninfo_to_dict(dsn)
    except (psycopg.Error, ValueError):
        # Not chained: the cause quotes the address.
        raise ConfigError(f"the database address cannot be parsed: {_HELP}") from None
    parts = {name: str(value) for name, value in found.items() if value is not None}
    _reject_misplaced(parts)
    return SafeDsn(dsn=dsn, shown=_shown(parts))


def _reject_misplaced(parts: dict[str, str]) -> None:
    """Reject parts that may be pieces of a password with unescaped characters."""
    hosts = [host for host in parts.get("host", "").split(",") if host]
    hosts += [host for host in parts.get("hostaddr", "").split(",") if host]
    wrong = [
        *("host" for host in hosts if not _is_host(host)),
        *("port" for port in parts.get("port", "").split(",") if port and not _is_port(port)),
        *("user" for user in [parts.get("user", "")] if re.search(r"[\s/:\x00-\x1f]", user)),
    ]
    if "dbname" in parts and not _DATABASE.fullmatch(parts["dbname"]):
        wrong.append("database name")
    if wrong:
        raise ConfigError(f"the {wrong[0]} in the database address looks wrong: {_HELP}")


def _is_host(text: str) -> bool:
    # The folder of a Unix socket, or an abstract one (libpq manual, parameter `host`).
    if text.startswith(("/", "@/")):
        return not re.search(r"[\x00-\x1f]", text)
    if _HOST.fullmatch(text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    # Cut, because int() raises for more than 4,300 digits.
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536


def _shown(parts: dict[str, str]) -> str:
    host = parts.get("host") or parts.get("hostaddr") or "local socket"
    user = f"{parts['user']}@" if "user" in parts else ""
    port = f":{parts['port']}" if "port" in parts else ""
    return f"{user}{host}{port}/{parts.get('dbname', '')}".rstrip("/")
