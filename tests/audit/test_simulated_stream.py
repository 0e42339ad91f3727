"""The simulator's stream as a witness, with each of its quirks, judged as the tracker does it."""

import json
from collections.abc import Iterable
from decimal import Decimal

import pytest

from actors.audit.comparison import HOUR_MS, compare
from actors.audit.heard import Heard
from actors.audit.stream import Book
from actors.model.audit import Audit, AuditResult, Witness
from actors.simulator.market import Market
from actors.simulator.sources.matched import Stream
from tests.audit.test_simulated import NOW_MS, START_MS, World

# As in test_simulated.py.
pytestmark = pytest.mark.no_cover

QUIRKS = (
    "rtds_twice",
    "rtds_trades",
    "rtds_text_times",
    "rtds_combos",
    "rtds_drops",
    "rtds_unreadable",
)
HARMLESS = ("rtds_twice", "rtds_trades", "rtds_text_times")
EDGE_MS = 60_000


class Listening:
    """A world whose stream was listened to.

    Args:
        broken: Breaks of the stream.
        away: (since, until): it was lost then, milliseconds since 1970.
        most: Matches that are kept.
    """

    def __init__(
        self, *broken: str, away: tuple[int, int] | None = None, most: int = 100_000
    ) -> None:
        self.world = World(*broken, trades=2_000)
        self.heard = Heard(most=most)
        self.book = Book(self.heard)
        stream = Stream(frozenset(broken))
        self.book.state("ok")
        for trade in self.world.trades:
            if away is not None and away[0] <= trade.ts < away[1]:
                self.book.state("frozen")
                continue
            for message in stream._messages(trade):
                self.book.messages((trade.ts + 800) * 1_000_000, (message,))

    def audit(self, market: Market, lost: Iterable[int] = ()) -> Audit:
        hour = self.world.hour(market)
        told = self.heard.told(hour.condition_id, hour.told_since_ms, hour.end_ms + EDGE_MS, NOW_MS)
        return compare(
            hour,
            self.world.stored(market, lost),
            told,
            witness=Witness.RTDS,
            checked_at_ms=NOW_MS,
        )

    def lost_ones(self, market: Market) -> list[int]:
        """Return trades whose loss the stream can know of."""
        broken = self.world.every.broken
        return [
            each.n
            for each in self.world.of[market.condition]
            if self.world.judged(each.n)
            and Decimal(each.size) >= Decimal("0.02")
            and not ("rtds_drops" in broken and each.n % 100 == 13)
            and not ("rtds_unreadable" in broken and each.n % 40 == 7)
        ]


@pytest.mark.parametrize("broken", ["", *HARMLESS, ",".join(HARMLESS)])
def test_a_healthy_hour_is_complete(broken: str) -> None:
    listening = Listening(*filter(None, broken.split(",")))
    found = [listening.audit(market) for market in listening.world.markets]

    assert {each.result for each in found} == {AuditResult.COMPLETE}
    assert sum(each.theirs for each in found) > 1_200


@pytest.mark.parametrize("broken", [*QUIRKS, ",".join(QUIRKS)])
def test_no_quirk_makes_anything_seem_missing(broken: str) -> None:
    listening = Listening(*broken.split(","))
    found = [listening.audit(market) for market in listening.world.markets]

    assert {each.missing for each in found} == {0}
    unknown = any(each.result is AuditResult.UNKNOWN for each in found)
    assert unknown == (broken not in HARMLESS)


@pytest.mark.parametrize("broken", ["", *QUIRKS, ",".join(QUIRKS)])
def test_each_lost_trade_is_found_or_the_hour_is_unknown(broken: str) -> None:
    listening = Listening(*filter(None, broken.split(",")))
    found = 0
    for market in listening.world.markets:
        lost = listening.lost_ones(market)
        for each in lost[::7]:
            audit = listening.audit(market, (each,))
            assert audit.result is not AuditResult.COMPLETE
            assert audit.missing <= 1
            found += audit.missing
    assert found > 100


def test_an_hour_in_which_it_was_frozen_is_never_complete() -> None:
    middle = START_MS + HOUR_MS // 2
    listening = Listening(away=(middle, middle + 120_000))
    found = [listening.audit(market) for market in listening.world.markets]

    assert {each.result for each in found} == {AuditResult.UNKNOWN}
    assert {each.missing for each in found} == {0}
    market = listening.world.markets[0]
    lost = next(n for n in listening.lost_ones(market) if listening.world.trades[n - 1].ts < middle)
    assert listening.audit(market, (lost,)).missing == 1


def test_a_sample_says_the_same_of_what_it_keeps_and_nothing_of_the_rest() -> None:
    listening = Listening(most=1_000)
    found = [listening.audit(market) for market in listening.world.markets]

    assert listening.heard.share < 1.0
    assert {each.missing for each in found} == {0}
    assert {each.result for each in found} == {AuditResult.COMPLETE, AuditResult.UNKNOWN}


def test_nothing_about_persons_is_kept_of_what_the_simulator_shows() -> None:
    world = World(trades=5)
    shown = b"".join(Stream(frozenset())._messages(world.trades[0]))
    listening = Listening()
    told = listening.heard.told(
        listening.world.hour(listening.world.markets[0]).condition_id, 0, 1, NOW_MS
    )

    assert b"Quick-Otter" in shown
    assert json.loads(shown)["payload"]["proxyWallet"] not in repr(told)
    assert "Otter" not in repr(told)
