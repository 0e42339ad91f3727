"""Trends: whether a figure stays flat, and a picture of its course."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]
"""Seconds since the start, value."""

WIDTH, HEIGHT, LEFT, TOP = 760, 110, 90, 24


@dataclass(frozen=True)
class Trend:
    """The line through the last two thirds of a series (least squares).

    Attributes:
        mean: Of these.
        drift: What the line gains from their first to their last moment.
        most: The largest value of all.
    """

    mean: float
    drift: float
    most: float

    def flat(self, *, share: float, least: float) -> bool:
        """Return whether it gains no more than a share of the mean, or than a least amount."""
        return self.drift <= max(share * abs(self.mean), least)


def fit(points: Sequence[Point]) -> Trend:
    """Fit the last two thirds of the time.

    Raises:
        ValueError: There are fewer than two moments.
    """
    began, ended = points[0][0], points[-1][0]
    late = [point for point in points if point[0] >= began + (ended - began) / 3]
    if len(late) < 2 or late[0][0] == late[-1][0]:
        raise ValueError("too few points for a line")
    middle = sum(at for at, _ in late) / len(late)
    mean = sum(value for _, value in late) / len(late)
    spread = sum((at - middle) ** 2 for at, _ in late)
    slope = sum((at - middle) * (value - mean) for at, value in late) / spread
    return Trend(mean, slope * (late[-1][0] - late[0][0]), max(value for _, value in points))


def drawn(series: Mapping[str, Sequence[Point]], marks: Sequence[tuple[float, str]]) -> str:
    """Return a picture (SVG): one panel for each series, under each other; faults are marked.

    What is below zero is drawn at the floor of its panel.
    """
    ended = max(at for points in series.values() for at, _ in points) or 1.0
    scale = (WIDTH - LEFT - 10) / ended
    tall = TOP + len(series) * (HEIGHT + 30) + 10
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}" '
            'font-family="sans-serif" font-size="11">'
        ),
        f'<rect width="{WIDTH}" height="{tall}" fill="white"/>',
    ]
    for number, (name, points) in enumerate(series.items()):
        top = TOP + number * (HEIGHT + 30)
        parts += _panel(name, points, top, scale)
        parts += [
            f'<line x1="{LEFT + at * scale:.1f}" x2="{LEFT + at * scale:.1f}" y1="{top}" '
            f'y2="{top + HEIGHT}" stroke="#c44" stroke-opacity="0.35">'
            f"<title>{escape(what)}</title></line>"
            for at, what in marks
        ]
    minutes = f"0 to {ended / 60:.0f} minutes; red lines are faults"
    return "\n".join([*parts, f'<text x="{LEFT}" y="{tall - 6}">{minutes}</text>', "</svg>\n"])


def _panel(name: str, points: Sequence[Point], top: int, scale: float) -> list[str]:
    most = max(value for _, value in points) or 1.0
    line = " ".join(
        f"{LEFT + at * scale:.1f},{top + HEIGHT * (1 - max(value, 0.0) / most):.1f}"
        for at, value in points
    )
    return [
        f'<text x="{LEFT}" y="{top - 6}">{escape(name)}</text>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:,.4g}</text>',
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
        (
            f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - 10}" height="{HEIGHT}" '
            'fill="none" stroke="#999"/>'
        ),
        f'<polyline points="{line}" fill="none" stroke="#246" stroke-width="1.2"/>',
    ]
