"""`tracker --acknowledge`: a person has decided about the contradictions of a market."""

from collections.abc import Callable

from actors.app.database_of import database_of
from actors.config.settings import Config
from actors.database.commands.acknowledge import acknowledge as end_contradictions
from actors.model.market import named_outcome


def acknowledge(config: Config, condition_id: str, reason: str, say: Callable[[str], None]) -> None:
    """End the open contradictions of a market and say which they were.

    Args:
        config: Names the database.
        condition_id: The market.
        reason: What the person has decided; it is stored.
        say: Is given each line of the result.

    Raises:
        ConfigError: There is no such market, or nothing about it is open; there is no database, or
            it does not permit it.
        SchemaMismatch: Its schema is not that of this version.
        StoreUnavailable: It does not answer.
    """
    with database_of(config) as dsn:
        ended = end_contradictions(dsn, condition_id, reason)
    for each in ended:
        at = each.detected_at.isoformat(sep=" ", timespec="seconds")
        recorded = named_outcome(each.recorded, each.names)
        observed = named_outcome(each.observed, each.names)
        say(f"{at}  {each.kind}  {each.source}: {observed}; recorded: {recorded}")
    some = "1 contradiction" if len(ended) == 1 else f"{len(ended)} contradictions"
    slug = f" ({ended[0].slug})" if ended[0].slug else ""
    say(f"{some} of {condition_id}{slug} acknowledged: {reason}")
