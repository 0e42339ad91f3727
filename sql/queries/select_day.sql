-- Tells what is known of a day up to now.
-- Parameters: journal, day (date), midnight (timestamptz: its beginning), first (the first seq that this process journalled).
-- Rows: one for each process with this journal before this one that ran on the day, and for the last one before them, oldest
-- first; one with NULLs when there is none: new rows of tracker.trades on that day; resolutions recorded on it before this
-- process began; when the process started and was last known to run, and what it had measured of its day then, as text.
select coalesce((select p.stored_rows from tracker.journal_progress p
                 where p.journal_key = %(journal)s and p.stored_on = %(day)s), 0),
       (select count(*) from public.resolutions r where r.recorded_at >= %(midnight)s
        and r.recorded_at < coalesce((select min(p.started_at) from tracker.process_life p
                                      where p.journal_key = %(journal)s and p.start_seq >= %(first)s), now())),
       run.started_at, run.alive_at, run.day::text
from (values (1)) one (row)
left join lateral (
  select p.start_seq, p.started_at, p.alive_at, p.day from tracker.process_life p
  where p.journal_key = %(journal)s and p.start_seq < %(first)s
    and p.start_seq >= coalesce(
      (select max(b.start_seq) from tracker.process_life b
       where b.journal_key = %(journal)s and b.start_seq < %(first)s and b.alive_at < %(midnight)s), 0)
  order by p.start_seq desc limit 10000) run on true
order by run.start_seq
