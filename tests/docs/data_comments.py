"""What docs/reference/data.md says of each relation and column, as the comments of the database."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[2] / "docs" / "reference" / "data.md"
FUNCTIONS = {
    "coverage_gaps": "coverage_gaps(text, timestamptz, timestamptz)",
    "market_coverage()": "market_coverage(text, timestamptz, timestamptz)",
    "candles": "candles(text, timestamptz, timestamptz, interval)",
    "labels_as_of": "labels_as_of(timestamptz)",
    "trades_of_transaction": "trades_of_transaction(text, timestamptz, timestamptz)",
}
COLUMN = re.compile(r"^\| (\w+) \| [a-z\[\] ]+ \| (.*) \|$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)#]*)[^)]*\)")
ROOT = DATA.parents[2]
VIEWS = {"trades", "labels", "coverage", "market_coverage", "unresolved_markets"}


class Comment(NamedTuple):
    """A comment: on a `table`, `view`, `function` or `column` of this name."""

    kind: str
    name: str
    text: str


def comments() -> Iterator[Comment]:
    """Yield the comments, in the order of the page."""
    relations = DATA.read_text().partition("\n## Relations\n")[2]
    for section in relations.split("\n### ")[1:]:
        name, _, text = section.partition("\n")
        kind = "function" if name in FUNCTIONS else "view" if name in VIEWS else "table"
        lines = "\n".join(_lines(text, with_columns=kind == "function"))
        yield Comment(kind, FUNCTIONS.get(name, name), lines)
        if kind == "function":
            continue  # what it returns has no columns to comment on
        for column, meaning in _columns(text):
            yield Comment("column", f"{name}.{column}", meaning)


def _lines(section: str, *, with_columns: bool) -> Iterator[str]:
    """Yield a line for each paragraph and item of a list; and for each column, if asked for."""
    for block in section.strip().split("\n\n"):
        if not block.startswith("|"):
            yield from map(plain, re.split(r"\n(?=- )", block))
        elif with_columns:
            yield from (f"{column}: {meaning}" for column, meaning in _columns(block))


def _columns(text: str) -> Iterator[tuple[str, str]]:
    for column, meaning in COLUMN.findall(text.partition("|---")[2]):
        yield column, plain(meaning)


def plain(text: str) -> str:
    """Return a text without code marks and line ends, and of links the text and the file."""
    text = LINK.sub(_named, text)
    return " ".join(text.replace("`", "").replace("**", "").split())


def _named(link: re.Match[str]) -> str:
    text, file = link.groups()
    if not file:  # a heading of this page, so a relation
        return text
    return f"{text} ({(DATA.parent / file).resolve().relative_to(ROOT)})"
