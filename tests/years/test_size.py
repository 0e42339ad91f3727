"""The arithmetic of the simulated years, what is read from a server's log, and what is judged."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.database import queries
from actors.database.upkeep.housekeeping import EVENTS_KEPT, SAMPLES_KEPT
from tests.chaos.torture import select
from tests.years.bytes_of import EVENTS, KEPT, SAMPLES, after_retention, judged
from tests.years.filling import (
    FIRST_SEQ,
    MARKETS_AT_ONCE,
    TRADES_AT_ONCE,
    parts,
    trade_days,
    watermark,
)
from tests.years.generate import NoSpace, folder_of, is_built, require_space, size_of, tables
from tests.years.served import Step
from tests.years.server_log import Statement, by_name, growth, longest, statements
from tests.years.size import Size, chunks, step_through

UNTIL = datetime(2026, 7, 1, 5, tzinfo=UTC)
SCALES = (0.001, 0.01, 0.05, 0.2, 1.0)


def test_scale_1_is_a_year_of_the_whole_exchange() -> None:
    size = Size(1)
    assert size.ended_markets == 365 * 40_000
    assert (size.connections, 2 * size.open_markets) == (4_400, 440_000)
    assert (size.trades, round(size.trade_days)) == (100_000_000, 35)
    assert size.events == EVENTS_KEPT.days * 4_400 * 8
    assert size.samples == SAMPLES_KEPT.days * 100
    assert size.runs == 53


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_open_fills_the_connections_and_the_rest_is_proportional(scale: float) -> None:
    size = Size(scale)
    assert size.open_markets * 2 == size.slots * 200
    assert size.ended_markets == round(365 * 40_000 * scale)
    assert size.slots == round(2_200 * min(1, 4 * scale))
    assert 0 < size.pending_markets <= size.ended_markets
    assert size.trading_tokens <= 2 * size.markets
    assert size.disk_bytes() > 2 * size.bytes
    assert size.disk_bytes(shared=True) == size.disk_bytes() - size.bytes


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_a_scale_that_makes_no_sense_is_rejected(share: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        Size(share)
    with pytest.raises(ValueError, match="described"):
        Size(1, share)


@pytest.mark.parametrize("scale", SCALES)
def test_the_newest_markets_are_described_and_all_that_have_no_resolution(scale: float) -> None:
    size, all_of_them = Size(scale, 0.001), Size(scale)
    assert all_of_them.described_from == 1
    assert all_of_them.described_markets == all_of_them.markets
    assert size.described_from <= size.resolved_markets + 1
    assert size.ended_markets - size.described_from + 1 in (
        size.pending_markets,
        round(size.ended_markets / 1_000),
    )
    assert size.bytes < all_of_them.bytes


def test_chunks_meet_every_number_once_and_are_bounded() -> None:
    found = chunks(3, 1_000, 7)
    assert [n for first, last in found for n in range(first, last + 1)] == list(range(3, 1_001))
    assert max(last - first for first, last in found) == 6


@pytest.mark.parametrize("count", [10, 7_919, 2 * 7_919, 97_200])
def test_stepping_through_the_tokens_meets_each_once(count: int) -> None:
    step = step_through(count)
    assert {rank * step % count for rank in range(count)} == set(range(count))


@pytest.mark.parametrize("scale", SCALES[:3])
def test_every_statement_is_of_bounded_size_and_none_is_left_with_a_hole(scale: float) -> None:
    size = Size(scale)
    found: dict[str, list[str]] = {}
    for part in parts(size, UNTIL):
        found.setdefault(part.table, []).extend(part.statements)
    assert len(found["assets"]) == -(-size.markets // MARKETS_AT_ONCE)
    inserts = [text for text in found["trades"] if text.startswith("insert")]
    assert len(inserts) == -(-size.trades // TRADES_AT_ONCE)
    by_market = ("assets", "markets", "events", "market_history", "resolutions")
    for table in (*by_market, "coverage_ranges", "listening"):
        assert not any("{" in text or "}" in text for text in found[table])


def test_tokens_are_there_of_every_market_and_texts_of_those_that_are_described() -> None:
    size, full = Size(0.05, 0.1), Size(0.05)
    counts = [
        {part.table: len(part.statements) for part in parts(each, UNTIL)} for each in (size, full)
    ]
    for table in ("assets", "wanted", "coverage_ranges", "listening", "trades", "unresolved"):
        assert counts[0][table] == counts[1][table]
    for table in ("markets", "market_history", "resolutions", "resolution_observations"):
        assert counts[0][table] < counts[1][table] / 3


def test_the_same_scale_and_end_give_the_same_statements() -> None:
    assert list(parts(Size(0.01), UNTIL)) == list(parts(Size(0.01), UNTIL))


def test_trades_have_a_partition_for_each_day_and_for_the_next() -> None:
    # 1,000,000 trades at 33 a second are 8.4 hours.
    assert trade_days(Size(0.01), UNTIL) == ["2026-06-30", "2026-07-01", "2026-07-02"]
    assert len(trade_days(Size(1), UNTIL)) == 37


def test_the_watermark_is_behind_every_sequence() -> None:
    assert watermark(Size(0.01)) == FIRST_SEQ + 315_360_000 * 70 // 1_000 + 1


def _log(*entries: str) -> str:
    return "".join(f"7|polymarket-tracker|LOG:  duration: {entry}\n" for entry in entries)


def test_the_parts_of_a_statement_are_added_up_and_it_has_the_name_of_its_file() -> None:
    text = queries.MOVE_WATERMARK.decode().replace("\n", "\n\t")
    for number, name in enumerate(("watermark", "journal", "session", "known"), 1):
        text = text.replace(f"%({name})s", f"${number}")
    log = _log(
        f"1.5 ms  parse <unnamed>: {text}",
        f"2.0 ms  bind <unnamed>: {text}",
        f"0.5 ms  execute <unnamed>: {text}",
        "0.1 ms  bind _pg3_0: select 1",
        "0.1 ms  execute _pg3_0: select 1",
        "900.0 ms  statement: COMMIT",
    )
    found = list(statements(log))
    assert found[0] == Statement("move_watermark", 4.0)
    assert found[1] == Statement("select 1", 0.2)
    assert longest(found) == found[0]
    assert by_name(found) == {"move_watermark": [4.0], "select 1": [0.2]}


def test_statements_of_others_do_not_count() -> None:
    log = "7|psql|LOG:  duration: 9.0 ms  statement: select 1\n7||LOG:  checkpoint starting: time\n"
    assert list(statements(log)) == []
    assert longest([]) == Statement("", 0.0)


def test_a_statement_grows_when_it_takes_twice_as_long_and_not_for_a_millisecond() -> None:
    found = growth(
        {"a": [1, 1, 90], "b": [20, 30], "c": [5]}, {"a": [3, 300], "b": [90, 80], "d": [1]}
    )
    assert [(each.name, each.grows) for each in found] == [("b", True), ("a", False)]


def test_years_run_only_when_they_are_named() -> None:
    assert [fault.number for fault in select("years")] == ["Y1", "Y2", "Y3", "Y4"]
    assert not any(fault.alone for fault in select(""))


@pytest.mark.parametrize(
    ("ms", "report_s", "mib", "wrong"),
    [(999, 4.9, 260, 0), (1_001, 4.9, 260, 1), (999, 5.1, 260, 1), (1_001, 6, 261, 3)],
)
def test_a_step_is_judged_by_statement_report_and_memory(
    ms: float, report_s: float, mib: int, wrong: int
) -> None:
    step = Step("s", 1.0, Statement("prove_epochs", ms), report_s, "Tick", mib)
    step.judge(60)
    assert len(step.wrong) == wrong


def test_coverage_of_a_day_is_compared_with_the_trades_of_a_day() -> None:
    size = Size(1)
    # 2 * 40,000 tokens a day with 100 bytes each; 33 * 86,400 trades with 100 bytes each.
    totals = dict.fromkeys(KEPT, 50.0 * 2 * size.markets)
    broken, note = judged(totals, 100 * size.trades, size)
    assert broken == []
    assert "100 bytes a trade" in note
    assert "2.8% of the trades" in note
    for factor, wrong in ((2, 1), (4, 2)):
        more = {name: factor * each for name, each in totals.items()}
        assert len(judged(more, 190 * size.trades, size)[0]) == wrong


def test_what_goes_again_is_no_part_of_what_a_year_leaves() -> None:
    size = Size(1)
    totals = {
        "tracker.trades_2026_07_01": 211.0 * size.trades,
        "public.markets": 5_000.0 * size.markets,
        "tracker.listening": 1e12,
        EVENTS: 100.0 * size.events,
        SAMPLES: 500.0 * size.samples,
    }
    assert after_retention(totals, 211 * size.trades, size) == (
        "after retention a year leaves 220 GB of trades and 73 GB about markets,"
        " and for a time 317 MB of events and 1.5 MB of samples"
    )


def test_what_waits_for_others_is_not_counted_when_the_machine_is_busy() -> None:
    step = Step("s", 10.0, Statement("prove_epochs", 3_000), 12.0, "Tick", 60, waited_s=7.0)
    step.judge(60, alone=True)
    assert step.wrong == []
    step.judge(60)
    assert len(step.wrong) == 2


def test_a_database_with_other_tables_is_built_anew(tmp_path: Path) -> None:
    assert not is_built(tmp_path)
    (tmp_path / "built.json").write_text(json.dumps({"scale": 1, "tables": "others"}))
    assert not is_built(tmp_path)
    said = {"scale": 1, "described": 0.1, "tables": tables()}
    (tmp_path / "built.json").write_text(json.dumps(said))
    assert is_built(tmp_path)
    assert size_of(tmp_path) == Size(1, 0.1)


def test_each_size_has_a_folder_of_its_own(tmp_path: Path) -> None:
    sizes = (Size(1), Size(0.2), Size(1, 0.1))
    assert len({folder_of(size, tmp_path) for size in sizes}) == 3


def test_a_disk_that_is_too_small_is_named(tmp_path: Path) -> None:
    require_space(tmp_path, 0)
    with pytest.raises(NoSpace, match="TRACKER_YEARS_DIR"):
        require_space(tmp_path, 10**18)
