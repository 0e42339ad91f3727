-- Lets epochs be settled to which no rejected message belongs any more that is kept: see select_ended_epochs.
-- Parameters: journals (journal_key[]). Rows: none.
update tracker.epochs e set held = false
where e.held and e.journal_key = any(%(journals)b::integer[])
  and not exists (select from public.rejected_messages m
                  where m.journal_key = e.journal_key and m.epoch = e.epoch and m.doubt is not null
                    and m.taken_in_at is null offset 0)
  and not exists (select from public.rejected_messages m
                  where m.journal_key = e.journal_key and m.seq > e.epoch and m.seq < e.closed_seq
                    and m.connection = 'journal' and m.taken_in_at is null offset 0)
