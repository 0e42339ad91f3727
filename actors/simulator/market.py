"""One market of the simulator and its planned lifetime.

Fates are the ways of ending that were seen on the real exchange. The whole lifetime is planned
when the market is made:

clean           end, proposed, resolved; every source shows it after its own lag
split           resolved 50/50: CLOB shows no winner, the others two halves
proposed_first  proposed at 0.9995 while it still trades, then resolved
disputed        proposed for the wrong side, disputed, proposed again, resolved
early_close     closed and priced 1/0 seconds before it is resolved
no_status       closed and priced 1/0, but Gamma never shows a status
stuck           proposed at 0.5/0.5 and never final
long            does not end within its run

Oddities are ways in which a source describes a market wrongly; some were seen, others may come:

stale           every third answer of a source shows what was true a second lag ago
reordered       the CLOB names the tokens in the other order
texts           numbers as strings where they are numbers elsewhere, lists not inside strings
wrong_echo      the CLOB answers with another market
wrong_hint      `market_resolved` names the loser
no_prices       Gamma is final and shows no prices
empty_tokens    Gamma shows no tokens of a market that closed
three_outcomes  Gamma shows a third outcome once it closed
scalar          paid out in parts: neither a winner nor a split
zero            closed and priced 0/0, never paid out
contradicted_…  that source, once final, names the other side forever
"""

import random
from dataclasses import dataclass, field

import msgspec

SOURCES = ("gamma", "clob", "data", "chain")
FATES = {
    "clean": 60,
    "split": 8,
    "proposed_first": 12,
    "disputed": 8,
    "early_close": 8,
    "no_status": 4,
}
"""Fate that ends → its weight in a draw."""
ENDLESS = ("stuck", "long")
NEVER = 2**62

CONTRADICTED = "contradicted_"
ODDITIES = (
    "stale",
    "reordered",
    "texts",
    "wrong_echo",
    "wrong_hint",
    "no_prices",
    "empty_tokens",
    "three_outcomes",
    "scalar",
    "zero",
    "contradicted_gamma",
    "contradicted_clob",
    "contradicted_data",
    "contradicted_chain",
)
UNDECIDED = frozenset({"scalar", "zero"})
"""Oddities that leave a market without a true outcome."""
MUTED = {
    "wrong_echo": "clob",
    "no_prices": "gamma",
    "empty_tokens": "gamma",
    "three_outcomes": "gamma",
}
"""Oddity → the source whose final answer cannot be used."""
CENT = 100
MIL = 1000
"""Price steps per dollar: of most markets, and near the edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast markets settle; all in milliseconds.

    Attributes:
        settle: From the end to the report on the chain, for a clean market.
        lags: Source → (shortest, longest) delay of what it shows.
    """

    settle: int
    lags: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """The planned dates of a market in wall-clock milliseconds, NEVER for what does not happen.

    Attributes:
        announced: `new_market` is broadcast; 0 when it existed before the run.
        trades: The first trade may come.
        ends: The last trade may come; also shown as `endDate`.
        stages: (when, UMA status, proposed side or None), in order.
        closed: Sources show the market as closed, after their lag.
        reported: The payout is on the chain and final.
        lags: Source → its delay.
    """

    announced: int
    trades: int
    ends: int
    stages: tuple[tuple[int, str, int | None], ...]
    closed: int
    reported: int
    lags: dict[str, int]

    def stage_at(self, at: int) -> tuple[str, int | None]:
        """Return the UMA status and the proposed side at a time; empty and None before any."""
        stage: tuple[str, int | None] = ("", None)
        for when, status, side in self.stages:
            if when <= at:
                stage = (status, side)
        return stage

    def statuses(self, at: int) -> tuple[str, ...]:
        """Return all UMA statuses up to a time, oldest first."""
        return tuple(status for when, status, _ in self.stages if when <= at)


def draw_fate(rng: random.Random) -> str:
    """Return a fate that ends, in the proportions of FATES."""
    return rng.choices(tuple(FATES), tuple(FATES.values()))[0]


