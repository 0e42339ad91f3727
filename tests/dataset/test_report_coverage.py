"""Shares, cells and outages of a report, from stretches of listening and gaps."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.dataset.report.coverage import by_market, cells, outages, shown, total
from actors.dataset.report.values import DAY, HOUR, Span, Stretch, Traded
from tests.dataset.report_samples import GAPS, NO, ONE, OTHER, SPAN, YES, hour, stretch


def traded(*names: str) -> list[Traded]:
    return [Traded(name, "1", 10 - n, Decimal(10 - n)) for n, name in enumerate(names)]


def test_time_is_summed_over_tokens_and_by_cause() -> None:
    time = total(GAPS)
    assert time.covered == (23.5 + 19.75) * 3600
    assert time.missed == {"process_down": 0.75 * 3600}
    assert time.wanted == time.covered + time.lost
    assert by_market(GAPS)[OTHER].missed == {"process_down": 0.25 * 3600}


def test_a_cell_has_its_part_of_a_stretch() -> None:
    bins = SPAN.bins(HOUR)
    ((*row,),) = cells([stretch(1.5, 3), stretch(3, 3.25, "frozen")], [ONE], bins, HOUR)

    assert [each.covered for each in row[:5]] == [0, 1800, 3600, 0, 0]
    assert row[3].missed == {"frozen": 900}
    assert sum(each.wanted for each in row) == 1.75 * 3600


def test_rows_are_markets_or_tokens_and_others_are_left_out() -> None:
    bins = SPAN.bins(DAY)
    found = cells(GAPS, [OTHER, YES, "0x99"], bins, DAY)
    assert [row[0].wanted for row in found] == [20 * 3600, 24 * 3600, 0]


@pytest.mark.parametrize("seed", range(5))
def test_cells_hold_all_time_of_the_span_whatever_the_bins(seed: int) -> None:
    chance = random.Random(seed)
    parts = []
    for _ in range(50):
        start, end = sorted((chance.uniform(0, 24), chance.uniform(0, 24)))
        parts.append(stretch(start, end, chance.choice(["", "frozen", "rejected"])))
    for width in (HOUR, 3 * HOUR, 7 * timedelta(minutes=1)):
        ((*row,),) = cells(parts, [ONE], SPAN.bins(width), width)
        assert sum(each.wanted for each in row) == pytest.approx(total(parts).wanted)
        assert sum(each.lost for each in row) == pytest.approx(total(parts).lost)
        assert all(each.wanted <= 50 * width.total_seconds() + 1e-6 for each in row)


def test_gaps_of_one_cause_that_begin_together_are_one_outage() -> None:
    found = outages(
        (
            stretch(9, 9.5, "process_down"),
            stretch(9.01, 9.25, "process_down", OTHER, NO),  # 36 s later
            stretch(9, 9.1, "frozen"),
            stretch(9.02, 9.03, "process_down"),  # 72 s after the first
            stretch(10, 20),
        )
    )
    assert [(each.cause, each.tokens, each.start) for each in found] == [
        ("process_down", 2, hour(9)),
        ("frozen", 1, hour(9)),
        ("process_down", 1, hour(9.02)),
    ]
    first = found[0]
    assert first.markets == {ONE, OTHER}
    assert (first.end, first.longest) == (hour(9.5), 1800)
    assert first.lost == pytest.approx(0.74 * 3600)


def test_outages_do_not_depend_on_the_order_of_what_was_read() -> None:
    gaps = [stretch(n / 100, n / 100 + 0.2, "frozen", f"0x{n:02}") for n in range(90)]
    before = outages(gaps)
    random.Random(1).shuffle(gaps)
    assert outages(gaps) == before
    assert sum(each.tokens for each in before) == 90


def test_what_is_shown_is_the_worst_half_and_the_most_traded() -> None:
    names = [f"0x{n:02}" for n in range(10)]
    missed: list[Stretch] = [stretch(0, 24, market=name) for name in names]
    missed += [stretch(0, 1 + n, "frozen", names[n]) for n in (7, 8, 9)]
    times = by_market(missed)

    assert shown(traded(*names), times, 4) == ["0x00", "0x01", "0x08", "0x09"]
    assert shown(traded(*names), times, 99) == names
    # Nobody traded them: what was missed decides.
    assert shown([], times, 3) == ["0x09", "0x08", "0x07"]
    assert shown([], {}, 3) == []


def test_a_market_that_was_never_wanted_is_not_shown() -> None:
    assert shown(traded("0x01", "0x02"), by_market([stretch(0, 1)]), 5) == ["0x01"]


@pytest.mark.parametrize(
    ("hours", "most", "width"), [(24, 62, 1), (48, 62, 1), (72, 62, 3), (24 * 31, 62, 24)]
)
def test_bins_are_as_wide_as_they_have_to_be(hours: int, most: int, width: int) -> None:
    span = Span(hour(0), hour(hours))
    assert span.width(most) == width * HOUR
    bins = span.bins(width * HOUR)
    assert (len(bins), bins[0]) == (hours // width, span.start)


def test_the_last_bin_may_reach_beyond_the_span() -> None:
    assert len(Span(hour(0), hour(2.5)).bins(HOUR)) == 3
