"""Watermark and rows are committed together: neither is visible without the other."""

from decimal import Decimal
from uuid import UUID

import psycopg
import pytest

from actors.database.store import Store
from actors.errors import StoreUnavailable
from actors.model.storage import Batch
from tests.database.samples import trade
from tests.postgres import ask

pytestmark = pytest.mark.db

MARK = "select mark from journal_progress join journals using (journal_key) where journal_id = %s"


def test_rows_that_cannot_be_stored_hold_the_watermark_back(
    store: Store, database: str, journal_id: UUID
) -> None:
    # Its day is there already: to make that waits for the table, too, before the watermark moves.
    store.commit(Batch(trades=(trade(),), watermark=3))
    with psycopg.connect(database) as holder:
        holder.execute("lock table tracker.trades in access exclusive mode")
        with pytest.raises(StoreUnavailable):
            store.commit(Batch(trades=(trade(size=Decimal(7)),), watermark=7))

    assert ask(database, MARK, journal_id) == [(3,)]
    assert ask(database, "select count(*) from tracker.trades") == [(1,)]
    assert store.open(journal_id).watermark == 3
    assert store.commit(Batch(trades=(trade(size=Decimal(7)),), watermark=7)).stored == 1
    assert ask(database, MARK, journal_id) == [(7,)]
