"""Which store may apply migrations, and when: at the start at once, while the tracker runs seldom.

A running tracker meets another database when somebody restores a copy, or exchanges it. What it
finds then is perhaps not all that is going to be there: `pg_restore` makes schemas first, then
tables, rows and indexes. A migration between two of these steps would break the restore.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from actors.database.schema import migrate
from actors.database.schema.migration_files import MIGRATIONS
from actors.database.store import Store
from actors.errors import SchemaLacking, SchemaMismatch, StoreUnavailable, TrackerError
from actors.model.storage import Opened

log = logging.getLogger(__name__)

EMPTY_S: Final = 60.0
"""For so long a database must be found empty before a running tracker makes its tables in it."""


class MigrationRule:
    """Says whether a database that lacks migrations may be migrated. One for the whole process.

    Args:
        allowed: Whether the tracker may migrate at all (TRACKER_MIGRATE).
        monotonic: The clock.

    Attributes:
        is_starting: Nobody has started to record; who starts it can act.
    """

    def __init__(self, *, allowed: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._allowed = allowed
        self._monotonic = monotonic
        self._was_opened = False
        self._empty_since: float | None = None
        self._begun: int | None = None
        self.is_starting = True

    def opened(self) -> None:
        """Record that the database was opened, so that another one is noticed later."""
        self._was_opened = True
        self.found_other()

    def away(self) -> None:
        """Record that it did not answer: the next one that does may be another one."""
        self._empty_since = None

    def found_other(self) -> None:
        """Record that something else was found than a database that lacks migrations."""
        self._empty_since = self._begun = None

    def require(self, found: SchemaLacking) -> None:
        """Record what was found, and check that it may be migrated now.

        Raises:
            SchemaMismatch: It may not; the message says what is waited for, or what to do.
        """
        if not self._allowed:
            raise found
        # Whatever lies in one that we have begun to migrate is ours.
        if not self.is_starting and found.database != self._begun:
            self._require_lasting(found)
        self._begun = found.database

    def _require_lasting(self, found: SchemaLacking) -> None:
        if found.is_empty:
            now = self._monotonic()
            if self._empty_since is None:
                self._empty_since = now
            if now - self._empty_since < EMPTY_S:
                raise SchemaMismatch(
                    "the database is empty: perhaps a restore is about to fill it. Its tables are"
                    f" made when it has stayed empty for {EMPTY_S:.0f} s"
                ) from found
        else:
            self._empty_since = None
            # A start that found no database may bring it up to date when it comes. One that was
            # exchanged is left to the person who did that.
            if self._was_opened:
                raise SchemaMismatch(
                    f"{found.lacks}, with which the tracker has opened it before: it is an older"
                    " copy, or another one. When it is the right one, run `bin/tracker --migrate`,"
                    " or restart the tracker"
                ) from found


class MigratingStore(Store):
    """A store that applies missing migrations when it is opened, if the rule allows that.

    Args:
        dsn: As which it stores.
        owner: As which it migrates; the same unless it is given.
        rule: Says whether it may.
        folder: The migrations.
    """

    def __init__(
        self, dsn: str, *, rule: MigrationRule, owner: str = "", folder: Path = MIGRATIONS
    ) -> None:
        super().__init__(dsn, folder=folder)
        self._owner, self._rule = owner or dsn, rule

    def open(self, journal_id: UUID, *, first_seq: int = 1) -> Opened:
        """Connect; apply missing migrations first, each statement of which may take 10 minutes."""
        try:
            opened = super().open(journal_id, first_seq=first_seq)
        except SchemaLacking as found:
            self._rule.require(found)
        except StoreUnavailable:
            self._rule.away()
            raise
        except TrackerError:
            self._rule.found_other()
            raise
        else:
            self._rule.opened()
            return opened
        with self._waiting():
            applied = migrate.apply(
                self._owner,
                self._folder,
                on_begun=self._keep_session,
                on_moved=self._progress.moved,
            )
        if applied:
            log.info("schema_migrated", extra={"applied": list(applied)})
        opened = super().open(journal_id, first_seq=first_seq)
        self._rule.opened()
        return opened
