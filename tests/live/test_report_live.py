"""A report in a real browser: it asks nobody, fits each screen, and is readable in both schemes."""

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.dataset.report import page as report
from actors.dataset.report.values import (
    Bin,
    Candle,
    Contents,
    Coverage,
    Name,
    Span,
    Stretch,
    Traded,
    Trades,
)
from actors.dataset.report.values import Path as PricePath
from tests.browser import CHROMIUM, WITHOUT, Browser, browser
from tests.dataset.pages import open_report
from tests.dataset.report_samples import contents, hour, market
from tests.live.test_page_live import ATTACKS

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT),
]

OVERLAPPING = """(() => {
  const found = [];
  for (const svg of document.querySelectorAll("svg")) {
    const boxes = [...svg.querySelectorAll("text")].map(
      each => [each.textContent, each.getBoundingClientRect()]);
    for (const [n, [one, a]] of boxes.entries())
      for (const [other, b] of boxes.slice(n + 1))
        if (a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom)
          found.push(one + " | " + other);
    const own = svg.getBoundingClientRect();
    for (const [text, box] of boxes)
      if (box.left < own.left - 1 || box.right > own.right + 1) found.push(text + " is cut");
  }
  return found;
})()"""
COLOURS = """[...new Set([...document.querySelectorAll("svg text, svg path, body, h1, td")].flatMap(
  each => { const s = getComputedStyle(each); return [s.fill, s.stroke, s.color]; }))]"""
SIZES = "[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"
LONG = "Will the old mill be sold this year, for any price at all, to anybody who is no relative?"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def page(chromium: Browser) -> Browser:
    chromium.requested.clear()
    chromium.said.clear()
    return chromium


def busy(hours: float) -> Contents:
    """Return the contents of a report of many markets with long names, over so many hours."""
    chance = random.Random(1)
    span = Span(hour(0), hour(hours))
    names = [f"0x{n:02}" for n in range(60)]
    parts = [
        Stretch(name, "7", hour(start * hours / 20), hour((start + 1) * hours / 20), cause)
        for name in names
        for start in range(20)
        for cause in [chance.choice(["", "", "frozen", "process_down", "disconnected"])]
    ]
    width = span.width(300)
    prices = tuple(
        Candle(at, Decimal("0.997"), Decimal("0.999"), Decimal("0.998")) for at in span.bins(width)
    )
    return contents(
        span=span,
        trades=Trades(
            tuple(Bin(at, 1_234_567, Decimal(10)) for at in span.bins(span.width(62))),
            tuple(Traded(name, "7", 1_234_567, Decimal(98_765_432)) for name in names),
            60,
        ),
        coverage=Coverage(tuple(parts), 60),
        paths=tuple(PricePath(name, "7", "South Town United", prices) for name in names[:6]),
        names={name: Name(f"{LONG} {name}", name) for name in names},
    )


def written(made: Contents, tmp_path: Path) -> Path:
    place = tmp_path / "report.html"
    place.write_text(report.render(made))
    return place


@pytest.mark.parametrize("text", ATTACKS, ids=range(len(ATTACKS)))
def test_a_report_asks_nobody_and_runs_nothing(page: Browser, tmp_path: Path, text: str) -> None:
    for made in (contents(text), market(text)):
        place = written(made, tmp_path)
        page.requested.clear()
        open_report(page, place, width=1_040)
        for width in (1_040, 320):
            page.resize(width)
            scroll, body, inner = page.run(SIZES)
            assert max(scroll, body) <= inner == width
        assert {each for each in page.requested if not each.startswith("data:")} == {place.as_uri()}
        assert page.said == []
        assert page.run("document.title") != "owned"
        assert page.run("document.querySelectorAll('script, img, iframe').length") == 0


def test_the_policy_holds_off_what_would_get_into_the_page(page: Browser, tmp_path: Path) -> None:
    place = written(contents(), tmp_path)
    planted = (
        "<script>document.title = 'owned'</script><style>body { display: none }</style>"
        "<p id=p style='display: none' onclick=\"document.title = 'owned'\">x</p>"
    )
    place.write_text(place.read_text().replace("</main>", f"{planted}</main>"))
    open_report(page, place)
    page.run("document.getElementById('p').click()")

    assert page.run("document.title") != "owned"
    assert page.run("getComputedStyle(document.body).display") == "block"
    assert page.run("getComputedStyle(document.getElementById('p')).display") == "block"
    assert len([each for each in page.said if "Content Security Policy" in each]) >= 3


# A narrow window is the same page in another size: to draw and load it anew takes twice as long.
@pytest.mark.parametrize("hours", [24, 48, 72, 24 * 7, 24 * 31])
def test_no_text_of_a_plot_overlaps_another_or_is_cut(
    page: Browser, tmp_path: Path, hours: float
) -> None:
    open_report(page, written(busy(hours), tmp_path), width=1_040)

    for width in (1_040, 360):
        page.resize(width)
        assert page.run("document.querySelectorAll('svg text').length") > 200
        assert page.run(OVERLAPPING) == []
        scroll, body, inner = page.run(SIZES)
        assert max(scroll, body) <= inner == width


def test_both_schemes_have_colours_of_their_own(page: Browser, tmp_path: Path) -> None:
    place = written(busy(24), tmp_path)
    found: dict[str, Any] = {}
    for scheme in ("light", "dark"):
        open_report(page, place, scheme=scheme)
        found[scheme] = set(page.run(COLOURS)) - {"none"}
        paper = page.run("getComputedStyle(document.body).backgroundColor")
        assert paper not in found[scheme]  # nothing is invisible
    assert len(found["light"]) > 8
    assert not found["light"] & found["dark"] - {"rgb(0, 0, 0)"}  # the fill of what is no plot


def test_a_screen_reader_is_told_of_headings_plots_and_tables(
    page: Browser, tmp_path: Path
) -> None:
    open_report(page, written(contents(), tmp_path))
    told = page.accessible()

    names = {name for role, name in told if role == "heading"}
    assert {"2026-03-01", "Gaps", "Labels", "Connections"} <= names
    plots = [name for role, name in told if role == "image"]
    assert len(plots) == 4
    assert all(len(name) > 20 for name in plots)
    assert len([role for role, _ in told if role == "table"]) > 6
