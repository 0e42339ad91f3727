"""One stretch of the journal, read back for one transaction."""

import logging

from actors.feed.ports import Journal
from actors.journal.watermark import Acks
from actors.model.facts import Hole, StretchLost
from actors.writer.gather import Gathered

log = logging.getLogger(__name__)


def read_stretch(journal: Journal, acks: Acks, *, most_prints: int, most_records: int) -> Gathered:
    """Read from the mark what fits into one transaction; empty at the journal's end.

    What cannot be read is stepped over, with a line in the log and a fact for
    coverage: prints that stood there are lost, and must not count as heard.
    """
    gathered = Gathered()
    for entry in journal.read(acks.mark):
        if isinstance(entry, Hole):
            lost = not entry.skipped and not acks.covers(entry.first, entry.last)
            acks.done(entry.first, entry.last)
            level = logging.INFO if entry.skipped else logging.ERROR
            extra = {"first": entry.first, "last": entry.last, "skipped": entry.skipped}
            log.log(level, "journal_hole", extra=extra)
            if lost:
                gathered.fact(entry.first, StretchLost(entry.first, entry.last))
            continue
        gathered.entry(entry, opened_at_seq=journal.opened_at_seq)
        prints, records = gathered.full_of
        if prints >= most_prints or records >= most_records:
            break
    return gathered
