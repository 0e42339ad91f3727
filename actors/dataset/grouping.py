"""Which markets belong together: of one event, or at most one of them resolves Yes. Pure."""

from collections.abc import Iterable, Mapping


def groups(markets: Iterable[tuple[str, str | None, str | None]]) -> Mapping[str, str]:
    """Return the group of each market: markets that an event or a neg-risk id joins share one.

    Its name is the smallest of those ids; of a market by itself it is the market.

    Args:
        markets: Condition id, event id and neg-risk market id of each.
    """
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents.setdefault(name, name) != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    named: dict[str, str] = {}
    for condition_id, event_id, neg_risk_market_id in markets:
        ids = [f"event {event_id}"] if event_id else []
        ids += [f"neg-risk {neg_risk_market_id}"] if neg_risk_market_id else []
        named[condition_id] = ids[0] if ids else f"market {condition_id}"
        for other in ids[1:]:
            first, second = sorted((root(ids[0]), root(other)))
            parents[second] = first
    return {condition_id: root(name) for condition_id, name in named.items()}
