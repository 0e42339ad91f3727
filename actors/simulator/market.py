"""One market of the simulator: its ids, its planned lifetime, and how each source describes it.

Ids: a seed and a run decide all ids (tokens, conditions, hashes), alike on every machine and
Python. Another run of the same seed has other ids, so that two runs never collide in one
database.

Fates are the ways of ending that were seen on the real exchange. The whole lifetime is planned
when the market is made:

clean           end, proposed, resolved; every source shows it after its own lag
split           resolved 50/50: CLOB shows no winner, the others two halves
proposed_first  proposed at 0.9995 while it still trades, then resolved
disputed        proposed for the wrong side, disputed, proposed again, resolved
early_close     closed and priced 1/0 seconds before it is resolved
no_status       closed and priced 1/0, but Gamma never shows a UMA status
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

import json
import random
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec
from Crypto.Hash import keccak

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
SCALAR = ("0.584", "0.416")
POISONED_EACH, FAILING_EACH = 40, 75
"""Of so many markets one is damaged, or fails, while such a break is in force."""
_POISON = (b'"half of an emoji \\ud83d"', b'"a raw\ttab"', b"NaN")

USDC = "2791bca1f2de4661ed88a30c99a7a9449aa84174"
WRAPPED_USDC = "3a3bd7bb9528e159577f7c2e685cc81a765002e2"
"""Collaterals of V1 markets on Polygon; the second of negRisk markets."""
CURVE_PRIME = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47

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


def final_times(fate: str, lifetime: Lifetime, *, v2: bool) -> dict[str, int]:
    """Return source → when it shows the final outcome; sources that never do are absent."""
    if lifetime.reported == NEVER:
        return {}
    silent = {"clob"} if fate == "split" else set()
    if fate == "no_status" or v2:
        silent.add("gamma")
    if v2:
        silent.add("chain")
    return {name: lifetime.reported + lifetime.lags[name] for name in SOURCES if name not in silent}


def digest(*parts: object, size: int = 32) -> bytes:
    """Return `size` bytes that depend on the parts alone."""
    return blake2b("|".join(map(str, parts)).encode(), digest_size=size).digest()


def token_id(seed: int, run: int, index: int, side: int) -> str:
    """Return a token id of a V2 market: 76 to 78 decimal digits, as a uint256 has."""
    number = int.from_bytes(digest("token", seed, run, index, side), "big")
    return str(number | 1 << 252)


def contract_tokens(condition: str, *, neg_risk: bool) -> tuple[str, str]:
    """Return the tokens that the contract of V1 markets gives the two slots of a condition."""
    collateral = bytes.fromhex(WRAPPED_USDC if neg_risk else USDC)
    points = (_curve_point(bytes.fromhex(condition[2:]), slot) for slot in (1, 2))
    first, second = (_keccak(collateral + point.to_bytes(32, "big")) for point in points)
    return str(first), str(second)


def _curve_point(condition: bytes, index_set: int) -> int:
    """Return the point of alt_bn128 for a set of slots: its x, and bit 254 where y is odd."""
    hashed = _keccak(condition + index_set.to_bytes(32, "big"))
    x = hashed % CURVE_PRIME + 1
    while pow(x**3 + 3, CURVE_PRIME // 2, CURVE_PRIME) != 1:  # Euler: no square, no point
        x += 1
    return x | (hashed >> 255) << 254


def _keccak(data: bytes) -> int:
    return int.from_bytes(keccak.new(digest_bits=256, data=data).digest(), "big")


def condition_id(seed: int, run: int, index: int, *, v2: bool) -> str:
    """Return `0x` and 64 hexadecimal digits; of a V2 market the last byte is padding."""
    text = digest("condition", seed, run, index).hex()
    return f"0x{text[:62]}00" if v2 else f"0x{text}"


def gamma_id(run: int, index: int) -> str:
    """Return Gamma's number of a market, as text; unique for runs of up to a million markets."""
    return str(5_000_000 + run * 1_000_000 + index)


def hex_id(*parts: object, size: int = 32) -> str:
    """Return `0x` and the hexadecimal digits of a digest."""
    return f"0x{digest(*parts, size=size).hex()}"


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
    views: int = 0

    def changed_at(self, side: int, now: int) -> int:
        """Return when the book of a token changed last; before any change: when it opened."""
        return self.changed[side] or min(now, self.lifetime.trades)

    @property
    def final_at(self) -> dict[str, int]:
        """Return source → when it shows the true outcome (milliseconds); empty without one."""
        final = final_times(self.fate, self.lifetime, v2=self.v2)
        liar = self.odd.removeprefix("contradicted_")
        # An honest CLOB shows nothing for a split; one that contradicts names a winner.
        if self.odd in UNDECIDED or liar in final or liar == "clob":
            return {}
        late = self.lifetime.lags if self.odd == "stale" else {}
        return {
            name: at + late.get(name, 0)
            for name, at in final.items()
            if name != MUTED.get(self.odd)
        }

    @property
    def true_outcome(self) -> str | None:
        """Return `winner`, `split`, or None when its present plan has no true outcome."""
        if not self.final_at:
            return None
        return "split" if self.winner is None else "winner"

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


