"""Tables for training: what was known, and nothing that was known later."""

from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from actors.database.store import Store
from actors.dataset import Dataset, split
from actors.dataset.grouping import groups
from actors.errors import ConfigError
from tests.dataset.stored import (
    CONDITIONS,
    DAY_S,
    PAIRS,
    exported,
    fill,
    seconds,
    wish,
)
from tests.dataset.test_export import changed
from tests.dataset.test_program import as_url
from tests.postgres import ask, do

pytestmark = pytest.mark.db

FROM, TO = "2026-03-01", "2026-03-03"
TIMES = {
    "resolutions": ("recorded_at", "condition_id"),
    "market_history": ("known_at", "condition_id"),
    "resolution_conflicts": ("recorded_at", "condition_id"),
    "markets": ("first_seen_at", "condition_id"),
}


@pytest.fixture
def filled(store: Store, database: str) -> str:
    """Return the address of a database with two days of everything."""
    fill(store)
    do(database, "update tracker.epochs set late_at = null")
    return database


def scatter(dsn: str, rng: Random) -> None:
    """Let what is stored have become known at some time of the two days."""
    for condition_id in CONDITIONS:
        do(
            dsn,
            """insert into resolution_conflicts (condition_id, detected_at, recorded, observed,
            source) values (%s, now(), 'a', 'b', 'clob')""",
            condition_id,
        )
        do(dsn, "update markets set event_id = %s where condition_id = %s",
           str(rng.randrange(3)), condition_id)  # fmt: skip
        for table, (column, key) in TIMES.items():
            at = seconds(rng.random() * 2 * DAY_S)
            for number, (place,) in enumerate(
                ask(dsn, f"select ctid::text from {table} where {key} = %s", condition_id)  # noqa: S608
            ):
                changed(
                    dsn,
                    f"update {table} set {column} = %s where ctid = %s::tid",  # noqa: S608
                    at + timedelta(hours=7 * number),
                    place,
                )
        changed(
            dsn,
            """update resolution_conflicts set cleared_at = recorded_at + interval '9 hours',
            cleared_by = 'sources agree' where condition_id = %s and random() < 2""",
            condition_id,
        )


def forget(dsn: str, at: datetime) -> None:
    """Delete everything that was known later."""
    for command in (
        "delete from tracker.trades where received_at > %s",
        """delete from resolution_payouts p using resolutions r
        where r.condition_id = p.condition_id and r.recorded_at > %s""",
        "delete from resolutions where recorded_at > %s",
        "delete from resolution_conflicts where recorded_at > %s",
        """update resolution_conflicts set cleared_at = null, cleared_by = null
        where cleared_at > %s""",
        "delete from market_history where known_at > %s",
        "delete from markets where first_seen_at > %s",
        "delete from tracker.listening where from_at > %s",
        "update tracker.epochs set proven_until = least(proven_until, %s)",
    ):
        changed(dsn, command, at)


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 23))]
)
def test_nothing_changes_when_everything_that_was_known_later_is_deleted(
    seed: int, filled: str, tmp_path: Path
) -> None:
    rng = Random(seed)
    scatter(filled, rng)
    at = seconds((0.2 + 1.6 * rng.random()) * DAY_S)
    exported(filled, tmp_path / "r")
    by_release = Dataset(tmp_path / "r").training(FROM, TO, as_of=at)
    by_database = Dataset(as_url(filled)).training(FROM, TO, as_of=at)
    whole = Dataset(tmp_path / "r").training(FROM, TO)
    assert_frame_equal(by_release, by_database)
    forget(filled, at)
    assert_frame_equal(Dataset(as_url(filled)).training(FROM, TO, as_of=at), by_release)
    assert_frame_equal(Dataset(as_url(filled)).training(FROM, TO), by_release)
    assert 0 < by_release.height < whole.height
    assert by_release["label"].null_count() >= whole.head(by_release.height)["label"].null_count()


def test_a_row_has_all_that_is_known_of_a_trade(filled: str, tmp_path: Path) -> None:
    exported(filled, tmp_path / "r")
    frame = Dataset(tmp_path / "r").training(FROM, date(2026, 3, 3))
    stored = ask(
        filled,
        """select (extract(epoch from t.traded_at) * 1000000)::bigint, t.token_id, t.price, t.size,
        p.payout, extract(epoch from r.resolved_at - t.traded_at)::float8,
        exists (select from coverage c where c.token_id = t.token_id and c.during @> tstzrange(
          t.traded_at - interval '30 s', t.traded_at + interval '30 s')), m.event_id
        from trades t left join resolution_payouts p using (token_id)
        left join resolutions r on r.condition_id = t.condition_id
        left join markets m on m.condition_id = t.condition_id
        order by 1, token_id collate "C", price, size""",
    )
    told = frame.select(
        pl.col("traded_at").dt.epoch("us"), "token_id", "price", "size", "label",
        "seconds_to_resolution", "listened", "event_id",
    )  # fmt: skip
    assert told.rows() == stored
    assert set(frame["group"]) == {
        f"event {30829}", *(f"market {condition}" for condition in CONDITIONS[2:])
    }  # fmt: skip
    assert frame["listened"].any()
    assert not frame["listened"].all()


