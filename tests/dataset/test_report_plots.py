"""The plots of a report: what is drawn where, and what of matplotlib's file becomes of the page."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from actors.dataset.report import plots, svg
from actors.dataset.report.coverage import Time
from actors.dataset.report.palette import STANDS_FOR
from actors.dataset.report.plots import Panel, _reach, _runs, _steps, _ticks
from actors.dataset.report.svg import Sheet
from actors.dataset.report.values import HOUR, Bin, Candle, LabelCount, Labels, Span
from tests.dataset.report_samples import SPAN, candles, hour, stretch

WEEK = Span(hour(0), hour(7 * 24))


def labels_of(span: Span, most: int) -> list[str]:
    return [said for _, said in _ticks(span, most)]


def test_times_are_written_in_the_unit_of_the_span() -> None:
    assert labels_of(SPAN, 8) == [
        "00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "24:00",
    ]  # fmt: skip
    assert labels_of(WEEK, 8) == [f"{day} Mar" for day in range(1, 9)]
    assert labels_of(Span(hour(0), hour(48)), 8) == [
        "1 Mar", "06:00", "12:00", "18:00", "2 Mar", "06:00", "12:00", "18:00", "3 Mar",
    ]  # fmt: skip
    assert labels_of(Span(hour(9.5), hour(10.5)), 8) == [
        "09:30", "09:40", "09:50", "10:00", "10:10", "10:20", "10:30",
    ]  # fmt: skip


@pytest.mark.parametrize("most", [1, 5, 12, 40])
@pytest.mark.parametrize("hours", [0.1, 1, 5, 24, 47, 168, 24 * 31, 24 * 400])
def test_there_are_never_more_labels_than_asked_for(hours: float, most: int) -> None:
    assert len(_ticks(Span(hour(0), hour(hours)), most)) <= most + 1


@pytest.mark.parametrize("number", [1, 3, 7, 10, 99, 101, 5_678, 1_000_000])
def test_a_scale_has_few_round_lines_and_ends_above_all(number: int) -> None:
    step, end = _steps(number)
    assert end >= number
    assert end - step < number
    assert end / step <= 5.0001
    assert str(int(step)).rstrip("0") in ("1", "2", "5")


def test_a_scale_of_nothing_is_a_scale() -> None:
    assert _steps(0) == (1, 1)


@pytest.mark.parametrize(
    ("prices", "low", "high"),
    [
        (("0.5",), 0.45, 0.55),
        (("0.99", "1"), 0.9, 1.0),
        (("0.001",), 0.0, 0.1),
        (("0.2", "0.8"), 0.17, 0.83),
        ((None,), 0.0, 1.0),
    ],
)
def test_prices_have_a_scale_of_a_tenth_at_least(
    prices: tuple[str | None, ...], low: float, high: float
) -> None:
    assert _reach(candles(*prices)) == pytest.approx((low, high))


def runs(*prices: str | None, gaps: tuple[tuple[float, float], ...] = ()) -> list[list[float]]:
    """Return the prices of each piece of a line, with gaps in minutes."""
    parts = [stretch(start / 60, end / 60, "frozen") for start, end in gaps]
    found = _runs(Panel("x", candles(*prices), parts), SPAN)
    return [[close for *_, close in run] for run in found]


def test_a_line_goes_on_over_time_without_trades() -> None:
    assert runs("0.1", None, None, "0.2") == [[0.1, 0.2]]
    assert runs(None, None) == []


def test_a_line_goes_over_no_gap() -> None:
    assert runs("0.1", "0.2", None, "0.3", gaps=((10, 15),)) == [[0.1, 0.2], [0.3]]
    # Two gaps between the same trades, one before them all, one behind.
    cuts = ((-5.0, -1.0), (5.0, 6.0), (8.0, 9.0), (60.0, 70.0))
    assert runs("0.1", None, "0.2", "0.3", gaps=cuts) == [[0.1], [0.2, 0.3]]


def test_a_price_of_a_bin_that_is_cut_by_a_gap_stands_beside_it() -> None:
    # The first bin has 4 minutes before the gap, the third 4 minutes behind it.
    panel = Panel("x", candles("0.1", None, "0.3"), [stretch(1 / 60, 14 / 60, "frozen")])
    assert [[place for place, *_ in run] for run in _runs(panel, SPAN)] == [[60], [840]]


def test_a_gap_of_a_moment_is_seen() -> None:
    with svg.plain():
        html = plots.prices([Panel("x", candles("0.5"), [stretch(5, 5.0001, "frozen")])], SPAN, "")
    (shape,) = re.findall(r'd="([^"]+)" fill="var\(--frozen\)"', html)
    left, right = (float(n) for n in re.findall(r"[ML] (\d+\.?\d*) ", shape)[:2])
    assert right - left > 0.5


def test_a_cell_is_filled_from_below_by_cause() -> None:
    time = Time(1800, {"frozen": 1200, "process_down": 600})
    with svg.plain():
        html = plots.heat_map([plots.Row("x", ("y",), [time])], ("z",), SPAN, 24 * HOUR, "label")
    boxes = {
        name: [float(n) for n in re.findall(r"(?<= )(\d+\.?\d*)(?: L| M| z|$)", shape)]
        for shape, name in re.findall(r'd="([^"]+)" fill="var\(--([\w-]+)\)"', html)
    }
    high = {name: max(ys) - min(ys) for name, ys in boxes.items()}
    assert high["frozen"] == pytest.approx(high["covered"] / 3, abs=0.3)
    assert high["process-down"] == pytest.approx(high["covered"] / 6, abs=0.3)
    assert max(boxes["frozen"]) == pytest.approx(max(boxes["covered"]), abs=0.2)
    assert max(boxes["process-down"]) == pytest.approx(min(boxes["frozen"]), abs=0.2)


def test_bars_are_as_high_as_their_numbers() -> None:
    bins = [Bin(hour(0), 10, Decimal(1)), Bin(hour(1), 5, Decimal(1))]
    with svg.plain():
        html = plots.trades(bins, SPAN, HOUR, [Time() for _ in range(24)], "label")
    (shape,) = re.findall(r'd="([^"]+)" fill="var\(--bar\)"', html)
    ys = [float(n) for n in re.findall(r"[ML] \d+\.?\d* (\d+\.?\d*)", shape)]
    base = max(ys)
    first, second = base - min(ys[:4]), base - min(ys[4:])
    assert first == pytest.approx(2 * second, abs=0.3)


def test_lateness_stacks_splits_on_winners() -> None:
    labels = Labels((LabelCount("winner", 0, 3), LabelCount("split", 0, 1)), (1, 1, 1, 1))
    with svg.plain():
        html = plots.lateness(labels, "label")
    assert html.count('fill="var(--accent)"') == html.count('fill="var(--second)"') == 1
    assert "under 1 min" in html


def test_what_the_plot_shows_is_told_to_those_who_do_not_see_it() -> None:
    with svg.plain():
        assert 'aria-label="a &lt;b&gt; &quot;c&quot;"' in Sheet(10).written('a <b> "c"')


def test_a_colour_of_its_own_is_an_error() -> None:
    with svg.plain():
        sheet = Sheet(10)
        sheet.axes(0, 0, 10, 10).plot([0, 1], [0, 1], color="#ff0000")
        with pytest.raises(KeyError):
            sheet.written("label")


def test_a_mark_is_replaced_and_what_looks_like_one_is_not_read_again() -> None:
    with svg.plain():
        sheet = Sheet(10)
        axes = sheet.axes(0, 0, 10, 10)
        for text in ("@1", "<$x$>"):
            axes.text(0, 0, sheet.mark(text), color=STANDS_FOR["ink"])
        html = sheet.written("label")
    assert re.findall(r">([^<>]+)</text>", html) == ["@1", "&lt;$x$&gt;"]


def test_a_market_of_a_year_has_a_plot_of_bounded_size() -> None:
    span = Span(hour(0), hour(24 * 365))
    width = span.width(300)
    many = tuple(
        Candle(at, Decimal("0.1"), Decimal("0.9"), Decimal("0.5")) for at in span.bins(width)
    )
    with svg.plain():
        html = plots.prices([Panel("x", many, [])], span, "label", columns=1)
    assert width == timedelta(days=7)
    assert len(html) < 10_000
