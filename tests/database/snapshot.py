"""A snapshot: a database of this version with a row of everything, as one SQL file.

    python -m tests.database.snapshot

prints it. `python -m tests.database.schema_page` keeps it in
`tests/database/released`, where it never changes after the release: `test_upgrade.py`
proves for each of them that a database made so reads the same after an upgrade.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg

from actors import __version__
from actors.database import queries
from actors.database.schema import migrate
from actors.database.schema.migration_files import migrations
from actors.database.server.embedded import Embedded
from actors.database.store import Store
from tests.database.everything import everything

TABLES = """select c.oid::regclass::text from pg_class c
    where c.relnamespace in ('public'::regnamespace, 'tracker'::regnamespace)
    and c.relkind in ('r', 'p') and not c.relispartition
    order by c.relname not in ('journals', 'assets'), c.oid"""

IDENTITIES = """select format('%I.%I', table_schema, table_name), column_name
    from information_schema.columns
    where table_schema in ('public', 'tracker') and is_identity = 'YES' order by 1"""
DAYS = """select distinct (traded_at at time zone 'UTC')::date::text
    from tracker.trades order by 1"""


def snapshot(dsn: str) -> Iterator[str]:
    """Fill a database without a schema; yield the lines of a file that makes an equal one."""
    migrate.apply(dsn)
    store = Store(dsn)
    store.open(UUID(int=1))
    store.commit(everything())
    store.close()
    yield f"-- A database of version {__version__} with a row of everything. Never edited."
    yield f"{queries.CREATE_SCHEMA_MIGRATIONS.decode()};"
    for migration in migrations():
        yield f"\n-- {migration.name}\n{migration.text.decode()}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield from _rows(connection)


def _rows(connection: "psycopg.Connection[tuple[str, ...]]") -> Iterator[str]:
    for (day,) in connection.execute(DAYS).fetchall():
        yield f"select tracker.add_trade_day('{day}');"
    # The history of the markets is among the rows.
    yield "alter table public.markets disable trigger keep_history;"
    for (table,) in connection.execute(TABLES).fetchall():
        query = f"select coalesce(json_agg(t), '[]')::text from {table} t"  # noqa: S608 - a name from the catalog
        ((rows,),) = connection.execute(query.encode()).fetchall()
        if json.loads(rows):
            quoted = rows.replace("'", "''")
            as_rows = f"json_populate_recordset(null::{table}, '{quoted}')"
            yield f"insert into {table} overriding system value select * from {as_rows};"  # noqa: S608 - as above
    yield "alter table public.markets enable trigger keep_history;"
    for table, column in connection.execute(IDENTITIES).fetchall():
        yield f"select setval(pg_get_serial_sequence('{table}', '{column}'), 1000);"


def of_this_version() -> Iterator[str]:
    """Yield the lines of the snapshot of this version, from a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        embedded = Embedded(Path(folder) / "pg")
        embedded.start()
        try:
            yield from snapshot(embedded.dsn())
        finally:
            embedded.stop()


def main() -> int:
    """Print the snapshot of this version."""
    print("\n".join(of_this_version()))  # noqa: T201 - a program for people
    return 0


if __name__ == "__main__":
    sys.exit(main())
