-- Waits until no other process puts sequences right; held until the end of the transaction. Rows: one.
select pg_advisory_xact_lock(7041776133)
