"""The public relations are a contract; schema.sql and the migrations build the same schema."""

import re

import pytest

from actors.database.queries import SQL
from actors.database.schema import migrate
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

PUBLIC = {
    "trades": (
        "traded_at received_at condition_id token_id outcome price size side fee_rate_bps"
        " transaction_hash occurrence epoch sequence trade_id"
    ),
    "markets": "condition_id question slug end_date closed neg_risk",
    "assets": "token_id condition_id outcome outcome_index",
    "resolutions": (
        "condition_id kind winning_token_id winning_outcome payouts resolved_at recorded_at"
    ),
    "resolution_payouts": "condition_id token_id outcome payout",
    "labels": "token_id condition_id outcome payout resolved_at known_at contested sources",
    "resolution_observations": "condition_id source observed_at verdict payload",
    "resolution_confirmations": "condition_id source confirmed_at recorded_at",
    "resolution_conflicts": "condition_id detected_at recorded observed source cleared_at",
    "unresolved_markets": "condition_id ended_at state reason last_observed_at",
    "coverage": "token_id during",
    "connection_events": "at connection event reason",
    "rejected_messages": "received_at connection reason payload",
    "audits": "condition_id hour witness theirs ours missing unmatched result checked_at evidence",
}
TYPES = {
    ("trades", "price"): "numeric(19,18)",
    ("trades", "size"): "numeric(38,18)",
    ("trades", "traded_at"): "timestamp with time zone",
    ("resolutions", "payouts"): "numeric(19,18)[]",
    ("markets", "volume"): "numeric(38,18)",
    ("markets", "tick_size"): "numeric(19,18)",
    ("resolution_payouts", "payout"): "numeric(19,18)",
    ("labels", "payout"): "numeric(19,18)",
    ("resolution_observations", "payload"): "jsonb",
    ("coverage", "during"): "tstzrange",
    ("rejected_messages", "payload"): "bytea",
}
COLUMNS = """select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      a.attidentity, pg_get_expr(d.adbin, d.adrelid), c.relkind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where n.nspname in ('public', 'tracker') and a.attnum > 0 and not a.attisdropped
    order by 1, 2, n.nspname desc"""
SNAPSHOT = (
    COLUMNS,
    """select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
       where connamespace in ('public'::regnamespace, 'tracker'::regnamespace) order by 1, 2""",
    "select indexdef from pg_indexes where schemaname in ('public', 'tracker') order by 1",
    """select tgrelid::regclass::text, pg_get_triggerdef(oid) from pg_trigger
       where not tgisinternal order by 1, 2""",
    """select pg_get_functiondef(oid) from pg_proc
       where pronamespace in ('public'::regnamespace, 'tracker'::regnamespace) order by 1""",
    """select viewname, definition from pg_views
       where schemaname in ('public', 'tracker') order by 1""",
)


def test_schema_sql_builds_what_the_migrations_build(server: Server) -> None:
    with server.database() as by_migrations, server.database() as by_schema:
        migrate.apply(f"{by_migrations} options='-c tracker.timescale=off'")
        do(by_schema, (SQL / "schema.sql").read_text())
        for query in SNAPSHOT:
            built = ask(by_migrations, query)
            assert ask(by_schema, query) == built
            assert built


@pytest.mark.parametrize("relation", PUBLIC)
def test_a_public_relation_has_its_columns(database: str, relation: str) -> None:
    have = {row[1] for row in ask(database, COLUMNS) if row[0] == relation}
    assert set(PUBLIC[relation].split()) <= have


def test_public_columns_have_their_types(database: str) -> None:
    have = {(row[0], row[1]): row[2] for row in ask(database, COLUMNS)}
    assert {column: have[column] for column in TYPES} == TYPES


def test_coverage_gaps_is_a_function_of_a_token_and_two_times(database: str) -> None:
    query = """select pg_get_function_arguments(oid), pg_get_function_result(oid)
        from pg_proc where proname = 'coverage_gaps'"""
    assert ask(database, query) == [
        (
            "token_id text, from_time timestamp with time zone, to_time timestamp with time zone",
            "TABLE(gap tstzrange, cause text)",
        )
    ]


def test_each_query_says_its_purpose_at_its_head() -> None:
    files = sorted((SQL / "queries").glob("*.sql"))
    assert files
    for file in files:
        assert file.read_text().startswith("-- "), file.name


FOR_READERS = """select c.relname::text from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    union all select p.proname || '()' from pg_proc p
    where p.pronamespace = 'public'::regnamespace"""
WITH_RIGHTS_OF_OWNER = """select proname::text from pg_proc where prosecdef
    and pronamespace in ('public'::regnamespace, 'tracker'::regnamespace)"""


def paragraph(begin: str) -> str:
    """Return a paragraph of the head of schema.sql."""
    head = (SQL / "schema.sql").read_text().partition("\nset search_path")[0]
    (found,) = (each for each in head.split("\n--\n") if each.startswith(begin))
    return found


def test_the_head_of_the_schema_names_everything_that_is_public(database: str) -> None:
    named = re.findall(r"\w+(?:\(\))?", paragraph("-- Schema `public`"))
    assert {name for (name,) in ask(database, FOR_READERS)} - set(named) == set()


def test_the_head_of_the_schema_names_functions_with_rights_of_the_owner(database: str) -> None:
    named = re.findall(r"\w+(?=\(\))", paragraph("-- Rights"))
    assert {name for (name,) in ask(database, WITH_RIGHTS_OF_OWNER)} == (
        set(named) - {"coverage_gaps"}  # which is named with what readers may read for it
    )


def test_the_head_of_the_schema_names_every_table_of_which_rows_are_deleted() -> None:
    texts = [file.read_text() for file in (SQL / "queries").glob("*.sql")]
    deleted = {name for text in texts for name in re.findall(r"delete from \w+\.(\w+)", text)}
    assert len(deleted) > 5
    assert deleted - set(re.findall(r"\w+", paragraph("-- Nothing is deleted"))) == set()
