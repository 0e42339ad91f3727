-- Adds a journal that is not known yet; its watermark is its first record.
-- Parameters: journal_id (uuid), first (the lowest sequence that it still has). Rows: none.
with fresh as (
  insert into tracker.journals (journal_id) select %(journal_id)s
  where not exists (select from tracker.journals where journal_id = %(journal_id)s)
  on conflict do nothing returning journal_key
)
insert into tracker.journal_progress (journal_key, mark) select journal_key, %(first)s from fresh
on conflict do nothing
