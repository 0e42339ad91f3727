-- Waits until no other process puts sequences right; held until the end of the transaction. Nobody may take it who may not
-- store, and storing does not wait for it. Rows: none.
lock table tracker.journal_progress in share update exclusive mode
