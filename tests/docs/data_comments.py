"""What docs/reference/data.md says of each relation and column, as the comments of the database."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[2] / "docs" / "reference" / "data.md"
FUNCTIONS = {
    "coverage_gaps": "coverage_gaps(text, timestamptz, timestamptz)",
    "candles": "candles(text, timestamptz, timestamptz, interval)",
    "trades_of_transaction": "trades_of_transaction(text, timestamptz, timestamptz)",
}
COLUMN = re.compile(r"^\| (\w+) \| [a-z\[\]]+ \| (.*) \|$", re.MULTILINE)
VIEWS = {"trades", "coverage", "unresolved_markets"}


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
        before = text.strip().partition("\n\n")[0]
        kind = "function" if name in FUNCTIONS else "view" if name in VIEWS else "table"
        yield Comment(kind, FUNCTIONS.get(name, name), plain(before))
        if kind == "function":
            continue  # what it returns has no columns to comment on
        rows = text.partition("|---")[2]
        for column, meaning in COLUMN.findall(rows):
            yield Comment("column", f"{name}.{column}", plain(meaning))


def plain(text: str) -> str:
    """Return a text without what only a page has: links, code marks, line ends."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(text.replace("`", "").replace("**", "").split())
