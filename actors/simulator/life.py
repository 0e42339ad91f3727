"""The life of a market, planned in full when it is made, and each source's view of it.

Fates (the ways of ending that were seen on the real exchange):

clean           end, proposed, resolved; every source says so after its own lag
split           resolved 50/50: CLOB shows no winner, the others two halves
proposed_first  proposed at 0.9995 while it is open and trading on, then resolved
disputed        proposed for the wrong side, disputed, proposed anew, resolved
early_close     closed and priced 1/0 seconds before it is resolved
no_status       closed and priced 1/0, but Gamma never tells a UMA status
stuck           proposed at 0.5/0.5 and never final
long            does not end within its run
"""

import random
from dataclasses import dataclass

SOURCES = ("gamma", "clob", "data", "chain")
FATES = {
    "clean": 60,
    "split": 8,
    "proposed_first": 12,
    "disputed": 8,
    "early_close": 8,
    "no_status": 4,
}
ENDLESS = ("stuck", "long")
NEVER = 2**62


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
class Life:
    """When what happens, in wall-clock milliseconds; NEVER when it does not.

    Attributes:
        announced: `new_market` is broadcast; 0 when it was there before the run.
        trades: The first trade may come.
        ends: The last trade may come; also what `endDate` says.
        stages: (when, UMA word, side that is proposed or None), in order.
        closed: Trading is closed in the view without lag.
        reported: The payout stands on the chain; cannot change any more.
        lags: Source → its delay.
    """

    announced: int
    trades: int
    ends: int
    stages: tuple[tuple[int, str, int | None], ...]
    closed: int
    reported: int
    lags: dict[str, int]

    def stage(self, at: int) -> tuple[str, int | None]:
        """Return the UMA word and the proposed side at a time; the word is empty before."""
        word: tuple[str, int | None] = ("", None)
        for when, name, side in self.stages:
            if when <= at:
                word = (name, side)
        return word

    def words(self, at: int) -> tuple[str, ...]:
        """Return all UMA words up to a time, oldest first."""
        return tuple(name for when, name, _ in self.stages if when <= at)


def draw_fate(rng: random.Random) -> str:
    """Return a fate that ends, in the proportions of FATES."""
    return rng.choices(tuple(FATES), tuple(FATES.values()))[0]


def plan_life(
    fate: str, winner: int | None, times: tuple[int, int, int], pace: Pace, rng: random.Random
) -> Life:
    """Plan a life.

    Args:
        fate: One of FATES or ENDLESS.
        winner: Side that will win, or None for a split.
        times: (announced, first trade, end).
        pace: How fast it settles.
        rng: Where chance comes from.
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
    return Life(
        announced=announced,
        trades=trades,
        ends=ends,
        stages=tuple(stages),
        closed=closed,
        reported=reported,
        lags=lags,
    )


def final_times(fate: str, life: Life, *, v2: bool) -> dict[str, int]:
    """Return source → when its final word is to be seen; sources that never say one are absent."""
    if life.reported == NEVER:
        return {}
    silent = {"clob"} if fate == "split" else set()
    if fate == "no_status" or v2:
        silent.add("gamma")
    if v2:
        silent.add("chain")
    return {name: life.reported + life.lags[name] for name in SOURCES if name not in silent}
