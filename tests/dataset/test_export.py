"""A release holds what the database holds, exactly, and says so."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.database.store import Store
from actors.dataset import schemas
from actors.dataset.export.verify import faults
from actors.errors import ConfigError
from actors.model.facts import ProcessAlive
from actors.model.storage import Batch
from tests.database.samples import market, resolution, trade
from tests.dataset.stored import (
    CONDITIONS,
    DAY_S,
    PAIRS,
    exported,
    fill,
    ns,
    seconds,
    some_trades,
    wish,
)
from tests.postgres import ask, connected, do

pytestmark = pytest.mark.db

STORED = """select (extract(epoch from traded_at) * 1000000)::bigint,
    (extract(epoch from received_at) * 1000000)::bigint, condition_id, token_id,
    trim_scale(price)::text, trim_scale(size)::text, side, fee_rate_bps, transaction_hash,
    occurrence, epoch, sequence, trade_id, extra::text from trades
    order by 1, token_id collate "C", price, size, side, transaction_hash nulls first, occurrence"""

Rows = list[tuple[Any, ...]]


@pytest.fixture
def filled(store: Store, database: str) -> str:
    """Return the address of a database with two days of everything."""
    fill(store)
    return database


def changed(dsn: str, command: str, *given: object) -> None:
    """Change rows that nobody may change."""
    with connected(dsn) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(command.encode(), given)


def whole(number: Any) -> str:
    """Return a number without zeros at its end, as `trim_scale` writes it."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def hexadecimal(value: bytes | None) -> str | None:
    return None if value is None else "0x" + bytes(value).hex()


def micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // (seconds(0.000_001) - seconds(0))


def as_stored(rows: list[dict[str, Any]]) -> Rows:
    return [
        (
            micros(row["traded_at"]), micros(row["received_at"]), row["condition_id"],
            row["token_id"], whole(row["price"]), whole(row["size"]), row["side"],
            row["fee_rate_bps"], hexadecimal(row["transaction_hash"]), row["occurrence"],
            row["epoch"], row["sequence"], row["trade_id"], row["extra"],
        )
        for row in rows
    ]  # fmt: skip


def test_every_value_of_every_trade_is_read_as_it_is_stored(filled: str, tmp_path: Path) -> None:
    exported(filled, tmp_path / "r")
    stored = ask(filled, STORED)
    assert len(stored) == 2_000
    files = sorted((tmp_path / "r/trades").glob("*/*.parquet"))
    assert [file.parent.name for file in files] == ["date=2026-03-01", "date=2026-03-02"]
    arrow = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
    assert as_stored(arrow.to_pylist()) == stored
    polars = pl.read_parquet(tmp_path / "r/trades", hive_partitioning=True)
    assert as_stored(polars.to_dicts()) == stored
    pandas = pd.read_parquet(tmp_path / "r/trades", dtype_backend="pyarrow")
    assert as_stored(pandas.astype(object).where(pandas.notna(), None).to_dict("records")) == stored
    found = duckdb.read_parquet(f"{tmp_path}/r/trades/*/*.parquet").order(
        "traded_at, token_id, price, size, side, transaction_hash nulls first, occurrence"
    )
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    assert as_stored(rows) == stored


def test_trades_have_one_order_whatever_that_of_the_database(filled: str, tmp_path: Path) -> None:
    first = exported(filled, tmp_path / "a")
    do(
        filled,
        """begin; set local session_replication_role = replica;
        create temp table was as select * from tracker.trades; delete from tracker.trades;
        insert into tracker.trades select * from was order by trade_hash; commit""",
    )
    assert exported(filled, tmp_path / "b") == first


def test_the_same_cut_of_the_same_revision_has_the_same_bytes(filled: str, tmp_path: Path) -> None:
    exported(filled, tmp_path / "a")
    exported(filled, tmp_path / "b")
    names = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")]
    assert len(names) > 7
    for name in names:
        if (tmp_path / "a" / name).is_file():
            same = (tmp_path / "b" / name).read_bytes()
            assert (tmp_path / "a" / name).read_bytes() == same, name


