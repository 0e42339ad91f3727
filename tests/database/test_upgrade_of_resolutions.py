"""Migration 0016: payouts by token, ends of contradictions and the memory of the unresolved."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from actors.database import migrate
from tests.database.samples import at
from tests.postgres import Server, ask, do

pytestmark = pytest.mark.db

FILE = "0016_change_resolutions.sql"
TEXT = next(each.text for each in migrate.migrations() if each.name == FILE).decode()
ONE, NONE, HALF = Decimal(1), Decimal(0), Decimal("0.5")
MARKET = """insert into markets
    (condition_id, question, slug, closed, active, neg_risk, version, tags)
    values (%s, '', '', true, true, false, 'v1', '{}')"""
ASSET = (
    "insert into assets (token_id, condition_id, outcome, outcome_index) values (%s, %s, %s, %s)"
)
RESOLUTION = "insert into resolutions values (%s, %s, %s, %s, %s, %s, %s, '{clob,gamma}')"
CONFLICT = "insert into resolution_conflicts values (%s, %s, %s, %s, %s)"
Upgrade = Callable[[], None]


@pytest.fixture(scope="module")
def before(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the name of a database as it was before the migration."""
    folder = Path(tmp_path_factory.mktemp("before"))
    for each in migrate.migrations():
        if each.name < FILE:
            (folder / each.name).write_bytes(each.text)
    with server.database() as dsn:
        migrate.apply(dsn, folder)
        yield psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]  # type: ignore[misc]


@pytest.fixture
def old(server: Server, before: str) -> Iterator[str]:
    with server.database(before) as dsn:
        yield dsn


def resolved(dsn: str, condition: str, winner: str | None, *assets: tuple[str, str | None]) -> None:
    """Store a market with its tokens in their present order, and its resolution."""
    do(dsn, MARKET, condition)
    for index, (token, name) in enumerate(assets):
        do(dsn, ASSET, token, condition, name, index)
    kind, name = ("split", None) if winner is None else ("winner", "Yes")
    payouts = [HALF, HALF] if winner is None else [ONE, NONE]
    do(dsn, RESOLUTION, condition, kind, winner, name, payouts, at(0), at(100))


def test_what_each_token_pays_follows_from_the_winner_and_not_from_the_order_of_today(
    old: str,
) -> None:
    resolved(old, "0x1", "11", ("11", "Yes"), ("12", "No"))
    resolved(old, "0x2", "21", ("22", "No"), ("21", "Yes"))  # reversed since
    resolved(old, "0x3", "31", ("31", "No"), ("32", "Yes"))  # names swapped since
    resolved(old, "0x4", None, ("41", "Yes"), ("42", "No"))
    resolved(old, "0x5", "51")  # its market is not known
    migrate.apply(old)

    query = "select condition_id, token_id, outcome, payout from resolution_payouts order by 1, 2"
    assert ask(old, query) == [
        ("0x1", "11", "Yes", ONE),
        ("0x1", "12", "No", NONE),
        ("0x2", "21", "Yes", ONE),
        ("0x2", "22", "No", NONE),
        ("0x3", "31", "Yes", ONE),
        ("0x3", "32", None, NONE),
        ("0x4", "41", "Yes", HALF),
        ("0x4", "42", "No", HALF),
        ("0x5", "51", "Yes", ONE),
    ]


def test_a_token_that_only_trades_name_gets_no_payout(old: str) -> None:
    resolved(old, "0x1", "11", ("11", "Yes"), ("12", "No"))
    do(old, ASSET, "13", "0x1", None, None)
    migrate.apply(old)

    assert ask(old, "select token_id from resolution_payouts order by 1") == [("11",), ("12",)]


def test_contradictions_of_before_end_where_the_sources_have_agreed_since(old: str) -> None:
    resolved(old, "0x1", "11", ("11", "Yes"), ("12", "No"))  # recorded at 100 s
    told = (
        ("0x1", at(50), "gamma says winner 12", "winner 11", "clob"),
        ("0x1", at(150), "winner 11", "winner 12", "data"),
        ("0x2", at(50), "gamma says winner 22", "winner 21", "clob"),
    )
    for row in told:
        do(old, CONFLICT, *row)
    migrate.apply(old)

    query = """select condition_id, detected_at, recorded, observed, source, kind, cleared_at,
        cleared_by from resolution_conflicts order by 1, 2"""
    assert ask(old, query) == [
        (*told[0], "outcome", at(100), "resolved"),
        (*told[1], "outcome", None, None),
        (*told[2], "outcome", None, None),
    ]


def test_of_a_contradiction_that_several_told_the_first_row_stays_open(old: str) -> None:
    for row in (
        ("0x1", at(2), "split", "winner 1", "data"),
        ("0x1", at(1), "winner 1", "split", "clob"),
        ("0x1", at(3), "winner 1", "split", "gamma"),
        ("0x1", at(4), "winner 1", "winner 2", "gamma"),
    ):
        do(old, CONFLICT, *row)
    migrate.apply(old)

    query = "select detected_at, cleared_by from resolution_conflicts order by 1"
    assert ask(old, query) == [
        (at(1), None),
        (at(2), "repeats an earlier row"),
        (at(3), "repeats an earlier row"),
        (at(4), None),
    ]


def test_every_market_that_is_known_and_has_no_resolution_is_remembered(old: str) -> None:
    resolved(old, "0x1", "11", ("11", "Yes"), ("12", "No"))
    do(old, MARKET, "0x2")
    do(old, ASSET, "31", "0x3", None, None)
    do(old, ASSET, "32", "0x3", None, None)
    do(old, ASSET, "41", None, None, None)
    do(old, ASSET, "21", "0x2", "Yes", 0)
    migrate.apply(old)

    assert ask(old, "select condition_id from unresolved order by 1") == [("0x2",), ("0x3",)]


# --------------------------------------------------------------------- many rows


def statement(beginning: str) -> str:
    """Return a statement of the migration."""
    found = re.search(rf"^{re.escape(beginning)}.*?;", TEXT, re.MULTILINE | re.DOTALL)
    assert found, beginning
    return found[0]


FILL = (
    """insert into markets (condition_id, question, slug, closed, active, neg_risk, version, tags)
    select '0x' || md5(n::text), '', '', true, true, false, 'v1', '{}'
    from generate_series(1, 20000) n""",
    """insert into assets (token_id, condition_id, outcome, outcome_index)
    select 't' || n || s, '0x' || md5(n::text), 'Yes', s
    from generate_series(1, 21000) n, generate_series(0, 1) s""",
    """insert into resolutions
    select '0x' || md5(n::text), 'winner', 't' || n || 0, 'Yes', '{1,0}', now(), now(), '{gamma}'
    from generate_series(1, 18000) n""",
)


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("begins", ["insert into unresolved", "insert into resolution_payouts"])
def test_filling_a_new_table_looks_up_no_row_by_itself(
    old: str, begins: str, *, analyzed: bool
) -> None:
    for command in FILL:
        do(old, command)
    if analyzed:
        do(old, "vacuum analyze")
    do(old, "create table unresolved (condition_id text)")
    do(old, "create table resolution_payouts"
       " (condition_id text, token_id text, outcome text, payout numeric)")  # fmt: skip
    plan = "\n".join(line for (line,) in ask(old, f"explain {statement(begins)}"))

    assert "Nested Loop" not in plan
    assert "SubPlan" not in plan
