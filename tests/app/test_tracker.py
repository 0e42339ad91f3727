"""The loop that reads the clock for all actors, and the records at start and stop.

Faults after a step of the wall clock: Ticks that come at once or no more, a run that ends early
or never, a time that is not the clock's.
"""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import cast

import pytest

from actors.actor import Addresses
from actors.app import shutdown
from actors.app.tracker import FLUSH_S, TICK_S, Tracker, process_started
from actors.config.load import Config
from actors.errors import AddressTaken, Shortage
from actors.journal.journal import Journal
from actors.messages import Flush, Tick
from actors.model import facts
from actors.process.runtime import HostTrackers
from tests.clocks import DAY_S, HOUR_S, Clocks, clocks
from tests.fakes import FakeJournal
from tests.fakes_box import Box


class Rounds(threading.Event):
    """A stop event that is set after so many rounds of the loop; in each, time passes.

    Args:
        steps: By round, how far the wall clock is set forward in it, in seconds.
    """

    def __init__(self, held: Clocks, most: int, steps: Mapping[int, float]) -> None:
        super().__init__()
        self._held, self._most, self._steps = held, most, steps
        self.rounds = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.rounds += 1
        self._held.run(timeout or 0.0)
        self._held.step(self._steps.get(self.rounds, 0.0))
        return self.rounds > self._most


class HealthyJournal(FakeJournal):
    """A journal without faults."""

    failed = ""

    def sync(self) -> None:
        """Do nothing: everything is on disk at once."""


class Loop:
    """A tracker that was not started, with boxes for the supervisor and the writer."""

    def __init__(
        self, held: Clocks, *, rounds: int = 1, steps: Mapping[int, float] | None = None
    ) -> None:
        self.tracker = Tracker(Config())
        self.supervisor, self.writer, self.journal = Box(), Box(), HealthyJournal()
        self.stop = Rounds(held, rounds, steps or {})
        self.tracker._stop = self.stop
        self.tracker._to = Addresses(supervisor=self.supervisor, writer=self.writer)
        self.tracker._journal = cast("Journal", self.journal)

    def times(self) -> list[tuple[float, datetime]]:
        """Return the times of all Ticks that the supervisor received."""
        return [
            (tick.now, datetime.fromtimestamp(tick.wall_ns / 1e9, UTC))
            for tick in self.supervisor.of(Tick)
        ]

    def recorded(self) -> list[facts.Record]:
        return [facts.decode(body) for body in self.journal.bodies.values()]


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, 0.0, HOUR_S, 400 * DAY_S])
def test_ticks_come_by_the_monotonic_clock_and_show_the_wall_clock(step_s: float) -> None:
    rounds = 100
    with clocks(datetime(2028, 2, 29, 23, 59, 58, tzinfo=UTC)) as held:
        loop = Loop(held, rounds=rounds, steps={50: step_s})
        began = held.now
        loop.tracker._keep_time(None)
    times = loop.times()
    assert len(loop.writer.of(Flush)) == rounds
    assert rounds * FLUSH_S / TICK_S - 4 <= len(times) <= rounds * FLUSH_S / TICK_S
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(times)]
    assert all(TICK_S <= gap < 2 * TICK_S for gap in gaps)
    began_at = datetime(2028, 2, 29, 23, 59, 58, tzinfo=UTC).timestamp()
    for now, wall in times:
        passed_s = now - began
        stepped_s = step_s if passed_s >= 50 * FLUSH_S - 1e-6 else 0.0
        assert wall.timestamp() - began_at == pytest.approx(passed_s + stepped_s, abs=1e-3)


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, 0.0, HOUR_S, 400 * DAY_S])
def test_a_run_lasts_its_duration_whatever_the_wall_clock_does(step_s: float) -> None:
    with clocks() as held:
        loop = Loop(held, rounds=10_000, steps={7: step_s})
        loop.tracker._keep_time(5.0)
    assert loop.stop.rounds * FLUSH_S == pytest.approx(5.0, abs=2 * FLUSH_S)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2028, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ],
    ids=["leap day", "year end", "new year"],
)
def test_start_and_stop_are_recorded_with_the_time_that_the_clock_shows(at: datetime) -> None:
    with clocks(at) as held:
        loop = Loop(held)
        started = process_started()
        loop.journal.append(facts.encode(started))
        held.step(-HOUR_S)
        shutdown._close_journal(cast("Journal", loop.journal))
        shown_ns = time.time_ns()
    assert loop.recorded()[0] == started
    stopped = loop.recorded()[1]
    assert isinstance(stopped, facts.ProcessStopped)
    assert abs(started.at_ns - int(at.timestamp() * 1e6) * 1000) < 1_000
    assert stopped.at_ns == shown_ns
    assert started.at_ns - stopped.at_ns == pytest.approx(HOUR_S * 1e9, abs=1_000)


