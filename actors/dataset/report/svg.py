"""Plots of matplotlib as parts of the page: small, without styles of their own, in its colours.

What matplotlib writes has a style in each element, which the policy of the page forbids, and fixed
colours, which are wrong in one of the two schemes. Here paths and texts are taken out of it and
written again with plain attributes. Texts of strangers never pass through matplotlib, which would
read them as mathematics and miss letters in its font: marks stand for them until here.
"""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from actors.dataset.report.palette import VARIABLES

WIDTH: Final = 984
"""Units of a whole plot, each a pixel of the page where it is widest."""
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "tracker-report",
    "text.parse_math": False,
    "path.simplify": False,
}
_NOTHING: Final = {"Date": None, "Creator": None, "Format": None, "Type": None}
_KEPT: Final = ("stroke-width", "stroke-dasharray", "stroke-linecap", "text-anchor", "font-weight")
_SHADES: Final = ("opacity", "fill-opacity", "stroke-opacity")
_NUMBER: Final = re.compile(r"-?\d+\.\d+")
_MARK: Final = re.compile(r"@\d+")


@contextmanager
def plain() -> Iterator[None]:
    """Let matplotlib draw the same everywhere, whatever the user has set for it."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


class Sheet:
    """A plot that is being drawn, within `plain`.

    Args:
        height: Units; the width is `WIDTH`.
    """

    def __init__(self, height: float) -> None:
        self.height = height
        self._figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        FigureCanvasSVG(self._figure)
        self._texts: list[str] = []

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return axes at this place, counted from the upper left corner, without frame or ticks."""
        bottom = self.height - top - height
        box = (left / WIDTH, bottom / self.height, width / WIDTH, height / self.height)
        found = self._figure.add_axes(box)
        found.set_axis_off()
        return found

    def mark(self, text: str) -> str:
        """Return what stands for a text of strangers until the plot is written."""
        self._texts.append(text)
        return f"@{len(self._texts) - 1}"

    def written(self, label: str) -> str:
        """Return the plot as a part of an HTML page.

        Args:
            label: What it shows, for those who do not see it. Not HTML yet.
        """
        buffer = io.StringIO()
        self._figure.savefig(buffer, format="svg", transparent=True, metadata=_NOTHING)
        root = ET.fromstring(buffer.getvalue())  # noqa: S314 - of our own making
        parts = "".join(self._parts(root))
        return (
            f'<svg viewBox="0 0 {WIDTH} {self.height:g}" role="img"'
            f' aria-label="{html.escape(label)}">{parts}</svg>'
        )

    def _parts(self, element: ET.Element) -> Iterator[str]:
        for each in element:
            kind = each.tag.rpartition("}")[2]
            if kind == "path":
                yield from _path(each)
            elif kind == "text":
                yield self._text(each)
            elif kind == "g":
                yield from self._parts(each)

    def _text(self, element: ET.Element) -> str:
        style = _style(element)
        given: dict[str, str] = {name: style[name] for name in _KEPT if name in style}
        given |= {
            "x": _rounded(element.get("x", "0")),
            "y": _rounded(element.get("y", "0")),
            "font-size": style["font-size"].removesuffix("px"),
            "fill": _colour(style.get("fill", "#000000")),
        }
        said = element.text or ""
        if _MARK.fullmatch(said):
            said = self._texts[int(said[1:])]
        return f"<text{_attributes(given)}>{html.escape(said)}</text>"


def _path(element: ET.Element) -> Iterator[str]:
    style = _style(element)
    fill, stroke = style.get("fill", "#000000"), style.get("stroke", "none")
    if fill == stroke == "none" or not element.get("d", ""):
        return
    given = {"d": _rounded(" ".join(element.get("d", "").split())), "fill": _colour(fill)}
    if stroke != "none":
        given["stroke"] = _colour(stroke)
        given |= {name: style[name] for name in _KEPT if name in style}
    given |= {name: style[name] for name in _SHADES if name in style}
    yield f"<path{_attributes(given)}/>"


def _style(element: ET.Element) -> dict[str, str]:
    pairs = (each.partition(":") for each in element.get("style", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def _colour(number: str) -> str:
    """Return the variable that a colour stands for.

    Raises:
        KeyError: It stands for none: a plot was given a colour of its own.
    """
    return number if number == "none" else VARIABLES[number]


def _rounded(numbers: str) -> str:
    return _NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), numbers)


def _attributes(given: dict[str, str]) -> str:
    return "".join(f' {name}="{html.escape(value)}"' for name, value in given.items())
