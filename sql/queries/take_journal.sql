-- Lets this session store a journal from now on, and no other one. A tracker that was retired has returned.
-- Parameters: journal_id, session (uuid).
-- Rows: one: journal_key (int), mark (lowest journal sequence that is not yet committed), when that was stored.
with returned as (
  update tracker.journals set retired_at = null where journal_id = %(journal_id)s and retired_at is not null
)
update tracker.journal_progress p set session = %(session)s
from tracker.journals j
where j.journal_id = %(journal_id)s and p.journal_key = j.journal_key
returning p.journal_key, p.mark, p.moved_at
