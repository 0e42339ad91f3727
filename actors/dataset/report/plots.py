"""The plots of a report. Each is a part of an HTML page; times are UTC. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from actors.dataset.report.coverage import Time
from actors.dataset.report.palette import STANDS_FOR, cause_name
from actors.dataset.report.svg import WIDTH, Sheet
from actors.dataset.report.values import (
    DAY,
    HOUR,
    LATENESS,
    MINUTE,
    Bin,
    Candle,
    Labels,
    Span,
    Stretch,
)

SIZE: Final = 12
"""Of texts, in units of a plot."""
ROW: Final = 18
_STEPS: Final = (
    *(n * MINUTE for n in (1, 5, 10, 30)), *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 7, 14, 28, 91, 182, 364)),
)  # fmt: skip
_INK, _SOFT, _LINE, _BAR = (STANDS_FOR[name] for name in ("ink", "soft", "line", "bar"))

Box = tuple[float, float, float, float]
"""Left, lower edge, width and height, in units of the axes."""


class Row(NamedTuple):
    """A row of the heat map.

    Attributes:
        name: Strangers chose it; it is short, and not HTML.
        figures: What stands behind the cells.
    """

    name: str
    figures: tuple[str, ...]
    cells: Sequence[Time]


class Panel(NamedTuple):
    """The price of one token over the span; strangers chose the title."""

    title: str
    candles: Sequence[Candle]
    gaps: Sequence[Stretch]


# ------------------------------------------------------------------------- all plots


def _boxes(axes: Axes, boxes: Iterable[Box], colour: str, *, shade: float = 1.0) -> None:
    """Draw boxes as one shape."""
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for left, low, width, height in boxes:
        right, high = left + width, low + height
        points += [(left, low), (right, low), (right, high), (left, high), (left, low)]
        codes += [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY]
    if points:
        shape = PathPatch(
            Outline(points, codes), facecolor=STANDS_FOR[colour], edgecolor="none", alpha=shade
        )
        axes.add_artist(shape)


def _text(axes: Axes, x: float, y: float, said: str, **more: str) -> None:
    axes.text(x, y, said, **{"fontsize": SIZE, "color": _SOFT, "va": "center", **more})  # type: ignore[arg-type]


def _line(
    axes: Axes, xs: Sequence[float], ys: Sequence[float], colour: str, width: float, order: int = 0
) -> None:
    axes.plot(
        xs, ys, color=colour, linewidth=width, solid_capstyle="round", clip_on=False, zorder=order
    )


def _frame(axes: Axes, right: float, top: float) -> None:
    axes.set_xlim(0, right)
    axes.set_ylim(0, top)


def _ticks(span: Span, most: int) -> list[tuple[float, str]]:
    """Return where labels of the time stand, in seconds from the start, and what they say."""
    step = next((each for each in _STEPS if span.lasts <= most * each), _STEPS[-1])
    midnight = span.start.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    at = midnight + -(-(span.start - midnight) // step) * step
    while at <= span.end:
        is_day = step >= DAY or (at.hour == at.minute == 0 and span.lasts > DAY)
        said = f"{at.day} {at:%b}" if is_day else f"{at:%H:%M}"
        found.append(((at - span.start).total_seconds(), said))
        at += step
    if step < DAY and span.lasts == DAY:
        found[-1] = (found[-1][0], "24:00")
    return found


def _times(axes: Axes, span: Span, y: float, most: int) -> None:
    for place, said in _ticks(span, most):
        _text(axes, place, y, said, ha="center")


def _steps(most: float) -> tuple[float, float]:
    """Return the distance of lines of a scale, and its end, for values up to `most`."""
    if most <= 0:
        return 1, 1
    size = 10.0 ** math.floor(math.log10(most))
    step = next(s for s in (size / 5, size / 2, size, 2 * size, 5 * size) if most <= 5 * s)
    step = max(step, 1.0)
    return step, step * math.ceil(most / step)


def _whole(number: float) -> str:
    return f"{number / 1e6:g} M" if number >= 1e6 else f"{number:,.0f}"


def _scale(axes: Axes, most: float, right: float) -> float:
    """Draw the lines and figures of a scale of counts; return its end."""
    step, end = _steps(most)
    for number in range(round(end / step) + 1):
        _line(axes, (0, right), (number * step, number * step), _LINE, 1)
        _text(axes, -right * 0.008, number * step, _whole(number * step), ha="right")
    return end


# ---------------------------------------------------------------------- one by one


def trades(
    bins: Sequence[Bin], span: Span, width: timedelta, times: Sequence[Time], label: str
) -> str:
    """Return bars of trades, and below them what was covered of that time.

    Args:
        bins: Those with trades.
        span: The time of the report.
        width: Of a bin.
        times: What was covered and missed in each bin of the span, with trades or without.
        label: What it shows, in words.
    """
    sheet = Sheet(232)
    left, right, seconds = 64, WIDTH - 64 - 20, span.lasts.total_seconds()
    axes = sheet.axes(left, 12, right, 168)
    end = _scale(axes, max((each.trades for each in bins), default=0), seconds)
    _frame(axes, seconds, end)
    one = width.total_seconds()
    spaced = 0.12 * one
    places = [((each.at - span.start).total_seconds(), each.trades) for each in bins]
    _boxes(axes, ((at + spaced, 0, one - 2 * spaced, number) for at, number in places), "bar")
    strip = sheet.axes(left, 188, right, 10)
    _frame(strip, seconds, 1)
    _text(strip, -seconds * 0.008, 0.4, "covered", ha="right")
    _cells(strip, times, one, 0, 1, 0.12)
    below = sheet.axes(left, 204, right, 20)
    _frame(below, seconds, 1)
    _times(below, span, 0.4, 13)
    return sheet.written(label)


def _cells(
    axes: Axes, times: Sequence[Time], one: float, low: float, high: float, spaced: float
) -> None:
    """Draw a row of cells: covered time from above, what was missed from below, by cause."""
    boxes: dict[str, list[Box]] = {}
    for place, time in enumerate(times):
        if time.wanted <= 0:
            continue
        at, width = (place + spaced) * one, (1 - 2 * spaced) * one
        boxes.setdefault("covered", []).append((at, low, width, high))
        filled = 0.0
        for cause, lost in sorted(time.missed.items(), key=lambda item: (-item[1], item[0])):
            # A gap of a second is seen, too.
            part = min(high - filled, max(high * lost / time.wanted, high * 0.17))
            boxes.setdefault(cause_name(cause), []).append((at, low + filled, width, part))
            filled += part
    for colour, some in boxes.items():
        _boxes(axes, some, colour)


def heat_map(
    rows: Sequence[Row], heads: Sequence[str], span: Span, width: timedelta, label: str
) -> str:
    """Return the coverage of markets (or tokens) over the span, a row for each.

    Args:
        rows: With a cell for each bin.
        heads: Of the figures behind the cells.
        span: The time of the report.
        width: Of a bin.
        label: What it shows, in words.
    """
    column, names = 68, 304
    right = WIDTH - names - column * len(heads) - 8
    bins = max((len(each.cells) for each in rows), default=1)
    whole = bins * width.total_seconds()
    height = ROW * len(rows)
    is_high = len(rows) > 8
    sheet = Sheet(height + (52 if is_high else 28))
    axes = sheet.axes(names, 24, right, height)
    _frame(axes, whole, height)
    left, behind = (
        sheet.axes(0, 24, names, height),
        sheet.axes(names + right, 24, WIDTH - names - right, height),
    )
    _frame(left, names, height)
    _frame(behind, WIDTH - names - right, height)
    for number, row in enumerate(rows):
        low = height - ROW * (number + 1)
        empty = [place for place, time in enumerate(row.cells) if time.wanted <= 0]
        one = width.total_seconds()
        _boxes(
            axes,
            ((p * one + one * 0.06, low + ROW / 2 - 0.5, one * 0.88, 1) for p in empty),
            "line",
        )
        _cells_of_row(axes, row, one, low)
        _text(left, 0, low + ROW / 2, sheet.mark(row.name), color=_INK)
        for place, said in enumerate(row.figures):
            _text(behind, 8 + column * (place + 1), low + ROW / 2, said, ha="right")
    above = sheet.axes(0, 0, WIDTH, 24)
    _frame(above, WIDTH, 24)
    for place, said in enumerate(heads):
        _text(above, names + right + 8 + column * (place + 1), 12, said, ha="right")
    for at in (0, 24 + height) if is_high else (0,):
        beside = sheet.axes(names, at, right, 24)
        _frame(beside, whole, 24)
        _times(beside, span, 10 if at else 12, 8)
    return sheet.written(label)


def _cells_of_row(axes: Axes, row: Row, one: float, low: float) -> None:
    _cells(axes, row.cells, one, low + 1.5, ROW - 3, 0.06)


def prices(panels: Sequence[Panel], span: Span, label: str, *, columns: int = 2) -> str:
    """Return the price of some tokens over the span, with their gaps shaded by cause."""
    high, space = (150, 60) if columns > 1 else (240, 60)
    sheet = Sheet((high + space) * math.ceil(len(panels) / columns))
    whole = WIDTH / columns
    for number, panel in enumerate(panels):
        top = (high + space) * (number // columns)
        left = whole * (number % columns)
        inner = whole - 44 - 28
        title = sheet.axes(left, top, whole, 28)
        _frame(title, whole, 28)
        _text(title, 0, 14, sheet.mark(panel.title), color=_INK)
        _price(sheet.axes(left + 44, top + 32, inner, high), panel, span)
        below = sheet.axes(left + 44, top + 34 + high, inner, 20)
        _frame(below, span.lasts.total_seconds(), 1)
        _times(below, span, 0.4, 5 if columns > 1 else 13)
    return sheet.written(label)


def _price(axes: Axes, panel: Panel, span: Span) -> None:
    seconds = span.lasts.total_seconds()
    low, high = _reach(panel.candles)
    axes.set_xlim(0, seconds)
    axes.set_ylim(low, high)
    step = next(
        s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if (high - low) / s <= 5
    )
    lines = range(math.ceil(round(low / step, 6)), math.floor(round(high / step, 6)) + 1)
    digits = 3 if step < 0.01 else 2
    for number in lines:
        _line(axes, (0, seconds), (number * step, number * step), _LINE, 1)
        _text(axes, -0.012 * seconds, number * step, f"{number * step:.{digits}f}", ha="right")
    causes: dict[str, list[Box]] = {}
    for gap in panel.gaps:
        start = max(0.0, (gap.start - span.start).total_seconds())
        lasts = min(seconds, (gap.end - span.start).total_seconds()) - start
        box = (start, low, max(lasts, seconds * 0.002), high - low)
        causes.setdefault(cause_name(gap.cause), []).append(box)
    for colour, boxes in causes.items():
        _boxes(axes, boxes, colour, shade=0.35)
    for run in _runs(panel, span):
        _run(axes, run)


def _reach(candles: Sequence[Candle]) -> tuple[float, float]:
    """Return the ends of the scale of prices: a tenth of a USDC at least, within 0 and 1."""
    lows = [float(each.low) for each in candles if each.low is not None]
    highs = [float(each.high) for each in candles if each.high is not None]
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    spare = max(0.05 * (high - low), (0.1 - (high - low)) / 2, 0.0)
    low, high = low - spare, high + spare
    low, high = (0.0, high - low) if low < 0 else (low, high)
    low, high = (low - (high - 1), 1.0) if high > 1 else (low, high)
    return max(low, 0.0), high


_Point = tuple[float, float, float, float]


def _runs(panel: Panel, span: Span) -> list[list[_Point]]:
    """Return the prices in pieces: place, lowest, highest and last; none goes over a gap."""
    cuts = sorted((gap.start, gap.end) for gap in panel.gaps)
    width = panel.candles[1].at - panel.candles[0].at if len(panel.candles) > 1 else span.lasts
    runs: list[list[_Point]] = [[]]
    before: datetime | None = None
    place = 0
    for each in panel.candles:
        if each.low is None or each.high is None or each.close is None:
            continue
        at = _beside_gap(each.at, each.at + width, cuts)
        while before is not None and place < len(cuts) and cuts[place][1] <= before:
            place += 1
        if before is not None and place < len(cuts) and cuts[place][0] < at:
            runs.append([])
        middle = min(max((at - span.start).total_seconds(), 0.0), span.lasts.total_seconds())
        runs[-1].append((middle, float(each.low), float(each.high), float(each.close)))
        before = at
    return [run for run in runs if run]


def _beside_gap(
    start: datetime, end: datetime, cuts: Sequence[tuple[datetime, datetime]]
) -> datetime:
    """Return the middle of a bin, or, if it is within a gap, the side of that with trades."""
    middle = start + (end - start) / 2
    place = bisect_right(cuts, middle, key=lambda cut: cut[0]) - 1
    if place < 0 or cuts[place][1] <= middle:
        return middle
    return cuts[place][0] if start < cuts[place][0] else cuts[place][1]


def _run(axes: Axes, run: Sequence[_Point]) -> None:
    xs, lows, highs, closes = (list(each) for each in zip(*run, strict=True))
    accent = STANDS_FOR["accent"]
    if len(run) > 1:
        axes.fill([*xs, *xs[::-1]], [*lows, *highs[::-1]], color=accent, alpha=0.22, linewidth=0)
        _line(axes, xs, closes, accent, 1.5, 3)
    else:
        _line(
            axes, [xs[0], xs[0]], [lows[0], highs[0]], accent, 3, 3
        )  # a round end makes it a point


def lateness(labels: Labels, label: str) -> str:
    """Return bars of how late labels were recorded: winners, and splits above them."""
    sheet = Sheet(190)
    left, width = 64, WIDTH - 64
    axes = sheet.axes(left, 12, width, 140)
    kinds = [[0] * len(LATENESS), [0] * len(LATENESS)]
    for each in labels.counts:
        kinds[each.kind == "split"][each.late] += each.number
    winners, splits = kinds
    most = max(map(sum, zip(winners, splits, strict=True)))
    end = _scale(axes, most, len(LATENESS))
    _frame(axes, len(LATENESS), end)
    _boxes(
        axes, ((n + 0.2, 0, 0.6, number) for n, number in enumerate(winners) if number), "accent"
    )
    stacked = zip(winners, splits, strict=True)
    _boxes(axes, ((n + 0.2, w, 0.6, s) for n, (w, s) in enumerate(stacked) if s), "second")
    below = sheet.axes(left, 156, width, 24)
    _frame(below, len(LATENESS), 1)
    for number, (_, said) in enumerate(LATENESS):
        _text(below, number + 0.5, 0.5, said, ha="center")
    return sheet.written(label)
