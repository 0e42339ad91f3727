"""The figures of the journal in the health document."""

import io
import re
import time
from random import Random
from typing import Any

import msgspec
import pytest
from rich.console import Console

from actors.cli import status_table
from actors.health.document import Journal
from actors.health.metrics import families
from actors.health.state import Health, HealthState
from actors.messages import StoreOpened, Tick
from actors.model.storage import JournalStats
from actors.supervision.children import Children
from actors.supervision.monitor import DiskAdmission
from actors.supervision.pacing import Escalation
from tests.actor_harness import START, START_NS
from tests.clocks import DAY_S, HOUR_S, clocks
from tests.fakes import journal_stats
from tests.health.health_samples import batch, catalog, connection, writer


class MeasuredJournal:
    """A journal with the figures that a test sets."""

    def __init__(self, stats: JournalStats) -> None:
        self.figures = stats
        self.free = True

    def stats(self) -> JournalStats:
        return self.figures

    available_bytes = 0

    def has_space(self) -> bool:
        return self.free

    def has_ample_space(self) -> bool:
        return self.free

    def free_reserve(self) -> None:
        """There is none."""

    def rebuild_reserve(self) -> bool:
        return True


class Report:
    """A health document with the figures of a journal."""

    def __init__(self, journal: MeasuredJournal, health: HealthState | None = None) -> None:
        self._health = health or HealthState(
            version="1", host="h", pid=1, now=START, wall_ns=START_NS
        )
        children = Children(rng=Random(1), escalation=Escalation())
        self._admission = DiskAdmission(journal, self._health, children)

    def document(self, tick: Tick) -> Health:
        self._admission.measure(tick)
        return self._health.document(now=tick.now, wall_ns=tick.wall_ns)


def document(journal: MeasuredJournal, *, after_s: float = 0.0) -> Health:
    tick = Tick(now=START + after_s, wall_ns=START_NS + int(after_s * 1e9))
    return Report(journal).document(tick)


BUSY = journal_stats(
    next_seq=11,
    durable_seq=8,
    bytes=300,
    cap_bytes=900,
    free_bytes=5_000,
    sync_p99_s=0.25,
    oldest_ns=START_NS,
    weight_appended=4,
)


def test_the_journal_is_shown_as_it_is_at_this_moment() -> None:
    journal = MeasuredJournal(journal_stats(next_seq=1, durable_seq=0))
    report = Report(journal)
    report.document(Tick(now=START, wall_ns=START_NS))
    journal.figures = BUSY
    shown = report.document(Tick(now=START + 30, wall_ns=START_NS + 30_000_000_000))

    assert shown.journal == Journal(
        pending_records=11,
        bytes=300,
        cap_bytes=900,
        durable_lag=2,
        oldest_s=30.0,
        sync_p99_s=0.25,
        free_bytes=5_000,
        full=False,
        at_most=True,  # no database has told what it holds
    )
    assert shown.accounting.received == 4


def test_a_journal_without_space_is_full() -> None:
    journal = MeasuredJournal(BUSY)
    journal.free = False

    assert document(journal).journal.full


def test_a_journal_that_would_not_be_found_again_is_no_longer_healthy_and_goes_on() -> None:
    figures = msgspec.structs.replace(BUSY, gone="/state/journal was moved away")
    journal = MeasuredJournal(figures)
    report = Report(journal)
    shown = report.document(Tick(now=START + 61, wall_ns=START_NS))
    assert shown.journal.gone == "/state/journal was moved away"
    assert not shown.journal.full
    assert ("journal_gone", "degraded") in zip(shown.codes, shown.levels, strict=True)
    (reason,) = (text for text in shown.reasons if "/state/journal was moved away" in text)
    assert "put it back" in reason
    assert "restart" in reason

    journal.figures = BUSY
    assert "journal_gone" not in report.document(Tick(now=START + 62, wall_ns=START_NS)).codes


def test_an_empty_journal_has_no_oldest_record() -> None:
    empty = msgspec.structs.replace(BUSY, oldest_ns=None)

    assert document(MeasuredJournal(empty), after_s=30).journal.oldest_s == 0.0


