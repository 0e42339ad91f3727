-- Returns the journals of which a process is known, the one that was seen last first.
-- Rows: journal_id, host, when it was last seen, whether it runs.
select j.journal_id, last.host, last.seen_at, last.stopped_at is null and last.seen_at > now() - interval '60 seconds'
from tracker.journals j
cross join lateral (
  select p.host, p.stopped_at, coalesce(p.stopped_at, p.alive_at) as seen_at from tracker.process_life p
  where p.journal_key = j.journal_key
  order by p.start_seq desc limit 1) last
order by last.seen_at desc