def plan_lifetime(
    fate: str, winner: int | None, times: tuple[int, int, int], pace: Pace, rng: random.Random
) -> Lifetime:
    """Return the planned lifetime of a market.

    Args:
        fate: One of FATES or ENDLESS.
        winner: Side that will win, or None for a split.
        times: (announced, first trade, end).
        pace: How fast it settles.
        rng: Source of chance.
    """
    announced, trades, ends = times
    unit = pace.settle
    lags = {name: rng.randint(*pace.lags[name]) for name in SOURCES}
    wrong = None if winner is None else 1 - winner
    stages: list[tuple[int, str, int | None]]
    closed = reported = NEVER
    if fate == "long":
        stages = []
    elif fate == "stuck":
        stages = [(trades + 1000, "proposed", None)]
    else:
        start = {"proposed_first": ends - 2 * unit}.get(fate, ends + unit // 4)
        reported = ends + unit + rng.randint(0, unit)
        stages = [(max(start, trades), "proposed", winner)]
        if fate == "disputed":
            reported += 3 * unit
            stages = [
                (start, "proposed", wrong),
                (start + unit, "disputed", wrong),
                (start + 2 * unit, "proposed", winner),
            ]
        closed = reported
        if fate == "early_close":
            closed = ends + unit // 4
            reported += 2 * unit
        stages.append((reported, "resolved", winner))
    return Lifetime(
        announced=announced,
        trades=trades,
        ends=ends,
        stages=tuple(stages),
        closed=closed,
        reported=reported,
        lags=lags,
    )


@dataclass(slots=True, kw_only=True)
class Market:
    """A market with two tokens.

    Attributes:
        run: Number of the run that made it.
        ticks: Price steps per dollar: CENT or MIL.
        price: Price of the first token in steps; the second costs the rest.
        last_ts: Exchange time of the last trade of each token; never goes back.
        changed: Exchange time of the last change of each token's book; 0: none yet.
        volume: Shares traded so far.
        replayed: It is known from recordings only.
        recorded: Source → recorded payload that is served instead of a generated one.
        odd: One of ODDITIES; empty for most.
        swapped: The slots of the contract have the other order than `tokens` and `outcomes`.
        views: Requests to any source about it so far.
    """

    run: int
    index: int
    gamma_id: str
    condition: str
    tokens: tuple[str, str]
    outcomes: tuple[str, str]
    question: str
    slug: str
    v2: bool
    neg_risk: bool
    tags: tuple[str, ...]
    fate: str
    winner: int | None
    lifetime: Lifetime
    ticks: int = CENT
    price: int = 50
    last_ts: list[int] = field(default_factory=lambda: [0, 0])
    last_price: list[str] = field(default_factory=lambda: ["", ""])
    changed: list[int] = field(default_factory=lambda: [0, 0])
    volume: float = 0.0
    announced: bool = False
    ended: bool = False
    settled: bool = False
    replayed: bool = False
    recorded: dict[str, msgspec.Raw] = field(default_factory=dict)
    odd: str = ""
    swapped: bool = False
    views: int = 0

    def changed_at(self, side: int, now: int) -> int:
        """Return when the book of a token changed last; before any change: when it opened."""
        return self.changed[side] or min(now, self.lifetime.trades)

    @property
    def begun(self) -> int:
        """Return when it was announced, or where it was not, when it began to trade."""
        return self.lifetime.announced or self.lifetime.trades

    def text_price(self, side: int) -> str:
        """Return a token's price with the decimals of its step."""
        steps = self.price if side == 0 else self.ticks - self.price
        return f"{steps / self.ticks:.{2 if self.ticks == CENT else 3}f}"

    def view(self, source: str, now: int) -> int:
        """Return the time whose state a source shows now: the present less its lag.

        Every call counts as a request: `stale` markets show an older state in every third.
        """
        lag = self.lifetime.lags[source]
        self.views += 1
        return now - (2 * lag if self.odd == "stale" and self.views % 3 == 0 else lag)

    def payouts(self) -> tuple[int, int]:
        """Return the payouts in micro-USDC, in the order of the outcomes."""
        if self.winner is None:
            return (500_000, 500_000)
        return (1_000_000, 0) if self.winner == 0 else (0, 1_000_000)


def gamma_condition_id(market: Market) -> str:
    """Return the condition id as Gamma spells it: for V2 only 31 bytes, without padding."""
    return market.condition[:64] if market.v2 else market.condition
