"""One market of the simulator: who it is, what will become of it, where its price stands."""

from dataclasses import dataclass, field

import msgspec

from actors.simulator.life import Life, final_times

UNDECIDED = frozenset({"scalar", "zero"})
MUTED = {
    "wrong_echo": "clob",
    "no_prices": "gamma",
    "empty_tokens": "gamma",
    "three_outcomes": "gamma",
}
"""Oddity → the source whose final word cannot be used."""
CENT = 100
MIL = 1000


@dataclass(slots=True, kw_only=True)
class Market:
    """A market with two tokens.

    Attributes:
        run: The run that made it.
        ticks: Price steps per dollar: 100, or 1000 near the edges.
        price: Price of the first token in steps; the second costs the rest.
        last_ts: Exchange time of the last trade of each token, never backwards.
        volume: Shares printed so far.
        replayed: It is known from recordings and has no life of its own.
        recorded: Source → payload that is served as it is instead of a made-up one.
        odd: How sources tell of it strangely (`oddity.py`); empty for most.
        views: How often any source was asked of it.
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
    life: Life
    ticks: int = CENT
    price: int = 50
    last_ts: list[int] = field(default_factory=lambda: [0, 0])
    last_price: list[str] = field(default_factory=lambda: ["", ""])
    volume: float = 0.0
    announced: bool = False
    ended: bool = False
    settled: bool = False
    replayed: bool = False
    recorded: dict[str, msgspec.Raw] = field(default_factory=dict)
    odd: str = ""
    views: int = 0

    @property
    def final_at(self) -> dict[str, int]:
        """Return source → time of its final word (milliseconds); empty when there is none."""
        final = final_times(self.fate, self.life, v2=self.v2)
        liar = self.odd.removeprefix("contradicted_")
        # An honest CLOB says nothing of a split; one that lies names a winner.
        if self.odd in UNDECIDED or liar in final or liar == "clob":
            return {}
        late = self.life.lags if self.odd == "stale" else {}
        return {
            name: at + late.get(name, 0)
            for name, at in final.items()
            if name != MUTED.get(self.odd)
        }

    @property
    def verdict(self) -> str | None:
        """Return `winner`, `split`, or None when it has no true outcome by its present plan."""
        if not self.final_at:
            return None
        return "split" if self.winner is None else "winner"

    def text_price(self, side: int) -> str:
        """Return a token's price with the decimals of its step."""
        steps = self.price if side == 0 else self.ticks - self.price
        return f"{steps / self.ticks:.{2 if self.ticks == CENT else 3}f}"

    def view(self, source: str, now: int) -> int:
        """Return the time whose state a source shows now: the present less its lag."""
        lag = self.life.lags[source]
        self.views += 1
        return now - (2 * lag if self.odd == "stale" and self.views % 3 == 0 else lag)

    def payouts(self) -> tuple[int, int]:
        """Return the payouts in micro-USDC, in outcome order."""
        if self.winner is None:
            return (500_000, 500_000)
        return (1_000_000, 0) if self.winner == 0 else (0, 1_000_000)
