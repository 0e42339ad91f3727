"""What the writer asks the database for other actors, one question each; called by the store."""

from collections.abc import Sequence

from actors.database import queries
from actors.database.reading import decode_market, recheck, recorded_outcome, token_name
from actors.database.session import Connection
from actors.model.market import ContradictionKind
from actors.model.storage import OpenConflicts, RecordedOutcome, Review, TokenName, Unresolved
from actors.model.trade import ConditionId, TokenId

REVIEW_TOKENS = 1_000
UNRESOLVED_MARKETS = 500
OPEN_CONFLICTS = 1_000


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
