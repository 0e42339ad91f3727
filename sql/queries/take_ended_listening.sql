-- Deletes ended epochs and their listening, and returns what these were; the process keeps until when they had proofs.
-- Parameters: journal, epochs (bigint[]).
-- Rows: asset_key, from_at, until_at, known_at, epoch, confirmed_seq, released_seq, cause of each listening.
with ended as (
  select l.* from unnest((select %(epochs)s::bigint[])) as k (epoch)
  cross join lateral (select * from tracker.listening_now n where n.journal_key = %(journal)s and n.epoch = k.epoch
                      offset 0) l
), deleted as (
  delete from tracker.listening l
  where l.journal_key = %(journal)s and l.epoch = any((select %(epochs)s::bigint[])::bigint[])
), gone as (
  delete from tracker.epochs e
  where e.journal_key = %(journal)s and e.epoch = any((select %(epochs)s::bigint[])::bigint[])
  returning e.epoch, e.proven_until
), proven as (
  select run.start_seq, max(gone.proven_until) as until_at
  from gone
  cross join lateral (select p.start_seq from tracker.process_life p
                      where p.journal_key = %(journal)s and p.start_seq < gone.epoch
                      order by p.start_seq desc limit 1) run
  group by run.start_seq
), kept as (
  update tracker.process_life p set proven_until = greatest(p.proven_until, proven.until_at)
  from proven where p.journal_key = %(journal)s and p.start_seq = proven.start_seq
)
select asset_key, from_at, until_at, known_at, epoch, confirmed_seq, coalesce(released_seq, confirmed_seq),
       coalesce(cause, 'disconnected')
from ended
