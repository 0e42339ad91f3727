"""docs/reference/data.md names the columns there are; each recipe of how-to/query.md works."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from actors.database.store import Store
from actors.model.audit import Audit, AuditResult, Witness
from actors.model.connection import GapCause
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessStarted,
    TokensConfirmed,
    TokensWanted,
)
from actors.model.market import Contradiction, Source
from actors.model.storage import Batch, ConnectionEvent, RejectedRow
from actors.model.trade import ConditionId, Rejection
from actors.writer.feed_comparison import Disputed
from actors.writer.gather import mark
from tests.database.samples import (
    CONDITION,
    DETAILS,
    NO,
    YES,
    at,
    market,
    ns,
    observation,
    resolution,
    trade,
)
from tests.postgres import ask, do

pytestmark = pytest.mark.db

DOCS = Path(__file__).parents[2] / "docs"
DATA = (DOCS / "reference" / "data.md").read_text()
QUERY = (DOCS / "how-to" / "query.md").read_text()
OPEN = ConditionId("0x" + "b2" * 32)
GIVEN = {
    "token": YES,
    "market": CONDITION,
    "from": at(0).isoformat(),
    "to": at(300).isoformat(),
    "as_of": "2100-01-01 00:00+00",
}
LITERALS = dict(
    zip(GIVEN, re.findall(r"`('.+?')`", QUERY.partition("change the literals")[2])[:5], strict=True)
)
"""What stands in the blocks of the page, in the order of its introduction."""
Rows = list[tuple[Any, ...]]
AUDIT = Audit(
    condition_id=CONDITION,
    hour_ms=ns(0) // 1_000_000,
    witness=Witness.DATA,
    theirs=5,
    ours=4,
    missing=1,
    outside_gaps=1,
    unmatched=0,
    result=AuditResult.MISSING,
    checked_at_ms=ns(4_500) // 1_000_000,
    evidence=(
        '{"missing": [{"transaction": "0x12", "token_id": "1", "size": "2.5",'
        ' "at": "2026-03-01T12:01:00Z", "listened": true}]}'
    ),
)
OF_MARKET = "select * from markets where condition_id = %s"


def entries(text: str, level: str) -> dict[str, str]:
    """Return the text below each heading of this level."""
    pieces = text.split(f"\n{level} ")[1:]
    return {head: text for head, _, text in (piece.partition("\n") for piece in pieces)}


def blocks(text: str, language: str = "sql") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


TABLES = DATA.partition("\n## Relations\n")[2]
RELATIONS = {
    name: re.findall(r"^\| (\w+) \| ([a-z\[\] ]+) \|", text.partition("|---")[2], re.MULTILINE)
    for name, text in entries(TABLES, "###").items()
}
FUNCTIONS = (
    "coverage_gaps",
    "market_coverage()",
    "candles",
    "labels_as_of",
    "trades_of_transaction",
)
UNMARKED = ("Disputed trades", 1)
"""The recipe that finds nothing in good data; it has a test of its own."""
RECIPES = {
    name: blocks(text) for name, text in entries(QUERY, "##").items() if not blocks(text, "python")
}


def names_of(dsn: str, relation: str) -> list[str]:
    query = """select attname::text from pg_attribute
        where attrelid = %s::regclass and attnum > 0 order by attnum"""
    return [name for (name,) in ask(dsn, query, f"public.{relation}")]


@pytest.fixture
def filled(database: str, store: Store) -> str:
    """Return a database with an example of everything.

    A market resolved at 290 s. YES was wanted from 0 s and covered from 10 s to 100 s and from
    130 s to 300 s; NO was wanted and never covered. Trades of YES at 20 s (two identical ones),
    70 s, 140 s and, after the resolution, 295 s.
    """
    sibling = market(OPEN, ("3", "4"), closed=True, details=DETAILS)
    store.commit(Batch(markets=(market(details=DETAILS), sibling), watermark=1))
    facts: list[Fact] = [
        ProcessStarted(at_ns=ns(0), host="h", version="1"),
        TokensWanted(at_ns=ns(0), tokens=(YES, NO)),
        ListeningOpened(at_ns=ns(5), connection="a-0001", feed=0),
        TokensConfirmed(epoch=3, at_ns=ns(10), tokens=(YES,)),
        ListeningClosed(epoch=3, at_ns=ns(105), until_ns=ns(100), reason="frozen"),
        ListeningOpened(at_ns=ns(120), connection="a-0001", feed=0),
        TokensConfirmed(epoch=6, at_ns=ns(130), tokens=(YES,)),
        ListeningProven(proofs=((6, ns(300)),)),
    ]
    for seq, fact in enumerate(facts, start=1):
        store.commit(Batch(facts=((seq, fact),), watermark=seq + 1))
    rejection = Rejection(reason="price out of range", payload=b"\xff{}", received_at_ns=ns(30))
    event = ConnectionEvent(at_ns=ns(5), connection="a-0001", event="connected", reason="")
    disputed = mark(Disputed("sent_twice", trade(20, occurrence=2), "a-0001"))
    contradiction = Contradiction(
        condition_id=OPEN,
        source=Source.CLOB,
        detected_at_ms=ns(50) // 1_000_000,
        recorded="winner 3",
        observed="winner 4",
    )
    store.commit(
        Batch(
            trades=(
                trade(20),
                trade(20, occurrence=2),
                trade(70, price=Decimal("0.5"), size=Decimal(4)),
                trade(140, side="SELL"),
                trade(295, price=Decimal("0.99")),
            ),
            rejections=(RejectedRow(seq=9, index=0, connection="a-0001", rejection=rejection),),
            events=(event, disputed),
            observations=(
                observation(),
                observation(condition_id=OPEN, payouts=None, reason="not closed"),
            ),
            resolutions=(resolution(resolved_at_ms=ns(290) // 1_000_000),),
            contradictions=(contradiction,),
            audits=(AUDIT,),
            watermark=10,
        )
    )
    do(database, "insert into computed_days (day, computed_at) values ('2026-03-01', now())")
    for token, missed_s, causes in ((YES, 40, "{frozen}"), ("3", None, None)):
        do(
            database,
            """insert into market_days
               select asset_key, '2026-03-01', 300000, %s::integer * 1000, %s::integer * 1000, 1,
                 %s::text[] is null, %s::text[]
               from assets where token_id = %s""",
            *(missed_s, missed_s, causes, causes, token),
        )
    return database


def run(dsn: str, block: str, **changes: str) -> Rows:
    """Run a block with literals of its own in the place of those of the page."""
    given = {**GIVEN, **changes}
    text = block
    for name, literal in LITERALS.items():
        text = text.replace(literal, sql.Literal(given[name]).as_string(None))
    with psycopg.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        if text.startswith("copy"):
            with cursor.copy(text.rstrip().rstrip(";").encode()) as copied:
                lines = b"".join(bytes(data) for data in copied).decode().splitlines()
            return [tuple(line.split(",")) for line in lines]
        return cursor.execute(text.encode()).fetchall()


@pytest.mark.parametrize("name", [name for name in RELATIONS if name not in FUNCTIONS])
def test_a_relation_has_the_columns_that_are_named(database: str, name: str) -> None:
    there = ask(
        database,
        """select attname::text, format_type(atttypid, null) from pg_attribute
           where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum""",
        name,
    )
    documented = [
        (column, ask(database, "select %s::regtype::text", kind)[0][0])
        for column, kind in RELATIONS[name]
    ]

    assert sorted(documented) == sorted(there)


@pytest.mark.parametrize("name", ["coverage_gaps", "market_coverage()", "candles"])
def test_a_function_gives_the_columns_that_are_named(database: str, name: str) -> None:
    query = "select pg_get_function_result(oid) from pg_proc where proname = %s"
    ((result,),) = ask(database, query, name.removesuffix("()"))
    documented = ", ".join(
        f"{column} {ask(database, 'select %s::regtype::text', kind)[0][0]}"
        for column, kind in RELATIONS[name]
    )

    full = result.replace("timestamp with time zone", "timestamptz")
    assert full == f"TABLE({documented.replace('timestamp with time zone', 'timestamptz')})"


def test_the_functions_that_are_named_are_those_there_are(database: str) -> None:
    query = """select proname::text from pg_proc where pronamespace = 'public'::regnamespace
        and not exists (select from pg_depend d where d.objid = pg_proc.oid and d.deptype = 'e')"""
    assert {name for (name,) in ask(database, query)} == {
        name.removesuffix("()") for name in FUNCTIONS
    }


def test_every_column_is_explained() -> None:
    for line in TABLES.splitlines():
        if line.startswith("| ") and not line.startswith("| column"):
            assert len(line.strip("|").split("|")) == 3, line
            assert line.strip("|").split("|")[2].strip(), line


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, number)
        for name, some in RECIPES.items()
        for number in range(len(some))
        if (name, number) != UNMARKED
    ],
)
def test_a_recipe_runs_and_finds_something(filled: str, name: str, number: int) -> None:
    assert run(filled, RECIPES[name][number])


def test_what_is_complete_is_told_for_each_token(filled: str) -> None:
    (block,) = blocks(entries(QUERY, "##")["Is it complete?"])
    yes, no = run(filled, block)
    assert yes[0] == "Yes"
    # Of 300 s: listened from 10 to 100 and from 130 on, wanted from 0 on.
    percent, gaps, missed, neither, causes = yes[1:]
    assert (percent, gaps) == (Decimal("86.666"), 2)
    assert (missed, neither) == (timedelta(seconds=40), timedelta(0))
    assert causes == "00:00:30 frozen, 00:00:10 never_confirmed"
    assert no[:3] == ("No", Decimal(0), 1)
    assert run(filled, block, market="will-it-rain")[:2] == [yes, no]  # by its slug
    later = {"from": at(-300).isoformat(), "to": at(0).isoformat()}
    assert run(filled, block, **later)[0][1:5] == (0, 0, timedelta(0), timedelta(seconds=300))


def test_every_recipe_has_its_sql_and_no_sql_stands_elsewhere() -> None:
    assert all(RECIPES.values())
    assert sum(len(some) for some in RECIPES.values()) == len(blocks(QUERY))
    assert blocks(DATA) == []


def test_every_cause_of_a_gap_is_explained() -> None:
    row = next(line for line in TABLES.splitlines() if line.startswith("| cause |"))
    assert set(re.findall(r"`(\w+)`", row)) == {cause.value for cause in GapCause}
    below = entries(TABLES, "###")["coverage_gaps"].partition(row)[2]
    assert {cause.value for cause in GapCause} <= set(re.findall(r"`(\w+)`:", below))


def test_every_public_relation_is_named_and_read_by_the_role_for_readers(database: str) -> None:
    """What that role may is tested in `test_roles.py`."""
    public = """select c.relname::text from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')"""
    assert {name for (name,) in ask(database, public)} == set(RELATIONS) - set(FUNCTIONS)
    (block,) = RECIPES["A role for readers"]
    ((granted,),) = run(database, block)
    assert granted.startswith("grant tracker_reader to ")


