"""The page of a report: it loads nothing, runs nothing, and shows what strangers wrote as text.

Faults: a text of a stranger becomes HTML, or hides or moves what is around it; the page asks
another site; 100 % is shown though something was missed; two runs give other bytes; a table grows
without end.
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from typing import Any

import matplotlib as mpl
import pytest

from actors.dataset.report import page, sections
from actors.dataset.report.markup import MARK
from actors.dataset.report.text import days
from actors.dataset.report.values import Contents, Coverage, Labels, MarketDays, Trades
from actors.model.connection import GapCause
from actors.model.conversion import INVISIBLE
from tests.architecture.test_security import HOSTILE
from tests.dataset import report_samples as samples
from tests.dataset.report_samples import SPAN, contents, market, stretch

ATTACKS = (
    *HOSTILE,
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg><iframe src=//evil.example>",
    "<svg/onload=alert(1)>",
    "&lt;b&gt; &#60;script&#62; &",
    "]]> <!-- --> <![CDATA[",
    "a" + "\u0301" * 500,
    "$\\frac{1}{2}$ $unclosed",
    "@0 @1 @999",
    "expression(url(//evil.example/x.css))",
)
TAGS = {
    "html", "head", "meta", "title", "link", "style", "body", "header", "main", "footer", "section",
    "h1", "h2", "h3", "p", "dl", "div", "dt", "dd", "ul", "li", "table", "thead", "tbody", "tr",
    "th", "td", "span", "code", "b", "svg", "path", "text",
}  # fmt: skip
ATTRIBUTES = {
    "html": {"lang"}, "meta": {"charset", "http-equiv", "content", "name"}, "link": {"rel", "href"},
    "svg": {"viewbox", "role", "aria-label"},
    "path": {"d", "fill", "stroke", "stroke-width", "stroke-linecap", "opacity", "fill-opacity",
             "stroke-opacity"},
    "text": {"x", "y", "fill", "font-size", "text-anchor"},
}  # fmt: skip
EVERYWHERE = {"class", "scope", "tabindex"}
CASES = {"day": contents, "market": market}


class Read(HTMLParser):
    """What a browser makes of a page: elements with their attributes, and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "link", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)


@cache
def elements_of_a_plain_page(case: str) -> int:
    return len(Read(page.render(CASES[case]("plain"))).elements)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("text", ATTACKS, ids=range(len(ATTACKS)))
def test_what_strangers_wrote_is_only_text(text: str, case: str) -> None:
    html = page.render(CASES[case](text))
    read = Read(html)

    assert {tag for tag, _ in read.elements} <= TAGS
    for tag, attributes in read.elements:
        assert attributes.keys() <= ATTRIBUTES.get(tag, set()) | EVERYWHERE, tag
    assert read.open == []
    assert len(read.elements) == elements_of_a_plain_page(case)
    assert re.findall(f"[{INVISIBLE}]", html.replace("\n", "")) == []
    html.encode()  # no half of a pair is left
    assert "a" * 700 not in html
    assert "\u0301" * 3 not in html


def test_the_texts_of_strangers_are_there_as_they_wrote_them() -> None:
    texts = "".join(Read(page.render(contents("<b>5 > 4 & $3$</b>"))).texts)

    assert texts.count("<b>5 > 4 & $3$</b>") > 10


@pytest.mark.parametrize("case", CASES)
def test_a_page_loads_nothing_and_its_policy_says_so(case: str) -> None:
    html = page.render(CASES[case]("https://evil.example/x.png"))
    elements = Read(html).elements

    assert [a["href"] for _, a in elements if "href" in a] == ["data:,"]
    assert not [a for _, a in elements if {"src", "style", "srcset", "action"} & a.keys()]
    (policy,) = (a["content"] for _, a in elements if a.get("http-equiv"))
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert dict(each.strip().split(" ", 1) for each in policy.split(";")) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not re.search(r"url\(|@import|<script|javascript:", html)
    assert html.startswith(MARK)


def test_every_colour_of_a_plot_is_one_of_both_schemes() -> None:
    light, _, dark = page.STYLE.partition("prefers-color-scheme: dark")
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', page.render(contents()))) - {"none"}
    names = {colour.removeprefix("var(--").removesuffix(")") for colour in colours}

    assert all(colour.startswith("var(--") for colour in colours)
    for scheme in (light, dark.partition("* {")[0]):
        assert names <= set(re.findall(r"--([\w-]+):", scheme))


@pytest.mark.parametrize("cause", [*GapCause, "something new"])
def test_every_cause_has_a_colour_a_swatch_and_its_place_in_the_legend(cause: str) -> None:
    html = page.render(contents(coverage=Coverage((stretch(0, 5), stretch(5, 6, cause)), 1)))
    (name,) = set(re.findall(r'class="swatch ([\w-]+)"', html))

    assert page.STYLE.count(f"--{name}: #") == 2
    assert f".{name}::before" in page.STYLE
    assert f'<li class="{name}">{cause}</li>' in html


