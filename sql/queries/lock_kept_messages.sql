-- Waits until no other process takes kept messages in; held until the end of the transaction. The row stands for all: each
-- message belongs to a journal. Nobody may lock it who may not store.
-- Rows: one: how many rows were locked.
select count(*) from (
  select from tracker.journals order by journal_key limit 1 for no key update) locked
