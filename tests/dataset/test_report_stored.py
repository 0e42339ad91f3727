"""tracker-report on a database: what it reads, as whom, and what it says when there is nothing.

Faults: a figure is not that of the database; a role that may only read is not enough; the same data
give other bytes; an error is a traceback, or says not what to do.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from actors.database import queries
from actors.database.queries import SQL
from actors.database.schema import migrate
from actors.database.server.embedded import Embedded
from actors.dataset.report import page, program, snapshot
from actors.dataset.report.coverage import outages, total
from actors.dataset.report.values import Span
from actors.errors import ConfigError
from tests.dataset import stored_day
from tests.dataset.stored_day import MISSED, StoredDay, condition, hour, slug, token
from tests.live.processes import as_url
from tests.postgres import Server, ask, do, open_folder

pytestmark = pytest.mark.db

TODAY = date(2026, 3, 10)
DAY = Span(hour(0), hour(24))
ROLES = ("tracker_owner", "tracker_writer", "tracker_reader", "report_reader")
Report = Callable[..., int]
UNKNOWN = "--market: no market {} is in the database"
SEVERAL = "--market: the event seats has several markets: name one of"
SAME = """insert into markets (condition_id, question, slug, closed, active, neg_risk, version,
    tags) values (%s, 'q', 'same', true, true, false, 'v1', '{}')"""


@pytest.fixture(scope="module")
def stored(server: Server, template: str) -> Iterator[str]:
    """Return a database with one day."""
    with server.database(template) as dsn:
        StoredDay().fill(dsn)
        yield dsn


@pytest.fixture
def report(stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Return what runs the program on it, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, dsn: str = stored) -> int:
        environ = {"TRACKER_DATABASE_URL": as_url(dsn), "TRACKER_STATE_DIR": str(tmp_path / "s")}
        return program.main(arguments, environ=environ, today=lambda: TODAY)

    return run


def failed(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line of an error."""
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("tracker-report: ")
    return said.err.removeprefix("tracker-report: ").rstrip()


# ------------------------------------------------------------------------ what is read


def test_the_figures_of_a_day_are_those_of_the_database(stored: str) -> None:
    with snapshot.opened(stored) as reader:
        found = reader.contents(DAY, None)
    ((trades, usdc, markets),) = ask(
        stored, "select count(*), sum(price * size), count(distinct condition_id) from trades"
    )
    assert (found.trades.total, found.trades.usdc) == (trades, usdc)
    assert (found.trades.market_count, len(found.trades.markets)) == (markets, markets)
    hours = ask(stored, "select date_trunc('hour', traded_at), count(*) from trades group by 1")
    assert {each.at: each.trades for each in found.trades.bins} == dict(hours)
    first = found.trades.markets[0]
    assert [(first.condition_id, first.trades, first.usdc)] == ask(
        stored,
        "select condition_id, count(*), sum(price * size) from trades group by 1 order by 3 desc"
        " limit 1",
    )
    assert found.known_until is None
    assert found.names[first.condition_id].slug == slug(int(first.condition_id, 16) - 1)


def test_the_coverage_of_a_day_is_that_of_the_relations(stored: str) -> None:
    with snapshot.opened(stored) as reader:
        found = reader.contents(DAY, None).coverage
    time = total(found.stretches)
    causes = ask(
        stored,
        "select cause, sum(extract(epoch from upper(gap) - lower(gap)))::float from assets"
        " cross join lateral coverage_gaps(token_id, %s, %s) group by 1",
        *DAY,
    )
    assert time.missed == pytest.approx(dict(causes))
    ((covered,),) = ask(
        stored,
        "select sum(extract(epoch from upper(part) - lower(part)))::float from coverage"
        " cross join lateral (select during * tstzrange(%s, %s) as part) p where not isempty(part)",
        *DAY,
    )
    assert time.covered == pytest.approx(covered)
    assert {each.cause for each in outages(found.stretches)} == {
        "process_down", "exchange_silent", "disconnected", "frozen", MISSED, "rejected",
        "disk_full", "never_confirmed", "not_discovered",
    }  # fmt: skip
    (down,) = (each for each in outages(found.stretches) if each.cause == "process_down")
    assert (down.start, down.end) == (hour(9.2), hour(9.46))


