"""The audits: the share of hours that a witness calls complete, and what is missing.

The figures are those of the database, so they go on over restarts and count what other trackers
of the same database found. `at` and `now` are monotonic seconds.
"""

from typing import Protocol

import msgspec

from actors.messages import AuditReport, StreamReport
from actors.model.audit import AuditResult
from actors.model.conversion import iso

_LONGEST_ERROR = 200


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The stream of all markets, a witness; see docs/explanation/audit.md.

    Attributes:
        state: `off`, `connecting`, `ok`, or why it was lost last.
        kept: Matches that are kept for comparison.
        markets: Markets of these.
        share: Of all markets the share that is kept.
        last_told_at: When it told of a match last; None: not yet.
        matches_total: Matches that it told since its actor started.
        lost_total: How often it was lost, likewise; it is connected again at once.
        frozen_total: How often of these it was open and told nothing.
        rejected_total: Messages that could not be used, likewise.
    """

    state: str = "off"
    kept: int = 0
    markets: int = 0
    share: float = 1.0
    last_told_at: str | None = None
    matches_total: int = 0
    lost_total: int = 0
    frozen_total: int = 0
    rejected_total: int = 0


class Audits(msgspec.Struct, frozen=True, kw_only=True):
    """What audits found in the last 24 hours; see docs/explanation/audit.md.

    Attributes:
        complete: Hours of markets of which a witness and the database agree in everything.
        missing: Hours of markets of which a witness lists what is not stored.
        unknown: Hours of markets that a witness could not judge.
        share_complete: Of those that were judged the share that is complete; None: there are none.
        listed: What witnesses listed, counted by token and transaction.
        not_stored: Of `listed`, what is not stored.
        outside_gaps: Of `not_stored`, what was traded while the token was listened to.
        proven: Hours of markets with such, as two witnesses or the chain say.
        last_checked_at: When the last audit was made.
        made_total: Audits that were made since the audit actor started.
        rows_rejected_total: Rows of witnesses that could not be used, likewise.
        waiting: Audits that are made and not stored.
        doing: `off`; `waiting` for the next one; `asking` a witness; `reading` what is stored.
        witnesses: By name: `unknown` until it was asked, then `ok`, or its last error.
        stream: The one that is listened to.
    """

    complete: int = 0
    missing: int = 0
    unknown: int = 0
    share_complete: float | None = None
    listed: int = 0
    not_stored: int = 0
    outside_gaps: int = 0
    proven: int = 0
    last_checked_at: str | None = None
    made_total: int = 0
    rows_rejected_total: int = 0
    waiting: int = 0
    doing: str = "off"
    witnesses: dict[str, str] = {}
    stream: Stream = Stream()


class AuditsHealth:
    """Folds the reports of the audit actor."""

    def __init__(self) -> None:
        self._report: AuditReport | None = None
        self._stream = Stream()

    def reported(self, report: AuditReport) -> None:
        """Take a report; while the database does not answer the figures stay as they were."""
        if report.summary is None and self._report is not None:
            report = msgspec.structs.replace(report, summary=self._report.summary)
        self._report = report

    def stream_reported(self, report: StreamReport) -> None:
        """Take a report of the stream."""
        found = report.figures
        self._stream = Stream(
            state=found.state[:_LONGEST_ERROR],
            kept=found.kept,
            markets=found.markets,
            share=found.share,
            last_told_at=None if found.last_ms is None else iso(found.last_ms * 1_000_000),
            matches_total=found.matches_total,
            lost_total=found.lost_total,
            frozen_total=found.frozen_total,
            rejected_total=found.rejected_total,
        )

    def part(self) -> Audits:
        """Return its part of the document."""
        return msgspec.structs.replace(self._audits(), stream=self._stream)

    def _audits(self) -> Audits:
        report = self._report
        if report is None:
            return Audits()
        ours = {
            "made_total": report.made_total,
            "rows_rejected_total": report.rows_rejected,
            "waiting": report.waiting,
            "doing": report.doing,
            "witnesses": {name: state[:_LONGEST_ERROR] for name, state in report.witnesses},
        }
        found = report.summary
        if found is None:
            return msgspec.structs.replace(Audits(), **ours)
        results = dict(found.results)
        complete = results.get(AuditResult.COMPLETE, 0)
        missing = results.get(AuditResult.MISSING, 0)
        judged, at_ms = complete + missing, found.checked_at_ms
        theirs = Audits(
            complete=complete,
            missing=missing,
            unknown=results.get(AuditResult.UNKNOWN, 0),
            share_complete=round(complete / judged, 4) if judged else None,
            listed=found.theirs,
            not_stored=found.missing,
            outside_gaps=found.outside_gaps,
            proven=found.proven,
            last_checked_at=None if at_ms is None else iso(at_ms * 1_000_000),
        )
        return msgspec.structs.replace(theirs, **ours)


class Audited(Protocol):
    """The status document, which imports this module."""

    @property
    def audits(self) -> Audits:
        """Return its part about audits."""


def audit_missing(health: Audited, _: object) -> str:
    """Return the reason that trades are missing outside gaps, or an empty text."""
    count = health.audits.outside_gaps
    who = "two witnesses or the chain say" if health.audits.proven else "one witness says"
    return f"{count} trades of the last 24 hours were missed, {who}" if count else ""


def audit_proven(health: Audited, _: object) -> bool:
    """Return whether more than one witness alone says so."""
    return health.audits.proven > 0