def test_a_label_is_what_the_token_of_the_trade_paid(filled: str) -> None:
    (block,) = RECIPES["Labels for training"]

    assert {row[-2:] for row in run(filled, block)} == {(Decimal(1), False)}


def test_a_trade_after_the_resolution_has_no_place_in_training(filled: str) -> None:
    (block,) = RECIPES["Labels for training"]

    assert len(run(filled, block)) == 4
    assert max(row[0] for row in run(filled, block)) < at(290)


def test_a_label_is_not_known_before_it_was_recorded(filled: str) -> None:
    (block,) = RECIPES["Labels for training"]
    ((recorded_at,),) = ask(filled, "select recorded_at from resolutions")
    moment = timedelta(microseconds=1)

    assert run(filled, block, as_of=(recorded_at - moment).isoformat()) == []
    assert run(filled, block, as_of=recorded_at.isoformat())


def test_a_label_is_contested_from_a_contradiction_to_its_end(filled: str, store: Store) -> None:
    (block,) = RECIPES["Labels for training"]
    doubt = Contradiction(
        condition_id=CONDITION,
        source=Source.CLOB,
        detected_at_ms=ns(400) // 1_000_000,
        recorded="winner",
        observed="split",
    )
    store.commit(Batch(contradictions=(doubt,), watermark=10))
    contested = [row[-1] for row in run(filled, block)]
    assert contested == [True] * 4

    do(filled, "update resolution_conflicts set cleared_at = now(), cleared_by = 'sources agree'")
    assert not any(row[-1] for row in run(filled, block))
    ((cleared_at,),) = ask(filled, "select max(cleared_at) from resolution_conflicts")
    just_before = (cleared_at - timedelta(microseconds=1)).isoformat()
    assert all(row[-1] for row in run(filled, block, as_of=just_before))


