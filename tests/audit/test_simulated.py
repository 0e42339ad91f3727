"""The simulator's Data API as a witness: read, compared and judged as the tracker does it."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from random import Random

import msgspec
import pytest

from actors.audit.comparison import HOUR_MS, MARGIN_MS, Hour, compare
from actors.model.audit import Audit, AuditResult, StoredHour, StoredSum, Told, Witness
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.witness.fills import Reading, query, read_page
from actors.simulator.events import Trade
from actors.simulator.market import SOURCES, Market, Pace
from actors.simulator.markets import Markets, MarketSpec
from actors.simulator.sources.trades import Tape

# Thousands of audits: to measure their coverage would take three times as long.
pytestmark = pytest.mark.no_cover

START_MS = 1_790_000_000_000 // HOUR_MS * HOUR_MS
NOW_MS = START_MS + HOUR_MS + 900_000
QUIRKS = (
    "trades_dust_filtered",
    "trades_ghosts",
    "trades_resent",
    "trades_twice",
    "trades_combos",
    "trades_page_20",
)


class World:
    """Markets, their trades of an hour, and the list that the simulator has of them."""

    def __init__(self, *broken: str, markets: int = 20, trades: int = 4_000, seed: int = 1) -> None:
        rng = Random(seed)
        pace = Pace(settle=1000, lags=dict.fromkeys(SOURCES, (0, 0)))
        self.every = every = Markets(1, 1, pace, broken=frozenset(broken))
        spec = MarketSpec(announced=1, trades=1, ends=NOW_MS * 2)
        self.markets = [every.make(spec) for _ in range(markets)]
        self.tape = Tape(every)
        self.trades: list[Trade] = []
        times = sorted(rng.randint(START_MS - 300_000, NOW_MS - 10_000) for _ in range(trades))
        for number, at_ms in enumerate(times, 1):
            market = rng.choice(self.markets)
            shared = self.trades and rng.random() < 0.05
            trade = Trade(
                n=number,
                token=market.tokens[rng.getrandbits(1)],
                condition=market.condition,
                price=f"{rng.randint(1, 99) / 100:.2f}",
                size=rng.choice(("5", "10", "0.004", f"{rng.uniform(0.02, 900):.6f}")),
                side="BUY",
                ts=at_ms,
                hash=self.trades[-1].hash if shared else f"0x{number:064x}",
                fee="0",
            )
            self.trades.append(trade)
            self.tape.add(trade)
        self.of: defaultdict[str, list[Trade]] = defaultdict(list)
        for trade in self.trades:
            self.of[trade.condition].append(trade)

    def told(self, market: Market) -> Told:
        hour = self.hour(market)
        reading = Reading(hour.condition_id, hour.told_since_ms)
        while not reading.is_over:
            asked: defaultdict[str, list[str]] = defaultdict(list)
            for name, value in query(hour.condition_id, reading.cursor):
                asked[name].append(value)
            status, body = self.tape.answer(asked, NOW_MS)
            assert status == 200
            reading.add(read_page(msgspec.json.encode(body), hour.condition_id), NOW_MS)
        return reading.told

    def hour(self, market: Market) -> Hour:
        return Hour(condition_id=ConditionId(market.condition), hour_ms=START_MS)

    def stored(self, market: Market, lost: Iterable[int] = ()) -> StoredHour:
        sums: dict[tuple[str, str], list[Trade]] = {}
        without = set(lost)
        for trade in self.of[market.condition]:
            in_time = START_MS - MARGIN_MS <= trade.ts < START_MS + HOUR_MS + MARGIN_MS
            if in_time and trade.n not in without:
                sums.setdefault((trade.token, trade.hash), []).append(trade)
        tokens = tuple(TokenId(token) for token in market.tokens)
        return StoredHour(
            tokens=tokens,
            sums=tuple(
                StoredSum(
                    token_id=TokenId(token),
                    transaction=name,
                    size=sum((Decimal(each.size) for each in some), Decimal(0)),
                    first_ms=min(each.ts for each in some),
                    last_ms=max(each.ts for each in some),
                )
                for (token, name), some in sums.items()
            ),
            covered=tuple((token, START_MS - HOUR_MS, NOW_MS) for token in tokens),
        )

    def audit(self, market: Market, lost: Iterable[int] = (), told: Told | None = None) -> Audit:
        told = told or self.told(market)
        return compare(
            self.hour(market),
            self.stored(market, lost),
            told,
            witness=Witness.DATA,
            checked_at_ms=NOW_MS,
        )

    def judged(self, number: int) -> bool:
        """Return whether a trade is one that a healthy witness can judge."""
        trade = self.trades[number - 1]
        inside = START_MS + 5_000 <= trade.ts < START_MS + HOUR_MS - 5_000
        return inside and Decimal(trade.size) >= Decimal("0.01")


def test_a_healthy_hour_is_complete_in_all_that_the_witness_can_judge() -> None:
    world = World()
    found = [world.audit(market) for market in world.markets]

    assert sum(each.theirs for each in found) > 2_500
    assert {each.missing for each in found} == {0}
    assert {each.result for each in found} == {AuditResult.COMPLETE}


def test_one_trade_in_a_hundred_thousand_that_is_lost_is_found() -> None:
    world = World(markets=50, trades=100_000)
    lost = next(number for number in range(50_000, 60_000) if world.judged(number))
    its = [each for each in world.markets if each.condition == world.trades[lost - 1].condition]
    others = [each for each in world.markets[:5] if each not in its]
    found = [world.audit(market, (lost,)) for market in its + others]

    (missing,) = [each for each in found if each.result is AuditResult.MISSING]
    assert missing.condition_id == world.trades[lost - 1].condition
    assert (missing.missing, missing.outside_gaps) == (1, 1)
    assert world.trades[lost - 1].hash in missing.evidence
    assert sum(each.result is AuditResult.COMPLETE for each in found) == len(others)


@pytest.mark.parametrize("broken", QUIRKS)
def test_no_quirk_of_the_witness_makes_anything_seem_missing(broken: str) -> None:
    world = World(broken)
    found = [world.audit(market) for market in world.markets]

    assert {each.missing for each in found} == {0}
    unknown = any(each.result is AuditResult.UNKNOWN for each in found)
    # Small pages are many, and small trades rare enough that none is divided into smaller ones.
    assert unknown == (broken != "trades_page_20")


@pytest.mark.parametrize("broken", [*QUIRKS, ",".join(QUIRKS)])
def test_no_quirk_hides_a_lost_trade_behind_the_word_complete(broken: str) -> None:
    world = World(*broken.split(","), trades=1_000)
    for market in world.markets:
        told = world.told(market)
        for lost in [each.n for each in world.of[market.condition]]:
            listed = world.judged(lost) and not ("trades_ghosts" in broken and lost % 40 == 7)
            if listed:
                assert world.audit(market, (lost,), told).result is not AuditResult.COMPLETE


def test_nothing_about_persons_is_kept_of_what_the_simulator_shows() -> None:
    world = World()
    kept = msgspec.json.encode(world.told(world.markets[0])).decode()
    shown = msgspec.json.encode(world.tape.answer(
        {"condition": [world.markets[0].condition]}, NOW_MS)).decode()  # fmt: skip

    assert "Quick-Otter" in shown
    assert "Quick-Otter" not in kept
    assert "wallet" not in kept