def test_a_process_whose_start_found_no_space_records_no_stop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It would be taken for the stop of the process before, which may have been killed."""
    journal = HealthyJournal(opened_at_seq=8)
    journal.next_seq = 8
    shutdown._close_journal(cast("Journal", journal))
    assert journal.bodies == {}
    assert [line.msg for line in caplog.records] == ["stop_not_journalled"]


def test_before_there_is_a_supervisor_the_status_is_of_this_moment() -> None:
    with clocks(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)) as held:
        loop = Loop(held)
        held.run(2.0)
        shown = loop.tracker._current_health()
        held.step(-DAY_S)
        stepped = loop.tracker._current_health()
    assert (shown.started_at, shown.at) == ("2026-12-31T23:59:59.000Z", "2027-01-01T00:00:01.000Z")
    assert (stepped.at, stepped.uptime_s) == ("2026-12-31T00:00:01.000Z", 2.0)


@pytest.mark.parametrize("name", ["reactor", "journal-sync", "status", "metrics"])
def test_a_thread_that_ends_ends_the_process_at_the_next_tick(name: str) -> None:
    with clocks() as held:
        loop = Loop(held, rounds=100)
        for each in ("reactor", "journal-sync", "status", "metrics"):
            answers = iter([True, True, each != name])
            loop.tracker._threads.add(each, answers.__next__)
        loop.tracker._stop.set = lambda: setattr(loop.stop, "rounds", 1_000)  # type: ignore[method-assign]
        loop.tracker._keep_time(None)

    assert loop.tracker._failure == (70, f"the thread {name} has ended")
    assert len(loop.times()) == 3


def test_a_journal_that_failed_is_the_reason_rather_than_its_thread_that_ended() -> None:
    with clocks() as held:
        loop = Loop(held, rounds=10)
        loop.tracker._threads.add("journal-sync", lambda: False)
        loop.journal.failed = "the disk does not take it"
        loop.tracker._keep_time(None)

    assert loop.tracker._failure is not None
    assert loop.tracker._failure[0] == 74


# ------------------------------------------------------ other trackers of the host


class Host:
    """How many trackers a host has, without a kernel."""

    def __init__(self, *counts: int) -> None:
        self.counts = list(counts)
        self.number = 1

    def count(self) -> int:
        return self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]


def test_time_comes_with_how_many_trackers_the_host_has_looked_for_once_a_second() -> None:
    with clocks() as held:
        loop = Loop(held, rounds=100)
        loop.tracker._host_trackers = cast("HostTrackers", Host(1, 2, 2, 1))
        loop.tracker._keep_time(None)
    seen = [tick.trackers for tick in loop.supervisor.of(Tick)]
    assert seen[0] == 1
    assert 7 <= seen.count(2) <= 9
    assert seen == sorted(seen[: seen.index(2)]) + [2] * seen.count(2) + [1] * (
        len(seen) - seen.index(2) - seen.count(2)
    )


def test_a_metrics_port_of_another_tracker_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="actors.app.tracker")
    # Whatever keeps it from its port later ends no tracker that records.
    answers: list[Exception | None] = [
        AddressTaken("taken"), AddressTaken("taken"), Shortage("no descriptor"), None,
    ]  # fmt: skip

    class FakeMetrics:
        is_alive = True

        def __init__(self, port: int, _: object, *, address: str) -> None:
            assert (port, address) == (9464, "127.0.0.1")
            answer = answers.pop(0)
            if answer is not None:
                raise answer

        def close(self) -> None:
            """Do nothing."""

    monkeypatch.setattr("actors.app.tracker.Metrics", FakeMetrics)
    with clocks() as held:
        loop = Loop(held, rounds=200)
        tracker = loop.tracker
        tracker._config = Config(layers=({"metrics_port": 9464},))  # type: ignore[call-arg]
        tracker._metrics_wanted = True
        # When the other one ends, its port may be free a moment later.
        tracker._host_trackers = cast("HostTrackers", Host(2, 2, 1))
        tracker._check_host()
        tracker._keep_time(None)
    assert answers == []
    assert not tracker._metrics_wanted
    (line,) = [record for record in caplog.records if record.msg == "metrics_wait"]
    assert line.levelname == "WARNING"
    assert "another tracker" in line.__dict__["note"]


def test_a_metrics_port_that_any_user_can_take_keeps_no_tracker_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="actors.app.tracker")
    answers: list[Exception | None] = [AddressTaken("taken"), AddressTaken("taken"), None]

    class FakeMetrics:
        is_alive = True

        def __init__(self, *_: object, **__: object) -> None:
            answer = answers.pop(0)
            if answer is not None:
                raise answer

        def close(self) -> None:
            """Do nothing."""

    monkeypatch.setattr("actors.app.tracker.Metrics", FakeMetrics)
    with clocks() as held:
        tracker = Loop(held).tracker
        tracker._config = Config(layers=({"metrics_port": 9464},))  # type: ignore[call-arg]
        tracker._metrics_wanted = True
        tracker._host_trackers = cast("HostTrackers", Host(1))
        for _ in range(3):
            tracker._check_host()
    assert answers == []
    assert not tracker._metrics_wanted
    found = [record for record in caplog.records if record.msg == "metrics_taken"]
    assert [(each.levelname, each.__dict__["port"]) for each in found] == [("WARNING", 9464)]


def test_an_address_that_this_host_lacks_ends_the_start_whoever_else_runs() -> None:
    with clocks() as held:
        tracker = Loop(held).tracker
        tracker._config = Config(layers=({"metrics_port": 9464, "metrics_address": "192.0.2.1"},))  # type: ignore[call-arg]
        tracker._metrics_wanted = True
        tracker._host_trackers = cast("HostTrackers", Host(2))
        with pytest.raises(Shortage, match=r"192\.0\.2\.1.*TRACKER_METRICS_ADDRESS"):
            tracker._check_host()


@pytest.mark.parametrize(("address", "warned"), [("10.0.0.5", 1), ("127.0.0.1", 0), ("::1", 0)])
def test_an_address_that_others_reach_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str, warned: int
) -> None:
    class FakeMetrics:
        is_alive = True

        def __init__(self, *_: object, address: str) -> None:
            self.address = address

        def close(self) -> None:
            """Do nothing."""

    monkeypatch.setattr("actors.app.tracker.Metrics", FakeMetrics)
    with clocks() as held:
        tracker = Loop(held).tracker
        tracker._config = Config(layers=({"metrics_port": 9464, "metrics_address": address},))  # type: ignore[call-arg]
        tracker._metrics_wanted = True
        tracker._host_trackers = cast("HostTrackers", Host(1))
        tracker._check_host()
    found = [record for record in caplog.records if record.msg == "metrics_open"]
    assert len(found) == warned
    assert all(record.levelname == "WARNING" for record in found)
