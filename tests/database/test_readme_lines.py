"""The lines of README that bring the data into Python run as they stand there."""

import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from actors.database.store import Store
from actors.model.storage import Batch
from tests.database.samples import NO, at, market, ns, resolution, trade
from tests.postgres import ask

pytestmark = pytest.mark.db

README = (Path(__file__).parents[2] / "README.md").read_text()
(LINES,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COLUMNS = ["traded_at", "outcome", "side", "price", "size", "payout"]


class Frame:
    """As much of a DataFrame as the lines use; pandas is not needed to run the tests."""

    def __init__(self, data: Sequence[Sequence[Any]], columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.rows = [list(row) for row in data]

    def __getitem__(self, names: list[str]) -> "Frame":
        places = [self.columns.index(name) for name in names]
        return Frame([[row[place] for place in places] for row in self.rows], names)

    def __setitem__(self, names: list[str], frame: "Frame") -> None:
        places = [self.columns.index(name) for name in names]
        for row, given in zip(self.rows, frame.rows, strict=True):
            for place, value in zip(places, given, strict=True):
                row[place] = value

    def astype(self, kind: type[float]) -> "Frame":
        nan = kind("nan")
        rows = [[nan if each is None else kind(each) for each in row] for row in self.rows]
        return Frame(rows, self.columns)

    @property
    def values(self) -> "Frame":
        return self

    def tolist(self) -> list[list[Any]]:
        return self.rows


def rows(dsn: str, as_of: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[Any]]:
    """Run the lines for this database and time; return the columns and rows of `trades`."""
    # No dependency of ours for a few lines of a page; it was tried with the real one.
    pandas = ModuleType("pandas")
    pandas.DataFrame = Frame  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    lines = re.sub(r'^DATABASE = ".*?"', lambda _: f"DATABASE = {dsn!r}", LINES, flags=re.MULTILINE)
    lines = re.sub(r'"2026-12-01"', lambda _: repr(as_of), lines)
    assert lines.count(repr(dsn)) == lines.count(repr(as_of)) == 1
    given: dict[str, Any] = {}
    exec(compile(lines, "README.md", "exec"), given)  # noqa: S102 - our own page
    return list(given["trades"].columns), given["trades"].values.tolist()


def test_they_are_few() -> None:
    assert 10 <= len([line for line in LINES.splitlines() if line]) <= 18
    assert max(map(len, LINES.splitlines())) <= 110


def test_trades_come_with_what_their_token_paid(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trades = (trade(1), trade(2, token_id=NO, price=Decimal("0.25")), trade(99))
    found = resolution(resolved_at_ms=ns(90) // 1_000_000)
    store.commit(Batch(markets=(market(),), trades=trades, resolutions=(found,)))
    columns, found_rows = rows(database, "2100-01-01", monkeypatch)
    assert columns == COLUMNS
    shown = [tuple(row[1:]) for row in found_rows]
    assert shown == [("Yes", "BUY", 0.33, 10.820819, 1.0), ("No", "BUY", 0.25, 10.820819, 0.0)]


def test_they_do_not_look_into_the_future(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit(
        Batch(
            markets=(market(),),
            trades=(trade(1), trade(50)),
            resolutions=(resolution(resolved_at_ms=ns(90) // 1_000_000),),
        )
    )
    ((recorded,),) = ask(database, "select recorded_at from resolutions")
    before = (recorded - timedelta(microseconds=1)).isoformat()
    _, unlabelled = rows(database, before, monkeypatch)
    assert len(unlabelled) == 2
    assert all(row[-1] != row[-1] for row in unlabelled)  # not a number
    _, early = rows(database, at(20).isoformat(), monkeypatch)
    assert len(early) == 1
