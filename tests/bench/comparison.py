"""The tracker against a rival: in turns on the same input, as a ratio of medians."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

Run = Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """One line of `bench.json`.

    Attributes:
        ours: One value a run, in `unit`; more is not always better.
        rivals: Likewise; empty where there is no rival.
        wanted: What the ratio, or without a rival the value, should be, for people.
        note: What one must know to read it.
    """

    name: str
    unit: str
    ours: Sequence[float]
    rivals: Sequence[float] = ()
    wanted: str = ""
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Return tracker by rival for each turn."""
        return [ours / rival for ours, rival in zip(self.ours, self.rivals, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """Return it for `bench.json`: medians, and null where there is no rival."""
        rivals = self.rivals
        return {
            "name": self.name,
            "ours": median(self.ours),
            "rival": median(rivals) if rivals else None,
            "ratio": median(self.ratios) if rivals else None,
            "unit": self.unit,
            "runs": len(self.ours),
        }

    def line(self) -> str:
        """Return it for people: medians, then least, median and most of the ratio."""
        text = f"{self.name:28} {_short(median(self.ours)):>9}"
        if self.rivals:
            text += f" {_short(median(self.rivals)):>9} {_spread(self.ratios):>21}"
        else:
            text += f" {'-':>9} {_spread(self.ours):>21}"
        return f"{text}  {self.unit:24} {self.wanted:10} {self.note}".rstrip()


HEAD = (
    f"{'name':28} {'ours':>9} {'rival':>9} {'ratio, or ours: ↓ ~ ↑':>21}  {'unit':24} {'wanted':10}"
)


@dataclass
class Findings:
    """The results of a part.

    Attributes:
        figures: What goes to `bench.json`.
        tables: Titles, headings and rows of what is only printed.
        absent: Rivals and runs that could not take part, and why.
        growth: Connections, cores and MiB of runs that grow, for the plot.
    """

    figures: list[Figure] = field(default_factory=list)
    tables: list[tuple[str, Sequence[str], list[Sequence[Any]]]] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    growth: list[dict[str, float]] = field(default_factory=list)


def alternate(runs: dict[str, Run], turns: int) -> dict[str, list[float]]:
    """Run all in turns, so that other work of the machine affects them alike."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns):
        order = list(runs) if turn % 2 == 0 else list(reversed(runs))
        for name in order:
            found[name].append(runs[name]())
    return found


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table as text."""
    cells = [[*heads], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(heads))]
    lines = [
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([title, *lines])


def _cell(value: Any) -> str:
    return _short(value) if isinstance(value, float | int) else str(value)


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _spread(values: Sequence[float]) -> str:
    return " ~ ".join(_short(value) for value in (min(values), median(values), max(values)))
