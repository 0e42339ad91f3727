"""Rows of the database as values: markets, evidence, rechecks; and what the store asks for them.

Of the questions each is one that another actor has, by way of the writer.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from actors.database import queries
from actors.database.session import Connection
from actors.model.conversion import DAY_NS, instant, instant_of_ms, milliseconds
from actors.model.facts import DayMeasured
from actors.model.market import (
    RECHECKS_MS,
    TRACKER,
    ContradictionKind,
    Market,
    MarketState,
    Naming,
    Observation,
    Recheck,
    Resolution,
    Source,
    StoredEvidence,
    TimeWindow,
)
from actors.model.storage import (
    DayStored,
    EarlierRun,
    OpenConflicts,
    RecordedOutcome,
    Review,
    TokenName,
    Unresolved,
)
from actors.model.trade import ConditionId, TokenId

Row = tuple[Any, ...]

REVIEW_TOKENS = 1_000
UNRESOLVED_MARKETS = 500
OPEN_CONFLICTS = 1_000
RECHECK_WINDOW_MS = 900_000
_RECHECK_AGES = [timedelta(milliseconds=each) for each in RECHECKS_MS]

_SOURCES = frozenset(Source)
_MARKET_STATES = frozenset(MarketState)
_NAMINGS = frozenset(Naming)

decode_market = msgspec.json.Decoder(Market).decode
_decode_day = msgspec.json.Decoder(DayMeasured).decode
_decode_payouts = msgspec.json.Decoder(tuple[tuple[TokenId, Decimal], ...]).decode
_decode_names = msgspec.json.Decoder(dict[TokenId, str]).decode
_decode_resolution = msgspec.json.Decoder(Resolution).decode
_decode_contradictions = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode


def day_stored(day: int, rows: Sequence[Row]) -> DayStored:
    """Return the rows of `select_day`; what was measured in a form of another version is none."""
    trades, resolutions, *_ = rows[0] if rows else (0, 0)
    runs = [
        EarlierRun(_ns(started_at), _ns(alive_at), _measured(text))
        for _, _, started_at, alive_at, text in rows
        if started_at is not None
    ]
    return DayStored(day=day, trades=trades, resolutions=resolutions, runs=tuple(runs))


def _ns(at: datetime) -> int:
    return milliseconds(at) * 1_000_000


def _measured(text: str | None) -> DayMeasured | None:
    if text is not None:
        with contextlib.suppress(msgspec.ValidationError):
            return _decode_day(text)
    return None


def evidence(rows: Sequence[Row]) -> StoredEvidence:
    """Return rows of `select_stored_evidence`; unknown sources and states are left out."""
    observations: list[Observation] = []
    states: list[tuple[ConditionId, MarketState, int]] = []
    contradicted: list[ConditionId] = []
    acknowledged: list[tuple[ConditionId, ContradictionKind, frozenset[str]]] = []
    for (
        condition_id,
        source,
        at_ms,
        reason,
        payouts,
        text,
        mapped_by,
        made_ms,
        naming,
        names,
    ) in rows:
        if source == "conflict":
            contradicted.append(condition_id)
        elif source == "acknowledged":
            acknowledged.append((condition_id, ContradictionKind(reason), frozenset(mapped_by)))
        elif source == TRACKER and text in _MARKET_STATES:
            states.append((condition_id, MarketState(text), at_ms))
        elif source in _SOURCES:
            observations.append(
                Observation(
                    condition_id=condition_id,
                    source=Source(source),
                    observed_at_ms=at_ms,
                    payouts=_decode_payouts(payouts) if payouts else None,
                    reason=reason,
                    payload="",
                    naming=Naming(naming) if naming in _NAMINGS else Naming.BY_ID,
                    names=tuple(sorted(_decode_names(names).items())) if names else (),
                    mapped_by=tuple(Source(each) for each in mapped_by if each in _SOURCES),
                    generated_at_ms=made_ms,
                )
            )
    return StoredEvidence(
        observations=tuple(observations),
        states=tuple(states),
        contradicted=tuple(contradicted),
        acknowledged=tuple(acknowledged),
    )


def recheck(row: Row) -> Recheck:
    """Return a row of `select_resolutions_to_check`."""
    _, recorded_ms, due_ms, resolution, market, contradictions = row
    known = (pair for pair in _decode_contradictions(contradictions) if pair[0] in _SOURCES)
    return Recheck(
        resolution=_decode_resolution(resolution),
        market=decode_market(market),
        recorded_at_ms=recorded_ms,
        due_at_ms=due_ms,
        contradicted_by=tuple((Source(source), observed) for source, observed in known),
    )


def token_name(row: Row) -> TokenName:
    """Return a row of `select_token_names`."""
    token_id, slug, question, outcome = row
    return TokenName(token_id=token_id, slug=slug, question=question, outcome=outcome)


def recorded_outcome(row: Row) -> RecordedOutcome:
    """Return a row of `select_recorded_outcomes`."""
    condition_id, slug, question, winner, resolved_ms, recorded_ms = row
    return RecordedOutcome(
        condition_id=condition_id,
        slug=slug,
        question=question,
        winner=winner,
        resolved_at_ms=resolved_ms,
        recorded_at_ms=recorded_ms,
    )


# ------------------------------------------------------------------------ questions


def review(connection: Connection, after: ConditionId) -> Review:
    """Return what is not known of the next tokens without a name, by condition id."""
    given = {"after": after, "limit": REVIEW_TOKENS}
    found = connection.execute(queries.SELECT_MARKETS_TO_REVIEW, given).fetchall()
    return Review(
        unknown=tuple(condition_id for condition_id, is_end in found if not is_end),
        until=next((condition_id for condition_id, is_end in found if is_end), None),
    )


def unresolved_after(connection: Connection, after: ConditionId) -> Unresolved:
    """Return those of the next markets without a resolution that ended."""
    given = {"after": after, "limit": UNRESOLVED_MARKETS}
    rows = connection.execute(queries.SELECT_UNRESOLVED, given).fetchall()
    return Unresolved(
        markets=tuple(decode_market(text) for _, text in rows if text is not None),
        until=rows[-1][0] if len(rows) == UNRESOLVED_MARKETS else None,
    )


def open_conflicts(connection: Connection) -> OpenConflicts:
    """Return the first contradictions that are open, and about how many markets any is."""
    total = connection.execute(queries.COUNT_OPEN_CONFLICTS).fetchone()
    rows = connection.execute(queries.SELECT_OPEN_CONFLICTS, {"limit": OPEN_CONFLICTS}).fetchall()
    found = {row[0]: (row[0], row[2], row[3], *row[4:]) for row in rows if row[4] is not None}
    return OpenConflicts(
        total=total[0] if total else 0,
        open=tuple((row[0], ContradictionKind(row[1])) for row in rows),
        rechecks=tuple(map(recheck, found.values())),
    )


def named(
    connection: Connection, tokens: Sequence[TokenId], conditions: Sequence[ConditionId]
) -> tuple[tuple[TokenName, ...], tuple[RecordedOutcome, ...]]:
    """Return the names of these tokens, and the stored resolutions of these markets."""
    run, asked = connection.execute, {"conditions": list(conditions)}
    names = run(queries.SELECT_TOKEN_NAMES, {"tokens": list(tokens)}).fetchall()
    found = run(queries.SELECT_RECORDED_OUTCOMES, asked).fetchall() if conditions else []
    return tuple(map(token_name, names)), tuple(map(recorded_outcome, found))


def stored_evidence(connection: Connection, conditions: Sequence[ConditionId]) -> StoredEvidence:
    """Return the last observation of each source about these markets, and their last state."""
    given = {"conditions": list(conditions)}
    return evidence(connection.execute(queries.SELECT_STORED_EVIDENCE, given).fetchall())


def recheck_window(connection: Connection, window: TimeWindow) -> TimeWindow:
    """Return the first part of the window, with the start that it has when it names none."""
    since_ms = window.since_ms
    if since_ms is None:
        given = {"until": instant_of_ms(window.until_ms)}
        row = connection.execute(queries.SELECT_RECHECK_START, given).fetchone()
        since_ms = window.until_ms if row is None else int(row[0])
    return TimeWindow(since_ms, min(window.until_ms, since_ms + RECHECK_WINDOW_MS))


def rechecks_due(window: TimeWindow) -> dict[str, Any]:
    """Return the parameters of `select_resolutions_to_check`, but for those of a page."""
    return {
        "since": None if window.since_ms is None else instant_of_ms(window.since_ms),
        "until": instant_of_ms(window.until_ms),
        "stages": _RECHECK_AGES,
    }


def day(connection: Connection, journal_key: int, number: int, opened_at_seq: int) -> DayStored:
    """Return what is known of a day (days since 1970), and of the processes before this one."""
    midnight = instant(number * DAY_NS)
    asked = {"day": midnight.date(), "midnight": midnight, "first": opened_at_seq}
    rows = connection.execute(queries.SELECT_DAY, {"journal": journal_key, **asked}).fetchall()
    return day_stored(number, rows)
