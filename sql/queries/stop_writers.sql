-- Waits until no tracker is within a transaction, and keeps them out until this transaction ends:
-- each of theirs begins at the watermark, where it sees the migrations that were applied until then.
-- Rows: none.
do $$
begin
  if to_regclass('tracker.journal_progress') is not null then
    lock table tracker.journal_progress in access exclusive mode;
  end if;
end
$$