def test_a_label_stays_that_of_its_token_when_the_market_is_listed_otherwise(
    filled: str, store: Store
) -> None:
    (block,) = RECIPES["Labels for training"]
    do(filled, "update assets set outcome_index = 1 - outcome_index")
    store.commit(Batch(markets=(market(tokens=(NO, YES)),), watermark=10))

    assert {row[-2] for row in run(filled, block)} == {Decimal(1)}


def test_gaps_are_shown_with_their_causes(filled: str) -> None:
    one, by_cause = RECIPES["Gaps and their causes"]

    assert run(filled, one) == [
        (at(0), timedelta(seconds=10), "never_confirmed"),
        (at(100), timedelta(seconds=30), "frozen"),
    ]
    assert run(filled, by_cause) == [
        ("never_confirmed", 2, timedelta(seconds=310)),
        ("frozen", 1, timedelta(seconds=30)),
    ]


def test_the_covered_share_of_a_span_is_shown_for_both_tokens(filled: str) -> None:
    _, share = RECIPES["Coverage of a token"]

    assert run(filled, share) == [
        (YES, "Yes", timedelta(seconds=260)),
        (NO, "No", timedelta(0)),
    ]


def test_no_trades_is_distinguished_from_not_listening(filled: str) -> None:
    count, _ = RECIPES['Is "no trades" real?']
    quiet = {"from": at(200).isoformat(), "to": at(230).isoformat()}

    assert run(filled, count, **quiet) == [(0, True)]
    assert run(filled, count, **quiet, token=NO) == [(0, False)]
    assert run(filled, count, token="9") == [(0, False)]
    assert run(filled, count) == [(5, False)]


