-- Retires trackers as of when they were last seen: since then they want nothing.
-- Parameters: journals (uuid[]). Rows: none.
update tracker.journals j
set retired_at = (select coalesce(p.stopped_at, p.alive_at) from tracker.process_life p
                  where p.journal_key = j.journal_key
                  order by p.start_seq desc limit 1)
where j.journal_id = any(%(journals)s::uuid[])