def test_a_release_is_whole_and_running_again_changes_nothing(filled: str, tmp_path: Path) -> None:
    root = tmp_path / "r"
    exported(filled, root)
    assert list(faults(root)) == []
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    exported(filled, root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


def test_a_trade_that_comes_later_makes_a_revision_that_says_so(
    filled: str, store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "r"
    first = exported(filled, root).days["2026-03-01"].current
    store.commit(Batch(trades=(trade(1),)))
    manifest = exported(filled, root)
    old, new = manifest.days["2026-03-01"].revisions
    assert (new.revision, new.rows, new.reason) == (
        2,
        first.rows + 1,
        "1 more trade stored since revision 1",
    )
    assert (old.sha256, old.reason) == (first.sha256, "first export")
    assert old.file == "superseded/date=2026-03-01/revision-1.parquet"
    assert len(manifest.days["2026-03-02"].revisions) == 1
    assert [path.name for path in (root / "trades/date=2026-03-01").iterdir()] == [
        "revision-2.parquet"
    ]
    assert list(faults(root)) == []


def test_a_day_is_final_when_every_journal_has_passed_it(filled: str, tmp_path: Path) -> None:
    def states() -> list[str]:
        return [day.state for day in exported(filled, tmp_path / "r").days.values()]

    assert states() == ["final", "final"]
    do(filled, "insert into tracker.journals (journal_id) values (gen_random_uuid())")
    assert states() == ["open", "open"]
    do(
        filled,
        """insert into tracker.process_life (journal_key, start_seq, started_at, alive_at, host,
        version) select max(journal_key), 1, %s, %s, 'host-2', '1' from tracker.journals""",
        seconds(0),
        seconds(DAY_S + 299),
    )
    assert states() == ["open", "open"]
    do(filled, "update tracker.process_life set alive_at = alive_at + '1 s' where host = 'host-2'")
    assert states() == ["final", "open"]
    why = exported(filled, tmp_path / "r").days["2026-03-02"].why_open
    assert (
        why == "what the tracker of host-2 (journal 2) received after 2026-03-02T00:05:00Z may come"
    )
    do(filled, "update tracker.journals set retired_at = now() where journal_key = 2")
    assert states() == ["final", "final"]


def test_a_day_that_was_open_is_looked_at_again(filled: str, store: Store, tmp_path: Path) -> None:
    root = tmp_path / "r"
    do(filled, "update tracker.process_life set alive_at = %s", seconds(DAY_S))
    first = exported(filled, root, wish(1))
    assert first.days["2026-03-01"].state == "open"
    store.commit(Batch(trades=(trade(1),), facts=((7, ProcessAlive(at_ns=ns(DAY_S + 300))),)))
    later = exported(filled, root, wish(2)).days["2026-03-01"]
    assert (later.state, len(later.revisions)) == ("final", 2)


def test_nothing_that_was_known_later_is_in_a_release_as_of_a_time(
    filled: str, store: Store, tmp_path: Path
) -> None:
    changed(
        filled,
        "update resolutions set recorded_at = %s where condition_id = %s",
        seconds(DAY_S),
        CONDITIONS[0],
    )
    for name in ("markets", "events"):
        do(filled, f"update {name} set first_seen_at = %s", seconds(0))  # noqa: S608
    changed(filled, "update market_history set known_at = %s", seconds(0))
    store.commit(Batch(markets=(market(CONDITIONS[0], PAIRS[0], slug="another"),)))
    as_of = seconds(DAY_S + 60)
    root = tmp_path / "r"
    manifest = exported(filled, root, wish(2, as_of=as_of))
    stored = ask(filled, "select count(*) from trades where received_at <= %s", as_of)
    rows = pl.read_parquet(root / "trades")
    assert (rows.height, rows["received_at"].max()) <= (stored[0][0], as_of)
    assert rows.height == stored[0][0] > 0
    labels = pl.read_parquet(root / "labels.parquet")
    assert set(labels["condition_id"]) == {CONDITIONS[0]}
    assert manifest.about.labels.winner == 1
    markets = pl.read_parquet(root / "markets.parquet")
    assert "another" not in set(markets["slug"])
    assert "another" in set(pl.read_parquet(_now(filled, tmp_path) / "markets.parquet")["slug"])
    assert manifest.days["2026-03-02"].state == "open"
    assert list(faults(root)) == []


def test_listening_that_was_stored_late_was_not_known_then(filled: str, tmp_path: Path) -> None:
    asked = wish(2, as_of=seconds(DAY_S + 60))
    exported(filled, tmp_path / "late", asked)
    assert pl.read_parquet(tmp_path / "late/coverage.parquet").height == 0
    gaps = pl.read_parquet(tmp_path / "late/gaps.parquet")
    assert gaps.filter(pl.col("cause") == "stored_late").height == len(PAIRS)
    do(filled, "update tracker.epochs set late_at = null")
    exported(filled, tmp_path / "at_once", asked)
    covered = pl.read_parquet(tmp_path / "at_once/coverage.parquet")
    assert (covered.height, covered["until_at"].max()) == (len(PAIRS), asked.as_of)
    gaps = pl.read_parquet(tmp_path / "at_once/gaps.parquet")
    assert gaps.filter(pl.col("cause") == "stored_late").height == 0
    assert gaps["until_at"].max() == asked.as_of


def _now(dsn: str, tmp_path: Path) -> Path:
    exported(dsn, tmp_path / "now")
    return tmp_path / "now"


def test_only_the_markets_that_are_named_are_written(filled: str, tmp_path: Path) -> None:
    by_tag = exported(filled, tmp_path / "t", wish(tags=("weather",)))
    by_name = exported(filled, tmp_path / "n", wish(markets=("slug-1", CONDITIONS[3], "slug-5")))
    wanted = {CONDITIONS[1], CONDITIONS[3], CONDITIONS[5]}
    for root, manifest in ((tmp_path / "t", by_tag), (tmp_path / "n", by_name)):
        assert set(pl.read_parquet(root / "trades")["condition_id"].cast(pl.String)) == wanted
        assert set(pl.read_parquet(root / "markets.parquet")["condition_id"]) == wanted
        assert manifest.cut != exported(filled, tmp_path / "all").cut
    exported(filled, tmp_path / "e", wish(markets=("weather",)))
    assert set(pl.read_parquet(tmp_path / "e/markets.parquet")["condition_id"]) == set(
        CONDITIONS[:2]
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"markets": ("nobody",)}, "--markets: no market or event nobody is known here"),
        ({"tags": ("nobody",)}, "--tags: no market with nobody is known here"),
    ],
)
def test_a_market_that_is_not_known_is_named(
    asked: dict[str, Any], said: str, filled: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        exported(filled, tmp_path / "r", wish(**asked))


def test_a_directory_keeps_its_cut(filled: str, tmp_path: Path) -> None:
    exported(filled, tmp_path / "r")
    with pytest.raises(ConfigError, match=r"holds another release \(all that is known\), not all"):
        exported(filled, tmp_path / "r", wish(tags=("weather",)))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"is not empty and holds no release \(thesis.txt\)"):
        exported(filled, tmp_path / "other")


