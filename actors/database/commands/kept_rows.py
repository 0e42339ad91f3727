"""Rows other than trades that the database rejected, taken in once it can hold them.

Each may have been overtaken meanwhile. What may be stored late is stored: evidence, contradictions,
events, facts about coverage, and a market that is not known yet. What must not be stored late the
tracker sends once more by itself, and it counts as taken in once that has happened: a resolution is
only ever decided from all that is known, and the end of a contradiction may be out of date.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from actors.database import columns, queries
from actors.database.cache import TokenKeys
from actors.database.coverage import CoverageWriter, NumberedFact
from actors.database.session import Connection
from actors.database.shared_rows import store_events
from actors.database.transaction import StoredJournal, move_watermark
from actors.model.audit import Audit
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    Market,
    Observation,
    Resolution,
    Transition,
)
from actors.model.storage import ConnectionEvent, OtherRow
from actors.model.trade import ConditionId

DECIDED_AGAIN: Final = "resolution, which the tracker decides again"
TOLD_AGAIN: Final = "end of a contradiction, which the tracker tells again while it holds"
NOT_RECORDED: Final = "confirmation of a resolution that is not recorded"


class KeptRows:
    """Stores rows that were rejected. In the transaction of its caller.

    Args:
        tokens: Its `rollback` is called by the caller when the transaction is rolled back.
        migrations: Names of those that this version has.
    """

    def __init__(
        self, connection: Connection, tokens: TokenKeys, migrations: Sequence[str]
    ) -> None:
        self._connection = connection
        self._tokens = tokens
        self._migrations = list(migrations)
        self._complete_below: dict[int, int] = {}

    def store(self, row: OtherRow, journal_key: int) -> str:
        """Store a row; return why it is neither stored nor overtaken, or an empty text."""
        match row:
            case Market():
                return self._store_market(row)
            case Observation():
                self._run(queries.INSERT_RESOLUTION_OBSERVATIONS, columns.observations((row,)))
            case Transition():
                self._run(queries.INSERT_RESOLUTION_OBSERVATIONS, columns.transitions((row,)))
            case Contradiction():
                self._run(queries.INSERT_RESOLUTION_CONFLICTS, columns.contradictions((row,)))
            case Confirmation():
                if not self._is_resolved(row.condition_id):
                    return NOT_RECORDED
                self._run(queries.INSERT_RESOLUTION_CONFIRMATIONS, columns.confirmations((row,)))
            case Resolution():
                return "" if self._is_resolved(row.condition_id) else DECIDED_AGAIN
            case Clearance():
                return TOLD_AGAIN if self._is_contradicted(row) else ""
            case _:
                self._store_unchecked(row, journal_key)
        return ""

    def _store_unchecked(self, row: Audit | ConnectionEvent, journal_key: int) -> None:
        """Store what nothing can have overtaken."""
        if isinstance(row, Audit):
            self._run(queries.UPSERT_AUDITS, columns.audits((row,)))
            return
        given = {"journal": journal_key, **columns.connection_events((row,))}
        self._run(queries.INSERT_CONNECTION_EVENTS, given)

    def lock(self, journal_keys: Iterable[int]) -> tuple[int, ...]:
        """Keep the writers of these journals from storing; to be called before anything else.

        Otherwise one could decide that an epoch is in doubt while its last message is taken in.
        """
        self._complete_below = {
            key: move_watermark(self._connection, StoredJournal(key), None, self._migrations)[1]
            for key in sorted(set(journal_keys))
        }
        return tuple(self._complete_below)

    def store_fact(self, numbered: NumberedFact, journal_key: int) -> None:
        """Write a fact about coverage; facts may come in any order.

        Only behind `lock`: the writer would miss what is not committed here, and the other way
        round, and an end that is missed leaves time claimed.
        """
        coverage = CoverageWriter(
            self._connection,
            journal_key,
            self._tokens,
            watermark=None,
            complete_below=self._complete_below[journal_key],
        )
        coverage.apply([numbered])

    def _store_market(self, market: Market) -> str:
        listed, _, _ = self._progress(market.condition_id)
        if not listed:  # else a later listing has told more
            store_events(self._connection, (market,))
            self._run(queries.UPSERT_MARKETS, columns.markets((market,)))
            self._run(queries.UPSERT_ASSETS, columns.named((market,)))
            conditions = columns.as_json([market.condition_id])
            self._run(queries.INSERT_UNRESOLVED, {"conditions": conditions})
        return ""

    def _is_resolved(self, condition_id: ConditionId) -> bool:
        _, resolved, _ = self._progress(condition_id)
        return resolved

    def _is_contradicted(self, clearance: Clearance) -> bool:
        _, _, contradicted = self._progress(clearance.condition_id, clearance.kind)
        return contradicted

    def _progress(
        self, condition_id: ConditionId, kind: ContradictionKind = ContradictionKind.OUTCOME
    ) -> tuple[bool, bool, bool]:
        given = {"condition_id": condition_id, "kind": kind}
        row = self._connection.execute(queries.SELECT_MARKET_PROGRESS, given).fetchone()
        listed, resolved, contradicted = row or (False, False, False)
        return listed, resolved, contradicted

    def _run(self, query: bytes, given: Mapping[str, Any]) -> None:
        self._connection.execute(query, given)
