-- Tells what is known of a day up to now.
-- Parameters: journal, day (date), midnight (timestamptz: its beginning), first (the first seq that this process journalled).
-- Rows: one: new rows of tracker.trades on that day; resolutions recorded on it before the process began; of the process
-- before this one when it was last known to run, and what it had measured of its day then, as text (NULL: there was none).
select coalesce((select p.stored_rows from tracker.journal_progress p
                 where p.journal_key = %(journal)s and p.stored_on = %(day)s), 0),
       (select count(*) from public.resolutions r where r.recorded_at >= %(midnight)s
        and r.recorded_at < coalesce((select min(p.started_at) from tracker.process_life p
                                      where p.journal_key = %(journal)s and p.start_seq >= %(first)s), now())),
       before.alive_at, before.day::text
from (values (1)) one (row)
left join lateral (select p.alive_at, p.day from tracker.process_life p
                   where p.journal_key = %(journal)s and p.start_seq < %(first)s
                   order by p.start_seq desc limit 1) before on true