def test_a_record_from_the_future_is_not_older_than_now() -> None:
    assert document(MeasuredJournal(BUSY), after_s=-30).journal.oldest_s == 0.0


def test_the_document_is_of_its_own_time() -> None:
    assert document(MeasuredJournal(BUSY), after_s=90).uptime_s == 90.0


# Faults that a step of the clock may cause: an age below 0 or of years, in the document, on the
# status table or in a metric; a reason that is not true; an error.


def negative(value: Any, path: str = "") -> list[str]:
    """Return the places of numbers below 0; corrections of the accounting may be."""
    if isinstance(value, dict):
        return [each for name, part in value.items() for each in negative(part, f"{path}.{name}")]
    if isinstance(value, list | tuple):
        return [each for part in value for each in negative(part, path)]
    below = isinstance(value, int | float) and value < 0 and path != ".accounting.adjusted"
    return [f"{path}: {value}"] if below else []


def rendered(shown: Health) -> str:
    file = io.StringIO()
    Console(width=200, file=file, highlight=False).print(
        status_table.render(msgspec.to_builtins(shown))
    )
    return file.getvalue()


@pytest.mark.parametrize("step_s", [-400 * DAY_S, -HOUR_S, -1.0, 1.0, HOUR_S, 400 * DAY_S])
def test_a_clock_that_steps_makes_no_age_negative_and_no_lasting_trouble(step_s: float) -> None:
    with clocks() as held:
        health = HealthState(
            version="1", host="h", pid=1, now=time.monotonic(), wall_ns=time.time_ns()
        )
        health.universe_planned(wanted=10)
        health.connection_wanted("a-0001", feed=0, at=held.now)
        health.connection_reported(connection(last_data_at=held.now), at=held.now)
        health.store_opened(StoreOpened(server="PostgreSQL 18"))
        health.writer_reported(writer(), at=0.0)
        health.connection_ended("a-0001", reason="reset", at=held.now)
        held.run(1.0)
        health.connection_reported(connection(incarnation=2, last_data_at=held.now), at=held.now)
        health.catalog_reported(
            msgspec.structs.replace(catalog(), last_sweep_at=held.now), at=held.now
        )
        received_ns = time.time_ns()
        held.step(step_s)
        written = batch(stored=1, oldest_received_ns=received_ns)
        health.batch_written(written, at=held.now, wall_ns=time.time_ns())
        stats = journal_stats(next_seq=9, durable_seq=8, oldest_ns=received_ns, weight_appended=1)
        journal = MeasuredJournal(stats)
        report = Report(journal, health)
        held.run(1.0)
        shown = report.document(Tick(now=held.now, wall_ns=time.time_ns()))
        health.batch_written(batch(), at=held.now, wall_ns=time.time_ns())
        journal.figures = msgspec.structs.replace(stats, oldest_ns=None)
        after = report.document(Tick(now=held.now, wall_ns=time.time_ns()))

    assert negative(msgspec.to_builtins(shown)) == []
    assert not [s for metric in families(shown) for s in metric.samples if s.value < 0]
    assert re.findall(r"(?<!\w)-\d", rendered(shown)) == []
    assert (shown.uptime_s, shown.catalog.last_sweep_age_s) == (2.0, 1.0)
    assert shown.connections.each[0].data_age_s == 1.0
    # Records may be older than this process, so what waits is aged by the wall clock: a step
    # forward passes for a delay, until the next commit.
    assert shown.codes == (("database_behind",) if step_s >= HOUR_S else ())
    assert (after.codes, after.database.lag_s) == ((), 0.0)


def test_the_times_of_day_follow_the_clock_that_was_set_back() -> None:
    with clocks() as held:
        health = HealthState(
            version="1", host="h", pid=1, now=time.monotonic(), wall_ns=time.time_ns()
        )
        held.step(-DAY_S)
        held.run(1.0)
        shown = health.document(held.now, time.time_ns())
    assert shown.started_at == "2028-02-29T12:00:00.000Z"
    assert shown.at == "2028-02-28T12:00:01.000Z"
    assert shown.uptime_s == 1.0
