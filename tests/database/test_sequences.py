"""A sequence that is behind its table, as after some restores, is put right when it is opened."""

import logging
import threading
from collections.abc import Iterator
from uuid import UUID

import pytest
from psycopg.conninfo import make_conninfo

from actors.database.store import Store
from actors.errors import ConfigError, StoreUnavailable
from actors.model.storage import Batch, RejectedRow
from actors.model.trade import Rejection, TokenId
from tests.database.samples import market, ns, trade
from tests.postgres import ask, do

pytestmark = pytest.mark.db

IDENTITIES = """
    select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
    where a.attidentity <> '' and c.relnamespace::regnamespace::text in ('public', 'tracker')
    order by 1"""
TOKENS = 300


def token(number: int) -> TokenId:
    return TokenId(str(10**76 + number))


def fill(store: Store, database: str) -> None:
    """Give each identity column 300 rows."""
    journals = (
        "insert into journals (journal_id) select gen_random_uuid() from generate_series(1, %s)"
    )
    do(database, journals, TOKENS)
    some = [
        RejectedRow(
            seq=number + 1,
            index=0,
            connection="c",
            rejection=Rejection(reason="r", payload=b"%d" % number, received_at_ns=ns(1)),
        )
        for number in range(TOKENS)
    ]
    trades = tuple(trade(number, token_id=token(number)) for number in range(TOKENS))
    store.commit(Batch(trades=trades, rejections=tuple(some), watermark=400))


def put_back(database: str, *, to: int, called: str = "true") -> None:
    """Let all sequences be as a restore of rows alone leaves them."""
    for table, column in ask(database, IDENTITIES):
        most = f"select max({column}) >= {TOKENS} from {table}"  # noqa: S608 - names from the catalog
        assert ask(database, most) == [(True,)]
        do(
            database,
            f"select setval(pg_get_serial_sequence('{table}', '{column}'), {to}, {called})",
        )


def store_new(store: Store, first: int) -> None:
    """Store what needs a new number of each kind."""
    store.open(UUID(int=first))
    row = RejectedRow(
        seq=1,
        index=0,
        connection="c",
        rejection=Rejection(reason="r", payload=b"new", received_at_ns=ns(1)),
    )
    one = market(f"0x{first:064x}", tokens=(token(first), token(first + 1)))
    two = trade(1, token_id=token(first + 2), condition_id=f"0x{first + 1:064x}")
    committed = store.commit(Batch(trades=(two,), markets=(one,), rejections=(row,), watermark=2))
    assert (committed.stored, committed.rejected) == (1, 1)


@pytest.mark.parametrize(("to", "called"), [(1, "true"), (1, "false"), (7, "true"), (299, "true")])
def test_it_is_put_right_before_anything_is_stored(
    store: Store, database: str, to: int, called: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fill(store, database)
    assert len(ask(database, IDENTITIES)) == 3
    put_back(database, to=to, called=called)
    store_new(store, 1_000)
    said = [each for each in caplog.records if each.message == "sequence_corrected"]
    assert {each.table for each in said} == {table for table, _ in ask(database, IDENTITIES)}  # type: ignore[attr-defined]
    assert ask(database, "select count(*) from assets") == [(TOKENS + 3,)]
    assert ask(database, "select count(*) from rejected_messages") == [(TOKENS + 1,)]


def test_one_that_is_right_or_ahead_stays_as_it_is(
    store: Store, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fill(store, database)
    place = "select last_value, is_called from assets_asset_key_seq"
    for wanted in ((TOKENS, True), (5_000, True), (5_000, False)):
        do(database, f"select setval('assets_asset_key_seq', {wanted[0]}, {wanted[1]})")
        store.open(UUID(int=1))
        assert ask(database, place) == [wanted]
    assert not [each for each in caplog.records if each.message == "sequence_corrected"]


def test_a_new_database_has_nothing_to_be_put_right(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = Store(database)
    store.open(UUID(int=1))
    store.close()
    assert not [each for each in caplog.records if each.message == "sequence_corrected"]


def test_several_trackers_that_open_it_together_put_it_right_once(
    store: Store, database: str
) -> None:
    fill(store, database)
    put_back(database, to=1)
    stores = [Store(database) for _ in range(4)]
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            store_new(stores[number], 1_000 + 100 * number)
        except (StoreUnavailable, ConfigError) as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(stores))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    for one in stores:
        one.close()
    assert errors == []
    assert ask(database, "select count(*) from assets") == [(TOKENS + 12,)]


def test_it_is_found_by_the_index_whatever_the_size_of_the_table(
    store: Store, database: str
) -> None:
    fill(store, database)
    do(database, "analyze assets")
    plan = ask(database, "explain select max(asset_key) from assets")
    assert any("Index Only Scan Backward using assets_pkey" in line for (line,) in plan)


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """Return an address of a role that may do everything but with sequences."""
    do(database, "create role no_sequences login")
    do(database, "grant usage on schema tracker to no_sequences")
    do(database, "grant all on all tables in schema public, tracker to no_sequences")
    do(database, "grant execute on all functions in schema tracker to no_sequences")
    yield make_conninfo(database, options="-c role=no_sequences")
    do(database, "drop owned by no_sequences")
    do(database, "drop role no_sequences")


def test_a_role_that_may_see_and_not_change_it_says_what_to_do(
    store: Store, database: str, role: str
) -> None:
    fill(store, database)
    put_back(database, to=5)
    do(database, "grant select on all sequences in schema public, tracker to no_sequences")
    other = Store(role)
    with pytest.raises(
        ConfigError, match=r"assets\.asset_key.*5.*300.*tracker --migrate"
    ) as caught:
        other.open(UUID(int=1))
    assert "select setval" in str(caught.value)


def test_a_role_that_may_not_even_see_it_gets_a_clear_error_and_rejects_no_row(
    store: Store, database: str, role: str
) -> None:
    fill(store, database)
    put_back(database, to=5)
    other = Store(role)
    one = market(f"0x{9:064x}", tokens=(token(1_000), token(1_001)))
    for batch in (
        Batch(trades=(trade(1, token_id=token(2_000)),), watermark=500),
        Batch(markets=(one,), watermark=500),
    ):
        other.open(UUID(int=1))
        with pytest.raises(StoreUnavailable, match=r"behind.*tracker --migrate"):
            other.commit(batch)
    assert ask(database, "select count(*) from rejected_messages") == [(TOKENS,)]
    do(database, "grant select, update on all sequences in schema public, tracker to no_sequences")
    store_new(other, 3_000)
    other.close()
