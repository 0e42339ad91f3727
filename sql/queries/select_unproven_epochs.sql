-- Returns whether a connection goes on that began before a time and has no proof of it yet: it may have brought all until then.
-- Parameters: until (timestamptz). Rows: one boolean.
select exists (
  select from tracker.journals j
  cross join lateral (select p.start_seq, p.stopped_at from tracker.process_life p where p.journal_key = j.journal_key
                      order by p.start_seq desc limit 1) last
  cross join lateral (select e.opened_at, e.proven_until from tracker.epochs e
                      where e.journal_key = j.journal_key and e.closed_seq is null and e.epoch > last.start_seq offset 0) e
  where j.retired_at is null and last.stopped_at is null
    and coalesce(e.opened_at, '-infinity') < %(until)s and coalesce(e.proven_until, '-infinity') < %(until)s)
