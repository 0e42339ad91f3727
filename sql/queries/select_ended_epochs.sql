-- Returns some of the epochs that have ended for good, those first that ended first: every record before their end has
-- arrived, so nothing about them changes any more; unless something was rejected that is kept and may be taken in later.
-- Parameters: journal, watermark (journal sequence), most (how many).
-- Rows: epoch; whether a message that may be a trade, or a record of the journal, is kept that belongs to it.
select e.epoch,
       exists (select from public.rejected_messages m
               where m.journal_key = e.journal_key and m.epoch = e.epoch and m.doubt is not null
                 and m.taken_in_at is null offset 0)
       or exists (select from public.rejected_messages m
                  where m.journal_key = e.journal_key and m.seq > e.epoch and m.seq < e.closed_seq
                    and m.connection = 'journal' and m.taken_in_at is null offset 0)
from tracker.epochs e
where e.journal_key = %(journal)s and e.closed_seq < %(watermark)s and not e.held
order by e.closed_seq limit %(most)s
