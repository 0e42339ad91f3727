"""When each source shows the final outcome of a market, and whether that is the true one."""

from actors.simulator.market import CONTRADICTED, MUTED, NEVER, SOURCES, UNDECIDED, Market
from actors.simulator.sources.oddities import gamma_fails, is_poisoned
from actors.simulator.sources.orders import is_misnamed

INTACT: frozenset[str] = frozenset()


def final_times(market: Market, broken: frozenset[str] = INTACT) -> dict[str, int]:
    """Return source → when it shows a final outcome (milliseconds), right or wrong.

    Args:
        market: Which.
        broken: Names of `beliefs.BREAKS` that are in force, here and below.
    """
    lifetime = market.lifetime
    if lifetime.reported == NEVER:
        return {}
    silent = {
        "gamma": _is_gamma_silent(market, broken),
        "clob": market.fate == "split" or not clob_knows(market, broken),
        "data": broken >= {"data_gone", "data_tokens_gone"},
        "chain": market.v2,
    }
    return {name: lifetime.reported + lifetime.lags[name] for name in SOURCES if not silent[name]}


def _is_gamma_silent(market: Market, broken: frozenset[str]) -> bool:
    """Return whether Gamma never shows that a market is resolved, or cannot be asked or read."""
    if market.fate == "no_status" or not broken.isdisjoint({"no_uma_status", "gamma_mute"}):
        return True
    # A missing UMA status has another type then, and from such an object no outcome is read.
    if market.v2 and not broken.isdisjoint({"v2_unlisted", "field_types"}):
        return True
    return gamma_fails(market, broken) or is_poisoned(market, broken)


def clob_knows(market: Market, broken: frozenset[str]) -> bool:
    """Return whether the CLOB answers `/markets/{condition_id}` about a market at all."""
    unknown = market.v2 and "v2_not_in_clob" in broken and "clob" not in market.recorded
    return "clob_gone" not in broken and not unknown


def final_at(market: Market, broken: frozenset[str] = INTACT) -> dict[str, int]:
    """Return source → when it shows the true outcome (milliseconds); empty without one."""
    if true_outcome(market, broken) is None:
        return {}
    late = market.lifetime.lags if market.odd == "stale" else {}
    return {
        name: at + late.get(name, 0)
        for name, at in final_times(market, broken).items()
        if name != MUTED.get(market.odd) and not _names_the_loser(market, name, broken)
    }


def true_outcome(market: Market, broken: frozenset[str] = INTACT) -> str | None:
    """Return `winner`, `split`, or None when its present plan has no true outcome."""
    liar = market.odd.removeprefix(CONTRADICTED)
    # An honest CLOB shows nothing for a split; one that contradicts names a winner.
    contradicted = liar in final_times(market, broken) or (
        liar == "clob" and clob_knows(market, broken)
    )
    if market.lifetime.reported == NEVER or market.odd in UNDECIDED or contradicted:
        return None
    return "split" if market.winner is None else "winner"


def is_due(market: Market, broken: frozenset[str] = INTACT) -> bool:
    """Return whether two sources show the true outcome, neither by the other's word.

    Where the Data API names only the slots of a V2 market, Gamma's list says which tokens they are.
    """
    names = final_at(market, broken).keys()
    if _knows_slots_only(market, broken) and names == {"gamma", "data"}:
        return False
    return len(names) >= 2


def is_contradicted(market: Market, broken: frozenset[str] = INTACT) -> bool:
    """Return whether orders make a source name the loser, at its first final answer or later."""
    final = final_times(market, broken)
    return market.winner is not None and (
        ("gamma" in final and is_misnamed(market, NEVER, broken))
        or ("data" in final and _names_the_loser(market, "data", broken))
    )


def _names_the_loser(market: Market, source: str, broken: frozenset[str]) -> bool:
    """Return whether a source, read in its own order, names the loser when it is final."""
    if market.winner is None:
        return False
    misnamed = is_misnamed(market, market.lifetime.reported, broken)
    if source == "gamma":
        return misnamed
    return source == "data" and _knows_slots_only(market, broken) and misnamed is not market.swapped


def _knows_slots_only(market: Market, broken: frozenset[str]) -> bool:
    """Return whether the Data API tells a winner by a slot that nothing but Gamma's list names."""
    return market.v2 and market.winner is not None and "data_tokens_gone" in broken
