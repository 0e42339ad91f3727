"""What the audit asks the database, one question each; called by the store."""

from decimal import Decimal
from typing import Final, assert_never

import msgspec

from actors.database import queries
from actors.database.session import Connection
from actors.model.audit import (
    AuditAnswer,
    AuditQuestion,
    AuditSummary,
    Candidate,
    HourQuestion,
    Sample,
    SampleQuestion,
    StoredHour,
    StoredSum,
    SummaryQuestion,
)
from actors.model.conversion import instant_of_ms, milliseconds
from actors.model.trade import ConditionId, TokenId

MOST_SUMS: Final = 20_000
"""Rows that are read of one market; an hour with more is not compared."""
PROBE_TRADES: Final = 400
MARKETS_BEHIND: Final = 40
MOST_EVENTS: Final = 20_000
MOST_DISPUTED: Final = 20
_results = msgspec.json.Decoder(dict[str, int])
_disputed = msgspec.json.Decoder(tuple[tuple[ConditionId, int], ...])


def answer(connection: Connection, question: AuditQuestion) -> AuditAnswer:
    """Return the answer to a question of the audit."""
    match question:
        case HourQuestion():
            return stored_hour(connection, question)
        case SampleQuestion():
            return sample(connection, question)
        case SummaryQuestion():
            return summary(connection, question)
        case _:
            assert_never(question)


def stored_hour(connection: Connection, question: HourQuestion) -> StoredHour:
    """Return what is stored of a market in a time, and when it was listened to."""
    given = {
        "condition": question.condition_id,
        "from": instant_of_ms(question.from_ms),
        "until": instant_of_ms(question.until_ms),
        "limit": MOST_SUMS + 1,
    }
    # Coverage first: what is covered was stored before, so a trade of that time is there.
    heard = connection.execute(queries.SELECT_MARKET_COVERAGE, given).fetchall()
    rows = connection.execute(queries.SELECT_STORED_SUMS, given).fetchall()
    return StoredHour(
        tokens=tuple(sorted({TokenId(token) for token, _, _ in heard})),
        sums=tuple(
            StoredSum(
                token_id=TokenId(token),
                transaction=None if name is None else f"0x{bytes(name).hex()}",
                size=Decimal(size),
                first_ms=milliseconds(first),
                last_ms=milliseconds(last),
            )
            for token, name, size, first, last in rows[:MOST_SUMS]
        ),
        covered=tuple(
            (TokenId(token), milliseconds(since), milliseconds(until))
            for token, since, until in heard
            if since is not None
        ),
        is_whole=len(rows) <= MOST_SUMS,
    )


def sample(connection: Connection, question: SampleQuestion) -> Sample:
    """Return markets whose hour may be audited."""
    given = {
        "from": instant_of_ms(question.from_ms),
        "until": instant_of_ms(question.until_ms),
        "probe": instant_of_ms(question.probe_ms),
        "after": question.after,
        "witness": question.witness,
        "again": instant_of_ms(question.again_ms),
        "trades": PROBE_TRADES,
        "markets": MARKETS_BEHIND,
    }
    rows = connection.execute(queries.SELECT_AUDIT_CANDIDATES, given).fetchall()
    return Sample(
        candidates=tuple(
            Candidate(condition_id=ConditionId(market), touched=touched, traded=traded)
            for market, touched, traded in rows
        )
    )


def summary(connection: Connection, question: SummaryQuestion) -> AuditSummary:
    """Return what the audits since a time found."""
    given = {
        "since": instant_of_ms(question.since_ms),
        "events": MOST_EVENTS,
        "disputed": MOST_DISPUTED,
    }
    row = connection.execute(queries.SELECT_AUDIT_SUMMARY, given).fetchone()
    if row is None:
        return AuditSummary()
    results, theirs, missing, outside_gaps, proven, checked_at, disputed = row
    hours = connection.execute(queries.SELECT_EVENTFUL_HOURS, given).fetchall()
    return AuditSummary(
        results=tuple(sorted(_results.decode(results).items())),
        theirs=theirs,
        missing=missing,
        outside_gaps=outside_gaps,
        proven=proven,
        checked_at_ms=None if checked_at is None else milliseconds(checked_at),
        eventful=tuple(sorted(milliseconds(hour) for (hour,) in hours)),
        disputed=_disputed.decode(disputed),
    )