def test_a_series_is_zero_where_the_tracker_listened_and_null_elsewhere(filled: str) -> None:
    _, series = RECIPES['Is "no trades" real?']

    assert [shares for _, shares in run(filled, series)] == [
        None,
        None,
        None,
        Decimal(0),
        Decimal("10.820819"),
    ]
    assert [shares for _, shares in run(filled, series, token=NO)] == [None] * 5


def test_identical_trades_are_counted(filled: str) -> None:
    ((*_, trades),) = run(filled, *RECIPES["Identical trades"])

    assert trades == 2


def test_a_disputed_trade_is_found_by_its_mark(filled: str) -> None:
    marked, _ = RECIPES["Disputed trades"]
    ((how, traded_at, token, *_, occurrence),) = run(filled, marked)

    assert (how, traded_at, token, occurrence) == ("sent_twice", at(20), YES, 2)


def test_a_pair_that_is_dated_apart_and_not_marked_is_found(filled: str, store: Store) -> None:
    _, unmarked = RECIPES["Disputed trades"]
    assert run(filled, unmarked) == []

    known, lost = trade(21, size=Decimal("3.50")), trade(142, side="SELL")
    pairs = (trade(20, size=Decimal("3.50")), known, lost)
    event = mark(Disputed("dated_apart", known, "b-0001"))
    store.commit(Batch(trades=pairs, events=(event,), watermark=11))
    ((earlier_at, traded_at, token, *_, occurrence),) = run(filled, unmarked)

    assert (earlier_at, traded_at, token, occurrence) == (at(140), at(142), YES, 1)


def test_a_rejected_message_is_readable_whatever_its_bytes(filled: str) -> None:
    by_reason, payloads = RECIPES["Rejected messages"]

    assert run(filled, by_reason) == [("price out of range", 1, at(30), at(30))]
    assert run(filled, payloads)[0][-1] == "\\377{}"


def test_a_market_is_as_it_was_known_at_the_time(filled: str, store: Store) -> None:
    known, changes = RECIPES["A market as it was known"]
    ((at_first,),) = ask(
        filled, "select known_at from market_history where condition_id = %s", CONDITION
    )
    now = dict(zip(names_of(filled, "markets"), ask(filled, OF_MARKET, CONDITION)[0], strict=True))
    store.commit(
        Batch(
            markets=(
                market(closed=True, details=msgspec.structs.replace(DETAILS, description="later")),
            )
        )
    )
    (row,) = run(filled, known, as_of=at_first.isoformat())
    was = dict(zip(names_of(filled, "markets"), row, strict=True))
    unkept = {"volume", "first_seen_at", "updated_at"}
    assert {name: was[name] for name in was.keys() - unkept} == {
        name: now[name] for name in now.keys() - unkept
    }
    assert run(filled, known, as_of=(at_first - timedelta(microseconds=1)).isoformat()) == []
    assert ("description", "later") in [row[1:] for row in run(filled, changes)]


def test_unresolved_markets_are_listed_with_the_last_observation_of_each_source(
    filled: str,
) -> None:
    ((_, state, reason, seen_at, _, condition),) = run(filled, *RECIPES["Unresolved markets"])

    assert (condition, state, reason) == (OPEN, "ended", "gamma: not closed")
    assert seen_at == at(0)


def test_what_was_known_at_a_time_can_be_queried(filled: str) -> None:
    (block,) = RECIPES["What was known when"]

    assert [(source, outcome, reason) for source, outcome, reason, _ in run(filled, block)] == [
        ("clob", f"winner {YES}", ""),
        ("gamma", f"winner {YES}", ""),
    ]
    assert run(filled, block, as_of="2020-01-01") == []


def test_an_export_keeps_numbers_exact_and_identifiers_whole(filled: str) -> None:
    head, first, *_ = run(filled, *RECIPES["Export"][:1])
    row = dict(zip(head, first, strict=True))

    assert row["token_id"] == YES
    assert row["size"] == "10.820819"
