"""Markets and how they end: writes what the catalog and resolution found in one transaction."""

from collections.abc import Sequence
from typing import Any

from actors.database import columns, queries
from actors.database.cache import TokenKeys
from actors.database.session import Connection
from actors.database.shared_rows import Locked, store_events
from actors.model.audit import Audit
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    Market,
    Observation,
    Resolution,
    Transition,
)
from actors.model.trade import ConditionId


class OutcomeWriter:
    """Writes the findings of one transaction; made for that transaction.

    Each method returns the number of rows that were stored, if it does not say otherwise.

    Args:
        journal_key: The key of the journal of the tracker.
        locked: What is stored already, and need not be stored again.

    Attributes:
        unproven: Resolutions that were not recorded, because the database lacks evidence on them.
        mapping_changed: Markets whose listing tells other names of tokens than before.
        resolved: Markets that a listing calls open and whose resolution is recorded.
    """

    def __init__(
        self, connection: Connection, journal_key: int, tokens: TokenKeys, locked: Locked
    ) -> None:
        self._connection = connection
        self._journal_key = journal_key
        self._tokens = tokens
        self._locked = locked
        self.unproven: list[Resolution] = []
        self.mapping_changed: list[ConditionId] = []
        self.resolved: list[ConditionId] = []

    def upsert_markets(self, rows: Sequence[Market]) -> int:
        """Store markets, their events, the names of their tokens; return how many were given."""
        given = columns.markets(rows)
        if not self._locked.with_events:
            store_events(self._connection, rows)
        if not all(row.condition_id in self._locked.added for row in rows):
            self._run(queries.UPSERT_MARKETS, **given)
        changed = self._rows(queries.UPSERT_ASSETS, **columns.named(rows))
        conditions = columns.as_json([row.condition_id for row in rows])
        self._run(queries.INSERT_UNRESOLVED, conditions=conditions)
        self._tokens.conditions_stored(asset.token_id for row in rows for asset in row.assets)
        self.mapping_changed += [condition_id for (condition_id,) in changed]
        is_open = [row.condition_id for row in rows if not row.closed]
        self.resolved += self._resolved(is_open)
        return len(rows)

    def insert_observations(self, rows: Sequence[Observation]) -> int:
        """Store what sources said, unless it repeats what is stored."""
        return self._run(queries.INSERT_RESOLUTION_OBSERVATIONS, **columns.observations(rows))

    def insert_transitions(self, rows: Sequence[Transition]) -> int:
        """Store steps of markets on their way to a resolution."""
        return self._run(queries.INSERT_RESOLUTION_OBSERVATIONS, **columns.transitions(rows))

    def insert_resolutions(self, rows: Sequence[Resolution]) -> int:
        """Record resolutions with what each token pays, but for those without evidence."""
        given = columns.resolutions(rows)
        recorded = dict(self._rows(queries.INSERT_RESOLUTIONS, **given))
        if recorded:
            # Of two about one market that which was recorded.
            new = {
                row.condition_id: row
                for row in reversed(rows)
                if recorded.get(row.condition_id, "") == row.winning_token_id
            }
            payouts = columns.resolutions(tuple(new.values()))
            self._run(queries.INSERT_RESOLUTION_PAYOUTS, **payouts)
        conditions = [row.condition_id for row in rows]
        resolved = self._resolved(conditions)
        self._run(queries.DELETE_RESOLVED, conditions=resolved)
        self._run(queries.INSERT_DIFFERING_RESOLUTIONS, **given)
        self.unproven += [row for row in rows if row.condition_id not in resolved]
        return len(recorded)

    def insert_confirmations(self, rows: Sequence[Confirmation]) -> int:
        """Store which other sources agree with a recorded resolution."""
        return self._run(queries.INSERT_RESOLUTION_CONFIRMATIONS, **columns.confirmations(rows))

    def clear_conflicts(self, rows: Sequence[Clearance]) -> int:
        """End open contradictions."""
        return self._run(queries.CLEAR_RESOLUTION_CONFLICTS, **columns.clearances(rows))

    def insert_contradictions(self, rows: Sequence[Contradiction]) -> int:
        """Open contradictions, unless they are open already."""
        return self._run(queries.INSERT_RESOLUTION_CONFLICTS, **columns.contradictions(rows))

    def upsert_audits(self, rows: Sequence[Audit]) -> int:
        """Store what audits found, unless what is stored says more."""
        return self._run(queries.UPSERT_AUDITS, **columns.audits(rows))

    def _resolved(self, conditions: list[ConditionId]) -> list[ConditionId]:
        found = self._rows(queries.SELECT_RESOLVED, conditions=conditions)
        return [condition_id for (condition_id,) in found]

    def _run(self, query: bytes, **given: Any) -> int:
        return self._connection.execute(query, {"journal": self._journal_key, **given}).rowcount

    def _rows(self, query: bytes, **given: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, given).fetchall()
