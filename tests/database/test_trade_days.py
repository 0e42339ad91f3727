"""A day of trades has one partition with its bounds, whatever the session of the caller says."""

from collections.abc import Callable
from contextlib import closing
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from actors.database.session import Session
from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask, do

pytestmark = pytest.mark.db

MADE = """select c.relname::text, pg_get_expr(c.relpartbound, c.oid)
    from pg_inherits h join pg_class c on c.oid = h.inhrelid
    where h.inhparent = 'tracker.trades'::regclass order by 1"""
CALL = "select tracker.add_trade_day('2026-12-05')"
OF_THE_CALLER = (
    "set timezone = 'Asia/Kolkata'; set datestyle = 'SQL, DMY'",  # IST is read as that of Israel
    "set timezone = 'Asia/Shanghai'; set datestyle = 'Postgres, YMD'",  # and CST as another one
    "set timezone = 'Pacific/Kiritimati'; set datestyle = 'German, DMY'",
)


def made(dsn: str) -> list[tuple[str, str]]:
    """Return the partitions and their bounds, as UTC tells them."""
    return ask(make_conninfo(dsn, options="-c timezone=UTC -c datestyle=ISO"), MADE)


@pytest.mark.parametrize("settings", OF_THE_CALLER)
def test_a_setting_of_the_caller_changes_no_bound(database: str, settings: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(settings.encode())
        for _ in range(2):
            connection.execute(CALL)
    assert made(database) == [
        (
            "trades_2026_12_05",
            "FOR VALUES FROM ('2026-12-05 00:00:00+00') TO ('2026-12-06 00:00:00+00')",
        )
    ]


@pytest.mark.parametrize(
    "day", ["2026-12-05 BC", "0001-01-01", "2019-12-31", "2100-01-01", "20261-12-05", "infinity"]
)
def test_days_of_which_no_trade_can_be_are_not_made(database: str, day: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"2020-01-01 .* 2099-12-31"):
        do(database, "select tracker.add_trade_day(%s::date)", day)
    assert made(database) == []
    for edge in ("2020-01-01", "2099-12-31"):
        do(database, "select tracker.add_trade_day(%s::date)", edge)
    assert [name for name, _ in made(database)] == ["trades_2020_01_01", "trades_2099_12_31"]


def test_trades_of_such_days_are_rejected_and_the_others_stored(
    store: Store, database: str
) -> None:
    beyond = (trade(-86_400 * 365 * 7), trade(86_400 * 365 * 75))
    committed = store.commit(Batch(trades=(*beyond, *(trade(second) for second in range(200)))))
    assert (committed.stored, committed.rejected_rows) == (200, (("trade", 2),))
    assert [name for name, _ in made(database)] == ["trades_2026_03_01"]


@pytest.mark.parametrize(
    "planted",
    [
        "create table tracker.trades_2026_12_05 (x integer)",
        "create view tracker.trades_2026_12_05 as select 1",
        """create table tracker.trades_2026_12_05 partition of tracker.trades
           for values from ('2026-12-05 00:00-05') to ('2026-12-06 00:00-05')""",
        "create table tracker.trades_2026_12_05 partition of tracker.trades default",
    ],
)
def test_what_only_has_the_name_of_a_day_is_not_taken_for_it(database: str, planted: str) -> None:
    do(database, planted)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as caught:
        do(database, CALL)
    said = str(caught.value)
    assert "tracker.trades_2026_12_05 is not the partition" in said
    assert "2026-12-05 00:00:00+00" in said
    assert "rename" in said


@pytest.mark.parametrize("width", ["1 day", "7 days", "1 day 00:00:00.000001"])
def test_candles_of_days_are_the_same_in_every_time_zone(database: str, width: str) -> None:
    query = """select array_agg(extract(epoch from bucket)) from candles('1', '2026-03-20T00:00Z',
        '2026-11-02T00:00Z', %s)"""
    usual, elsewhere = (
        ask(make_conninfo(database, options=f"-c timezone={zone}"), query, width)
        for zone in ("UTC", "Europe/Berlin")
    )
    assert elsewhere == usual


# ------------------------------------------------------ settings of the own role

KEPT_AWAY = {
    "default_transaction_read_only": "on",
    "default_tablespace": "pg_global",
    "exit_on_error": "on",
    "idle_session_timeout": "1h",
}


@pytest.mark.parametrize("name", KEPT_AWAY)
def test_a_setting_that_a_tracker_has_given_its_role_keeps_no_other_away(
    database: str, open_store: Callable[[UUID], Store], name: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        of_role = sql.SQL("alter role current_user {} {}")
        given = sql.SQL("set {} = {}").format(sql.Identifier(name), KEPT_AWAY[name])
        connection.execute(of_role.format(given, sql.SQL("")))
        try:
            store = open_store(UUID(int=1))
            assert store.commit(Batch(trades=(trade(1),))).stored == 1
            usual = "select boot_val = setting from pg_settings where name = %s"
            with closing(Session(database)) as session:
                assert session.connection.execute(usual, (name,)).fetchone() == (True,)
        finally:
            connection.execute("set default_transaction_read_only = off")
            connection.execute(of_role.format(sql.SQL("reset"), sql.Identifier(name)))


def test_who_counts_trades_reads_no_names(database: str) -> None:
    """They are joined by a number a trade, which costs more than to read the trade."""
    plan = ask(database, "explain select count(*) from trades where received_at > now()")
    assert plan
    assert not [line for (line,) in plan if "assets" in line]
