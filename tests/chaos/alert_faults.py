"""Alerts: each rule of `systemd/prometheus-alerts.yml` fires for its fault and ceases after it.

Simulator, tracker and a real Prometheus; the times of the rules are divided by
`monitor.FASTER`, the limits of the tracker are unchanged.
"""

import time
from functools import partial

from tests.chaos import alert_causes as causes
from tests.chaos.alert_causes import Bring, broken
from tests.chaos.fault import Fault
from tests.chaos.fault_run import FaultRun
from tests.chaos.monitor import Monitor, free_port
from tests.chaos.mounts import small_disk

SETTINGS = {
    "TRACKER_REDUNDANCY": "1",
    "TRACKER_ASSETS_PER_CONNECTION": "20",
    "TRACKER_SILENCE_SECONDS": "5",
}
"""One feed of four connections beside the one for announcements."""

FEW_AUDITED = ("--markets", "12", "--markets-per-second", "0", "--intact", "trades_cached_300s")
"""So few markets that all are audited, by a witness whose cache does not outlast the fault."""


def _carry_out(
    run: FaultRun, *, names: tuple[str, ...], bring: Bring, fires_s: float, ceases_s: float
) -> None:
    """Let the fault last until every alert has fired; then wait until all have ceased."""
    port = free_port()
    run.overrides.update(SETTINGS, TRACKER_METRICS_PORT=str(port))
    run.simulate(*(FEW_AUDITED if bring is causes.trade_gone else ()))
    run.feed, run.base  # noqa: B018 - asked for before the tracker starts
    if bring is causes.disk_low:
        run.resources.enter_context(small_disk(run.folder / "state", causes.FREE_MIB))
    if bring is causes.unconfirmed:  # space for new tokens on the connections that there are
        run.overrides["TRACKER_ASSETS_PER_CONNECTION"] = "30"
    if bring is causes.database_away:
        run.overrides["TRACKER_JOURNAL_MAX_BYTES"] = "8MiB"
    run.start()
    monitor = run.resources.enter_context(Monitor(run.folder / "prometheus", port))
    monitor.resolved(names, within_s=60)  # some are true for a moment after a start
    with bring(run, monitor):
        waited_s = time.time() - run.at
        fired = {
            name: waited_s + seconds
            for name, seconds in monitor.fired(names, within_s=fires_s).items()
        }
        run.outcome.notice_s = max(fired.values())
    run.fault_ends()
    ceased = monitor.resolved(names, within_s=ceases_s)
    for name in names:
        run.note(f"{name} fired after {fired[name]:.0f} s, ceased after {ceased[name]:.0f} s")
    run.outcome.figures.update(fired_s=fired, ceased_s=ceased)
    run.recovered(within_s=90)


def _fault(
    number: str, how: str, *names: str, bring: Bring, fires_s: float = 60, ceases_s: float = 60,
    needs: tuple[str, ...] = (),
) -> Fault:  # fmt: skip
    return Fault(
        number=number,
        name=f"alerts: {how}"[:44],
        how=how,
        expected=f"{', '.join(names)}: fires, and ceases after it",
        run=partial(_carry_out, names=names, bring=bring, fires_s=fires_s, ceases_s=ceases_s),
        needs=("prometheus", *needs),
        deadline_s=fires_s + ceases_s + 240,
    )


def names_of(fault: Fault) -> tuple[str, ...]:
    """Return the alerts that a fault raises."""
    assert isinstance(fault.run, partial)
    names: tuple[str, ...] = fault.run.keywords["names"]
    return names


FAULTS = (
    _fault("A1", "the tracker is killed", "TrackerDown", bring=causes.down),
    _fault("A2", "it is killed three times in a row", "TrackerRestarting", bring=causes.restarting),
    _fault("A3", "handshakes rejected, all connections reset", "TrackerDisconnected",
           bring=causes.disconnected, ceases_s=90),
    _fault("A4", "handshakes rejected, one connection reset", "TrackerConnectionsDown",
           bring=causes.one_rejected, fires_s=120, ceases_s=120),
    _fault("A5", "nobody trades", "TrackerNoTrades", bring=causes.no_trades),
    _fault("A6", "the exchange is frozen", "TrackerExchangeSilent", bring=causes.exchange_silent),
    _fault("A7", "no books of new markets", "TrackerTokensUnconfirmed",
           bring=causes.unconfirmed, fires_s=300, ceases_s=120),
    _fault("A8", "HTTP 500 from every source", "TrackerCatalogDead", "TrackerSourceDead",
           bring=causes.http_dead, fires_s=120, ceases_s=120),
    _fault("A9", "the database is stopped, journal cap 8 MiB", "TrackerDatabaseAway",
           "TrackerJournalGrowing", "TrackerJournalFillsSoon", "TrackerJournalFull",
           bring=causes.database_away, fires_s=180),
    _fault("A10", "the database is slow", "TrackerDatabaseBehind", bring=causes.behind, fires_s=90),
    _fault("A11", "the disk has 600 MiB left", "TrackerDiskLow", bring=causes.disk_low,
           needs=("root",)),
    _fault("A12", "fdatasync takes 1.5 s", "TrackerDiskSlow", bring=causes.disk_slow, fires_s=120,
           ceases_s=120, needs=("strace",)),
    _fault("A13", "a constraint that no trade fulfils", "TrackerStoringStopped",
           bring=causes.storing_stopped),
    _fault("A14", "a source contradicts the others", "TrackerResolutionConflict",
           bring=causes.conflict, fires_s=90, ceases_s=150),
    _fault("A15", "one connection dies of a bug 8 times", "TrackerRestartLoop",
           bring=broken("actors.feed.epoch:Epoch.confirm", "raise", 8), fires_s=120),
    _fault("A16", "events of unknown type", "TrackerDrift", bring=causes.drift, ceases_s=180),
    _fault("A17", "a commit is not counted", "TrackerAccountingUnbalanced",
           bring=broken("actors.health.counters:TradeAccounting.committed", "skip", 1)),
    _fault("A18", "a filter that no market passes", "TrackerNothingToWatch", bring=causes.unwanted),
    _fault("A19", "full_page_writes=off", "TrackerAttention", bring=causes.unsafe, fires_s=120,
           ceases_s=90),
    _fault("A20", "handshakes rejected, two connections, later", "TrackerGapOpen",
           bring=causes.some_rejected_later, fires_s=60, ceases_s=120),
    _fault("A22", "connections end, no book comes, one is left", "TrackerCoverageLost",
           bring=causes.coverage_lost, fires_s=90, ceases_s=120),
    _fault("A21", "a newer version migrates the database", "TrackerDegraded",
           bring=causes.outdated, fires_s=90, ceases_s=90),
    _fault("A23", "a trade is deleted from the database", "TrackerAuditMissing",
           bring=causes.trade_gone, fires_s=120, ceases_s=120),
)  # fmt: skip