def test_the_same_table_is_had_for_pandas_and_duckdb(filled: str, tmp_path: Path) -> None:
    exported(filled, tmp_path / "r")
    dataset = Dataset(tmp_path / "r")
    frame = dataset.training(FROM, TO)
    pandas = dataset.pandas().training(FROM, TO)
    assert [str(price) for price in pandas["price"]] == [str(price) for price in frame["price"]]
    assert list(pandas.columns) == frame.columns
    rows = dataset.duckdb().training(FROM, TO).fetchall()
    assert [row[5:7] for row in rows] == frame.select("price", "size").rows()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": "2026-03-04"}, "lacks 2026-03-03: export it with tracker-export --from 2026-03-03"),
        ({"to": "2026-03-01"}, "to: 2026-03-01 is not after 2026-03-01"),
        ({"as_of": "2026-03-03"}, r"is as of 2026-03-02T00:00:00Z, which is earlier"),
        ({"around": timedelta(hours=2)}, "around: must be from 0 to 1:00:00"),
    ],
)
def test_what_a_release_does_not_have_is_said(
    given: dict[str, Any], said: str, filled: str, tmp_path: Path
) -> None:
    exported(filled, tmp_path / "r", wish(2, as_of=seconds(DAY_S)))
    with pytest.raises(ConfigError, match=said):
        Dataset(tmp_path / "r").training(FROM, **{"to": TO, **given})
    with pytest.raises(ConfigError, match="there is no release"):
        Dataset(tmp_path).training(FROM, TO)


def test_groups_stay_on_one_side_and_more_rows_move_none(filled: str, tmp_path: Path) -> None:
    exported(filled, tmp_path / "r")
    frame = Dataset(tmp_path / "r").training(FROM, TO)
    train, test = split(frame, 0.5, seed="3")
    assert train.height + test.height == frame.height
    assert not set(train["group"]) & set(test["group"])
    assert train.height > 0 < test.height
    fewer = split(frame.head(500), 0.5, seed="3")[1]
    assert set(fewer["group"]) <= set(test["group"])
    assert split(frame, 0.5, seed="4")[1].height != test.height
    with pytest.raises(ValueError, match="test: must be from 0 to 1"):
        split(frame, 2)


def test_what_an_event_or_a_neg_risk_id_joins_is_one_group() -> None:
    assert groups(
        [("a", "1", None), ("b", "1", "n"), ("c", "2", "n"), ("d", "3", "m"), ("e", None, "m"),
         ("f", None, None)]
    ) == {
        "a": "event 1", "b": "event 1", "c": "event 1", "d": "event 3", "e": "event 3",
        "f": "market f",
    }  # fmt: skip


def test_bars_tell_silence_from_time_in_which_nobody_listened(filled: str, tmp_path: Path) -> None:
    token = PAIRS[0][0]
    exported(filled, tmp_path / "large")
    with pytest.raises(ConfigError, match=r"the volume of .* has more than 38 digits"):
        Dataset(tmp_path / "large").bars(token, timedelta(minutes=5), FROM, TO)
    changed(filled, "delete from tracker.trades where size > %s", 10**19)
    exported(filled, tmp_path / "r")
    dataset = Dataset(tmp_path / "r")
    bars = dataset.bars(token, timedelta(minutes=5), FROM, TO)
    stored = ask(
        filled,
        """select bucket, open, high, low, close, volume, trades, listened
        from candles(%s, %s, %s, interval '5 minutes')""",
        token,
        seconds(0),
        seconds(2 * DAY_S),
    )
    assert bars.height == len(stored) == 576
    unheard = (None,) * 6
    assert bars.rows() == [row if row[7] else (row[0], *unheard, False) for row in stored]
    assert bars["trades"].to_list()[:2] == [None, None]
    assert 0 in set(bars["trades"])
    path = dataset.price_path(token, timedelta(minutes=5), FROM, TO)
    assert path["price"].to_list()[:2] == [None, None]
    last = None
    for (_, price), row in zip(path.rows(), stored, strict=True):
        last = None if not row[7] else row[4] if row[4] is not None else last
        assert price == last
    assert dataset.bars(PAIRS[0][1], timedelta(hours=1), FROM, TO)["trades"].null_count() == 48
    with pytest.raises(ConfigError, match="width: must be above 0"):
        dataset.bars(token, timedelta(0), FROM, TO)
