"""The search for outcomes, as the resolution actor reports it: its part of the status document.

Counters go on when that actor restarts. `at` and `now` are monotonic seconds.
"""

from collections import defaultdict

from actors.health.counters import CumulativeCount
from actors.health.document import Resolutions, SourceState
from actors.health.parts import MUTE, kept, span
from actors.messages import ResolutionReport

_WELL = ("ok", "unknown")


class OutcomesHealth:
    """Folds the reports of the resolution actor."""

    def __init__(self) -> None:
        self._report: ResolutionReport | None = None
        self._recorded, self._conflicts = CumulativeCount(), CumulativeCount()
        self._final: defaultdict[str, CumulativeCount] = defaultdict(CumulativeCount)
        self._failing: dict[str, float] = {}

    def reported(self, report: ResolutionReport, at: float) -> int:
        """Take a report; return how many resolutions were recorded since the one before."""
        self._report = report
        self._conflicts.counted(report.incarnation, report.conflicts_total)
        for name, count in report.final:
            self._final[name].counted(report.incarnation, count)
        failing = [name for name, state in report.sources if state not in _WELL]
        self._failing = {name: self._failing.get(name, at) for name in failing}
        return self._recorded.counted(report.incarnation, report.recorded_total)

    def part(self, now: float, *, recorded_today: int) -> Resolutions:
        """Return its part of the document."""
        report = self._report
        pending = dict(report.pending) if report else {}
        ended = report.ended if report else None
        return Resolutions(
            recorded=self._recorded.total,
            recorded_today=recorded_today,
            conflicts=self._conflicts.total,
            conflicts_open=report.conflicts_open if report else 0,
            conflicts_by=dict(report.conflicts_by) if report else {},
            ended=ended.ended if ended else None,
            overdue=ended.overdue if ended else None,
            pending_total=sum(pending.values()),
            pending=pending,
            sources=self._sources(report, now) if report else {},
        )

    def _sources(self, report: ResolutionReport, now: float) -> dict[str, SourceState]:
        requests = {name: counts for name, *counts in report.requests}
        without = dict[str, int](report.ended.without if report.ended else ())
        found = {}
        for name, state in report.sources:
            total, recent, failed = requests.get(name, (0, 0, 0))
            # One that fails cannot say anything, so its error is what matters.
            mute = state == "ok" and name in report.mute
            found[name] = SourceState(
                state=MUTE if mute else kept(state),
                failing_s=span(now, self._failing.get(name)),
                requests=total,
                requests_10s=recent,
                failed=failed,
                final=self._final[name].total,
                without_final=without.get(name),
            )
        return found
