"""A day on which tens of thousands of markets end, as Gamma, the CLOB and the Data API show it.

Most markets are those of series that end in bursts at full five minutes, more of them at full
quarters and full hours; the others end at any time. Each source shows the outcome after a lag of
its own, proposed at half of it. Stuck markets ended before the day and are proposed throughout;
every second of them is final at one source, in turn.

Seconds are those of the virtual day, which begins at 0 and at `WALL_MS`.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from actors.model.market import Asset, Market, Source
from actors.model.trade import ConditionId, TokenId

WALL_MS = 1_791_000_000_000
DAY_S = 86_400.0
LAG_S = (1.0, 600.0)
SERIES_SHARE = 0.8
"""Of all markets, those of the series."""
LENGTHS_S = (300, 900, 3600)
"""Each series ends at the full multiples of its length; there are as many of each."""
NEVER = float("inf")
ASKED = (Source.GAMMA, Source.CLOB, Source.DATA)
NAMES = ("Up", "Down")

_GAMMA = (
    '{"id":"%d","conditionId":"%s","question":"Question %d?","slug":"market-%d",'
    '"outcomes":"[\\"Up\\", \\"Down\\"]","outcomePrices":"[\\"%s\\", \\"%s\\"]",'
    '"clobTokenIds":"[\\"%s\\", \\"%s\\"]","endDate":"%s","active":true,"closed":%s%s}'
)
_CLOB = (
    '{"condition_id":"%s","closed":%s,"tokens":['
    '{"token_id":"%s","outcome":"Up","price":0.5,"winner":%s},'
    '{"token_id":"%s","outcome":"Down","price":0.5,"winner":%s}]}'
)
_DATA = '{"condition_id":"%s","status":"%s","payouts":%s}'
_TOKEN = (
    '{"token_id":"%s","condition_id":"%s","outcome_index":%d,"outcome":"%s",'
    '"resolved":%s,"final_price":%s}'
)


@dataclass(slots=True)
class Closing:
    """One market.

    Attributes:
        winner: The slot that wins.
        end_s: When it ends; negative: before the day.
        final_s: When each source shows the outcome; `NEVER`: not on this day.
    """

    number: int
    condition_id: ConditionId
    tokens: tuple[str, str]
    winner: int
    end_s: float
    final_s: dict[Source, float]

    def second_s(self, without: Source | None = None) -> float:
        """Return when the second source shows the outcome, one source left out."""
        return sorted(at for source, at in self.final_s.items() if source is not without)[1]

    def market(self) -> Market:
        """Return the market as the catalog announces it."""
        return Market(
            condition_id=self.condition_id,
            question="",
            slug="",
            end_at=datetime.fromtimestamp(WALL_MS / 1000 + self.end_s, UTC),
            assets=tuple(
                Asset(token_id=TokenId(token), outcome=name, outcome_index=index)
                for index, (token, name) in enumerate(zip(self.tokens, NAMES, strict=True))
            ),
        )

    def stage(self, source: Source, now: float) -> str:
        """Return `open`, `proposed` or `final`."""
        final_s = self.final_s[source]
        if now >= final_s:
            return "final"
        half_s = self.end_s + (final_s - self.end_s) / 2 if final_s != NEVER else self.end_s
        return "proposed" if now >= half_s else "open"


@dataclass(frozen=True)
class Page:
    """A page of Gamma's listing."""

    markets: tuple[bytes, ...]
    next_cursor: str | None


