"""When each source shows the final outcome of a market, and whether that is the true one."""

from actors.simulator.market import CONTRADICTED, MUTED, NEVER, SOURCES, UNDECIDED, Market
from actors.simulator.market_ids import module_of
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
        # No module has the result of an id that names none.
        "chain": market.v2 and module_of(market.condition) is None,
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
    lifetime = market.lifetime
    late = lifetime.lags if market.odd == "stale" else {}
    return {
        name: at + late.get(name, 0)
        for name, at in final_times(market, broken).items()
        if name != MUTED.get(market.odd)
        and not (name == "gamma" and _names_the_loser(market, lifetime.reported, broken))
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

    Slots need nobody's word: which token has which one follows from the condition.
    """
    return len(final_at(market, broken)) >= 2


def is_contradicted(market: Market, broken: frozenset[str] = INTACT) -> bool:
    """Return whether orders make Gamma name the loser, at its first final answer or later."""
    return "gamma" in final_times(market, broken) and _names_the_loser(market, NEVER, broken)


def _names_the_loser(market: Market, at: int, broken: frozenset[str]) -> bool:
    """Return whether Gamma, once it is final, names the loser at a time."""
    return market.winner is not None and is_misnamed(market, at, broken)