def test_labels_say_what_each_token_pays_and_what_contradicts_it(
    filled: str, tmp_path: Path
) -> None:
    do(
        filled,
        """insert into resolution_conflicts (condition_id, detected_at, recorded, observed, source)
        values (%s, %s, 'a', 'b', 'clob')""",
        CONDITIONS[1],
        seconds(DAY_S),
    )
    do(
        filled,
        """insert into resolution_conflicts
        (condition_id, detected_at, recorded, observed, source, kind)
        values (%s, %s, 'Yes', 'No', 'listing', 'mapping')""",
        CONDITIONS[0],
        seconds(DAY_S),
    )
    manifest = exported(filled, tmp_path / "r")
    labels = pq.read_table(tmp_path / "r/labels.parquet").to_pylist()
    assert {row["token_id"]: (str(row["payout"])[:3], row["contested"]) for row in labels} == {
        PAIRS[0][0]: ("1.0", False), PAIRS[0][1]: ("0E-", False), PAIRS[1][0]: ("1.0", True),
        PAIRS[1][1]: ("0E-", True), PAIRS[2][0]: ("1.0", False), PAIRS[2][1]: ("0E-", False),
    }  # fmt: skip
    assert manifest.about.labels.contested == 1
    assert manifest.about.labels.unresolved == {"open": 3}
    assert manifest.about.conflicts["outcome"].open == 1
    states = pl.read_parquet(tmp_path / "r/markets.parquet")["state"]
    assert sorted(states) == ["open"] * 3 + ["resolved"] * 3


