"""Each public relation and column says in the database what docs/reference/data.md says of it."""

import pytest

from tests.docs.data_comments import Comment, comments
from tests.postgres import ask

pytestmark = pytest.mark.db

FOUND = """select 'column', c.relname || '.' || a.attname, col_description(c.oid, a.attnum)
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0
    union all
    select case c.relkind when 'r' then 'table' else 'view' end, c.relname,
           obj_description(c.oid, 'pg_class')
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
    union all
    select 'function',
           replace(p.oid::regprocedure::text, 'timestamp with time zone', 'timestamptz'),
           obj_description(p.oid, 'pg_proc')
    from pg_proc p where p.pronamespace = 'public'::regnamespace"""


def test_the_comments_are_those_of_the_page(database: str) -> None:
    found = {
        Comment(kind, name.replace(",", ", "), text) for kind, name, text in ask(database, FOUND)
    }
    assert found == set(comments())


def test_no_comment_is_empty() -> None:
    assert all(each.text for each in comments())
