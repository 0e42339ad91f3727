"""Recipes of how-to/query.md have the answer that is computed otherwise from what was stored."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pandas as pd
import psycopg
import pytest

from actors.database.store import Store
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
from actors.model.storage import Batch
from actors.model.trade import ConditionId, TokenId, Trade
from tests.database.samples import CONDITION, DETAILS, NO, YES, at, market, ns, resolution, trade
from tests.database.test_data_guide import LITERALS, QUERY, RECIPES, blocks, entries, run
from tests.postgres import ask, do

pytestmark = pytest.mark.db

SPAN_S: Final = 4 * 3600
SNOW = ConditionId("0x" + "b2" * 32)
SUN = ConditionId("0x" + "c3" * 32)
TOKENS: Final = {
    CONDITION: (YES, NO),
    SNOW: (TokenId("3"), TokenId("4")),
    SUN: (TokenId("5"), TokenId("6")),
}
ENDED_S: Final = {CONDITION: SPAN_S - 600, SNOW: SPAN_S - 1200}
SLUGS: Final = {CONDITION: "will-it-rain", SNOW: "will-it-snow", SUN: "sunny"}
QUESTIONS: Final = {CONDITION: "Will it rain?", SNOW: "Will it snow?", SUN: "Rainy or sunny?"}
NAMES: Final = {
    condition: {"slug": slug, "question": QUESTIONS[condition]} for condition, slug in SLUGS.items()
}
COVERED_S: Final = ((60, 3000), (3333, SPAN_S))
"""Of the token `YES`; the others are not listened to."""
SOME: Final = {"from": at(0).isoformat(), "to": at(SPAN_S).isoformat()}
MINUTE: Final = timedelta(minutes=1)


def some_trades() -> tuple[Trade, ...]:
    chosen = random.Random(19)
    seconds = sorted(chosen.sample(range(SPAN_S), 300))
    tokens = [token for pair in TOKENS.values() for token in pair]
    weights = (30, 10, 5, 5, 1, 1)
    owner = {token: condition for condition, pair in TOKENS.items() for token in pair}
    return tuple(
        trade(
            second,
            token_id=token,
            condition_id=owner[token],
            price=Decimal(chosen.randrange(1, 1000)) / 1000,
            size=Decimal(chosen.randrange(1, 10**9)) / 10**6,
        )
        for second, token in zip(
            seconds, chosen.choices(tokens, weights, k=len(seconds)), strict=True
        )
    )


TRADES: Final = some_trades()


def when(one: Trade) -> datetime:
    return datetime.fromtimestamp(one.traded_at_ms / 1000, UTC)


@pytest.fixture
def filled(store: Store, database: str) -> str:
    """Return a database with three markets of which two resolved, trades, and coverage of one."""
    store.commit(
        Batch(
            markets=tuple(
                market(condition, tokens, details=DETAILS, **NAMES[condition])
                for condition, tokens in TOKENS.items()
            ),
            watermark=1,
        )
    )
    facts: list[Fact] = [ProcessStarted(at_ns=ns(0), host="h", version="1")]
    facts.append(TokensWanted(at_ns=ns(0), tokens=(YES,)))
    for first, end in COVERED_S:
        epoch = len(facts) + 1
        facts.append(ListeningOpened(at_ns=ns(first - 1), connection="a-0001", feed=0))
        facts.append(TokensConfirmed(epoch=epoch, at_ns=ns(first), tokens=(YES,)))
        facts.append(ListeningProven(proofs=((epoch, ns(end)),)))
        facts.append(ListeningClosed(epoch=epoch, at_ns=ns(end), until_ns=ns(end), reason="frozen"))
    numbered = tuple(enumerate(facts, start=1))
    store.commit(Batch(facts=numbered, trades=TRADES, watermark=len(facts) + 1))
    for condition, ended in ENDED_S.items():
        found = resolution(
            TOKENS[condition], condition_id=condition, resolved_at_ms=ns(ended) // 1_000_000
        )
        store.commit(Batch(resolutions=(found,)))
    return database


def usdc(some: list[Trade]) -> Decimal:
    return sum((one.price * one.size for one in some), Decimal(0))


def test_a_market_is_found_by_words_address_and_slug(filled: str) -> None:
    by_words, by_address, by_begin, tokens = RECIPES["Find a market"]
    assert {row[0] for row in run(filled, by_words)} == {CONDITION}
    assert {row[0] for row in run(filled, by_address)} == {CONDITION}
    assert {row[0] for row in run(filled, by_begin)} == {CONDITION, SNOW}
    address = "https://polymarket.com/event/weather/will-it-rain?tid=1"
    for other, expected in (
        ("will-it-snow", {SNOW}),
        ("https://polymarket.com/market/sunny/#x?y", {SUN}),
        ("https://polymarket.com/event/weather", set(TOKENS)),
        ("polymarket.com/event/weather/?a=b/c", set(TOKENS)),
        ("nothing", set()),
    ):
        found = run(filled, by_address.replace(address, other))
        assert {row[0] for row in found} == expected, other
    assert [row[:4] for row in run(filled, tokens)] == [
        ("Yes", YES, Decimal(1), False),
        ("No", NO, Decimal(0), False),
    ]


def test_the_most_traded_markets_are_those_with_the_largest_sum(filled: str) -> None:
    (block,) = RECIPES["The most traded markets"]
    traded: dict[str, list[Trade]] = defaultdict(list)
    for one in TRADES:
        traded[one.condition_id].append(one)
    expected = sorted(
        ((SLUGS[ConditionId(name)], len(some), usdc(some)) for name, some in traded.items()),
        key=lambda row: -row[2],
    )
    found = [(row[0], row[3], row[4]) for row in run(filled, block, **SOME)]
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert [row[2] for row in found] == [round(row[2], 6) for row in expected]


def test_trades_are_counted_by_the_hour(filled: str) -> None:
    (block,) = RECIPES["Trades an hour"]
    expected: dict[datetime, list[Trade]] = defaultdict(list)
    for one in TRADES:
        if one.condition_id == CONDITION:
            expected[when(one).replace(minute=0, second=0, microsecond=0)].append(one)
    found = run(filled, block, **SOME)
    assert [row[:2] for row in found] == [(hour, len(expected[hour])) for hour in sorted(expected)]
    assert [row[2] for row in found] == [
        sum(one.size for one in expected[hour]) for hour in sorted(expected)
    ]
    assert [row[3] for row in found] == [
        round(usdc(expected[hour]), 6) for hour in sorted(expected)
    ]


def test_a_price_path_has_the_last_known_price_and_null_in_gaps(filled: str) -> None:
    path, _ = RECIPES["Price path"]
    expected: list[tuple[datetime, Decimal | None]] = []
    price: Decimal | None = None
    for second in range(0, SPAN_S, 60):
        heard = any(first <= second and second + 60 <= end for first, end in COVERED_S)
        if not heard:
            price = None
        for one in TRADES:
            now = (when(one) - at(second)) // timedelta(seconds=1)
            if heard and one.token_id == YES and 0 <= now < 60:
                price = one.price
        expected.append((at(second + 60), price if heard else None))
    found = run(filled, path, **SOME)
    assert found == expected
    prices = [price for _, price in found]
    assert None in prices[:2]
    assert prices[50:56] == [None] * 6
    assert len(set(prices)) > 50


def test_the_price_at_a_time_is_that_of_the_last_trade_known_then(filled: str) -> None:
    _, price = RECIPES["Price path"]
    of_token = [one for one in TRADES if one.token_id == YES]
    for second in range(1800, SPAN_S, 977):
        until = at(second)
        *_, last = (one for one in of_token if when(one) + timedelta(milliseconds=5) <= until)
        assert run(filled, price, **{**SOME, "to": until.isoformat()}) == [(last.price, when(last))]


def labelled(as_of: datetime, known: dict[str, datetime]) -> set[tuple[Any, ...]]:
    """Return (token, size, label) of what training may know at a time, from what was sent."""
    return {
        (one.token_id, one.size, Decimal(1 if one.token_id == TOKENS[one.condition_id][0] else 0))
        for one in TRADES
        if one.condition_id in ENDED_S
        and known[one.condition_id] <= as_of
        and when(one) < at(ENDED_S[one.condition_id])
    }


def test_the_table_for_training_knows_nothing_of_later(filled: str, store: Store) -> None:
    (block,) = RECIPES["Labels for training"]
    known = dict(ask(filled, "select condition_id, recorded_at from resolutions"))
    assert len(set(known.values())) == len(ENDED_S)

    def asked(as_of: datetime) -> set[tuple[Any, ...]]:
        rows = run(filled, block, **SOME, as_of=as_of.isoformat())
        return {(row[1], row[5], row[6]) for row in rows}

    moments = [moment + step for moment in known.values() for step in (-MINUTE / 10**8, MINUTE * 0)]
    before = {moment: asked(moment) for moment in moments}
    assert {moment: labelled(moment, known) for moment in moments} == before
    assert before[max(moments)] > before[sorted(moments)[1]] > set()
    # What is learned later changes nothing of it.
    later = max(known.values()) + timedelta(hours=1)
    contradiction = Contradiction(
        condition_id=CONDITION, source=Source.CLOB, recorded="winner 1", observed="winner 2",
        detected_at_ms=int(later.timestamp() * 1000),
    )  # fmt: skip
    store.commit(Batch(contradictions=(contradiction,)))
    assert {moment: asked(moment) for moment in moments} == before
    rows = run(filled, block, **SOME, as_of=(later + MINUTE).isoformat())
    assert {row[1] for row in rows if row[-1]} == {YES, NO}
    assert {row[1] for row in rows if not row[-1]} == {"3", "4"}


NOW = "select * from {} order by token_id"


def test_labels_are_those_as_of_now(filled: str) -> None:
    do(filled, CONFLICT.format(f"'{CONDITION}', now(), 'a', 'b', 'clob', 'outcome'"))
    found = ask(filled, NOW.format("labels"))
    assert found == ask(filled, NOW.format("labels_as_of(now())"))
    assert [row[6] for row in found] == [row[1] == CONDITION for row in found]
    assert len(found) == 2 * len(ENDED_S)


CONFLICT = """insert into resolution_conflicts
    (condition_id, detected_at, recorded, observed, source, kind) values ({})"""
CLEARED = "update resolution_conflicts set cleared_at = '{}', cleared_by = 'x'"


def test_a_label_is_contested_while_a_contradiction_about_the_outcome_is_open(filled: str) -> None:
    """Of any time: neither what was stored later nor what ended later changes an answer."""
    first, end = datetime(2100, 1, 1, tzinfo=UTC), datetime(2100, 1, 2, tzinfo=UTC)
    do(filled, CONFLICT.format(f"'{SNOW}', '{first}', 'a', 'b', 'clob', 'outcome'"))
    do(filled, CONFLICT.format(f"'{CONDITION}', '{first}', 'a', 'b', 'listing', 'mapping'"))
    do(filled, "update resolution_conflicts set recorded_at = detected_at")

    def contested(moment: datetime) -> set[str]:
        query = "select condition_id from labels_as_of(%s) where contested"
        return {name for (name,) in ask(filled, query, moment)}

    step = timedelta(microseconds=1)
    moments = {first - step: set[str](), first: {SNOW}, end - step: {SNOW}}
    assert {moment: contested(moment) for moment in moments} == moments
    do(filled, CLEARED.format(end))
    assert {moment: contested(moment) for moment in moments} == moments
    assert contested(end) == set()
    assert ask(filled, "select from labels where contested") == []
    assert ask(filled, "select * from labels_as_of(null)") == []


def test_the_lines_of_python_read_what_is_stored(filled: str) -> None:
    lines, _ = blocks(entries(QUERY, "##")["Into pandas, Polars and DuckDB"], "python")
    assert LITERALS["from"] in lines
    lines = lines.replace("host=localhost dbname=polymarket user=reader", filled)
    lines = lines.replace(LITERALS["from"], repr(SOME["from"])).replace(
        LITERALS["to"], repr(SOME["to"])
    )
    given: dict[str, Any] = {}
    exec(compile(lines, "query.md", "exec"), given)  # noqa: S102 - our own page
    expected = [(one.token_id, one.side, one.price, one.size) for one in TRADES]
    assert [row[1:] for row in given["in_polars"].rows()] == expected
    assert [row[1:] for row in given["in_duckdb"].fetchall()] == expected
    in_pandas = given["in_pandas"]
    assert isinstance(in_pandas, pd.DataFrame)
    assert [row[1:] for row in in_pandas.itertuples(index=False, name=None)] == expected


def test_the_blocks_run_as_they_stand(filled: str) -> None:
    """No variable of psql is in them, and nothing that a driver takes for a place of a value."""
    for name, some in RECIPES.items():
        for block in some:
            if not block.startswith("copy"):
                with psycopg.connect(filled, autocommit=True) as connection:
                    assert connection.execute(block.encode()).description, name