def test_gaps_and_coverage_are_those_of_the_database(filled: str, tmp_path: Path) -> None:
    manifest = exported(filled, tmp_path / "r")
    covered = pq.read_table(tmp_path / "r/coverage.parquet").to_pylist()
    assert {row["token_id"] for row in covered} == {pair[0] for pair in PAIRS}
    assert {(row["from_at"], row["until_at"]) for row in covered} == {
        (seconds(600), seconds(2 * DAY_S))
    }
    gaps = pq.read_table(tmp_path / "r/gaps.parquet").to_pylist()
    stored = ask(
        filled,
        """select a.token_id, lower(gap), upper(gap), cause from assets a
        cross join lateral coverage_gaps(a.token_id, %s, %s)""",
        seconds(0),
        seconds(2 * DAY_S),
    )
    assert len(stored) >= 12
    assert sorted(tuple(row.values()) for row in gaps) == sorted(stored)
    day = manifest.days["2026-03-01"]
    assert day.covered_s == 6 * (DAY_S - 600)
    assert day.coverage is not None
    assert 0 < day.coverage < 1


def test_a_market_that_is_not_listed_or_was_resolved_before_is_there_with_its_trades(
    filled: str, store: Store, tmp_path: Path
) -> None:
    unlisted, before = "0x" + "e1" * 32, "0x" + "e2" * 32
    store.commit(
        Batch(
            trades=(
                trade(1, token_id="77", condition_id=unlisted),
                trade(1, token_id="78", condition_id=before),
            ),
            resolutions=(resolution(("78", "79"), condition_id=before),),
        )
    )
    changed(
        filled,
        "update resolutions set recorded_at = '2026-02-01' where condition_id = %s",
        before,
    )
    manifest = exported(filled, tmp_path / "r")
    assert {unlisted, before} <= set(manifest.days["2026-03-01"].late_markets)
    markets = pl.read_parquet(tmp_path / "r/markets.parquet")
    traded = pl.read_parquet(tmp_path / "r/trades")["condition_id"].cast(pl.String)
    assert set(traded) <= set(markets["condition_id"])
    assert markets.filter(pl.col("condition_id") == unlisted)["question"].to_list() == [None]


def test_a_day_without_trades_has_an_empty_file(database: str, tmp_path: Path) -> None:
    manifest = exported(database, tmp_path / "r")
    assert [day.current.rows for day in manifest.days.values()] == [0, 0]
    assert pl.read_parquet(tmp_path / "r/trades").height == 0
    assert list(faults(tmp_path / "r")) == []


def test_what_does_not_fit_is_an_error_and_never_rounded(filled: str, tmp_path: Path) -> None:
    do(filled, "alter table tracker.trades drop constraint if exists trades_size_check")
    do(
        filled,
        """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key, occurrence,
        is_buy, price, size) select %s, %s, 1, 1, 1, true, 0.5, 0.0000000000000000001""",
        seconds(1),
        seconds(1),
    )
    with pytest.raises(ConfigError, match="does not fit a release, which has 38 digits"):
        exported(filled, tmp_path / "r")


def test_the_columns_are_those_of_the_schema(filled: str, tmp_path: Path) -> None:
    exported(filled, tmp_path / "r")
    for name, schema in schemas.TABLES.items():
        assert pq.read_schema(tmp_path / "r" / name).equals(schema), name
    assert len(some_trades(3)) == 3