@dataclass
class ClosingWorld:
    """The markets and the sources, which answer as of `now`.

    Attributes:
        with_tokens: Whether the Data API answers with the rows of its second route, too.
    """

    markets: dict[ConditionId, Closing]
    with_tokens: bool = True
    now: float = 0.0
    clock_offset_s: float = 0.0
    is_clock_known: bool = True
    age_s: float = 0.0
    max_age_s: float = 0.0
    _closed: list[tuple[float, ConditionId]] = field(default_factory=list)
    """When Gamma shows each market as closed, the earliest first."""

    def __post_init__(self) -> None:
        found = ((each.final_s[Source.GAMMA], key) for key, each in self.markets.items())
        self._closed = sorted(pair for pair in found if pair[0] != NEVER)

    # --------------------------------------------------------------- answers

    def markets_page(self, params: Iterable[tuple[str, str]], cursor: str | None, **_: Any) -> Page:
        """Return a page of the closed markets, the latest first; the cursor is its first place."""
        limit = int(dict(params)["limit"])
        known = bisect_right(self._closed, self.now, key=lambda pair: pair[0])
        top = known if cursor is None else int(cursor)
        ids = [key for _, key in reversed(self._closed[max(0, top - limit) : top])]
        more = top > limit
        return Page(tuple(map(self._gamma, ids)), str(top - limit) if more else None)

    def markets_by_condition(
        self, ids: Sequence[ConditionId], *, closed: bool
    ) -> tuple[bytes, ...]:
        """Return those of these markets that Gamma lists as closed, or as open."""
        return tuple(
            self._gamma(each)
            for each in ids
            if each in self.markets  # some are asked for in two spellings
            if (self.now >= self.markets[each].final_s[Source.GAMMA]) is closed
        )

    def clob_market(self, condition_id: ConditionId) -> bytes:
        """Return a market of the CLOB."""
        one = self.markets[condition_id]
        final = one.stage(Source.CLOB, self.now) == "final"
        flags = [_json(final and slot == one.winner) for slot in (0, 1)]
        values = (condition_id, _json(final), one.tokens[0], flags[0], one.tokens[1], flags[1])
        return (_CLOB % values).encode()

    def resolutions(self, ids: Sequence[ConditionId]) -> tuple[bytes, ...]:
        """Return the rows of the Data API about these markets."""
        return tuple(row for each in ids for row in self._data(self.markets[each]))

    def _gamma(self, condition_id: ConditionId) -> bytes:
        one = self.markets[condition_id]
        stage = one.stage(Source.GAMMA, self.now)
        prices, more = ("0.5", "0.5"), ""
        if stage == "proposed":
            more = ',"umaResolutionStatus":"proposed"'
        elif stage == "final":
            prices = ("1", "0") if one.winner == 0 else ("0", "1")
            closed = _moment(one.final_s[Source.GAMMA]).strftime("%Y-%m-%d %H:%M:%S+00")
            more = f',"umaResolutionStatus":"resolved","closedTime":"{closed}"'
        ends = _moment(one.end_s).strftime("%Y-%m-%dT%H:%M:%SZ")
        names = (one.number, condition_id, one.number, one.number, *prices, *one.tokens)
        return (_GAMMA % (*names, ends, _json(stage == "final"), more)).encode()

    def _data(self, one: Closing) -> Iterator[bytes]:
        stage = one.stage(Source.DATA, self.now)
        final = stage == "final"
        shares = (int(one.winner == 0), int(one.winner == 1))
        status = {"open": "initialized", "proposed": "proposed", "final": "resolved"}[stage]
        payouts = [share * 1_000_000 for share in shares] if final else []
        yield (_DATA % (one.condition_id, status, payouts)).encode()
        for slot, (token, name) in enumerate(zip(one.tokens, NAMES, strict=True)):
            price = shares[slot] if final else "null"
            values = (token, one.condition_id, slot, name, _json(final), price)
            if self.with_tokens:
                yield (_TOKEN % values).encode()

    # ---------------------------------------------------- nothing to report of

    def try_list_form(self) -> None:
        """Answer."""

    def take_clock_errors(self) -> int:
        """Return 0: the clocks are right."""
        return 0

    def take_old_answers(self) -> int:
        """Return 0: there is no cache."""
        return 0

    def take_age_s(self) -> float:
        """Return 0: there is no cache."""
        return 0.0

    def close(self) -> None:
        """Do nothing."""


def _json(flag: bool) -> str:
    return "true" if flag else "false"


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(WALL_MS / 1000 + at_s, UTC)


# -------------------------------------------------------------------- the plan


def plan(
    *, markets: int, stuck: int, hours: float, seed: int, tokens_of: Any
) -> dict[ConditionId, Closing]:
    """Return the markets of a day, or of as many hours, by condition id.

    Args:
        markets: That end.
        stuck: Further ones, which ended in the day before.
        hours: In which they end.
        seed: Of what is random.
        tokens_of: Returns the tokens of a condition, in the order of its slots.
    """
    rng = random.Random(seed)
    span_s = hours * 3600
    slots = [
        float(at)
        for length in LENGTHS_S
        for at in range(length, int(span_s) + 1, length)
        for _ in range(length // LENGTHS_S[0])
    ]
    found = []
    for number in range(1, markets + stuck + 1):
        if number > markets:
            end_s = -rng.uniform(0, DAY_S)
            final_s = dict.fromkeys(ASKED, NEVER)
            if number % 2:
                final_s[ASKED[number // 2 % len(ASKED)]] = end_s
        else:
            is_series = rng.random() < SERIES_SHARE
            end_s = rng.choice(slots) if is_series else rng.uniform(0, span_s)
            final_s = {source: end_s + rng.uniform(*LAG_S) for source in ASKED}
        condition = rng.randbytes(32)
        found.append(
            Closing(
                number=number,
                condition_id=ConditionId(f"0x{condition.hex()}"),
                tokens=tokens_of(condition),
                winner=rng.randrange(2),
                end_s=end_s,
                final_s=final_s,
            )
        )
    return {each.condition_id: each for each in found}
