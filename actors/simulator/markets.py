"""All markets by token, condition and Gamma id; made from seed and run, or read from the ledger."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from actors.simulator.market import (
    NEVER,
    Lifetime,
    Market,
    Pace,
    draw_fate,
    plan_lifetime,
)
from actors.simulator.market_ids import (
    condition_id,
    contract_tokens,
    gamma_id,
    structured_id,
    structured_tokens,
)
from actors.simulator.sources.finality import true_outcome
from actors.simulator.sources.oddities import draw_oddity
from actors.simulator.sources.orders import is_swapped

SUBJECTS = (
    (("Up", "Down"), "Bitcoin Up or Down, window {n}", ("crypto", "up-or-down")),
    (("Yes", "No"), "Will it rain in London on day {n}?", ("weather",)),
    (("Lions", "Tigers"), "Lions vs. Tigers, game {n}", ("sports",)),
    (("Yes", "No"), "Will candidate № {n} win “the placement”?", ("politics", "élections")),
    (("Over", "Under"), "Total points of game {n}: over 210.5?", ("sports", "totals")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSpec:
    """What a new market is to be like; None leaves it to chance. Times are milliseconds."""

    announced: int
    trades: int
    ends: int
    fate: str | None = None
    winner: int | None = None
    v2: bool | None = None
    tokens: tuple[str, str] | None = None
    condition: str | None = None
    outcomes: tuple[str, str] | None = None
    replayed: bool = False
    odd: str | None = None


class Markets:
    """The markets of this run and of the runs before it.

    Args:
        seed: With the run, decides all ids and lifetimes.
        run: The number of this run.
        pace: How fast markets settle.
        odd: Share of the markets of which sources send strangely.
        broken: Names of `beliefs.BREAKS` that are in force.
    """

    def __init__(
        self,
        seed: int,
        run: int,
        pace: Pace,
        *,
        odd: float = 0.0,
        broken: frozenset[str] = frozenset(),
    ) -> None:
        self.odd = odd
        self.broken = broken
        self.seed = seed
        self.run = run
        self.pace = pace
        self.by_token: dict[str, tuple[Market, int]] = {}
        self.by_condition: dict[str, Market] = {}
        self.by_gamma: dict[str, Market] = {}
        self._made = 0

    def __iter__(self) -> Iterator[Market]:
        return iter(self.by_condition.values())

    def __len__(self) -> int:
        return len(self.by_condition)

    def make(self, spec: MarketSpec) -> Market:
        """Make the next market of this run and add it."""
        index, self._made = self._made, self._made + 1
        rng = random.Random(f"market:{self.seed}:{self.run}:{index}")
        outcomes, question, tags = SUBJECTS[rng.randrange(len(SUBJECTS))]
        number = f"{self.run}-{index}"
        fate, winner = self._end(spec, rng)
        v2 = rng.random() < 0.08 if spec.v2 is None else spec.v2
        # A negRisk market cannot be split (the operator rejects ties).
        neg_risk = rng.random() < 0.2 and fate != "split"
        condition = spec.condition or self._condition(index, v2=v2, neg_risk=neg_risk)
        swapped = spec.tokens is None and is_swapped(index, self.broken)
        tokens = spec.tokens or (
            structured_tokens(condition) if v2 else contract_tokens(condition, neg_risk=neg_risk)
        )
        market = Market(
            run=self.run,
            index=index,
            gamma_id=gamma_id(self.run, index),
            condition=condition,
            # The condition decides which token has which slot.
            tokens=(tokens[1], tokens[0]) if swapped else tokens,
            outcomes=spec.outcomes or outcomes,
            question=question.format(n=number),
            slug=f"{tags[0]}-{number}",
            v2=v2,
            neg_risk=neg_risk,
            tags=tags,
            fate=fate,
            winner=winner,
            lifetime=plan_lifetime(
                fate, winner, (spec.announced, spec.trades, spec.ends), self.pace, rng
            ),
            price=rng.randint(8, 92),
            replayed=spec.replayed,
            odd=self._oddity(spec, index),
            swapped=swapped,
        )
        self.keep(market)
        return market

    def _condition(self, index: int, *, v2: bool, neg_risk: bool) -> str:
        if v2:
            return structured_id(self.seed, self.run, index, neg_risk=neg_risk)
        return condition_id(self.seed, self.run, index)

    def _end(self, spec: MarketSpec, rng: random.Random) -> tuple[str, int | None]:
        fate = draw_fate(rng) if spec.fate is None else spec.fate
        winner = rng.randrange(2) if spec.winner is None else spec.winner
        return fate, None if fate in {"split", "stuck"} else winner

    def _oddity(self, spec: MarketSpec, index: int) -> str:
        if spec.odd is not None:
            return spec.odd
        return draw_oddity(random.Random(f"odd:{self.seed}:{self.run}:{index}"), self.odd)

    def keep(self, market: Market) -> None:
        """Add a market to the indexes, or update them."""
        self.by_condition[market.condition] = market
        self.by_gamma[market.gamma_id] = market
        for side, token in enumerate(market.tokens):
            self.by_token[token] = (market, side)

    def reload(self, lines: Iterable[dict[str, Any]], now: int) -> None:
        """Add the markets of earlier runs, from the lines of the ledger.

        Resolved markets stay as they were. The others continue their lifetime, delayed until
        now, or get an end within this run.
        """
        reported: set[str] = set()
        old: dict[str, Market] = {}
        for line in lines:
            if line["kind"] == "market":
                old[line["condition"]] = market_from_line(line)
            elif line["kind"] == "outcome":
                reported.add(line["condition"])
        for number, market in enumerate(old.values()):
            market.announced = True
            market.ended = market.settled = market.condition in reported
            if not (market.ended or market.replayed):
                rng = random.Random(f"again:{self.seed}:{self.run}:{market.condition}")
                self._continue(market, now, 3000 + 500 * (number % 40), rng)
            self.keep(market)

    def _continue(self, market: Market, now: int, ends_in: int, rng: random.Random) -> None:
        lifetime = market.lifetime
        if lifetime.reported == NEVER:
            market.fate = draw_fate(rng)
            if market.fate == "split" and market.v2 and market.neg_risk:
                market.fate = "clean"  # its id says that it is neg-risk for good
            market.winner = None if market.fate == "split" else rng.randrange(2)
            if market.fate == "split":
                market.neg_risk = False
            times = (lifetime.announced, lifetime.trades, now + ends_in)
            market.lifetime = plan_lifetime(market.fate, market.winner, times, self.pace, rng)
            return
        late = max(0, now + 2000 - lifetime.reported)
        market.lifetime = replace(
            lifetime,
            ends=lifetime.ends + late,
            closed=lifetime.closed + late,
            reported=lifetime.reported + late,
            stages=tuple((when + late, status, side) for when, status, side in lifetime.stages),
        )


def ledger_line(market: Market, broken: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the line of a market in the ledger, with its planned lifetime.

    Args:
        market: Which.
        broken: Names of `beliefs.BREAKS` that are in force.
    """
    lifetime = market.lifetime
    return {
        "run": market.run,
        "index": market.index,
        "condition": market.condition,
        "tokens": market.tokens,
        "outcomes": market.outcomes,
        "gamma_id": market.gamma_id,
        "question": market.question,
        "slug": market.slug,
        "tags": market.tags,
        "version": "v2" if market.v2 else "v1",
        "neg_risk": market.neg_risk,
        "fate": market.fate,
        "odd": market.odd,
        "swapped": market.swapped,
        "true_outcome": true_outcome(market, broken),
        "winner": market.winner,
        "announced_at": lifetime.announced,
        "trades_at": lifetime.trades,
        "ends_at": lifetime.ends,
        "closed_at": None if lifetime.closed == NEVER else lifetime.closed,
        "reported_at": None if lifetime.reported == NEVER else lifetime.reported,
        "replayed": market.replayed,
        "stages": lifetime.stages,
        "lags": lifetime.lags,
        "price": market.price / market.ticks,
    }


def market_from_line(line: dict[str, Any]) -> Market:
    """Return the market of a ledger line."""
    return Market(
        run=line["run"],
        index=line["index"],
        gamma_id=line["gamma_id"],
        condition=line["condition"],
        tokens=(line["tokens"][0], line["tokens"][1]),
        outcomes=(line["outcomes"][0], line["outcomes"][1]),
        question=line["question"],
        slug=line["slug"],
        v2=line["version"] == "v2",
        neg_risk=line["neg_risk"],
        tags=tuple(line["tags"]),
        fate=line["fate"],
        winner=line["winner"],
        replayed=line["replayed"],
        odd=line.get("odd", ""),
        swapped=line.get("swapped", False),
        price=min(max(round(line["price"] * 100), 2), 98),
        lifetime=Lifetime(
            announced=line["announced_at"],
            trades=line["trades_at"],
            ends=line["ends_at"],
            stages=tuple((when, status, side) for when, status, side in line["stages"]),
            closed=NEVER if line["closed_at"] is None else line["closed_at"],
            reported=NEVER if line["reported_at"] is None else line["reported_at"],
            lags=line["lags"],
        ),
    )
