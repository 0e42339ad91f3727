"""How psql is told the database: by variables, since everybody may read the list of processes."""

from collections.abc import Mapping
from typing import NamedTuple

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from actors.database import queries
from actors.database.server.verification import permitted
from actors.database.session import translate_errors
from actors.errors import ConfigError

CONNECT_S = 15
NAME = "tracker --psql"
"""Its name in `pg_stat_activity`."""
_PUBLIC = "-c search_path=public"


class Address(NamedTuple):
    """The address of a database for psql.

    Attributes:
        variables: Of its environment; the password is among them.
        options: What has no variable, and is no secret, as an address.
    """

    variables: dict[str, str]
    options: str


def address(dsn: str) -> Address:
    """Connect once, and return how psql finds the same database, and the tables by their names.

    Args:
        dsn: Checked by `check_dsn`.

    Raises:
        ConfigError: A secret of the address can be given to psql in no way that nobody reads.
        StoreUnavailable: The database does not answer, or rejects the login.
    """
    given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    given = {"connect_timeout": str(CONNECT_S), "application_name": NAME, **given, **permitted(dsn)}
    if not _finds_trades(given):
        given["options"] = f"{given.get('options', '')} {_PUBLIC}".strip()
    return _divided(given)


def _finds_trades(given: Mapping[str, str]) -> bool:
    """Return whether `trades` means that of the tracker, or there is none.

    The path is set only where it has to be: some pools end a session that sets anything.
    """
    with (
        translate_errors(),
        psycopg.connect(make_conninfo("", **given), autocommit=True) as database,
    ):
        row = database.execute(queries.SELECT_PATH).fetchone()
    found, ours = row or (None, None)
    return ours is None or found == ours


def _divided(given: Mapping[str, str]) -> Address:
    known = {each.keyword.decode(): each for each in pq.Conninfo.get_defaults()}
    variables: dict[str, str] = {}
    others: dict[str, str] = {}
    for name, value in given.items():
        option = known[name]
        if option.envvar:
            variables[option.envvar.decode()] = value
        elif option.dispchar == b"*":
            raise ConfigError(
                f"the database address has {name}, for which psql has no variable: give psql the"
                " address yourself"
            )
        else:
            others[name] = value
    return Address(variables, make_conninfo("", **others))