@pytest.fixture
def computed(server: Server, template: str) -> Iterator[str]:
    """Return a database with one day whose coverage by market is computed."""
    with server.database(template) as dsn:
        StoredDay().fill(dsn)
        StoredDay().compute(dsn)
        yield dsn


def test_a_day_that_is_computed_tells_how_many_of_all_markets_were_complete(computed: str) -> None:
    with snapshot.opened(computed) as reader:
        found = reader.contents(DAY, None).coverage.days
    assert found is not None
    assert [tuple(found[:2])] == ask(
        computed, "select count(*), count(*) filter (where complete) from market_coverage"
    )
    assert (found.number, found.changed) == (20, 0)
    assert 0 <= found.complete < 20


def test_a_market_and_day_that_is_to_be_computed_again_is_none_that_is_complete(
    computed: str,
) -> None:
    mark = "insert into tracker.changed_market_days (asset_key, day) values (1, '2026-03-01')"
    do(computed, mark)
    with snapshot.opened(computed) as reader:
        found = reader.contents(DAY, None).coverage.days
    assert found is not None
    assert (found.number, found.changed) == (20, 1)


def test_a_market_that_nobody_traded_is_looked_at_when_it_missed_most(
    computed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MOST_COVERED", 3)
    monkeypatch.setattr(snapshot, "MOST_MISSED", 1)
    worst = ask(
        computed, "select condition_id from market_coverage order by covered_s - wanted_s limit 1"
    )
    with snapshot.opened(computed) as reader:
        found = reader.contents(DAY, None)
    names = {each.condition_id for each in found.coverage.stretches}
    assert {(name,) for name in names} >= set(worst)
    assert names - {each.condition_id for each in found.trades.markets[:3]} == {worst[0][0]}
    assert found.coverage.markets == 3


def test_a_day_that_is_not_computed_tells_so(stored: str) -> None:
    with snapshot.opened(stored) as reader:
        found = reader.contents(DAY, None)
    assert found.coverage.days == (0, 0, 0)
    assert "no day of it is computed yet" in page.render(found)


def test_labels_contradictions_and_what_was_not_used_are_read(stored: str) -> None:
    with snapshot.opened(stored) as reader:
        found = reader.contents(DAY, None)
    ((labels,),) = ask(
        stored,
        "select count(*) from resolutions where recorded_at >= %s and recorded_at < %s",
        *DAY,
    )
    assert found.labels.total == labels
    late = found.labels.late_s
    assert list(late) == sorted(late)
    assert len(late) == 4
    assert {each.state: each.number for each in found.waiting} == {"ended": 9, "proposed": 1}
    open_one, ended = found.conflicts
    assert (open_one.condition_id, open_one.cleared_at) == (condition(3), None)
    assert [(each.source, each.what) for each in open_one.evidence] == [
        ("clob", f"winner {token(3, 0)}"),
        ("data", f"winner {token(3, 1)}"),
        ("gamma", f"winner {token(3, 0)}"),
    ]
    assert ended.cleared_by == "sources agree"
    rows = [(each.reason, each.doubtful, each.messages, each.taken_in) for each in found.rejected]
    assert rows == [
        ("price out of range", True, 1, 0),
        ("size missing", True, 1, 1),
        ("unknown event", False, 60, 0),
    ]
    assert ("sent_twice", "") in {(each.event, each.reason) for each in found.events}
    assert sum(each.times for each in found.events) == 10
    assert found.outcomes[token(3, 0)] == "Yes"


def test_a_market_has_only_what_is_its_own(stored: str) -> None:
    with snapshot.opened(stored) as reader:
        about = reader.market(condition(3))
        assert about is not None
        found = reader.contents(DAY, about)
    ((trades,),) = ask(stored, "select count(*) from trades where condition_id = %s", condition(3))
    assert (found.trades.total, found.trades.market_count) == (trades, 1)
    assert {each.condition_id for each in found.coverage.stretches} == {condition(3)}
    assert [(each.outcome, each.payout) for each in about.tokens] == [
        ("Yes", Decimal(1)),
        ("No", Decimal(0)),
    ]
    assert [each.source for each in found.said] == ["data", "clob", "gamma"]
    assert [each.condition_id for each in found.conflicts] == [condition(3)]
    assert [each.reason for each in found.rejected] == ["price out of range"]
    assert found.events == ()
    assert [each.condition_id for each in found.labels.last] == [condition(3)]


def test_another_day_is_not_read(stored: str) -> None:
    with snapshot.opened(stored) as reader:
        found = reader.contents(Span(hour(24), hour(48)), None)
    assert found.trades.total == 0
    assert found.events == ()
    assert {each.cause for each in found.coverage.stretches} == {""}  # it was listened to


# ----------------------------------------------------------------- the program itself


def test_a_report_of_yesterday_is_written_and_says_where(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str], stored: str
) -> None:
    environ = {"TRACKER_DATABASE_URL": as_url(stored), "TRACKER_STATE_DIR": str(tmp_path / "s")}
    assert program.main([], environ=environ, today=lambda: date(2026, 3, 2)) == 0
    said = capsys.readouterr()
    html = (tmp_path / "report-2026-03-01.html").read_text()
    assert said.err == ""
    assert re.fullmatch(r"report-2026-03-01\.html: [\d,]+ bytes, [\d,]+ trades\n", said.out)
    assert html.count("<svg") == 4
    assert "Bitcoin above $95,000 on 1 March at noon?" in html
    assert "&lt;b&gt;Acme &amp; Sons&lt;/b&gt;" in html
    # Once more: it is a report of ours, and the same.
    digest = hashlib.sha256(html.encode()).hexdigest()
    assert report("--day", "2026-03-01") == 0
    again = (tmp_path / "report-2026-03-01.html").read_bytes()
    assert hashlib.sha256(again).hexdigest() == digest


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("--from", "2026-03-01", "--to", "2026-03-03"), "report-2026-03-01-to-2026-03-02"),
        (("--market", slug(3)), f"report-{slug(3)}-2026-02-27-to-2026-03-01"),
        (("--market", condition(1), "--day", "2026-03-01"), f"report-{slug(1)}-2026-03-01"),
        (
            ("--market", f"https://polymarket.com/event/seats/{slug(7)}", "--day", "2026-03-01"),
            f"report-{slug(7)}-2026-03-01",
        ),
    ],
)  # fmt: skip
def test_a_report_is_named_by_what_it_is_about(
    report: Report, tmp_path: Path, arguments: tuple[str, ...], name: str
) -> None:
    assert report(*arguments) == 0
    assert [path.name for path in tmp_path.glob("*.html")] == [f"{name}.html"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--day", "2026-03-11"), "--day: 2026-03-11 is in the future"),
        (("--day", "1"), "--day: '1' is no day: write it as 2026-03-01"),
        (("--weather",), "unrecognized arguments: --weather; see tracker-report --help"),
        (("--day",), "argument --day: expected one argument"),
        (("--market", "https://evil.example"), "--market: 'https://evil.example' is no address"),
        (("--from", "2026-01-01", "--to", "2026-03-01"), "--from, --to: 59 days are too many"),
        (("--market", "bridge"), f"{UNKNOWN.format('bridge')}; the nearest: {slug(0)}"),
        (("--market", "zzz"), UNKNOWN.format("zzz")),
        (("--market", "0x" + "ff" * 32), UNKNOWN.format("0x" + "ff" * 32)),
        (("--market", "https://polymarket.com/event/seats"), f"{SEVERAL} {slug(7)}, {slug(8)}"),
        (("--market", "https://evil.example/x"), "--market: 'https://evil.example/x' is"),
        (("--market", slug(1), "--day", "2025-01-01"), f"nothing was recorded of {slug(1)} in"),
        (("--market", "btc-updown-1"), "--market: btc-updown-1 was never listened to"),
        (("--out", "none/a.html"), "--out: none/a.html cannot be written: No such file"),
        (("--config", "none.toml"), "none.toml: cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_that_says_what_to_do(
    report: Report, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert report(*arguments) == 78
    assert failed(capsys).startswith(said)


def test_a_file_that_is_no_report_is_left_before_anything_is_read(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.html").write_text("years of work")
    arguments = ("--day", "2026-03-01", "--out", "thesis.html")
    assert report(*arguments, dsn="host=127.0.0.1 port=1 user=x dbname=x") == 78
    said = "--out: thesis.html is there and is no report: name another file, or give --force"
    assert failed(capsys) == said
    assert (tmp_path / "thesis.html").read_text() == "years of work"
    assert report(*arguments, "--force") == 0
    assert (tmp_path / "thesis.html").read_text().startswith("<!doctype html>")


def test_a_database_that_is_away_may_be_asked_later(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("--day", "2026-03-01", dsn="host=127.0.0.1 port=1 user=x dbname=x") == 74
    assert "database: " in failed(capsys)


def test_a_database_of_something_else_is_named_as_such(
    report: Report, empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("--day", "2026-03-01", dsn=empty_database) == 78
    assert "it is no database of a tracker, or one of another version" in failed(capsys)


def test_a_database_that_is_too_slow_is_told_so(
    report: Report, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_LIMITS", "-c statement_timeout=1 -c timezone=UTC")
    monkeypatch.setattr(queries, "REPORT_NOW", b"select now() from pg_sleep(5)")
    assert report("--day", "2026-03-01") == 74
    assert "statement timeout" in failed(capsys)


def test_a_database_without_a_trade_is_told_so(
    report: Report, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("--day", "2026-03-01", dsn=database) == 78
    said = "nothing was recorded in 2026-03-01: no trade is stored at all"
    assert failed(capsys) == said


def test_an_interrupt_is_one_line(
    report: Report, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "database_to_read", interrupted)
    assert report("--day", "2026-03-01") == 130
    assert failed(capsys) == "interrupted"


def test_two_markets_of_one_slug_are_named_by_their_ids(
    report: Report, server: Server, template: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.database(template) as dsn:
        ids = ("0x" + "1" * 64, "0x" + "2" * 64)
        for name in ids:
            do(dsn, SAME, name)
        assert report("--market", "same", dsn=dsn) == 78
    said = failed(capsys)
    assert said == f"--market: several markets are called same: name one of {', '.join(ids)}"


# --------------------------------------------------------------------------- as whom


@pytest.fixture
def read_by(server: Server) -> Iterator[str]:
    """Return the address of a database with one day, for a role that may only read."""
    already = {row[0] for row in ask(server.dsn, "select rolname from pg_roles")} & set(ROLES)
    with server.database() as dsn:
        do(dsn, (SQL / "roles.sql").read_text())
        migrate.apply(make_conninfo(dsn, options="-c role=tracker_owner"))
        StoredDay().fill(dsn)
        do(dsn, "create role report_reader")
        do(dsn, "grant tracker_reader to report_reader")
        yield make_conninfo(dsn, options="-c role=report_reader")
        do(dsn, "drop role report_reader")
    for role in set(ROLES) - already - {"report_reader"}:
        do(server.dsn, f"drop role if exists {role}")


def test_the_role_of_a_reader_is_enough(read_by: str) -> None:
    with snapshot.opened(read_by) as reader:
        assert reader._rows(b"select current_user") == [("report_reader",)]
        assert reader._rows(b"show transaction_read_only") == [("on",)]
        about = reader.market(condition(3))
        for found in (reader.contents(DAY, None), reader.contents(DAY, about)):
            assert found.trades.total > 10
            assert found.coverage.stretches
        assert reader.life(condition(3)) == Span(hour(-48), hour(13.3))
        assert reader.find(slug(1), "", 5) == [(condition(1), slug(1))]
        assert reader.near(["bridge"], 5) == [slug(0)]
        assert all(reader.recorded())
    do(
        read_by.replace("report_reader", "tracker_owner"),
        "revoke all on trades from tracker_reader",
    )
    with pytest.raises(ConfigError, match="tracker_reader"), snapshot.opened(read_by) as it:
        it.contents(DAY, None)


@pytest.mark.live
def test_the_embedded_database_is_read_without_a_tracker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_folder() as home:
        server = Embedded(home / "state" / "postgres")
        server.start()
        try:
            migrate.apply(server.prepare().owner)
            StoredDay(15, 300).fill(server.dsn("tracker"))
        finally:
            server.stop()
        out = tmp_path / "a.html"
        arguments = ("--state-dir", f"{home}/state", "--day", "2026-03-01", "--out", str(out))
        assert program.main(arguments, environ={}, today=lambda: TODAY) == 0, capsys.readouterr()
    assert stored_day.QUESTIONS[0] in out.read_text()
