"""How journal and database meet: does this database know this journal as it is?

A state directory that was restored from a copy is older than the database: what
it is given next would bear numbers that the database believes to hold already,
and be let go as stored. So such a journal takes another identity, under which
all that it has is told once more: prints that were stored are found to be there,
the others are not lost. Nobody has to act.
"""

import logging

from actors.errors import JournalFailed
from actors.feed.ports import Journal, Store
from actors.model.batch import Opened

log = logging.getLogger(__name__)


def meet(store: Store, journal: Journal) -> Opened:
    """Open the database for this journal, under another identity if need be.

    Raises:
        StoreUnavailable: Try again later.
        JournalFailed: The journal cannot take another identity.
    """
    opened = store.open(journal.journal_id, first_seq=journal.oldest_seq)
    if opened.mark > journal.unmet_seq:
        before = journal.journal_id
        journal.renew()
        extra = {
            "journal_id": str(journal.journal_id),
            "before": str(before),
            "mark": opened.mark,
            "next_seq": journal.next_seq,
        }
        log.warning("journal_renewed", extra=extra)
        opened = store.open(journal.journal_id, first_seq=journal.oldest_seq)
        if opened.mark > journal.unmet_seq:
            raise JournalFailed("the database knows a journal that has only just come to be")
    journal.met()
    return opened
