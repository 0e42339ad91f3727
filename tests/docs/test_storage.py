"""docs/explanation/storage.md says of every table how long it is kept, and of no other."""

import re
from pathlib import Path

import pytest

from tests.postgres import ask

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "storage.md"
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TABLES = """select case n.nspname when 'public' then '' else n.nspname || '.' end || c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'tracker') and c.relkind in ('r', 'p') and not c.relispartition
    order by 1"""


def rows() -> dict[str, tuple[str, ...]]:
    """Return what the page says of each table."""
    text = PAGE.read_text().partition("\n## What is kept, and how long\n")[2]
    return {name: tuple(cells) for name, *cells in ROW.findall(text.partition("\n## ")[0])}


@pytest.mark.db
def test_the_page_names_every_table_and_no_other(database: str) -> None:
    assert sorted(rows()) == [name for (name,) in ask(database, TABLES)]


def test_each_table_has_a_purpose_a_growth_a_time_and_somebody_who_deletes() -> None:
    assert rows()
    for name, cells in rows().items():
        assert all(cell.strip() for cell in cells), name
        _, _, kept, who = cells
        # What is deleted is not kept for ever as a whole, and what is not deleted is.
        assert kept.startswith("for ever") or not who.startswith("nobody"), name
