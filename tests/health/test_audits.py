"""What the status shows of audits, and when it says that trades are missing."""

import pytest

from actors.health.parts import Limits
from actors.health.rules import reasons
from actors.model.audit import AuditSummary
from tests.health.health_samples import START, audits, document, state, well

NOW = START + 9


def codes(summary: AuditSummary) -> list[tuple[str, str]]:
    health = well()
    health.audits.reported(audits(summary=summary))
    return [(each.code, each.level) for each in reasons(document(health, NOW), Limits())]


def test_without_an_audit_it_is_off() -> None:
    found = document(state(), NOW).audits

    assert (found.doing, found.complete, found.share_complete) == ("off", 0, None)


def test_the_share_is_of_what_was_judged() -> None:
    health = well()
    results = (("complete", 3), ("missing", 1), ("unknown", 96))
    health.audits.reported(audits(summary=AuditSummary(results=results, theirs=9, missing=2)))
    found = document(health, NOW).audits

    assert (found.complete, found.missing, found.unknown, found.share_complete) == (3, 1, 96, 0.75)
    assert (found.listed, found.not_stored, found.last_checked_at) == (9, 2, None)
    assert document(well(), NOW).audits.last_checked_at == "2026-05-28T20:25:39.000Z"


def test_what_is_known_stays_while_the_database_does_not_answer() -> None:
    health = well()
    health.audits.reported(audits(summary=None, incarnation=2, made_total=0, waiting=3))
    found = document(health, NOW).audits

    assert (found.complete, found.waiting, found.made_total) == (470, 3, 0)


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        (AuditSummary(missing=5), []),
        (AuditSummary(results=(("unknown", 480),)), []),
        (AuditSummary(missing=5, outside_gaps=1), [("audit_missing", "attention")]),
        (AuditSummary(missing=5, outside_gaps=1, proven=1), [("audit_missing", "degraded")]),
    ],
)
def test_only_what_is_missing_outside_gaps_is_a_reason(
    summary: AuditSummary, expected: list[tuple[str, str]]
) -> None:
    assert codes(summary) == expected


def test_a_long_error_is_cut() -> None:
    health = well()
    health.audits.reported(audits(witnesses=(("data", "x" * 900),)))

    assert len(document(health, NOW).audits.witnesses["data"]) == 200
