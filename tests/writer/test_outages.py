"""The writer without a database: how soon it is used again, and how little is asked until then."""

import logging

import pytest

from actors.actor import Addresses, Incarnation
from actors.messages import MarketsSeen, StoreLost, StoreOpened, Tick, TicketsStored, WriterReport
from actors.writer.notify import MOST_REASONS, WriterNotifier
from tests.fakes_box import Box, drain
from tests.writer.test_actor import MARKET, WriterHarness

USED_WITHIN_S = 5
SEEDS = range(10)


class Outage:
    """A writer that loses its database; time passes in the steps of the supervisor's Tick."""

    def __init__(self, seed: int = 1) -> None:
        self.harness = WriterHarness(seed=seed).open()
        self.sent = 0
        self.opens: list[float] = []

    def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            before = self.harness.store.opens
            self.harness.tick(1.0)
            drain(self.harness.actor)
            if self.harness.store.opens > before:
                self.opens.append(self.harness.now)
            if self.harness.now % 5 == 0:
                self.send()

    def send(self) -> None:
        self.sent += 1
        self.harness.tell(self.harness.journal_trade(self.sent))
        self.harness.flush()

    def lose_for(self, seconds: int) -> None:
        self.harness.store.away = True
        self.pass_s(seconds)
        self.harness.store.away = False

    @property
    def all_stored(self) -> bool:
        return len(self.harness.stored()) == self.sent


def test_what_is_a_risk_of_the_one_that_was_opened_is_reported() -> None:
    harness = WriterHarness()
    harness.store.unsafe, harness.store.unverified = ("fsync=off",), ("db (sslmode=prefer)",)
    harness.open()
    (opened,) = harness.supervisor.of(StoreOpened)
    assert (opened.unsafe, opened.unverified) == (harness.store.unsafe, harness.store.unverified)


@pytest.mark.parametrize("seconds", [1, 3, 25, 60, 600])
def test_a_database_that_answers_again_is_used_within_5_s(seconds: int) -> None:
    for seed in SEEDS:
        outage = Outage(seed)
        outage.pass_s(60)
        outage.lose_for(seconds)
        outage.pass_s(USED_WITHIN_S - 1)  # the tick before it answered is up to a second old
        assert outage.all_stored, f"not used after an outage of {seconds} s, seed {seed}"


def test_each_of_many_outages_ends_within_5_s() -> None:
    for seed in SEEDS:
        outage = Outage(seed)
        for number in range(12):
            outage.pass_s(45)
            outage.lose_for(25)
            outage.pass_s(USED_WITHIN_S - 1)
            assert outage.all_stored, f"outage {number}, seed {seed}"


def test_a_database_that_was_away_at_the_start_is_used_within_5_s() -> None:
    for seed in SEEDS:
        harness = WriterHarness(seed=seed)
        harness.store.away = True
        harness.open()
        for _ in range(300):
            harness.tick(1.0)
        harness.store.away = False
        for _ in range(USED_WITHIN_S - 1):
            harness.tick(1.0)
            drain(harness.actor)
        assert harness.supervisor.last(WriterReport).state == "live"


def test_it_is_asked_about_once_in_two_seconds_and_not_by_all_at_the_same_time() -> None:
    outages = [Outage(seed) for seed in SEEDS]
    for outage in outages:
        outage.pass_s(60)
        outage.lose_for(600)
        assert 200 <= len(outage.opens) <= 500
    times = {tuple(outage.opens[:10]) for outage in outages}
    assert len(times) > len(outages) // 2


def test_one_that_answers_and_takes_nothing_is_asked_less_and_less() -> None:
    """Each opening is followed by questions for markets and by what waits in other actors."""
    for seed in SEEDS:
        outage = Outage(seed)
        outage.pass_s(60)
        outage.harness.store.full = True
        outage.pass_s(900)
        assert 10 <= len(outage.opens) <= 60
        outage.harness.store.full = False
        outage.pass_s(62)
        assert outage.all_stored


