"""What a person can do about a database that does not answer, or rejects what is asked of it."""

import re
from pathlib import Path
from typing import Final

from actors.errors import NO_PERMISSION, StoreUnavailable

NAMED: Final = "the address of the database"
"""Where it was named, when that is not known."""
_OTHERWISE: Final = f"start it, or correct {NAMED}"
_BY_SQLSTATE: Final = {
    NO_PERMISSION: (
        "name a role that may: tracker_writer where sql/roles.sql has made the roles, else the"
        " owner of the schema. `bin/tracker --migrate` as the owner grants what the writer lacks"
    ),
    "25006": (
        "it is a standby, or default_transaction_read_only is on for the database or the server:"
        " name the primary, or set it off"
    ),
    "53200": (
        "give the server more memory; for shared memory raise max_locks_per_transaction, or end"
        " sessions that read the trades of all days (pg_locks)"
    ),
    "53100": "make space on the disk of the server",
    "53300": "end sessions that nobody needs, or raise the limit of connections",
    "55P03": "another session holds a lock (pg_locks): wait for it, or end it",
    "57014": "the server is too slow for it, or waits for another session: see pg_stat_activity",
}
_BY_WORDS: Final = (
    # The driver has no SQLSTATE of a login that failed. Not every server speaks English.
    (
        r"too many (clients|connections)|connection slots|connection limit",
        _BY_SQLSTATE["53300"] + " (max_connections, or CONNECTION LIMIT of role or database)",
    ),
    (r"starting up|shutting down|in recovery mode", "wait until it has started"),
    (
        r"not (currently )?accepting connections",
        "allow them (`alter database … allow_connections true`), or name another database",
    ),
    (r"permission denied for database", "let its owner grant CONNECT on it to the role"),
    (r"no pg_hba\.conf entry", "let the role in with a line of pg_hba.conf"),
    (
        r"authentication failed|no password supplied|role .* (does not exist|is not permitted)",
        f"correct the role or the password in {NAMED}, or alter the role",
    ),
    (
        r"database .* does not exist",
        f"create it, or correct its name in {NAMED}",
    ),
)


def advice(exc: StoreUnavailable, *, named: str = NAMED, embedded_log: Path | None = None) -> str:
    """Return what to do, to be said behind what happened.

    Args:
        exc: What happened.
        named: Where the address of the database is: a flag, a variable, a place in a file.
        embedded_log: The log of the embedded server, if it is that one: no setting names it.
    """
    if exc.sqlstate in _BY_SQLSTATE:
        return _BY_SQLSTATE[exc.sqlstate]
    text = str(exc)
    otherwise = f"see {embedded_log}" if embedded_log else _OTHERWISE
    found = next((what for words, what in _BY_WORDS if re.search(words, text)), otherwise)
    return found.replace(NAMED, named)
