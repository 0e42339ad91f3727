-- Deletes some listening that was released before the watermark on epochs that go on, and returns it, in the order of
-- the releases. What a rejected message puts in doubt is left out.
-- Parameters: journal, watermark, after (journal sequences), most (how many rows).
-- Rows: asset_key, from_at, until_at, known_at, epoch, confirmed_seq, released_seq, cause; whether it was taken.
with released as (
  select l.epoch, l.asset_key, l.confirmed_seq, l.released_seq, l.from_at, l.until_at, l.cause,
         greatest(l.from_at, l.known_at, e.late_at) as known_at,
         (e.epoch is null or e.closed_seq is null)
         and not exists (select from public.rejected_messages m
                         where m.journal_key = l.journal_key and m.epoch = l.epoch and m.doubt is not null
                           and m.taken_in_at is null offset 0)
         and not exists (select from public.rejected_messages m
                         where m.journal_key = l.journal_key and m.seq > l.epoch and m.seq < l.released_seq
                           and m.connection = 'journal' and m.taken_in_at is null offset 0) as is_final
  from (select * from tracker.listening r
        where r.journal_key = %(journal)s and r.released_seq < %(watermark)s and r.released_seq > %(after)s
        order by r.released_seq limit %(most)s) l
  left join tracker.epochs e using (journal_key, epoch)
), deleted as (
  delete from tracker.listening l using released r
  where r.is_final and l.journal_key = %(journal)s and l.epoch = r.epoch and l.asset_key = r.asset_key
    and l.confirmed_seq = r.confirmed_seq
)
select asset_key, from_at, until_at, known_at, epoch, confirmed_seq, released_seq, cause, is_final
from released order by released_seq
