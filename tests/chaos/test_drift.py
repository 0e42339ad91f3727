from collections import Counter
from decimal import Decimal
from typing import Any

from actors.health.rules import RULES
from actors.model.assumptions import Assumption
from actors.simulator.beliefs import BREAKS
from actors.simulator.market import Pace
from actors.simulator.markets import Markets, MarketSpec, ledger_line
from actors.simulator.options import LAGS
from actors.simulator.sources.oddities import FAILING_EACH
from tests.chaos.drift import Marks, Result, compare_marks, mark_of, unknowable
from tests.chaos.drift_expected import EXPECTED, OURS

ABOUT_SOURCES = {"source_mute", "labels_overdue"}
"""Reasons that follow from the sources of outcomes; no assumption is counted for them."""


def test_what_is_expected_names_breaks_and_reasons_that_exist() -> None:
    codes = {rule.code for rule in RULES}
    assert EXPECTED.keys() == BREAKS.keys() | OURS
    for name, expected in EXPECTED.items():
        assert expected.reasons <= codes, name
        assert expected.permitted <= codes, name
        assert not expected.reasons & expected.permitted, name
        assert not expected.counted or expected.counted in set(Assumption), name
        assert expected.counted or expected.reasons <= ABOUT_SOURCES, name
        assert expected.counted or not expected.marked, name


def ledger(*, v2: bool) -> list[dict[str, Any]]:
    """Return the lines of a world whose second half was announced during the run."""
    markets = Markets(seed=1, run=0, pace=Pace(settle=4_000, lags=LAGS))
    lines: list[dict[str, Any]] = [{"kind": "trade", "token": "1"}]
    for number in range(2 * FAILING_EACH):
        announced = 0 if number < FAILING_EACH else 5_000
        spec = MarketSpec(announced=announced, trades=6_000, ends=60_000, v2=v2)
        lines.append({"kind": "market", **ledger_line(markets.make(spec))})
    return lines


def test_what_gamma_never_shows_and_nobody_announced_cannot_be_known() -> None:
    for name, v2, unknown in (
        ("market_500", False, [7]),  # its neighbour of the second half was announced
        ("v2_unlisted", True, list(range(FAILING_EACH))),
        ("v2_unlisted", False, []),
        ("keyset_gone", True, []),
        ("poisoned_market", False, []),
    ):
        lines = ledger(v2=v2)
        tokens = [lines[1 + number]["tokens"] for number in unknown]
        found = unknowable(lines, EXPECTED[name].never_listed)
        assert found == {token for pair in tokens for token in pair}, name


def test_only_a_page_that_fails_may_show_markets_known_from_the_feed_only() -> None:
    assert EXPECTED["market_500"].permitted == {"markets_known_from_feed_only"}
    for name in ("poisoned_market", "field_types"):
        assert EXPECTED[name].permitted == set()
        assert EXPECTED[name].counted == "clean_pages"


def test_a_result_is_one_line_that_says_what_went_wrong() -> None:
    good = Result("numbers", could=1000, had=999, seen={"protocol_drift": 3.2})
    assert " PASS could 1000 · had 999 (99.90%)" in good.line()
    assert "shown: protocol_drift 3 s" in good.line()
    bad = Result("numbers", wrong=["not shown: protocol_drift"])
    assert " FAIL " in bad.line()
    assert bad.line().endswith("| not shown: protocol_drift")


def test_each_row_beyond_what_was_sent_must_have_a_mark_of_its_own() -> None:
    trade = ("7", 1_790_000_000_000, Decimal("0.5"), Decimal("12.5"), "BUY", "0xab")
    later = ("7", 1_790_000_000_001, *trade[2:])
    sent = Counter([trade, trade])
    rows = [(*trade, 1), (*trade, 2), (*trade, 3), (*later, 1)]
    marks = {mark_of("7 1790000000000 3 0.50 12.5"), mark_of("7 1790000000001 1 0.5 12.5")}
    assert compare_marks(sent, rows, marks) == Marks(too_many=2, unmarked=0)
    assert compare_marks(sent, rows, {mark_of("7 1790000000000 2 0.5 12.5")}) == Marks(2, 2)
    assert compare_marks(sent, rows[:2], set()) == Marks(0, 0)