def draw_oddity(rng: random.Random, share: float) -> str:
    """Return an oddity for a share (0..1) of the markets, an empty text for the others."""
    return rng.choice(ODDITIES) if rng.random() < share else ""


def shown_winner(market: Market, source: str, *, lie: bool) -> int | None:
    """Return the side that a source shows as winner; None is a split."""
    flipped = lie != (market.odd == CONTRADICTED + source)
    if not flipped:
        return market.winner
    return 0 if market.winner is None else 1 - market.winner


def shown_numerators(market: Market, source: str, *, lie: bool) -> tuple[int, int]:
    """Return what a source shows as payout of each side in thousandths; the sum is 1,000 or 0."""
    if market.odd == "scalar":
        return (584, 416)
    if market.odd == "zero":
        return (0, 0)
    side = shown_winner(market, source, lie=lie)
    return (500, 500) if side is None else (1000 * (side == 0), 1000 * (side == 1))


def apply_gamma_oddity(row: dict[str, Any], market: Market, *, closed: bool) -> dict[str, Any]:
    """Change Gamma's object as the oddity of its market demands, and return it."""
    odd = market.odd
    if odd == "texts":
        for name in ("outcomes", "outcomePrices", "clobTokenIds"):
            row[name] = row[name] if row[name] is None else json.loads(row[name])
    if not closed:
        return row
    if odd == "no_prices":
        del row["outcomePrices"]
    elif odd == "empty_tokens":
        row["clobTokenIds"], row["positionIds"] = "[]", []
    elif odd == "three_outcomes":
        row["outcomes"] = json.dumps([*market.outcomes, "Other"])
        row["outcomePrices"] = json.dumps([*json.loads(row["outcomePrices"]), "0"])
    elif odd in {"scalar", "zero"}:
        row["outcomePrices"] = json.dumps(SCALAR if odd == "scalar" else ("0", "0"))
    return row


def apply_clob_oddity(row: dict[str, Any], market: Market) -> dict[str, Any]:
    """Change the CLOB's object as the oddity of its market demands, and return it."""
    if market.odd == "reordered":
        row["tokens"].reverse()
    elif market.odd == "wrong_echo":
        row["condition_id"] = hex_id("elsewhere", market.condition)
    elif market.odd == "texts":
        for side in row["tokens"]:
            side["price"] = str(side["price"])
    elif market.odd in {"scalar", "zero"}:
        for side in row["tokens"]:
            side["winner"] = False
    return row


def apply_data_oddity(row: dict[str, Any], market: Market) -> dict[str, Any]:
    """Change the row of the Data API as the oddity of its market demands, and return it."""
    if market.odd == "texts" and row["payouts"] is not None:
        row["payouts"] = [str(share) for share in row["payouts"]]
    elif market.odd == "zero":
        row["payouts"] = None
    return row


def gamma_fails(market: Market, broken: frozenset[str]) -> bool:
    """Return whether every answer that holds this market is 500."""
    return "market_500" in broken and market.index % FAILING_EACH == 7


def damage_gamma(row: dict[str, Any], market: Market, broken: frozenset[str]) -> Any:
    """Return the object of a market as the breaks in force make it."""
    if "field_types" in broken:
        _change_types(row)
    if "poisoned_market" in broken and market.index % POISONED_EACH == 11:
        kind = market.index // POISONED_EACH % len(_POISON)
        rest = msgspec.json.encode({name: row[name] for name in row if name != "description"})
        return msgspec.Raw(b'{"description":' + _POISON[kind] + b"," + rest[1:])
    return row


def _change_types(row: dict[str, Any]) -> None:
    row["negRisk"] = str(row["negRisk"]).lower()
    row["active"] = int(row["active"])
    row["outcomes"] = msgspec.json.decode(row["outcomes"])
    row["gameStartTime"] = 0
    row["volume"] = [row["volume"]]
    if "umaResolutionStatus" not in row:
        row["umaResolutionStatus"] = 5


def gamma_condition_id(market: Market) -> str:
    """Return the condition id as Gamma spells it: for V2 only 31 bytes, without padding."""
    return market.condition[:64] if market.v2 else market.condition
