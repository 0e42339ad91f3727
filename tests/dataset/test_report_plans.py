"""A report reads its time alone: what was stored before and behind costs it nothing.

Judged by the server's own count of rows that were read, in a database whose tables are all large.
"""

from datetime import UTC, datetime, timedelta

import pytest

from actors.dataset.report import snapshot
from actors.dataset.report.values import DAY, Span
from tests.database.ordinary_path import condition
from tests.database.test_plans import Reads, _set_statistics, filled, large
from tests.postgres import do

pytestmark = pytest.mark.db

__all__ = ["filled", "large"]

QUIET = datetime(2026, 3, 5, tzinfo=UTC)
"""A day with few trades; 2026-03-01 has 40,000. Other tables are about the day of now."""
FEW = """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key, occurrence,
    is_buy, price, size) select timestamptz '2026-03-05 10:00+00' + n * interval '1 second', now(),
    n, n, 1, true, 0.5, 1 from generate_series(1, 200) n"""
LARGE = {
    "trades_2026_03_01", "coverage_ranges", "listening", "wanted", "epochs", "connection_events",
    "rejected_messages", "resolution_payouts", "market_history",
}  # fmt: skip
"""What grows with time. Markets are looked through, to find which were open or have no label."""


def test_a_report_of_a_day_reads_no_other_day(large: str) -> None:
    do(large, "select add_trade_day('2026-03-05')")
    do(large, FEW)
    _set_statistics(large, "fresh")
    reads = Reads(large)
    with snapshot.opened(large) as reader:
        found = reader.contents(Span(QUIET, QUIET + DAY), None)
    assert found.trades.total == 200
    assert {table for table, _, _ in reads.whole()} & LARGE == set()


def test_a_report_of_a_market_reads_that_market_alone(large: str) -> None:
    _set_statistics(large, "fresh")
    reads = Reads(large)
    span = Span(QUIET - timedelta(days=30), QUIET + timedelta(days=30))
    with snapshot.opened(large) as reader:
        about = reader.market(condition(700))
        assert about is not None
        assert reader.contents(span, about).trades.total == 2
    assert {table for table, _, _ in reads.whole()} & LARGE == set()


def test_a_report_that_reads_another_day_is_noticed(large: str) -> None:
    _set_statistics(large, "fresh")
    reads = Reads(large)
    with snapshot.opened(large) as reader:
        first = datetime(2026, 3, 1, tzinfo=UTC)
        assert reader.contents(Span(first, first + DAY), None).trades.total == 40_000
    assert {table for table, _, _ in reads.whole()} & LARGE == {"trades_2026_03_01"}
