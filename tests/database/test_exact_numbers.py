"""Numbers come exactly out of the database, with the libraries that people read it with."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pandas as pd
import polars as pl
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from actors.database.store import Store
from actors.model.storage import Batch
from actors.model.trade import ConditionId
from tests.database.samples import YES, market, resolution, trade
from tests.postgres import do

pytestmark = pytest.mark.db

# The first ones have no decimals, so whoever takes the scale of those rounds the others.
WHOLE = [(Decimal(1), Decimal(3))] * 150
PRICES = (
    "1",
    "0.5",
    "0.123456789012345678",
    "0.000000000000000001",
    "0.330",
    "0.999999999999999999",
)
SIZES = ("3", "5.50", "0.000000000000000001", "7777777777777777777.999999999999999999", "10.820819",
         "1000000.000")  # fmt: skip
STORED = WHOLE + [
    (Decimal(price), Decimal(size)) for price, size in zip(PRICES, SIZES, strict=True)
]
TRADES = "select price, size from trades order by traded_at"
PAYOUTS = "select payout from {} order by condition_id, payout desc"
OF_PAYOUTS = [Decimal(1), Decimal(0), Decimal("0.5"), Decimal("0.5")]
CANDLES = f"""select open, high, low, close, volume
    from candles('{YES}', '2026-03-01 12:00+00', '2026-03-01 12:05+00', '3 minutes')"""  # noqa: S608 - our own
SPLIT = ConditionId("0x" + "b2" * 32)
DECIMAL = pl.Decimal(38, 18)


@pytest.fixture
def filled(store: Store, database: str) -> str:
    halves = {"payouts": (Decimal("0.5"), Decimal("0.5")), "kind": "split"}
    none = {"winning_token_id": None, "winning_outcome": None}
    store.commit(
        Batch(
            markets=(market(),),
            trades=tuple(
                trade(second, price=price, size=size)
                for second, (price, size) in enumerate(STORED, 1)
            ),
            resolutions=(
                resolution(),
                resolution(("3", "4"), condition_id=SPLIT, **halves, **none),
            ),
        )
    )
    return database


@pytest.fixture
def connection(filled: str) -> "Iterator[psycopg.Connection[Any]]":
    with psycopg.connect(filled) as found:
        yield found


def address(dsn: str) -> str:
    """Return the URL that ADBC takes of a database on a socket."""
    part = conninfo_to_dict(dsn)
    query = f"host={quote(str(part['host']))}&port={part['port']}"
    return f"postgresql://{part['user']}@/{part['dbname']}?{query}"


def test_pandas_has_the_decimals(connection: "psycopg.Connection[Any]") -> None:
    cursor = connection.execute(TRADES)
    frame = pd.DataFrame(
        cursor.fetchall(), columns=[each.name for each in cursor.description or ()]
    )
    assert list(frame.itertuples(index=False, name=None)) == STORED


@pytest.mark.parametrize("relation", ["labels", "labels_as_of('infinity')", "resolution_payouts"])
def test_polars_reads_payouts(connection: "psycopg.Connection[Any]", relation: str) -> None:
    frame = pl.read_database(PAYOUTS.format(relation), connection)
    assert frame.schema["payout"] == DECIMAL
    assert frame["payout"].to_list() == OF_PAYOUTS


def test_polars_reads_trades(connection: "psycopg.Connection[Any]") -> None:
    frame = pl.read_database(TRADES, connection)
    assert set(frame.dtypes) == {DECIMAL}
    assert frame.rows() == STORED


def test_polars_would_round_numbers_without_a_scale(connection: "psycopg.Connection[Any]") -> None:
    bare = TRADES.replace("price, size", "trim_scale(price) as price, trim_scale(size) as size")
    assert pl.read_database(bare, connection).rows() != STORED


def test_polars_reads_candles_with_the_volume_of_none(
    connection: "psycopg.Connection[Any]",
) -> None:
    frame = pl.read_database(CANDLES, connection, infer_schema_length=None)
    assert set(frame.dtypes) == {DECIMAL}
    prices = [price for price, _ in STORED]
    first = (prices[0], max(prices), min(prices), prices[-1], sum(size for _, size in STORED))
    assert frame.rows() == [first, (None, None, None, None, Decimal(0))]


def test_adbc_has_every_digit(filled: str) -> None:
    with adbc.connect(address(filled)) as connection, connection.cursor() as cursor:
        cursor.execute(TRADES)
        table = cursor.fetch_arrow_table()
    told = [table.column(name).combine_chunks().storage.to_pylist() for name in table.column_names]
    assert [tuple(map(Decimal, row)) for row in zip(*told, strict=True)] == STORED


def test_polars_reads_trades_with_adbc(filled: str) -> None:
    frame = pl.read_database_uri(TRADES, address(filled), engine="adbc")
    exact = frame.select(pl.col("price", "size").ext.storage().cast(DECIMAL))
    assert exact.rows() == STORED


def test_duckdb_reads_what_polars_has(connection: "psycopg.Connection[Any]") -> None:
    frame = pl.read_database(TRADES, connection)
    found = duckdb.from_arrow(frame.to_arrow())
    assert [str(each) for each in found.types] == ["DECIMAL(38,18)", "DECIMAL(38,18)"]
    assert found.fetchall() == STORED


def test_duckdb_reads_the_database(filled: str) -> None:
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as lake:
        try:
            lake.execute("load postgres")
        except duckdb.Error as error:
            pytest.skip(f"DuckDB has no extension postgres here: {str(error).splitlines()[0]}")
        lake.execute(f"attach '{address(filled)}' as db (type postgres, read_only)")
        found = lake.sql("select price, size from db.public.trades order by traded_at")
        assert [str(each) for each in found.types] == ["DECIMAL(19,18)", "DECIMAL(38,18)"]
        assert found.fetchall() == STORED


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("price", "0.1234567890123456789"),
        ("price", "0.0000000000000000001"),
        ("size", "1.0000000000000000001"),
        ("size", "100000000000000000000"),
        ("size", "Infinity"),
        ("size", "NaN"),
    ],
)
def test_no_trade_is_stored_that_the_view_would_round(filled: str, column: str, value: str) -> None:
    do(filled, "select tracker.add_trade_day('2026-04-01')")
    given = {"price": "0.5", "size": "1", column: value}
    insert = """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key,
        occurrence, is_buy, price, size) values ('2026-04-01', now(), 1, 1, 1, true, '{}', '{}')"""
    with pytest.raises(psycopg.errors.CheckViolation):
        do(filled, insert.format(given["price"], given["size"]))
    do(filled, insert.format("0.500000000000000000000", "1.000000000000000000000000"))
