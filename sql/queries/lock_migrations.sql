-- Waits until no other process migrates this database; held until the session ends. Rows: one.
select pg_advisory_lock(7041776131)
