-- Returns the journals that are not retired, for a dataset: a day is final when all of them have passed it.
-- Rows: journal_key; host, last sign of life and whether it was an orderly stop, NULL where no process is stored. Signs of life
-- are records of the journal, which are stored in its order: what it received before is stored.
select j.journal_key, last.host, last.seen_at, last.stopped
from tracker.journals j
left join lateral (
  select p.host, coalesce(p.stopped_at, p.alive_at) as seen_at, p.stopped_at is not null as stopped
  from tracker.process_life p where p.journal_key = j.journal_key
  order by p.start_seq desc limit 1) last on true
where j.retired_at is null
order by j.journal_key
