"""Which markets the settings want."""

from actors.catalog.universe import Filters
from actors.config.load import Config
from actors.model.market import Shard


def filters_of(config: Config) -> Filters:
    """Return which markets these settings want."""
    return Filters(
        min_volume=config.min_volume,
        tags=frozenset(config.tags),
        markets=frozenset(config.markets),
        max_assets=config.max_assets,
        shard=Shard.parse(config.shard),
    )
