"""Settling: listening that is final moves from `listening` into `coverage_ranges`, step by step.

What a journal tells below its watermark has arrived as a whole, so what has ended there changes no
more. Each step is one transaction of bounded size, and can be cut off at any moment: the next one
finds what is left. So a start after a kill ends thousands of epochs without a long transaction.

What a rejected message puts in doubt stays in `listening` until the message is taken in: its time
may be covered then (`restore_listening`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg.types.numeric import Int8

from actors.database import queries
from actors.database.session import Connection
from actors.database.transaction import StoredJournal, move_watermark
from actors.database.upkeep import ranges
from actors.database.upkeep.ranges import Range

EPOCHS_AT_ONCE = 20
"""Each may hold some hundred tokens, and all of their listening is read in one step."""
ROWS_AT_ONCE = 4_000
"""Of listening that was released on epochs that go on."""


class Settled(NamedTuple):
    """What one step did.

    Attributes:
        epochs: How many ended epochs are settled or held now.
        rows: How much listening was joined with ranges.
        is_done: Nothing that can be settled is left.
    """

    epochs: int
    rows: int
    is_done: bool


class Settlement:
    """Settles one journal; made for one connection to the database.

    Args:
        journal: The journal, and the session that stores it.
        migrations: Names of those that this version has.
    """

    def __init__(
        self, connection: Connection, journal: StoredJournal, migrations: Sequence[str]
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._migrations = migrations
        self._released_after = 0

    def step(self) -> Settled:
        """Settle a little, in one transaction.

        Raises:
            SchemaNewer: The database was migrated, and this version must not write any more.
        """
        with self._connection.transaction():
            _, watermark = move_watermark(self._connection, self._journal, None, self._migrations)
            given = {"watermark": watermark, "most": EPOCHS_AT_ONCE}
            self._rows(queries.CLOSE_LOST_EPOCHS, **given)
            ended = self._rows(queries.SELECT_ENDED_EPOCHS, **given)
            if ended:
                return self._settle_epochs(ended)
            return self._settle_released(watermark)

    def _settle_epochs(self, ended: Sequence[tuple[Any, ...]]) -> Settled:
        doubted = [Int8(epoch) for epoch, is_doubted in ended if is_doubted]
        if doubted:
            self._rows(queries.HOLD_EPOCHS, epochs=doubted)
        final = [Int8(epoch) for epoch, is_doubted in ended if not is_doubted]
        taken = self._rows(queries.TAKE_ENDED_LISTENING, epochs=final) if final else []
        self._join([Range(*row) for row in taken])
        return Settled(len(ended), len(taken), is_done=False)

    def _settle_released(self, watermark: int) -> Settled:
        """Settle what was released on epochs that go on.

        What is in doubt there is passed over, and looked at again after the rest.
        """
        given = {"watermark": watermark, "after": self._released_after, "most": ROWS_AT_ONCE}
        read = self._rows(queries.TAKE_RELEASED_LISTENING, **given)
        self._join([Range(*row[:-1]) for row in read if row[-1]])
        is_done = len(read) < ROWS_AT_ONCE
        # What has the last sequence may be cut off. It is one release, so of one epoch, and in
        # doubt as a whole or not at all.
        self._released_after = 0 if is_done else read[-1][6] - read[-1][-1]
        return Settled(0, sum(1 for row in read if row[-1]), is_done)

    def _join(self, parts: Sequence[Range]) -> None:
        if not parts:
            return
        assets, since, until = map(list, zip(*ranges.spans(parts), strict=True))
        touched = self._rows(queries.SELECT_TOUCHED_RANGES, assets=assets, since=since, until=until)
        changes = ranges.join(parts, [Range(*row) for row in touched])
        if changes.deleted:
            given = _columns(changes.deleted)
            self._rows(queries.DELETE_RANGES, assets=given["assets"], since=given["since"])
        if changes.upserted:
            self._rows(queries.UPSERT_RANGES, **_columns(changes.upserted))

    def _rows(self, query: bytes, **given: Any) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(query, {"journal": self._journal.key, **given})
        return cursor.fetchall() if cursor.description else []


def _columns(rows: Sequence[Range]) -> dict[str, list[Any]]:
    """Return the parameters of `upsert_ranges`."""
    return {
        "assets": [row.asset_key for row in rows],
        "since": [row.from_at for row in rows],
        "until": [row.until_at for row in rows],
        "known": [row.known_at for row in rows],
        "epochs": [Int8(row.epoch) for row in rows],
        "confirmed": [Int8(row.confirmed_seq) for row in rows],
        "released": [Int8(row.released_seq) for row in rows],
        "causes": [row.cause for row in rows],
    }
