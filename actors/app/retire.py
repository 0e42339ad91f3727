"""`tracker --retire`: a tracker that will not return wants nothing more."""

from collections.abc import Callable

from actors.app.database_of import database_of
from actors.config.settings import Config
from actors.database.commands.retire import retire as end_wishes


def retire(config: Config, name: str, say: Callable[[str], None]) -> None:
    """End what a tracker wanted, as of when it was last seen, and say which journals that were.

    Args:
        config: Names the database.
        name: The host of the tracker, or the id of its journal.
        say: Is given each line of the result.

    Raises:
        ConfigError: No journal has this name, or its tracker runs; there is no database, or it does
            not permit it.
        SchemaMismatch: Its schema is not that of this version.
        StoreUnavailable: It does not answer.
    """
    with database_of(config) as dsn:
        retired = end_wishes(dsn, name)
    for each in retired:
        at = each.seen_at.isoformat(sep=" ", timespec="seconds")
        say(f"retired {each.journal_id} of {each.host}, last seen {at}")
    say("what it alone wanted is no gap from then on; if it returns, it wants it again")