def test_one_line_a_minute_says_that_it_is_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    outage = Outage()
    outage.pass_s(60)
    outage.lose_for(600)
    lines = [each for each in caplog.records if each.message == "database_away"]
    assert lines[0].reason == "server closed the connection"  # type: ignore[attr-defined]
    assert lines[1].reason == "connection refused"  # type: ignore[attr-defined]
    assert 10 <= len(lines) <= 13

    outage.pass_s(60)
    caplog.clear()
    outage.lose_for(6)
    assert len([each for each in caplog.records if each.message == "database_away"]) >= 1


def test_numbers_that_do_not_add_up_acknowledge_nothing_and_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage()
    outage.pass_s(5)
    harness = outage.harness
    harness.store.miscounts = True
    mark, stored = harness.journal.watermark, len(harness.stored())
    harness.catalog.clear()
    harness.tell(MarketsSeen(ticket=7, markets=(MARKET,)))
    outage.pass_s(30)
    assert harness.journal.watermark == mark
    assert len(harness.stored()) == stored
    assert harness.catalog.of(TicketsStored) == []
    assert harness.supervisor.last(StoreLost).reason == "the database has lost 8 of 10 trades"
    said = harness.supervisor.last(WriterReport)
    assert (said.state, said.miscounts_total > 1) == ("away", True)
    lines = [each for each in caplog.records if each.message == "database_miscounts"]
    assert len(lines) == said.miscounts_total
    assert {each.levelname for each in lines} == {"ERROR"}

    harness.store.miscounts = False
    outage.pass_s(60)
    assert outage.all_stored
    assert harness.supervisor.last(WriterReport).miscounts_total == said.miscounts_total


@pytest.mark.parametrize("when", ["at its opening", "in a commit"])
def test_one_that_must_not_be_used_as_it_is_ends_nothing_that_runs(when: str) -> None:
    outage = Outage()
    outage.pass_s(60)
    harness = outage.harness
    if when == "at its opening":
        outage.lose_for(1)
    harness.store.unusable = "TimescaleDB 2.18.0 loses rows"
    outage.pass_s(120)
    assert harness.supervisor.last(WriterReport).state == "away"
    assert harness.supervisor.last(StoreLost).reason == "TimescaleDB 2.18.0 loses rows"
    assert len(outage.opens) <= 6

    harness.store.unusable = ""
    outage.pass_s(61)
    assert outage.all_stored


@pytest.mark.parametrize("when", ["at its opening", "in a commit"])
def test_one_that_is_not_ours_as_it_is_ends_nothing_that_runs(
    when: str, caplog: pytest.LogCaptureFixture
) -> None:
    outage = Outage()
    outage.pass_s(60)
    harness = outage.harness
    if when == "at its opening":
        outage.lose_for(1)
    for number in range(600):  # a restore goes on: each look finds other tables
        harness.store.mismatch = f"the database lacks {600 - number} tables"
        outage.pass_s(1)
    assert harness.supervisor.last(WriterReport).state == "mismatch"
    assert harness.supervisor.last(StoreLost).reason == "the database lacks 1 tables"
    assert 200 <= len(outage.opens) <= 500
    assert len(harness.stored()) < outage.sent
    lines = [each for each in caplog.records if each.message == "schema_mismatch"]
    assert 9 <= len(lines) <= 11
    assert {each.levelname for each in lines} == {"ERROR"}

    harness.store.mismatch = ""
    outage.pass_s(USED_WITHIN_S - 1)
    assert outage.all_stored
    assert harness.supervisor.last(WriterReport).state == "live"


def test_reasons_that_take_turns_are_each_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    to = Addresses(supervisor=Box(), catalog=Box(), resolution=Box())
    notifier = WriterNotifier(Incarnation("writer", 1, Tick(now=0.0, wall_ns=0)), to)
    for second in range(120):
        notifier.lost(f"reason {second % 2}", 1.0, float(second))
    assert len(caplog.records) == 4
    for second in range(1_000):  # and reasons without end keep no more than some
        notifier.lost(f"another {second}", 1.0, 200.0)
    assert len(notifier._logged_away) <= MOST_REASONS