def test_100_percent_is_shown_only_where_nothing_is_missed() -> None:
    nearly = Coverage((stretch(0, 23.999999), stretch(23.999999, 24, "frozen")), 1)
    assert "100 %" not in page.render(contents(coverage=nearly))
    assert "99.99 %" in page.render(contents(coverage=nearly))
    whole = page.render(contents(coverage=Coverage((stretch(0, 24),), 1)))
    assert '<span class="good">100 %</span>' in whole
    assert "Nothing that was wanted was missed." in whole


EMPTY: dict[str, Any] = {
    "trades": Trades(), "coverage": Coverage(), "paths": (), "labels": Labels(), "waiting": (),
    "overdue": (), "conflicts": (), "rejected": (), "events": (), "said": (), "names": {},
    "outcomes": {},
}  # fmt: skip


def test_of_several_days_those_that_are_computed_count() -> None:
    span = SPAN._replace(end=SPAN.end + timedelta(days=1))
    found = page.render(contents(span=span, coverage=Coverage(days=MarketDays(9, 9))))
    assert "of 9 market days that are computed" in found


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (MarketDays(), "no day of it is computed yet"),
        (MarketDays(3_000, 3_000), '<span class="good">100 %</span>'),
        (MarketDays(3_000, 2_999), '<span class="bad">99.96 %</span>'),
        (MarketDays(3_000, 2_999, 1), "of 3,000 markets, of which 1 are computed again"),
    ],
)
def test_all_markets_count_for_whether_a_day_is_complete(days: MarketDays, said: str) -> None:
    assert said in page.render(contents(coverage=Coverage(days=days)))


@pytest.mark.parametrize("lacks", [*EMPTY, "all"])
@pytest.mark.parametrize("case", CASES)
def test_what_there_is_none_of_is_said(lacks: str, case: str) -> None:
    changes = EMPTY if lacks == "all" else {lacks: EMPTY[lacks]}
    html = page.render(CASES[case](**changes))

    assert Read(html).open == []
    assert "nan" not in html.lower().replace("finance", "")
    assert "None was open in this time." in html or lacks not in ("all", "conflicts")


def test_tables_are_cut_and_say_how_much_is_left() -> None:
    many = sections.MOST_ROWS + 7
    rejected = tuple(samples.contents().rejected[0]._replace(reason=str(n)) for n in range(many))
    html = page.render(contents(rejected=rejected))

    assert "and 7 more" in html
    assert f">{many - 1}<" not in html


def test_a_market_that_is_not_named_is_shown_by_its_id() -> None:
    assert f"<code>{samples.OTHER}</code>" in page.render(contents(names={}))


def test_tokens_have_the_names_of_their_outcomes() -> None:
    html = page.render(contents(outcomes={samples.YES: "Yes"}))
    assert "winner Yes (7777…7777)" in html
    assert "winner 8888…8888" in html
    assert samples.NO not in html


def test_a_time_that_is_not_over_is_told_so() -> None:
    html = page.render(contents(known_until=samples.hour(7.5)))
    assert "Not over yet: known until 2026-03-01 07:30:00." in html
    assert "Not over" not in page.render(contents())


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (0, 24, "2026-03-01"),
        (0, 72, "2026-03-01 to 2026-03-03"),
        (1, 5, "2026-03-01 01:00 to 2026-03-01 05:00"),
    ],
)
def test_the_time_is_told_as_people_write_it(start: float, end: float, said: str) -> None:
    span = SPAN._replace(start=samples.hour(start), end=samples.hour(end))
    assert days(span) == said
    assert f"<h1>{said}</h1>" in page.render(contents(span=span))


SHA = """import hashlib
from actors.dataset.report import page
from tests.dataset.report_samples import contents, market
for made in (contents(), market()):
    print(hashlib.sha256(page.render(made).encode()).hexdigest())
"""


def test_the_same_contents_give_the_same_bytes_in_every_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", SHA], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    here = [page.render(made()) for made in (contents, market)]

    assert said == {"".join(f"{hashlib.sha256(h.encode()).hexdigest()}\n" for h in here)}


def test_the_plots_of_a_user_look_as_everybody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    before = page.render(contents())
    monkeypatch.setitem(mpl.rcParams, "lines.linestyle", "--")
    monkeypatch.setitem(mpl.rcParams, "svg.fonttype", "path")
    assert page.render(contents()) == before


def test_every_table_of_a_day_is_there() -> None:
    made: Contents = contents()
    titles = re.findall(r"<h2>(.*?)</h2>", page.render(made))
    assert titles == [
        "Trades an hour", "Coverage, market by hour", "Gaps", "Prices of the most traded markets",
        "Labels", "Contradictions", "Rejected messages and drift", "Connections",
    ]  # fmt: skip
